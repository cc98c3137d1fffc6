/* server/route.h - what the server answers, as data. All routes stand in routes.c. */
#ifndef GLIM_SERVER_ROUTE_H
#define GLIM_SERVER_ROUTE_H

#include "server/request.h"

enum route_access {
	ACCESS_PUBLIC, /* anybody */
	ACCESS_INGEST, /* a key of scope ingest or admin */
	ACCESS_READ,   /* a session, or a key of scope read or admin */
	ACCESS_ADMIN,  /* a session, or a key of scope admin */
};
enum route_flag {
	ROUTE_INLINE = 1,  /* never waits: answered on the loop, even when all workers are busy */
	ROUTE_ORIGIN = 2,  /* public, but other sites' pages must not call it */
	ROUTE_ANY_HOST = 4 /* answers whatever the Host header says */
};

/* Sizes of a body that a route takes; BODY_INGEST stands for the configured one. */
enum { BODY_NONE = 0, BODY_FORM = 16384, BODY_INGEST = -1 };

struct route {
	unsigned int methods; /* enum http_method, or-ed; GET stands for HEAD too */
	const char *pattern;  /* one segment may be {name}; "*": everything that no other matches */
	enum route_access access;
	unsigned int flags;
	int body;
	handler_fn *handle;
};
enum { ROUTES_MAX = 32 };
extern const struct route routes[];
extern const size_t routes_count;

/* The route of a raw path (no query). ret_arg: the {name} segment, still escaped, with its length.
 * NULL: none; then ret_allowed tells the methods that other routes have for this path. */
const struct route *route_find(enum http_method method, const char *path, size_t len,
			       const char **ret_arg, size_t *ret_arg_len,
			       unsigned int *ret_allowed);

/* Handlers, by the file that has them. */
handler_fn status_get, account_add, session_add, session_remove, me_get; /* account.c */
handler_fn key_add, key_list, key_remove;				 /* key.c */
handler_fn service_add, service_list;					 /* service.c */
handler_fn flamegraph_get;						 /* flamegraph.c */
handler_fn series_get;							 /* series.c */
handler_fn label_list, label_values;					 /* label.c */
handler_fn ingest_profiles, ingest_metrics;				 /* ingest.c */
handler_fn install_script, download_program, download_checksum;		 /* install.c */
handler_fn health_get, metrics_get;					 /* stats.c */
handler_fn page_get;							 /* page.c */

#endif
