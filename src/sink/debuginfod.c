#include "sink/debuginfod.h"

#include <dirent.h>
#include <event2/event.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "base/io.h"
#include "base/vec.h"
#include "sink/http.h"

enum {
	MAX_SERVERS = 8,
	MAX_ID = 20,
	MAX_KEPT = 1 << 16, /* files in the folder that are looked at */
	SILENCE_S = 30,
	TOTAL_S = 600,
	UNKNOWN_S = 24 * 3600, /* how long an empty file means that nobody knew it */
};
#define MAX_FILE   (512ULL << 20)
#define MAX_FOLDER (2ULL << 30)

/* Travels through a pipe, whole: it is shorter than PIPE_BUF. */
struct ask {
	uint8_t id[MAX_ID];
	uint8_t len;
};
enum counter { ASKED, FETCHED, UNKNOWN, FAILED, DROPPED, BYTES, COUNTERS };
struct debuginfod {
	pthread_t thread;
	bool running;
	struct event_base *loop;
	struct event *wake, *end, *deadline;
	int queue[2]; /* pipe of struct ask: what waits */
	int stop[2];  /* its end says that the thread should end */
	struct http *servers[MAX_SERVERS];
	size_t nservers;
	char *folder;
	uint64_t max_file, max_folder;
	unsigned int total_s;
	_Atomic uint64_t counters[COUNTERS];

	/* The request under way. */
	char *dir, *path; /* of the file on the server */
	size_t server;
	bool tried_failed; /* a server could not be asked */
	int out;	   /* -1: no file yet */
	uint64_t got;
};

static void count(struct debuginfod *d, enum counter c, uint64_t n)
{
	atomic_fetch_add_explicit(&d->counters[c], n, memory_order_relaxed);
}

/* ---- the folder ---- */

struct kept {
	char name[2 * MAX_ID + 1];
	uint64_t size;
	int64_t time_ns;
};

static int by_time(const void *x, const void *y)
{
	const struct kept *a = x, *b = y;

	return a->time_ns < b->time_ns ? -1 : a->time_ns > b->time_ns;
}

/* Remove the oldest files until the folder keeps its bound. */
static void make_room(const struct debuginfod *d)
{
	VEC(struct kept) all = {};
	uint64_t sum = 0;
	DIR *dir = opendir(d->folder);

	for (struct dirent *e; dir && all.len < MAX_KEPT && (e = readdir(dir));) {
		struct kept k;
		struct stat st;

		if (e->d_name[0] == '.' || strlen(e->d_name) >= sizeof(k.name))
			continue;
		cleanup_free char *path = mem_asprintf("%s/%s/debuginfo", d->folder, e->d_name);

		if (lstat(path, &st))
			continue;
		strcpy(k.name, e->d_name);
		k.size = (uint64_t)st.st_size;
		k.time_ns = (int64_t)st.st_mtim.tv_sec * NSEC_PER_SEC + st.st_mtim.tv_nsec;
		sum += k.size;
		vec_push(&all, k);
	}
	if (dir)
		closedir(dir);
	if (sum > d->max_folder)
		qsort(all.data, all.len, sizeof(*all.data), by_time);
	for (size_t i = 0; i < all.len && sum > d->max_folder; i++) {
		cleanup_free char *folder = mem_asprintf("%s/%s", d->folder, all.data[i].name);
		cleanup_free char *path = mem_asprintf("%s/debuginfo", folder);

		if (!unlink(path))
			sum -= all.data[i].size;
		rmdir(folder);
	}
	vec_fini(&all);
}

static char *partial_path(const struct debuginfod *d)
{
	return mem_asprintf("%s/part", d->dir);
}

