/* Finds the parts of a Go file: the header of its function table, and the runtime's own description
 * of the module, which says where code and inlined calls are. */
#include <unistd.h>

#include "base/bytes.h"
#include "symbol/pclntab.h"

enum {
	PIECE = 64 << 10,
	MAX_SCAN = 256 << 20, /* bytes of segments that are searched */
	MAX_RELOCATIONS = 1 << 23,
	MAX_DYNAMIC = 4096,
	MAX_FUNCTIONS = 1 << 26,
	INDEX = 4096,
	MODULES = 16,	   /* places that may be the description */
	MODULE_WORDS = 48, /* of it that are looked at */
	HEADER = 72,
};
static const uint32_t MAGIC_118 = 0xfffffff0, MAGIC_120 = 0xfffffff1;

/* Bytes of the file from an address to the end of its segment, and their place; 0: no such. */
static uint64_t address_to_offset(const struct elf_file *f, uint64_t address, uint64_t *ret)
{
	for (size_t i = 0; i < f->segments.len; i++) {
		const Elf64_Phdr *p = &f->segments.data[i];
		uint64_t skip = address - p->p_vaddr, size = MIN(p->p_filesz, f->size);

		if (p->p_type != PT_LOAD || address < p->p_vaddr || skip >= size ||
		    p->p_offset > f->size - size)
			continue;
		*ret = p->p_offset + skip;
		return size - skip;
	}
	return 0;
}

static bool in_code(const struct elf_file *f, uint64_t start, uint64_t end)
{
	for (size_t i = 0; i < f->segments.len; i++) {
		const Elf64_Phdr *p = &f->segments.data[i];

		if (p->p_type == PT_LOAD && (p->p_flags & PF_X) && start >= p->p_vaddr &&
		    start <= end && end - p->p_vaddr <= p->p_memsz)
			return true;
	}
	return false;
}

/* --- the header --------------------------------------------------------------------------------*/

struct header {
	uint64_t address, offset, size; /* size: up to the end of its segment */
	uint64_t functions, text;
	uint64_t parts[5]; /* offsets of names, units, files, values, table */
	bool start_lines;
};

/* struct pcHeader of runtime/symtab.go. */
static bool read_header(const struct elf_file *f, uint64_t address, struct header *ret)
{
	struct header h = {.address = address};
	uint8_t bytes[HEADER];
	uint32_t magic;

	h.size = address_to_offset(f, address, &h.offset);
	if (h.size < HEADER || elf_file_read(f, h.offset, bytes, sizeof(bytes)))
		return false;
	memcpy(&magic, bytes, sizeof(magic));
	/* Padding, the smallest instruction, the size of a pointer. */
	if ((magic != MAGIC_118 && magic != MAGIC_120) || memcmp(bytes + 4, "\0\0\1\10", 4))
		return false;
	h.start_lines = magic == MAGIC_120;
	h.functions = byte_u64(bytes + 8);
	h.text = byte_u64(bytes + 24);
	for (size_t i = 0; i < ARRAY_SIZE(h.parts); i++) {
		h.parts[i] = byte_u64(bytes + 32 + i * 8);
		if (h.parts[i] > h.size || (i && h.parts[i] < h.parts[i - 1]))
			return false;
	}
	if (!h.functions || h.functions > MAX_FUNCTIONS ||
	    h.functions * 8 + 4 > h.size - h.parts[4])
		return false;
	*ret = h;
	return true;
}

/* Call cb for each aligned word of a segment's part of the file; a result of cb that is not 0
 * stops.
 */
static int each_word(const struct elf_file *f, const Elf64_Phdr *p,
		     int (*cb)(uint64_t address, const uint8_t *word, void *arg), void *arg)
{
	cleanup_free uint8_t *piece = mem_calloc(PIECE, 1);
	uint64_t start = (p->p_vaddr + 7) & ~7ULL, skip = start - p->p_vaddr;
	uint64_t size = MIN(MIN(p->p_filesz, f->size), (uint64_t)MAX_SCAN);

	if (p->p_offset > f->size - size)
		return 0;
	for (uint64_t at = skip; at < size; at += PIECE) {
		size_t n = MIN((uint64_t)PIECE, size - at);

		if (elf_file_read(f, p->p_offset + at, piece, n))
			return 0;
		for (size_t i = 0; i + 8 <= n; i += 8) {
			int r = cb(p->p_vaddr + at + i, piece + i, arg);

			if (r)
				return r;
		}
	}
	return 0;
}

struct header_search {
	const struct elf_file *f;
	struct header *ret;
};

