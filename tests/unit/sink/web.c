#include "web.h"

#include <arpa/inet.h>
#include <event2/buffer.h>
#include <event2/bufferevent_ssl.h>
#include <event2/http.h>
#include <netinet/in.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <unistd.h>

static char *header(struct evhttp_request *req, const char *name)
{
	const char *v = evhttp_find_header(evhttp_request_get_input_headers(req), name);

	return mem_strdup(v ? v : "");
}

static void on_request(struct evhttp_request *req, void *arg)
{
	struct web *w = arg;
	struct evbuffer *in = evhttp_request_get_input_buffer(req);
	struct web_seen s = {.path = mem_strdup(evhttp_request_get_uri(req)),
			     .authorization = header(req, "Authorization"),
			     .type = header(req, "Content-Type"),
			     .encoding = header(req, "Content-Encoding"),
			     .host = header(req, "Host"),
			     .connection = evhttp_request_get_connection(req)};
	const struct web_answer *a = &w->answers[MIN(w->seen.len, w->nanswers - 1)];
	size_t n = evbuffer_get_length(in);
	struct evbuffer *out;

	buf_reserve(&s.body, n + 1);
	evbuffer_remove(in, s.body.data, n);
	s.body.len = n;
	vec_push(&w->seen, s);
	if (w->hang) {
		w->hang--;
		return;
	}
	if (a->header)
		evhttp_add_header(evhttp_request_get_output_headers(req), a->header, a->value);
	out = evbuffer_new();
	if (a->body)
		evbuffer_add(out, a->body, strlen(a->body));
	evhttp_send_reply(req, a->status, "Told", out);
	evbuffer_free(out);
}

static struct bufferevent *on_accept(struct event_base *loop, void *arg)
{
	struct web *w = arg;

	return bufferevent_openssl_socket_new(loop, -1, SSL_new(w->tls), BUFFEREVENT_SSL_ACCEPTING,
					      BEV_OPT_CLOSE_ON_FREE);
}

static void add_extension(X509 *x, int nid, const char *value)
{
	X509_EXTENSION *ext = X509V3_EXT_conf_nid(NULL, NULL, nid, value);

	CHECK(ext && X509_add_ext(x, ext, -1));
	X509_EXTENSION_free(ext);
}

/* A certificate that signs itself, as an administrator would make one. */
static void make_certificate(struct web *w, const char *name)
{
	cleanup_free char *alt =
		mem_asprintf("%s:%s", strpbrk(name, ":") || *name < 'A' ? "IP" : "DNS", name);
	EVP_PKEY *key = EVP_EC_gen("P-256");
	X509 *x = X509_new();
	FILE *f;
	int fd;

	X509_set_version(x, X509_VERSION_3);
	ASN1_INTEGER_set(X509_get_serialNumber(x), 1);
	X509_gmtime_adj(X509_getm_notBefore(x), -60);
	X509_gmtime_adj(X509_getm_notAfter(x), 3600);
	X509_set_pubkey(x, key);
	X509_NAME_add_entry_by_txt(X509_get_subject_name(x), "CN", MBSTRING_ASC,
				   (const unsigned char *)"glim test", -1, -1, 0);
	X509_set_issuer_name(x, X509_get_subject_name(x));
	add_extension(x, NID_subject_alt_name, alt);
	add_extension(x, NID_basic_constraints, "critical,CA:TRUE");
	CHECK(X509_sign(x, key, EVP_sha256()));
	w->tls = SSL_CTX_new(TLS_server_method());
	CHECK(SSL_CTX_use_certificate(w->tls, x) == 1 && SSL_CTX_use_PrivateKey(w->tls, key) == 1);
	snprintf(w->ca_file, sizeof(w->ca_file), "/tmp/glim-test-ca-XXXXXX");
	fd = mkstemp(w->ca_file);
	CHECK(fd >= 0);
	f = fdopen(fd, "w");
	PEM_write_X509(f, x);
	fclose(f);
	X509_free(x);
	EVP_PKEY_free(key);
}

void web_start(struct web *w, struct event_base *loop, uint16_t port, const char *name)
{
	struct sockaddr_in a;
	socklen_t len = sizeof(a);
	struct evhttp_bound_socket *s;

	w->loop = loop;
	w->http = evhttp_new(loop);
	if (name && !w->tls)
		make_certificate(w, name);
	if (w->tls)
		evhttp_set_bevcb(w->http, on_accept, w);
	evhttp_set_gencb(w->http, on_request, w);
	s = evhttp_bind_socket_with_handle(w->http, "127.0.0.1", port);
	CHECK(s);
	CHECK(!getsockname(evhttp_bound_socket_get_fd(s), (struct sockaddr *)&a, &len));
	w->port = ntohs(a.sin_port);
}

void web_stop(struct web *w)
{
	if (w->http)
		evhttp_free(w->http);
	w->http = NULL;
}

void web_fini(struct web *w)
{
	for (size_t i = 0; i < w->seen.len; i++) {
		struct web_seen *s = &w->seen.data[i];

		free(s->path);
		free(s->authorization);
		free(s->type);
		free(s->encoding);
		free(s->host);
		buf_fini(&s->body);
	}
	vec_fini(&w->seen);
	web_stop(w);
	SSL_CTX_free(w->tls);
	if (*w->ca_file)
		unlink(w->ca_file);
}
