/* sink/tls.h - the client's side of TLS: whom to trust, and what went wrong, in words.
 *
 * Memory: a context belongs to its caller; a session made from it belongs to whoever gets it.
 * Threads: one at a time a context. Certificate and host name are always verified. */
#ifndef GLIM_SINK_TLS_H
#define GLIM_SINK_TLS_H

#include "base/err.h"

struct ssl_ctx_st;
struct ssl_st;

/* ca_file: the only authorities to trust; NULL: those of the system, found where distributions keep
 * them. */
int tls_client_new(const char *ca_file, struct ssl_ctx_st **ret_ctx, struct err *e);
void tls_client_free(struct ssl_ctx_st *ctx);
/* A session that accepts only a certificate for host, a name or an address. */
int tls_session_new(struct ssl_ctx_st *ctx, const char *host, struct ssl_st **ret_ssl,
		    struct err *e);
/* Why the handshake failed: a refused certificate first, then the library's own reason. error is
 * what the library reported, 0 when it did not. Returns false when TLS knows of no failure. */
bool tls_failure(struct ssl_st *ssl, unsigned long error, char *ret_text, size_t size);

#endif
