#include "capture/labels.h"

#include "base/clock.h"
#include "base/utf8.h"
#include "unwind/unwind.h"

enum { MAX_ENTRIES = 1024, BELIEVED_NS = 1000 * 1000 * 1000 };

void labels_clear(struct labels *l)
{
	vec_clear(&l->entries);
	hash_index_clear(&l->index);
}

void labels_fini(struct labels *l)
{
	vec_fini(&l->entries);
	hash_index_fini(&l->index);
}

/* What the capture, the agent or the server name themselves, in OpenTelemetry's words, too. */
static bool is_ours(const char *key)
{
	static const char *const ours[] = {"process", "pid",	   "thread", "tid",
					   "host",    "container", "service"};
	size_t n = strcspn(key, ".");

	for (size_t i = 0; i < ARRAY_SIZE(ours); i++)
		if (strlen(ours[i]) == n && !strncmp(key, ours[i], n))
			return true;
	return false;
}

static uint32_t printable(struct profile *p, const char *prefix, const char *text)
{
	cleanup_buf struct buf out = {};

	buf_append(&out, prefix, strlen(prefix));
	utf8_put_printable(&out, text, strlen(text));
	return profile_string_n(p, (const char *)out.data, out.len);
}

static int read_set(struct profile *p, const struct probe_sample *s, const struct go_layout *layout,
		    struct labels_entry *e)
{
	const struct go_labelled from = {s->goroutine, s->goroutine_labels};
	struct go_label read[GO_LABELS_MAX];
	int n = go_labels_read((pid_t)s->pid, layout, &from, read);

	if (n < 0)
		return n;
	e->read_ns = (uint64_t)clock_mono_ns();
	e->count = 0;
	for (int i = 0; i < n; i++)
		if (read[i].key[0] && read[i].value[0])
			e->pairs[e->count++] = (struct profile_label){
				.key = printable(p, is_ours(read[i].key) ? "go." : "", read[i].key),
				.value = printable(p, "", read[i].value),
			};
	return 0;
}

static struct labels_entry *find(struct labels *l, const struct probe_sample *s, uint64_t hash)
{
	struct hash_iter it;

	for (uint32_t i = hash_index_first(&l->index, hash, &it); i != HASH_NONE;
	     i = hash_index_next(&l->index, &it)) {
		struct labels_entry *e = &l->entries.data[i];

		if (e->pid == s->pid && e->process_start == s->process_start &&
		    e->goroutine == s->goroutine && e->set == s->goroutine_labels)
			return e;
	}
	return NULL;
}

static bool is_fresh(const struct labels_entry *e, const struct probe_sample *s)
{
	return e->read_ns + BELIEVED_NS > s->time_ns;
}

size_t labels_of_goroutine(struct labels *l, struct profile *p, const struct probe_sample *s,
			   const struct go_layout *layout, struct profile_label ret[GO_LABELS_MAX])
{
	uint64_t hash = hash_mix(hash_mix(s->pid, s->goroutine), s->goroutine_labels);
	struct labels_entry new = {
		.pid = s->pid,
		.process_start = s->process_start,
		.goroutine = s->goroutine,
		.set = s->goroutine_labels,
	};
	struct labels_entry *e;

	if (!s->goroutine || !s->goroutine_labels)
		return 0;
	e = find(l, s, hash);
	if (!e || !is_fresh(e, s)) {
		if (read_set(p, s, layout, &new)) {
			l->lost++;
			return 0;
		}
		if (e) {
			*e = new;
		} else {
			if (l->entries.len >= MAX_ENTRIES)
				labels_clear(l);
			hash_index_add(&l->index, hash, l->entries.len);
			vec_push(&l->entries, new);
			e = &l->entries.data[l->entries.len - 1];
		}
	}
	if (e->count)
		memcpy(ret, e->pairs, e->count * sizeof(*ret));
	return e->count;
}
