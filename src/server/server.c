#include "server/server.h"

#include <arpa/inet.h>
#include <event2/event.h>
#include <event2/listener.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netdb.h>
#include <strings.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/clock.h"
#include "server/server_priv.h"

enum {
	STOP_SECONDS = 30,
	ACCEPT_PAUSE_MS = 200, /* when there are no file descriptors left */
	HASHING_MAX = 2,
};

/* --- where we listen ------------------------------------------------------------------------- */

static void free_addrinfo(struct addrinfo **ai)
{
	if (*ai)
		freeaddrinfo(*ai);
}

/* "127.0.0.1:4040", "[::1]:4040", "localhost:4040", ":4040" */
static int parse_listen(const char *text, struct sockaddr_storage *ret_addr, int *ret_len,
			struct err *e)
{
	/* Numbers alone: looking up names would load the system's modules, which a static program
	 * must not. */
	const struct addrinfo hints = {.ai_socktype = SOCK_STREAM,
				       .ai_flags = AI_PASSIVE | AI_NUMERICSERV | AI_NUMERICHOST};
	cleanup(free_addrinfo) struct addrinfo *found = NULL;
	cleanup_free char *copy = mem_strdup(text);
	char *colon = strrchr(copy, ':'), *host = copy;
	int r;

	if (!colon || strspn(colon + 1, "0123456789") != strlen(colon + 1) || !colon[1] ||
	    strlen(colon + 1) > 5 || strtoul(colon + 1, NULL, 10) > 65535)
		return err_set(e, -EINVAL, "\"%s\" is not ADDRESS:PORT", text);
	*colon = '\0';
	if (host[0] == '[' && colon > host + 1 && colon[-1] == ']') {
		colon[-1] = '\0';
		host++;
	}
	if (!strcmp(host, "localhost"))
		host = (char *)"127.0.0.1";
	r = getaddrinfo(*host ? host : NULL, colon + 1, &hints, &found);
	if (r)
		return err_set(e, -EINVAL, "\"%s\" is not an IP address with a port", text);
	memcpy(ret_addr, found->ai_addr, found->ai_addrlen);
	*ret_len = (int)found->ai_addrlen;
	return 0;
}

static bool is_loopback(const struct sockaddr_storage *a)
{
	const struct sockaddr_in6 *v6 = (const void *)a;
	const struct sockaddr_in *v4 = (const void *)a;

	return a->ss_family == AF_INET ? ntohl(v4->sin_addr.s_addr) >> 24 == 127
				       : IN6_IS_ADDR_LOOPBACK(&v6->sin6_addr);
}

static bool is_any(const struct sockaddr_storage *a)
{
	const struct sockaddr_in6 *v6 = (const void *)a;
	const struct sockaddr_in *v4 = (const void *)a;

	return a->ss_family == AF_INET ? !v4->sin_addr.s_addr
				       : IN6_IS_ADDR_UNSPECIFIED(&v6->sin6_addr);
}

/* An address by which others may reach a server that listens on all: the first that is up. */
static void own_address(char ret[INET6_ADDRSTRLEN])
{
	struct ifaddrs *all, *i;

	snprintf(ret, INET6_ADDRSTRLEN, "127.0.0.1");
	if (getifaddrs(&all))
		return;
	for (i = all; i; i = i->ifa_next)
		if (i->ifa_addr && i->ifa_addr->sa_family == AF_INET && (i->ifa_flags & IFF_UP) &&
		    !(i->ifa_flags & IFF_LOOPBACK))
			break;
	if (i)
		inet_ntop(AF_INET,
			  &((const struct sockaddr_in *)(const void *)i->ifa_addr)->sin_addr, ret,
			  INET6_ADDRSTRLEN);
	freeifaddrs(all);
}

/* Fill in address from the socket, whose port the kernel may have chosen. */
static void name_address(struct server *s)
{
	struct sockaddr_storage a = {};
	socklen_t len = sizeof(a);
	char host[INET6_ADDRSTRLEN], port[8];

	getsockname(evconnlistener_get_fd(s->listener), (struct sockaddr *)&a, &len);
	if (is_any(&a))
		own_address(host);
	else
		getnameinfo((struct sockaddr *)&a, len, host, sizeof(host), NULL, 0,
			    NI_NUMERICHOST);
	getnameinfo((struct sockaddr *)&a, len, NULL, 0, port, sizeof(port), NI_NUMERICSERV);
	s->address = mem_asprintf("%s://%s%s%s:%s/", s->tls ? "https" : "http",
				  strchr(host, ':') ? "[" : "", host, strchr(host, ':') ? "]" : "",
				  port);
}

static void on_accept(struct evconnlistener *l, evutil_socket_t fd, struct sockaddr *addr, int len,
		      void *arg)
{
	conn_open(arg, fd, addr);
}

