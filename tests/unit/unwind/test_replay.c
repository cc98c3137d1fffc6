/* Walks stacks of this very process again, over copies of their memory, and compares with what
 * libgcc's unwinder says of them: deep, and from a signal handler on a stack of its own. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <ucontext.h>
#include <unistd.h>
#include <unwind.h>

#include <cmocka.h>

#include "native_tables.h"
#include "unwind/replay.h"

struct tables tables;

enum { PAGE = 4096, STACK = 64 << 10, MAX_FRAMES = 256, REGIONS = 2 };

/* A moment: registers, memory, and its frames as libgcc sees them, leaf first. */
static struct {
	uint64_t pc, registers[UNWIND_REGISTERS];
	struct unwind_region regions[REGIONS];
	uint8_t bytes[REGIONS * STACK];
	uint64_t frames[MAX_FRAMES];
	bool exact[MAX_FRAMES];
	uint64_t sp[MAX_FRAMES], rbp[MAX_FRAMES], rbx[MAX_FRAMES];
	size_t len;
} moment;
static struct replay replay;
static struct process self;
static uint64_t outer_stack; /* where the stack is that a signal leaves; 0: there is none */

static _Unwind_Reason_Code take_frame(struct _Unwind_Context *c, void *arg)
{
	int exact = 0;

	assert_true(moment.len < MAX_FRAMES);
	moment.frames[moment.len] = _Unwind_GetIPInfo(c, &exact);
	moment.exact[moment.len] = exact;
	moment.sp[moment.len] = _Unwind_GetCFA(c);
	moment.rbp[moment.len] = _Unwind_GetGR(c, UNWIND_RBP);
	moment.rbx[moment.len++] = _Unwind_GetGR(c, UNWIND_RBX);
	return _URC_NO_REASON;
}

/* Up to the first page that is not there, as the probe does; the sanitizer's eyes are elsewhere. */
static uint8_t *copy_region(struct unwind_region *r, uint64_t from, uint8_t *to)
{
	uint32_t n;

	*r = (struct unwind_region){.address = from};
	for (; r->bytes < STACK; r->bytes += n) {
		uint64_t at = from + r->bytes;

		n = MIN(PAGE - (uint32_t)(at % PAGE), STACK - r->bytes);
		if (process_read_memory(getpid(), at, to + r->bytes, n))
			break;
	}
	return to + r->bytes;
}

static __attribute__((noinline)) void take_moment(void)
{
	ucontext_t c;

	moment.len = 0;
	assert_int_equal(getcontext(&c), 0);
	const greg_t *g = c.uc_mcontext.gregs;
	/* System V ABI, table 3.36. */
	static const int order[] = {REG_RAX, REG_RDX, REG_RCX, REG_RBX, REG_RSI, REG_RDI,
				    REG_RBP, REG_RSP, REG_R8,  REG_R9,	REG_R10, REG_R11,
				    REG_R12, REG_R13, REG_R14, REG_R15};

	for (size_t i = 0; i < ARRAY_SIZE(order); i++)
		moment.registers[i] = (uint64_t)g[order[i]];
	moment.pc = (uint64_t)g[REG_RIP];
	uint8_t *to = copy_region(&moment.regions[0], moment.registers[UNWIND_RSP], moment.bytes);

	if (outer_stack)
		copy_region(&moment.regions[1], outer_stack, to);
	_Unwind_Backtrace(take_frame, NULL);
}

/* Walk again, making tables when they are asked for. */
static void walk_again(void)
{
	replay = (struct replay){
		.space = &tables.space,
		.pc = moment.pc,
		.registers = moment.registers,
		.regions = moment.regions,
		.nregions = REGIONS,
		.bytes = moment.bytes,
		.pid = getpid(),
	};
	assert_true(tables_process(getpid(), &replay.run));
	for (size_t i = 0; i < self.mappings.len; i++) {
		replay_walk(&replay);
		if (replay.end != UNWIND_NATIVE_NOT_LOADED)
			break;
		assert_int_equal(tables_load(&self, process_find_mapping(&self, replay.end_at)), 0);
	}
}

/* The memory from sp on. */
static const uint8_t *bytes_above(uint64_t sp, struct unwind_region *ret)
{
	const uint8_t *bytes = moment.bytes;

	memcpy(ret, moment.regions, sizeof(moment.regions));
	for (size_t i = 0; i < REGIONS; i++) {
		uint64_t below = sp - ret[i].address;

		if (below < ret[i].bytes) {
			ret[i].address = sp;
			ret[i].bytes -= (uint32_t)below;
			return bytes + below;
		}
		bytes += ret[i].bytes;
		ret[i].bytes = 0;
	}
	return bytes;
}

