#include "cmd/live_table.h"

#include <math.h>

#include "profile/top.h"

static const double half_life_s = 1.5, min_window_s = 0.001;

void live_table_fini(struct live_table *t)
{
	for (size_t i = 0; i < LIVE_KINDS; i++) {
		vec_fini(&t->rows[i].list);
		hash_index_fini(&t->rows[i].index);
	}
	strtab_fini(&t->strings);
	*t = (struct live_table){};
}

const char *live_text(const struct live_table *t, uint32_t string)
{
	return strtab_get(&t->strings, string);
}

double live_rate(const struct live_table *t, double now)
{
	return t->weight > 0 ? now / t->weight : 0;
}

/* ---- rows ---- */

static uint32_t find(const struct live_rows *rows, const struct live_key *key)
{
	struct hash_iter it;

	for (uint32_t i = hash_index_first(&rows->index, hash_bytes(key, sizeof(*key)), &it);
	     i != HASH_NONE; i = hash_index_next(&rows->index, &it))
		if (!memcmp(&rows->list.data[i].key, key, sizeof(*key)))
			return i;
	return HASH_NONE;
}

static uint32_t add_row(struct live_rows *rows, const struct live_row *row)
{
	uint32_t n = (uint32_t)rows->list.len;

	hash_index_add(&rows->index, hash_bytes(&row->key, sizeof(row->key)), n);
	vec_push(&rows->list, *row);
	return n;
}

static struct live_row *row_of(struct live_rows *rows, const struct live_key *key)
{
	uint32_t i = find(rows, key);

	if (i == HASH_NONE)
		i = add_row(rows, &(struct live_row){.key = *key});
	return &rows->list.data[i];
}

/* ---- one window ---- */

struct window {
	struct live_table *table;
	const struct profile *profile;
	const bool *keep;
	double share; /* what a nanosecond of this window adds to `now` */
};

static void add_value(const struct window *w, struct live_row *row, int64_t self, int64_t total)
{
	row->self += (double)self * w->share;
	row->total += (double)total * w->share;
	row->self_sum += self;
	row->total_sum += total;
}

static uint32_t text(const struct window *w, uint32_t string)
{
	const struct strtab *from = &w->profile->strings;

	return strtab_put(&w->table->strings, strtab_get(from, string), strtab_len(from, string));
}

/* Which numbers of a row: all of its time, what its threads ran of it. */
enum { PART_ALL = 1, PART_RUNNING = 2 };

static void add_code(const struct window *w, enum live_kind kind, const struct functions *f,
		     const top_rows *rows, unsigned int parts)
{
	struct live_table *t = w->table;

	for (size_t i = 0; i < rows->len; i++) {
		const struct top_row *r = &rows->data[i];
		const struct profile_function *pf = &f->list.data[r->function].f;
		const struct live_key key = {
			.name = strtab_puts(&t->strings, functions_name(f, r->function)),
			.file = text(w, pf->file),
			.module = text(w, pf->module),
			.line = kind == LIVE_LINES ? r->line : pf->start_line,
			.kind = pf->kind,
		};

		struct live_row *row = row_of(&t->rows[kind], &key);

		if (parts & PART_ALL)
			add_value(w, row, r->self, r->total);
		if (parts & PART_RUNNING)
			row->running += (double)r->total * w->share;
	}
}

static int add_part(const struct window *w, const struct functions *f, const bool *keep,
		    unsigned int parts, struct err *e)
{
	top_rows functions = {}, lines = {};
	int r = top_functions(f, keep, &functions, e);

	if (!r)
		r = top_lines(f, keep, &lines, e);
	if (!r) {
		add_code(w, LIVE_FUNCTIONS, f, &functions, parts);
		add_code(w, LIVE_LINES, f, &lines, parts);
	}
	vec_fini(&functions);
	vec_fini(&lines);
	return r;
}

static int add_functions(const struct window *w, struct err *e)
{
	const struct live_focus running = {.running = true};
	size_t n = w->profile->samples.len;
	cleanup_free bool *runs = mem_calloc(n + 1, sizeof(*runs));
	cleanup(functions_fini) struct functions f = {};
	bool all = true; /* of them run, as always but in wall mode */
	int r;

	functions_init(&f, w->profile);
	live_focus_samples(&running, w->profile, runs);
	for (size_t i = 0; i < n; i++) {
		all &= runs[i] || !w->keep[i];
		runs[i] &= w->keep[i];
	}
	r = add_part(w, &f, w->keep, all ? PART_ALL | PART_RUNNING : PART_ALL, e);
	return r || all ? r : add_part(w, &f, runs, PART_RUNNING, e);
}

static uint32_t label(const struct window *w, uint32_t labels, const char *key)
{
	const char *v = profile_label_value(w->profile, labels, key);

	return v ? strtab_puts(&w->table->strings, v) : 0;
}

/* "python3 (ForkPoolWorker-2)", where multiprocessing named it. */
static uint32_t process_of(const struct window *w, uint32_t labels)
{
	const char *process = profile_label_value(w->profile, labels, "process");
	const char *name = profile_label_value(w->profile, labels, "multiprocessing");
	cleanup_free char *both = NULL;

	if (!process || !name)
		return process ? strtab_puts(&w->table->strings, process) : 0;
	both = mem_asprintf("%s (%s)", process, name);
	return strtab_puts(&w->table->strings, both);
}

/* Of whom a sample is: as labels say it. */
struct owner {
	struct live_key process, thread;
	bool holds_gil, waits_gil, runs;
};