static void on_resume(evutil_socket_t fd, short what, void *arg)
{
	struct server *s = arg;

	if (!s->stopping)
		evconnlistener_enable(s->listener);
}

static void on_accept_error(struct evconnlistener *l, void *arg)
{
	struct timeval pause = {0, ACCEPT_PAUSE_MS * 1000};
	struct server *s = arg;

	log_warning("cannot take a connection: %s", strerror(errno));
	evconnlistener_disable(l);
	event_add(s->resume, &pause);
}

static int open_listener(struct server *s, struct err *e)
{
	struct sockaddr_storage addr = {};
	int len = 0, r = parse_listen(s->cfg.listen, &addr, &len, e);

	if (r < 0)
		return r;
	s->listener = evconnlistener_new_bind(s->base, on_accept, s,
					      LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC |
						      LEV_OPT_REUSEABLE | LEV_OPT_DISABLED,
					      1024, (struct sockaddr *)&addr, len);
	if (!s->listener)
		return err_sys(e, -errno, "cannot listen on %s", s->cfg.listen);
	evconnlistener_set_error_cb(s->listener, on_accept_error);
	s->loopback = is_loopback(&addr);
	name_address(s);
	return 0;
}

/* --- background work ------------------------------------------------------------------------- */

struct maintenance {
	struct job job;
	struct server *server;
};

static void maintain_run(struct job *j)
{
	struct server *s = ((struct maintenance *)j)->server;
	int64_t now = clock_real_ns(), keep = s->cfg.retention_days * 86400LL * NSEC_PER_SEC;
	struct err e = {};

	if (store_maintain(s->cfg.store, now, &e) < 0)
		log_warning("store: maintenance failed: %s", e.msg);
	if (keep && store_expire(s->cfg.store, now - keep, &e) < 0)
		log_warning("store: old data could not be dropped: %s", e.msg);
}

static void maintain_done(struct job *j)
{
	((struct maintenance *)j)->server->maintaining = false;
	free(j);
}

static void on_minute(evutil_socket_t fd, short what, void *arg)
{
	struct server *s = arg;
	struct maintenance *m;

	if (s->maintaining || s->stopping)
		return;
	s->maintaining = true;
	m = mem_calloc(1, sizeof(*m));
	m->job = (struct job){maintain_run, maintain_done, NULL};
	m->server = s;
	pool_submit(s->pool, &m->job);
}

/* --- life ------------------------------------------------------------------------------------ */

static void on_give_up(evutil_socket_t fd, short what, void *arg)
{
	struct server *s = arg;

	log_warning("%zu connections were cut: they took too long to end", s->nconns);
	event_base_loopbreak(s->base);
}

static void begin_stop(struct server *s)
{
	struct timeval limit = {STOP_SECONDS, 0};

	s->stopping = true;
	evconnlistener_disable(s->listener);
	event_add(s->give_up, &limit);
	conn_close_idle(s);
	if (!s->nconns)
		event_base_loopexit(s->base, NULL);
}

static void on_wake(evutil_socket_t fd, short what, void *arg)
{
	struct server *s = arg;
	eventfd_t n;

	(void)!eventfd_read(s->wake_fd, &n);
	pool_collect(s->pool);
	if (s->stop_asked && !s->stopping)
		begin_stop(s);
}

void server_stop(struct server *s)
{
	s->stop_asked = true;
	(void)!eventfd_write(s->wake_fd, 1);
}

static int open_loop(struct server *s, struct err *e)
{
	struct timeval minute = {60, 0};

	s->base = event_base_new();
	s->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (!s->base || s->wake_fd < 0)
		return err_set(e, -EMFILE, "cannot make an event loop");
	s->wake = event_new(s->base, s->wake_fd, EV_READ | EV_PERSIST, on_wake, s);
	s->minute = event_new(s->base, -1, EV_PERSIST, on_minute, s);
	s->resume = evtimer_new(s->base, on_resume, s);
	s->give_up = evtimer_new(s->base, on_give_up, s);
	CHECK(s->wake && s->minute && s->resume && s->give_up);
	event_add(s->wake, NULL);
	event_add(s->minute, &minute);
	return pool_new(s->cfg.workers, s->wake_fd, &s->pool, e);
}

/* Does somebody who reaches us from elsewhere have to prove that the first account is theirs? A
 * public URL of another host means that a proxy brings the world to our loopback address. */
static bool needs_token(const struct server *s)
{
	const char *url = s->cfg.public_url;

	return !s->loopback || (url && !strstr(url, "://localhost") && !strstr(url, "://127.") &&
				!strstr(url, "://[::1]"));
}

