#include <openssl/err.h>
#include <openssl/ssl.h>

#include "server/server_priv.h"

static int library_error(struct err *e, const char *what, const char *path)
{
	unsigned long code = ERR_peek_last_error();
	const char *reason = code ? ERR_reason_error_string(code) : NULL;

	ERR_clear_error();
	return err_set(e, -EINVAL, "%s %s: %s", what, path, reason ? reason : "unknown reason");
}

static int load(SSL_CTX *ctx, const char *cert, const char *key, struct err *e)
{
	if (SSL_CTX_use_certificate_chain_file(ctx, cert) != 1)
		return library_error(e, "cannot read the certificate", cert);
	if (SSL_CTX_use_PrivateKey_file(ctx, key, SSL_FILETYPE_PEM) != 1)
		return library_error(e, "cannot read the private key", key);
	if (SSL_CTX_check_private_key(ctx) != 1)
		return library_error(e, "the certificate does not belong to the key", key);
	return 0;
}

int tls_open(const char *cert, const char *key, struct ssl_ctx_st **ret, struct err *e)
{
	/* The library's own configuration may name modules to load, which a static program
	 * cannot. */
	OPENSSL_init_ssl(OPENSSL_INIT_NO_LOAD_CONFIG, NULL);
	SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
	int r;

	if (!ctx)
		return library_error(e, "cannot start TLS for", cert);
	SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION);
	SSL_CTX_set_options(ctx, SSL_OP_NO_RENEGOTIATION | SSL_OP_CIPHER_SERVER_PREFERENCE);
	SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS);
	r = load(ctx, cert, key, e);
	if (r < 0) {
		SSL_CTX_free(ctx);
		return r;
	}
	*ret = ctx;
	return 0;
}

void tls_close(struct ssl_ctx_st *t)
{
	SSL_CTX_free(t);
}
