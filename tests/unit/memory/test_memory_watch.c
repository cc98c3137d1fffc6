/* Memory over time, of this process. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/io.h"
#include "memory/memory_watch.h"

enum { MIB = 1 << 20 };

static void it_sees_us_and_keeps_the_peak(void **state)
{
	char folder[] = "/tmp/glim-test-memory-XXXXXX";
	cleanup_free char *path = NULL;
	struct memory_watch w;
	int64_t before, peak = 0;
	size_t most = 0;
	volatile char *p;

	assert_non_null(mkdtemp(folder));
	path = mem_asprintf("%s/%d.0.mem", folder, (int)getpid());
	assert_int_equal(io_write_file(path, "", 0, 0600, NULL), 0);
	memory_watch_init(&w, folder, false);
	memory_watch_look(&w);
	assert_int_equal(w.points.len, 1);
	assert_int_equal(w.points.data[0].pid, getpid());
	assert_int_equal(w.points.data[0].allocated, -1);
	before = w.points.data[0].resident;
	assert_true(before > 0);
	p = mem_calloc(1, 32 * MIB);
	for (size_t i = 0; i < 32 * MIB; i += 4096)
		p[i] = 1;
	memory_watch_look(&w);
	free((void *)p);
	assert_true(w.points.data[1].resident >= before + 31 * MIB);
	/* More looks than there is room for: fewer points, and still that peak. */
	for (int i = 0; i < 20000; i++) {
		memory_watch_look(&w);
		most = MAX(most, w.points.len);
	}
	assert_true(most < 10000);
	assert_true(w.interval_ms > 10);
	for (size_t i = 0; i < w.points.len; i++)
		peak = MAX(peak, w.points.data[i].resident);
	assert_true(peak >= before + 31 * MIB);
	memory_watch_fini(&w);
	unlink(path);
	rmdir(folder);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(it_sees_us_and_keeps_the_peak)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
