/* Files that anybody may have put where a process maps them. */
#include "fuzz.h"
#include "symbol/debug_file.h"
#include "symbol/mini_debug.h"
#include "symbol/table.h"

static int count(const struct elf_symbol *s, void *arg)
{
	*(size_t *)arg += strlen(s->name) + 1;
	return 0;
}

static void read_table(const struct elf_file *f)
{
	struct symbol_table table;

	if (symbol_table_read(f, f, 1 << 20, &table, NULL) < 0)
		return;
	for (size_t i = 0; i < MIN(table.len, (size_t)64); i++) {
		const struct table_symbol *s =
			symbol_table_find(&table, table.base + table.symbols[i].start);
		char *name;

		if (s && symbol_table_name(&table, s, (int[]){f->fd, f->fd}, &name) >= 0)
			free(name);
	}
	symbol_table_fini(&table);
}

static void read_debug(const struct elf_file *f)
{
	struct debug_link link;
	struct elf_file *mini;

	debug_link_read(f, &link);
	CHECK(!link.name || (*link.name && !strchr(link.name, '/')));
	debug_link_fini(&link);
	if (mini_debug_open(f, 1 << 20, &mini))
		return;
	CHECK(mini->size <= 1 << 20);
	read_table(mini);
	elf_file_close(mini);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct elf_file *f;
	uint8_t id[20], word[8];
	uint64_t address, length;
	size_t bytes = 0;

	if (elf_file_open(fuzz_file(data, size), &f, NULL) < 0)
		return 0;
	elf_file_each_symbol(f, count, &bytes, NULL);
	elf_file_find_symbol(f, "main", &address, &length);
	elf_file_build_id(f, id);
	if (elf_file_offset_to_address(f, 64, &address) >= 0)
		elf_file_read_address(f, address, word, sizeof(word));
	read_table(f);
	read_debug(f);
	elf_file_close(f);
	return 0;
}
