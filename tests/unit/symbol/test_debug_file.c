/* Stripped programs that get their names back: debug files by build id and by link, and symbols
 * that are packed into the program. All made by the tools that distributions use. */
#include "target.h"

#include <fcntl.h>
#include <time.h>
#include <unistd.h>

#include "symbol/debug_file.h"
#include "symbol/mini_debug.h"

static const char *folder;
/* A folder of each test: stripped is the program below it, debug an empty debug folder. */
static char work[] = "/tmp/glim-debug-XXXXXX";
static char stripped[64], debug[64];

static int set_up(void **state)
{
	strcpy(work + sizeof(work) - 7, "XXXXXX");
	assert_non_null(mkdtemp(work));
	snprintf(stripped, sizeof(stripped), "%s/bin/app", work);
	snprintf(debug, sizeof(debug), "%s/debug", work);
	run("mkdir %s/bin %s", work, debug);
	return 0;
}

static int tear_down(void **state)
{
	run("rm -r %s", work);
	return 0;
}

/* Split names_NAME into the stripped program and WORK/app.debug. */
static void split(const char *name)
{
	run("objcopy --only-keep-debug %s/names_%s %s/app.debug", folder, name, work);
	run("strip -o %s %s/names_%s", stripped, folder, name);
}

/* The same without build ids: only the checksum can tell the right file. */
static void split_by_link(const char *name)
{
	run("objcopy --remove-section=.note.gnu.build-id %s/names_%s %s/whole", folder, name, work);
	run("objcopy --only-keep-debug %s/whole %s/app.debug", work, work);
	run("strip -o %s %s/whole", stripped, work);
	run("cd %s && objcopy --add-gnu-debuglink=app.debug %s", work, stripped);
}

static struct symbolizer *new_here(void)
{
	struct symbolizer *s = new_symbolizer(BOUND);

	symbolizer_set_debug_folder(s, debug);
	return s;
}

/* Start the program: has it all names, or none? */
static void expect(bool named)
{
	struct symbolizer *s = new_here();
	struct target t;

	target_start(stripped, &t);
	size_t files = open_files();

	/* One name, then the others, for which the files must be opened again. */
	assert_string_equal(ask(s, &t.process, t.truths.data[0].address).name,
			    named ? "plain_function" : "");
	symbolizer_trim(s);
	assert_int_equal(open_files(), files);
	if (named)
		check_names(s, &t, "app", false);
	symbolizer_trim(s);
	assert_int_equal(open_files(), files);
	symbolizer_free(s);
	target_end(&t);
}

/* Put the debug file where its build id says; returns its path. */
static char *install_by_build_id(const char *name)
{
	cleanup_free char *program = mem_asprintf("%s/names_%s", folder, name);
	char hex[BUILD_ID_HEX];
	struct build_id id;
	struct elf_file *f;

	assert_int_equal(elf_file_open(open(program, O_RDONLY | O_CLOEXEC), &f, NULL), 0);
	id.len = elf_file_build_id(f, id.bytes);
	elf_file_close(f);
	assert_int_equal(id.len, 20);
	build_id_hex(&id, hex);
	assert_int_equal(strlen(hex), 40);
	char *path = mem_asprintf("%s/.build-id/%.2s/%s.debug", debug, hex, hex + 2);

	run("install -D %s/app.debug %s", work, path);
	return path;
}

static void test_build_id(void **state)
{
	split("pie");
	expect(false);
	cleanup_free char *path = install_by_build_id("pie");

	expect(true);
	/* A debug file of another program, whatever its name says. */
	run("cp %s/names_nopie %s", folder, path);
	expect(false);
}

/* Is the program read by a thread, where that is done from 64 KiB on? It has its names either way.
 */
