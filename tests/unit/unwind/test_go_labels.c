/* Labels of goroutines of a running program, read while it is stopped and while it runs. */
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/ptrace.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "process/process.h"
#include "unwind/native/go_labels.h"

static pid_t target;
#define GO_READ(dst, size, address) (process_read_memory(target, (address), (dst), (size)) < 0)
#include "unwind/native/go_labels_walk.h"

static const char *source, *seeds;
static char folder[] = "/tmp/go_labels_XXXXXX";

static void look(const struct go_layout *l, pid_t tid, struct go_labelled *ret)
{
	struct user_regs_struct r;
	int status;

	assert_int_equal(ptrace(PTRACE_SEIZE, tid, NULL, 0), 0);
	assert_int_equal(ptrace(PTRACE_INTERRUPT, tid, NULL, 0), 0);
	assert_int_equal(waitpid(tid, &status, __WALL), tid);
	assert_int_equal(ptrace(PTRACE_GETREGS, tid, NULL, &r), 0);
	go_labels_find(l, r.fs_base, ret);
	assert_int_equal(
		ptrace(PTRACE_DETACH, tid, NULL, status >> 16 ? 0 : (long)WSTOPSIG(status)), 0);
}

/* Where the goroutine of a thread and its labels are. Sometimes it waits for others to run. */
static void find(const struct go_layout *l, pid_t tid, struct go_labelled *ret)
{
	*ret = (struct go_labelled){};
	for (int i = 0; !ret->goroutine && i < 100000; i++)
		look(l, tid, ret);
	assert_true(ret->goroutine);
}

static const char *value_of(const struct go_label *labels, int n, const char *key)
{
	for (int i = 0; i < n; i++)
		if (!strcmp(labels[i].key, key))
			return labels[i].value;
	return "";
}

static void check_few(const struct go_layout *l, struct go_labelled *from)
{
	struct go_label labels[GO_LABELS_MAX];
	int n = go_labels_read(target, l, from, labels);

	assert_int_equal(n, 3);
	assert_string_equal(value_of(labels, n, "tenant"), "blue");
	assert_string_equal(value_of(labels, n, "path"), "/a b");
	/* 200 bytes, cut between two characters. */
	assert_int_equal(strlen(value_of(labels, n, "long")), 190);
	from->labels++;
	assert_int_equal(go_labels_read(target, l, from, labels), -ESTALE);
}

static void check_many(const struct go_layout *l, const struct go_labelled *from)
{
	struct go_label labels[GO_LABELS_MAX];
	int n = go_labels_read(target, l, from, labels);

	assert_int_equal(n, GO_LABELS_MAX);
	for (int i = 0; i < n; i++) {
		assert_int_equal(strncmp(labels[i].key, "key", 3), 0);
		assert_int_equal(strncmp(labels[i].value, "value", 5), 0);
		assert_string_equal(labels[i].key + 3, labels[i].value + 5);
	}
}

static void check_thread(const struct go_layout *l, const char *name, pid_t tid)
{
	struct go_label labels[GO_LABELS_MAX];
	struct go_labelled from;

	find(l, tid, &from);
	assert_int_equal(!!from.labels, strcmp(name, "none") != 0);
	if (!strcmp(name, "few"))
		check_few(l, &from);
	else if (!strcmp(name, "many"))
		check_many(l, &from);
	else
		assert_int_equal(go_labels_read(target, l, &from, labels), 0);
}

static void run(const char *environment, const char *flags)
{
	cleanup_free char *path = mem_asprintf("%s/target", folder);
	cleanup_free char *line =
		mem_asprintf("cd '%s' && GO111MODULE=off %s go build %s -o '%s' .", source,
			     environment, flags, path);
	struct go_layout layout;
	struct elf_file *f;
	char name[16];
	int in[2], out[2], tid;

	assert_int_equal(system(line), 0);
	assert_int_equal(elf_file_open(open(path, O_RDONLY | O_CLOEXEC), &f, NULL), 0);
	assert_int_equal(go_layout_read(f, &layout), 0);
	elf_file_close(f);
	assert_int_equal(pipe2(in, O_CLOEXEC), 0);
	assert_int_equal(pipe2(out, O_CLOEXEC), 0);
	target = fork();
	assert_true(target >= 0);
	if (!target) {
		dup2(in[0], 0);
		dup2(out[1], 1);
		execl(path, path, (char *)NULL);
		_exit(127);
	}
	close(in[0]);
	close(out[1]);
	cleanup_fclose FILE *said = fdopen(out[0], "r");

	for (int i = 0; i < 3; i++) {
		assert_int_equal(fscanf(said, "%15s %d", name, &tid), 2);
		check_thread(&layout, name, tid);
	}
	close(in[1]);
	assert_int_equal(waitpid(target, NULL, 0), target);
	print_message("go1.%d: labels at %u, g at %d\n", layout.minor, layout.labels, layout.g);
	unlink(path);
}

static void test_plain(void **state)
{
	run("CGO_ENABLED=0", "");
}

static void test_stripped_pie(void **state)
{
	run("CGO_ENABLED=0", "-buildmode=pie -ldflags='-s -w'");
}

static void test_cgo_static(void **state)
{
	run("CGO_ENABLED=1", "-ldflags='-linkmode=external -extldflags=-static -s -w'");
}

static void test_others(void **state)
{
	cleanup_free char *seed = mem_asprintf("%s/go120", seeds);
	struct go_layout layout;
	struct elf_file *f;

	assert_int_equal(elf_file_open(open("/proc/self/exe", O_RDONLY | O_CLOEXEC), &f, NULL), 0);
	assert_int_equal(go_layout_read(f, &layout), -ENOENT);
	elf_file_close(f);
	/* Go's code, but of no version. */
	assert_int_equal(elf_file_open(open(seed, O_RDONLY | O_CLOEXEC), &f, NULL), 0);
	assert_int_equal(go_layout_read(f, &layout), -ENOENT);
	elf_file_close(f);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_plain),
		cmocka_unit_test(test_stripped_pie),
		cmocka_unit_test(test_cgo_static),
		cmocka_unit_test(test_others),
	};

	CHECK(argc == 3);
	source = argv[1];
	seeds = argv[2];
	CHECK(mkdtemp(folder));
	int r = cmocka_run_group_tests(tests, NULL, NULL);

	rmdir(folder);
	return r;
}
