#include "symbol/plt.h"

enum {
	/* Bounds far above what linkers make. */
	MAX_SECTION = 4 << 20,
	MAX_ENTRIES = 1 << 17,
	MAX_RELOCATIONS = 8 << 20,
	MAX_INDEXED = 1 << 17, /* entries of .rela.plt */
	AT_A_TIME = 4096,
	STEP = 8,	 /* entries start at multiples of it, from the start of the section */
	MAX_LENGTH = 16, /* of an entry */
};

/* ---- instructions ---- */

static size_t skip(const uint8_t *p, size_t n, const char *prefix, size_t len, size_t more)
{
	return n >= len + more && !memcmp(p, prefix, len) ? len + more : 0;
}

static uint32_t number(const uint8_t *p)
{
	uint32_t v;

	memcpy(&v, p, sizeof(v));
	return v;
}

/* What an entry does: "jmp *slot(%rip)", maybe behind endbr64, mov $index,%r11d (mold) or bnd; or
 * "push $index; jmp", the half that is used before the function was found. */
enum does { DOES_OTHER, DOES_JUMP, DOES_PUSH };

static enum does decode(const uint8_t *p, size_t n, uint64_t address, uint64_t *ret)
{
	size_t at = skip(p, n, "\xf3\x0f\x1e\xfa", 4, 0);

	if (n >= at + 5 && p[at] == 0x68) {
		*ret = number(p + at + 1);
		return DOES_PUSH;
	}
	at += skip(p + at, n - at, "\x41\xbb", 2, 4);
	at += skip(p + at, n - at, "\xf2", 1, 0);
	if (n < at + 6 || p[at] != 0xff || p[at + 1] != 0x25)
		return DOES_OTHER;
	*ret = address + at + 6 + (uint64_t)(int64_t)(int32_t)number(p + at + 2);
	return DOES_JUMP;
}

/* ---- entries ---- */

struct indexed {
	Elf64_Rela *data; /* .rela.plt */
	size_t len;
};

static void read_indexed(const struct elf_file *f, struct indexed *ret)
{
	const Elf64_Shdr *s = elf_file_section(f, ".rela.plt");
	size_t n = s ? MIN(s->sh_size / sizeof(Elf64_Rela), (uint64_t)MAX_INDEXED) : 0;

	if (!n || s->sh_type != SHT_RELA || s->sh_offset > f->size ||
	    n * sizeof(Elf64_Rela) > f->size - s->sh_offset)
		return;
	cleanup_free Elf64_Rela *data = mem_calloc(n, sizeof(*data));

	if (!elf_file_read(f, s->sh_offset, data, n * sizeof(*data)))
		*ret = (struct indexed){take_ptr(data), n};
}

static void read_section(const struct elf_file *f, const char *name, const struct indexed *indexed,
			 plt_entry_vec *ret)
{
	const Elf64_Shdr *s = elf_file_section(f, name);

	if (!s || s->sh_type != SHT_PROGBITS || !s->sh_size || s->sh_size > MAX_SECTION ||
	    s->sh_offset > f->size || s->sh_size > f->size - s->sh_offset)
		return;
	cleanup_free uint8_t *text = mem_calloc(s->sh_size, 1);

	if (elf_file_read(f, s->sh_offset, text, s->sh_size))
		return;
	size_t first = ret->len;

	for (uint64_t at = 0; at < s->sh_size && ret->len < MAX_ENTRIES; at += STEP) {
		struct plt_entry e = {.address = s->sh_addr + at};
		size_t n = MIN(s->sh_size - at, (uint64_t)MAX_LENGTH);
		enum does does = decode(text + at, n, e.address, &e.slot);

		if (does == DOES_PUSH && e.slot < indexed->len)
			e.slot = indexed->data[e.slot].r_offset;
		else if (does != DOES_JUMP)
			continue;
		e.size = (uint32_t)n;
		if (ret->len > first && ret->data[ret->len - 1].address + STEP == e.address)
			ret->data[ret->len - 1].size = STEP;
		vec_push(ret, e);
	}
}

/* ---- what the slots hold ---- */

/* A name is looked up behind the relocations: until then it is the number of a symbol. */
struct search {
	plt_entry_vec *entries; /* by slot */
	size_t missing;
};

static int by_slot(const void *x, const void *y)
{
	const struct plt_entry *a = x, *b = y;

	return a->slot < b->slot ? -1 : a->slot > b->slot;
}

static int by_symbol(const void *x, const void *y)
{
	const struct plt_entry *a = x, *b = y;

	return a->name < b->name ? -1 : a->name > b->name;
}

