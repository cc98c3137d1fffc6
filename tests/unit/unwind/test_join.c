/* Joining native and Python frames: on crafted stacks, and on our own stack against libgcc. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <ucontext.h>
#include <unistd.h>
#include <unwind.h>

#include <cmocka.h>

#include "process/process.h"
#include "unwind/join.h"
#include "unwind/rows.h"

#define WALK_READ(dst, size, address) (process_read_memory(getpid(), (address), (dst), (size)) < 0)
#include "unwind/walk.h"

enum {
	SP = 0x7ffc00000000,
	FP = SP + 0x100,
	KEEPS = 0x1000, /* code that keeps the frame pointer */
	LEAN = 0x2000,	/* code that does not: 0x20 bytes of stack, fp unchanged */
	SAVES = 0x3000, /* the same, but uses the register: saved at the top */
	START = 0x4000, /* where threads start */
	ODD = 0x5000,	/* not to be followed */
	PLAIN = 0x6000, /* nothing is said of it */
	HUGE_FRAME = 0x7000,
	LOOP = 0x8000, /* the interpreter's, keeps no frame pointer */
	FP_LOOP = 0x9000,
	NO_CODE = 0xa000,
};

static uint64_t words[64];
static struct unwind_entry entries[UNWIND_MAX_ENTRIES];
static struct join_input in;
static struct join_stack out;
static struct python python = {
	.eval_start = {LOOP, FP_LOOP},
	.eval_end = {LOOP + 0x1000, FP_LOOP + 0x1000},
};
/* The live stack above the copied words. */
static uint64_t live[64];
static uint32_t live_reads;

static bool row_of(void *arg, uint64_t address, struct row *ret)
{
	static const struct row rows[] = {
		[KEEPS >> 12] = {.kind = ROW_FP},
		[LEAN >> 12] = {.kind = ROW_SP, .offset = 0x20},
		[SAVES >> 12] = {.kind = ROW_SP, .offset = 0x20, .fp_saved = true, .fp_at = -16},
		[START >> 12] = {.kind = ROW_END},
		[ODD >> 12] = {.kind = ROW_OTHER},
		[PLAIN >> 12] = {.kind = ROW_NONE},
		[HUGE_FRAME >> 12] = {.kind = ROW_SP, .offset = 0x10000},
		[LOOP >> 12] = {.kind = ROW_SP, .offset = 0x20},
		[FP_LOOP >> 12] = {.kind = ROW_FP},
	};

	if (address >> 12 >= ARRAY_SIZE(rows) || address >> 12 == 0)
		return false;
	*ret = rows[address >> 12];
	return true;
}

static bool read_live(void *arg, uint64_t address, uint64_t *ret)
{
	uint64_t at = address - (SP + sizeof(words));

	live_reads++;
	if (address < SP + sizeof(words) || at / 8 >= ARRAY_SIZE(live))
		return false;
	*ret = live[at / 8];
	return true;
}

/* A leaf, then what the kernel's chain found: n addresses and how far up they lie. */
static void stack(uint64_t pc, int n, ...)
{
	va_list args;

	memset(words, 0, sizeof(words));
	memset(live, 0, sizeof(live));
	live_reads = 0;
	in = (struct join_input){
		.entries = entries,
		.native_end = UNWIND_NATIVE_BAD_FP,
		.sp = SP,
		.fp = FP,
		.words = words,
		.nwords = ARRAY_SIZE(words),
	};
	entries[0] = (struct unwind_entry){.address = pc, .tag = UNWIND_NATIVE};
	va_start(args, n);
	for (int i = 1; i <= n; i++) {
		entries[i].address = va_arg(args, unsigned int);
		entries[i].lasti = va_arg(args, unsigned int);
		entries[i].tag = UNWIND_NATIVE;
	}
	va_end(args);
	in.native_count = in.count = n + 1;
}

static void python_entries(int n, ...)
{
	va_list args;

	va_start(args, n);
	for (int i = 0; i < n; i++) {
		unsigned int kind = va_arg(args, unsigned int);

		entries[in.count++] = (struct unwind_entry){
			.address = kind == UNWIND_PYTHON_BOUNDARY ? 0 : 100 + i,
			.tag = kind | 7 << 8,
			.lasti = 2 * i,
		};
	}
	va_end(args);
	in.python_end = UNWIND_PYTHON_COMPLETE;
}

static void run(void)
{
	const struct join_code code = {.row = row_of, .read = read_live, .python = &python};

	join(&in, &code, &out);
}

