/* cmd/cmd_server.c - `glim server`: options, the store, and the server's life. */
#include <ftw.h>
#include <grp.h>
#include <pwd.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "cmd/cmd.h"
#include "cmd/options.h"
#include "server/server.h"

#define DEFAULT_CONFIG "/etc/glim/server.conf"

enum {
	WORKERS_MAX = 64,
	DAYS_MAX = 3650,
	BODY_MIN = 1 << 16,
	NFTW_FILES = 16,
	DECODED_FACTOR = 8, /* a compressed body may grow so many times */
};

struct options {
	const char *listen, *data, *signup, *public_url, *retention, *workers, *max_body;
	const char *tls_cert, *tls_key, *user, *local_key, *config;
};

/* For the signal handler, which gets no argument. */
static struct server *running;

static void on_signal(int number)
{
	server_stop(running);
}

static int read_config(const struct options *o, struct server_config *cfg, struct err *e)
{
	size_t body_max = SIZE_MAX / 64;
	unsigned int days;
	int r;

	cfg->listen = o->listen;
	cfg->public_url = o->public_url;
	cfg->tls_cert = o->tls_cert;
	cfg->tls_key = o->tls_key;
	if (strcmp(o->signup, "open") && strcmp(o->signup, "closed"))
		return err_set(e, -EINVAL, "--signup is open or closed");
	cfg->signup_open = !strcmp(o->signup, "open");
	r = options_number("retention", o->retention, 0, DAYS_MAX, &days, e);
	if (!r)
		r = options_number("workers", o->workers, 1, WORKERS_MAX, &cfg->workers, e);
	if (!r)
		r = options_bytes("max-body", o->max_body, BODY_MIN, MIN(body_max, (size_t)1 << 30),
				  &cfg->max_body, e);
	if (r < 0)
		return r;
	cfg->retention_days = (int)days;
	cfg->max_decoded = cfg->max_body * DECODED_FACTOR;
	return 0;
}

/* Not getpwnam: it would load the system's modules, which a static program must not. */
static int find_user(const char *name, uid_t *ret_uid, gid_t *ret_gid)
{
	cleanup_fclose FILE *f = fopen("/etc/passwd", "re");
	const struct passwd *pw;

	while (f && (pw = fgetpwent(f))) {
		if (strcmp(pw->pw_name, name))
			continue;
		*ret_uid = pw->pw_uid;
		*ret_gid = pw->pw_gid;
		return 0;
	}
	return -ENOENT;
}

/* For nftw, which passes no argument on. */
static uid_t owner_uid;
static gid_t owner_gid;

static int give_away(const char *path, const struct stat *st, int kind, struct FTW *where)
{
	return lchown(path, owner_uid, owner_gid);
}

/* A folder that root may give away: one of ours, or an empty one. Anything else is a mistyped name.
 */
static int check_data(const char *data, struct err *e)
{
	cleanup_free char *catalogue = mem_asprintf("%s/catalogue.db", data);

	if (mkdir(data, 0700) && errno != EEXIST)
		return err_sys(e, -errno, "cannot make the folder %s", data);
	if (access(catalogue, F_OK) && rmdir(data))
		return err_sys(e, -errno, "%s is not a folder of Glim's data", data);
	if (mkdir(data, 0700) && errno != EEXIST)
		return err_sys(e, -errno, "cannot make the folder %s", data);
	return 0;
}

/* Become another user for good. The data becomes theirs first, so that a server that ran as
 * root before can go on. */
static int become_user(const char *name, const char *data, struct err *e)
{
	uid_t uid;
	gid_t gid;
	int r;

	if (find_user(name, &uid, &gid))
		return err_set(e, -ENOENT, "there is no user \"%s\" in /etc/passwd", name);
	if (!uid)
		return err_set(e, -EINVAL, "the user %s is root", name);
	r = check_data(data, e);
	if (r < 0)
		return r;
	owner_uid = uid;
	owner_gid = gid;
	if (nftw(data, give_away, NFTW_FILES, FTW_PHYS | FTW_MOUNT))
		return err_sys(e, -errno, "cannot give %s to %s", data, name);
	if (setgroups(0, NULL) || setgid(gid) || setuid(uid))
		return err_sys(e, -errno, "cannot become the user %s", name);
	CHECK(setuid(0) < 0);
	return 0;
}

