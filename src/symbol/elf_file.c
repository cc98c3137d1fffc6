#include "symbol/elf_file.h"

#include <sys/stat.h>
#include <unistd.h>

/* Bounds for what a file may claim; all far above what linkers make. */
enum {
	MAX_SEGMENTS = 1 << 16,
	MAX_SECTIONS = 1 << 20, /* -ffunction-sections of a big program, not linked with -gc */
	MAX_SECTION_NAMES = 64 << 20,
	MAX_SYMBOLS = 8 << 20, /* a tenth of a second to read */
	MAX_STRINGS = 512 << 20,
	MAX_STRINGS_IN_MEMORY = 64 << 20,
	MAX_NOTES = 64 << 10,
	SYMBOLS_A_READ = 2048,
};

static bool inside(const struct elf_file *f, uint64_t offset, uint64_t n)
{
	return offset <= f->size && n <= f->size - offset;
}

int elf_file_read(const struct elf_file *f, uint64_t offset, void *buf, size_t n)
{
	char *out = buf;

	if (!inside(f, offset, n))
		return -EBADMSG;
	while (n) {
		ssize_t got = pread(f->fd, out, n, (off_t)offset);

		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			return got ? -errno : -EBADMSG; /* it shrank */
		out += got;
		offset += (size_t)got;
		n -= (size_t)got;
	}
	return 0;
}

static int read_header(struct elf_file *f, struct err *e)
{
	int r = elf_file_read(f, 0, &f->header, sizeof(f->header));
	const unsigned char *ident = f->header.e_ident;

	if (r || memcmp(ident, ELFMAG, SELFMAG))
		return err_set(e, -EBADMSG, "not an ELF file");
	if (ident[EI_CLASS] != ELFCLASS64 || ident[EI_DATA] != ELFDATA2LSB)
		return err_set(e, -ENOTSUP, "not a 64-bit little endian ELF file");
	return 0;
}

/* Files with very many segments or sections keep the true numbers in section 0 (ELF gABI). */
static int read_counts(const struct elf_file *f, uint64_t *segments, uint64_t *sections,
		       uint64_t *names)
{
	const Elf64_Ehdr *h = &f->header;
	Elf64_Shdr first;

	*segments = h->e_phnum;
	*sections = h->e_shoff ? h->e_shnum : 0;
	*names = h->e_shstrndx;
	bool extended =
		h->e_phnum == PN_XNUM || (h->e_shoff && !h->e_shnum) || h->e_shstrndx == SHN_XINDEX;

	if (!extended || elf_file_read(f, h->e_shoff, &first, sizeof(first)))
		return h->e_phnum == PN_XNUM ? -EBADMSG : 0;
	if (h->e_phnum == PN_XNUM)
		*segments = first.sh_info;
	if (!h->e_shnum)
		*sections = first.sh_size;
	if (h->e_shstrndx == SHN_XINDEX)
		*names = first.sh_link;
	return 0;
}

static int read_segments(struct elf_file *f, uint64_t n, struct err *e)
{
	if (!n)
		return 0;
	if (n > MAX_SEGMENTS || f->header.e_phentsize != sizeof(Elf64_Phdr) ||
	    !inside(f, f->header.e_phoff, n * sizeof(Elf64_Phdr)))
		return err_set(e, -EBADMSG, "the ELF program headers are damaged");
	vec_reserve(&f->segments, n);
	int r = elf_file_read(f, f->header.e_phoff, f->segments.data, n * sizeof(Elf64_Phdr));

	if (r)
		return err_sys(e, r, "cannot read the ELF program headers");
	f->segments.len = n;
	return 0;
}

/* Sections are not needed to run a file, so that broken ones count as none. */
static void read_sections(struct elf_file *f, uint64_t n, uint64_t names)
{
	if (!n || n > MAX_SECTIONS || f->header.e_shentsize != sizeof(Elf64_Shdr) ||
	    !inside(f, f->header.e_shoff, n * sizeof(Elf64_Shdr)))
		return;
	vec_reserve(&f->sections, n);
	if (elf_file_read(f, f->header.e_shoff, f->sections.data, n * sizeof(Elf64_Shdr)))
		return;
	f->sections.len = n;
	if (names >= n)
		return;
	const Elf64_Shdr *s = &f->sections.data[names];

	if (s->sh_type != SHT_STRTAB || !s->sh_size || s->sh_size > MAX_SECTION_NAMES ||
	    !inside(f, s->sh_offset, s->sh_size))
		return;
	cleanup_free char *text = mem_calloc(s->sh_size + 1, 1);

	if (elf_file_read(f, s->sh_offset, text, s->sh_size))
		return;
	f->section_names = take_ptr(text);
	f->section_names_size = s->sh_size + 1;
}