/* The result is these addresses, leaf first, 0 at the end. */
static void expect(enum join_native native, ...)
{
	unsigned int address;
	va_list args;
	uint32_t i = 0;

	va_start(args, native);
	while ((address = va_arg(args, unsigned int)) != 0) {
		assert_true(i < out.count);
		if (address == JOIN_GAP)
			assert_int_equal(out.frames[i].kind, JOIN_GAP);
		else
			assert_int_equal(out.frames[i].address, address);
		i++;
	}
	va_end(args);
	assert_int_equal(out.count, i);
	assert_int_equal(out.native, native);
}

static void test_chain(void **state)
{
	stack(KEEPS, 3, KEEPS + 1, 0x110, KEEPS + 2, 0x120, START + 1, 0x130);
	run();
	expect(JOIN_COMPLETE, KEEPS, KEEPS + 1, KEEPS + 2, START + 1, 0);
	assert_true(out.frames[0].exact);
	assert_false(out.frames[1].exact);
	/* A return address behind the last instruction of its function belongs to that function. */
	stack(KEEPS, 2, LEAN, 0x110, START + 1, 0x120);
	run();
	expect(JOIN_COMPLETE, KEEPS, LEAN, START + 1, 0);
}

/* The leaf keeps no frame pointer: its caller is on the stack, not in the chain. */
static void test_leaf_without_pointer(void **state)
{
	stack(LEAN, 1, START + 1, 0x110);
	words[3] = KEEPS + 5;
	run();
	expect(JOIN_COMPLETE, LEAN, KEEPS + 5, START + 1, 0);
	/* Twice. */
	stack(LEAN, 1, START + 1, 0x110);
	words[3] = LEAN + 5;
	words[7] = KEEPS + 5;
	run();
	expect(JOIN_COMPLETE, LEAN, LEAN + 5, KEEPS + 5, START + 1, 0);
}

/* The leaf uses the register for something else: the kernel's chain is garbage, but the saved
 * value leads on within the copied stack. */
static void test_leaf_that_saves(void **state)
{
	stack(SAVES, 1, KEEPS + 9, 0x110);
	words[3] = KEEPS + 5;
	words[2] = SP + 0x40;
	words[8] = SP + 0x60;
	words[9] = KEEPS + 6;
	words[12] = 0;
	words[13] = START + 1;
	run();
	expect(JOIN_COMPLETE, SAVES, KEEPS + 5, KEEPS + 6, START + 1, 0);
	/* It saved what the register still holds: the chain is good. */
	stack(SAVES, 1, START + 1, 0x110);
	words[3] = KEEPS + 5;
	words[2] = FP;
	run();
	expect(JOIN_COMPLETE, SAVES, KEEPS + 5, START + 1, 0);
	/* It leads out of what was copied. */
	stack(SAVES, 1, KEEPS + 9, 0x110);
	words[3] = KEEPS + 5;
	words[2] = SP + 0x10000;
	run();
	expect(JOIN_NO_POINTER, SAVES, KEEPS + 5, 0);
}

/* libc between two functions that keep the pointer (qsort). */
static void test_in_the_middle(void **state)
{
	stack(KEEPS, 2, LEAN + 5, 0x40, START + 1, 0x80);
	words[8 + 3] = KEEPS + 6;
	run();
	expect(JOIN_COMPLETE, KEEPS, LEAN + 5, KEEPS + 6, START + 1, 0);
}

static void test_what_ends_it(void **state)
{
	stack(NO_CODE, 1, KEEPS, 0x110);
	run();
	expect(JOIN_UNKNOWN_CODE, 0);
	stack(KEEPS, 1, NO_CODE + 1, 0x110);
	run();
	expect(JOIN_NO_POINTER, KEEPS, 0);
	stack(ODD, 1, KEEPS, 0x110);
	run();
	expect(JOIN_NO_POINTER, ODD, 0);
	/* Nothing said: the chain is believed (Go, and compilers at run time). */
	stack(PLAIN, 1, PLAIN + 2, 0x110);
	in.native_end = UNWIND_NATIVE_ZERO;
	run();
	expect(JOIN_COMPLETE, PLAIN, PLAIN + 2, 0);
	/* But a single frame and no pointer is no proof. */
	stack(PLAIN, 0);
	in.native_end = UNWIND_NATIVE_ZERO;
	run();
	expect(JOIN_NO_POINTER, PLAIN, 0);
	stack(KEEPS, 1, KEEPS + 2, 0x110);
	in.native_end = UNWIND_NATIVE_UNREAD;
	run();
	expect(JOIN_UNREAD, KEEPS, KEEPS + 2, 0);
	in.native_end = UNWIND_NATIVE_DEEP;
	run();
	expect(JOIN_DEEP, KEEPS, KEEPS + 2, 0);
	/* Frames that do not end: as many as there is room for. */
	stack(LEAN, 0);
	for (size_t i = 0; i < ARRAY_SIZE(words); i++)
		words[i] = LEAN + 1;
	run();
	assert_int_equal(out.native, JOIN_NO_POINTER);
	assert_int_equal(out.count, 1 + ARRAY_SIZE(words) / 4);
}

