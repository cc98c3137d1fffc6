#include "unwind/native/table_memory.h"

static unwind_row *chunk(void *arg, uint32_t number)
{
	struct table_memory *m = arg;

	if (!m->chunks[number])
		m->chunks[number] = mem_calloc(UNWIND_CHUNK_ROWS, sizeof(unwind_row));
	return m->chunks[number];
}

/* Walks ask the store itself. */
static int publish(void *arg, pid_t pid, const struct unwind_process *run)
{
	return 0;
}

struct table_memory *table_memory_new(void)
{
	struct table_memory *m = mem_calloc(1, sizeof(*m));

	m->space = (struct table_space){
		.mappings = mem_calloc(UNWIND_MAX_MAPPINGS, sizeof(struct unwind_mapping)),
		.pages = mem_calloc(UNWIND_MAX_PAGES, sizeof(struct unwind_page)),
		.rules = mem_calloc(UNWIND_MAX_RULES, sizeof(struct unwind_rule)),
		.files = mem_calloc(UNWIND_MAX_FILES, sizeof(struct unwind_file)),
		.max_chunks = UNWIND_MAX_CHUNKS,
		.chunk = chunk,
		.publish = publish,
		.arg = m,
	};
	return m;
}

void table_memory_free(struct table_memory *m)
{
	if (!m)
		return;
	for (size_t i = 0; i < ARRAY_SIZE(m->chunks); i++)
		free(m->chunks[i]);
	free(m->space.mappings);
	free(m->space.pages);
	free(m->space.rules);
	free(m->space.files);
	free(m);
}
