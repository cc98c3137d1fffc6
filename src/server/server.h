/* server/server.h - the HTTP server: accounts, ingest, queries, the page and the installer.
 *
 * One event loop takes requests and sends answers; a few worker threads run the handlers. Routes
 * are data (routes.c). Threads: server_run is called once, from the thread that called
 * server_open. Memory: the server copies the texts of its configuration; the store stays the
 * caller's and must outlive it. */
#ifndef GLIM_SERVER_H
#define GLIM_SERVER_H

#include "store/store.h"

struct server_config {
	const char *listen; /* "ADDR:PORT", "[v6]:PORT"; port 0: one that is free */
	struct store *store;
	bool signup_open;
	const char *public_url; /* NULL: from the request's Host */
	const char *tls_cert;	/* PEM files; NULL: plain HTTP */
	const char *tls_key;
	unsigned int workers;
	size_t max_body;    /* bytes of an ingest request, as sent */
	size_t max_decoded; /* bytes of it after decompression */
	int retention_days; /* 0: keep for ever */
};
struct server;
/* Listen and get ready; nothing is answered before server_run. */
int server_open(const struct server_config *cfg, struct server **ret, struct err *e);
/* Serve until server_stop; what is under way is finished, for at most half a minute. */
int server_run(struct server *s, struct err *e);
void server_stop(struct server *s);  /* from a signal handler or another thread */
void server_close(struct server *s); /* NULL is fine */
/* "http://127.0.0.1:4040/", and the one-time link where the first account needs one ("" when not).
 */
const char *server_address(const struct server *s);
const char *server_first_link(const struct server *s);

/* See to it that the file path (mode 0600) holds a key with which the agent of this machine may
 * send, under what becomes the first account's tenant. One that is good already stays. */
int server_local_key(struct store *store, const char *path, struct err *e);

#endif
