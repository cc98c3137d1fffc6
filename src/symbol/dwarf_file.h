/* symbol/dwarf_file.h - the sections of debug information of one file, read piece by piece.
 *
 * Nothing is mapped and nothing kept whole. Compressed sections are unpacked once, in slices, into
 * a file without a name. All that is read counts against an allowance of work, so that what a
 * stranger's file costs has a bound.
 * Memory: freed by dwarf_file_fini. Threads: one at a time for all files of an allowance. */
#ifndef GLIM_SYMBOL_DWARF_FILE_H
#define GLIM_SYMBOL_DWARF_FILE_H

#include "base/bytes.h"
#include "base/vec.h"
#include "symbol/elf_file.h"

enum dwarf_section_id {
	DWARF_INFO,
	DWARF_ABBREV,
	DWARF_LINE,
	DWARF_STR,
	DWARF_LINE_STR,
	DWARF_STR_OFFSETS,
	DWARF_ADDR,
	DWARF_RANGES,
	DWARF_RNGLISTS,
	DWARF_CU_INDEX, /* of .dwp files */
	DWARF_SECTIONS,
};
enum dwarf_packing { DWARF_PLAIN, DWARF_ZLIB, DWARF_ZSTD };

struct dwarf_section {
	uint64_t offset; /* in the file; once unpacked, in the file without a name */
	uint64_t size;	 /* of what it says, unpacked */
	uint64_t packed; /* bytes at offset that are to be unpacked; 0: nothing to do */
	enum dwarf_packing how;
	bool unpacked;
};

/* Give back what a vector has room for and does not use: what is read once stays for long. */
#define dwarf_fit(v)                                                                               \
	((v)->len ? (void)((v)->data = mem_reallocarray((v)->data, (v)->len, sizeof(*(v)->data)),  \
			   (v)->cap = (v)->len)                                                    \
		  : vec_fini(v))

/* A piece of a section in memory, for those who read on. */
enum { DWARF_WINDOW = 64 << 10 };
struct dwarf_window {
	uint8_t *data;
	size_t cap, len;
	uint64_t file, start; /* id of the file, and offset of data[0] */
	enum dwarf_section_id section;
};

/* What all files of a symbolizer share. One unit of work is about one byte read and looked at:
 * some 3 ns. */
struct dwarf_pool {
	int64_t work;		       /* what is left; below 0 when it ran out */
	uint64_t spilled, max_spilled; /* bytes of unpacked sections */
	struct dwarf_window entries, names, lists, tables, lines;
};

struct dwarf_unpacker;
struct dwarf_file {
	struct dwarf_pool *pool;
	uint64_t id; /* of all files ever opened */
	int fd;	     /* owned; -1 while it is closed */
	int spill;   /* the file without a name, or -1 */
	uint64_t spill_size;
	struct dwarf_section sections[DWARF_SECTIONS];
	struct dwarf_unpacker *unpacker; /* of the section that is being unpacked */
};

/* Find the sections of an ELF file, those named .dwo where split. Takes the descriptor out of elf.
 * -ENOENT where there is no debug information. */
int dwarf_file_init(struct elf_file *elf, struct dwarf_pool *pool, bool split,
		    struct dwarf_file *ret);
void dwarf_file_fini(struct dwarf_file *f);
/* Close the file, and give an open descriptor of the same one back. */
void dwarf_file_close(struct dwarf_file *f);
void dwarf_file_reopen(struct dwarf_file *f, int fd);
/* Unpack what is compressed. -EAGAIN when the work ran out: call it again. What cannot be unpacked
 * is empty afterwards. */
int dwarf_file_unpack(struct dwarf_file *f);
/* Read up to n bytes at an offset of a section; returns how many, fewer only at its end. */
ssize_t dwarf_file_read(const struct dwarf_file *f, enum dwarf_section_id id, uint64_t offset,
			void *buf, size_t n);
/* A number of n bytes at an offset. */
int dwarf_file_number(const struct dwarf_file *f, enum dwarf_section_id id, uint64_t offset,
		      unsigned int n, uint64_t *ret);
/* The text at an offset, in memory of its own. */
int dwarf_file_text(const struct dwarf_file *f, enum dwarf_section_id id, uint64_t offset,
		    char **ret);

void dwarf_pool_fini(struct dwarf_pool *p);
/* A reader of the bytes from offset on, want of them at the least where end (an offset) is not
 * nearer. ahead: how much to read at once when something must be read. */
int dwarf_window_read(struct dwarf_window *w, const struct dwarf_file *f, enum dwarf_section_id id,
		      uint64_t offset, uint64_t end, size_t want, size_t ahead,
		      struct byte_reader *ret);

#endif
