/* glim dump: the stacks of a Python process as they are now. */
#include "cmd/cmd.h"

#include <signal.h>
#include <unistd.h>

#include "base/io.h"
#include "cmd/dump.h"
#include "cmd/options.h"
#include "cmd/target.h"

struct choices {
	const char *pid, *locals, *secrets, *source, *json;
};

static int dump(pid_t pid, const struct choices *o, struct err *e)
{
	const struct dump_options options = {
		.locals = o->locals, .secrets = o->secrets, .source = o->source};
	cleanup(dump_fini) struct dump d = {};
	cleanup_buf struct buf out = {};
	int code = target_check_memory(pid, "dump", e);

	if (!code)
		code = dump_read(pid, &options, &d, e);
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

int cmd_dump(int argc, char **argv)
{
	struct choices o = {};
	const struct option_spec specs[] = {
		{"pid", 'p', "PID", "the process", &o.pid},
		{"locals", 'l', NULL, "local variables of each frame, too", &o.locals},
		{"show-secrets", 0, NULL, "values of variables such as \"password\", too",
		 &o.secrets},
		{"source", 's', NULL, "the line of source below each frame", &o.source},
		{"json", 'j', NULL, "as JSON", &o.json},
	};
	const struct option_table table = {
		.command = "dump",
		.usage = "-p PID [OPTION...]",
		.about = "Shows what every thread of a Python process does now: its stack, the "
			 "innermost call first. The process is not stopped, and needs no "
			 "preparation.\n\n"
			 "  glim dump -p 1234             where is it stuck?\n"
			 "  glim dump -p 1234 --locals    and with which values?",
		.specs = specs,
		.n = ARRAY_SIZE(specs),
	};
	struct arena memory = {};
	struct err e = {};
	pid_t pid;
	int status = 2, operand = options_parse(&table, argc, argv, &memory, &status);

	signal(SIGPIPE, SIG_IGN);
	if (operand >= 0 && operand < argc)
		status = cmd_usage_error("dump", "what is \"%.40s\"? A process is named with -p",
					 argv[operand]);
	else if (operand >= 0 && !o.pid)
		status = cmd_usage_error("dump", "which process? -p PID names it");
	else if (operand >= 0 && target_find(o.pid, &pid, &e) == -EINVAL)
		status = cmd_usage_error("dump", "%s", e.msg);
	else if (operand >= 0 && (e.code || dump(pid, &o, &e)))
		status = fprintf(stderr, "glim dump: %s\n", e.msg) ? 1 : 1;
	else if (operand >= 0)
		status = 0;
	arena_fini(&memory);
	return status;
}