static int read_tables(struct elf_file *f, struct err *e)
{
	struct stat st;
	uint64_t segments, sections, names;

	if (fstat(f->fd, &st))
		return err_sys(e, -errno, "cannot stat the file");
	if (!S_ISREG(st.st_mode))
		return err_set(e, -EINVAL, "not a regular file");
	f->size = (uint64_t)st.st_size;
	int r = read_header(f, e);

	if (r)
		return r;
	r = read_counts(f, &segments, &sections, &names);
	if (r)
		return err_set(e, r, "the ELF header is damaged");
	r = read_segments(f, segments, e);
	if (r)
		return r;
	read_sections(f, sections, names);
	return 0;
}

int elf_file_open(int fd, struct elf_file **ret, struct err *e)
{
	struct elf_file *f = mem_calloc(1, sizeof(*f));

	f->fd = fd;
	int r = read_tables(f, e);

	if (r) {
		elf_file_close(f);
		return r;
	}
	*ret = f;
	return 0;
}

void elf_file_close(struct elf_file *f)
{
	if (!f)
		return;
	if (f->fd >= 0)
		close(f->fd);
	vec_fini(&f->segments);
	vec_fini(&f->sections);
	free(f->section_names);
	free(f);
}

const Elf64_Shdr *elf_file_section(const struct elf_file *f, const char *name)
{
	for (size_t i = 0; i < f->sections.len; i++) {
		const Elf64_Shdr *s = &f->sections.data[i];

		if (s->sh_name < f->section_names_size &&
		    !strcmp(f->section_names + s->sh_name, name))
			return s;
	}
	return NULL;
}

int elf_file_read_address(const struct elf_file *f, uint64_t address, void *buf, size_t n)
{
	for (size_t i = 0; i < f->segments.len; i++) {
		const Elf64_Phdr *p = &f->segments.data[i];

		if (p->p_type == PT_LOAD && address >= p->p_vaddr &&
		    address - p->p_vaddr <= p->p_filesz &&
		    n <= p->p_filesz - (address - p->p_vaddr) &&
		    p->p_offset <= f->size) /* so that the sum cannot wrap */
			return elf_file_read(f, p->p_offset + (address - p->p_vaddr), buf, n);
	}
	return -ENOENT;
}

static bool segment_has_offset(const Elf64_Phdr *p, uint64_t offset)
{
	return p->p_type == PT_LOAD && offset >= p->p_offset && offset - p->p_offset < p->p_filesz;
}

int elf_file_offset_to_address(const struct elf_file *f, uint64_t offset, uint64_t *ret_address)
{
	const Elf64_Phdr *found = NULL;

	/* Two segments can claim the same bytes; code is what callers ask for. */
	for (size_t i = 0; i < f->segments.len; i++) {
		const Elf64_Phdr *p = &f->segments.data[i];

		if (segment_has_offset(p, offset) && (!found || p->p_flags & PF_X))
			found = p;
		if (found && found->p_flags & PF_X)
			break;
	}
	if (!found)
		return -ENOENT;
	*ret_address = found->p_vaddr + (offset - found->p_offset);
	return 0;
}

int elf_file_symbol_table(const struct elf_file *f, uint32_t type, struct elf_symbol_table *ret)
{
	for (size_t i = 0; i < f->sections.len; i++) {
		const Elf64_Shdr *s = &f->sections.data[i];

		if (s->sh_type != type || s->sh_entsize != sizeof(Elf64_Sym))
			continue;
		if (s->sh_link >= f->sections.len || !inside(f, s->sh_offset, s->sh_size))
			return -EBADMSG;
		const Elf64_Shdr *strings = &f->sections.data[s->sh_link];
		uint64_t count = s->sh_size / sizeof(Elf64_Sym);

		if (strings->sh_type != SHT_STRTAB ||
		    !inside(f, strings->sh_offset, strings->sh_size))
			return -EBADMSG;
		if (count > MAX_SYMBOLS || strings->sh_size > MAX_STRINGS)
			return -EFBIG;
		*ret = (struct elf_symbol_table){s->sh_offset, (size_t)count, strings->sh_offset,
						 strings->sh_size};
		return 0;
	}
	return -ENOENT;
}

int elf_file_each_raw_symbol(const struct elf_file *f, const struct elf_symbol_table *t,
			     int (*cb)(const Elf64_Sym *s, void *arg), void *arg)
{
	cleanup_free Elf64_Sym *some = mem_calloc(SYMBOLS_A_READ, sizeof(*some));

	for (size_t done = 0; done < t->count;) {
		size_t n = MIN(t->count - done, (size_t)SYMBOLS_A_READ);
		int r = elf_file_read(f, t->offset + done * sizeof(*some), some, n * sizeof(*some));

		for (size_t i = 0; !r && i < n; i++)
			if (some[i].st_shndx != SHN_UNDEF && some[i].st_name < t->strings_size)
				r = cb(&some[i], arg);
		if (r)
			return r;
		done += n;
	}
	return 0;
}

struct named_walk {
	const char *strings;
	int (*cb)(const struct elf_symbol *s, void *arg);
	void *arg;
};

