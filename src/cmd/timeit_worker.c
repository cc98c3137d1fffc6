#include "cmd/timeit_worker.h"

#include <fcntl.h>
#include <math.h>
#include <poll.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/embed.h"
#include "base/io.h"
#include "base/json.h"
#include "base/json_reader.h"

extern const struct embed_file timeit_files[];
extern char **environ;

enum {
	MAX_ANSWER = 4 << 20,
	END_MS = 2000,
};

/* ---- starting ---- */

/* The environment with a seed, unless it has one. Returns a list that is freed, not its texts. */
static char **with_seed(char *seed)
{
	size_t n = 0;
	bool own = !getenv("PYTHONHASHSEED");

	while (environ[n])
		n++;
	char **list = mem_calloc(n + 2, sizeof(*list));

	memcpy(list, environ, n * sizeof(*list));
	if (own)
		list[n] = seed;
	return list;
}

static int spawn(struct worker *w, int in, int out, size_t driver_size, struct err *e)
{
	/* The driver comes as the first bytes of the pipe: an argument would be seen by everybody.
	 */
	static const char boot[] =
		"import os,sys;f=os.fdopen(int(sys.argv[1]),'rb');exec(f.read(int(sys.argv[3])),"
		"{'__name__':'glim_timeit','requests':f,'answers':int(sys.argv[2])})";
	char fds[3][24], seed[48];
	const char *const argv[] = {w->config->python, "-c", boot, fds[0], fds[1], fds[2], NULL};
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attributes;
	sigset_t defaults;
	int code;

	snprintf(fds[0], sizeof(fds[0]), "%d", in);
	snprintf(fds[1], sizeof(fds[1]), "%d", out);
	snprintf(fds[2], sizeof(fds[2]), "%zu", driver_size);
	snprintf(seed, sizeof(seed), "PYTHONHASHSEED=%u", w->config->seed);
	cleanup_free char **environment = with_seed(seed);

	posix_spawn_file_actions_init(&actions);
	/* Of a descriptor to itself: it stays open. */
	posix_spawn_file_actions_adddup2(&actions, in, in);
	posix_spawn_file_actions_adddup2(&actions, out, out);
	if (w->config->quiet)
		posix_spawn_file_actions_adddup2(&actions, STDERR_FILENO, STDOUT_FILENO);
	posix_spawnattr_init(&attributes);
	sigemptyset(&defaults);
	sigaddset(&defaults, SIGPIPE);
	posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
	posix_spawnattr_setsigmask(&attributes, w->config->signals);
	posix_spawnattr_setsigdefault(&attributes, &defaults);
	code = posix_spawn(&w->pid, w->config->python, &actions, &attributes, (char **)argv,
			   environment);
	posix_spawn_file_actions_destroy(&actions);
	posix_spawnattr_destroy(&attributes);
	if (code) {
		w->pid = 0;
		return err_sys(e, -code, "cannot run %.200s", w->config->python);
	}
	w->ended = (int)syscall(SYS_pidfd_open, w->pid, 0);
	return w->ended < 0 ? err_sys(e, -errno, "cannot watch the interpreter") : 0;
}

static int start(struct worker *w, size_t driver_size, struct err *e)
{
	int requests[2], answers[2], code;

	if (pipe2(requests, O_CLOEXEC))
		return err_sys(e, -errno, "cannot start an interpreter");
	w->to = requests[1];
	if (pipe2(answers, O_CLOEXEC)) {
		code = err_sys(e, -errno, "cannot start an interpreter");
		close(requests[0]);
		return code;
	}
	w->from = answers[0];
	code = spawn(w, requests[0], answers[1], driver_size, e);
	close(requests[0]);
	close(answers[1]);
	return code;
}

