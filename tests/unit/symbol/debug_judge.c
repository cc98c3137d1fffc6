/* Compares what we read of debug information with what libdw reads of the same files: functions,
 * inlined ones too, with files and lines, at random addresses. */
#include <dwarf.h>
#include <elfutils/libdw.h>
#include <fcntl.h>
#include <glob.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/hash.h"
#include "symbol/debug_info.h"
#include "symbol/demangle.h"

enum { ADDRESSES = 3000, MAX_FUNCTIONS = 64, POOL = 16 << 20 };

static uint64_t seed = 0x9e3779b97f4a7c15;

static uint64_t random_number(void)
{
	seed = hash_mix(seed, 0x51ed270b);
	return seed;
}

static int open_path(void *arg, const char *path)
{
	return open(path, O_RDONLY | O_CLOEXEC);
}

/* --- what libdw says ---------------------------------------------------------------------------*/

struct truth {
	char *names[MAX_FUNCTIONS];
	char *files[MAX_FUNCTIONS];
	int lines[MAX_FUNCTIONS], starts[MAX_FUNCTIONS];
	size_t n;
};
/* dwarf_getscopes looks only below entries that have the address themselves: it misses lambdas,
 * which gcc puts into types inside of functions. So all functions are found first. */
struct function {
	Dwarf_Die die;
	Dwarf_Addr start, end;
};
struct unit {
	Dwarf_Die main, entries;
	VEC(struct function) functions;
};
struct judge {
	Dwarf *dw;
	VEC(struct unit) units;
};

static void find_functions(struct unit *u, Dwarf_Die *parent)
{
	Dwarf_Addr base, start, end;
	Dwarf_Die die;

	if (dwarf_child(parent, &die))
		return;
	do {
		if (dwarf_tag(&die) == DW_TAG_subprogram)
			for (ptrdiff_t at = 0;
			     (at = dwarf_ranges(&die, at, &base, &start, &end)) > 0;)
				vec_push(&u->functions, (struct function){die, start, end});
		find_functions(u, &die);
	} while (!dwarf_siblingof(&die, &die));
}

static void judge_open(const char *path, struct judge *ret)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	Dwarf_CU *cu = NULL;
	struct unit u = {};
	uint8_t type;

	*ret = (struct judge){.dw = dwarf_begin(fd, DWARF_C_READ)};
	assert_non_null(ret->dw);
	while (!dwarf_get_units(ret->dw, cu, &cu, NULL, &type, &u.main, &u.entries))
		if (type == DW_UT_compile || type == DW_UT_skeleton) {
			if (type == DW_UT_compile || !u.entries.addr)
				u.entries = u.main;
			find_functions(&u, &u.entries);
			vec_push(&ret->units, u);
			memset(&u, 0, sizeof(u));
		}
}

static char *name_of(Dwarf_Die *die)
{
	static const unsigned int linkage[] = {DW_AT_linkage_name, DW_AT_MIPS_linkage_name};
	Dwarf_Attribute a;

	for (size_t i = 0; i < ARRAY_SIZE(linkage); i++)
		if (dwarf_attr_integrate(die, linkage[i], &a) && dwarf_formstring(&a))
			return demangle(dwarf_formstring(&a));
	const char *name = dwarf_diename(die);

	return mem_strdup(name ? name : "");
}

static int number_of(Dwarf_Die *die, unsigned int name)
{
	Dwarf_Attribute a;
	Dwarf_Word v = 0;

	if (dwarf_attr_integrate(die, name, &a))
		dwarf_formudata(&a, &v);
	return (int)v;
}

static const char *call_file(const struct unit *u, Dwarf_Die *die)
{
	Dwarf_Die main = u->main;
	Dwarf_Files *files;
	size_t n;

	if (dwarf_getsrcfiles(&main, &files, &n))
		return "";
	const char *file =
		dwarf_filesrc(files, (size_t)number_of(die, DW_AT_call_file), NULL, NULL);

	return file ? file : "";
}

static void truth_add(struct truth *t, char *name, const char *file, int line, int start)
{
	assert_true(t->n < MAX_FUNCTIONS);
	t->names[t->n] = name;
	t->files[t->n] = mem_strdup(line ? file : "");
	t->lines[t->n] = line;
	t->starts[t->n++] = start;
}

