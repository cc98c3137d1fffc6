#include "symbol/debug_unit.h"

#include "symbol/dwarf_format.h"

/* Work and bytes that a look-up may take over what is allowed, to end what it began. */
enum { OVERDRAFT = 8 << 20 };

static void unit_free(struct debug_unit *u)
{
	dwarf_unit_fini(&u->main);
	dwarf_unit_fini(&u->split);
	dwarf_functions_fini(&u->functions);
	dwarf_lines_fini(&u->lines);
	map64_fini(&u->files);
	debug_side_close(u->side);
	u->owner->pool->bytes -= u->bytes;
	map64_remove(&u->owner->loaded, u->number);
	free(u);
}

void debug_unit_weigh(struct debug_unit *u)
{
	size_t now = sizeof(*u) + dwarf_abbrevs_bytes(&u->main.abbrevs) +
		     dwarf_abbrevs_bytes(&u->split.abbrevs) + dwarf_functions_bytes(&u->functions) +
		     dwarf_lines_bytes(&u->lines) + u->files.cap * sizeof(struct map64_slot) +
		     (u->side ? sizeof(*u->side) : 0);

	u->owner->pool->bytes += now - u->bytes;
	u->bytes = now;
}

static int by_last_use(const void *x, const void *y)
{
	const struct debug_unit *const *a = x, *const *b = y;

	return (*a)->last_used < (*b)->last_used ? -1 : (*a)->last_used > (*b)->last_used;
}

void debug_pool_make_room(struct debug_pool *p)
{
	/* Some more than must be, so that this is not needed again at once. */
	size_t dropped = 0, enough = p->max_bytes / 4 * 3;

	if (p->bytes <= p->max_bytes || !p->units.len)
		return;
	qsort(p->units.data, p->units.len, sizeof(*p->units.data), by_last_use);
	/* What was inlined into a function is found again in microseconds, the functions of a unit
	 * in milliseconds. */
	for (size_t i = 0; i < p->units.len && p->bytes > enough; i++) {
		dwarf_functions_drop_bodies(&p->units.data[i]->functions);
		debug_unit_weigh(p->units.data[i]);
	}
	while (dropped < p->units.len && p->bytes > enough)
		unit_free(p->units.data[dropped++]);
	memmove(p->units.data, p->units.data + dropped,
		(p->units.len - dropped) * sizeof(*p->units.data));
	p->units.len -= dropped;
}

void debug_units_drop(struct debug_info *d)
{
	struct debug_pool *p = d->pool;
	size_t kept = 0;

	for (size_t i = 0; i < p->units.len; i++) {
		if (p->units.data[i]->owner == d)
			unit_free(p->units.data[i]);
		else
			p->units.data[kept++] = p->units.data[i];
	}
	p->units.len = kept;
}

static void load(struct debug_unit *u, const struct debug_opener *o)
{
	struct debug_info *d = u->owner;
	struct dwarf_head h;

	u->broken = dwarf_head_read(&d->file, d->index.units.data[u->number], &h) < 0 ||
		    dwarf_unit_read(&d->file, d->alt ? &d->alt->file : NULL, &h, NULL, true,
				    &u->main) < 0;
	if (u->broken)
		return;
	if (u->main.dwo_text)
		debug_split_find(u, o);
}

bool debug_pool_exhausted(const struct debug_pool *p)
{
	return p->dwarf.work < -MAX(p->lookup_work, (int64_t)OVERDRAFT) ||
	       p->bytes > p->max_bytes + OVERDRAFT;
}

struct debug_unit *debug_unit_get(struct debug_info *d, uint32_t number,
				  const struct debug_opener *o)
{
	struct debug_pool *p = d->pool;
	uint64_t *known = map64_get(&d->loaded, number);
	struct debug_unit *u = known ? (struct debug_unit *)(uintptr_t)*known : NULL;

	if (!u) {
		if (debug_pool_exhausted(p))
			return NULL;
		u = mem_calloc(1, sizeof(*u));
		u->owner = d;
		u->number = number;
		map64_set(&d->loaded, number, (uintptr_t)u);
		vec_push(&p->units, u);
		load(u, o);
		debug_unit_weigh(u);
	} else if (u->split.file) {
		/* Its other half was closed meanwhile. */
		u->broken |= !debug_side_reopen(u->side ? u->side : d->package, o);
	}
	if (u->generation != p->generation)
		map64_fini(&u->files);
	u->generation = p->generation;
	u->last_used = ++p->clock;
	return u->broken ? NULL : u;
}