void worker_close(struct worker *w)
{
	struct pollfd end = {.fd = w->ended, .events = POLLIN};

	if (w->to >= 0)
		close(w->to);
	if (w->pid > 0) {
		/* Somebody who interrupts does not wait for a statement that goes on. */
		if (w->ended < 0 || poll(&end, 1, *w->config->stop ? END_MS / 4 : END_MS) <= 0)
			kill(w->pid, SIGKILL);
		while (waitpid(w->pid, NULL, 0) < 0 && errno == EINTR)
			;
	}
	if (w->ended >= 0)
		close(w->ended);
	if (w->from >= 0)
		close(w->from);
	buf_fini(&w->input);
	*w = (struct worker){.to = -1, .from = -1, .ended = -1};
}

/* ---- asking ---- */

/* Why nothing comes any more. */
static int gone(struct worker *w, struct err *e)
{
	const char *who = *w->version ? "the statement ended the interpreter" : w->config->python;
	const char *what = *w->version ? "" : " is no Python that can be asked: it ended";
	int status = 0;

	while (waitpid(w->pid, &status, 0) < 0 && errno == EINTR)
		;
	w->pid = 0;
	if (*w->config->stop)
		return err_set(e, -EINTR, "interrupted");
	if (WIFSIGNALED(status))
		return err_set(e, -ECHILD, "%.200s%s by signal %d (%s)", who, what,
			       WTERMSIG(status), strsignal(WTERMSIG(status)));
	return err_set(e, -ECHILD, "%.200s%s with status %d", who, what, WEXITSTATUS(status));
}

/* Wait for something to read. 0: the interpreter ended and left nothing. */
static int await(struct worker *w, struct err *e)
{
	struct pollfd fds[] = {{.fd = w->from, .events = POLLIN},
			       {.fd = w->ended, .events = POLLIN}};

	while (!*w->config->stop) {
		int n = ppoll(fds, ARRAY_SIZE(fds), NULL, w->config->signals);

		if (n < 0 && errno != EINTR)
			return err_sys(e, -errno, "cannot wait for the interpreter");
		if (n > 0)
			return (fds[0].revents & POLLIN) != 0;
	}
	return err_set(e, -EINTR, "interrupted");
}

/* The next line, without its end; it stays until the next one is read. */
static int read_line(struct worker *w, const char **ret_line, size_t *ret_n, struct err *e)
{
	size_t looked = w->line;

	for (;;) {
		uint8_t *start = w->input.data + w->line;
		uint8_t *end = w->input.len > looked
				       ? memchr(w->input.data + looked, '\n', w->input.len - looked)
				       : NULL;

		if (end) {
			*ret_line = (const char *)start;
			*ret_n = (size_t)(end - start);
			w->line += *ret_n + 1;
			return 0;
		}
		if (w->line) {
			memmove(w->input.data, start, w->input.len - w->line);
			w->input.len -= w->line;
			w->line = 0;
		}
		looked = w->input.len;
		if (looked > MAX_ANSWER)
			return err_set(e, -EBADMSG, "the interpreter answers too much");
		int more = await(w, e);

		if (more < 0)
			return more;
		buf_reserve(&w->input, 65536);
		ssize_t n = more ? read(w->from, w->input.data + looked, 65536) : 0;

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return gone(w, e);
		w->input.len += (size_t)n;
	}
}

static int send_line(struct worker *w, struct buf *request, struct err *e)
{
	int code;

	buf_putc(request, '\n');
	code = io_write_all(w->to, request->data, request->len);
	/* An interpreter that is gone is found when its answer is read. */
	return code && code != -EPIPE ? err_sys(e, code, "cannot ask the interpreter") : 0;
}

/* ---- answers ---- */

struct answer {
	bool failed, interrupted;
	struct timeit_lap lap;
	double setup;
	struct timeit_memory memory;
	timeit_laps *laps, *empty;
	struct worker *about;
};

static double number(struct json_reader *r)
{
	double v = 0;

	return json_read_number(r, &v) && isfinite(v) && fabs(v) < 1e18 ? v : 0;
}

