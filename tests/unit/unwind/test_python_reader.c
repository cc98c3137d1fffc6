/* Stacks of a program that goes on while they are read. The program is simulated: every nanosecond
 * of it is known, time passes with every byte that is copied, and the reader's clock shows that
 * time, whatever the machine does meanwhile. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "unwind/python/layout.h"
#include "unwind/python/python_reader.h"

enum {
	INTERPRETERS = 0x10000, /* addresses */
	INTERPRETER = 0x20000,
	STATE = 0x30000,
	CFRAME = 0x38000, /* of 3.11 and 3.12 */
	CODES = 0x40000,
	FRAMES = 0x50000,
	MEMORY_BYTES = 0x80000,
	CODE_STRIDE = 0x200,
	FRAME_WORDS = 14, /* in a data stack */
	FRAME_STRIDE = FRAME_WORDS * 8,
	HEAP_STRIDE = 0x8c0, /* frames that are objects lie here and there */
	THREAD_ID = 0x70000,
	GLIBC_TID = 720, /* where a thread has its number */
	NEW_STATE = STATE + 0x2000,
	NEW_ID = THREAD_ID + 0x2000,
	PART_NS = 300,
	LINE_NS = 4,
	LINE = 64, /* what copying costs */
	MAX_DEPTH = 4,
};
enum { WORK, HOT_A, LEAF_A, HOT_B, LEAF_B, FUNCTIONS };

/* What the program does, again and again: who runs innermost, and for how long on average. */
static const struct {
	uint8_t depth, stack[MAX_DEPTH];
	uint32_t ns;
} steps[] = {
	{1, {WORK}, 60},	{2, {WORK, HOT_A}, 40},		 {3, {WORK, HOT_A, LEAF_A}, 400},
	{2, {WORK, HOT_A}, 40}, {3, {WORK, HOT_A, LEAF_A}, 400}, {2, {WORK, HOT_A}, 20},
	{1, {WORK}, 60},	{2, {WORK, HOT_B}, 40},		 {3, {WORK, HOT_B, LEAF_B}, 150},
	{2, {WORK, HOT_B}, 40}, {3, {WORK, HOT_B, LEAF_B}, 150}, {2, {WORK, HOT_B}, 20},
};

struct program {
	struct memory memory; /* first: the reader knows this part */
	const struct python_layout *layout;
	uint32_t version;
	uint8_t bytes[MEMORY_BYTES];
	uint64_t random;
	uint64_t now_ns, step_ends_ns, ran_ns[FUNCTIONS]; /* innermost */
	size_t step;
	unsigned int slowness; /* steps take so many per cent */
};

static const struct program *running;

/* Called where the reader calls clock_mono_ns(): see meson.build. */
int64_t __wrap_clock_mono_ns(void);
int64_t __wrap_clock_mono_ns(void)
{
	return (int64_t)running->now_ns;
}

static uint64_t next_random(struct program *p)
{
	p->random ^= p->random << 13;
	p->random ^= p->random >> 7;
	p->random ^= p->random << 17;
	return p->random;
}

static void put(struct program *p, uint64_t address, uint64_t value)
{
	memcpy(p->bytes + address, &value, sizeof(value));
}

static bool has_heap_frames(const struct program *p)
{
	return p->layout->style == PYTHON_EACH_FRAME;
}

static void set_current(struct program *p, uint64_t frame)
{
	bool cframe = p->layout->cframe;

	put(p, STATE + p->layout->thread_frame, cframe ? CFRAME : frame);
	if (cframe)
		put(p, CFRAME + p->layout->cframe_frame, frame);
}

static uint64_t frame_at(const struct program *p, size_t step, int level)
{
	if (has_heap_frames(p))
		return FRAMES + steps[step].stack[level] * HEAP_STRIDE;
	return FRAMES + level * FRAME_STRIDE;
}

static void put32(struct program *p, uint64_t address, uint32_t value)
{
	memcpy(p->bytes + address, &value, sizeof(value));
}

/* Where frames say whether they run, as in live_frame.c. */
enum { STATE_310 = 108, STACK = 64 };
static const uint32_t version_314 = 0x030e0000;

static void put_life(struct program *p, uint64_t frame, bool runs, bool calls)
{
	if (has_heap_frames(p))
		p->bytes[frame + STATE_310] = !(runs || calls);
	else if (p->version < version_314)
		put32(p, frame + STACK, runs ? UINT32_MAX : 1);
	else
		put(p, frame + STACK, runs ? 0 : frame + FRAME_STRIDE);
}

