#include "capture/parked.h"

bool parked_add(struct parked *p, const struct probe_sample *s, struct target *t, uint32_t run,
		uint64_t awaited)
{
	size_t bytes = s->record.size;

	if (p->bytes + bytes > PARKED_MAX_BYTES) {
		p->refused++;
		return false;
	}
	struct probe_sample *copy = mem_calloc(1, bytes);

	memcpy(copy, s, bytes);
	targets_hold(t);
	vec_push(&p->list, (struct parked_sample){copy, t, run, awaited});
	p->bytes += bytes;
	p->total++;
	return true;
}

void parked_remove(struct parked *p, size_t i, struct targets *t)
{
	struct parked_sample *s = &p->list.data[i];

	p->bytes -= s->sample->record.size;
	free(s->sample);
	targets_let_go(t, s->target);
	p->list.len--;
	memmove(s, s + 1, (p->list.len - i) * sizeof(*s));
}

void parked_fini(struct parked *p, struct targets *t)
{
	while (p->list.len)
		parked_remove(p, p->list.len - 1, t);
	vec_fini(&p->list);
}