static void expect_thread(bool threaded)
{
	struct symbolizer *s = new_here();
	struct target t;
	struct symbol found;

	symbolizer_set_loader(s, 64 << 10);
	target_start(stripped, &t);
	found = ask(s, &t.process, t.truths.data[0].address);
	assert_int_equal(found.later, threaded);
	for (; found.later; found = ask(s, &t.process, t.truths.data[0].address))
		symbolizer_wait(s, NSEC_PER_SEC);
	assert_string_equal(found.name, "plain_function");
	symbolizer_free(s);
	target_end(&t);
}

/* A small program with a large debug file, or with one whose checksum is to be made. */
static void test_large_debug_file(void **state)
{
	split("pie");
	cleanup_free char *path = install_by_build_id("pie");

	expect_thread(false);
	run("truncate -s 1M %s", path);
	expect_thread(true);
	split_by_link("pie");
	run("cp %s/app.debug %s/bin/", work, work);
	expect_thread(true);
}

static void test_link(void **state)
{
	static const char *const places[] = {"bin", "bin/.debug"};

	split_by_link("pie");
	expect(false);
	for (size_t i = 0; i < ARRAY_SIZE(places); i++) {
		run("install -D %s/app.debug %s/%s/app.debug", work, work, places[i]);
		expect(true);
		run("rm %s/%s/app.debug", work, places[i]);
	}
	run("install -D %s/app.debug %s%s/bin/app.debug", work, debug, work);
	expect(true);
	/* Links on the way are followed; what is no file is not opened. */
	run("mv %s%s/bin/app.debug %s/elsewhere && ln -s %s/elsewhere %s%s/bin/app.debug", debug,
	    work, work, work, debug, work);
	expect(true);
	run("ln -sf %s %s%s/bin/app.debug", work, debug, work);
	expect(false);
	run("mkfifo %s/bin/app.debug", work);
	expect(false);
}

/* A debug file of another build has the name that the link says, and no build id to tell. */
static void test_wrong_checksum(void **state)
{
	split_by_link("pie");
	run("cp %s/app.debug %s/bin/ && printf x >>%s/bin/app.debug", work, work, work);
	expect(false);
	/* The right one, then another in its place while the program runs: no wrong names. */
	run("cp %s/app.debug %s/bin/", work, work);
	struct symbolizer *s = new_here();
	struct target t;

	target_start(stripped, &t);
	assert_string_equal(ask(s, &t.process, t.truths.data[0].address).name, "plain_function");
	symbolizer_trim(s);
	run("objcopy --only-keep-debug %s/names_nopie %s/bin/app.debug", folder, work);
	assert_string_equal(ask(s, &t.process, t.truths.data[2].address).name, "");
	symbolizer_free(s);
	target_end(&t);
}

/* With build ids the checksum does not matter: tools change debug files after the link was made. */
static void test_link_with_build_id(void **state)
{
	split("pie");
	run("cd %s && objcopy --add-gnu-debuglink=app.debug %s", work, stripped);
	run("cp %s/app.debug %s/bin/ && printf x >>%s/bin/app.debug", work, work, work);
	expect(true);
	run("objcopy --only-keep-debug %s/names_nopie %s/bin/app.debug", folder, work);
	expect(false);
}

/* A container has its own debug files; the host's serve where it has none. */
static void test_other_root(void **state)
{
	struct symbolizer *s = new_here();
	struct target t;

	split("static");
	run("mkdir -p %s/root/bin %s/root/tmp && cp %s %s/root/bin/app", work, work, stripped,
	    work);
	cleanup_free char *root = mem_asprintf("%s/root", work);
	cleanup_free char *path = install_by_build_id("static");

	target_start_below(root, "/bin/app", &t);
	check_names(s, &t, "app", false);
	target_end(&t);
	symbolizer_free(s);
	/* Theirs, by a path that means nothing here, through a link that leads nowhere here. */
	s = new_here();
	run("mkdir -p %s/root%s && mv %s/.build-id %s/root%s/apart", work, debug, debug, work,
	    debug);
	run("ln -s %s/apart %s/root%s/.build-id", debug, work, debug);
	target_start_below(root, "/bin/app", &t);
	check_names(s, &t, "app", false);
	target_end(&t);
	symbolizer_free(s);
}

