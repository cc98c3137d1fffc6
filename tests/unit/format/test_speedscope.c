/* Speedscope's files: what we write, and what others write in either of its ways. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "dump.h"
#include "format/format.h"

/* JSON with ' for ". */
static char *json(const char *text)
{
	char *s = mem_strdup(text);

	for (char *p = s; *p; p++)
		if (*p == '\'')
			*p = '"';
	return s;
}

static void expect_read(const char *text, size_t n, const char *want)
{
	cleanup_free char *s = json(text), *all = NULL;
	cleanup(profile_vec_fini) profile_vec v = {};
	struct err e = {};

	if (format_speedscope.read(s, strlen(s), &v, &e) < 0)
		fail_msg("%s", e.msg);
	assert_int_equal(v.len, n);
	for (size_t i = 0; i < n; i++) {
		cleanup_free char *one = dump_profile(v.data[i]), *before = all;

		all = mem_asprintf("%s%s", before ? before : "", one);
	}
	assert_string_equal(all, want);
}

#define FRAMES                                                                                     \
	"'shared':{'frames':[{'name':'main','file':'a.py','line':3},"                              \
	"{'name':'read_[k]','col':4},{'name':'zip','file':'libz.so.1'},"                           \
	"{'name':'[cut: too deep]'},{'name':'libz.so.1+0x1f'},"                                    \
	"{'name':'sort','file':'sort.c','line':7}]}"
#define SCHEMA "'$schema':'https://www.speedscope.app/file-format-schema.json'"
#define MAIN   "; 3 main [a.py @0 in ] line 3 at 0x0"
#define READ   "; 2 read [ @0 in ] line 0 at 0x0"
#define ZIP    "; 1 zip [ @0 in libz.so.1] line 0 at 0x0"
#define SORT   "; 1 sort [sort.c @0 in ] line 7 at 0x0"

static void test_write(void **state)
{
	cleanup_profile struct profile *p = dump_sample_profile("cpu", "nanoseconds", 10);
	cleanup_free char *want =
		json("{" SCHEMA ",'exporter':'glim " GLIM_VERSION "','shared':{'frames':["
		     "{'name':'main','file':'/srv/app.py','line':14},"
		     "{'name':'h\xc3\xa4ndle','file':'/srv/app.py','line':22},"
		     "{'name':'_PyEval_EvalFrameDefault','file':'libpython3.11.so.1.0'},"
		     "{'name':'libc.so.6+0x12af'},{'name':'do_syscall_64_[k]'},"
		     "{'name':'[cut: too deep]'}]},'profiles':["
		     "{'type':'sampled','name':'python3 (4711) Main Thread','unit':'nanoseconds',"
		     "'startValue':0,'endValue':12375,'samples':[[0,1],[0,1,2,3,4]],"
		     "'weights':[12345,30],'glim':{'type':'cpu','period':10,"
		     "'labels':{'process':'python3','pid':'4711','thread':'Main Thread'},"
		     "'counts':[1,3]}},"
		     "{'type':'sampled','name':'python3 (4711)','unit':'nanoseconds',"
		     "'startValue':0,'endValue':20,'samples':[[5,2]],'weights':[20],"
		     "'glim':{'type':'cpu','period':10,'labels':{'process':'python3','pid':'4711'},"
		     "'counts':[2]}}]}\n");
	cleanup_buf struct buf b = {};

	assert_int_equal(format_speedscope.write(p, &b, NULL), 0);
	assert_string_equal(buf_cstr(&b), want);
}

/* Samples of one thread that other labels part are one to the viewer. */
static void test_write_adds_up(void **state)
{
	cleanup_profile struct profile *p = profile_new("inuse", "bytes", 0);
	cleanup_buf struct buf b = {};
	uint32_t f = dump_frame(p, "</script>", "", "", 0, 0, 0, FRAME_NATIVE);
	uint32_t stack = profile_stack(p, 0, f);

	profile_add(p, stack, dump_label(p, "span", "a"), 1, 5);
	profile_add(p, stack, dump_label(p, "span", "b"), 2, 6);
	profile_add(p, 0, 0, 1, 3);
	assert_int_equal(format_speedscope.write(p, &b, NULL), 0);
	assert_non_null(strstr(buf_cstr(&b), "\"name\":\"\\u003c/script\\u003e\""));
	assert_non_null(strstr(buf_cstr(&b), "\"unit\":\"bytes\",\"startValue\":0,\"endValue\":14,"
					     "\"samples\":[[],[0]],\"weights\":[3,11]"));
}

