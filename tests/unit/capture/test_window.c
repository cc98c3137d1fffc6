/* From a sample to the profile of a window: frames, labels, outcomes, marks. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "capture/window.h"
#include "symbol/symbol_priv.h"

/* A sample as the kernel writes it. */
struct record {
	struct probe_sample sample;
	struct unwind_entry entries[4];
	uint64_t kernel[2];
};
static struct record record;
static struct targets targets;
static struct window window;
static struct target *us;

static int setup(void **state)
{
	struct symbolizer *s;

	assert_int_equal(symbolizer_new(1 << 20, &s, NULL), 0);
	window_init(&window, s, &targets);
	us = targets_add(&targets, getpid(), 0, 0);
	assert_true(us->readable);
	return 0;
}

static int teardown(void **state)
{
	symbolizer_free(window.symbolizer);
	window_fini(&window);
	targets_fini(&targets);
	return 0;
}

/* Four entries, two kernel addresses. */
static void make_record(void)
{
	memset(&record, 0, sizeof(record));
	record.sample.record.type = PROBE_SAMPLE;
	record.sample.record.size = sizeof(record);
	record.sample.pid = record.sample.tid = getpid();
	record.sample.entries = ARRAY_SIZE(record.entries);
	record.sample.kernel_frames = ARRAY_SIZE(record.kernel);
	memcpy(record.sample.process_comm, "proc", 4);
	memcpy(record.sample.thread_comm, "0123456789abcdef", PROBE_COMM);
	record.kernel[0] = 0xffffffff81000000;
	record.kernel[1] = 0xffffffff81000100;
}

static struct window_result add(struct target *t)
{
	struct window_result r = {};
	const struct native_stack native = {
		.entries = record.entries,
		.count = record.sample.native_entries,
		.end = record.sample.native_end,
	};

	window_add(&window, &record.sample, &native, t, NULL, &r);
	return r;
}

/* Names of a sample's frames, root first. */
static const char *stack_text(const struct profile *p, const struct profile_sample *s)
{
	static char text[4096];
	uint32_t frames[64];
	size_t n = profile_unroll(p, s->stack, frames, ARRAY_SIZE(frames));

	text[0] = '\0';
	while (n--) {
		const struct profile_frame *f = &p->frames.data[frames[n]];
		const struct profile_function *fn = &p->functions.data[f->function];

		snprintf(text + strlen(text), sizeof(text) - strlen(text), "%s%s:%d",
			 *text ? ";" : "", profile_text(p, fn->name), fn->kind);
	}
	return text;
}

static void test_kernel_thread(void **state)
{
	struct profile *p;
	struct window_result r;

	window_start(&window, "cpu", 10101010);
	make_record();
	record.sample.entries = 0;
	record.sample.flags = PROBE_KERNEL_THREAD;
	/* Kernel addresses follow at once. */
	memcpy(record.entries, record.kernel, sizeof(record.kernel));
	r = add(NULL);
	assert_int_equal(r.outcome, OUTCOME_COMPLETE);
	add(NULL);
	p = window_take(&window);
	assert_string_equal(p->type, "cpu");
	assert_string_equal(p->unit, "nanoseconds");
	assert_int_equal(p->samples.len, 1);
	assert_int_equal(p->samples.data[0].count, 2);
	assert_int_equal(p->samples.data[0].value, 2 * 10101010);
	assert_true(p->duration_ns > 0 && p->time_ns > 0);
	assert_string_equal(profile_label_value(p, p->samples.data[0].labels, "process"), "proc");
	/* A name that fills its field has no terminator. */
	assert_string_equal(profile_label_value(p, p->samples.data[0].labels, "thread"),
			    "0123456789abcdef");
	assert_int_equal(atoi(profile_label_value(p, p->samples.data[0].labels, "pid")), getpid());
	profile_free(p);
}

/* No moment is in none, however long it takes to hand one out. */
static void test_one_begins_where_the_last_ended(void **state)
{
	struct profile *first, *second;
	int64_t end;

	window_start(&window, "cpu", 1);
	first = window_take(&window);
	end = clock_mono_ns() + NSEC_PER_SEC / 50;
	while (clock_mono_ns() < end)
		;
	window_start(&window, "cpu", 1);
	second = window_take(&window);
	assert_true(second->duration_ns >= NSEC_PER_SEC / 50);
	assert_in_range(second->time_ns - first->time_ns - first->duration_ns + NSEC_PER_SEC,
			NSEC_PER_SEC - NSEC_PER_SEC / 1000, NSEC_PER_SEC + NSEC_PER_SEC / 1000);
	profile_free(first);
	profile_free(second);
}