/* A container cannot rename the functions of others: its debug files do not count for copies of its
 * programs elsewhere. */
static void test_lying_container(void **state)
{
	struct symbolizer *s = new_here();
	struct target inside, outside;

	split("static");
	run("mkdir -p %s/root/bin %s/root/tmp && cp %s %s/root/bin/app", work, work, stripped,
	    work);
	run("cd %s && objcopy --redefine-sym plain_function=lie app.debug", work);
	cleanup_free char *root = mem_asprintf("%s/root", work);
	cleanup_free char *path = install_by_build_id("static");

	run("mkdir -p %s/root%s && mv %s/.build-id %s/root%s/", work, debug, debug, work, debug);
	target_start_below(root, "/bin/app", &inside);
	target_start(stripped, &outside);
	uint64_t address = outside.truths.data[0].address;

	assert_string_equal(ask(s, &inside.process, address).name, "lie");
	assert_string_equal(ask(s, &outside.process, address).name, "");
	assert_string_equal(ask(s, &inside.process, address).name, "lie");
	target_end(&inside);
	target_end(&outside);
	symbolizer_free(s);
}

/* A debug file that somebody else left beside a program of root. */
static void test_owner(void **state)
{
	split("pie");
	cleanup_free char *path = install_by_build_id("pie");

	expect(true);
	if (geteuid())
		return; /* nobody but root gives files away */
	run("chown 12345 %s", path);
	expect(false);
	run("chown 12345 %s", stripped);
	expect(true);
}

/* Pack the functions of names_pie into the stripped program as Fedora does. */
static void pack(void)
{
	cleanup_free char *program = mem_asprintf("%s/names_pie", folder);

	split("pie");
	run("nm -D %s --format=posix --defined-only | awk '{print $1}' | sort >%s/dynamic", program,
	    work);
	run("nm %s --format=posix --defined-only | "
	    "awk '$2 == \"T\" || $2 == \"t\" || $2 == \"D\" {print $1}' | sort >%s/functions",
	    program, work);
	run("cd %s && comm -13 dynamic functions >keep && "
	    "objcopy -S --remove-section .comment --keep-symbols=keep app.debug mini && xz -k mini",
	    work);
	run("objcopy --add-section .gnu_debugdata=%s/mini.xz %s", work, stripped);
}

static void test_mini_debug(void **state)
{
	struct symbolizer *s = new_here();
	struct symbolizer_stats st;
	struct target t;
	size_t found = 0;

	pack();
	target_start(stripped, &t);
	for (int round = 0; round < 2; round++) {
		for (size_t i = 0; i < t.truths.len; i++) {
			const struct truth *truth = &t.truths.data[i];

			if (strstr("plain_function static_function quiet asm_sized main",
				   truth->name) &&
			    *truth->name) {
				assert_string_equal(ask(s, &t.process, truth->address).name,
						    truth->name);
				found++;
			}
		}
		symbolizer_trim(s);
	}
	assert_true(found >= 14);
	/* What was unpacked counts as memory. */
	symbolizer_stats(s, &st);
	assert_true(st.bytes > st.symbols * 12 + 1000);
	symbolizer_free(s);
	target_end(&t);
}

struct asked {
	size_t count;
	char hex[BUILD_ID_HEX];
};

static void on_asked(void *arg, const struct build_id *id)
{
	struct asked *a = arg;

	a->count++;
	build_id_hex(id, a->hex);
}

