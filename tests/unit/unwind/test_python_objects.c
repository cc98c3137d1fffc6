/* Objects of running interpreters, as we write them and as they write themselves; attributes; names
 * of threads. Then objects that lie: over a memory made of bytes. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "process/process.h"
#include "pythons.h"
#include "unwind/python/repr.h"
#include "unwind/python/thread_names.h"
#include "unwind/unwind.h"

static const char *script;

static const struct python_repr_limits limits = {
	.characters = 128, .elements = 20, .depth = 4, .bytes = 4096};

struct session {
	struct child child;
	struct memory memory;
	struct python_objects objects;
	struct python_thread_names names;
	bool ready;
	size_t told[3];
};

/* False where its objects are not known. */
static bool attach(struct session *s)
{
	struct runtimes *r = runtimes_new();
	struct process p;
	struct python py;
	uint64_t interpreter;

	s->memory = memory_of_process(s->child.pid);
	assert_int_equal(process_read(s->child.pid, &p, NULL), 0);
	assert_int_equal(runtimes_find_python(r, &p, &s->memory, &py), 1);
	assert_int_equal(python_objects_init(&s->objects, &s->memory, py.version), 0);
	process_fini(&p);
	runtimes_free(r);
	if (py.process.layout.free_threaded)
		return false;
	assert_int_equal(memory_read(&s->memory, py.process.interpreters, &interpreter, 8), 0);
	/* Twice: the second time the place of the table is known. */
	for (int i = 0; i < 2; i++) {
		python_thread_names_clear(&s->names);
		assert_int_equal(python_thread_names_read(&s->names, &s->objects, interpreter), 0);
		assert_int_equal(s->names.all.len, 4);
	}
	return true;
}

static void take_line(struct session *s, const char *text)
{
	static char hex[40000], want[20000];
	unsigned long address, value;
	uint64_t found = 0;

	if (sscanf(text, "object %lu %39999s", &address, hex) == 2) {
		cleanup_buf struct buf got = {};

		unhex(hex, want, sizeof(want));
		python_repr(&s->objects, address, &limits, &got);
		assert_string_equal(buf_cstr(&got), want);
		s->told[0]++;
	} else if (sscanf(text, "attribute %lu %127s %lu", &address, hex, &value) == 3) {
		assert_int_equal(python_attribute(&s->objects, address, hex, &found),
				 value ? 0 : -ENOENT);
		assert_int_equal(found, value);
		s->told[1]++;
	} else if (sscanf(text, "thread %lu %1023s", &address, hex) == 2) {
		unhex(hex, want, sizeof(want));
		assert_string_equal(python_thread_names_find(&s->names, address), want);
		s->told[2]++;
	}
}

static void one_python(const char *python)
{
	struct session s = {};
	static char text[65536], lines[1 << 18];
	size_t len = 0;

	start(python, script, &s.child);
	/* All is said before we look: what was told of stays as it is. */
	while (fgets(text, sizeof(text), s.child.out) && strcmp(text, "ready\n")) {
		assert_true(len + strlen(text) < sizeof(lines));
		len += (size_t)sprintf(lines + len, "%s", text);
	}
	if (!attach(&s)) {
		printf("%s: version %x, without a GIL: its objects are not known\n", python,
		       s.objects.version);
		stop(&s.child);
		return;
	}
	for (char *line = strtok(lines, "\n"); line; line = strtok(NULL, "\n"))
		take_line(&s, line);
	printf("%s: version %x, %zu objects, %zu attributes, %zu threads\n", python,
	       s.objects.version, s.told[0], s.told[1], s.told[2]);
	assert_true(s.told[0] > 70 && s.told[1] > 10 && s.told[2] == 4);
	python_thread_names_fini(&s.names);
	stop(&s.child);
}

static void test_all(void **state)
{
	each_python(one_python);
}

/* ---- objects that lie ---- */

enum { FAKE_BASE = 0x10000, FAKE_SIZE = 0x4000, FAKE_TYPE = FAKE_BASE + 0x100 };
struct fake {
	struct memory memory;
	uint8_t bytes[FAKE_SIZE];
	struct python_objects objects;
};

static int fake_read(const struct memory *m, uint64_t address, void *buf, size_t n)
{
	const struct fake *f = (const struct fake *)m;

	if (address < FAKE_BASE || n > FAKE_SIZE || address - FAKE_BASE > FAKE_SIZE - n)
		return -EFAULT;
	memcpy(buf, f->bytes + (address - FAKE_BASE), n);
	return 0;
}

static void put(struct fake *f, uint64_t address, uint64_t v)
{
	memcpy(f->bytes + (address - FAKE_BASE), &v, sizeof(v));
}

static void fake_init(struct fake *f, uint32_t version)
{
	*f = (struct fake){.memory.read = fake_read};
	assert_int_equal(python_objects_init(&f->objects, &f->memory, version), 0);
}

/* An object of a type of this name and these flags; returns its address. */
static uint64_t fake_object(struct fake *f, const char *type, uint64_t flags)
{
	uint64_t object = FAKE_BASE + 0x1000;

	strcpy((char *)f->bytes + 0x20, type);
	put(f, FAKE_TYPE + 24, FAKE_BASE + 0x20);
	put(f, FAKE_TYPE + 168, flags | 1 << 12);
	put(f, object + 8, FAKE_TYPE);
	return object;
}

static void assert_written(const struct fake *f, uint64_t address, const char *want)
{
	cleanup_buf struct buf got = {};

	python_repr(&f->objects, address, &limits, &got);
	assert_string_equal(buf_cstr(&got), want);
}

static const uint32_t versions[] = {0x03080000, 0x03090000, 0x030a0000,
				    0x030b0000, 0x030c0000, 0x030d0000};

