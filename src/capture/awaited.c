#include "capture/awaited.h"

#include "base/clock.h"

enum { SHARE = 20 };				  /* one part of so many, of a CPU */
static const int64_t ahead_ns = NSEC_PER_SEC / 4; /* of that share, taken at once */

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

/* As target_awaiters; -ESTALE: it has taken enough time just now, too. */
static int ask(struct awaited *a, const struct python_step *step, struct target *t, int64_t now_ns,
	       const struct python_awaiters **ret)
{
	int64_t start = clock_thread_cpu_ns();
	int n;

	if (a->paid_ns - now_ns > ahead_ns)
		return -ESTALE;
	if (!a->pages)
		a->pages = mem_calloc(1, sizeof(*a->pages));
	n = target_awaiters(t, step, a->pages, now_ns, ret);
	a->paid_ns = MAX(a->paid_ns, now_ns) + (clock_thread_cpu_ns() - start) * SHARE;
	return n;
}

/* Where the frames belong that await the task of a sample; 0: the stack has not its place. */
static uint32_t place(const struct probe_sample *s, const struct python_awaiters *awaiters)
{
	const struct unwind_entry *entries = (const void *)(s + 1);
	uint32_t at = s->entries - awaiters->depth;

	if (awaiters->depth > s->entries - s->native_entries ||
	    s->entries + awaiters->count > UNWIND_MAX_ENTRIES ||
	    entries[at].address != awaiters->code || (entries[at].tag & 0xff) > UNWIND_PYTHON_LAST)
		return 0;
	return at + 1;
}

const struct probe_sample *awaited_add(struct awaited *a, const struct probe_sample *s,
				       struct target *t, int64_t now_ns)
{
	const struct python_awaiters *awaiters;
	uint32_t at = 0;
	int n;

	if (!s->step.number)
		return s;
	n = ask(a, &s->step, t, now_ns, &awaiters);
	if (n >= 0)
		at = place(s, awaiters);
	a->gone += n >= 0 ? !at || awaiters->cut : n == -ESTALE;
	return at && n ? add_frames(a, s, awaiters, at) : s;
}