/* The debug file comes from elsewhere, while the program runs. */
static void test_fetched(void **state)
{
	struct symbolizer *s = new_here();
	struct symbolizer_stats st;
	struct asked asked = {};
	struct target t;

	split("pie");
	cleanup_free char *fetched = mem_asprintf("%s/fetched", work);

	symbolizer_set_fetch(s, fetched, on_asked, &asked);
	target_start(stripped, &t);
	for (int i = 0; i < 3; i++) {
		assert_string_equal(ask(s, &t.process, t.truths.data[0].address).name, "");
		symbolizer_trim(s);
		assert_int_equal(asked.count, 1);
	}
	symbolizer_stats(s, &st);
	assert_int_equal(st.stripped, 1);
	assert_int_equal(st.awaited, 1);
	/* Nobody had it; then somebody does. */
	run("mkdir -p %s/%s && : >%s/%s/debuginfo", fetched, asked.hex, fetched, asked.hex);
	symbolizer_trim(s);
	assert_string_equal(ask(s, &t.process, t.truths.data[0].address).name, "");
	run("cp %s/app.debug %s/%s/debuginfo", work, fetched, asked.hex);
	symbolizer_trim(s);
	check_names(s, &t, "app", false);
	symbolizer_stats(s, &st);
	assert_int_equal(st.stripped, 0);
	assert_int_equal(st.awaited, 0);
	symbolizer_free(s);
	/* The next run has it at once. */
	s = new_here();
	symbolizer_set_fetch(s, fetched, on_asked, &asked);
	check_names(s, &t, "app", false);
	assert_int_equal(asked.count, 1);
	symbolizer_free(s);
	target_end(&t);
}

static void expect_refused(int code, size_t max)
{
	struct elf_file *f, *mini;

	assert_int_equal(elf_file_open(open(stripped, O_RDONLY | O_CLOEXEC), &f, NULL), 0);
	assert_int_equal(mini_debug_open(f, max, &mini), code);
	elf_file_close(f);
}

static void test_damaged_mini_debug(void **state)
{
	size_t files = open_files();

	split("pie");
	expect_refused(-ENOENT, 1 << 20);
	pack();
	expect_refused(-EFBIG, 1000);
	/* A few kilobytes that stand for many megabytes. */
	run("head -c 64M /dev/zero | xz -T1 >%s/bomb", work);
	run("objcopy --update-section .gnu_debugdata=%s/bomb %s", work, stripped);
	expect_refused(-EFBIG, 1 << 20);
	expect(false);
	/* An archive that is cut, one of noise, one that holds no ELF file, an empty one. */
	run("head -c 500 %s/mini.xz >%s/cut", work, work);
	run("head -c 500 /dev/urandom >%s/noise", work);
	run("echo hello | xz >%s/text && : >%s/none", work, work);
	static const char *const kinds[] = {"cut", "noise", "text", "none"};

	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		run("objcopy --update-section .gnu_debugdata=%s/%s %s", work, kinds[i], stripped);
		expect_refused(-EBADMSG, 1 << 20);
		expect(false);
	}
	assert_int_equal(open_files(), files);
}

/* Sections that are no link: names that are paths, without end, of nothing. */
static void test_damaged_link(void **state)
{
	static const char *const texts[] = {
		"../bin/app.debug\\0\\0\\0\\0\\0\\0\\0\\0",
		"..\\0\\0\\0\\0\\0\\0",
		"app.debug",
		"app.debug\\0\\0\\0",
		"\\0\\0\\0\\0\\0\\0\\0\\0",
	};

	split("pie");
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		struct debug_link l;
		struct elf_file *f;

		run("printf '%s' >%s/link", texts[i], work);
		run("objcopy --add-section .gnu_debuglink=%s/link %s %s/linked", work, stripped,
		    work);
		cleanup_free char *path = mem_asprintf("%s/linked", work);

		assert_int_equal(elf_file_open(open(path, O_RDONLY | O_CLOEXEC), &f, NULL), 0);
		debug_link_read(f, &l);
		assert_null(l.name);
		assert_int_equal(l.id.len, 20);
		elf_file_close(f);
		debug_link_fini(&l);
	}
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_build_id, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_large_debug_file, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_link, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_wrong_checksum, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_link_with_build_id, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_other_root, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_fetched, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_lying_container, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_owner, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_mini_debug, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_damaged_mini_debug, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_damaged_link, set_up, tear_down),
	};

	CHECK(argc == 2);
	folder = realpath(argv[1], NULL);
	CHECK(folder);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