static int check_user(const struct options *o, struct err *e)
{
	if (geteuid() != 0)
		return o->user ? err_set(e, -EPERM, "only root can become the user %s", o->user)
			       : 0;
	if (o->user)
		return become_user(o->user, o->data, e);
	log_info("running as root; nothing here needs that: see --user");
	return 0;
}

static void watch_signals(void)
{
	struct sigaction stop = {.sa_handler = on_signal, .sa_flags = SA_RESETHAND};
	struct sigaction ignore = {.sa_handler = SIG_IGN};

	/* A second signal ends the program at once. */
	sigaction(SIGTERM, &stop, NULL);
	sigaction(SIGINT, &stop, NULL);
	sigaction(SIGPIPE, &ignore, NULL);
}

static void announce(const struct server *s, const struct options *o)
{
	printf("Glim listens on %s\n", server_address(s));
	printf("Data: %s. Stop with Ctrl-C or: kill %d\n", o->data, (int)getpid());
	if (*server_first_link(s))
		printf("\nThe first account is made with this link, which works once:\n  %s\n\n",
		       server_first_link(s));
	fflush(stdout);
}

static int serve(struct server_config *cfg, const struct options *o, struct err *e)
{
	struct server *s;
	int r = server_open(cfg, &s, e);

	if (r < 0)
		return r;
	running = s;
	watch_signals();
	announce(s, o);
	r = server_run(s, e);
	if (!r)
		log_info("stopped");
	server_close(s);
	return r;
}

static int run(const struct options *o, struct err *e)
{
	struct server_config cfg = {};
	int r = read_config(o, &cfg, e);

	/* What the store makes is for nobody else to read. */
	umask(077);
	if (!r)
		r = check_user(o, e);
	if (!r)
		r = store_open_sqlite(o->data, &cfg.store, e);
	if (r < 0)
		return r;
	if (o->local_key)
		r = server_local_key(cfg.store, o->local_key, e);
	if (!r)
		r = serve(&cfg, o, e);
	store_close(cfg.store);
	return r;
}

int cmd_server(int argc, char **argv)
{
	struct options o = {
		.listen = "127.0.0.1:4040",
		.data = "/var/lib/glim",
		.signup = "closed",
		.retention = "15",
		.workers = "4",
		.max_body = "16M",
		.config = access(DEFAULT_CONFIG, R_OK) ? NULL : DEFAULT_CONFIG,
	};
	const struct option_spec specs[] = {
		{"listen", 'l', "ADDR:PORT", "where to listen (127.0.0.1:4040)", &o.listen},
		{"data", 'd', "DIR", "where everything is kept (/var/lib/glim)", &o.data},
		{"signup", 0, "open|closed", "may strangers make accounts? (closed)", &o.signup},
		{"public-url", 0, "URL", "how hosts and people reach this server", &o.public_url},
		{"retention", 0, "DAYS", "drop what is older, 0: keep all (15)", &o.retention},
		{"workers", 0, "N", "threads that answer requests (4)", &o.workers},
		{"max-body", 0, "BYTES", "largest upload, compressed (16M)", &o.max_body},
		{"tls-cert", 0, "FILE", "certificate chain, PEM: speak HTTPS", &o.tls_cert},
		{"tls-key", 0, "FILE", "its private key, PEM", &o.tls_key},
		{"user", 0, "NAME", "when started as root, become this user", &o.user},
		{"local-agent-key", 0, "FILE", "write a key for this machine's own agent there",
		 &o.local_key},
		{"config", 0, "FILE", "read settings from a file (" DEFAULT_CONFIG ")", &o.config},
	};
	const struct option_table table = {
		.command = "server",
		.usage = "[OPTION...]",
		.about = "Keeps the profiles that agents send and shows them in a browser.\n"
			 "Open the address that it prints; the first account is the owner's.",
		.specs = specs,
		.n = ARRAY_SIZE(specs),
		.settings = true,
	};
	struct arena memory = {};
	struct err e = {};
	int status = 0, rest = options_parse(&table, argc, argv, &memory, &status);

	if (rest >= 0 && rest < argc)
		status = cmd_usage_error("server", "\"%s\" is not an option", argv[rest]);
	else if (rest >= 0 && run(&o, &e) < 0) {
		fprintf(stderr, "glim server: %s\n", e.msg);
		status = 1;
	}
	arena_fini(&memory);
	return status;
}
