#include "target.h"

#include <dirent.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/io.h"

struct symbolizer *new_symbolizer(size_t bound)
{
	struct symbolizer *s;
	struct err e;

	if (symbolizer_new(bound, &s, &e))
		fail_msg("%s", e.msg);
	return s;
}

static void enter(const char *root)
{
	/* Only root may, or whoever is root in a namespace of their own. */
	if (geteuid())
		unshare(CLONE_NEWUSER);
	if (chroot(root) || chdir("/"))
		_exit(126);
}

void target_start(const char *path, struct target *t)
{
	target_start_below(NULL, path, t);
}

void target_start_below(const char *root, const char *path, struct target *t)
{
	char line[200];
	int fds[2];
	struct err e;

	memset(t, 0, sizeof(*t));
	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	t->pid = fork();
	assert_true(t->pid >= 0);
	if (!t->pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		dup2(fds[1], STDOUT_FILENO);
		if (root)
			enter(root);
		execl(path, path, (char *)NULL);
		_exit(127);
	}
	close(fds[1]);
	cleanup_fclose FILE *f = fdopen(fds[0], "r");

	for (;;) {
		struct truth truth;

		assert_non_null(fgets(line, sizeof(line), f));
		if (!strcmp(line, "end\n"))
			break;
		char *blank = strchr(line, ' ');

		assert_non_null(blank);
		truth.address = strtoull(line, NULL, 16);
		snprintf(truth.name, sizeof(truth.name), "%.*s", (int)strcspn(blank + 1, "\n"),
			 blank + 1);
		vec_push(&t->truths, truth);
	}
	if (process_read(t->pid, &t->process, &e))
		fail_msg("%s", e.msg);
}

void target_kill(struct target *t)
{
	if (t->pid) {
		kill(t->pid, SIGKILL);
		waitpid(t->pid, NULL, 0);
	}
	t->pid = 0;
}

void target_end(struct target *t)
{
	target_kill(t);
	vec_fini(&t->truths);
	process_fini(&t->process);
}

struct symbol ask(struct symbolizer *s, const struct process *p, uint64_t address)
{
	struct symbol found[SYMBOL_MAX_INLINED];
	size_t n = symbolizer_user(s, p, process_find_mapping(p, address), address, found);

	assert_in_range(n, 1, SYMBOL_MAX_INLINED);
	for (size_t i = 0; i < n; i++) {
		assert_non_null(found[i].name);
		assert_non_null(found[i].module);
		assert_non_null(found[i].file);
	}
	return found[n - 1];
}

/* All names right? Where symbols were stripped, functions have none. */
void check_names(struct symbolizer *s, const struct target *t, const char *module, bool stripped)
{
	assert_true(t->truths.len >= 8);
	for (size_t i = 0; i < t->truths.len; i++) {
		const struct truth *truth = &t->truths.data[i];
		bool unknown = stripped && !strncmp(truth->name, "static", 6);
		struct symbol found = ask(s, &t->process, truth->address);

		assert_string_equal(found.name, unknown ? "" : truth->name);
		/* Addresses without a function may be of the stack. */
		if (*truth->name)
			assert_string_equal(found.module, module);
	}
}

void copy(const char *from, const char *to)
{
	cleanup_buf struct buf b = {};
	struct err e;

	assert_int_equal(io_read_file(from, 64 << 20, &b), 0);
	assert_int_equal(io_write_file(to, b.data, b.len, 0700, &e), 0);
}

char *temporary(void)
{
	char *path = mem_strdup("/tmp/glim-symbol-XXXXXX");
	int fd = mkstemp(path);

	assert_true(fd >= 0);
	close(fd);
	return path;
}

void run(const char *fmt, ...)
{
	char command[2000];
	va_list args;

	va_start(args, fmt);
	int n = vsnprintf(command, sizeof(command), fmt, args);

	va_end(args);
	assert_in_range(n, 1, sizeof(command) - 1);
	assert_int_equal(system(command), 0);
}

size_t open_files(void)
{
	DIR *d = opendir("/proc/self/fd");
	size_t n = 0;

	while (readdir(d))
		n++;
	closedir(d);
	return n;
}
