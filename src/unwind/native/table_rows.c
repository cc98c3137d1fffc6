#include "unwind/native/table_store_priv.h"

void table_rows_init(struct table_store *s)
{
	unwind_rules_init(&s->rules);
	places_init(&s->pages, UNWIND_MAX_PAGES);
	for (uint32_t i = 0; i < s->space.max_chunks; i++)
		places_init(&s->chunk_places[i], UNWIND_CHUNK_ROWS);
}

void table_rows_fini(struct table_store *s)
{
	unwind_rules_fini(&s->rules);
	places_fini(&s->pages);
	for (uint32_t i = 0; i < s->space.max_chunks; i++)
		places_fini(&s->chunk_places[i]);
}

/* --- places ------------------------------------------------------------------------------------*/

/* Room for the rows of a page; chunks are made in the order of their numbers. */
static int take_rows(struct table_store *s, uint32_t count, bool at_once, struct unwind_page *ret)
{
	for (uint32_t i = 0; i < s->space.max_chunks; i++) {
		uint32_t first;

		if (!s->chunks[i]) {
			if (at_once)
				return -EBUSY;
			s->chunks[i] = s->space.chunk(s->space.arg, i);
			if (!s->chunks[i])
				return -ENOSPC;
			s->stats.chunks++;
		}
		if (places_take(&s->chunk_places[i], count, &first))
			continue;
		*ret = (struct unwind_page){
			.chunk = (uint16_t)i, .first = (uint16_t)first, .count = (uint16_t)count};
		return 0;
	}
	return -ENOSPC;
}

void table_rows_reclaim(struct table_store *s, uint32_t first, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++) {
		struct unwind_page *page = &s->space.pages[first + i];

		if (page->count)
			places_give(&s->chunk_places[page->chunk], page->first, page->count);
		*page = (struct unwind_page){};
	}
	places_give(&s->pages, first, count);
}

/* Rules only grow: what is there stays as it is. */
static void share_rules(struct table_store *s)
{
	size_t n = s->rules.rules.len - s->rules_shared;

	memcpy(s->space.rules + s->rules_shared, s->rules.rules.data + s->rules_shared,
	       n * sizeof(*s->space.rules));
	s->rules_shared += n;
}

int table_rows_publish(struct table_store *s, uint32_t file, const struct unwind_table *t,
		       bool at_once)
{
	struct unwind_file *shared = &s->space.files[file];
	uint32_t first, pages = (uint32_t)t->pages.len;
	int r;

	if (places_take(&s->pages, pages, &first))
		return -ENOSPC;
	for (uint32_t i = 0; i < pages; i++) {
		const struct unwind_table_page *from = &t->pages.data[i];
		struct unwind_page *page = &s->space.pages[first + i];

		if (!from->count) /* free pages are zero */
			continue;
		r = take_rows(s, from->count, at_once, page);
		if (r) {
			table_rows_reclaim(s, first, pages);
			return r;
		}
		memcpy(s->chunks[page->chunk] + page->first, t->rows.data + from->first,
		       from->count * sizeof(unwind_row));
		unwind_page_index(page, t->rows.data + from->first);
	}
	share_rules(s);
	shared->first_page = first;
	shared->pages = pages;
	__atomic_store_n(&shared->state, UNWIND_FILE_READY, __ATOMIC_RELEASE);
	s->files.data[file].rows = (uint32_t)t->rows.len;
	s->stats.rows += t->rows.len;
	s->stats.ready++;
	s->stats.loaded++;
	return 0;
}

size_t table_rows_free(const struct table_store *s)
{
	size_t n = 0;

	for (uint32_t i = 0; i < s->stats.chunks; i++)
		n += s->chunk_places[i].left;
	return n;
}

/* --- eviction ----------------------------------------------------------------------------------*/

void table_rows_evict(struct table_store *s, uint32_t file, int64_t now_ns)
{
	struct unwind_file *shared = &s->space.files[file];
	struct table_file *f = &s->files.data[file];

	if (shared->state != UNWIND_FILE_READY)
		return;
	__atomic_store_n(&shared->state, UNWIND_FILE_UNKNOWN, __ATOMIC_RELEASE);
	table_store_give(s, false, shared->first_page, shared->pages, now_ns);
	/* A walk that saw it ready may still read where its pages were. */
	f->retry_ns = now_ns + TABLE_GRACE_NS;
	s->stats.rows -= f->rows;
	s->stats.ready--;
	s->stats.evicted++;
	f->rows = 0;
}

static size_t well_below(const struct table_store *s)
{
	return s->max_bytes - s->max_bytes / 16;
}

bool table_rows_full(const struct table_store *s)
{
	return s->stats.rows * sizeof(unwind_row) > well_below(s);
}

/* The table that was used least; of those one without processes, if there is any. */
static uint32_t find_least(const struct table_store *s)
{
	uint32_t best = TABLE_FILE_NONE;

	for (uint32_t i = TABLE_FILE_NONE + 1; i < s->files.len; i++) {
		const struct table_file *f = &s->files.data[i], *b = &s->files.data[best];

		if (!f->rows)
			continue;
		if (best == TABLE_FILE_NONE || f->recent < b->recent ||
		    (f->recent == b->recent && !f->refs && b->refs))
			best = i;
	}
	return best;
}

void table_rows_trim(struct table_store *s, int64_t now_ns)
{
	if (s->stats.rows * sizeof(unwind_row) > s->max_bytes)
		while (table_rows_full(s))
			table_rows_evict(s, find_least(s), now_ns);
	uint32_t least = find_least(s);

	s->least = least == TABLE_FILE_NONE ? 0 : s->files.data[least].recent;
}
