#include "symbol/table.h"

#include <unistd.h>

#include "base/hash.h"
#include "symbol/plt.h"

enum {
	MAX_NAME_OFFSET = 1 << 29,
	MAX_NAME = 16 * 1024 + 1, /* longer than what is demangled */
	MAX_ALIASES = 8,
	/* Functions inside functions (written in assembler) are few: how far to look back for one
	 * that covers an address. */
	MAX_NESTED = 16,
	DIGIT_BITS = 11,
	DIGIT_MASK = (1 << DIGIT_BITS) - 1,
};
/* Best first. Global and weak count alike: of write and __write the weak one is what people call.
 */
enum rank { RANK_GLOBAL, RANK_LOCAL, RANK_LABEL, RANK_PLT };
static const char plt_suffix[] = "@plt";

struct range {
	uint64_t start, end;
};
struct builder {
	const struct elf_file *file;
	VEC(struct range) code; /* executable sections, or segments where there are no sections */
	VEC(struct table_symbol) symbols;
	uint64_t base;
	size_t max_symbols;
	bool dynamic;
};

static void add_code(struct builder *b, uint64_t start, uint64_t size)
{
	uint64_t end;

	if (size && !__builtin_add_overflow(start, size, &end))
		vec_push(&b->code, (struct range){start, end});
}

static void find_code(struct builder *b)
{
	const struct elf_file *f = b->file;

	for (size_t i = 0; i < f->sections.len; i++) {
		const Elf64_Shdr *s = &f->sections.data[i];

		if ((s->sh_flags & (SHF_ALLOC | SHF_EXECINSTR)) == (SHF_ALLOC | SHF_EXECINSTR))
			add_code(b, s->sh_addr, s->sh_size);
	}
	for (size_t i = 0; !b->code.len && i < f->segments.len; i++) {
		const Elf64_Phdr *p = &f->segments.data[i];

		if (p->p_type == PT_LOAD && p->p_flags & PF_X)
			add_code(b, p->p_vaddr, p->p_memsz);
	}
	b->base = UINT64_MAX;
	for (size_t i = 0; i < b->code.len; i++)
		b->base = MIN(b->base, b->code.data[i].start);
}

static const struct range *code_of(const struct builder *b, uint64_t address)
{
	for (size_t i = 0; i < b->code.len; i++)
		if (address >= b->code.data[i].start && address < b->code.data[i].end)
			return &b->code.data[i];
	return NULL;
}

/* What a symbol is to us, or -1 when it names no code. */
static int rank_of(const struct builder *b, const Elf64_Sym *s)
{
	bool local = ELF64_ST_BIND(s->st_info) == STB_LOCAL;

	switch (ELF64_ST_TYPE(s->st_info)) {
	case STT_FUNC:
	case STT_GNU_IFUNC:
		return local ? RANK_LOCAL : RANK_GLOBAL;
	case STT_NOTYPE:
		/* Assembler without types. On arm64 the local ones are marks ($x, $d), no names. */
		return local && b->file->header.e_machine != EM_X86_64 ? -1 : RANK_LABEL;
	default:
		return -1;
	}
}

static int take_symbol(const Elf64_Sym *s, void *arg)
{
	struct builder *b = arg;
	int rank = rank_of(b, s);

	if (rank < 0 || !s->st_name || s->st_name >= MAX_NAME_OFFSET || s->st_value < b->base ||
	    s->st_value - b->base > UINT32_MAX || !code_of(b, s->st_value))
		return 0;
	if (b->symbols.len >= b->max_symbols)
		return -EFBIG;
	vec_push(&b->symbols, (struct table_symbol){
				      .start = (uint32_t)(s->st_value - b->base),
				      .size = (uint32_t)MIN(s->st_size, (uint64_t)UINT32_MAX),
				      .name = s->st_name,
				      .dynamic = b->dynamic,
				      .rank = (unsigned int)rank,
			      });
	return 0;
}

