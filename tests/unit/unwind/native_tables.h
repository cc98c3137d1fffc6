/* A store of unwind tables over plain arrays, for the walk by tables on the host. */
#ifndef GLIM_TEST_NATIVE_TABLES_H
#define GLIM_TEST_NATIVE_TABLES_H

#include "base/hash.h"
#include "unwind/native/table_store.h"

struct tables {
	struct unwind_mapping mappings[UNWIND_MAX_MAPPINGS];
	struct unwind_page pages[UNWIND_MAX_PAGES];
	struct unwind_rule rules[UNWIND_MAX_RULES];
	struct unwind_file files[UNWIND_MAX_FILES];
	unwind_row *chunks[UNWIND_MAX_CHUNKS];
	uint32_t chunks_len;
	struct map64 processes; /* of what was published, the last by process */
	VEC(struct unwind_process) published;
	size_t max_processes;
	struct table_space space;
	struct table_store *store;
	int64_t now; /* goes on as the tests like it */
};

extern struct tables tables;
#define TABLE_MAPPINGS() ((const struct unwind_mapping *)tables.mappings)
#define TABLE_PAGES()	 ((const struct unwind_page *)tables.pages)
#define TABLE_RULES()	 ((const struct unwind_rule *)tables.rules)
#define TABLE_FILE(id)	 ((id) < UNWIND_MAX_FILES ? &tables.files[id] : NULL)
#define TABLE_CHUNK(i)	 ((i) < UNWIND_MAX_CHUNKS ? (const unwind_row *)tables.chunks[i] : NULL)

static inline unwind_row *tables_chunk(void *arg, uint32_t number)
{
	if (number < tables.chunks_len)
		return tables.chunks[number];
	CHECK(number == tables.chunks_len++);
	tables.chunks[number] = mem_calloc(UNWIND_CHUNK_ROWS, sizeof(unwind_row));
	return tables.chunks[number];
}

static inline int tables_publish(void *arg, pid_t pid, const struct unwind_process *run)
{
	if (!run) {
		map64_remove(&tables.processes, (uint64_t)pid);
		return 0;
	}
	if (!map64_get(&tables.processes, (uint64_t)pid) &&
	    tables.processes.len >= tables.max_processes)
		return -E2BIG;
	map64_set(&tables.processes, (uint64_t)pid, tables.published.len);
	vec_push(&tables.published, *run);
	return 0;
}

static inline void tables_init(size_t max_bytes, uint32_t max_chunks)
{
	memset(&tables, 0, sizeof(tables));
	tables.space = (struct table_space){
		.mappings = tables.mappings,
		.pages = tables.pages,
		.rules = tables.rules,
		.files = tables.files,
		.max_chunks = max_chunks,
		.chunk = tables_chunk,
		.publish = tables_publish,
	};
	tables.max_processes = SIZE_MAX;
	tables.now = NSEC_PER_SEC;
	tables.store = table_store_new(&tables.space, max_bytes);
}

static inline void tables_fini(void)
{
	table_store_free(tables.store);
	map64_fini(&tables.processes);
	vec_fini(&tables.published);
	for (uint32_t i = 0; i < tables.chunks_len; i++)
		free(tables.chunks[i]);
}

/* What was published of a process; false where nothing was. */
static inline bool tables_process(pid_t pid, struct unwind_process *ret)
{
	const uint64_t *i = map64_get(&tables.processes, (uint64_t)pid);

	*ret = i ? tables.published.data[*i] : (struct unwind_process){};
	return i;
}

/* Ask for a table, and wait for the worker no longer than that. */
static inline int tables_ask(const struct process *p, const struct mapping *m, int64_t patience_ns)
{
	struct unwind_process run = {};

	table_store_run(tables.store, p->pid, &run);
	return table_store_load(tables.store, &run, p, m, tables.now, &patience_ns);
}

/* Make a table, however long it takes. */
static inline int tables_load(const struct process *p, const struct mapping *m)
{
	int r;

	while ((r = tables_ask(p, m, 0)) == -EAGAIN)
		tables.now += NSEC_PER_SEC;
	return r;
}

static inline void tables_add_process(const struct process *p)
{
	CHECK(!table_store_process(tables.store, p, tables.now));
	for (size_t i = 0; i < p->mappings.len; i++) {
		const struct mapping *m = &p->mappings.data[i];

		if (m->path[0] == '/' || !strcmp(m->path, "[vdso]"))
			CHECK(!tables_load(p, m));
	}
}

#endif