static int take_header(uint64_t address, const uint8_t *word, void *arg)
{
	struct header_search *s = arg;

	return word[1] == 0xff && word[2] == 0xff && word[3] == 0xff && word[7] == 8 &&
	       read_header(s->f, address, s->ret);
}

static bool find_header(const struct elf_file *f, struct header *ret)
{
	static const char *const sections[] = {".gopclntab", ".data.rel.ro.gopclntab"};
	struct header_search search = {f, ret};

	for (size_t i = 0; i < ARRAY_SIZE(sections); i++) {
		const Elf64_Shdr *s = elf_file_section(f, sections[i]);

		if (!s || s->sh_type != SHT_PROGBITS || !read_header(f, s->sh_addr, ret))
			continue;
		/* Much else may follow in the segment. */
		if (s->sh_size >= ret->parts[4] + ret->functions * 8 + 4)
			ret->size = MIN(ret->size, s->sh_size);
		return true;
	}
	/* Other linkers put it into other sections, and some files have none. */
	if (f->sections.len && !elf_file_section(f, ".go.buildinfo") &&
	    !elf_file_section(f, ".note.go.buildid"))
		return false;
	for (size_t i = 0; i < f->segments.len; i++) {
		const Elf64_Phdr *p = &f->segments.data[i];

		if (p->p_type == PT_LOAD && !(p->p_flags & PF_X) &&
		    each_word(f, p, take_header, &search))
			return true;
	}
	return false;
}

/* --- the description of the module ----------------------------------------------------------- */

struct modules {
	const struct header *h;
	size_t len;
	uint64_t at[MODULES];
	uint64_t words[MODULES][MODULE_WORDS];
};

static void add_module(struct modules *m, uint64_t address)
{
	for (size_t i = 0; i < m->len; i++)
		if (m->at[i] == address)
			return;
	if (m->len < MODULES)
		m->at[m->len++] = address;
}

static int take_pointer(uint64_t address, const uint8_t *word, void *arg)
{
	struct modules *m = arg;

	if (byte_u64(word) == m->h->address)
		add_module(m, address);
	return 0;
}

/* Files that may lie at any address keep their pointers as relocations, the value in each. */
static bool find_relocations(const struct elf_file *f, struct pclntab_part *ret)
{
	uint64_t address = 0, size = 0;
	Elf64_Dyn d;

	for (size_t i = 0; i < f->segments.len; i++) {
		const Elf64_Phdr *p = &f->segments.data[i];

		if (p->p_type != PT_DYNAMIC)
			continue;
		for (uint64_t at = 0; at < MIN(p->p_filesz / sizeof(d), (uint64_t)MAX_DYNAMIC);
		     at++) {
			if (elf_file_read_address(f, p->p_vaddr + at * sizeof(d), &d, sizeof(d)) ||
			    d.d_tag == DT_NULL)
				break;
			if (d.d_tag == DT_RELA)
				address = d.d_un.d_ptr;
			if (d.d_tag == DT_RELASZ)
				size = d.d_un.d_val;
		}
	}
	ret->size = MIN(address_to_offset(f, address, &ret->offset), size);
	return ret->size;
}

static void take_relocation(struct modules *m, const Elf64_Rela *r, bool fill)
{
	if (ELF64_R_TYPE(r->r_info) != R_X86_64_RELATIVE)
		return;
	if (!fill) {
		if ((uint64_t)r->r_addend == m->h->address)
			add_module(m, r->r_offset);
		return;
	}
	for (size_t i = 0; i < m->len; i++) {
		uint64_t word = (r->r_offset - m->at[i]) / 8;

		if (r->r_offset >= m->at[i] && word < MODULE_WORDS && r->r_offset % 8 == 0)
			m->words[i][word] = (uint64_t)r->r_addend;
	}
}

static void each_relocation(const struct elf_file *f, const struct pclntab_part *part,
			    struct modules *m, bool fill)
{
	enum { A_READ = 2048 };
	cleanup_free Elf64_Rela *some = mem_calloc(A_READ, sizeof(*some));
	uint64_t count = MIN(part->size / sizeof(*some), (uint64_t)MAX_RELOCATIONS);

	for (uint64_t at = 0; at < count; at += A_READ) {
		size_t n = MIN(count - at, (uint64_t)A_READ);

		if (elf_file_read(f, part->offset + at * sizeof(*some), some, n * sizeof(*some)))
			return;
		for (size_t i = 0; i < n; i++)
			take_relocation(m, &some[i], fill);
	}
}