/* How its frames were found is a remark of a sample, once however many they are. */
static void test_remarks(void **state)
{
	struct window_result r;

	window_start(&window, "cpu", 1);
	make_record();
	record.sample.native_entries = ARRAY_SIZE(record.entries);
	for (size_t i = 0; i < ARRAY_SIZE(record.entries); i++)
		record.entries[i] = (struct unwind_entry){.address = (uintptr_t)test_remarks + 1,
							  .tag = UNWIND_NATIVE};
	record.entries[0].tag |= UNWIND_EXACT | UNWIND_TRAMPOLINE;
	assert_int_equal(add(us).remarks, 0);
	record.entries[1].tag |= UNWIND_BLIND;
	record.entries[3].tag |= UNWIND_BLIND;
	assert_int_equal(add(us).remarks, 1 << REMARK_BLIND);
	record.entries[2].tag |= UNWIND_FOLLOWED;
	r = add(us);
	assert_int_equal(r.remarks, 1 << REMARK_BLIND | 1 << REMARK_DERIVED);
	/* Nothing is shown of a process that is gone. */
	assert_int_equal(add(NULL).remarks, 0);
	profile_free(window_take(&window));
}

/* Programs choose their names; labels are text that may be shown. */
static void test_hostile_names(void **state)
{
	struct profile *p;

	window_start(&window, "cpu", 1);
	make_record();
	record.sample.flags = PROBE_KERNEL_THREAD;
	memcpy(record.sample.process_comm, "\x1b[2J\xff\n\0\0\0\0\0\0\0\0\0", PROBE_COMM);
	memcpy(record.sample.thread_comm, "gr\xc3\xbc\xc3\x9f\0\0\0\0\0\0\0\0\0\0", PROBE_COMM);
	add(NULL);
	p = window_take(&window);
	assert_string_equal(profile_label_value(p, p->samples.data[0].labels, "process"),
			    "\\x1b[2J\\xff\\x0a");
	assert_string_equal(profile_label_value(p, p->samples.data[0].labels, "thread"), "grüß");
	profile_free(p);
}

/* A goroutine of Go 1.24 as its memory is, here in ours. */
static void test_labels_of_a_goroutine(void **state)
{
	static const struct {
		const char *key;
		uint64_t key_len;
		const char *value;
		uint64_t value_len;
	} pairs[] = {
		{"tenant", 6, "blue\n", 5},
		{"process", 7, "mine", 4},
		{"host.name", 9, "other", 5},
		{"hostess", 7, "free", 4},
	};
	const struct {
		const void *data;
		uint64_t len, cap;
	} slice = {pairs, ARRAY_SIZE(pairs), ARRAY_SIZE(pairs)};
	volatile uint64_t goroutine = (uintptr_t)&slice;
	struct profile *p;
	uint32_t set;

	window_start(&window, "cpu", 1);
	make_record();
	us->has_go = true;
	us->go = (struct go_layout){.minor = 24};
	record.sample.flags = PROBE_NO_REGISTERS;
	record.sample.time_ns = 1;
	record.sample.goroutine = (uintptr_t)&goroutine;
	record.sample.goroutine_labels = goroutine;
	add(us);
	/* It has others now, but in the same second the set is known; not in the next. */
	goroutine = 0;
	add(us);
	assert_int_equal(window.labels.lost, 0);
	record.sample.time_ns = INT64_MAX;
	add(us);
	assert_int_equal(window.labels.lost, 1);
	p = window_take(&window);
	assert_int_equal(p->samples.len, 2);
	assert_int_equal(p->samples.data[0].count, 2);
	set = p->samples.data[0].labels;
	assert_string_equal(profile_label_value(p, set, "tenant"), "blue\\x0a");
	assert_string_equal(profile_label_value(p, set, "process"), "proc");
	assert_string_equal(profile_label_value(p, set, "go.process"), "mine");
	assert_string_equal(profile_label_value(p, set, "go.host.name"), "other");
	assert_string_equal(profile_label_value(p, set, "hostess"), "free");
	assert_null(profile_label_value(p, p->samples.data[1].labels, "tenant"));
	us->has_go = false;
	profile_free(p);
}

static void expect_mark(enum outcome outcome, struct target *t)
{
	char mark[128];
	struct profile *p;

	window_start(&window, "cpu", 1);
	assert_int_equal(add(t).outcome, outcome);
	p = window_take(&window);
	assert_int_equal(p->samples.len, 1);
	snprintf(mark, sizeof(mark), "%s:%d", outcome_text(outcome), FRAME_MARK);
	/* At the root end. */
	assert_memory_equal(stack_text(p, &p->samples.data[0]), mark, strlen(mark));
	profile_free(p);
}

