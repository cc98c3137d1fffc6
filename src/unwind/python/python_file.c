#include "unwind/python/python_file.h"

#include <ctype.h>

#include "unwind/python/layout.h"

enum {
	MAX_CONSTANTS = 64 << 20, /* bytes of .rodata searched for a version */
	MAX_DYNAMIC = 4096,
	MAX_CHAIN = 100000,
	MAX_NAME = 64,
	MAX_GETTER = 48, /* bytes of a function that only returns a variable */
	VERSION_PARTS = 3,
};
/* The interpreter's loop since 3.6, and before. */
#define EVAL_SYMBOL	"_PyEval_EvalFrameDefault"
#define EVAL_SYMBOL_OLD "PyEval_EvalFrameEx"

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
	const char *eval;
	uint64_t version_at;
};

static bool is_eval(const struct elf_symbol *s, const char *eval)
{
	size_t n = strlen(eval);

	return s->type == STT_FUNC && s->size && !strncmp(s->name, eval, n) &&
	       (!s->name[n] || s->name[n] == '.');
}

/* .symtab names the parts that the compiler split off (_PyEval_EvalFrameDefault.cold), and what is
 * not exported. */
static int on_symbol(const struct elf_symbol *s, void *arg)
{
	struct symbol_search *search = arg;
	struct python_file *p = search->file;

	if (is_eval(s, search->eval))
		add_eval(p, s->address, s->size);
	else if (!strcmp(s->name, "_PyRuntime"))
		p->runtime = s->address;
	else if (!strcmp(s->name, "Py_Version"))
		search->version_at = s->address;
	else if (!strcmp(s->name, "interp_head"))
		p->interpreters = s->address;
	else if (!strcmp(s->name, "autoTLSkey"))
		p->key = s->address;
	return 0;
}

/* A number that ends at *i, which goes to its start; -1 where there is none. */
static int number_before(const uint8_t *text, size_t *i)
{
	unsigned int n = 0, unit = 1;
	size_t end = *i;

	for (; *i && isdigit(text[*i - 1]) && end - *i < 2; unit *= 10)
		n += (text[--*i] - '0') * unit;
	return end == *i ? -1 : (int)n;
}