static void test_write_nothing(void **state)
{
	cleanup_profile struct profile *p = profile_new("cpu", "count", 1);
	cleanup_buf struct buf b = {};
	cleanup(profile_vec_fini) profile_vec v = {};

	assert_int_equal(format_speedscope.write(p, &b, NULL), 0);
	assert_int_equal(format_speedscope.read(b.data, b.len, &v, NULL), 0);
	assert_int_equal(v.len, 1);
	assert_int_equal(v.data[0]->samples.len, 0);
}

static void test_round_trip(void **state)
{
	cleanup_profile struct profile *p = dump_sample_profile("offcpu", "nanoseconds", 10);
	cleanup(profile_vec_fini) profile_vec v = {};
	cleanup_buf struct buf b = {}, before = {}, after = {};

	assert_int_equal(format_speedscope.write(p, &b, NULL), 0);
	assert_ptr_equal(format_detect(b.data, b.len), &format_speedscope);
	assert_int_equal(format_speedscope.read(b.data, b.len, &v, NULL), 0);
	assert_int_equal(v.len, 1);
	assert_string_equal(v.data[0]->type, "offcpu");
	assert_int_equal(v.data[0]->period, 10);
	/* The sample without a value is not in the file, all others are, with their counts. */
	assert_int_equal(profile_total_value(v.data[0]), profile_total_value(p));
	format_folded.write(v.data[0], &after, NULL);
	profile_add(p, 0, 0, -5, 0);
	format_folded.write(p, &before, NULL);
	assert_string_equal(buf_cstr(&after), buf_cstr(&before));
	const char *thread =
		profile_label_value(v.data[0], v.data[0]->samples.data[0].labels, "thread");

	assert_string_equal(thread, "Main Thread");
}

/* As py-spy and others write: seconds, one profile a thread, the frames behind the profiles. */
static void test_read_sampled(void **state)
{
	expect_read("{'profiles':[{'name':'Thread 7','weights':[0.01,0.02,0.5],'samples':[[0,1],"
		    "[0,2],[0,1]],'endValue':3,'startValue':0,'type':'sampled','unit':'seconds'},"
		    "{'type':'sampled','name':'Thread 8','unit':'milliseconds','startValue':0,"
		    "'endValue':1,'samples':[[3,4],[5]],'weights':[1,2.5]}],"
		    "'other':[{}],'exporter':'x@1'," FRAMES "," SCHEMA "}",
		    1,
		    "cpu nanoseconds period 0 time 0 + 0 id \n"
		    "thread=Thread 7 " MAIN ZIP " | 1 20000000\n"
		    "thread=Thread 7 " MAIN READ " | 2 510000000\n"
		    "thread=Thread 8 " SORT " | 1 2500000\n"
		    "thread=Thread 8 ; 4 cut: too deep [ @0 in ] line 0 at 0x0"
		    "; 1  [ @0 in libz.so.1] line 0 at 0x1f | 1 1000000\n");
}

/* No unit: counts. Bytes are another profile. */
static void test_read_units(void **state)
{
	expect_read("{" SCHEMA "," FRAMES ",'profiles':[{'type':'sampled','name':'','unit':'none',"
		    "'samples':[[0],[]],'weights':[3,4],'startValue':0,'endValue':7},"
		    "{'type':'sampled','name':'','unit':'bytes','samples':[[0]],'weights':[9],"
		    "'startValue':0,'endValue':9}]}",
		    2,
		    "cpu count period 1 time 0 + 0 id \n"
		    " | 4 4\n" MAIN " | 3 3\n"
		    "alloc bytes period 0 time 0 + 0 id \n" MAIN " | 1 9\n");
}

static void test_read_evented(void **state)
{
	expect_read("{" SCHEMA "," FRAMES ",'profiles':[{'type':'evented','name':'t','unit':"
		    "'microseconds','startValue':10,'endValue':100,'events':["
		    "{'type':'O','frame':0,'at':10},{'type':'O','frame':1,'at':20},"
		    "{'type':'C','frame':1,'at':50},{'at':60,'frame':2,'type':'O'},"
		    "{'type':'C','frame':2,'at':60.5},{'type':'C','frame':0,'at':70},"
		    "{'type':'O','frame':0,'at':80},{'type':'C','frame':0,'at':81}]}]}",
		    1,
		    "cpu nanoseconds period 0 time 0 + 0 id \n"
		    "thread=t " MAIN " | 4 30500\n"
		    "thread=t " MAIN ZIP " | 1 500\n"
		    "thread=t " MAIN READ " | 1 30000\n");
}

