/* Compares unwind tables with what libdw reads from the same files: at random addresses, both are
 * asked for the caller's registers over the same made-up registers and memory. Takes this program,
 * the libraries that it has loaded, and whatever it finds of some big files. */
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

#include "process/process.h"
#include "unwind/native/eh_frame.h"

/* Every word of memory is a possible address on a stack, above all stack pointers. */
static uint64_t memory_word(uint64_t address)
{
	return 0x7ff800000000 + (hash_mix(address, 1) & 0xfffffff8);
}

static int memory_read(uint64_t *dst, size_t size, uint64_t address)
{
	for (size_t i = 0; i < size / 8; i++)
		dst[i] = memory_word(address + i * 8);
	return 0;
}
#define TABLE_READ(dst, size, address) memory_read((dst), (size), (address))
#define TABLE_MAPPINGS()	       ((const struct unwind_mapping *)NULL)
#define TABLE_FILE(id)		       ((struct unwind_file *)NULL)
#define TABLE_PAGES()		       ((const struct unwind_page *)NULL)
#define TABLE_CHUNK(i)		       ((const unwind_row *)NULL)
#define TABLE_RULES()		       ((const struct unwind_rule *)NULL)
#include "unwind/native/table_walk.h"

enum { ADDRESSES = 4000 };

static uint64_t seed = 0x9e3779b97f4a7c15;

static uint64_t random_number(void)
{
	seed = hash_mix(seed, 0x51ed270b);
	return seed;
}

/* --- what libdw says ---------------------------------------------------------------------------*/

struct truth {
	uint64_t pc, cfa;
	const uint64_t *registers;
	bool unknown; /* an operation that this test does not know */
};

static bool truth_push(struct truth *t, const Dwarf_Op *op, uint64_t *ret)
{
	if (op->atom >= DW_OP_lit0 && op->atom <= DW_OP_lit31)
		*ret = op->atom - DW_OP_lit0;
	else if (op->atom >= DW_OP_breg0 && op->atom <= DW_OP_breg15)
		*ret = t->registers[op->atom - DW_OP_breg0] + op->number;
	else if (op->atom == DW_OP_bregx && op->number < 16)
		*ret = t->registers[op->number] + op->number2;
	else if (op->atom == DW_OP_breg16)
		*ret = t->pc + op->number;
	else if (op->atom == DW_OP_call_frame_cfa)
		*ret = t->cfa;
	else if (op->atom == DW_OP_regx && op->number < 16)
		*ret = t->registers[op->number];
	else if (op->atom >= DW_OP_reg0 && op->atom <= DW_OP_reg15)
		*ret = t->registers[op->atom - DW_OP_reg0];
	else if (op->atom >= DW_OP_const1u && op->atom <= DW_OP_consts)
		*ret = op->number;
	else
		return false;
	return true;
}

static void truth_binary(struct truth *t, uint8_t atom, uint64_t *a, uint64_t b)
{
	switch (atom) {
	case DW_OP_plus:
		*a += b;
		break;
	case DW_OP_minus:
		*a -= b;
		break;
	case DW_OP_mul:
		*a *= b;
		break;
	case DW_OP_and:
		*a &= b;
		break;
	case DW_OP_shl:
		*a = b < 64 ? *a << b : 0;
		break;
	case DW_OP_ge:
		*a = (int64_t)*a >= (int64_t)b;
		break;
	default:
		t->unknown = true;
	}
}

static uint64_t truth_run(struct truth *t, const Dwarf_Op *ops, size_t n, bool with_cfa)
{
	uint64_t stack[16] = {t->cfa};
	size_t depth = with_cfa ? 1 : 0;

	for (size_t i = 0; i < n; i++) {
		if (depth < 16 && truth_push(t, &ops[i], &stack[depth])) {
			depth++;
		} else if (ops[i].atom == DW_OP_deref && depth) {
			stack[depth - 1] = memory_word(stack[depth - 1]);
		} else if (ops[i].atom == DW_OP_plus_uconst && depth) {
			stack[depth - 1] += ops[i].number;
		} else if (ops[i].atom != DW_OP_stack_value) {
			if (depth < 2) {
				t->unknown = true;
				return 0;
			}
			depth--;
			truth_binary(t, ops[i].atom, &stack[depth - 1], stack[depth]);
		}
	}
	return depth ? stack[depth - 1] : 0;
}

/* The caller's value of a register. Returns false where it has none. */
static bool truth_register(struct truth *t, Dwarf_Frame *frame, int reg, uint64_t *ret)
{
	Dwarf_Op memory[3], *ops = NULL;
	size_t n = 0;

	assert_int_equal(dwarf_frame_register(frame, reg, memory, &ops, &n), 0);
	if (!n && ops == memory)
		return false;
	if (!n) {
		*ret = reg < 16 ? t->registers[reg] : 0;
		return true;
	}
	bool value = ops[n - 1].atom == DW_OP_stack_value || ops[0].atom == DW_OP_regx ||
		     (ops[0].atom >= DW_OP_reg0 && ops[0].atom <= DW_OP_reg31);

	*ret = truth_run(t, ops, n, true);
	if (!value)
		*ret = memory_word(*ret);
	return true;
}

