#include "capture/news.h"

#include "base/clock.h"

static void forget_taken(struct news *n)
{
	if (!n->next)
		return;
	for (size_t i = 0; i < n->next; i++)
		free((char *)n->events.data[i].path);
	n->events.len -= n->next;
	memmove(n->events.data, n->events.data + n->next, n->events.len * sizeof(*n->events.data));
	n->next = 0;
}

void news_fini(struct news *n)
{
	n->next = n->events.len;
	forget_taken(n);
	vec_fini(&n->events);
}

static void keep(const struct mapping_event *e, void *arg)
{
	struct news *n = arg;
	struct mapping_event copy = *e;

	copy.path = mem_strdup(e->path);
	vec_push(&n->events, copy);
}

uint64_t news_read(struct news *n, struct probe *p)
{
	uint64_t now = (uint64_t)clock_mono_ns(), lost;

	forget_taken(n);
	lost = probe_drain_mappings(p, keep, n);
	n->until_ns = now;
	n->lost += lost;
	return lost;
}

const struct mapping_event *news_next(struct news *n, uint64_t until_ns)
{
	if (n->next == n->events.len || n->events.data[n->next].time_ns > until_ns)
		return NULL;
	return &n->events.data[n->next++];
}
