#include "unwind/python/python_file.h"

#include <ctype.h>

#include "unwind/python/layout.h"

enum {
	MAX_CONSTANTS = 64 << 20, /* bytes of .rodata searched for a version */
	MAX_DYNAMIC = 4096,
	MAX_CHAIN = 100000,
	MAX_NAME = 64,
};
#define EVAL_SYMBOL "_PyEval_EvalFrameDefault"

static uint32_t gnu_hash(const char *name)
{
	uint32_t h = 5381;

	for (; *name; name++)
		h = h * 33 + (uint8_t)*name;
	return h;
}

static bool has_name(const struct elf_file *f, const struct elf_symbol_table *t, uint32_t name,
		     const char *want)
{
	char text[MAX_NAME];
	size_t n = strlen(want) + 1;

	return n <= sizeof(text) && name < t->strings_size && n <= t->strings_size - name &&
	       !elf_file_read(f, t->strings_offset + name, text, n) && !memcmp(text, want, n);
}

/* An exported symbol by the hash table that the dynamic loader uses: a few reads however large the
 * file is. */
static int find_exported(const struct elf_file *f, const char *name, Elf64_Sym *ret)
{
	const Elf64_Shdr *hash = elf_file_section(f, ".gnu.hash");
	uint32_t header[4], h = gnu_hash(name), i, h2;
	struct elf_symbol_table t;
	uint64_t buckets, chains;
	Elf64_Sym s;

	if (!hash || elf_file_symbol_table(f, SHT_DYNSYM, &t) ||
	    elf_file_read(f, hash->sh_offset, header, sizeof(header)) || !header[0])
		return -ENOENT;
	/* Header: buckets, first symbol, bloom words, bloom shift. */
	buckets = hash->sh_offset + sizeof(header) + header[2] * 8ULL;
	chains = buckets + header[0] * 4ULL;
	if (elf_file_read(f, buckets + (h % header[0]) * 4ULL, &i, 4) || i < header[1])
		return -ENOENT;
	for (unsigned int n = 0; n < MAX_CHAIN && i < t.count; n++, i++) {
		if (elf_file_read(f, chains + (i - header[1]) * 4ULL, &h2, 4))
			return -ENOENT;
		if ((h | 1) == (h2 | 1) &&
		    !elf_file_read(f, t.offset + i * sizeof(s), &s, sizeof(s)) &&
		    s.st_shndx != SHN_UNDEF && has_name(f, &t, s.st_name, name)) {
			*ret = s;
			return 0;
		}
		if (h2 & 1)
			break;
	}
	return -ENOENT;
}

static void add_eval(struct python_file *p, uint64_t address, uint64_t size)
{
	for (int i = 0; i < PYTHON_EVAL_RANGES; i++) {
		if (p->eval_start[i] == address)
			return;
		if (p->eval_start[i])
			continue;
		p->eval_start[i] = address;
		p->eval_end[i] = address + size;
		return;
	}
}

struct symbol_search {
	struct python_file *file;
	uint64_t version_at;
};

/* .symtab names the parts that the compiler split off (_PyEval_EvalFrameDefault.cold). */
static int on_symbol(const struct elf_symbol *s, void *arg)
{
	struct symbol_search *search = arg;
	size_t n = strlen(EVAL_SYMBOL);

	if (s->type == STT_FUNC && s->size && !strncmp(s->name, EVAL_SYMBOL, n) &&
	    (!s->name[n] || s->name[n] == '.'))
		add_eval(search->file, s->address, s->size);
	else if (!strcmp(s->name, "_PyRuntime"))
		search->file->runtime = s->address;
	else if (!strcmp(s->name, "Py_Version"))
		search->version_at = s->address;
	return 0;
}

/* Is this a version "3.8.x" to "3.10.x" with its end at the end of the text? */
static uint32_t version_at_end(const uint8_t *text, size_t len)
{
	size_t i = len, digits;
	uint32_t minor;

	if (i && text[i - 1] == '+')
		i--;
	for (digits = 0; i && isdigit(text[i - 1]) && digits < 2; digits++)
		i--;
	if (!digits || !i || text[--i] != '.')
		return 0;
	if (i && (text[i - 1] == '8' || text[i - 1] == '9'))
		minor = text[--i] - '0';
	else if (i > 1 && text[i - 2] == '1' && text[i - 1] == '0')
		minor = 10, i -= 2;
	else
		return 0;
	if (i < 2 || text[i - 1] != '.' || text[i - 2] != '3')
		return 0;
	/* Tails are shared with longer text ("/opt/3.8.18"), but not with longer numbers. */
	i -= 2;
	return i && (isdigit(text[i - 1]) || text[i - 1] == '.') ? 0 : 0x03000000 | minor << 16;
}

