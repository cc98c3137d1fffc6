#include "cmd/interpreter.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/utf8.h"

static bool runnable(const char *path)
{
	struct stat st;

	return !stat(path, &st) && S_ISREG(st.st_mode) && !access(path, X_OK);
}

/* pyenv puts a script for each name of any of its versions there, which runs only those that are
 * switched on. */
static bool is_shim(const char *path)
{
	return strstr(path, "/shims/");
}

static const char *on_path(const char *name, bool shims, struct arena *a)
{
	const char *folder = getenv("PATH");

	while (folder && *folder) {
		size_t n = strcspn(folder, ":");
		const char *path =
			arena_printf(a, "%.*s/%s", n ? (int)n : 1, n ? folder : ".", name);

		if (runnable(path) && (shims || !is_shim(path)))
			return path;
		folder += n + (folder[n] == ':');
	}
	return NULL;
}

struct version {
	unsigned int numbers[3];
	size_t n;
};

/* "3", "3.11", "3.11.7" and nothing behind. */
static bool read_version(const char *text, struct version *ret)
{
	struct version v = {};

	while (v.n < ARRAY_SIZE(v.numbers)) {
		size_t digits = strspn(text, "0123456789");

		if (!digits || digits > 4)
			return false;
		v.numbers[v.n++] = (unsigned int)strtoul(text, NULL, 10);
		text += digits;
		if (!*text) {
			*ret = v;
			return true;
		}
		if (*text++ != '.')
			return false;
	}
	return false;
}

static bool fits(const struct version *wanted, const struct version *found)
{
	return found->n == ARRAY_SIZE(found->numbers) &&
	       !memcmp(wanted->numbers, found->numbers, wanted->n * sizeof(*wanted->numbers));
}

static bool newer(const struct version *a, const struct version *b)
{
	for (size_t i = 0; i < ARRAY_SIZE(a->numbers); i++)
		if (a->numbers[i] != b->numbers[i])
			return a->numbers[i] > b->numbers[i];
	return false;
}

/* The newest version in pyenv's folder that fits. */
static const char *in_pyenv(const struct version *wanted, struct arena *a)
{
	const char *root = getenv("PYENV_ROOT"), *home = getenv("HOME"), *best = NULL;
	struct version best_version = {};
	struct dirent *d;

	if (!root && !home)
		return NULL;
	const char *folder = root ? arena_printf(a, "%s/versions", root)
				  : arena_printf(a, "%s/.pyenv/versions", home);
	DIR *dir = opendir(folder);

	while (dir && (d = readdir(dir))) {
		struct version v;

		if (!read_version(d->d_name, &v) || !fits(wanted, &v) || !newer(&v, &best_version))
			continue;
		const char *path = arena_printf(a, "%s/%s/bin/python", folder, d->d_name);

		if (runnable(path)) {
			best = path;
			best_version = v;
		}
	}
	if (dir)
		closedir(dir);
	return best;
}

static const char *by_version(const char *what, const struct version *v, struct arena *a)
{
	const char *found = NULL;

	/* A name has no third number. */
	if (v->n < 3)
		found = on_path(arena_printf(a, "python%s", what), false, a);
	return found ? found : in_pyenv(v, a);
}

int interpreter_find(const char *what, struct arena *a, const char **ret_path, struct err *e)
{
	const char *path;
	struct version v;

	if (!what) {
		path = on_path("python3", true, a);
		path = path ? path : on_path("python", true, a);
		if (!path)
			return err_set(e, -ENOENT,
				       "there is no python3 on PATH; --python says which to take");
	} else if (strchr(what, '/')) {
		path = what;
		if (access(path, F_OK))
			return err_sys(e, -errno, "cannot find the interpreter %.200s", what);
		if (!runnable(path))
			return err_set(e, -EACCES, "%.200s is no program that can be run", what);
	} else if (read_version(what, &v)) {
		path = by_version(what, &v, a);
		if (!path)
			return err_set(e, -ENOENT,
				       "there is no Python %s on PATH and none in pyenv's folder",
				       what);
	} else {
		path = on_path(what, true, a);
		if (!path)
			return err_set(e, -ENOENT, "there is no interpreter %.200s on PATH", what);
	}
	*ret_path = path;
	return 0;
}