static void test_read_refuses(void **state)
{
	static const struct {
		const char *profile, *reason;
	} cases[] = {
		{"1", "expected an object"},
		{"{}", "neither sampled nor evented"},
		{"{'type':'sampled','samples':[[6]],'weights':[1]}", "a frame that is not there"},
		{"{'type':'sampled','samples':[[-1]],'weights':[1]}", "a frame that is not there"},
		{"{'type':'sampled','samples':[[0.5]],'weights':[1]}", "a frame that is not there"},
		{"{'type':'sampled','samples':[[0]],'weights':[1,2]}", "not as many weights"},
		{"{'type':'sampled','samples':[[0]],'weights':[-1]}", "negative"},
		{"{'type':'sampled','samples':[0],'weights':[1]}", "expected an array"},
		{"{'type':'sampled','samples':[[0]],'weights':[1],'glim':{'counts':[1,2]}}",
		 "not as many counts"},
		{"{'type':'evented','events':[{'type':'O','frame':0}]}",
		 "its type, frame and time"},
		{"{'type':'evented','events':[{'type':'X','frame':0,'at':0}]}", "its type"},
		{"{'type':'evented','events':[{'type':'C','frame':0,'at':0}]}", "not open"},
		{"{'type':'evented','events':[{'type':'O','frame':0,'at':5},"
		 "{'type':'C','frame':0,'at':4}]}",
		 "lies before"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		cleanup_free char *text =
			mem_asprintf("{" FRAMES ",'profiles':[%s]}", cases[i].profile);
		cleanup_free char *s = json(text);
		cleanup(profile_vec_fini) profile_vec v = {};
		struct err e = {};

		assert_int_equal(format_speedscope.read(s, strlen(s), &v, &e), -EBADMSG);
		assert_int_equal(v.len, 0);
		if (!strstr(e.msg, cases[i].reason))
			fail_msg("%s: %s", cases[i].profile, e.msg);
	}
	cleanup(profile_vec_fini) profile_vec v = {};

	assert_int_equal(format_speedscope.read("{}", 2, &v, NULL), -EBADMSG);
}

/* No beginning of a file is a file, and none makes a profile. */
static void test_cut_files(void **state)
{
	cleanup_profile struct profile *p = dump_sample_profile("cpu", "nanoseconds", 10);
	cleanup_buf struct buf b = {};

	assert_int_equal(format_speedscope.write(p, &b, NULL), 0);
	for (size_t n = 0; n < b.len - 2; n++) {
		cleanup(profile_vec_fini) profile_vec v = {};

		assert_int_equal(format_speedscope.read(b.data, n, &v, NULL), -EBADMSG);
		assert_int_equal(v.len, 0);
	}
}

/* Of a stack that is too deep the leaf side stays, in both ways of writing it. */
static void test_read_deep(void **state)
{
	cleanup_buf struct buf b = {};
	cleanup(profile_vec_fini) profile_vec v = {};

	buf_puts(&b, "{\"shared\":{\"frames\":[{\"name\":\"a\"},{\"name\":\"leaf\"}]},"
		     "\"profiles\":[{\"type\":\"sampled\",\"weights\":[1],\"samples\":[[");
	for (int i = 0; i < 3000; i++)
		buf_puts(&b, "0,");
	buf_puts(&b, "1]]},{\"type\":\"evented\",\"events\":[");
	for (int i = 0; i < 3000; i++)
		buf_puts(&b, "{\"type\":\"O\",\"frame\":0,\"at\":0},");
	buf_puts(&b,
		 "{\"type\":\"O\",\"frame\":1,\"at\":0},{\"type\":\"C\",\"frame\":1,\"at\":2}]}]}");
	assert_int_equal(format_speedscope.read(b.data, b.len, &v, NULL), 0);
	const struct profile *p = v.data[0];
	uint32_t frames[FORMAT_MAX_DEPTH + 1];

	/* One and the same stack: 1024 frames under a mark. */
	assert_int_equal(p->samples.len, 1);
	assert_int_equal(p->samples.data[0].value, 3);
	assert_int_equal(profile_unroll(p, p->samples.data[0].stack, frames, ARRAY_SIZE(frames)),
			 FORMAT_MAX_DEPTH + 1);
	b.len = 0;
	profile_put_frame_name(p, frames[0], &b);
	assert_string_equal(buf_cstr(&b), "leaf");
	assert_int_equal(frames[FORMAT_MAX_DEPTH], profile_mark(v.data[0], OUTCOME_TOO_DEEP));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_write),	      cmocka_unit_test(test_write_adds_up),
		cmocka_unit_test(test_write_nothing), cmocka_unit_test(test_round_trip),
		cmocka_unit_test(test_read_sampled),  cmocka_unit_test(test_read_units),
		cmocka_unit_test(test_read_evented),  cmocka_unit_test(test_read_refuses),
		cmocka_unit_test(test_cut_files),     cmocka_unit_test(test_read_deep),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