uint32_t python_version_in(const uint8_t *constants, size_t len)
{
	uint32_t found = 0;

	for (size_t start = 0; start < len;) {
		const uint8_t *end = memchr(constants + start, 0, len - start);
		uint32_t v;

		if (!end)
			break;
		v = version_at_end(constants + start, end - (constants + start));
		if (v && found && v != found)
			return 0;
		found = v ? v : found;
		start = end - constants + 1;
	}
	return found;
}

static uint32_t version_of(const struct elf_file *f, uint64_t version_at)
{
	const Elf64_Shdr *s = elf_file_section(f, ".rodata");
	cleanup_free uint8_t *data = NULL;
	uint64_t v;

	if (version_at)
		return elf_file_read_address(f, version_at, &v, sizeof(v)) ? 0 : v;
	if (!s || s->sh_size > MAX_CONSTANTS)
		return 0;
	data = mem_calloc(s->sh_size + 1, 1);
	if (elf_file_read(f, s->sh_offset, data, s->sh_size))
		return 0;
	return python_version_in(data, s->sh_size);
}

static void read_layout(const struct elf_file *f, struct python_file *p)
{
	const struct python_layout *known = python_layout_of(p->version);
	uint8_t table[PYTHON_DEBUG_OFFSETS_BYTES];

	p->layout = (struct python_layout){.style = PYTHON_UNSUPPORTED};
	if (!known)
		return;
	p->layout = *known;
	if (python_minor(p->version) < 0x030d)
		return;
	if (elf_file_read_address(f, p->runtime, table, sizeof(table)) ||
	    python_layout_from_offsets(table, p->version, &p->layout))
		p->layout = (struct python_layout){.style = PYTHON_UNSUPPORTED};
	p->search_threads = !p->layout.runtime_key;
}

static bool needs_python(const struct elf_file *f)
{
	const Elf64_Shdr *s = elf_file_section(f, ".dynamic");
	const Elf64_Shdr *names = elf_file_section(f, ".dynstr");
	char name[sizeof("libpython")] = {};
	Elf64_Dyn d;

	if (!s || !names)
		return false;
	for (size_t i = 0; i < MAX_DYNAMIC && (i + 1) * sizeof(d) <= s->sh_size; i++) {
		if (elf_file_read(f, s->sh_offset + i * sizeof(d), &d, sizeof(d)) ||
		    d.d_tag == DT_NULL)
			return false;
		if (d.d_tag != DT_NEEDED || d.d_un.d_val >= names->sh_size)
			continue;
		if (!elf_file_read(f, names->sh_offset + d.d_un.d_val, name, sizeof(name) - 1) &&
		    !strcmp(name, "libpython"))
			return true;
	}
	return false;
}

static void find_text(const struct elf_file *f, struct python_file *p)
{
	for (size_t i = 0; i < f->segments.len; i++) {
		const Elf64_Phdr *s = &f->segments.data[i];

		if (s->p_type != PT_LOAD || !(s->p_flags & PF_X))
			continue;
		p->text_offset = s->p_offset;
		p->text_size = s->p_filesz;
		p->text = s->p_vaddr;
		return;
	}
}

void python_file_read(const struct elf_file *f, struct python_file *ret)
{
	struct symbol_search search = {.file = ret};
	Elf64_Sym s;

	*ret = (struct python_file){};
	if (!find_exported(f, "_PyRuntime", &s))
		ret->runtime = s.st_value;
	else if (!elf_file_section(f, ".PyRuntime")) {
		ret->needs_python = needs_python(f);
		return;
	}
	find_text(f, ret);
	elf_file_each_symbol(f, on_symbol, &search, NULL);
	if (!ret->runtime || !ret->text_size)
		return;
	ret->found = true;
	ret->version = version_of(f, search.version_at);
	read_layout(f, ret);
}
