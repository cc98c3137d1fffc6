#include "sink/tls.h"

#include <arpa/inet.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <unistd.h>

/* Where distributions keep the authorities they trust, as one file each. */
static const char *const ca_files[] = {
	"/etc/ssl/certs/ca-certificates.crt",		     /* Debian, Ubuntu, Arch, Alpine */
	"/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem", /* Fedora, RHEL */
	"/etc/pki/tls/certs/ca-bundle.crt",		     /* RHEL and its older kin */
	"/etc/ssl/ca-bundle.pem",			     /* openSUSE */
	"/etc/ssl/cert.pem",				     /* Alpine, Void */
};

static void discard_errors(void)
{
	ERR_clear_error();
}

static int library_error(struct err *e, const char *what)
{
	unsigned long code = ERR_peek_last_error();
	const char *reason = code ? ERR_reason_error_string(code) : NULL;

	discard_errors();
	return err_set(e, -EINVAL, "%s: %s", what, reason ? reason : "unknown reason");
}

static int load_system(SSL_CTX *ctx, struct err *e)
{
	const char *env = getenv("SSL_CERT_FILE");

	if (env && SSL_CTX_load_verify_file(ctx, env) == 1)
		return 0;
	for (size_t i = 0; i < ARRAY_SIZE(ca_files); i++)
		if (!access(ca_files[i], R_OK) && SSL_CTX_load_verify_file(ctx, ca_files[i]) == 1)
			return 0;
	discard_errors();
	return err_set(e, -ENOENT,
		       "this host has no list of trusted certificate authorities: install the "
		       "package ca-certificates, or name a file with --ca-file");
}

int tls_client_new(const char *ca_file, struct ssl_ctx_st **ret_ctx, struct err *e)
{
	/* The library's own configuration may name modules to load, which a static program
	 * cannot. */
	OPENSSL_init_ssl(OPENSSL_INIT_NO_LOAD_CONFIG, NULL);
	SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
	int r = 0;

	if (!ctx)
		return library_error(e, "cannot start TLS");
	SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION);
	SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, NULL);
	SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS);
	if (!ca_file)
		r = load_system(ctx, e);
	else if (access(ca_file, R_OK))
		r = err_sys(e, -errno, "cannot read the file of authorities %s", ca_file);
	else if (SSL_CTX_load_verify_file(ctx, ca_file) != 1) {
		discard_errors();
		r = err_set(e, -EINVAL, "%s holds no certificate in PEM form", ca_file);
	}
	if (r) {
		SSL_CTX_free(ctx);
		return r;
	}
	*ret_ctx = ctx;
	return 0;
}

void tls_client_free(struct ssl_ctx_st *ctx)
{
	SSL_CTX_free(ctx);
}

static bool is_address(const char *host)
{
	struct in6_addr a;

	return inet_pton(AF_INET, host, &a) == 1 || inet_pton(AF_INET6, host, &a) == 1;
}

int tls_session_new(struct ssl_ctx_st *ctx, const char *host, struct ssl_st **ret_ssl,
		    struct err *e)
{
	SSL *ssl = SSL_new(ctx);
	int ok;

	if (!ssl)
		return library_error(e, "cannot start TLS");
	if (is_address(host))
		ok = X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), host);
	else
		ok = SSL_set1_host(ssl, host) && SSL_set_tlsext_host_name(ssl, host);
	if (!ok) {
		SSL_free(ssl);
		return library_error(e, "cannot ask for the server's certificate");
	}
	*ret_ssl = ssl;
	return 0;
}

bool tls_failure(struct ssl_st *ssl, unsigned long error, char *ret_text, size_t size)
{
	long verify = SSL_get_verify_result(ssl);
	const char *reason = error ? ERR_reason_error_string(error) : NULL;

	discard_errors();
	if (verify == X509_V_ERR_HOSTNAME_MISMATCH || verify == X509_V_ERR_IP_ADDRESS_MISMATCH)
		snprintf(ret_text, size, "the server's certificate is for another name");
	else if (verify == X509_V_ERR_CERT_HAS_EXPIRED)
		snprintf(ret_text, size, "the server's certificate has expired");
	else if (verify != X509_V_OK)
		snprintf(ret_text, size,
			 "the server's certificate is not trusted (%s); --ca-file names the "
			 "authority that signed it",
			 X509_verify_cert_error_string(verify));
	else if (reason)
		snprintf(ret_text, size, "TLS failed: %s", reason);
	else
		return false;
	return true;
}
