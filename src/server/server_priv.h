/* server/server_priv.h - the server's inside, for the files of this folder.
 *
 * Threads: cfg, tls, program and the texts do not change after server_open; stats are atomic; rate
 * and facts have locks of their own; everything else belongs to the loop. */
#ifndef GLIM_SERVER_PRIV_H
#define GLIM_SERVER_PRIV_H

#include <semaphore.h>
#include <sys/queue.h>

#include "base/log.h"
#include "server/rate.h"
#include "server/request.h"
#include "server/route.h"
#include "server/secret.h"
#include "server/server.h"
#include "server/stats.h"

enum {
	CONNECTIONS_MAX = 2048,
	BODIES_MAX = 256 << 20, /* bytes of bodies held for all requests together */
	SESSION_SECONDS = 30 * 86400,
};

struct event;
struct event_base;
struct evconnlistener;
struct ssl_ctx_st;
TAILQ_HEAD(conn_list, conn);

/* Our own executable, for hosts to download. */
struct program {
	const void *data;
	size_t len;
	char sha256[65];
};

struct server {
	struct server_config cfg; /* its texts are the server's copies */
	struct event_base *base;
	struct evconnlistener *listener;
	struct event *wake, *minute, *resume, *give_up;
	int wake_fd;
	struct pool *pool;
	struct ssl_ctx_st *tls;
	struct conn_list conns; /* those that wait for a request come first, oldest first */
	size_t nconns;
	size_t bodies; /* bytes of bodies held now */
	_Atomic bool stop_asked;
	bool stopping;
	bool maintaining;
	bool loopback;	     /* listens where only this machine can come */
	bool token_required; /* the first account needs the one-time link */
	char *address, *first_link;
	char dummy_hash[STORE_HASH_MAX]; /* of a password that nobody has */
	sem_t hashing;			 /* bounds the memory of argon2id */
	struct program program;
	struct rate rate;
	struct stats stats;
};

/* conn.c */
void conn_open(struct server *s, int fd, const struct sockaddr *addr);
void conn_close_idle(struct server *s);
void conn_close_all(struct server *s);
void request_run(struct job *j);
void request_done(struct job *j);

/* auth.c: Is this caller known and allowed? Fills in req->caller; false after an error answer. */
bool auth_check(struct request *req, struct response *res);
/* Is the Host one that this server may be called by? See docs/api.md, "Names". */
bool auth_host_ok(const struct server *s, const char *host);
/* Let the caller in: a session and its cookie. */
int auth_session_start(struct request *req, struct response *res, int64_t account, struct err *e);
void auth_session_end(struct request *req, struct response *res);

/* install.c */
int program_open(struct program *p, struct err *e);
void program_close(struct program *p);

/* tls.c */
int tls_open(const char *cert, const char *key, struct ssl_ctx_st **ret, struct err *e);
void tls_close(struct ssl_ctx_st *t);

/* account.c: make or renew the one-time link's secret; ret gets it. */
int first_token_make(struct store *s, char ret[SECRET_SESSION_LEN + 1], struct err *e);

#endif