static void test_cut_stacks_say_why(void **state)
{
	static const struct {
		enum unwind_native_end end;
		enum outcome outcome;
	} ends[] = {
		{UNWIND_NATIVE_NO_MAPPING, OUTCOME_UNKNOWN_CODE},
		{UNWIND_NATIVE_OUTSIDE, OUTCOME_UNKNOWN_CODE},
		{UNWIND_NATIVE_BAD_FP, OUTCOME_NO_FRAME_POINTER},
		{UNWIND_NATIVE_UNREAD, OUTCOME_BAD_READ},
		{UNWIND_NATIVE_DEEP, OUTCOME_TOO_DEEP},
		{UNWIND_NATIVE_NOT_LOADED, OUTCOME_NO_TABLE},
		{UNWIND_NATIVE_UNSUPPORTED, OUTCOME_UNKNOWN_RULE},
		{UNWIND_NATIVE_LOST, OUTCOME_LOST_REGISTER},
		{UNWIND_NATIVE_BAD_CFA, OUTCOME_BAD_FRAME},
	};

	make_record();
	record.sample.flags = PROBE_COMPAT;
	expect_mark(OUTCOME_FOREIGN_CODE, NULL);
	record.sample.flags = PROBE_NO_REGISTERS;
	expect_mark(OUTCOME_BAD_READ, NULL);
	record.sample.flags = 0;
	expect_mark(OUTCOME_PROCESS_GONE, NULL);
	record.entries[0] = (struct unwind_entry){.address = 4096, .tag = UNWIND_NATIVE};
	record.sample.entries = record.sample.native_entries = 1;
	for (size_t i = 0; i < ARRAY_SIZE(ends); i++) {
		record.sample.native_end = ends[i].end;
		expect_mark(ends[i].outcome, us);
	}
}

/* Our own function as the leaf, with a stack that leads nowhere. */
static void test_native_frames(void **state)
{
	struct profile *p;
	uint64_t pc = (uintptr_t)test_native_frames;

	window_start(&window, "cpu", 1);
	make_record();
	record.sample.entries = record.sample.native_entries = 1;
	record.entries[0] =
		(struct unwind_entry){.address = pc, .tag = UNWIND_NATIVE | UNWIND_EXACT};
	record.sample.kernel_frames = 0;
	record.sample.native_end = UNWIND_NATIVE_BAD_FP;
	assert_int_equal(add(us).outcome, OUTCOME_NO_FRAME_POINTER);
	p = window_take(&window);
	assert_string_equal(stack_text(p, &p->samples.data[0]),
			    "cut: no frame pointer:4;test_native_frames:1");
	profile_free(p);
}

/* Two of our functions, one of them twice, are sampled while our file is being read: they have
 * their names when the window is taken after that, and keep their addresses when it is taken
 * before.
 */
static void test_names_that_come_late(void **state)
{
	const uint64_t pcs[] = {(uintptr_t)test_native_frames, (uintptr_t)setup,
				(uintptr_t)test_native_frames};
	struct symbolizer *usual = window.symbolizer;

	make_record();
	record.sample.entries = record.sample.native_entries = 1;
	record.sample.kernel_frames = 0;
	record.sample.native_end = UNWIND_NATIVE_BAD_FP;
	for (int wait = 0; wait < 2; wait++) {
		assert_int_equal(symbolizer_new(1 << 20, &window.symbolizer, NULL), 0);
		symbolizer_set_loader(window.symbolizer, 1);
		window_start(&window, "cpu", 1);
		for (size_t i = 0; i < ARRAY_SIZE(pcs); i++) {
			record.entries[0] = (struct unwind_entry){
				.address = pcs[i], .tag = UNWIND_NATIVE | UNWIND_EXACT};
			add(us);
		}
		while (wait && window_name_late(&window))
			symbolizer_wait(window.symbolizer, NSEC_PER_SEC);
		struct profile *p = window_take(&window);

		assert_int_equal(p->samples.len, 2);
		assert_int_equal(p->samples.data[0].count, 2);
		if (wait) {
			assert_string_equal(stack_text(p, &p->samples.data[0]),
					    "cut: no frame pointer:4;test_native_frames:1");
			assert_string_equal(stack_text(p, &p->samples.data[1]),
					    "cut: no frame pointer:4;setup:1");
		}
		for (size_t i = 0; i < p->samples.len; i++) {
			uint32_t stack = p->samples.data[i].stack;
			const struct profile_frame *f =
				&p->frames.data[p->stacks.data[stack].frame];

			/* A number that only kept the place is not shown as a line. */
			assert_true(*profile_text(p, p->functions.data[f->function].name) ||
				    (f->address && !f->line));
		}
		profile_free(p);
		symbolizer_free(window.symbolizer);
	}
	window.symbolizer = usual;
}