static int compare(const void *x, const void *y)
{
	const struct table_symbol *a = x, *b = y;

	if (a->start != b->start)
		return a->start < b->start ? -1 : 1;
	if ((a->rank == RANK_LABEL) != (b->rank == RANK_LABEL))
		return a->rank == RANK_LABEL ? 1 : -1;
	if (!a->size != !b->size)
		return a->size ? -1 : 1;
	if (a->rank != b->rank)
		return a->rank < b->rank ? -1 : 1;
	if (a->dynamic != b->dynamic)
		return a->dynamic ? 1 : -1;
	return a->name < b->name ? -1 : a->name > b->name;
}

/* Sort by start, a digit at a time: ten times as fast as comparing, and a sample waits. */
static void sort_starts(struct table_symbol **data, size_t len)
{
	struct table_symbol *from = *data, *to = mem_reallocarray(NULL, len, sizeof(*to));

	for (int shift = 0; shift < 32; shift += DIGIT_BITS) {
		size_t count[1 << DIGIT_BITS] = {}, at = 0;

		for (size_t i = 0; i < len; i++)
			count[from[i].start >> shift & DIGIT_MASK]++;
		for (size_t i = 0; i < ARRAY_SIZE(count); i++) {
			size_t n = count[i];

			count[i] = at;
			at += n;
		}
		for (size_t i = 0; i < len; i++)
			to[count[from[i].start >> shift & DIGIT_MASK]++] = from[i];
		struct table_symbol *other = from;

		from = to;
		to = other;
	}
	*data = from;
	free(to);
}

/* In the order of compare(). */
static void sort_symbols(struct builder *b)
{
	struct table_symbol *s;
	size_t end, i = 1, len = b->symbols.len;

	while (i < len && b->symbols.data[i - 1].start <= b->symbols.data[i].start)
		i++;
	if (i < len)
		sort_starts(&b->symbols.data, len);
	s = b->symbols.data;
	for (size_t start = 0; start < len; start = end) {
		for (end = start + 1; end < len && s[end].start == s[start].start;)
			end++;
		if (end - start > 1)
			qsort(s + start, end - start, sizeof(*s), compare);
	}
}

static bool lesser_alias(const struct table_symbol *first, const struct table_symbol *now)
{
	return (first->rank != RANK_LABEL && now->rank == RANK_LABEL) ||
	       (first->size && !now->size) || first->dynamic != now->dynamic;
}

/* Of the symbols at one address keep those of one string table: the dynamic table repeats what
 * .symtab has. Those without a size go when another has one: compilers leave empty functions (cold
 * parts that nothing reaches) at the start of the next. Labels go where a function covers them. */
static void drop_lesser(struct builder *b)
{
	struct table_symbol *s = b->symbols.data;
	size_t kept = 0, first = 0; /* first: where the group at this address begins, in s */
	uint64_t covered = 0;

	for (size_t i = 0; i < b->symbols.len; i++) {
		struct table_symbol now = s[i];
		bool alias = kept > first && s[first].start == now.start;

		if (alias && (lesser_alias(&s[first], &now) || s[kept - 1].name == now.name ||
			      kept - first == MAX_ALIASES)) {
			s[first].size = MAX(s[first].size, now.size);
			continue;
		}
		if (now.rank == RANK_LABEL && now.start < covered)
			continue;
		if (!alias)
			first = kept;
		s[kept++] = now;
		if (now.rank != RANK_LABEL)
			covered = MAX(covered, (uint64_t)now.start + now.size);
	}
	b->symbols.len = kept;
}

/* A symbol without a size reaches to the next one, and never out of its section. */
static void fill_sizes(struct builder *b)
{
	struct table_symbol *s = b->symbols.data;
	uint64_t next = UINT64_MAX;

	for (size_t i = b->symbols.len; i-- > 0;) {
		if (i + 1 < b->symbols.len && s[i + 1].start != s[i].start)
			next = b->base + s[i + 1].start;
		if (s[i].size)
			continue;
		uint64_t start = b->base + s[i].start;
		uint64_t end = MIN(next, code_of(b, start)->end);

		s[i].size = (uint32_t)MIN(end - start, (uint64_t)UINT32_MAX);
	}
}