/* --- comparing ---------------------------------------------------------------------------------*/

struct compared {
	const struct elf_file *file;
	size_t same, outside, padding, derived, unsupported, lost, ends, handlers;
};

static void fail_at(const char *what, uint64_t address, uint64_t ours, uint64_t theirs)
{
	print_error("%s at %#lx: %#lx, libdw says %#lx\n", what, address, ours, theirs);
	fail();
}

/* glibc's __start_context, which nobody called: its call frame information says that somebody did.
 */
static bool is_context_start(const struct elf_file *f, uint64_t address)
{
	enum { BYTES = 26 };
	/* mov %rbx,%rsp; mov (%rsp),%rdi; test %rdi,%rdi; je */
	static const uint8_t code[] = {0x48, 0x89, 0xdc, 0x48, 0x8b, 0x3c,
				       0x24, 0x48, 0x85, 0xff, 0x74};
	uint8_t near[2 * BYTES];

	return !elf_file_read_address(f, address - BYTES, near, sizeof(near)) &&
	       memmem(near, sizeof(near), code, sizeof(code));
}

static void compare_frame(struct compared *c, Dwarf_Frame *frame, const struct unwind_rule *rule,
			  uint64_t address)
{
	struct table_walk w = {.pc = address, .exact = 1, .first = 1};
	struct truth t = {.pc = address, .registers = w.registers};
	uint64_t ra = 0, rbp = 0, rbx = 0;
	Dwarf_Op *ops;
	bool signal;
	size_t n;

	for (int i = 0; i < UNWIND_REGISTERS; i++)
		w.registers[i] = 0x7ff400000000 + (random_number() & 0xffffff8);
	w.sp = w.registers[UNWIND_RSP] = 0x7ff000000000 + (random_number() & 0xffffff8);
	w.rbp = w.registers[UNWIND_RBP];
	w.rbx = w.registers[UNWIND_RBX];
	assert_int_equal(dwarf_frame_cfa(frame, &ops, &n), 0);
	t.cfa = truth_run(&t, ops, n, false);

	bool has_ra = truth_register(&t, frame, dwarf_frame_info(frame, NULL, NULL, &signal), &ra);
	bool has_rbp = truth_register(&t, frame, UNWIND_RBP, &rbp);
	bool has_rbx = truth_register(&t, frame, UNWIND_RBX, &rbx);

	uint8_t end = table_apply(&w, rule);

	if (end == UNWIND_NATIVE_UNSUPPORTED) {
		c->unsupported++;
		return;
	}
	assert_false(t.unknown);
	if (end == UNWIND_NATIVE_COMPLETE && has_ra && is_context_start(c->file, address)) {
		c->ends++;
		return;
	}
	/* A function goes on in the handler of an exception: libdw says who called it. */
	if (!end && rule->ra & UNWIND_SIGNAL && !signal) {
		c->handlers++;
		return;
	}
	if ((end == UNWIND_NATIVE_COMPLETE) != !has_ra)
		fail_at("end", address, end, has_ra);
	if (!has_ra) {
		c->ends++;
		return;
	}
	if (end || w.pc != ra || w.sp != t.cfa || w.exact != signal) {
		fail_at("outcome", address, end, 0);
		fail_at("CFA", address, w.sp, t.cfa);
	}
	if (w.lost) {
		c->lost++;
		return;
	}
	if (!has_rbp || w.rbp != rbp)
		fail_at("rbp", address, w.rbp, rbp);
	/* libdw knows by itself that rbp is preserved, but takes rbx for lost where no rule is. */
	if (has_rbx ? w.rbx != rbx : w.rbx != w.registers[UNWIND_RBX])
		fail_at("rbx", address, w.rbx, rbx);
	c->same++;
}

/* No function describes this address. */
static void compare_gap(struct compared *c, Dwarf_CFI *cfi, const struct unwind_rule *rule,
			uint64_t address)
{
	Dwarf_Frame *frame;
	uint64_t next = address;

	c->outside++;
	if (rule->cfa == UNWIND_CFA_NONE)
		return;
	/* Its instructions do: see test_code_flow.c. */
	if (rule->ra & UNWIND_DERIVED || rule->ra == UNWIND_PLACE_UNDEFINED) {
		c->derived++;
		return;
	}
	/* Padding takes part in the rule before it: the next function starts before one could. */
	while (next & 15 && dwarf_cfi_addrframe(cfi, next, &frame))
		next++;
	if (dwarf_cfi_addrframe(cfi, next, &frame))
		fail_at("gap", address, rule->cfa, UNWIND_CFA_NONE);
	free(frame);
	c->padding++;
}

static void compare_at(struct compared *c, Dwarf_CFI *cfi, const struct unwind_table *t,
		       const struct unwind_rules *rules, uint64_t address)
{
	const struct unwind_rule *rule = unwind_table_find(t, rules, address);
	Dwarf_Frame *frame;

	if (dwarf_cfi_addrframe(cfi, address, &frame)) {
		compare_gap(c, cfi, rule, address);
		return;
	}
	compare_frame(c, frame, rule, address);
	free(frame);
}

