#include "capture/awaited.h"

void awaited_fini(struct awaited *a)
{
	free(a->sample);
	free(a->pages);
}

/* A copy with room for so many entries more. */
static struct probe_sample *copy_sample(struct awaited *a, const struct probe_sample *s,
					uint32_t more)
{
	size_t need = s->record.size + more * sizeof(struct unwind_entry);

	if (a->room < need) {
		free(a->sample);
		a->sample = mem_calloc(1, need);
		a->room = need;
	}
	memcpy(a->sample, s, s->record.size);
	return a->sample;
}

static const struct probe_sample *add_frames(struct awaited *a, const struct probe_sample *s,
					     const struct python_awaiters *awaiters, uint32_t at)
{
	struct probe_sample *ret = copy_sample(a, s, awaiters->count);
	struct unwind_entry *entries = (void *)(ret + 1);

	python_awaiters_insert(awaiters, entries + at,
			       s->record.size - sizeof(*s) - at * sizeof(*entries));
	ret->entries += awaiters->count;
	ret->record.size += awaiters->count * sizeof(*entries);
	return ret;
}

const struct probe_sample *awaited_add(struct awaited *a, const struct probe_sample *s,
				       struct target *t, int64_t now_ns)
{
	const struct unwind_entry *entries = (const void *)(s + 1);
	const struct python_awaiters *awaiters;
	uint32_t at;
	int n;

	if (!s->step.number)
		return s;
	if (!a->pages)
		a->pages = mem_calloc(1, sizeof(*a->pages));
	n = target_awaiters(t, &s->step, a->pages, now_ns, &awaiters);
	if (n >= 0 && awaiters->depth <= s->entries - s->native_entries &&
	    s->entries + awaiters->count <= UNWIND_MAX_ENTRIES) {
		at = s->entries - awaiters->depth;
		if (entries[at].address == awaiters->code &&
		    (entries[at].tag & 0xff) <= UNWIND_PYTHON_LAST)
			return awaiters->count ? add_frames(a, s, awaiters, at + 1) : s;
		n = -ESTALE;
	}
	a->gone += n >= 0 || n == -ESTALE;
	return s;
}
