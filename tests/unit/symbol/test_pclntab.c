/* Names, files, lines and inlined calls of Go programs, against what Go's runtime says of itself.
 * The programs are built here, in the ways that programs are shipped. */
#include <elf.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "symbol/pclntab.h"
#include "symbol/symbol.h"

enum { MAX_LINE = 4096, MAX_CHAIN = 16 };

static const char *source, *seeds;
static char folder[] = "/tmp/pclntab_XXXXXX";

struct session {
	pid_t pid;
	int in;
	FILE *out;
	struct process process;
	struct symbolizer *symbolizer;
	struct {
		char name[256];
		unsigned int line;
	} chain[MAX_CHAIN];
	size_t chain_len, chains, places, inlined;
};

static void start(struct session *s, const char *path)
{
	int in[2], out[2];

	*s = (struct session){};
	assert_int_equal(pipe2(in, O_CLOEXEC), 0);
	assert_int_equal(pipe2(out, O_CLOEXEC), 0);
	s->pid = fork();
	assert_true(s->pid >= 0);
	if (!s->pid) {
		dup2(in[0], 0);
		dup2(out[1], 1);
		execl(path, path, (char *)NULL);
		_exit(127);
	}
	close(in[0]);
	close(out[1]);
	s->in = in[1];
	s->out = fdopen(out[0], "r");
	assert_non_null(s->out);
	assert_int_equal(symbolizer_new(64 << 20, &s->symbolizer, NULL), 0);
}

static void stop(struct session *s)
{
	kill(s->pid, SIGKILL);
	assert_int_equal(waitpid(s->pid, NULL, 0), s->pid);
	fclose(s->out);
	close(s->in);
	process_fini(&s->process);
	symbolizer_free(s->symbolizer);
}

/* The runtime shortens type arguments: f[go.shape.int] is f[...]. */
static void shorten(char *text, size_t size, const char *name)
{
	const char *open = strchr(name, '['), *close = strrchr(name, ']');

	if (open && close && close > open)
		snprintf(text, size, "%.*s[...]%s", (int)(open - name), name, close + 1);
	else
		snprintf(text, size, "%s", name);
}

static void check_chain(struct session *s, const struct symbol *found, size_t n)
{
	/* Functions that are inlined may also be there on their own. */
	assert_true(n <= s->chain_len);
	for (size_t i = 0; i < n; i++) {
		assert_string_equal(found[i].name, s->chain[i].name);
		assert_int_equal(found[i].line, s->chain[i].line);
	}
	s->chains += n == s->chain_len;
}

static void check_place(struct session *s, uint64_t address, const char *name, const char *file,
			unsigned int line)
{
	const struct mapping *m = process_find_mapping(&s->process, address);
	struct symbol found[SYMBOL_MAX_INLINED];
	char shown[MAX_LINE];
	size_t n = symbolizer_user(s->symbolizer, &s->process, m, address, found);

	assert_non_null(m);
	shorten(shown, sizeof(shown), found[0].name);
	if (strcmp(shown, name) || strcmp(found[0].file, file) || found[0].line != line)
		print_error("%#lx: %s %s:%u is shown as %s %s:%u\n", address, name, file, line,
			    shown, found[0].file, found[0].line);
	assert_string_equal(shown, name);
	assert_string_equal(found[0].file, file);
	assert_int_equal(found[0].line, line);
	s->places++;
	s->inlined += n > 1;
	if (!strcmp(name, "main.inner") && line == s->chain[0].line)
		check_chain(s, found, n);
}

static void check_program(const char *path)
{
	static struct session s;
	char line[MAX_LINE];

	start(&s, path);
	while (fgets(line, sizeof(line), s.out) && strcmp(line, "end\n") != 0) {
		char name[256], shown[MAX_LINE], file[MAX_LINE];
		unsigned int number;
		uint64_t address;

		if (!s.process.mappings.len)
			assert_int_equal(process_read(s.pid, &s.process, NULL), 0);
		if (sscanf(line, "chain %255s %u", name, &number) == 2) {
			assert_true(s.chain_len < MAX_CHAIN);
			snprintf(s.chain[s.chain_len].name, 256, "%s", name);
			s.chain[s.chain_len++].line = number;
			continue;
		}
		assert_int_equal(sscanf(line, "%lx\t%4000[^\t]\t%4000[^\t]\t%u", &address, shown,
					file, &number),
				 4);
		check_place(&s, address, shown, file, number);
	}
	print_message("%s: %zu places, %zu of inlined calls, %zu of the chain of %zu\n", path,
		      s.places, s.inlined, s.chains, s.chain_len);
	assert_true(s.places > 5000);
	assert_true(s.inlined > 200);
	assert_int_equal(s.chain_len, 3);
	assert_true(s.chains > 0);
	stop(&s);
}

