/* cmd/top_command.h - the command of `glim top -- COMMAND`.
 *
 * The terminal is the table's: the command reads nothing from it, and what it writes is not shown.
 * Its last bytes are kept, for who wants to know why it failed. Unlike with `glim record`, it ends
 * with the table. Memory: in the struct. Threads: the main thread. */
#ifndef GLIM_TOP_COMMAND_H
#define GLIM_TOP_COMMAND_H

#include <event2/event.h>

#include "base/buf.h"
#include "cmd/launch.h"

enum { TOP_COMMAND_TAIL = 2048 };

struct top_command {
	char *const *argv; /* NULL: there is no command */
	struct launch launch;
	int output; /* what it writes can be read here */
	struct event *readable;
	bool running;
	int status; /* of its end */
	char tail[2 * TOP_COMMAND_TAIL];
	size_t len;
};

void top_command_init(struct top_command *c, char *const *argv);
/* Start it; it waits for top_command_go with its first instruction. */
int top_command_open(struct top_command *c, struct event_base *loop, struct err *e);
int top_command_go(struct top_command *c, struct err *e);
/* Its launch.ended is readable: take its status. */
void top_command_ended(struct top_command *c);
/* Ends it with SIGTERM when it runs; who does not obey within a second is left alone. */
void top_command_close(struct top_command *c);
/* Its last lines, printable. */
void top_command_put_tail(const struct top_command *c, struct buf *out);

#endif