/* The words that python_code_check() is made of, and how large its frames are. */
static void put_code(struct program *p, uint64_t code)
{
	uint64_t line = code + p->layout->code_flags + p->layout->code_line_index * 4;

	put32(p, line - 4, FRAME_WORDS - 9 - 1);
	put32(p, line + 4, 1);
	if (p->layout->style != PYTHON_IS_ENTRY)
		put32(p, line + 8, FRAME_WORDS);
}

/* As CPython does it: a frame is made, then it is the current one; it is left as it is when it
 * returns, but from 3.14 on it forgets its code. */
static void enter_step(struct program *p, size_t step)
{
	const struct python_layout *l = p->layout;
	int depth = steps[step].depth, before = steps[p->step].depth;
	uint64_t frame = frame_at(p, step, depth - 1), left = frame_at(p, p->step, before - 1);

	put_life(p, left, false, depth > before);
	if (depth > before) {
		uint64_t code = CODES + steps[step].stack[depth - 1] * CODE_STRIDE;

		memset(p->bytes + frame, 0, l->frame_size);
		put(p, frame + l->frame_code, code);
		put(p, frame + l->frame_previous, depth > 1 ? frame_at(p, step, depth - 2) : 0);
		put(p, frame + l->frame_instruction, has_heap_frames(p) ? 2 : code + 250);
		/* Where the caller stands now. */
		if (depth > 1)
			put(p, left + l->frame_instruction,
			    has_heap_frames(p) ? step : code + l->code_start + step * 2);
	}
	put_life(p, frame, true, false);
	set_current(p, frame);
	if (depth < before && p->version >= version_314)
		put(p, left + l->frame_code, 1);
	p->step = step;
}

static void pass(struct program *p, uint64_t ns)
{
	while (ns) {
		uint64_t some = MIN(ns, p->step_ends_ns - p->now_ns);

		p->ran_ns[steps[p->step].stack[steps[p->step].depth - 1]] += some;
		p->now_ns += some;
		ns -= some;
		if (p->now_ns < p->step_ends_ns)
			continue;
		enter_step(p, (p->step + 1) % ARRAY_SIZE(steps));
		p->step_ends_ns =
			p->now_ns + 1 +
			steps[p->step].ns * p->slowness / 100 * (50 + next_random(p) % 101) / 100;
	}
}

static int read_program(const struct memory *m, uint64_t address, void *buf, size_t n)
{
	struct program *p = (struct program *)(uintptr_t)m;
	size_t done = 0;

	pass(p, PART_NS);
	if (address >= MEMORY_BYTES || n > MEMORY_BYTES - address)
		return -EFAULT;
	while (done < n) {
		size_t some = MIN(n - done, (size_t)(LINE - (address + done) % LINE));

		memcpy((uint8_t *)buf + done, p->bytes + address + done, some);
		done += some;
		pass(p, LINE_NS);
	}
	return 0;
}

static struct program *program_new(uint32_t version, unsigned int slowness)
{
	struct program *p = mem_calloc(1, sizeof(*p));

	p->memory.read = read_program;
	p->layout = python_layout_of(version, false);
	p->version = version;
	p->random = 88172645463325252ULL;
	p->slowness = slowness;
	put(p, INTERPRETERS, INTERPRETER);
	put(p, INTERPRETER + p->layout->interpreter_threads, STATE);
	put(p, STATE + p->layout->thread_id, THREAD_ID);
	for (uint64_t i = CODES; i < FRAMES; i += 8)
		put(p, i, next_random(p));
	for (uint64_t i = 0; i < FUNCTIONS; i++)
		put_code(p, CODES + i * CODE_STRIDE);
	p->step = ARRAY_SIZE(steps) - 1;
	enter_step(p, 0);
	put(p, FRAMES + p->layout->frame_code, CODES + WORK * CODE_STRIDE);
	set_current(p, FRAMES);
	p->step_ends_ns = steps[0].ns;
	running = p;
	return p;
}

static struct python_reader *reader_of(const struct program *p, uint32_t version)
{
	const struct python py = {
		.version = version,
		.process = {.interpreters = INTERPRETERS, .layout = *p->layout},
	};
	struct python_reader *r;

	assert_int_equal(python_reader_new(&p->memory, &py, &r, NULL), 0);
	return r;
}

/* The function that an entry is of. */
static int function_of(const struct unwind_entry *e)
{
	return (int)((e->address - CODES) / CODE_STRIDE);
}

/* Was there ever such a stack? */
static bool existed(const struct python_thread *t)
{
	for (size_t s = 0; s < ARRAY_SIZE(steps); s++) {
		bool same = steps[s].depth == t->count;

		for (uint32_t i = 0; same && i < t->count; i++)
			same = function_of(&t->entries[t->count - 1 - i]) == steps[s].stack[i];
		if (same)
			return true;
	}
	return false;
}