/* Rows change at both sides of their addresses. */
static uint64_t pick(const struct unwind_table *t, int i)
{
	uint64_t all = (uint64_t)t->pages.len << UNWIND_PAGE_SHIFT;
	size_t page = random_number() % t->pages.len;
	const struct unwind_table_page *p = &t->pages.data[page];

	if (i % 2 || !p->count)
		return t->base + random_number() % all;
	return t->base + ((uint64_t)page << UNWIND_PAGE_SHIFT) +
	       (t->rows.data[p->first + random_number() % p->count] >> 16) + random_number() % 12;
}

static double now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static void print_table(const char *path, const struct unwind_table *t, const struct compared *c,
			double ms)
{
	print_message(
		"%s: %zu functions, %zu states, %zu rows (%zu KiB), %zu pages, %.1f ms; "
		"%zu same, %zu ends, %zu unsupported, %zu with a lost register, %zu before "
		"handlers, %zu outside of functions (%zu padding, %zu by their instructions)\n",
		path, t->functions, t->states, t->rows.len, t->rows.len * 4 / 1024, t->pages.len,
		ms, c->same, c->ends, c->unsupported, c->lost, c->handlers, c->outside, c->padding,
		c->derived);
	for (int i = 0; i < UNWIND_WHY_COUNT; i++)
		if (t->unsupported[i])
			print_message("\t%s: %zu states\n", unwind_why_names[i], t->unsupported[i]);
}

static void compare_file(struct unwind_rules *rules, int fd, const char *name)
{
	Elf *elf = elf_begin(fd, ELF_C_READ, NULL);
	struct unwind_table table = {};
	struct compared c = {};
	struct elf_file *f;
	struct err e = {};

	assert_non_null(elf);
	assert_int_equal(elf_file_open(dup(fd), &f, &e), 0);

	double start = now_ms();
	int rows = unwind_table_build(f, NULL, NULL, rules, &table, &e);
	double ms = now_ms() - start;

	if (rows < 0)
		fail_msg("%s: %s", name, e.msg);
	if (rows) {
		Dwarf_CFI *cfi = dwarf_getcfi_elf(elf);

		assert_non_null(cfi);
		c.file = f;
		for (int i = 0; i < ADDRESSES; i++)
			compare_at(&c, cfi, &table, rules, pick(&table, i));
		assert_int_equal(table.bad, 0);
		assert_true(c.unsupported * 100 <= c.same && c.handlers * 20 <= c.same);
		dwarf_cfi_end(cfi);
	}
	print_table(name, &table, &c, ms);
	unwind_table_fini(&table);
	elf_file_close(f);
	elf_end(elf);
}

/* Every file that this program runs on, the vDSO too. */
static void test_own_mappings(void **state)
{
	struct unwind_rules rules;
	struct process p;
	uint64_t last = 0;

	unwind_rules_init(&rules);
	assert_int_equal(process_read(getpid(), &p, NULL), 0);
	for (size_t i = 0; i < p.mappings.len; i++) {
		const struct mapping *m = &p.mappings.data[i];
		int fd;

		if ((m->inode && m->inode == last) || (!m->inode && strcmp(m->path, "[vdso]") != 0))
			continue;
		last = m->inode;
		fd = process_open_mapping(&p, m);
		assert_true(fd >= 0);
		compare_file(&rules, fd, m->path);
		close(fd);
	}
	print_message("%zu rules\n", rules.rules.len);
	process_fini(&p);
	unwind_rules_fini(&rules);
}

static const char *program;

/* The program whose path is given, and the big ones that are there. */
static void test_big_files(void **state)
{
	const char *const patterns[] = {
		program,
		"/usr/lib/llvm-*/lib/libLLVM-[0-9][0-9].so",
		"/usr/lib/x86_64-linux-gnu/libcrypto.so.*",
		"/usr/lib/x86_64-linux-gnu/libpython3.*.so.1.0",
		"~/.pyenv/versions/3.11.*/lib/libpython3.11.so.1.0",
		"/usr/bin/node",
		"/usr/bin/python3",
		"/usr/bin/bash",
		"/usr/bin/git",
	};
	struct unwind_rules rules;

	unwind_rules_init(&rules);
	for (size_t i = 0; i < ARRAY_SIZE(patterns); i++) {
		glob_t found;

		if (glob(patterns[i], GLOB_TILDE, NULL, &found))
			continue;
		for (size_t k = 0; k < found.gl_pathc; k++) {
			int fd = open(found.gl_pathv[k], O_RDONLY | O_CLOEXEC);

			if (fd < 0)
				continue;
			compare_file(&rules, fd, found.gl_pathv[k]);
			close(fd);
		}
		globfree(&found);
	}
	print_message("%zu rules\n", rules.rules.len);
	unwind_rules_fini(&rules);
}

/* libdw 0.188 does not free all of what it made of .debug_frame of a debug file. */
const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void)
{
	return "leak:libdw.so";
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_own_mappings),
		cmocka_unit_test(test_big_files),
	};

	program = argc > 1 ? argv[1] : "/proc/self/exe";
	elf_version(EV_CURRENT);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