/* The functions that start a thread are found in the live stack, close to its base. */
static void test_base(void **state)
{
	stack(KEEPS, 1, HUGE_FRAME + 5, sizeof(words));
	in.stack_base = SP + sizeof(words) + 0x11000;
	run();
	/* Its caller is too far above for us, but it asked. */
	expect(JOIN_NO_POINTER, KEEPS, HUGE_FRAME + 5, 0);
	assert_int_equal(live_reads, 0);
	stack(KEEPS, 1, LEAN + 5, sizeof(words));
	in.stack_base = SP + sizeof(words) + 0x100;
	live[3] = LEAN + 6;
	live[7] = START + 1;
	run();
	expect(JOIN_COMPLETE, KEEPS, LEAN + 5, LEAN + 6, START + 1, 0);
	/* What is there does not lead to a start: none of it is shown. */
	live[7] = ODD + 1;
	run();
	expect(JOIN_NO_POINTER, KEEPS, LEAN + 5, 0);
	/* Nothing is known of the base: nothing is read. */
	live_reads = 0;
	in.stack_base = 0;
	run();
	expect(JOIN_NO_POINTER, KEEPS, LEAN + 5, 0);
	assert_int_equal(live_reads, 0);
}

/* Python 3.11: one call of the loop with two frames, another with one. */
static void test_python_in_place(void **state)
{
	stack(KEEPS, 4, FP_LOOP + 1, 0x110, KEEPS + 2, 0x120, FP_LOOP + 3, 0x130, START + 1, 0x140);
	python_entries(3, UNWIND_PYTHON, UNWIND_PYTHON_LAST, UNWIND_PYTHON_LAST);
	run();
	expect(JOIN_COMPLETE, KEEPS, 100, 101, KEEPS + 2, 102, START + 1, 0);
	assert_int_equal(out.frames[1].kind, UNWIND_PYTHON);
	assert_int_equal(out.frames[2].lasti, 2);
	assert_int_equal(out.frames[2].check, 7);
	assert_false(out.gap);
}

/* Python 3.12: ends that are no frames, also of a call that has no frame yet. */
static void test_python_boundaries(void **state)
{
	stack(FP_LOOP, 4, KEEPS + 1, 0x110, FP_LOOP + 1, 0x120, FP_LOOP + 3, 0x130, START + 1,
	      0x140);
	python_entries(5, UNWIND_PYTHON_BOUNDARY, UNWIND_PYTHON, UNWIND_PYTHON,
		       UNWIND_PYTHON_BOUNDARY, UNWIND_PYTHON);
	run();
	expect(JOIN_COMPLETE, KEEPS + 1, 101, 102, 104, START + 1, 0);
}

/* More calls of the loop than Python knows of: the code of the loop itself is shown. */
static void test_more_loops_than_python(void **state)
{
	stack(KEEPS, 3, FP_LOOP + 1, 0x110, FP_LOOP + 3, 0x130, START + 1, 0x140);
	python_entries(1, UNWIND_PYTHON_LAST);
	run();
	expect(JOIN_COMPLETE, KEEPS, 100, FP_LOOP + 3, START + 1, 0);
	/* And without a Python frame at all. */
	in.count = in.native_count;
	run();
	expect(JOIN_COMPLETE, KEEPS, FP_LOOP + 1, FP_LOOP + 3, START + 1, 0);
}

/* A loop that keeps no frame pointer ends the native frames, whatever could be found below it. */
static void test_loop_without_pointer(void **state)
{
	stack(LEAN, 0);
	words[3] = LOOP + 1;
	words[7] = START + 1;
	python_entries(3, UNWIND_PYTHON_LAST, UNWIND_PYTHON_LAST, UNWIND_PYTHON_LAST);
	run();
	expect(JOIN_NO_POINTER, LEAN, 100, 101, 102, 0);
	assert_false(out.gap);
	/* Interrupted in the loop itself. */
	stack(LOOP, 1, START + 1, 0x110);
	python_entries(1, UNWIND_PYTHON_LAST);
	run();
	expect(JOIN_NO_POINTER, 100, 0);
	assert_false(out.gap);
}

/* Native frames end before the loop: what is missing between is said. */
static void test_gap(void **state)
{
	stack(HUGE_FRAME, 1, START + 1, 0x110);
	python_entries(2, UNWIND_PYTHON_LAST, UNWIND_PYTHON_LAST);
	run();
	expect(JOIN_NO_POINTER, HUGE_FRAME, JOIN_GAP, 100, 101, 0);
	assert_true(out.gap);
}

