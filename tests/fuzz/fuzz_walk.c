/* The walk of a stack over memory that lies: it must end, and must stay inside its buffers. */
#include "fuzz.h"
#include "unwind/native/unwind_table_abi.h"
#include "unwind/python/layout.h"
#include "unwind/python/lines.h"

/* The input is the memory from here on, again and again: pointers often lead somewhere. */
static const uint8_t *memory;
static size_t memory_size;

static int read_memory(void *dst, size_t size, uint64_t address)
{
	if (address % 7 == 3) /* some memory cannot be read */
		return -1;
	for (size_t i = 0; i < size; i++)
		((uint8_t *)dst)[i] = memory[(address + i) % memory_size];
	return 0;
}
/* Tables are the same bytes, in arrays of their full size. */
static struct unwind_mapping mappings[UNWIND_MAX_MAPPINGS];
static struct unwind_page pages[UNWIND_MAX_PAGES];
static struct unwind_rule rules[UNWIND_MAX_RULES];
static unwind_row rows[UNWIND_CHUNK_ROWS];
static struct unwind_file files[8];

static void fill(void *array, size_t bytes)
{
	for (size_t i = 0; i < bytes; i += memory_size)
		memcpy((uint8_t *)array + i, memory, MIN(memory_size, bytes - i));
}

#define WALK_READ(dst, size, address) read_memory((dst), (size), (address))
#define TABLE_MAPPINGS()	      ((const struct unwind_mapping *)mappings)
#define TABLE_PAGES()		      ((const struct unwind_page *)pages)
#define TABLE_RULES()		      ((const struct unwind_rule *)rules)
#define TABLE_FILE(id)		      ((id) < ARRAY_SIZE(files) ? &files[id] : NULL)
#define TABLE_CHUNK(i)		      ((i)&1 ? (const unwind_row *)rows : NULL)
#define TABLE_RECENT		      64
#include "unwind/walk.h"

/* A mapping of everything is the first of the walk, so that tables are looked at. */
enum { MAPPING_OF_ALL = 16 };

static void walk_all(const struct python_layout *layout, uint64_t pc, uint64_t sp, uint64_t fp)
{
	static struct unwind_entry entries[UNWIND_MAX_ENTRIES];
	struct python_process py = {
		.runtime = pc >> 4 & 1 ? 0x10000 : 0, /* it may have several interpreters */
		.interpreters = 0x10000 + layout->runtime_interpreters,
		.current = layout->runtime_current ? 0x10000 + layout->runtime_current : 0,
		.key = 0x10000 + layout->runtime_key,
		.key_is_int = !layout->runtime_key,
		.search_threads = pc >> 3 & 1,
		.layout = *layout,
	};
	struct walk w = {
		.native =
			{
				.pc = pc,
				.sp = sp,
				.rbp = fp,
				.process = {MAPPING_OF_ALL, 1 + (pc & 7)},
			},
		.thread_base = 0x20000,
	};

	walk_start(&w, &py);
	for (unsigned int i = 0; i < 4 * UNWIND_MAX_ENTRIES && w.phase != WALK_DONE; i++)
		walk_step(&w, &py, entries);
	walk_give_up(&w);
	CHECK(w.phase == WALK_DONE && w.count <= UNWIND_MAX_ENTRIES);
	CHECK(w.native_count <= w.count);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct python_layout *known;
	struct python_layout layout;
	uint64_t registers[3];
	uint32_t lasti, minor;

	if (size < sizeof(registers) + sizeof(lasti))
		return 0;
	memcpy(registers, data, sizeof(registers));
	memcpy(&lasti, data, sizeof(lasti));
	memory = data;
	memory_size = size;
	fill(mappings, 64 * sizeof(mappings[0]));
	mappings[MAPPING_OF_ALL] = (struct unwind_mapping){.end = UINT64_MAX, .file = 1};
	fill(pages, 64 * sizeof(pages[0]));
	fill(rules, 4096 * sizeof(rules[0]));
	fill(rows, 4096 * sizeof(rows[0]));
	fill(files, sizeof(files));
	for (size_t i = 0; (known = python_layout_at(i, &minor)); i++)
		walk_all(known, registers[0], registers[1], registers[2]);
	lines_27(data, size, 1, lasti);
	lines_39(data, size, 1, lasti);
	lines_310(data, size, 1, lasti);
	lines_311(data, size, 1, lasti);
	for (minor = 0x030d; minor <= 0x030f; minor++)
		python_layout_from_offsets(data, size, minor << 16 | 0xf0, &layout);
	return 0;
}
