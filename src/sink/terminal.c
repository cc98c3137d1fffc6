#include "sink/terminal.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <strings.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/io.h"

enum { DEFAULT_COLUMNS = 80, DEFAULT_ROWS = 24, LAST_WRITE_MS = 500 };

/* The other screen (its content comes back at the end), no cursor, no wrapping at the margin. */
static const char enter[] = "\x1b[?1049h\x1b[?25l\x1b[?7l";
/* A drawing that was cut short is ended first: CAN leaves any sequence. */
static const char leave[] = "\x18\x1b[?2026l\x1b[0m\x1b[?7h\x1b[?25h\x1b[?1049l";

/* ---- the end by a crash ---- */

static struct terminal *active; /* what a crash must restore */
static const int crashes[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT, SIGQUIT};

static void restore(const struct terminal *t)
{
	ssize_t ignored = write(t->out, leave, sizeof(leave) - 1);

	(void)ignored;
	tcsetattr(t->in, TCSANOW, &t->before);
}

static void on_crash(int number)
{
	if (active)
		restore(active);
	active = NULL;
	/* SA_RESETHAND: now it does what it does. */
	raise(number);
}

static void watch_crashes(struct terminal *t)
{
	struct sigaction action = {.sa_handler = on_crash, .sa_flags = (int)SA_RESETHAND};

	active = t;
	for (size_t i = 0; i < ARRAY_SIZE(crashes); i++)
		sigaction(crashes[i], &action, NULL);
}

static void unwatch_crashes(void)
{
	active = NULL;
	for (size_t i = 0; i < ARRAY_SIZE(crashes); i++)
		signal(crashes[i], SIG_DFL);
}

/* ---- opening ---- */

int terminal_check(struct err *e)
{
	const char *kind = getenv("TERM");

	if (!isatty(STDIN_FILENO) || !isatty(STDOUT_FILENO))
		return err_set(e, -ENOTTY, "standard input and output are no terminal");
	if (!kind || !*kind || !strcmp(kind, "dumb"))
		return err_set(e, -ENOTSUP,
			       "the terminal cannot move its cursor (TERM is \"%.40s\")",
			       kind ? kind : "");
	return 0;
}

static bool has_colours(void)
{
	const char *no = getenv("NO_COLOR"), *kind = getenv("TERM");

	/* no-color.org: set and not empty. The terminals of DEC had none. */
	return !(no && *no) && kind && strncmp(kind, "vt", 2);
}

/* Names are shown in UTF-8 unless the locale names another character set. */
static bool is_ascii(void)
{
	static const char *const names[] = {"LC_ALL", "LC_CTYPE", "LANG"};

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		const char *v = getenv(names[i]), *set = v ? strchr(v, '.') : NULL;

		if (v && *v)
			return set && strncasecmp(set, ".utf-8", 6) && strncasecmp(set, ".utf8", 5);
	}
	return false;
}

static int raw_mode(const struct terminal *t)
{
	struct termios raw = t->before;

	raw.c_iflag &= ~(tcflag_t)(IXON | ICRNL | INLCR | ISTRIP);
	raw.c_lflag &= ~(tcflag_t)(ICANON | ECHO | IEXTEN);
	raw.c_cc[VMIN] = 0;
	raw.c_cc[VTIME] = 0;
	return tcsetattr(t->in, TCSANOW, &raw) ? -errno : 0;
}

static void start_drawing(struct terminal *t)
{
	t->waiting.len = t->written = 0;
	t->stalled = false;
	buf_puts(&t->waiting, enter);
	terminal_forget(t);
}

/* A description of its own: O_NONBLOCK would else hold for everybody who has this terminal. */
static int open_output(void)
{
	int fd = open("/proc/self/fd/1", O_WRONLY | O_NOCTTY | O_CLOEXEC | O_NONBLOCK);

	return fd < 0 ? fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3) : fd;
}

int terminal_open(struct terminal *t, struct err *e)
{
	int r = terminal_check(e);

	if (r)
		return r;
	*t = (struct terminal){.in = STDIN_FILENO, .colours = has_colours(), .ascii = is_ascii()};
	if (tcgetattr(t->in, &t->before))
		return err_sys(e, -errno, "cannot read the terminal's settings");
	t->out = open_output();
	if (t->out < 0)
		return err_sys(e, -errno, "cannot open the terminal");
	watch_crashes(t);
	r = raw_mode(t);
	if (r) {
		unwatch_crashes();
		close(t->out);
		return err_sys(e, r, "cannot change the terminal's settings");
	}
	t->open = true;
	terminal_measure(t);
	start_drawing(t);
	return 0;
}