/* Put what came, or an empty file, where it is looked for. */
static int keep(struct debuginfod *d)
{
	cleanup_free char *from = partial_path(d), *to = mem_asprintf("%s/debuginfo", d->dir);

	if (d->out < 0)
		d->out = open(from, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (d->out < 0)
		return -errno;
	int r = close(d->out);

	d->out = -1;
	return r || rename(from, to) ? -errno : 0;
}

static void discard(struct debuginfod *d)
{
	cleanup_free char *path = partial_path(d);

	if (d->out >= 0)
		close(d->out);
	d->out = -1;
	unlink(path);
	rmdir(d->dir); /* when nothing else is in it */
}

/* Is it there, or known to be nowhere? */
static bool settled(const struct debuginfod *d)
{
	cleanup_free char *path = mem_asprintf("%s/debuginfo", d->dir);
	struct stat st;

	if (stat(path, &st))
		return false;
	return st.st_size > 0 || time(NULL) - st.st_mtim.tv_sec < UNKNOWN_S;
}

/* ---- one file ---- */

static void ask_server(struct debuginfod *d);

static void next_one(struct debuginfod *d)
{
	event_del(d->deadline);
	free(d->dir);
	free(d->path);
	d->dir = d->path = NULL;
	event_add(d->wake, NULL);
}

static int on_data(const void *p, size_t n, void *arg)
{
	struct debuginfod *d = arg;
	cleanup_free char *path = d->out < 0 ? partial_path(d) : NULL;

	if (d->out < 0)
		d->out = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (d->out < 0)
		return -errno;
	d->got += n;
	return d->got > d->max_file ? -EFBIG : io_write_all(d->out, p, n);
}

static void on_done(const struct http_answer *a, void *arg)
{
	struct debuginfod *d = arg;
	bool good = a->status == 200 && d->out >= 0;

	if (good && !keep(d)) {
		count(d, FETCHED, 1);
		count(d, BYTES, d->got);
		make_room(d);
		next_one(d);
		return;
	}
	d->tried_failed |= a->status != 404;
	if (++d->server < d->nservers) {
		ask_server(d);
		return;
	}
	/* Nobody knows it: an empty file remembers that. A server that failed may know it later. */
	count(d, d->tried_failed ? FAILED : UNKNOWN, 1);
	if (d->out >= 0 || d->tried_failed || keep(d))
		discard(d);
	next_one(d);
}

static void ask_server(struct debuginfod *d)
{
	if (d->out >= 0)
		discard(d);
	mkdir(d->dir, 0700);
	d->got = 0;
	http_start(d->servers[d->server],
		   &(struct http_request){
			   .path = d->path, .on_data = on_data, .max_data = d->max_file},
		   on_done, d);
}

static void on_ask(evutil_socket_t fd, short what, void *arg)
{
	struct debuginfod *d = arg;
	struct ask ask;
	char hex[2 * MAX_ID + 1] = "";

	if (read(fd, &ask, sizeof(ask)) != sizeof(ask)) {
		event_add(d->wake, NULL);
		return;
	}
	for (int i = 0; i < ask.len; i++)
		snprintf(hex + 2 * i, 3, "%02x", ask.id[i]);
	d->dir = mem_asprintf("%s/%s", d->folder, hex);
	d->path = mem_asprintf("/buildid/%s/debuginfo", hex);
	d->server = 0;
	d->tried_failed = false;
	if (settled(d)) {
		next_one(d);
		return;
	}
	event_add(d->deadline, &(struct timeval){.tv_sec = d->total_s});
	ask_server(d);
}

static void on_deadline(evutil_socket_t fd, short what, void *arg)
{
	struct debuginfod *d = arg;

	http_cancel(d->servers[d->server]);
	count(d, FAILED, 1);
	discard(d);
	next_one(d);
}

/* ---- life ---- */

static void on_end(evutil_socket_t fd, short what, void *arg)
{
	struct debuginfod *d = arg;

	event_base_loopbreak(d->loop);
}

/* This thread speaks with strangers and writes to a folder of ours: it needs no capability,
 * whatever the program has. The system call is for the calling thread alone (capset(2)). */
static void drop_capabilities(void)
{
	struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
	const struct __user_cap_data_struct none[_LINUX_CAPABILITY_U32S_3] = {};

	syscall(SYS_capset, &head, none);
}

static void *run(void *arg)
{
	struct debuginfod *d = arg;

	drop_capabilities();
	event_base_dispatch(d->loop);
	return NULL;
}

static int make_folders(const char *path, struct err *e)
{
	cleanup_free char *part = mem_strdup(path);

	for (char *slash = part + 1; (slash = strchr(slash, '/')); slash++) {
		*slash = '\0';
		mkdir(part, 0755);
		*slash = '/';
	}
	if (mkdir(path, 0700) && errno != EEXIST)
		return err_sys(e, -errno, "cannot make the folder %.200s", path);
	return 0;
}

static int open_servers(struct debuginfod *d, const struct debuginfod_config *cfg, struct err *e)
{
	cleanup_free char *urls = mem_strdup(cfg->urls ? cfg->urls : "");
	char *save = NULL;
	int r = 0;

	for (char *url = strtok_r(urls, " \t\n", &save); url && !r;
	     url = strtok_r(NULL, " \t\n", &save)) {
		const struct http_config http = {
			.url = url,
			.ca_file = cfg->ca_file,
			.timeout_s = cfg->silence_s ? cfg->silence_s : SILENCE_S,
		};

		if (d->nservers == MAX_SERVERS)
			return err_set(e, -E2BIG, "DEBUGINFOD_URLS names more than %d servers",
				       MAX_SERVERS);
		r = http_open(d->loop, &http, &d->servers[d->nservers], e);
		d->nservers += !r;
	}
	if (r)
		return err_prefix(e, "DEBUGINFOD_URLS");
	return d->nservers ? 0 : err_set(e, -EINVAL, "DEBUGINFOD_URLS names no server");
}

/* All signals stay with the other threads. */
static int start_thread(struct debuginfod *d, struct err *e)
{
	sigset_t all, old;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	int r = pthread_create(&d->thread, NULL, run, d);

	pthread_sigmask(SIG_SETMASK, &old, NULL);
	d->running = !r;
	return r ? err_sys(e, -r, "cannot start a thread") : 0;
}

int debuginfod_start(const struct debuginfod_config *cfg, struct debuginfod **ret, struct err *e)
{
	struct debuginfod *d = mem_calloc(1, sizeof(*d));
	int r = make_folders(cfg->folder, e);

	d->folder = mem_strdup(cfg->folder);
	d->max_file = cfg->max_file ? cfg->max_file : MAX_FILE;
	d->max_folder = cfg->max_folder ? cfg->max_folder : MAX_FOLDER;
	d->total_s = cfg->total_s ? cfg->total_s : TOTAL_S;
	d->out = d->queue[0] = d->queue[1] = d->stop[0] = d->stop[1] = -1;
	d->loop = event_base_new();
	CHECK(d->loop);
	if (!r && (pipe2(d->queue, O_CLOEXEC | O_NONBLOCK) || pipe2(d->stop, O_CLOEXEC)))
		r = err_sys(e, -errno, "cannot make a pipe");
	if (!r)
		r = open_servers(d, cfg, e);
	if (!r) {
		d->wake = event_new(d->loop, d->queue[0], EV_READ, on_ask, d);
		d->end = event_new(d->loop, d->stop[0], EV_READ, on_end, d);
		d->deadline = event_new(d->loop, -1, 0, on_deadline, d);
		CHECK(d->wake && d->end && d->deadline);
		event_add(d->wake, NULL);
		event_add(d->end, NULL);
		r = start_thread(d, e);
	}
	if (r) {
		debuginfod_stop(d);
		return r;
	}
	*ret = d;
	return 0;
}

void debuginfod_ask(struct debuginfod *d, const uint8_t *id, size_t len)
{
	struct ask ask = {.len = (uint8_t)MIN(len, (size_t)MAX_ID)};

	memcpy(ask.id, id, ask.len);
	count(d, ASKED, 1);
	if (write(d->queue[1], &ask, sizeof(ask)) != sizeof(ask))
		count(d, DROPPED, 1);
}

void debuginfod_stats(const struct debuginfod *d, struct debuginfod_stats *ret)
{
	uint64_t v[COUNTERS];

	for (int i = 0; i < COUNTERS; i++)
		v[i] = atomic_load_explicit(&d->counters[i], memory_order_relaxed);
	*ret = (struct debuginfod_stats){v[ASKED],  v[FETCHED], v[UNKNOWN],
					 v[FAILED], v[DROPPED], v[BYTES]};
}

static void close_pipe(int fds[2])
{
	for (int i = 0; i < 2; i++)
		if (fds[i] >= 0)
			close(fds[i]);
}

void debuginfod_stop(struct debuginfod *d)
{
	struct event *events[3];

	if (!d)
		return;
	if (d->running) {
		close(d->stop[1]);
		d->stop[1] = -1;
		pthread_join(d->thread, NULL);
	}
	for (size_t i = 0; i < d->nservers; i++)
		http_close(d->servers[i]);
	if (d->dir)
		discard(d);
	memcpy(events, (struct event *[]){d->wake, d->end, d->deadline}, sizeof(events));
	for (size_t i = 0; i < ARRAY_SIZE(events); i++)
		if (events[i])
			event_free(events[i]);
	event_base_free(d->loop);
	close_pipe(d->queue);
	close_pipe(d->stop);
	free(d->folder);
	free(d->dir);
	free(d->path);
	free(d);
}
