#include "store_test.h"

#include <ftw.h>
#include <stdio.h>
#include <unistd.h>

char *make_folder(void)
{
	/* A folder in memory, where there is one: no test cuts the power. */
	char *dir = mem_asprintf("%s/glim-store-XXXXXX",
				 access("/dev/shm", W_OK) ? "/tmp" : "/dev/shm");

	assert_non_null(mkdtemp(dir));
	return dir;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	return remove(path);
}

void remove_folder(char *dir)
{
	nftw(dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
	free(dir);
}

void must(int r, const struct err *e)
{
	if (r < 0)
		fail_msg("%d: %s", r, e->msg);
}

int64_t new_tenant(struct store *s, const char *email)
{
	struct store_account a = {};

	snprintf(a.email, sizeof(a.email), "%s", email);
	snprintf(a.password, sizeof(a.password), "$argon2id$");
	MUST(store_account_add(s, &a, false, &e));
	return a.tenant;
}

struct profile *new_window(int64_t time, uint64_t id)
{
	struct profile *p = profile_new("cpu", "nanoseconds", 50000000);

	p->time_ns = time;
	p->duration_ns = 10 * SECOND;
	memcpy(p->id, &id, sizeof(id));
	return p;
}

static uint32_t parse_labels(struct profile *p, const char *text)
{
	cleanup_free char *copy = mem_strdup(text);
	struct profile_label labels[16];
	char *save = NULL;
	size_t n = 0;

	for (char *s = strtok_r(copy, ",", &save); s; s = strtok_r(NULL, ",", &save)) {
		char *eq = strchr(s, '=');

		*eq = 0;
		labels[n++] =
			(struct profile_label){profile_string(p, s), profile_string(p, eq + 1)};
	}
	return profile_labels(p, labels, n);
}

void add_sample(struct profile *p, const char *labels, const char *stack, int64_t count)
{
	cleanup_free char *copy = mem_strdup(stack);
	char *save = NULL;
	uint32_t at = 0;

	for (char *s = strtok_r(copy, ";", &save); s; s = strtok_r(NULL, ";", &save)) {
		struct profile_function fn = {
			.name = profile_string(p, s),
			.file = profile_string(p, "app.py"),
			.module = profile_string(p, "python3"),
			.start_line = 7,
			.kind = FRAME_PYTHON,
		};
		struct profile_frame fr = {.function = profile_function(p, &fn), .line = 12};

		at = profile_stack(p, at, profile_frame(p, &fr));
	}
	profile_add(p, at, parse_labels(p, labels), count, count * p->period);
}

int append_one(struct store *s, int64_t tenant, const char *service, const char *host,
	       struct profile *p, struct err *e)
{
	const struct profile *list[] = {p};
	struct store_batch b = {
		.tenant = tenant,
		.service = service,
		.host = host,
		.profiles = list,
		.nprofiles = 1,
	};
	int r = store_append(s, &b, 1, e);

	profile_free(p);
	return r;
}

static int compare_lines(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static char *sample_line(const struct profile *p, const struct profile_sample *x)
{
	cleanup_buf struct buf b = {};
	const struct profile_label_set *set = &p->label_sets.data[x->labels];
	uint32_t frames[128];
	size_t depth = profile_unroll(p, x->stack, frames, ARRAY_SIZE(frames));

	buf_putc(&b, '{');
	for (uint32_t i = 0; i < set->count; i++) {
		const struct profile_label *l = &p->label_pairs.data[set->first + i];

		buf_printf(&b, "%s%s=%s", i ? "," : "", profile_text(p, l->key),
			   profile_text(p, l->value));
	}
	buf_puts(&b, "} ");
	while (depth--) {
		const struct profile_frame *fr = &p->frames.data[frames[depth]];
		const struct profile_function *fn = &p->functions.data[fr->function];

		buf_puts(&b, profile_text(p, fn->name));
		buf_puts(&b, depth ? ";" : "");
	}
	buf_printf(&b, " %lld %lld\n", (long long)x->count, (long long)x->value);
	return mem_strdup(buf_cstr(&b));
}

char *profile_lines(const struct profile *p)
{
	cleanup_buf struct buf all = {};
	cleanup_free char **lines = mem_calloc(p->samples.len + 1, sizeof(*lines));

	for (size_t i = 0; i < p->samples.len; i++)
		lines[i] = sample_line(p, &p->samples.data[i]);
	qsort(lines, p->samples.len, sizeof(*lines), compare_lines);
	for (size_t i = 0; i < p->samples.len; i++) {
		buf_puts(&all, lines[i]);
		free(lines[i]);
	}
	return mem_strdup(buf_cstr(&all));
}

char *query_lines(struct store *s, const struct store_query *q, const char *const *by, size_t nby)
{
	cleanup_profile struct profile *p = NULL;
	double covered;

	MUST(store_profile(s, q, by, nby, &p, &covered, &e));
	return profile_lines(p);
}

int fixture_set_up(void **state)
{
	struct fixture *f = mem_calloc(1, sizeof(*f));

	if (!strcmp(*state, "sqlite")) {
		f->dir = make_folder();
		MUST(store_open_sqlite(f->dir, &f->store, &e));
	} else {
		assert_int_equal(store_open_memory(&f->store), 0);
	}
	f->tenant = new_tenant(f->store, "first@example.org");
	*state = f;
	return 0;
}

int fixture_tear_down(void **state)
{
	struct fixture *f = *state;

	store_close(f->store);
	if (f->dir)
		remove_folder(f->dir);
	free(f);
	return 0;
}

struct store_query all_of(const struct fixture *f)
{
	return (struct store_query){
		.tenant = f->tenant,
		.service = "shop",
		.type = "cpu",
		.from = MIDNIGHT,
		.until = MIDNIGHT + DAY,
	};
}

void assert_lines(struct fixture *f, const struct store_query *q, const char *want)
{
	cleanup_free char *got = query_lines(f->store, q, NULL, 0);

	assert_string_equal(got, want);
}
