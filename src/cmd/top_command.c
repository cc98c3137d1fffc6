#include "cmd/top_command.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <unistd.h>

#include "base/utf8.h"

enum { END_MS = 1000 };

void top_command_init(struct top_command *c, char *const *argv)
{
	*c = (struct top_command){
		.argv = argv,
		.launch = {.go = -1, .failed = -1, .ended = -1},
		.output = -1,
	};
}

static void keep_tail(struct top_command *c, const char *p, size_t n)
{
	if (c->len + n > sizeof(c->tail)) {
		memmove(c->tail, c->tail + c->len - TOP_COMMAND_TAIL, TOP_COMMAND_TAIL);
		c->len = TOP_COMMAND_TAIL;
	}
	memcpy(c->tail + c->len, p, n);
	c->len += n;
}

static void on_readable(evutil_socket_t fd, short what, void *arg)
{
	struct top_command *c = arg;
	char bytes[TOP_COMMAND_TAIL];
	ssize_t n = read(fd, bytes, sizeof(bytes));

	if (n > 0)
		keep_tail(c, bytes, (size_t)n);
	else if (!n || errno != EAGAIN)
		event_del(c->readable);
}

int top_command_open(struct top_command *c, struct event_base *loop, struct err *e)
{
	int output[2], r;

	if (pipe2(output, O_CLOEXEC))
		return err_sys(e, -errno, "cannot start a command");
	c->output = output[0];
	fcntl(c->output, F_SETFL, O_NONBLOCK);
	r = launch_open(c->argv, output[1], &c->launch, e);
	close(output[1]);
	if (r < 0)
		return r;
	c->readable = event_new(loop, c->output, EV_READ | EV_PERSIST, on_readable, c);
	CHECK(c->readable);
	event_add(c->readable, NULL);
	return 0;
}

int top_command_go(struct top_command *c, struct err *e)
{
	int r = launch_go(&c->launch, e);

	c->running = !r;
	if (r) {
		c->status = launch_wait(&c->launch);
		return err_prefix(e, "%s", c->argv[0]);
	}
	return 0;
}

void top_command_ended(struct top_command *c)
{
	c->running = false;
	c->status = launch_wait(&c->launch);
	on_readable(c->output, 0, c);
}

void top_command_close(struct top_command *c)
{
	struct pollfd end = {.fd = c->launch.ended, .events = POLLIN};

	if (c->running && !kill(c->launch.pid, SIGTERM) && poll(&end, 1, END_MS) > 0)
		launch_wait(&c->launch);
	launch_close(&c->launch);
	if (c->readable)
		event_free(c->readable);
	if (c->output >= 0)
		close(c->output);
}

void top_command_put_tail(const struct top_command *c, struct buf *out)
{
	size_t start = c->len > TOP_COMMAND_TAIL ? c->len - TOP_COMMAND_TAIL : 0;

	/* From the first whole line on. */
	for (size_t i = start; start && i < c->len; i++)
		if (c->tail[i] == '\n') {
			start = i + 1;
			break;
		}
	for (size_t i = start; i < c->len;) {
		const char *line = c->tail + i, *end = memchr(line, '\n', c->len - i);
		size_t n = end ? (size_t)(end - line) : c->len - i;

		utf8_put_printable(out, line, n);
		buf_putc(out, '\n');
		i += n + 1;
	}
}