static int give_named(const Elf64_Sym *raw, void *arg)
{
	struct named_walk *w = arg;
	struct elf_symbol s = {
		.address = raw->st_value,
		.size = raw->st_size,
		.name = w->strings + raw->st_name,
		.type = ELF64_ST_TYPE(raw->st_info),
		.bind = ELF64_ST_BIND(raw->st_info),
		.section = raw->st_shndx,
	};

	return w->cb(&s, w->arg);
}

static int walk_table(const struct elf_file *f, uint32_t type, struct named_walk *w, struct err *e)
{
	struct elf_symbol_table t;
	int r = elf_file_symbol_table(f, type, &t);

	if (r == -ENOENT)
		return 0;
	if (!r && t.strings_size > MAX_STRINGS_IN_MEMORY)
		r = -EFBIG;
	if (r)
		return err_sys(e, r, "the ELF symbol table cannot be used");
	cleanup_free char *strings = mem_calloc(t.strings_size + 1, 1);

	r = elf_file_read(f, t.strings_offset, strings, t.strings_size);
	if (r)
		return err_sys(e, r, "cannot read the names of ELF symbols");
	w->strings = strings;
	return elf_file_each_raw_symbol(f, &t, give_named, w);
}

int elf_file_each_symbol(const struct elf_file *f, int (*cb)(const struct elf_symbol *s, void *arg),
			 void *arg, struct err *e)
{
	struct named_walk w = {.cb = cb, .arg = arg};
	int r = walk_table(f, SHT_SYMTAB, &w, e);

	return r ? r : walk_table(f, SHT_DYNSYM, &w, e);
}

struct search {
	const char *name;
	uint64_t address, size;
};

static int compare_name(const struct elf_symbol *s, void *arg)
{
	struct search *q = arg;

	if (strcmp(s->name, q->name))
		return 0;
	q->address = s->address;
	q->size = s->size;
	return 1;
}

int elf_file_find_symbol(const struct elf_file *f, const char *name, uint64_t *ret_address,
			 uint64_t *ret_size)
{
	/* The dynamic table first: it is the small one, and what is looked for is mostly public. */
	static const uint32_t types[] = {SHT_DYNSYM, SHT_SYMTAB};
	struct search q = {.name = name};
	struct named_walk w = {.cb = compare_name, .arg = &q};

	for (size_t i = 0; i < ARRAY_SIZE(types); i++) {
		int r = walk_table(f, types[i], &w, NULL);

		if (r < 0)
			return r;
		if (r) {
			*ret_address = q.address;
			*ret_size = q.size;
			return 0;
		}
	}
	return -ENOENT;
}

/* Find the build id among the notes in text. Returns its length, 0 when it is not there. */
static int find_build_id(const char *text, size_t n, uint64_t align, uint8_t ret[20])
{
	size_t mask = align == 8 ? 7 : 3, at = 0;
	Elf64_Nhdr h;

	while (n - at >= sizeof(h)) {
		memcpy(&h, text + at, sizeof(h));
		at += sizeof(h);
		if (h.n_namesz > n - at)
			return 0;
		const char *name = text + at;

		at = (at + h.n_namesz + mask) & ~mask;
		if (at > n || h.n_descsz > n - at)
			return 0;
		if (h.n_type == NT_GNU_BUILD_ID && h.n_namesz == sizeof(ELF_NOTE_GNU) &&
		    !memcmp(name, ELF_NOTE_GNU, sizeof(ELF_NOTE_GNU)) && h.n_descsz) {
			size_t len = MIN(h.n_descsz, 20u);

			memcpy(ret, text + at, len);
			return (int)len;
		}
		at = (at + h.n_descsz + mask) & ~mask;
		if (at > n)
			return 0;
	}
	return 0;
}

static int build_id_at(const struct elf_file *f, uint64_t offset, uint64_t n, uint64_t align,
		       uint8_t ret[20])
{
	if (n > MAX_NOTES || !inside(f, offset, n))
		return 0;
	cleanup_free char *text = mem_calloc(n, 1);

	return elf_file_read(f, offset, text, n) ? 0 : find_build_id(text, n, align, ret);
}

int elf_file_build_id(const struct elf_file *f, uint8_t ret[20])
{
	int len = 0;

	for (size_t i = 0; !len && i < f->segments.len; i++) {
		const Elf64_Phdr *p = &f->segments.data[i];

		if (p->p_type == PT_NOTE)
			len = build_id_at(f, p->p_offset, p->p_filesz, p->p_align, ret);
	}
	for (size_t i = 0; !len && i < f->sections.len; i++) {
		const Elf64_Shdr *s = &f->sections.data[i];

		if (s->sh_type == SHT_NOTE)
			len = build_id_at(f, s->sh_offset, s->sh_size, s->sh_addralign, ret);
	}
	return len ? len : -ENOENT;
}