static int read_table(struct builder *b, const struct elf_file *f, uint32_t type,
		      struct symbol_table *t, struct err *e)
{
	struct elf_symbol_table place;
	int r = elf_file_symbol_table(f, type, &place);

	if (r == -ENOENT)
		return 0;
	b->dynamic = type == SHT_DYNSYM;
	/* Room for all, of which only what gets used is memory. */
	if (!r)
		vec_reserve(&b->symbols, MIN(place.count, b->max_symbols - b->symbols.len));
	if (!r)
		r = elf_file_each_raw_symbol(f, &place, take_symbol, b);
	if (r)
		return err_sys(e, r, "cannot read the ELF symbols");
	t->strings[b->dynamic].offset = place.strings_offset;
	t->strings[b->dynamic].size = place.strings_size;
	return 0;
}

static void add_plt(struct builder *b, const struct plt_entry *e, uint32_t name, bool dynamic)
{
	if (name < MAX_NAME_OFFSET && e->address >= b->base && e->address - b->base <= UINT32_MAX &&
	    code_of(b, e->address) && b->symbols.len < b->max_symbols)
		vec_push(&b->symbols, (struct table_symbol){
					      .start = (uint32_t)(e->address - b->base),
					      .size = e->size,
					      .name = name,
					      .dynamic = dynamic,
					      .rank = RANK_PLT,
				      });
}

/* Entries of static programs jump to what a function chooses: they get its name. */
static void add_resolved(struct builder *b, const plt_entry_vec *entries)
{
	struct map64 best = {}; /* start of a function -> its symbol */
	size_t symbols = b->symbols.len;

	for (size_t i = 0; i < entries->len; i++)
		if (!entries->data[i].name)
			map64_set(&best, entries->data[i].resolver - b->base, UINT64_MAX);
	for (size_t i = 0; best.len && i < symbols; i++) {
		uint64_t *known = map64_get(&best, b->symbols.data[i].start);

		if (known && (*known == UINT64_MAX ||
			      b->symbols.data[i].rank < b->symbols.data[*known].rank))
			*known = i;
	}
	for (size_t i = 0; i < entries->len; i++) {
		uint64_t at = entries->data[i].resolver - b->base;
		const uint64_t *known = entries->data[i].name ? NULL : map64_get(&best, at);

		if (known && *known != UINT64_MAX)
			add_plt(b, &entries->data[i], b->symbols.data[*known].name,
				b->symbols.data[*known].dynamic);
	}
	map64_fini(&best);
}

static void read_plt(struct builder *b)
{
	plt_entry_vec entries = {};

	plt_read(b->file, &entries);
	add_resolved(b, &entries);
	for (size_t i = 0; i < entries.len; i++)
		if (entries.data[i].name)
			add_plt(b, &entries.data[i], entries.data[i].name, true);
	vec_fini(&entries);
}

int symbol_table_read(const struct elf_file *f, const struct elf_file *full, size_t max_symbols,
		      struct symbol_table *ret, struct err *e)
{
	struct builder b = {.file = f, .max_symbols = max_symbols};
	struct symbol_table t = {};

	find_code(&b);
	int r = read_table(&b, full, SHT_SYMTAB, &t, e);

	if (!r)
		r = read_table(&b, f, SHT_DYNSYM, &t, e);
	if (!r)
		read_plt(&b);
	if (!r && !b.symbols.len)
		r = err_set(e, -ENOENT, "the file has no function symbols");
	if (!r) {
		sort_symbols(&b);
		drop_lesser(&b);
		fill_sizes(&b);
		t.base = b.base;
		t.len = b.symbols.len;
		t.symbols = mem_reallocarray(b.symbols.data, t.len, sizeof(*t.symbols));
		b.symbols.data = NULL;
		*ret = t;
	}
	vec_fini(&b.symbols);
	vec_fini(&b.code);
	return r;
}