/* Is this a version "2.7.x" or "3.6.x" to "3.12.x" with its end at the end of the text? */
static uint32_t version_at_end(const uint8_t *text, size_t len)
{
	int parts[VERSION_PARTS]; /* patch, minor, major */
	size_t i = len;

	if (i && text[i - 1] == '+')
		i--;
	for (int k = 0; k < VERSION_PARTS; k++) {
		parts[k] = number_before(text, &i);
		if (parts[k] < 0 || (k < VERSION_PARTS - 1 && (!i || text[--i] != '.')))
			return 0;
	}
	/* Tails are shared with longer text ("/opt/3.8.18"), but not with longer numbers. */
	if (i && (isdigit(text[i - 1]) || text[i - 1] == '.'))
		return 0;
	if ((parts[2] == 2 && parts[1] == 7) || (parts[2] == 3 && parts[1] >= 6 && parts[1] <= 12))
		return (uint32_t)parts[2] << 24 | (uint32_t)parts[1] << 16;
	return 0;
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

static uint32_t version_of(const struct elf_file *f, uint64_t version_at, uint64_t runtime)
{
	const Elf64_Shdr *s = elf_file_section(f, ".rodata");
	cleanup_free uint8_t *data = NULL;
	uint64_t v, head[2];

	if (version_at)
		return elf_file_read_address(f, version_at, &v, sizeof(v)) ? 0 : v;
	/* From 3.13 on _PyRuntime says it, too. */
	if (runtime && !elf_file_read_address(f, runtime, head, sizeof(head)) &&
	    !memcmp(head, "xdebugpy", 8))
		return head[1];
	if (!s || s->sh_size > MAX_CONSTANTS)
		return 0;
	data = mem_calloc(s->sh_size + 1, 1);
	if (elf_file_read(f, s->sh_offset, data, s->sh_size))
		return 0;
	return python_version_in(data, s->sh_size);
}

static void read_layout(const struct elf_file *f, struct python_file *p)
{
	const struct python_layout *known = python_layout_of(p->version, false);
	size_t bytes = python_offsets_bytes(p->version);
	uint8_t table[PYTHON_MAX_OFFSETS];

	p->layout = (struct python_layout){.style = PYTHON_UNSUPPORTED};
	if (!known)
		return;
	if (!bytes)
		p->layout = *known;
	else if (!elf_file_read_address(f, p->runtime, table, bytes))
		python_layout_from_offsets(table, bytes, p->version, &p->layout);
}

/* Where the variables are that a walk starts from. */
static void find_variables(struct python_file *p)
{
	const struct python_layout *l = &p->layout;

	p->interpreters = p->runtime + l->runtime_interpreters;
	if (l->runtime_current)
		p->current = p->runtime + l->runtime_current;
	if (l->runtime_key)
		p->key = p->runtime + l->runtime_key;
}

/* The variable that a function's first instruction of these bytes reads, relative to the next one;
 * 0 where there is none. */
static uint64_t variable_read_by(const struct elf_file *f, const char *function,
				 const uint8_t instruction[], size_t n)
{
	uint8_t code[MAX_GETTER];
	Elf64_Sym s;
	int32_t distance;

	if (find_exported(f, function, &s) ||
	    elf_file_read_address(f, s.st_value, code, sizeof(code)))
		return 0;
	for (size_t i = 0; i + n + sizeof(distance) <= sizeof(code) && i < s.st_size; i++) {
		if (memcmp(code + i, instruction, n))
			continue;
		memcpy(&distance, code + i + n, sizeof(distance));
		return s.st_value + i + n + sizeof(distance) + (int64_t)distance;
	}
	return 0;
}

/* Before 3.7 the variables stand alone, and those that are not exported are found in .symtab or, in
 * stripped files, by the functions that return them. */
static void find_old_variables(const struct elf_file *f, struct python_file *p)
{
	static const uint8_t to_rax[] = {0x48, 0x8b, 0x05}; /* mov x(%rip),%rax */
	static const uint8_t to_edi[] = {0x8b, 0x3d};	    /* mov x(%rip),%edi */

	if (!p->interpreters)
		p->interpreters =
			variable_read_by(f, "PyInterpreterState_Head", to_rax, sizeof(to_rax));
	if (python_minor(p->version) < 0x0306) {
		/* Keys of 2.7 are its own, in a list. */
		p->key = 0;
		return;
	}
	p->key_is_int = true;
	if (!p->key)
		p->key = variable_read_by(f, "PyGILState_GetThisThreadState", to_edi,
					  sizeof(to_edi));
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

/* Is an interpreter in here? A program may have a copy of its variables, but not of its loop. */
static bool find_interpreter(const struct elf_file *f, struct python_file *p, const char **ret_eval)
{
	const Elf64_Shdr *section = elf_file_section(f, ".PyRuntime");
	bool has_eval;
	Elf64_Sym s;

	*ret_eval = EVAL_SYMBOL;
	has_eval = !find_exported(f, EVAL_SYMBOL, &s);
	if (!has_eval && !find_exported(f, EVAL_SYMBOL_OLD, &s)) {
		*ret_eval = EVAL_SYMBOL_OLD;
		has_eval = true;
	}
	if (section)
		p->runtime = section->sh_addr; /* nothing else is in there */
	else if (has_eval && !find_exported(f, "_PyRuntime", &s))
		p->runtime = s.st_value;
	else if (has_eval && !find_exported(f, "_PyThreadState_Current", &s))
		p->current = s.st_value;
	return p->runtime || p->current;
}

void python_file_read(const struct elf_file *f, struct python_file *ret)
{
	struct symbol_search search = {.file = ret};

	*ret = (struct python_file){};
	if (!find_interpreter(f, ret, &search.eval)) {
		Elf64_Sym s;

		ret->needs_python = needs_python(f);
		/* PyPy, pypy/goal/targetpypystandalone.py: what its program calls first. */
		ret->pypy = !find_exported(f, "pypy_main_startup", &s);
		return;
	}
	find_text(f, ret);
	if (!ret->text_size)
		return;
	ret->found = true;
	elf_file_each_symbol(f, on_symbol, &search, NULL);
	ret->version = version_of(f, search.version_at, ret->runtime);
	read_layout(f, ret);
	if (ret->runtime)
		find_variables(ret);
	else
		find_old_variables(f, ret);
}