/* Words of struct moduledata (runtime/symtab.go), the same from 1.18 to 1.27. */
enum {
	WORD_NAMES = 1,
	WORD_TABLE_LEN = 17,
	WORD_TEXT = 22,
	WORD_TEXT_END = 23,
	WORD_INLINED_118 = 38, /* gofunc */
	WORD_INLINED_120 = 40,
	WORD_INLINED_LAST = 46,
};

static bool is_module(const struct elf_file *f, const struct header *h, const uint64_t *words)
{
	return words[WORD_NAMES] == h->address + h->parts[0] &&
	       words[WORD_TABLE_LEN] == h->functions + 1 && words[WORD_TEXT] &&
	       in_code(f, words[WORD_TEXT], words[WORD_TEXT_END]);
}

/* From 1.26 on gofunc lies in the function table, whose end is the next word; new words came before
 * it in 1.27. */
static uint64_t inlined_address(const struct header *h, const uint64_t *words)
{
	if (!h->start_lines)
		return words[WORD_INLINED_118];
	for (int i = WORD_INLINED_120; i <= WORD_INLINED_LAST; i++)
		if (words[i] > h->address && words[i] < words[i + 1] &&
		    words[i + 1] - h->address <= h->size)
			return words[i];
	return words[WORD_INLINED_120];
}

static bool find_module(const struct elf_file *f, const struct header *h, struct pclntab *t)
{
	cleanup_free struct modules *m = mem_calloc(1, sizeof(*m));
	struct pclntab_part relocations;

	m->h = h;
	for (size_t i = 0; i < f->segments.len; i++) {
		const Elf64_Phdr *p = &f->segments.data[i];

		if (p->p_type == PT_LOAD && (p->p_flags & PF_W))
			each_word(f, p, take_pointer, m);
	}
	bool relocated = find_relocations(f, &relocations);

	if (relocated)
		each_relocation(f, &relocations, m, false);
	for (size_t i = 0; i < m->len; i++)
		elf_file_read_address(f, m->at[i], m->words[i], sizeof(m->words[i]));
	if (relocated && m->len)
		each_relocation(f, &relocations, m, true);
	for (size_t i = 0; i < m->len; i++) {
		if (!is_module(f, h, m->words[i]))
			continue;
		t->text = m->words[i][WORD_TEXT];
		t->inlined.size =
			address_to_offset(f, inlined_address(h, m->words[i]), &t->inlined.offset);
		return true;
	}
	return false;
}

/* --- all of it ---------------------------------------------------------------------------------*/

static int read_index(const struct elf_file *f, struct pclntab *t)
{
	uint32_t n, end;

	t->stride = (t->functions + INDEX - 1) / INDEX;
	/* Pieces of one page at least: a lookup reads one stride at once. */
	t->stride = MAX(t->stride, 64u);
	n = (t->functions + t->stride - 1) / t->stride;
	t->index = mem_calloc(n, sizeof(*t->index));
	for (uint32_t i = 0; i < n; i++) {
		int r = elf_file_read(f, t->table.offset + (uint64_t)i * t->stride * 8,
				      &t->index[i], sizeof(t->index[i]));

		if (r)
			return r;
	}
	int r = elf_file_read(f, t->table.offset + (uint64_t)t->functions * 8, &end, sizeof(end));

	t->text_end = t->text + end;
	return r ? r : t->text_end > t->text && in_code(f, t->text, t->text_end) ? 0 : -ENOENT;
}

int pclntab_open(const struct elf_file *f, struct pclntab *ret)
{
	struct pclntab t = {};
	struct header h;

	if (f->header.e_machine != EM_X86_64 || !find_header(f, &h))
		return -ENOENT;
	struct pclntab_part *parts[] = {&t.names, &t.units, &t.files, &t.values, &t.table};

	for (size_t i = 0; i < ARRAY_SIZE(parts); i++) {
		uint64_t end = i + 1 < ARRAY_SIZE(parts) ? h.parts[i + 1] : h.size;

		*parts[i] = (struct pclntab_part){h.offset + h.parts[i], end - h.parts[i]};
	}
	t.functions = (uint32_t)h.functions;
	t.start_lines = h.start_lines;
	/* Up to 1.25 the header knows the text too, if no linker has to move it. */
	t.text = h.text;
	if (!find_module(f, &h, &t) && !h.text)
		return -ENOENT;
	int r = read_index(f, &t);

	if (r)
		pclntab_fini(&t);
	else
		*ret = t;
	return r ? -ENOENT : 0;
}