static char *build(const char *environment, const char *flags)
{
	char *path = mem_asprintf("%s/target", folder);
	cleanup_free char *line =
		mem_asprintf("cd '%s' && GO111MODULE=off %s go build %s -o '%s' .", source,
			     environment, flags, path);

	assert_int_equal(system(line), 0);
	return path;
}

static void test_plain(void **state)
{
	cleanup_free char *path = build("CGO_ENABLED=0", "");

	check_program(path);
}

static void test_stripped_pie(void **state)
{
	cleanup_free char *path = build("CGO_ENABLED=0", "-buildmode=pie -ldflags='-s -w'");

	check_program(path);
}

static void test_cgo(void **state)
{
	cleanup_free char *path =
		build("CGO_ENABLED=1", "-tags withc -ldflags='-linkmode=external -s -w'");

	check_program(path);
}

/* Programs run without section headers. */
static void test_no_sections(void **state)
{
	cleanup_free char *path = build(
		"CGO_ENABLED=1", "-buildmode=pie -tags withc -ldflags='-linkmode=external -s -w'");
	int fd = open(path, O_RDWR | O_CLOEXEC);
	Elf64_Ehdr h;

	assert_int_equal(pread(fd, &h, sizeof(h), 0), sizeof(h));
	h.e_shoff = 0;
	h.e_shnum = h.e_shstrndx = 0;
	assert_int_equal(pwrite(fd, &h, sizeof(h), 0), sizeof(h));
	close(fd);
	check_program(path);
}

static void check_text(const struct pclntab_part *part, int fd, uint32_t offset, const char *want)
{
	char *text;

	assert_int_equal(pclntab_text(part, fd, offset, &text), 0);
	assert_string_equal(text, want);
	free(text);
}

/* Both formats, small: the seeds of the fuzz target, whose layout tests/golden/pclntab.py says. */
static void test_seeds(void **state)
{
	static const char *const names[] = {"go118", "go120"};

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		cleanup_free char *path = mem_asprintf("%s/%s", seeds, names[i]);
		struct pclntab_frame frames[4];
		struct elf_file *f;
		struct pclntab t;

		assert_int_equal(elf_file_open(open(path, O_RDONLY | O_CLOEXEC), &f, NULL), 0);
		assert_int_equal(pclntab_open(f, &t), 0);
		assert_int_equal(pclntab_find(&t, f->fd, t.text + 64 + 24, frames, 4), 2);
		check_text(&t.names, f->fd, frames[0].name, "main.inlined");
		check_text(&t.names, f->fd, frames[1].name, "main.main");
		check_text(&t.files, f->fd, frames[1].file, "/src/main.go");
		assert_int_equal(frames[0].line, 12);
		assert_int_equal(frames[0].start_line, i ? 33 : 0);
		assert_int_equal(frames[1].line, i ? 10 : 44);
		assert_int_equal(pclntab_find(&t, f->fd, t.text + 64 + 24, frames, 1), 1);
		assert_int_equal(pclntab_find(&t, f->fd, t.text + 64, frames, 4), 1);
		assert_int_equal(pclntab_find(&t, f->fd, t.text_end, frames, 4), -ENOENT);
		assert_int_equal(pclntab_find(&t, f->fd, t.text - 1, frames, 4), -ENOENT);
		pclntab_fini(&t);
		elf_file_close(f);
	}
}

static void test_no_go(void **state)
{
	struct pclntab t;
	struct elf_file *f;

	assert_int_equal(elf_file_open(open("/proc/self/exe", O_RDONLY | O_CLOEXEC), &f, NULL), 0);
	assert_int_equal(pclntab_open(f, &t), -ENOENT);
	elf_file_close(f);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_plain), cmocka_unit_test(test_stripped_pie),
		cmocka_unit_test(test_cgo),   cmocka_unit_test(test_no_sections),
		cmocka_unit_test(test_no_go), cmocka_unit_test(test_seeds),
	};

	CHECK(argc == 3);
	seeds = argv[2];
	source = argv[1];
	CHECK(mkdtemp(folder));
	int r = cmocka_run_group_tests(tests, NULL, NULL);
	cleanup_free char *path = mem_asprintf("%s/target", folder);

	unlink(path);
	rmdir(folder);
	return r;
}
