/* What an address of a file is called, once its table is there. */
#include "symbol/demangle.h"
#include "symbol/symbol_priv.h"

enum {
	NAME_OVERHEAD = 48, /* of a name in the cache: its slot and the allocator's share */
};
/* Texts of Go's function table by their offset and one of these; no code is at such addresses. */
enum go_text { GO_NAME = 1, GO_FILE = 2, GO_TEXT_SHIFT = 62 };

/* Takes text over. */
static const char *keep_text(struct symbolizer *s, struct file *f, uint64_t key, char *text)
{
	size_t bytes = strlen(text) + NAME_OVERHEAD;

	map64_set(&f->texts, key, (uintptr_t)text);
	f->text_bytes += bytes;
	s->bytes += bytes;
	return text;
}

static const char *name_of(struct symbolizer *s, struct file *f, const struct table_symbol *sym,
			   const struct process *p, const struct mapping *m)
{
	uint64_t key = f->names.table.base + sym->start;
	const uint64_t *known = map64_get(&f->texts, key);
	struct debug_search where = symbol_debug_search(s, p, m);
	cleanup_free char *raw = NULL;

	if (known)
		return (const char *)(uintptr_t)*known;
	if (names_want_own(&f->names, sym))
		symbol_open_own(s, f, p, m);
	if (names_read(&f->names, sym, &where, &raw))
		return "";
	return keep_text(s, f, key, demangle(raw));
}

static const char *go_text(struct symbolizer *s, struct file *f, enum go_text kind, uint32_t offset)
{
	uint64_t key = (uint64_t)kind << GO_TEXT_SHIFT | offset;
	const uint64_t *known = map64_get(&f->texts, key);
	char *text;

	if (known)
		return (const char *)(uintptr_t)*known;
	if (pclntab_text(kind == GO_NAME ? &f->go.names : &f->go.files,
			 f->names.fds[SYMBOL_DYNAMIC], offset, &text))
		return "";
	return keep_text(s, f, key, text);
}

/* Functions of Go code; 0 where there is none. */
static size_t go_functions(struct symbolizer *s, struct file *f, const struct process *p,
			   const struct mapping *m, const struct symbol *found,
			   struct symbol ret[SYMBOL_MAX_INLINED])
{
	struct pclntab_frame frames[SYMBOL_MAX_INLINED];

	if (found->address < f->go.text || found->address >= f->go.text_end)
		return 0;
	int fd = symbol_open_own(s, f, p, m);
	int n = fd < 0 ? 0 : pclntab_find(&f->go, fd, found->address, frames, ARRAY_SIZE(frames));

	for (int i = 0; i < n; i++) {
		ret[i] = *found;
		ret[i].name = go_text(s, f, GO_NAME, frames[i].name);
		ret[i].line = frames[i].line;
		ret[i].start_line = frames[i].start_line;
		if (frames[i].file != UINT32_MAX)
			ret[i].file = go_text(s, f, GO_FILE, frames[i].file);
	}
	return n > 0 && *ret[n - 1].name ? (size_t)n : 0;
}

/* Compilers make variants of a function for some of its callers, and name them foo.isra.0. */
static bool is_variant(const char *name, const char *of)
{
	size_t n = strlen(of);

	return n && !strncmp(name, of, n) && (name[n] == '.' || !strncmp(name + n, " [clone", 7));
}

/* Functions with lines, as the debug information of the file says; 0 where it says nothing, or
 * nothing yet, which found is told. The function that has the code is called what the linker calls
 * it, as in files without debug information; but as people do when it is a variant. */
static size_t source_functions(struct symbolizer *s, struct file *f, const struct process *p,
			       const struct mapping *m, struct symbol *found,
			       struct symbol ret[SYMBOL_MAX_INLINED])
{
	struct debug_function functions[SYMBOL_MAX_INLINED];
	struct debug_search where = symbol_debug_search(s, p, m);

	/* What is for all must not come from where only some look. */
	if (f->common)
		where.pid = 0;
	int own = source_wants_own(&f->source) ? symbol_open_own(s, f, p, m) : -1;
	int n = source_find(&f->source, s->debug, own, &where, found->address, functions,
			    SYMBOL_MAX_INLINED);

	found->later = n == -EAGAIN && debug_pool_goes_on(s->debug);
	for (int i = 0; i < n; i++) {
		bool outermost = i == n - 1 && n < SYMBOL_MAX_INLINED;

		ret[i] = *found;
		if (!outermost || !*found->name || is_variant(found->name, functions[i].name))
			ret[i].name = functions[i].name;
		ret[i].file = functions[i].file;
		ret[i].line = functions[i].line;
		ret[i].start_line = functions[i].start_line;
	}
	return n > 0 ? (size_t)n : 0;
}

size_t symbol_functions(struct symbolizer *s, struct file *f, const struct process *p,
			const struct mapping *m, struct symbol *found,
			struct symbol ret[SYMBOL_MAX_INLINED])
{
	const struct table_symbol *sym = symbol_table_find(&f->names.table, found->address);
	size_t n = go_functions(s, f, p, m, found, ret);

	if (n)
		return n;
	if (sym)
		found->name = name_of(s, f, sym, p, m);
	n = source_functions(s, f, p, m, found, ret);
	return n && *ret[n - 1].name ? n : 0;
}