/* To find the lines of our functions takes longer than a slice: they come with later ones. */
static void test_lines_that_come_late(void **state)
{
	struct symbolizer *usual = window.symbolizer;
	int slices = 0;

	make_record();
	record.sample.entries = record.sample.native_entries = 1;
	record.sample.kernel_frames = 0;
	record.sample.native_end = UNWIND_NATIVE_BAD_FP;
	record.entries[0] = (struct unwind_entry){.address = (uintptr_t)test_native_frames,
						  .tag = UNWIND_NATIVE | UNWIND_EXACT};
	assert_int_equal(symbolizer_new(1 << 20, &window.symbolizer, NULL), 0);
	debug_pool_set_work(window.symbolizer->debug, INT64_MAX, 1, INT64_MAX / 2);
	symbolizer_slice(window.symbolizer);
	window_start(&window, "cpu", 1);
	add(us);
	for (; window_name_late(&window); slices++)
		symbolizer_slice(window.symbolizer);
	struct profile *p = window_take(&window);
	const struct profile_frame *f =
		&p->frames.data[p->stacks.data[p->samples.data[0].stack].frame];

	assert_true(slices > 0);
	assert_true(f->line > 0);
	assert_non_null(
		strstr(profile_text(p, p->functions.data[f->function].file), "test_window.c"));
	assert_string_equal(stack_text(p, &p->samples.data[0]),
			    "cut: no frame pointer:4;test_native_frames:1");
	profile_free(p);
	symbolizer_free(window.symbolizer);
	window.symbolizer = usual;
}

/* A Python whose version we do not know, one that was found too late, one that is gone. */
static void test_python_outcomes(void **state)
{
	make_record();
	record.sample.entries = record.sample.native_entries = 1;
	record.entries[0].address = (uintptr_t)test_python_outcomes;
	record.entries[0].tag = UNWIND_NATIVE | UNWIND_EXACT;
	record.sample.native_end = UNWIND_NATIVE_BAD_FP;
	record.sample.flags = PROBE_PYTHON;
	record.sample.python_end = UNWIND_PYTHON_LAYOUT;
	expect_mark(OUTCOME_PYTHON_UNKNOWN, us);
	record.sample.python_end = UNWIND_PYTHON_UNREAD;
	expect_mark(OUTCOME_PYTHON_BAD_READ, us);
	record.sample.python_end = UNWIND_PYTHON_DEEP;
	expect_mark(OUTCOME_TOO_DEEP, us);
	record.sample.python_end = UNWIND_PYTHON_NONE;
	record.sample.flags = 0;
	us->has_python = true;
	expect_mark(OUTCOME_NOT_LOADED, us);
	us->has_python = false;
}

/* What is known of a stack holds for the same one only: how it ends and whose it is are parts of
 * it, and labels are not. */
static void test_python_again(void **state)
{
	struct window_facts facts = {.thread = "one"};
	const struct native_stack none = {.end = UNWIND_NATIVE_COMPLETE};
	struct window_result r;
	struct profile *p;

	window_start(&window, "cpu", 1);
	make_record();
	record.sample.entries = record.sample.kernel_frames = 0;
	record.sample.flags = PROBE_PYTHON;
	record.sample.native_end = UNWIND_NATIVE_COMPLETE;
	record.sample.python_end = UNWIND_PYTHON_COMPLETE;
	for (int i = 0; i < 2; i++) {
		window_add(&window, &record.sample, &none, us, &facts, &r);
		assert_int_equal(r.outcome, OUTCOME_COMPLETE);
	}
	facts.thread = "two";
	window_add(&window, &record.sample, &none, us, &facts, &r);
	record.sample.python_end = UNWIND_PYTHON_TORN;
	for (int i = 0; i < 2; i++) {
		window_add(&window, &record.sample, &none, us, &facts, &r);
		assert_int_equal(r.outcome, OUTCOME_PYTHON_TORN);
	}
	facts.collects = true;
	window_add(&window, &record.sample, &none, us, &facts, &r);
	p = window_take(&window);
	assert_int_equal(p->samples.len, 4);
	assert_int_equal(p->samples.data[0].count, 2);
	assert_string_equal(profile_label_value(p, p->samples.data[0].labels, "thread"), "one");
	assert_int_equal(p->samples.data[1].stack, p->samples.data[0].stack);
	assert_string_equal(profile_label_value(p, p->samples.data[1].labels, "thread"), "two");
	assert_int_equal(p->samples.data[2].count, 2);
	assert_true(p->samples.data[2].stack != p->samples.data[0].stack);
	assert_true(p->samples.data[3].stack != p->samples.data[2].stack);
	profile_free(p);
	/* Numbers of one profile mean nothing in the next. */
	window_start(&window, "cpu", 1);
	window_add(&window, &record.sample, &none, us, &facts, &r);
	p = window_take(&window);
	assert_string_equal(profile_label_value(p, p->samples.data[0].labels, "thread"), "two");
	profile_free(p);
}