/* Of any frame, a walk that goes on there comes to the same end, without the memory below it. */
static void check_going_on(void)
{
	static struct replay whole;

	whole = replay;
	for (uint32_t i = 1; i < whole.count; i++) {
		struct unwind_region regions[REGIONS];
		uint64_t registers[UNWIND_REGISTERS] = {
			[UNWIND_RSP] = moment.sp[i],
			[UNWIND_RBP] = moment.rbp[i],
			[UNWIND_RBX] = moment.rbx[i],
		};

		replay = (struct replay){
			.space = &tables.space,
			.run = whole.run,
			.pc = moment.frames[i],
			.registers = registers,
			.walked = whole.entries,
			.nwalked = i + 1,
			.regions = regions,
			.nregions = REGIONS,
			.bytes = bytes_above(moment.sp[i], regions),
			.pid = getpid(),
		};
		replay_walk(&replay);
		assert_int_equal(replay.end, UNWIND_NATIVE_COMPLETE);
		assert_int_equal(replay.count, whole.count);
		assert_memory_equal(replay.entries, whole.entries,
				    whole.count * sizeof(*whole.entries));
	}
	replay = whole;
}

/* The leaf is at another instruction by then; all else is the same. */
static void check(size_t least)
{
	walk_again();
	assert_int_equal(replay.end, UNWIND_NATIVE_COMPLETE);
	assert_true(replay.count >= least);
	/* libgcc may say that the outermost one has a caller, at 0. */
	assert_true(moment.len == replay.count ||
		    (moment.len == replay.count + 1 && !moment.frames[replay.count]));
	for (uint32_t i = 1; i < replay.count; i++) {
		assert_int_equal(replay.entries[i].address, moment.frames[i]);
		assert_int_equal(!!(replay.entries[i].tag & UNWIND_EXACT), moment.exact[i]);
	}
	check_going_on();
}

static __attribute__((noinline)) int deep(int n)
{
	volatile char room[40];

	room[n % 40] = (char)n;
	if (n)
		n = deep(n - 1);
	else
		take_moment();
	return n + room[3];
}

static void test_deep(void **state)
{
	outer_stack = 0;
	deep(60);
	check(61);
	/* Half a stack is half a walk, and says so. */
	uint32_t whole = replay.count, cut = 0;

	for (moment.regions[0].bytes = 0; moment.regions[0].bytes < STACK;
	     moment.regions[0].bytes += 248) {
		walk_again();
		if (replay.end == UNWIND_NATIVE_COMPLETE)
			break;
		cut++;
		assert_int_equal(replay.end, UNWIND_NATIVE_UNREAD);
		assert_true(replay.count < whole);
		for (uint32_t i = 1; i < replay.count; i++)
			assert_int_equal(replay.entries[i].address, moment.frames[i]);
	}
	assert_true(cut > 10);
	assert_int_equal(replay.end, UNWIND_NATIVE_COMPLETE);
}

static void handler(int signal, siginfo_t *info, void *context)
{
	const ucontext_t *c = context;

	outer_stack = (uint64_t)c->uc_mcontext.gregs[REG_RSP];
	deep(5);
}

static __attribute__((noinline)) int interrupted(int n)
{
	if (n)
		return interrupted(n - 1) + 1;
	return raise(SIGUSR1);
}

static void test_signal_stack(void **state)
{
	static uint8_t room[STACK];
	const stack_t stack = {.ss_sp = room, .ss_size = sizeof(room)};
	struct sigaction act = {.sa_sigaction = handler, .sa_flags = SA_ONSTACK | SA_SIGINFO};

	assert_int_equal(sigaltstack(&stack, NULL), 0);
	assert_int_equal(sigaction(SIGUSR1, &act, NULL), 0);
	interrupted(7);
	check(5 + 8 + 3);
	/* Without the other stack the walk ends where it is left. */
	moment.regions[1].bytes = 0;
	uint32_t whole = replay.count;

	walk_again();
	assert_int_equal(replay.end, UNWIND_NATIVE_UNREAD);
	assert_true(replay.count > 6 && replay.count < whole);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_deep),
		cmocka_unit_test(test_signal_stack),
	};

	tables_init(256 << 20, UNWIND_MAX_CHUNKS);
	CHECK(!process_read(getpid(), &self, NULL));
	CHECK(!table_store_process(tables.store, &self, tables.now));
	int r = cmocka_run_group_tests(tests, NULL, NULL);

	process_fini(&self);
	tables_fini();
	return r;
}