void symbol_table_fini(struct symbol_table *t)
{
	free(t->symbols);
	*t = (struct symbol_table){};
}

const struct table_symbol *symbol_table_find(const struct symbol_table *t, uint64_t address)
{
	size_t low = 0, high = t->len;
	uint64_t at = address - t->base;

	if (address < t->base || at > UINT32_MAX)
		return NULL;
	/* low becomes the number of symbols that start at or below the address. */
	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (t->symbols[mid].start <= at)
			low = mid + 1;
		else
			high = mid;
	}
	for (size_t back = 0; low-- > 0 && back < MAX_NESTED; back++) {
		const struct table_symbol *s = &t->symbols[low];

		if (at - s->start < s->size) {
			while (s > t->symbols && s[-1].start == s->start)
				s--;
			return s;
		}
	}
	return NULL;
}

/* .symtab writes versions behind names: "glob@GLIBC_2.2.5", "glob@@GLIBC_2.27". */
static void cut_version(char *name)
{
	char *at = strchr(name, '@');

	if (!at || at == name)
		return;
	const char *version = at + (at[1] == '@' ? 2 : 1);
	size_t n = strspn(version, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
				   "0123456789_.-");

	if (n && !version[n])
		*at = '\0';
}

static int read_name(const struct symbol_table *t, const struct table_symbol *s, int fd, char **ret)
{
	uint64_t size = t->strings[s->dynamic].size;
	size_t room = 256, have = 0;
	cleanup_free char *text = NULL;

	if (s->name >= size)
		return -EBADMSG;
	/* Most names fit into the first piece. */
	for (; have < MAX_NAME; room *= 4) {
		size_t want = MIN(MIN((uint64_t)room, size - s->name), (uint64_t)MAX_NAME);

		text = mem_reallocarray(text, want + 1, 1);
		ssize_t n = pread(fd, text + have, want - have,
				  (off_t)(t->strings[s->dynamic].offset + s->name + have));

		if (n < 0)
			return -errno;
		text[have + (size_t)n] = '\0';
		if (memchr(text + have, '\0', (size_t)n)) {
			cut_version(text);
			*ret = take_ptr(text);
			return 0;
		}
		if (n == 0)
			break;
		have += (size_t)n;
	}
	/* Longer than any name: its beginning, which whoever shows it cuts and marks. */
	if (have < MAX_NAME)
		return -EBADMSG;
	*ret = take_ptr(text);
	return 0;
}

/* Mangled names begin with one underscore as a part of the mangling. */
static size_t underscores(const char *name)
{
	return !strncmp(name, "_Z", 2) || !strncmp(name, "_R", 2) ? 0 : strspn(name, "_");
}

/* Fewer underscores in front, then global, then shorter: malloc is better than __libc_malloc. In
 * static-pie programs malloc is local and __malloc is not, so that global alone cannot decide. */
static bool better_name(const char *a, unsigned int rank_a, const char *b, unsigned int rank_b)
{
	size_t ua = underscores(a), ub = underscores(b);

	if (ua != ub)
		return ua < ub;
	return rank_a != rank_b ? rank_a < rank_b : strlen(a) < strlen(b);
}

int symbol_table_name(const struct symbol_table *t, const struct table_symbol *s, const int fds[2],
		      char **ret)
{
	const struct table_symbol *end = t->symbols + t->len;
	cleanup_free char *best = NULL;
	unsigned int rank = RANK_LABEL;

	for (const struct table_symbol *a = s; a < end && a->start == s->start; a++) {
		cleanup_free char *name = NULL;
		int r = read_name(t, a, fds[a->dynamic], &name);

		if (r)
			return r;
		if (!best || (*name && better_name(name, a->rank, best, rank))) {
			free(best);
			best = take_ptr(name);
			rank = a->rank;
		}
	}
	*ret = rank == RANK_PLT && *best ? mem_asprintf("%s%s", best, plt_suffix) : take_ptr(best);
	return 0;
}
