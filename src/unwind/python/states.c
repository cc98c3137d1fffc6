#include "unwind/python/states.h"

#include <string.h>

#include "base/base.h"

enum { MAX_STATES = 8 }; /* whose order is asked for; more stay as they are */

/* The entries of one state. */
struct part {
	const struct unwind_entry *entries;
	uint32_t n;
	uint64_t place; /* on the C stack; 0: it does not tell */
};

static struct part take_part(const struct unwind_entry *entries, uint32_t n)
{
	struct part p = {.entries = entries};

	while (p.n < n && (entries[p.n].tag & 0xff) != UNWIND_PYTHON_STATE) {
		if (!p.place && (entries[p.n].tag & 0xff) == UNWIND_PYTHON_BOUNDARY)
			p.place = entries[p.n].address;
		p.n++;
	}
	return p;
}

/* Was the one that is listed later called by the other? */
static bool is_inside(const struct part *later, const struct part *p)
{
	return later->place && p->place && later->place < p->place;
}

uint32_t python_join_states(const struct unwind_entry *entries, uint32_t n,
			    struct unwind_entry *ret)
{
	struct part parts[MAX_STATES];
	uint32_t done = 0, count = 0, at = 0;

	while (at < n && count < MAX_STATES) {
		struct part p = take_part(entries + at, n - at);
		uint32_t i = count++;

		for (; i && is_inside(&p, &parts[i - 1]); i--)
			parts[i] = parts[i - 1];
		parts[i] = p;
		at += p.n + 1;
	}
	for (uint32_t i = 0; i < count; i++) {
		memcpy(ret + done, parts[i].entries, parts[i].n * sizeof(*ret));
		done += parts[i].n;
	}
	for (; at < n; at++)
		if ((entries[at].tag & 0xff) != UNWIND_PYTHON_STATE)
			ret[done++] = entries[at];
	return done;
}
