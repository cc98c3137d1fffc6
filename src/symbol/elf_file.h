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

/* The place of .symtab or .dynsym in the file, and of its names. */
struct elf_symbol_table {
	uint64_t offset;
	size_t count;
	uint64_t strings_offset, strings_size;
};

/* Takes fd over in any case. Broken section headers count as none: a file runs without them. */
int elf_file_open(int fd, struct elf_file **ret, struct err *e);
void elf_file_close(struct elf_file *f);
/* Section by name, NULL where there is none. */
const Elf64_Shdr *elf_file_section(const struct elf_file *f, const char *name);
/* Read n bytes at an offset of the file; -EBADMSG where it is shorter. */
int elf_file_read(const struct elf_file *f, uint64_t offset, void *buf, size_t n);
/* Read n bytes at a virtual address of the file's segments; -ENOENT where no segment has
 * them all in the file (.bss has none). */
int elf_file_read_address(const struct elf_file *f, uint64_t address, void *buf, size_t n);
/* Turn an offset in the file into a virtual address of its segments; -ENOENT where no segment has
 * it. */
int elf_file_offset_to_address(const struct elf_file *f, uint64_t offset, uint64_t *ret_address);
/* Find the table of a type: SHT_SYMTAB or SHT_DYNSYM. -ENOENT where there is none, -EFBIG over a
 * bound. */
int elf_file_symbol_table(const struct elf_file *f, uint32_t type, struct elf_symbol_table *ret);
/* Call cb for every defined symbol of a table without reading names; st_name lies inside them. A
 * result of cb that is not 0 stops and is returned. */
int elf_file_each_raw_symbol(const struct elf_file *f, const struct elf_symbol_table *t,
			     int (*cb)(const Elf64_Sym *s, void *arg), void *arg);
/* Call cb for every defined symbol of .symtab, then of .dynsym, with all names in memory
 * meanwhile. A result of cb that is not 0 stops and is returned. */
int elf_file_each_symbol(const struct elf_file *f, int (*cb)(const struct elf_symbol *s, void *arg),
			 void *arg, struct err *e);
/* Virtual address and size of one symbol by its exact name, -ENOENT where there is none. */
int elf_file_find_symbol(const struct elf_file *f, const char *name, uint64_t *ret_address,
			 uint64_t *ret_size);
/* The GNU build id into ret[20] (longer ones are cut); returns its length, -ENOENT where there is
 * none. */
int elf_file_build_id(const struct elf_file *f, uint8_t ret[20]);

#endif