/* Of frames that changed while they were read the inner ones are missing. */
static void test_python_torn(void **state)
{
	make_record();
	record.sample.entries = record.sample.native_entries = 0;
	record.sample.flags = PROBE_PYTHON;
	record.sample.python_end = UNWIND_PYTHON_TORN;
	expect_mark(OUTCOME_PYTHON_TORN, us);
}

/* Python frames whose names cannot be read are one mark in their place. */
static void test_python_without_names(void **state)
{
	struct profile *p;

	make_record();
	us->has_python = true;
	us->python.version = 0x030b07f0;
	window_start(&window, "cpu", 1);
	record.sample.entries = 3;
	record.sample.native_entries = 1;
	record.sample.kernel_frames = 0;
	record.sample.flags = PROBE_PYTHON;
	record.sample.python_end = UNWIND_PYTHON_COMPLETE;
	record.entries[0].address = (uintptr_t)test_python_outcomes;
	record.entries[0].tag = UNWIND_NATIVE | UNWIND_EXACT;
	record.sample.native_end = UNWIND_NATIVE_BAD_FP;
	record.entries[1] = (struct unwind_entry){.address = 4096, .tag = UNWIND_PYTHON};
	record.entries[2] = (struct unwind_entry){.address = 8192, .tag = UNWIND_PYTHON_LAST};
	assert_int_equal(add(us).outcome, OUTCOME_PYTHON_BAD_READ);
	p = window_take(&window);
	assert_string_equal(stack_text(p, &p->samples.data[0]),
			    "cut: Python frame could not be read:4;cut: no frame pointer:4;"
			    "test_python_outcomes:1");
	profile_free(p);
	us->has_python = false;
}

/* Native frames are complete, but none of them is the interpreter's loop: the sample is not. */
static void test_python_apart(void **state)
{
	struct profile *p;

	make_record();
	us->has_python = true;
	us->python.version = 0x030e06f0;
	window_start(&window, "cpu", 1);
	record.sample.entries = 3;
	record.sample.native_entries = 2;
	record.sample.kernel_frames = 0;
	record.sample.flags = PROBE_PYTHON;
	record.sample.python_end = UNWIND_PYTHON_COMPLETE;
	record.entries[0].address = (uintptr_t)test_python_apart;
	record.entries[0].tag = UNWIND_NATIVE | UNWIND_EXACT;
	record.entries[1] = record.entries[0];
	record.sample.native_end = UNWIND_NATIVE_COMPLETE;
	record.entries[2] = (struct unwind_entry){.address = 4096, .tag = UNWIND_PYTHON};
	/* Its name cannot be read, which is said first. */
	assert_int_equal(add(us).outcome, OUTCOME_PYTHON_BAD_READ);
	p = window_take(&window);
	assert_string_equal(stack_text(p, &p->samples.data[0]),
			    "cut: Python frame could not be read:4;cut: native frames of the "
			    "Python interpreter not recognised:4;test_python_apart:1");
	profile_free(p);
	us->has_python = false;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_kernel_thread),
		cmocka_unit_test(test_one_begins_where_the_last_ended),
		cmocka_unit_test(test_remarks),
		cmocka_unit_test(test_hostile_names),
		cmocka_unit_test(test_labels_of_a_goroutine),
		cmocka_unit_test(test_cut_stacks_say_why),
		cmocka_unit_test(test_native_frames),
		cmocka_unit_test(test_names_that_come_late),
		cmocka_unit_test(test_lines_that_come_late),
		cmocka_unit_test(test_python_outcomes),
		cmocka_unit_test(test_python_again),
		cmocka_unit_test(test_python_torn),
		cmocka_unit_test(test_python_without_names),
		cmocka_unit_test(test_python_apart),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