/* [[loops, wall, cpu, waited, switches], ...] */
static void read_laps(struct json_reader *r, timeit_laps *laps)
{
	if (!json_enter_array(r))
		return;
	while (json_next_item(r)) {
		double v[5] = {};
		size_t n = 0;

		if (!json_enter_array(r))
			return;
		while (json_next_item(r)) {
			double one = number(r);

			if (n < ARRAY_SIZE(v))
				v[n++] = one;
		}
		if (v[0] >= 1 && laps)
			vec_push(laps, (struct timeit_lap){
					       .loops = (uint64_t)v[0],
					       .wall = (int64_t)v[1],
					       .cpu = (int64_t)v[2],
					       .waited = (int64_t)v[3],
					       .switches = (unsigned int)fmin(fmax(v[4], 0), 1e9)});
	}
}

static void read_memory(struct json_reader *r, struct timeit_memory *m)
{
	if (json_peek(r) == JSON_KIND_NULL) {
		json_skip(r);
		return;
	}
	if (!json_enter_object(r))
		return;
	*m = (struct timeit_memory){.known = true, .allocated = -1};
	while (json_next_key(r)) {
		if (json_text_is(r, "kept"))
			m->kept = number(r);
		else if (json_text_is(r, "peak"))
			m->peak = number(r);
		else if (json_text_is(r, "allocated") && json_peek(r) == JSON_KIND_NUMBER)
			m->allocated = fmax(number(r), 0);
		else
			json_skip(r);
	}
}

static void read_text(struct json_reader *r, char *ret, size_t size)
{
	if (json_read_text(r))
		snprintf(ret, size, "%s", buf_cstr(&r->text));
}

static void read_value(struct json_reader *r, struct answer *a)
{
	if (json_text_is(r, "failed")) {
		a->failed = true;
		json_skip(r);
	} else if (json_text_is(r, "interrupted")) {
		a->interrupted = true;
		json_skip(r);
	} else if (json_text_is(r, "loops")) {
		a->lap.loops = (uint64_t)fmax(number(r), 0);
	} else if (json_text_is(r, "wall")) {
		a->lap.wall = (int64_t)number(r);
	} else if (json_text_is(r, "cpu")) {
		a->lap.cpu = (int64_t)number(r);
	} else if (json_text_is(r, "setup")) {
		a->setup = number(r);
	} else if (json_text_is(r, "laps")) {
		read_laps(r, a->laps);
	} else if (json_text_is(r, "empty")) {
		read_laps(r, a->empty);
	} else if (json_text_is(r, "memory")) {
		read_memory(r, &a->memory);
	} else if (a->about && json_text_is(r, "name")) {
		read_text(r, a->about->name, sizeof(a->about->name));
	} else if (a->about && json_text_is(r, "version")) {
		read_text(r, a->about->version, sizeof(a->about->version));
	} else if (a->about && json_text_is(r, "executable")) {
		read_text(r, a->about->executable, sizeof(a->about->executable));
	} else {
		json_skip(r);
	}
}

static int read_answer(struct worker *w, struct answer *a, struct err *e)
{
	struct json_reader r;
	const char *line = NULL;
	size_t n = 0;
	int code = read_line(w, &line, &n, e);

	if (code)
		return code;
	json_reader_init(&r, line, n);
	if (json_enter_object(&r))
		while (json_next_key(&r))
			read_value(&r, a);
	code = json_reader_error(&r, e);
	json_reader_fini(&r);
	if (code)
		return err_prefix(e, "the interpreter's answer cannot be read");
	if (a->interrupted)
		return err_set(e, -EINTR, "interrupted");
	return a->failed ? err_set(e, -ECANCELED, "the statement failed") : 0;
}

static int ask(struct worker *w, struct buf *request, struct answer *a, struct err *e)
{
	int code = send_line(w, request, e);

	return code ? code : read_answer(w, a, e);
}

/* {"do": what; the caller goes on. */
static struct json begin(struct buf *request, const char *what)
{
	struct json j = {.out = request};

	json_object_begin(&j);
	json_member_text(&j, "do", what);
	return j;
}

/* ---- requests ---- */