static int by_address(const void *x, const void *y)
{
	const struct plt_entry *a = x, *b = y;

	return a->address < b->address ? -1 : a->address > b->address;
}

/* Of several relocations of one slot the first counts. */
static void take_relocation(struct search *q, const Elf64_Rela *r)
{
	struct plt_entry *data = q->entries->data;
	size_t low = 0, high = q->entries->len;
	uint32_t type = (uint32_t)ELF64_R_TYPE(r->r_info);

	if (type != R_X86_64_JUMP_SLOT && type != R_X86_64_GLOB_DAT && type != R_X86_64_IRELATIVE)
		return;
	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (data[mid].slot < r->r_offset)
			low = mid + 1;
		else
			high = mid;
	}
	/* Two entries may jump through one slot: the early half and the late half. */
	for (; low < q->entries->len && data[low].slot == r->r_offset; low++) {
		if (data[low].name || data[low].resolver)
			continue;
		if (type == R_X86_64_IRELATIVE)
			data[low].resolver = (uint64_t)r->r_addend;
		else
			data[low].name = (uint32_t)ELF64_R_SYM(r->r_info);
		q->missing--;
	}
}

static void read_relocations(const struct elf_file *f, const Elf64_Shdr *s, struct search *q,
			     size_t *budget)
{
	cleanup_free Elf64_Rela *some = mem_calloc(AT_A_TIME, sizeof(*some));
	uint64_t count = MIN(s->sh_size / sizeof(*some), (uint64_t)*budget);

	*budget -= count;
	for (uint64_t done = 0; done < count && q->missing;) {
		size_t n = MIN(count - done, (uint64_t)AT_A_TIME);

		/* The product is below the section's size, the sum may still wrap: that is checked.
		 */
		if (s->sh_offset > f->size ||
		    elf_file_read(f, s->sh_offset + done * sizeof(*some), some, n * sizeof(*some)))
			return;
		for (size_t i = 0; i < n; i++)
			take_relocation(q, &some[i]);
		done += n;
	}
}

/* Turn numbers of symbols into places of names, with one pass over the symbols. */
static void find_names(const struct elf_file *f, plt_entry_vec *entries)
{
	cleanup_free Elf64_Sym *some = mem_calloc(AT_A_TIME, sizeof(*some));
	struct elf_symbol_table table = {};
	size_t first = 0, n = 0;

	if (elf_file_symbol_table(f, SHT_DYNSYM, &table))
		table.count = 0;
	qsort(entries->data, entries->len, sizeof(*entries->data), by_symbol);
	for (size_t i = 0; i < entries->len; i++) {
		struct plt_entry *e = &entries->data[i];
		size_t symbol = e->name;

		e->name = 0;
		if (!symbol || symbol >= table.count)
			continue;
		if (symbol >= first + n) {
			first = symbol;
			n = MIN(table.count - first, (size_t)AT_A_TIME);
			if (elf_file_read(f, table.offset + first * sizeof(*some), some,
					  n * sizeof(*some)))
				n = 0;
		}
		if (symbol < first + n && some[symbol - first].st_name < table.strings_size)
			e->name = some[symbol - first].st_name;
	}
}

void plt_read(const struct elf_file *f, plt_entry_vec *ret)
{
	static const char *const sections[] = {".plt", ".plt.got", ".plt.sec"};
	struct indexed indexed = {};
	size_t budget = MAX_RELOCATIONS, kept = 0;

	vec_clear(ret);
	if (f->header.e_machine != EM_X86_64)
		return;
	read_indexed(f, &indexed);
	for (size_t i = 0; i < ARRAY_SIZE(sections); i++)
		read_section(f, sections[i], &indexed, ret);
	free(indexed.data);
	if (!ret->len)
		return;
	qsort(ret->data, ret->len, sizeof(*ret->data), by_slot);
	struct search q = {.entries = ret, .missing = ret->len};

	for (size_t i = 0; i < f->sections.len && q.missing; i++)
		if (f->sections.data[i].sh_type == SHT_RELA &&
		    f->sections.data[i].sh_flags & SHF_ALLOC)
			read_relocations(f, &f->sections.data[i], &q, &budget);
	find_names(f, ret);
	for (size_t i = 0; i < ret->len; i++)
		if (ret->data[i].name || ret->data[i].resolver)
			ret->data[kept++] = ret->data[i];
	ret->len = kept;
	qsort(ret->data, ret->len, sizeof(*ret->data), by_address);
}
