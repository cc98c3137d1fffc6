/* A real HTTP or HTTPS server inside the test, on a port of the kernel's choice: it remembers what
 * came and answers from a list. */
#ifndef GLIM_TEST_SINK_WEB_H
#define GLIM_TEST_SINK_WEB_H

#include <event2/event.h>

#include "base/buf.h"
#include "base/vec.h"

struct web_answer {
	int status;
	const char *header, *value; /* one more header, NULL: none */
	const char *body;
};
struct web_seen {
	char *path, *authorization, *type, *encoding, *host;
	struct buf body;
	void *connection; /* tells connections apart */
};
struct web {
	struct event_base *loop;
	struct evhttp *http;
	uint16_t port;
	const struct web_answer *answers; /* the last one repeats */
	size_t nanswers;
	size_t hang; /* so many requests get no answer at all */
	VEC(struct web_seen) seen;
	struct ssl_ctx_st *tls;
	char ca_file[64];
};

/* name: NULL for HTTP, else the name or address in a certificate of its own making, which
 * web->ca_file holds. port 0: any. */
void web_start(struct web *w, struct event_base *loop, uint16_t port, const char *name);
void web_stop(struct web *w);
/* Forget what came. */
void web_fini(struct web *w);

#endif
