/* The tables of one process in plain arrays, for the walk by tables on the host. */
#ifndef GLIM_TEST_NATIVE_TABLES_H
#define GLIM_TEST_NATIVE_TABLES_H

#include "process/process.h"
#include "unwind/native/eh_frame.h"

enum { TABLES_FILES = 64, TABLES_CHUNKS = 64 };

struct tables {
	struct unwind_mapping mappings[UNWIND_MAX_MAPPINGS];
	struct unwind_page pages[UNWIND_MAX_PAGES];
	struct unwind_rule rules[UNWIND_MAX_RULES];
	struct unwind_file files[TABLES_FILES];
	unwind_row *chunks[TABLES_CHUNKS];
	uint32_t pages_len, files_len, chunks_len, chunk_used;
	struct unwind_process process;
	struct unwind_rules known;
};

extern struct tables tables;
#define TABLE_MAPPINGS() ((const struct unwind_mapping *)tables.mappings)
#define TABLE_PAGES()	 ((const struct unwind_page *)tables.pages)
#define TABLE_RULES()	 ((const struct unwind_rule *)tables.rules)
#define TABLE_FILE(id)	 ((id) < TABLES_FILES ? &tables.files[id] : NULL)
#define TABLE_CHUNK(i)	 ((i) < TABLES_CHUNKS ? (const unwind_row *)tables.chunks[i] : NULL)

static inline void tables_init(void)
{
	memset(&tables, 0, sizeof(tables));
	unwind_rules_init(&tables.known);
	tables.chunk_used = UNWIND_CHUNK_ROWS;
}

static inline void tables_fini(void)
{
	for (uint32_t i = 0; i < tables.chunks_len; i++)
		free(tables.chunks[i]);
	unwind_rules_fini(&tables.known);
}

/* Rows of a page lie in one chunk. */
static inline void tables_add_page(const struct unwind_table *t, const struct unwind_table_page *p)
{
	CHECK(tables.pages_len < UNWIND_MAX_PAGES);
	if (tables.chunk_used + p->count > UNWIND_CHUNK_ROWS) {
		CHECK(tables.chunks_len < TABLES_CHUNKS);
		tables.chunks[tables.chunks_len++] =
			mem_calloc(UNWIND_CHUNK_ROWS, sizeof(unwind_row));
		tables.chunk_used = 0;
	}
	if (p->count)
		memcpy(tables.chunks[tables.chunks_len - 1] + tables.chunk_used,
		       t->rows.data + p->first, p->count * sizeof(unwind_row));
	tables.pages[tables.pages_len++] =
		(struct unwind_page){.chunk = (uint16_t)(tables.chunks_len - 1),
				     .first = (uint16_t)tables.chunk_used,
				     .count = (uint16_t)p->count};
	tables.chunk_used += p->count;
}

/* Returns the file's id. */
static inline uint32_t tables_add_file(const struct unwind_table *t)
{
	struct unwind_file *f = &tables.files[tables.files_len];

	CHECK(tables.files_len < TABLES_FILES);
	f->state = t->rows.len ? UNWIND_FILE_READY : UNWIND_FILE_NONE;
	f->first_page = tables.pages_len;
	f->pages = (uint32_t)t->pages.len;
	for (size_t i = 0; i < t->pages.len; i++)
		tables_add_page(t, &t->pages.data[i]);
	memcpy(tables.rules, tables.known.rules.data,
	       tables.known.rules.len * sizeof(struct unwind_rule));
	return tables.files_len++;
}

/* One mapping of a process, and the table of its file when there is none yet. */
static inline int tables_add_mapping(const struct process *p, size_t i)
{
	const struct mapping *m = &p->mappings.data[i];
	struct unwind_mapping *u = &tables.mappings[tables.process.count];
	struct unwind_table table = {};
	struct elf_file *f;
	uint64_t origin;
	int fd = process_open_mapping(p, m);

	if (fd < 0)
		return fd;
	int r = elf_file_open(fd, &f, NULL);

	if (r)
		return r;
	r = unwind_table_build(f, &tables.known, &table, NULL);
	if (r >= 0)
		r = unwind_table_origin(f, &table, m->start, m->end, m->offset, &origin);
	if (!r) {
		*u = (struct unwind_mapping){.start = m->start,
					     .end = m->end,
					     .origin = origin,
					     .file = tables_add_file(&table)};
		tables.process.count++;
	}
	unwind_table_fini(&table);
	elf_file_close(f);
	return r;
}

static inline void tables_add_process(const struct process *p)
{
	for (size_t i = 0; i < p->mappings.len; i++) {
		const struct mapping *m = &p->mappings.data[i];

		if (m->path[0] == '/' || !strcmp(m->path, "[vdso]"))
			CHECK(!tables_add_mapping(p, i));
	}
}

#endif