static int introduce(struct worker *w, const char *setup, const char *statement, struct err *e)
{
	cleanup_buf struct buf request = {};
	struct json j = {.out = &request};
	struct answer hello = {.about = w};
	int code = read_answer(w, &hello, e);

	if (code)
		return code;
	if (!*w->version)
		return err_set(e, -EBADMSG, "%.200s is no Python that can be asked",
			       w->config->python);
	json_object_begin(&j);
	json_member_text(&j, "setup", setup);
	json_member_text(&j, "statement", statement);
	json_member_bool(&j, "own_seed", !getenv("PYTHONHASHSEED"));
	json_object_end(&j);
	return ask(w, &request, &(struct answer){}, e);
}

int worker_open(const struct worker_config *config, const char *setup, const char *statement,
		struct worker *ret, struct err *e)
{
	const struct embed_file *driver = embed_find(timeit_files, "timeit_driver.py");
	struct worker w = {.config = config, .to = -1, .from = -1, .ended = -1};
	int code = start(&w, driver->size, e);

	if (!code) {
		code = io_write_all(w.to, driver->data, driver->size);
		code = code && code != -EPIPE ? err_sys(e, code, "cannot ask the interpreter") : 0;
	}
	if (!code)
		code = introduce(&w, setup, statement, e);
	if (code)
		worker_close(&w);
	else
		*ret = w;
	return code;
}

int worker_calibrate(struct worker *w, bool cpu, struct timeit_lap *ret, double *ret_setup,
		     struct err *e)
{
	cleanup_buf struct buf request = {};
	struct answer a = {};
	struct json j = begin(&request, "calibrate");

	json_member_text(&j, "clock", cpu ? "cpu" : "wall");
	json_object_end(&j);
	int code = ask(w, &request, &a, e);

	if (!code && !a.lap.loops)
		code = err_set(e, -EBADMSG, "the interpreter's answer has no loops");
	if (code)
		return code;
	*ret = a.lap;
	*ret_setup = a.setup;
	return 0;
}

int worker_laps(struct worker *w, bool first, const uint64_t *loops, size_t n, timeit_laps *laps,
		timeit_laps *empty, double *ret_setup, struct err *e)
{
	cleanup_buf struct buf request = {};
	struct answer a = {.laps = laps, .empty = empty};
	struct json j = begin(&request, first ? "run" : "laps");
	size_t before = laps->len;

	json_key(&j, "loops");
	json_array_begin(&j);
	for (size_t i = 0; i < n; i++)
		json_int(&j, (int64_t)loops[i]);
	json_array_end(&j);
	json_object_end(&j);
	int code = ask(w, &request, &a, e);

	if (!code && laps->len - before != n)
		code = err_set(e, -EBADMSG, "the interpreter's answer has other laps");
	if (!code)
		*ret_setup = a.setup;
	return code;
}

int worker_end_run(struct worker *w, struct err *e)
{
	cleanup_buf struct buf request = {};
	struct json j = begin(&request, "end");

	json_object_end(&j);
	return ask(w, &request, &(struct answer){}, e);
}

/* A file in memory that the interpreter may load; where that is not possible, it tells less. */
static int counter_file(void)
{
	const struct embed_file *library = embed_find(timeit_files, "glim_counter.so");
	int fd = memfd_create("glim_counter", MFD_CLOEXEC);

	if (fd >= 0 && !io_write_all(fd, library->data, library->size))
		return fd;
	if (fd >= 0)
		close(fd);
	return -1;
}

int worker_memory(struct worker *w, uint64_t loops, struct timeit_memory *ret, struct err *e)
{
	cleanup_close int counter = counter_file();
	char path[64];
	cleanup_buf struct buf request = {};
	struct answer a = {};
	struct json j = begin(&request, "memory");

	json_member_int(&j, "loops", (int64_t)loops);
	snprintf(path, sizeof(path), "/proc/%d/fd/%d", getpid(), counter);
	json_member_text(&j, "counter", path);
	json_object_end(&j);
	int code = ask(w, &request, &a, e);

	if (!code)
		*ret = a.memory;
	return code;
}