/* The way back must not be lost because the terminal is slow; but it may be gone. */
static void write_last(struct terminal *t, const char *s, size_t n)
{
	struct pollfd p = {.fd = t->out, .events = POLLOUT};

	while (n && poll(&p, 1, LAST_WRITE_MS) > 0) {
		ssize_t w = write(t->out, s, n);

		if (w < 0 && errno != EAGAIN && errno != EINTR)
			return;
		s += MAX(w, 0);
		n -= (size_t)MAX(w, 0);
	}
}

static void give_back(struct terminal *t)
{
	write_last(t, leave, sizeof(leave) - 1);
	/* What was typed meanwhile was meant for us, not for the shell. */
	tcflush(t->in, TCIFLUSH);
	tcsetattr(t->in, TCSANOW, &t->before);
	t->open = false;
}

void terminal_close(struct terminal *t)
{
	if (t->open) {
		give_back(t);
		unwatch_crashes();
		close(t->out);
	}
	screen_fini(&t->shown);
	buf_fini(&t->waiting);
}

void terminal_suspend(struct terminal *t)
{
	struct sigaction stop = {.sa_handler = SIG_DFL}, before;
	sigset_t only, mask;

	give_back(t);
	sigemptyset(&only);
	sigaddset(&only, SIGTSTP);
	sigaction(SIGTSTP, &stop, &before);
	sigprocmask(SIG_UNBLOCK, &only, &mask);
	/* Without a shell that could continue us, the kernel ignores this: then it just goes on. */
	raise(SIGTSTP);
	sigprocmask(SIG_SETMASK, &mask, NULL);
	sigaction(SIGTSTP, &before, NULL);
	terminal_resume(t);
}

void terminal_resume(struct terminal *t)
{
	raw_mode(t);
	t->open = true;
	terminal_measure(t);
	start_drawing(t);
}

/* ---- the size ---- */

bool terminal_measure(struct terminal *t)
{
	struct winsize size = {};
	unsigned int columns, rows;
	bool changed;

	if (ioctl(t->out, TIOCGWINSZ, &size) || !size.ws_col || !size.ws_row)
		size = (struct winsize){.ws_col = DEFAULT_COLUMNS, .ws_row = DEFAULT_ROWS};
	columns = MIN(size.ws_col, SCREEN_MAX_COLUMNS);
	rows = MIN(size.ws_row, SCREEN_MAX_ROWS);
	changed = columns != t->columns || rows != t->rows;
	t->columns = columns;
	t->rows = rows;
	return changed;
}

void terminal_forget(struct terminal *t)
{
	screen_resize(&t->shown, 0, 0);
}

/* ---- drawing ---- */

int terminal_flush(struct terminal *t)
{
	while (t->written < t->waiting.len) {
		ssize_t n =
			write(t->out, t->waiting.data + t->written, t->waiting.len - t->written);

		t->stalled = n < 0 && errno == EAGAIN;
		if (t->stalled)
			return 1;
		if (n < 0 && errno != EINTR)
			return -errno;
		t->written += (size_t)MAX(n, 0);
	}
	t->waiting.len = t->written = 0;
	return 0;
}

int terminal_draw(struct terminal *t, const struct screen *s)
{
	if (t->stalled)
		return 2;
	screen_draw(&t->shown, s, t->colours, &t->waiting);
	screen_copy(&t->shown, s);
	return terminal_flush(t);
}

/* ---- keys ---- */

int terminal_read(struct terminal *t)
{
	uint8_t bytes[sizeof(t->keys.bytes)];
	size_t room = sizeof(bytes) - t->keys.len;
	struct pollfd p = {.fd = t->in, .events = POLLIN};
	ssize_t n = room ? read(t->in, bytes, room) : 0;

	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -errno;
	if (!n && room && poll(&p, 1, 0) > 0 && p.revents & (POLLHUP | POLLERR))
		return -EIO;
	keys_feed(&t->keys, bytes, (size_t)n);
	return 0;
}

uint32_t terminal_key(struct terminal *t, bool ended)
{
	return keys_next(&t->keys, ended);
}

bool terminal_key_waits(const struct terminal *t)
{
	return keys_waiting(&t->keys);
}
