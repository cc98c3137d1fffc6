/* symbol/elf_file.h - the few things of an ELF file that Glim wants: segments, symbols, build id,
 * sections.
 *
 * Reads with pread from a descriptor; ELF64 little endian only (others: -ENOTSUP). All sizes are
 * checked against the file's size and against named bounds. Memory: freed by elf_file_close.
 * Threads: one at a time a file. */
#ifndef GLIM_SYMBOL_ELF_FILE_H
#define GLIM_SYMBOL_ELF_FILE_H

#include <elf.h>

#include "base/err.h"
#include "base/vec.h"

struct elf_file {
	int fd; /* owned */
	uint64_t size;
	Elf64_Ehdr header;
	VEC(Elf64_Phdr) segments;
	VEC(Elf64_Shdr) sections;
	char *section_names; /* of section_names_size bytes, terminated */
	size_t section_names_size;
};
struct elf_symbol {
	uint64_t address, size;
	const char *name; /* only valid inside the callback */
	unsigned char type, bind;
	uint16_t section;
};

/* Takes fd over in any case. */
int elf_file_open(int fd, struct elf_file **ret, struct err *e);
void elf_file_close(struct elf_file *f);
/* Section by name, NULL where there is none. */
const Elf64_Shdr *elf_file_section(const struct elf_file *f, const char *name);
/* Read n bytes at a virtual address of the file's segments. */
int elf_file_read_address(const struct elf_file *f, uint64_t address, void *buf, size_t n);
/* Turn an offset in the file into a virtual address of its segments; -ENOENT where no segment has
 * it. */
int elf_file_offset_to_address(const struct elf_file *f, uint64_t offset, uint64_t *ret_address);
/* Call cb for every defined symbol of .symtab, then of .dynsym; it returns non-zero to stop. */
int elf_file_each_symbol(const struct elf_file *f, int (*cb)(const struct elf_symbol *s, void *arg),
			 void *arg, struct err *e);
/* Virtual address and size of one symbol by its exact name, -ENOENT where there is none. */
int elf_file_find_symbol(const struct elf_file *f, const char *name, uint64_t *ret_address,
			 uint64_t *ret_size);
/* The GNU build id into ret[20] (longer ones are cut); returns its length, -ENOENT where there is
 * none. */
int elf_file_build_id(const struct elf_file *f, uint8_t ret[20]);

#endif