/* ---- scripts ---- */

/* The begin of the file as text, empty where it is none: it may be a pipe that is to be read once.
 */
static char *read_begin(const char *script, struct arena *a)
{
	enum { MAX_BEGIN = 1024 };
	cleanup_close int fd = open(script, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	char *text = arena_alloc(a, MAX_BEGIN + 1, 1);
	struct stat st;
	ssize_t n = -1;

	if (fd >= 0 && !fstat(fd, &st) && S_ISREG(st.st_mode))
		n = read(fd, text, MAX_BEGIN);
	text[MAX(n, 0)] = 0;
	return text;
}

static size_t split(char *text, const char *separators, const char *ret[INTERPRETER_WORDS])
{
	char *rest = text, *word;
	size_t n = 0;

	while (n < INTERPRETER_WORDS && (word = strsep(&rest, separators)))
		if (*word)
			ret[n++] = word;
	return n;
}

/* The words of the line without env: `/usr/bin/env python3`, `/usr/bin/env -S python3 -u`. */
static size_t read_words(char *line, const char *ret[INTERPRETER_WORDS])
{
	size_t n = split(line, " \t\r", ret), skipped = 0;

	if (!n || strcmp(path_last(ret[0]), "env"))
		return n;
	skipped = 1;
	if (n > 1 && (!strcmp(ret[1], "-S") || !strcmp(ret[1], "--split-string")))
		skipped = 2;
	n -= MIN(n, skipped);
	memmove(ret, ret + skipped, n * sizeof(*ret));
	if (n && !strncmp(ret[0], "-S", 2))
		ret[0] += 2;
	return n;
}

static bool is_python(const char *path)
{
	return !strncmp(path_last(path), "python", strlen("python"));
}

/* It is text of a file: what a terminal may see of it. */
static const char *printable(const char *word, struct arena *a)
{
	cleanup_buf struct buf b = {};

	utf8_put_printable(&b, word, strlen(word));
	return arena_strdup(a, buf_cstr(&b));
}

int interpreter_of_script(const char *script, struct arena *a, const char *ret[INTERPRETER_WORDS],
			  struct err *e)
{
	static const char polyglot[] = "'''exec' ";
	char *rest = read_begin(script, a), *line = strsep(&rest, "\n");
	const char *words[INTERPRETER_WORDS], *name;
	struct version v;
	size_t n = strncmp(line, "#!", 2) ? 0 : read_words(line + 2, words);

	if (!n)
		return 0;
	/* Where a path is too long for the system, pip lets a shell start it. */
	if (!is_python(words[0]) && rest && !strncmp(rest, polyglot, strlen(polyglot)))
		n = MIN(split(strsep(&rest, "\n") + strlen(polyglot), " \"", words), (size_t)1);
	name = n ? words[0] : "";
	if (!is_python(name))
		return err_set(e, -EINVAL,
			       "%.200s is a script for %.200s, which is no Python: behind -- it is "
			       "run as it is, and --python says what to run it in",
			       script, printable(name, a));
	/* pyenv has a script of such a name that may lead nowhere. */
	if (!strchr(name, '/') && read_version(name + strlen("python"), &v) && v.n > 1)
		words[0] = name + strlen("python");
	if (interpreter_find(words[0], a, &ret[0], NULL))
		return err_set(e, -ENOENT,
			       "%.200s is a script for %.200s, which is not there; --python says "
			       "what to run it in",
			       script, printable(name, a));
	memcpy(ret + 1, words + 1, (n - 1) * sizeof(*ret));
	return (int)n;
}
