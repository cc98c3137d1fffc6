#include "cmd/sampling.h"

#include <unistd.h>

#include "cmd/target.h"

enum { MAX_HZ = 5000, MAX_READER_HZ = 50000 };

static const char *const clocks[] = {[CAPTURE_CPU] = "cpu", [CAPTURE_WALL] = "wall"};

const char *sampling_clock_name(enum capture_clock clock)
{
	return clocks[clock];
}

static int clock_of(const char *mode, enum capture_clock *ret, struct err *e)
{
	enum capture_clock clock = CAPTURE_CPU;

	while (mode && clock < ARRAY_SIZE(clocks) && strcmp(mode, clocks[clock]))
		clock++;
	if (clock == ARRAY_SIZE(clocks))
		return err_set(e, -EINVAL, "--mode must be cpu or wall, not \"%.40s\"", mode);
	*ret = clock;
	return 0;
}

int sampling_config(const struct sampling_options *o, bool starts, const char *verb,
		    struct capture_config *ret, struct err *e)
{
	struct capture_config c = {
		.native = o->native,
		.self = getpid(),
		.children = o->children,
		.gil = o->gil,
		.starting = starts,
		.kernel_stacks = true,
	};
	int r;

	if (!!o->all + !!o->pid + starts != 1)
		return err_set(e, -EINVAL,
			       "what to %s? -p PID is one process, -- COMMAND starts one, -a is "
			       "the whole machine",
			       verb);
	if (o->all && (o->mode || o->native || o->children || o->gil))
		return err_set(e, -EINVAL,
			       "--mode, --gil, --native and --subprocesses are for one process: "
			       "use -p PID or -- COMMAND");
	r = clock_of(o->mode, &c.clock, e);
	if (!r)
		r = options_number("-F", o->frequency ? o->frequency : "99", 1,
				   o->all || o->native ? MAX_HZ : MAX_READER_HZ, &c.hz, e);
	if (!r)
		*ret = c;
	return r;
}

/* The kernel's programs see native functions best; who may not use them, or wants what they do not
 * have, gets those of threads that are stopped for a moment. */
static bool wants_kernel(const struct capture_config *c)
{
	return !c->pid || (c->native && c->clock == CAPTURE_CPU && !c->gil);
}

int sampling_open(struct capture_config *c, const char *command, struct capture **ret,
		  struct err *e)
{
	int r;

	c->engine = CAPTURE_KERNEL;
	r = wants_kernel(c) ? capture_open(c, ret, e) : -ENOTSUP;
	if (!c->pid || (r != -EPERM && r != -EACCES && r != -ENOTSUP && r != -ENOSYS))
		return r;
	*e = (struct err){};
	c->engine = CAPTURE_READER;
	r = c->native && !c->starting ? target_check_trace(c->pid, command, e) : 0;
	if (!r)
		r = capture_open(c, ret, e);
	if (r == -EPERM || r == -EACCES)
		target_check_memory(c->pid, command, e);
	if (r == -ENOENT)
		target_advise(e, "--native shows any program");
	return r;
}
