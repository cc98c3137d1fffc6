/* server/server.h - the HTTP server: accounts, ingest, queries, the page and the installer.
 *
 * One event loop takes requests and sends answers; a few worker threads run the handlers. Routes
 * are data (routes.c). Threads: server_run is called once, from the thread that owns the loop. */
#ifndef GLIM_SERVER_H
#define GLIM_SERVER_H

#include "store/store.h"

struct server_config {
	const char *listen; /* "ADDR:PORT", "[v6]:PORT" */
	struct store *store;
	bool signup_open;
	const char *public_url; /* NULL: from the request's Host */
	unsigned int workers;
	size_t max_body;    /* bytes of a request, as sent */
	size_t max_decoded; /* bytes after decompression */
	int retention_days;
};
struct server;
int server_open(const struct server_config *cfg, struct server **ret, struct err *e);
/* Serve until server_stop; what is under way is finished. */
int server_run(struct server *s, struct err *e);
void server_stop(struct server *s); /* from a signal handler's event or another thread */
void server_close(struct server *s);
/* "http://127.0.0.1:4040/", and the one-time link where the first account needs one ("" when not).
 */
const char *server_address(const struct server *s);
const char *server_first_link(const struct server *s);

#endif