static int open_first_account(struct server *s, struct err *e)
{
	char token[SECRET_SESSION_LEN + 1];
	int64_t n;
	int r = store_account_count(s->cfg.store, &n);

	s->first_link = mem_strdup("");
	s->token_required = needs_token(s);
	if (r < 0)
		return err_sys(e, r, "cannot count the accounts");
	if (n || !s->token_required)
		return 0;
	r = first_token_make(s->cfg.store, token, e);
	if (r < 0)
		return r;
	free(s->first_link);
	s->first_link =
		mem_asprintf("%s%s#token=%s", s->cfg.public_url ? s->cfg.public_url : s->address,
			     s->cfg.public_url ? "/" : "", token);
	return 0;
}

static int open_secrets(struct server *s, struct err *e)
{
	char nobody[SECRET_SESSION_LEN + 1];
	int r = secret_init(e);

	if (r < 0)
		return r;
	secret_random(nobody, SECRET_SESSION_LEN);
	return password_hash(nobody, s->dummy_hash, e);
}

static void raise_file_limit(void)
{
	struct rlimit l;

	if (getrlimit(RLIMIT_NOFILE, &l))
		return;
	l.rlim_cur = l.rlim_max;
	setrlimit(RLIMIT_NOFILE, &l);
}

static char *copy_text(const char *text)
{
	return text ? mem_strdup(text) : NULL;
}

static char *copy_url(const char *url)
{
	char *s = copy_text(url);

	for (size_t n = s ? strlen(s) : 0; n && s[n - 1] == '/'; n--)
		s[n - 1] = '\0';
	return s;
}

static int check_config(const struct server_config *cfg, struct err *e)
{
	const char *u = cfg->public_url;

	if (!cfg->tls_cert != !cfg->tls_key)
		return err_set(e, -EINVAL, "TLS needs both a certificate and a key");
	if (!u)
		return 0;
	if (strncasecmp(u, "http://", 7) && strncasecmp(u, "https://", 8))
		return err_set(e, -EINVAL, "the public URL must begin with http:// or https://");
	/* It stands in the install script and in headers. */
	if (strspn(u, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
		      ":/.-_~[]") != strlen(u))
		return err_set(e, -EINVAL, "the public URL holds characters that no URL should");
	return 0;
}

static int open_all(struct server *s, struct err *e)
{
	int r = check_config(&s->cfg, e);

	if (!r)
		r = open_secrets(s, e);
	if (!r)
		r = program_open(&s->program, e);
	if (!r && s->cfg.tls_cert)
		r = tls_open(s->cfg.tls_cert, s->cfg.tls_key, &s->tls, e);
	if (!r)
		r = open_loop(s, e);
	if (!r)
		r = open_listener(s, e);
	if (!r)
		r = open_first_account(s, e);
	return r;
}

int server_open(const struct server_config *cfg, struct server **ret, struct err *e)
{
	struct server *s = mem_calloc(1, sizeof(*s));
	int r;

	s->cfg = *cfg;
	s->cfg.listen = copy_text(cfg->listen);
	s->cfg.public_url = copy_url(cfg->public_url);
	s->cfg.tls_cert = copy_text(cfg->tls_cert);
	s->cfg.tls_key = copy_text(cfg->tls_key);
	s->stats.started_ns = clock_mono_ns();
	s->wake_fd = -1;
	TAILQ_INIT(&s->conns);
	rate_init(&s->rate);
	sem_init(&s->hashing, 0, HASHING_MAX);
	raise_file_limit();
	r = open_all(s, e);
	if (r < 0) {
		server_close(s);
		return r;
	}
	*ret = s;
	return 0;
}

int server_run(struct server *s, struct err *e)
{
	evconnlistener_enable(s->listener);
	on_minute(-1, 0, s);
	if (event_base_dispatch(s->base) < 0)
		return err_set(e, -EIO, "the event loop failed");
	return 0;
}

static void free_event(struct event *ev)
{
	if (ev)
		event_free(ev);
}

void server_close(struct server *s)
{
	if (!s)
		return;
	if (s->pool)
		pool_stop(s->pool);
	conn_close_all(s);
	pool_free(s->pool);
	if (s->listener)
		evconnlistener_free(s->listener);
	free_event(s->wake);
	free_event(s->minute);
	free_event(s->resume);
	free_event(s->give_up);
	if (s->base)
		event_base_free(s->base);
	if (s->wake_fd >= 0)
		close(s->wake_fd);
	tls_close(s->tls);
	program_close(&s->program);
	rate_fini(&s->rate);
	sem_destroy(&s->hashing);
	free((char *)s->cfg.listen);
	free((char *)s->cfg.public_url);
	free((char *)s->cfg.tls_cert);
	free((char *)s->cfg.tls_key);
	free(s->address);
	free(s->first_link);
	free(s);
}

const char *server_address(const struct server *s)
{
	return s->address;
}

const char *server_first_link(const struct server *s)
{
	return s->first_link;
}