static struct owner owner_of(const struct window *w, uint32_t labels)
{
	const char *gil = profile_label_value(w->profile, labels, "gil");
	const char *state = profile_label_value(w->profile, labels, "state");
	struct owner o = {};

	o.process.name = o.thread.module = process_of(w, labels);
	o.process.pid = o.thread.pid = label(w, labels, "pid");
	o.thread.name = label(w, labels, "thread");
	o.holds_gil = gil && !strcmp(gil, "held");
	o.waits_gil = gil && !strcmp(gil, "waiting");
	o.runs = !state || strcmp(state, "idle");
	w->table->knows_gil |= gil != NULL;
	return o;
}

static void add_owner(const struct window *w, const struct owner *o, struct live_row *row,
		      int64_t value)
{
	double now = (double)value * w->share;

	add_value(w, row, value, value);
	row->gil += o->holds_gil ? now : 0;
	row->gil_wait += o->waits_gil ? now : 0;
	row->running += o->runs ? now : 0;
}

/* Samples with equal labels are added up first: there are few of those. */
static void add_owners(const struct window *w)
{
	const struct profile *p = w->profile;
	cleanup_free int64_t *sums = mem_calloc(p->label_sets.len, sizeof(*sums));
	struct live_table *t = w->table;

	for (size_t i = 0; i < p->samples.len; i++)
		if (w->keep[i])
			sums[p->samples.data[i].labels] += p->samples.data[i].value;
	for (uint32_t i = 0; i < p->label_sets.len; i++) {
		struct owner o;

		if (!sums[i])
			continue;
		o = owner_of(w, i);
		add_owner(w, &o, &t->all, sums[i]);
		add_owner(w, &o, row_of(&t->rows[LIVE_PROCESSES], &o.process), sums[i]);
		add_owner(w, &o, row_of(&t->rows[LIVE_THREADS], &o.thread), sums[i]);
	}
}

static void decay(struct live_row *row, double by)
{
	row->self *= by;
	row->total *= by;
	row->gil *= by;
	row->gil_wait *= by;
	row->running *= by;
}

static void decay_all(struct live_table *t, double by)
{
	t->weight *= by;
	decay(&t->all, by);
	for (size_t k = 0; k < LIVE_KINDS; k++)
		for (size_t i = 0; i < t->rows[k].list.len; i++)
			decay(&t->rows[k].list.data[i], by);
}

/* ---- what has no room ---- */

static int by_time(const void *a, const void *b)
{
	const struct live_row *x = a, *y = b;

	return (x->total_sum < y->total_sum) - (x->total_sum > y->total_sum);
}

static void move_rows(struct live_table *to, struct live_table *from, enum live_kind kind)
{
	struct live_rows *rows = &from->rows[kind];
	size_t n = MIN(rows->list.len, LIVE_MAX_ROWS / 2);

	if (rows->list.len)
		qsort(rows->list.data, rows->list.len, sizeof(rows->list.data[0]), by_time);
	to->rows[kind].dropped = rows->dropped + rows->list.len - n;
	for (size_t i = 0; i < n; i++) {
		struct live_row row = rows->list.data[i];
		uint32_t *const strings[] = {&row.key.name, &row.key.file, &row.key.module,
					     &row.key.pid};

		for (size_t k = 0; k < ARRAY_SIZE(strings); k++)
			*strings[k] = strtab_puts(&to->strings, live_text(from, *strings[k]));
		add_row(&to->rows[kind], &row);
	}
}

/* Rows and their strings anew, without those that had the least time. */
static void make_room(struct live_table *t)
{
	struct live_table next = {
		.weight = t->weight,
		.all = t->all,
		.duration_ns = t->duration_ns,
		.knows_gil = t->knows_gil,
	};
	bool full = false;

	for (size_t k = 0; k < LIVE_KINDS; k++)
		full |= t->rows[k].list.len > LIVE_MAX_ROWS;
	if (!full)
		return;
	for (enum live_kind k = 0; k < LIVE_KINDS; k++)
		move_rows(&next, t, k);
	live_table_fini(t);
	*t = next;
}

/* ---- focus ---- */

static bool has_label(const struct profile *p, uint32_t labels, const char *key, const char *want)
{
	const char *v = want ? profile_label_value(p, labels, key) : NULL;

	return !want || (v && !strcmp(v, want));
}

void live_focus_samples(const struct live_focus *focus, const struct profile *p, bool *ret_keep)
{
	cleanup_free bool *sets = mem_calloc(p->label_sets.len, sizeof(*sets));

	for (uint32_t i = 0; i < p->label_sets.len; i++)
		sets[i] = !focus || (has_label(p, i, "pid", focus->pid) &&
				     has_label(p, i, "thread", focus->thread) &&
				     !(focus->running && has_label(p, i, "state", "idle")));
	for (size_t i = 0; i < p->samples.len; i++)
		ret_keep[i] = sets[p->samples.data[i].labels];
}

int live_table_add(struct live_table *t, const struct profile *window,
		   const struct live_focus *focus, struct err *e)
{
	cleanup_free bool *keep = mem_calloc(window->samples.len + 1, sizeof(*keep));
	double seconds = MAX((double)window->duration_ns / NSEC_PER_SEC, min_window_s);
	double kept = exp2(-seconds / half_life_s);
	struct window w = {
		.table = t,
		.profile = window,
		.keep = keep,
		.share = (1 - kept) / seconds,
	};
	int r;

	live_focus_samples(focus, window, keep);
	decay_all(t, kept);
	r = add_functions(&w, e);
	if (r < 0)
		return r;
	add_owners(&w);
	t->weight += 1 - kept;
	t->duration_ns += window->duration_ns;
	make_room(t);
	return 0;
}
