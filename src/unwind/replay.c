#include "unwind/replay.h"

#include "process/process.h"

/* The walk is compiled in as BPF compiles it: what it reads is said by macros, which cannot carry
 * an argument along. */
static _Thread_local const struct replay *current;

/* What was copied; of the live process only code, which is asked for 4 bytes at a time. */
static int read_copied(void *dst, size_t size, uint64_t address)
{
	size_t before = 0;

	for (uint32_t i = 0; i < current->nregions; i++) {
		const struct unwind_region *r = &current->regions[i];
		uint64_t at = address - r->address;

		if (at <= r->bytes && r->bytes - at >= size) {
			memcpy(dst, current->bytes + before + at, size);
			return 0;
		}
		before += r->bytes;
	}
	if (current->memory)
		return memory_read(current->memory, address, dst, size);
	if (size != sizeof(uint32_t))
		return -1;
	return process_read_memory(current->pid, address, dst, size) < 0;
}

static struct unwind_file *file_of(uint32_t id)
{
	return id < UNWIND_MAX_FILES ? &current->space->files[id] : NULL;
}

static const unwind_row *rows_of(uint32_t chunk)
{
	const struct table_space *s = current->space;

	return chunk < s->max_chunks ? s->chunk(s->arg, chunk) : NULL;
}

#define WALK_READ(dst, size, address) read_copied((dst), (size), (address))
#define TABLE_MAPPINGS()	      ((const struct unwind_mapping *)current->space->mappings)
#define TABLE_PAGES()		      ((const struct unwind_page *)current->space->pages)
#define TABLE_RULES()		      ((const struct unwind_rule *)current->space->rules)
#define TABLE_FILE(id)		      file_of(id)
#define TABLE_CHUNK(i)		      rows_of(i)
#include "unwind/walk.h"

/* The last entry will be made once more. */
static void go_on(struct walk *w, struct replay *r)
{
	uint32_t tag = r->walked[r->nwalked - 1].tag;

	memcpy(r->entries, r->walked, r->nwalked * sizeof(*r->entries));
	w->count = r->nwalked - 1;
	w->blind = !!(tag & UNWIND_BLIND);
	w->native.derived = !!(tag & UNWIND_FOLLOWED);
	w->native.exact = !!(tag & UNWIND_EXACT);
	w->native.first = 0;
	w->native.lost = r->lost;
}

void replay_walk(struct replay *r)
{
	struct walk w = {
		.thread_base = r->thread_base,
		.in_kernel = r->in_kernel,
		.native =
			{
				.pc = r->pc,
				.sp = r->registers[UNWIND_RSP],
				.rbp = r->registers[UNWIND_RBP],
				.rbx = r->registers[UNWIND_RBX],
				.process = r->run,
			},
	};

	memcpy(w.native.registers, r->registers, sizeof(w.native.registers));
	current = r;
	walk_start(&w, NULL);
	if (r->nwalked)
		go_on(&w, r);
	while (w.phase == WALK_NATIVE)
		walk_native(&w, r->entries);
	current = NULL;
	r->count = w.count;
	r->end = w.native_end;
	r->end_at = w.native.pc - !w.native.exact;
}