/* The inlined functions below an entry that have the address, outermost first. */
static size_t descend(Dwarf_Die *parent, uint64_t address, Dwarf_Die *chain, size_t n)
{
	Dwarf_Die die;

	if (dwarf_child(parent, &die))
		return n;
	do {
		int tag = dwarf_tag(&die);

		if (tag == DW_TAG_subprogram || dwarf_haspc(&die, address) <= 0)
			continue;
		assert_true(n < MAX_FUNCTIONS);
		if (tag == DW_TAG_inlined_subroutine)
			chain[n++] = die;
		size_t more = descend(&die, address, chain, n);

		/* The ranges of a block may overlap with those of the next entry. */
		if (tag == DW_TAG_inlined_subroutine || more > n)
			return more;
	} while (!dwarf_siblingof(&die, &die));
	return n;
}

/* The smallest function that has the address; with the latest start of several. */
static Dwarf_Die *function_at(struct unit *u, uint64_t address)
{
	struct function *best = NULL;

	for (size_t i = 0; i < u->functions.len; i++) {
		struct function *f = &u->functions.data[i];

		if (address >= f->start && address < f->end &&
		    (!best || f->start > best->start ||
		     (f->start == best->start && f->end < best->end)))
			best = f;
	}
	return best ? &best->die : NULL;
}

/* False where the unit has no function there. */
static bool ask_unit(struct unit *u, uint64_t address, struct truth *t)
{
	Dwarf_Line *row = dwarf_getsrc_die(&u->main, address);
	const char *file = row ? dwarf_linesrc(row, NULL, NULL) : "";
	Dwarf_Die *function = function_at(u, address), chain[MAX_FUNCTIONS];
	int line = 0;

	if (row)
		dwarf_lineno(row, &line);
	if (!function) {
		if (line)
			truth_add(t, mem_strdup(""), file, line, 0);
		return false;
	}
	for (size_t n = descend(function, address, chain, 0); n-- > 0;) {
		truth_add(t, name_of(&chain[n]), file ? file : "", line,
			  number_of(&chain[n], DW_AT_decl_line));
		file = call_file(u, &chain[n]);
		line = number_of(&chain[n], DW_AT_call_line);
	}
	truth_add(t, name_of(function), file ? file : "", line,
		  number_of(function, DW_AT_decl_line));
	return true;
}

static void truth_fini(struct truth *t)
{
	for (size_t i = 0; i < t->n; i++) {
		free(t->names[i]);
		free(t->files[i]);
	}
	t->n = 0;
}

static void judge_ask(struct judge *j, uint64_t address, struct truth *ret)
{
	struct truth line = {};

	ret->n = 0;
	for (size_t i = 0; i < j->units.len; i++) {
		if (dwarf_haspc(&j->units.data[i].main, address) <= 0)
			continue;
		if (ask_unit(&j->units.data[i], address, ret)) {
			truth_fini(&line);
			return;
		}
		if (!line.n)
			line = *ret;
		else
			truth_fini(ret);
		ret->n = 0;
	}
	*ret = line;
}

/* --- comparing ---------------------------------------------------------------------------------*/

struct compared {
	size_t same, functions, inlined, nothing, different;
};

static void print_both(uint64_t address, const struct truth *t, const struct debug_function *f,
		       size_t n)
{
	print_message("%#lx:\n", address);
	for (size_t i = 0; i < MAX(t->n, n); i++) {
		if (i < n)
			print_message("  we:    %s %s:%u (%u)\n", f[i].name, f[i].file, f[i].line,
				      f[i].start_line);
		if (i < t->n)
			print_message("  libdw: %s %s:%d (%d)\n", t->names[i], t->files[i],
				      t->lines[i], t->starts[i]);
	}
}

/* libdw leaves relative folders as they are; we put the unit's own in front. */
static bool same_file(const char *ours, const char *theirs)
{
	size_t n = strlen(ours), m = strlen(theirs);

	return !strcmp(ours, theirs) || (theirs[0] != '/' && n > m && ours[n - m - 1] == '/' &&
					 !strcmp(ours + n - m, theirs));
}

