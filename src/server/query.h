/* server/query.h - what every question to the store has in common: service, type, time, filters.
 *
 * Memory: results live in the request's arena. Threads: any, one request at a time. */
#ifndef GLIM_SERVER_QUERY_H
#define GLIM_SERVER_QUERY_H

#include "server/request.h"

/* Read service, type, from, until and filter. False after an error was answered. */
bool query_parse(struct request *req, struct response *res, struct store_query *ret_q);
/* "now", "now-15m", "1700000000.5" as nanoseconds; -EINVAL when it is none of them. */
int query_time(const char *text, int64_t now, int64_t *ret_ns);
/* "host=web-3", also with != =~ !~; text is changed. -EINVAL when there is no operator or label. */
int query_filter(char *text, struct store_filter *ret_f);
/* A whole number from min to max; absent: fallback. False after an error was answered. */
bool query_number(struct request *req, struct response *res, const char *name, int64_t min,
		  int64_t max, int64_t fallback, int64_t *ret_n);
/* Call around a question to the store, for /metrics. */
int64_t query_begin(void);
void query_end(struct request *req, int64_t begun);

#endif