static void check_program(uint32_t version, unsigned int slowness, double within)
{
	enum { SAMPLES = 20000 };
	struct program *p = program_new(version, slowness);
	struct python_reader *r = reader_of(p, version);
	unsigned int seen[FUNCTIONS] = {}, torn = 0, impossible = 0;
	struct python_reader_stats stats;

	for (int i = 0; i < SAMPLES; i++) {
		const struct python_thread *t;

		pass(p, next_random(p) % 20000);
		assert_int_equal(python_reader_take(r), 1);
		t = python_reader_thread(r, 0);
		if (t->end != UNWIND_PYTHON_COMPLETE) {
			assert_int_equal(t->end, UNWIND_PYTHON_TORN);
			torn++;
			continue;
		}
		impossible += !existed(t);
		seen[function_of(&t->entries[0])]++;
	}
	python_reader_stats(r, &stats);
	print_message("version %x, %u %%: %u impossible, %u torn, %.2f copies a stack\n", version,
		      slowness, impossible, torn, 1 + (double)stats.again / SAMPLES);
	assert_true(impossible <= SAMPLES / 5000);
	assert_true(torn <= SAMPLES / 1000);
	for (int f = 0; f < FUNCTIONS; f++) {
		double share = (double)seen[f] / (SAMPLES - torn);
		double truth = (double)p->ran_ns[f] / (double)p->now_ns;

		print_message("  function %d: %.3f of the samples, %.3f of the time\n", f, share,
			      truth);
		assert_true(share > truth - within && share < truth + within);
	}
	python_reader_free(r);
	free(p);
}

/* In per cent of the times above. What frames of a data stack tell in one copy is right however
 * fast they are; those on the heap are copied one by one. */
static void test_data_stack(void **state)
{
	static const uint32_t versions[] = {0x030b0000, 0x030c0000, 0x030d0000, version_314};

	for (size_t i = 0; i < ARRAY_SIZE(versions); i++) {
		check_program(versions[i], 100, 0.02);
		check_program(versions[i], 250, 0.02);
		check_program(versions[i], 600, 0.02);
		check_program(versions[i], 5000, 0.02);
	}
}

static void test_heap_frames(void **state)
{
	check_program(0x030a0000, 100, 0.02);
	check_program(0x030a0000, 250, 0.02);
	check_program(0x030a0000, 600, 0.02);
	check_program(0x030a0000, 2000, 0.02);
	check_program(0x030a0000, 5000, 0.02);
}

/* Read stacks until the list is another, or was looked at for long. */
static int list_later(struct program *p, struct python_reader *r)
{
	enum { LOOKS = 100 };
	int n = 0;

	for (int i = 0; i < LOOKS && !n; i++) {
		assert_true(python_reader_list(r) > 0);
		python_reader_read(r, 0);
		n = python_reader_list_again(r);
		pass(p, 1000000);
	}
	return n;
}

static pid_t tid_at(const struct python_reader *r, size_t i)
{
	return python_reader_thread(r, i)->tid;
}

/* Who is new is found along with a stack, whatever place they take. */
static void test_lists(void **state)
{
	struct program *p = program_new(version_314, 5000);
	const struct python_layout *l = p->layout;
	struct python_reader *r;

	put32(p, THREAD_ID + GLIBC_TID, 1001);
	r = reader_of(p, version_314);
	assert_int_equal(python_reader_take(r), 1);
	assert_int_equal(tid_at(r, 0), 1001);
	/* One that began where the last one ended. */
	put32(p, THREAD_ID + GLIBC_TID, 1002);
	assert_int_equal(list_later(p, r), 1);
	assert_int_equal(tid_at(r, 0), 1002);
	/* Another one, in front of it. */
	put32(p, NEW_ID + GLIBC_TID, 1003);
	put(p, NEW_STATE + l->thread_id, NEW_ID);
	put(p, NEW_STATE + l->thread_next, STATE);
	put(p, INTERPRETER + l->interpreter_threads, NEW_STATE);
	assert_int_equal(list_later(p, r), 2);
	assert_int_equal(tid_at(r, 0), 1003);
	assert_int_equal(tid_at(r, 1), 1002);
	/* One that is not the first is asked for when the kernel knows it no more. */
	put(p, NEW_STATE + l->thread_next, 0);
	python_reader_ended(r, 1);
	assert_int_equal(python_reader_list_again(r), 1);
	assert_int_equal(tid_at(r, 0), 1003);
	/* One that has no thread, but stays in the list, is asked for once. */
	python_reader_ended(r, 0);
	assert_int_equal(python_reader_list_again(r), 1);
	python_reader_ended(r, 0);
	assert_int_equal(python_reader_list_again(r), 0);
	python_reader_free(r);
	free(p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_data_stack),
		cmocka_unit_test(test_heap_frames),
		cmocka_unit_test(test_lists),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