static bool equal(const struct truth *t, const struct debug_function *f, size_t n)
{
	bool same = n == t->n;

	/* Padding between functions belongs to no unit. We join ranges over it, so that it has a
	 * line; nothing ever runs there. */
	if (!t->n && n == 1 && !*f[0].name)
		return true;
	for (size_t i = 0; same && i < n; i++)
		same = !strcmp(f[i].name, t->names[i]) && same_file(f[i].file, t->files[i]) &&
		       (int)f[i].line == t->lines[i] && (int)f[i].start_line == t->starts[i];
	return same;
}

static void compare(struct compared *c, struct judge *j, struct debug_info *d,
		    const struct debug_opener *o, uint64_t address)
{
	struct debug_function f[MAX_FUNCTIONS];
	struct truth t = {};
	int n;

	do {
		n = debug_info_lookup(d, address, o, f, MAX_FUNCTIONS);
	} while (n == -EAGAIN);
	assert_true(n >= 0);
	judge_ask(j, address, &t);
	if (!equal(&t, f, (size_t)n)) {
		if (c->different++ < 10)
			print_both(address, &t, f, (size_t)n);
	} else {
		c->same++;
		c->functions += t.n;
		c->inlined += t.n > 1;
		c->nothing += !t.n;
	}
	truth_fini(&t);
}

static double seconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static struct elf_file *open_elf(const char *path)
{
	struct elf_file *elf;
	struct err e;

	if (elf_file_open(open(path, O_RDONLY | O_CLOEXEC), &elf, &e))
		fail_msg("%s: %s", path, e.msg);
	return elf;
}

/* Addresses of the sections that have code, all alike likely. */
static void make_addresses(const struct elf_file *elf, uint64_t *ret, size_t n)
{
	uint64_t total = 0;

	for (size_t i = 0; i < elf->sections.len; i++)
		if (elf->sections.data[i].sh_flags & SHF_EXECINSTR)
			total += elf->sections.data[i].sh_size;
	assert_true(total > 0);
	for (size_t k = 0; k < n; k++) {
		uint64_t at = random_number() % total;

		for (size_t i = 0; i < elf->sections.len; i++) {
			const Elf64_Shdr *s = &elf->sections.data[i];

			if (!(s->sh_flags & SHF_EXECINSTR))
				continue;
			if (at < s->sh_size) {
				ret[k] = s->sh_addr + at;
				break;
			}
			at -= s->sh_size;
		}
	}
}

static void compare_file(const char *path, size_t addresses)
{
	cleanup_free uint64_t *at = mem_calloc(addresses, sizeof(*at));
	struct debug_opener opener = {open_path, NULL, path};
	struct debug_pool *pool = debug_pool_new(POOL);
	struct elf_file *elf = open_elf(path);
	struct debug_function f[MAX_FUNCTIONS];
	struct compared c = {};
	struct debug_info *d;
	struct judge j;

	debug_pool_set_work(pool, 1 << 20, INT64_MAX / 2, INT64_MAX / 2);
	make_addresses(elf, at, addresses);
	assert_int_equal(debug_info_open(pool, elf, &d), 0);
	elf_file_close(elf);
	double start = seconds();

	for (size_t i = 0; i < addresses; i++)
		while (debug_info_lookup(d, at[i], &opener, f, MAX_FUNCTIONS) == -EAGAIN)
			;
	double first = seconds() - start;

	start = seconds();
	for (size_t i = 0; i < addresses; i++)
		debug_info_lookup(d, at[i], &opener, f, MAX_FUNCTIONS);
	double again = seconds() - start;

	judge_open(path, &j);
	for (size_t i = 0; i < addresses; i++)
		compare(&c, &j, d, &opener, at[i]);
	print_message("%s: %zu same (%zu functions, %zu inlined, %zu nothing), %zu different, "
		      "%.1f us first, %.1f us again, %zu KiB\n",
		      path, c.same, c.functions, c.inlined, c.nothing, c.different,
		      first * 1e6 / (double)addresses, again * 1e6 / (double)addresses,
		      debug_pool_bytes(pool) >> 10);
	assert_int_equal(c.different, 0);
	dwarf_end(j.dw);
	for (size_t i = 0; i < j.units.len; i++)
		vec_fini(&j.units.data[i].functions);
	vec_fini(&j.units);
	debug_info_close(d);
	debug_pool_free(pool);
}

int main(int argc, char **argv)
{
	for (int i = 1; i < argc; i++)
		compare_file(argv[i], ADDRESSES);
	return 0;
}