static void test_versions(void **state)
{
	struct python_objects o;

	assert_int_equal(python_objects_init(&o, NULL, 0), -ENOTSUP);
	assert_int_equal(python_objects_init(&o, NULL, 0x03ff0000), -ENOTSUP);
}

static void test_no_objects(void **state)
{
	static struct fake f;
	struct python_object object;

	fake_init(&f, 0x030c0000);
	assert_written(&f, 0, "<unreadable>");
	assert_written(&f, FAKE_BASE + 1, "<unreadable>");
	assert_written(&f, FAKE_BASE + FAKE_SIZE - 8, "<unreadable>");
	assert_written(&f, UINT64_MAX - 7, "<unreadable>");
	/* A type that was never made ready. */
	put(&f, FAKE_BASE + 0x1008, FAKE_TYPE);
	assert_int_equal(python_object_read(&f.objects, FAKE_BASE + 0x1000, &object), -EINVAL);
	/* Its name holds what a terminal must not see, and has no end. */
	memset(f.bytes + 0x20, 0x1b, 0x90);
	put(&f, FAKE_TYPE + 24, FAKE_BASE + 0x20);
	put(&f, FAKE_TYPE + 168, 1 << 12);
	assert_int_equal(python_object_read(&f.objects, FAKE_BASE + 0x1000, &object), 0);
	assert_int_equal(strlen(object.name), PYTHON_TYPE_NAME - 1);
	cleanup_buf struct buf got = {};
	python_repr(&f.objects, FAKE_BASE + 0x1000, &limits, &got);
	assert_null(memchr(got.data, 0x1b, got.len));
}

/* Sizes that no object has, in every version. */
static void test_sizes(void **state)
{
	static const uint64_t sizes[] = {1ULL << 33, 1ULL << 40, INT64_MAX, 1ULL << 63,
					 UINT64_MAX - (1ULL << 40)};
	static const struct {
		const char *type;
		int bit;
	} types[] = {{"int", 24}, {"list", 25}, {"tuple", 26},
		     {"str", 28}, {"dict", 29}, {"set", 0}};
	static struct fake f;

	for (size_t v = 0; v < ARRAY_SIZE(versions); v++)
		for (size_t t = 0; t < ARRAY_SIZE(types); t++)
			for (size_t s = 0; s < ARRAY_SIZE(sizes); s++) {
				uint64_t object;

				fake_init(&f, versions[v]);
				object = fake_object(&f, types[t].type,
						     types[t].bit ? 1ULL << types[t].bit : 0);
				for (uint64_t at = 16; at < 128; at += 8)
					put(&f, object + at, sizes[s]);
				assert_written(&f, object, "<unreadable>");
			}
}

/* A list whose only element is a list whose only element ... each of them another. */
static void test_deep(void **state)
{
	static struct fake f;
	uint64_t object;

	fake_init(&f, 0x030b0000);
	object = fake_object(&f, "list", 1 << 25);
	for (uint64_t at = object; at < object + 0x2000; at += 0x40) {
		put(&f, at + 8, FAKE_TYPE);
		put(&f, at + 16, 1);
		put(&f, at + 24, at + 32);
		put(&f, at + 32, at + 0x40);
	}
	assert_written(&f, object, "[[[[...]]]]");
	/* One that has itself many times. */
	put(&f, object + 16, 15);
	put(&f, object + 24, object + 0x80);
	for (int i = 0; i < 15; i++)
		put(&f, object + 0x80 + i * 8, object);
	assert_written(&f, object,
		       "[..., ..., ..., ..., ..., ..., ..., ..., ..., ..., ..., ..., ..., ..., "
		       "...]");
}

/* What is written has a bound, however wide and deep the objects are. */
static void test_wide(void **state)
{
	static const struct python_repr_limits wide = {
		.characters = 128, .elements = 100, .depth = 8, .bytes = 1000};
	static struct fake f;
	cleanup_buf struct buf got = {};
	uint64_t object;

	fake_init(&f, 0x030b0000);
	object = fake_object(&f, "list", 1 << 25);
	/* Lists of 100 of the next list, ten times. */
	for (uint64_t i = 0; i < 10; i++) {
		uint64_t at = object + i * 0x400;

		put(&f, at + 8, FAKE_TYPE);
		put(&f, at + 16, 100);
		put(&f, at + 24, at + 64);
		for (uint64_t k = 0; k < 100; k++)
			put(&f, at + 64 + k * 8, at + 0x400);
	}
	python_repr(&f.objects, object, &wide, &got);
	assert_true(got.len > 500 && got.len < 1200);
}

static void test_secret_names(void **state)
{
	static const char *const yes[] = {"password",	   "PASSWD",	 "db_password",
					  "apiToken",	   "api_key",	 "X-Api-Key",
					  "client_secret", "set_cookie", "AWS_SECRET_ACCESS_KEY",
					  "private-key"};
	static const char *const no[] = {"key", "keys", "user", "path", "", "passes", "monkey"};

	for (size_t i = 0; i < ARRAY_SIZE(yes); i++)
		assert_true(python_secret_name(yes[i]));
	for (size_t i = 0; i < ARRAY_SIZE(no); i++)
		assert_false(python_secret_name(no[i]));
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_versions), cmocka_unit_test(test_no_objects),
		cmocka_unit_test(test_sizes),	 cmocka_unit_test(test_deep),
		cmocka_unit_test(test_wide),	 cmocka_unit_test(test_secret_names),
		cmocka_unit_test(test_all),
	};

	script = argc > 1 ? argv[1] : "objects.py";
	return cmocka_run_group_tests(tests, NULL, NULL);
}