/* The largest result there can be fits. */
static void test_full(void **state)
{
	stack(KEEPS, 0);
	for (uint32_t i = 1; i < UNWIND_MAX_ENTRIES; i++)
		entries[i] = (struct unwind_entry){.address = KEEPS + 1, .tag = UNWIND_NATIVE};
	in.native_count = in.count = UNWIND_MAX_ENTRIES;
	in.native_end = UNWIND_NATIVE_DEEP;
	run();
	assert_int_equal(out.count, UNWIND_MAX_ENTRIES);
	assert_int_equal(out.native, JOIN_DEEP);
	/* No native entry at all: nothing happens. */
	in.native_count = in.count = 0;
	run();
	assert_int_equal(out.count, 0);
}

/* --- our own stack ---------------------------------------------------------------------------- */

struct live_world {
	struct process process;
	struct rows *rows;
	size_t compared;
};

static bool live_row(void *arg, uint64_t address, struct row *ret)
{
	struct live_world *w = arg;
	const struct mapping *m = process_find_mapping(&w->process, address);

	if (!m)
		return false;
	rows_find(w->rows, &w->process, m, address, ret);
	return true;
}

static bool live_read(void *arg, uint64_t address, uint64_t *ret)
{
	return process_read_memory(getpid(), address, ret, sizeof(*ret)) >= 0;
}

static struct live_world *world;

static uint64_t expected[256];
static uint32_t nexpected;

static _Unwind_Reason_Code take_frame(struct _Unwind_Context *c, void *arg)
{
	if (_Unwind_GetIP(c) && nexpected < ARRAY_SIZE(expected))
		expected[nexpected++] = _Unwind_GetIP(c);
	return _URC_NO_REASON;
}

/* Compare with what libgcc's unwinder, which runs exceptions, says of the same stack. */
static __attribute__((noinline)) int compare_with_libgcc(const void *a, const void *b)
{
	static uint64_t copy[8192];
	ucontext_t here;
	const struct join_code code = {.row = live_row, .read = live_read, .arg = world};
	struct walk walk = {};
	struct join_input i = {.entries = entries, .words = copy};

	nexpected = 0;
	_Unwind_Backtrace(take_frame, NULL);
	assert_int_equal(getcontext(&here), 0);
	walk.pc = here.uc_mcontext.gregs[REG_RIP];
	walk.sp = i.sp = here.uc_mcontext.gregs[REG_RSP];
	walk.fp = i.fp = here.uc_mcontext.gregs[REG_RBP];
	walk_start(&walk, NULL);
	while (walk.phase != WALK_DONE)
		walk_step(&walk, NULL, entries);
	i.count = i.native_count = walk.native_count;
	i.native_end = walk.native_end;
	for (i.nwords = 0; i.nwords < ARRAY_SIZE(copy); i.nwords++)
		if (!live_read(NULL, i.sp + 8 * i.nwords, &copy[i.nwords]))
			break;
	/* The kernel would have followed the frame pointer: without it only rows and copies help.
	 */
	join(&i, &code, &out);
	assert_int_equal(out.native, JOIN_COMPLETE);
	assert_true(nexpected > 5);
	for (uint32_t k = 1; k < nexpected; k++)
		assert_int_equal(out.frames[k].address, expected[k]);
	assert_int_equal(out.count, nexpected);
	world->compared++;
	return *(const int *)a - *(const int *)b;
}

static __attribute__((noinline)) int through_libc(int depth)
{
	volatile int here = depth;
	int numbers[] = {2, 1};

	if (depth)
		return through_libc(depth - 1) + here;
	qsort(numbers, 2, sizeof(numbers[0]), compare_with_libgcc);
	return numbers[0] + here;
}

static void test_like_libgcc(void **state)
{
	struct live_world w = {.rows = rows_new()};
	assert_int_equal(process_read(getpid(), &w.process, NULL), 0);
	world = &w;
	through_libc(5);
	through_libc(0);
	assert_true(w.compared >= 2);
	process_fini(&w.process);
	rows_free(w.rows);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_chain),
		cmocka_unit_test(test_leaf_without_pointer),
		cmocka_unit_test(test_leaf_that_saves),
		cmocka_unit_test(test_in_the_middle),
		cmocka_unit_test(test_what_ends_it),
		cmocka_unit_test(test_base),
		cmocka_unit_test(test_python_in_place),
		cmocka_unit_test(test_python_boundaries),
		cmocka_unit_test(test_more_loops_than_python),
		cmocka_unit_test(test_loop_without_pointer),
		cmocka_unit_test(test_gap),
		cmocka_unit_test(test_full),
		cmocka_unit_test(test_like_libgcc),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
