/* glim dump: the stacks of a Python process as they are now. */
#include "cmd/cmd.h"

#include <signal.h>
#include <unistd.h>

#include "base/io.h"
#include "cmd/dump.h"
#include "cmd/options.h"
#include "cmd/target.h"

struct choices {
	const char *pid, *core, *exe, *locals, *secrets, *source, *native, *json;
};

static int dump(pid_t pid, const struct choices *o, struct err *e)
{
	const struct dump_options options = {.pid = pid,
					     .core = o->core,
					     .exe = o->exe,
					     .locals = o->locals,
					     .secrets = o->secrets,
					     .source = o->source,
					     .native = o->native};
	cleanup(dump_fini) struct dump d = {};
	cleanup_buf struct buf out = {};
	int code = 0;

	if (!o->core)
		code = o->native ? target_check_trace(pid, "dump", e)
				 : target_check_memory(pid, "dump", e);
	if (!code)
		code = dump_read(&options, &d, e);
	if (code)
		return code;
	if (o->json)
		dump_put_json(&d, &out);
	else
		dump_put_text(&d, &out);
	code = io_write_all(STDOUT_FILENO, out.data, out.len);
	/* Who closed the pipe has seen enough. */
	return code < 0 && code != -EPIPE ? err_sys(e, code, "standard output") : 0;
}

/* The exit status. */
static int choose(const struct choices *o, const char *operand)
{
	struct err e = {};
	pid_t pid = 0;
	int code = 0;

	if (operand)
		return cmd_usage_error("dump", "what is \"%.40s\"? A process is named with -p",
				       operand);
	if (!o->pid == !o->core)
		return cmd_usage_error("dump", o->pid ? "a process or a core file, not both"
						      : "which process? -p PID names it");
	if (o->exe && !o->core)
		return cmd_usage_error("dump", "--exe goes with --core");
	if (o->pid)
		code = target_find(o->pid, &pid, &e);
	if (code == -EINVAL)
		return cmd_usage_error("dump", "%s", e.msg);
	if (!code)
		code = dump(pid, o, &e);
	if (code)
		fprintf(stderr, "glim dump: %s\n", e.msg);
	return code ? 1 : 0;
}

int cmd_dump(int argc, char **argv)
{
	struct choices o = {};
	const struct option_spec specs[] = {
		{"pid", 'p', "PID", "the process", &o.pid},
		{"core", 'c', "FILE", "a core file in place of a process", &o.core},
		{"exe", 0, "FILE", "where the core's program or libpython is now", &o.exe},
		{"locals", 'l', NULL, "local variables of each frame, too", &o.locals},
		{"show-secrets", 0, NULL, "values of variables such as \"password\", too",
		 &o.secrets},
		{"source", 's', NULL, "the line of source below each frame", &o.source},
		{"native", 'n', NULL, "native functions, too, and of programs without Python",
		 &o.native},
		{"json", 'j', NULL, "as JSON", &o.json},
	};
	const struct option_table table = {
		.command = "dump",
		.usage = "-p PID | -c FILE [OPTION...]",
		.about = "Shows what every thread of a Python process does now: its stack, the "
			 "innermost call first. The process is not stopped, and needs no "
			 "preparation.\n\n"
			 "  glim dump -p 1234             where is it stuck?\n"
			 "  glim dump -p 1234 --locals    and with which values?\n"
			 "  glim dump -p 1234 --native    in which C function?\n"
			 "  glim dump --core core.1234    what did it do when it died?",
		.specs = specs,
		.n = ARRAY_SIZE(specs),
	};
	struct arena memory = {};
	int status = 2, operand = options_parse(&table, argc, argv, &memory, &status);

	signal(SIGPIPE, SIG_IGN);
	if (operand >= 0)
		status = choose(&o, operand < argc ? argv[operand] : NULL);
	arena_fini(&memory);
	return status;
}
