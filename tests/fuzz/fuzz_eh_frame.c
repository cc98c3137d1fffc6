/* Call frame information of anybody's files: it must become a table that keeps its promises, and a
 * walk by it over memory that lies must end. */
#include "fuzz.h"
#include "fuzz_table.h"
#include "unwind/native/cfi.h"
#include "unwind/native/eh_frame.h"

static const uint8_t *memory;
static size_t memory_size;

/* The input is the memory, again and again. */
static int read_memory(void *dst, size_t size, uint64_t address)
{
	if (address % 7 == 3)
		return -1;
	for (size_t i = 0; i < size; i++)
		((uint8_t *)dst)[i] = memory[(address + i) % memory_size];
	return 0;
}

static struct {
	struct unwind_mapping mappings[UNWIND_MAX_MAPPINGS];
	struct unwind_page pages[UNWIND_MAX_PAGES];
	struct unwind_rule rules[UNWIND_MAX_RULES];
	unwind_row rows[UNWIND_CHUNK_ROWS];
	struct unwind_file file;
} world;
#define TABLE_READ(dst, size, address) read_memory((dst), (size), (address))
#define TABLE_MAPPINGS()	       ((const struct unwind_mapping *)world.mappings)
#define TABLE_PAGES()		       ((const struct unwind_page *)world.pages)
#define TABLE_RULES()		       ((const struct unwind_rule *)world.rules)
#define TABLE_FILE(id)		       ((id) ? NULL : &world.file)
#define TABLE_CHUNK(i)		       ((i) ? NULL : (const unwind_row *)world.rows)
#include "unwind/native/table_walk.h"

/* Both look-ups agree, and walks end. */
static void walk_table(const struct unwind_table *t, const struct unwind_rules *r)
{
	struct table_walk w = {.process.count = 1};

	if (t->rows.len > UNWIND_CHUNK_ROWS || t->pages.len > 1024)
		return;
	memcpy(world.rules, r->rules.data, r->rules.len * sizeof(world.rules[0]));
	memcpy(world.rows, t->rows.data, t->rows.len * sizeof(world.rows[0]));
	for (size_t i = 0; i < t->pages.len; i++) {
		world.pages[i] = (struct unwind_page){.first = (uint16_t)t->pages.data[i].first,
						      .count = (uint16_t)t->pages.data[i].count};
		if (t->pages.data[i].count)
			unwind_page_index(&world.pages[i], t->rows.data + t->pages.data[i].first);
	}
	world.file =
		(struct unwind_file){.pages = (uint32_t)t->pages.len, .state = UNWIND_FILE_READY};
	world.mappings[0] = (struct unwind_mapping){0x10000, 0x700000000000, 0x10000, 0, 0};
	memcpy(w.registers, memory, MIN(memory_size, sizeof(w.registers)));
	for (size_t i = 0; i < MIN(t->rows.len, (size_t)256); i++) {
		struct table_walk one = w;
		uint64_t address = world.rows[i] >> 16;

		one.pc = 0x10000 + address;
		one.sp = w.registers[UNWIND_RSP] & TABLE_USER_END & ~7ULL;
		table_start(&one);
		if (table_find_mapping(&one, one.pc) && !table_find_row(&one, one.pc))
			CHECK(!memcmp(table_find_rule(&one, one.pc),
				      unwind_table_find(t, r, t->base + address),
				      sizeof(struct unwind_rule)));
		for (int k = 0; k < 64 && !one.end; k++)
			table_step(&one);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct unwind_table table = {};
	struct unwind_rules known;
	struct cfi_value value;
	struct elf_file *f;

	if (size < 8)
		return 0;
	memory = data;
	memory_size = size;
	cfi_evaluate((struct cfi_bytes){data, data + size}, data[0] & 1, &value);
	if (elf_file_open(fuzz_file(data, size), &f, NULL) < 0)
		return 0;
	unwind_rules_init(&known);
	if (unwind_table_build(f, NULL, NULL, &known, &table, NULL) > 0) {
		check_table(&table, &known);
		walk_table(&table, &known);
	}
	unwind_table_fini(&table);
	unwind_rules_fini(&known);
	elf_file_close(f);
	return 0;
}
