/* Reads a snapshot (snapshot_format.h), whatever its bytes are, and walks it again. The bytes must
 * stay as long as the snapshot is used; one at a time. */
#ifndef GLIM_TEST_SNAPSHOT_REPLAY_H
#define GLIM_TEST_SNAPSHOT_REPLAY_H

#include "base/base.h"
#include "snapshot_format.h"
#include "unwind/native/unwind_table.h"

static struct {
	struct snapshot_header header;
	struct unwind_mapping mappings[UNWIND_MAX_MAPPINGS];
	struct unwind_page pages[UNWIND_MAX_PAGES];
	struct unwind_rule rules[UNWIND_MAX_RULES];
	unwind_row rows[UNWIND_CHUNK_ROWS];
	struct unwind_file files[SNAPSHOT_MAX_PAGES];
	struct snapshot_stretch stretches[SNAPSHOT_MAX_STRETCHES];
	const uint8_t *stretch_bytes[SNAPSHOT_MAX_STRETCHES];
	struct unwind_entry expected[UNWIND_MAX_ENTRIES];
	struct unwind_entry entries[UNWIND_MAX_ENTRIES];
} snapshot;

static int snapshot_read_memory(void *dst, size_t size, uint64_t address)
{
	for (uint32_t i = 0; i < snapshot.header.stretches; i++) {
		const struct snapshot_stretch *s = &snapshot.stretches[i];

		if (address < s->address || address - s->address > s->size ||
		    size > s->size - (address - s->address))
			continue;
		memcpy(dst, snapshot.stretch_bytes[i] + (address - s->address), size);
		return 0;
	}
	return -1;
}

#define WALK_READ(dst, size, address) snapshot_read_memory((dst), (size), (address))
#define TABLE_MAPPINGS()	      ((const struct unwind_mapping *)snapshot.mappings)
#define TABLE_PAGES()		      ((const struct unwind_page *)snapshot.pages)
#define TABLE_RULES()		      ((const struct unwind_rule *)snapshot.rules)
#define TABLE_FILE(id)		      ((id) < SNAPSHOT_MAX_PAGES ? &snapshot.files[id] : NULL)
#define TABLE_CHUNK(i)		      ((i) ? NULL : (const unwind_row *)snapshot.rows)
#include "unwind/walk.h"

/* The next part of a file; the size of the whole was checked. */
static inline void snapshot_take(void *dst, const uint8_t **at, size_t bytes)
{
	memcpy(dst, *at, bytes);
	*at += bytes;
}

static inline bool snapshot_sizes_fit(const struct snapshot_header *h, size_t size)
{
	if (h->magic != SNAPSHOT_MAGIC || h->pages > SNAPSHOT_MAX_PAGES ||
	    h->rules > SNAPSHOT_MAX_RULES || h->rows > SNAPSHOT_MAX_ROWS ||
	    h->stretches > SNAPSHOT_MAX_STRETCHES || h->bytes > SNAPSHOT_MAX_BYTES ||
	    h->entries > UNWIND_MAX_ENTRIES)
		return false;
	return size == sizeof(*h) + h->pages * sizeof(struct snapshot_page) +
			       h->rules * sizeof(struct unwind_rule) +
			       h->rows * sizeof(unwind_row) +
			       h->stretches * sizeof(struct snapshot_stretch) + h->bytes +
			       h->entries * sizeof(struct unwind_entry);
}

/* Every page becomes a file of its own. */
static inline int snapshot_take_pages(const uint8_t **at)
{
	const struct snapshot_header *h = &snapshot.header;
	uint32_t rows = 0;

	for (uint32_t i = 0; i < h->pages; i++) {
		struct snapshot_page p;

		snapshot_take(&p, at, sizeof(p));
		if (p.rows > h->rows - rows)
			return -EINVAL;
		snapshot.mappings[i] = (struct unwind_mapping){
			.start = p.start, .end = p.end, .origin = p.origin, .file = i};
		snapshot.files[i] = (struct unwind_file){i, 1, p.state, 0};
		snapshot.pages[i] =
			(struct unwind_page){.first = (uint16_t)rows, .count = (uint16_t)p.rows};
		rows += p.rows;
	}
	return rows == h->rows ? 0 : -EINVAL;
}

static inline int snapshot_take_stretches(const uint8_t **at)
{
	const struct snapshot_header *h = &snapshot.header;
	uint32_t left = h->bytes;

	snapshot_take(snapshot.stretches, at, h->stretches * sizeof(snapshot.stretches[0]));
	for (uint32_t i = 0; i < h->stretches; i++) {
		if (snapshot.stretches[i].size > left)
			return -EINVAL;
		left -= snapshot.stretches[i].size;
		snapshot.stretch_bytes[i] = *at;
		*at += snapshot.stretches[i].size;
	}
	return left ? -EINVAL : 0;
}

/* -EINVAL: these bytes are no snapshot. */
static inline int snapshot_load(const uint8_t *data, size_t size)
{
	struct snapshot_header *h = &snapshot.header;
	const uint8_t *at = data;

	if (size < sizeof(*h))
		return -EINVAL;
	snapshot_take(h, &at, sizeof(*h));
	if (!snapshot_sizes_fit(h, size) || snapshot_take_pages(&at) < 0)
		return -EINVAL;
	snapshot_take(snapshot.rules, &at, h->rules * sizeof(snapshot.rules[0]));
	snapshot_take(snapshot.rows, &at, h->rows * sizeof(snapshot.rows[0]));
	for (uint32_t i = 0; i < h->pages; i++)
		if (snapshot.pages[i].count)
			unwind_page_index(&snapshot.pages[i],
					  snapshot.rows + snapshot.pages[i].first);
	if (snapshot_take_stretches(&at) < 0)
		return -EINVAL;
	snapshot_take(snapshot.expected, &at, h->entries * sizeof(snapshot.expected[0]));
	return 0;
}

/* Walk what was loaded; the entries are in snapshot.entries. */
static inline void snapshot_walk(struct walk *w)
{
	const struct snapshot_header *h = &snapshot.header;
	const struct python_process *py = h->has_python ? &h->python : NULL;

	memset(w, 0, sizeof(*w));
	w->thread_base = h->thread_base;
	w->native.pc = h->pc;
	w->native.sp = h->registers[UNWIND_RSP];
	w->native.rbp = h->registers[UNWIND_RBP];
	w->native.rbx = h->registers[UNWIND_RBX];
	w->native.process.count = h->pages;
	memcpy(w->native.registers, h->registers, sizeof(w->native.registers));
	walk_start(w, py);
	/* Each step makes an entry, looks at a thread, or ends. */
	for (int i = 0; i < 2 * (UNWIND_MAX_ENTRIES + PYTHON_FIND_STEPS) && w->phase != WALK_DONE;
	     i++)
		walk_step(w, py, snapshot.entries);
}

#endif
