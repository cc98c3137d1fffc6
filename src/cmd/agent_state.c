#include "cmd/agent_state.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/hash.h"
#include "base/io.h"
#include "base/json.h"
#include "cmd/tables_json.h"

enum { LOCK_TRIES = 10 };

char *agent_state_base(const struct agent_identity *who)
{
	uint64_t h = hash_bytes(who->server, strlen(who->server));

	h = hash_mix(h, hash_bytes(who->service, strlen(who->service)));
	h = hash_mix(h, hash_bytes(who->host, strlen(who->host)));
	return mem_asprintf("%s/agent-%016llx", AGENT_RUN_DIR, (unsigned long long)h);
}

/* Is path still the file that fd is open on? Another agent may have taken it away meanwhile. */
static bool is_current(const char *path, int fd)
{
	struct stat here, there;

	return !fstat(fd, &here) && !stat(path, &there) && here.st_ino == there.st_ino &&
	       here.st_dev == there.st_dev;
}

/* Returns 1 when the lock was had on a file that is gone. */
static int try_lock(const char *path, int *ret_fd, struct err *e)
{
	cleanup_close int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644);
	char pid[16] = "";

	if (fd < 0)
		return err_sys(e, -errno, "cannot write %s", path);
	if (flock(fd, LOCK_EX | LOCK_NB)) {
		if (errno != EWOULDBLOCK)
			return err_sys(e, -errno, "cannot lock %s", path);
		ssize_t n = pread(fd, pid, sizeof(pid) - 1, 0);

		pid[n > 0 ? strcspn(pid, "\n") : 0] = 0;
		return err_set(e, -EEXIST,
			       "an agent for the same server, service and host runs here already "
			       "(process %s)",
			       pid);
	}
	if (!is_current(path, fd))
		return 1;
	snprintf(pid, sizeof(pid), "%d\n", (int)getpid());
	if (ftruncate(fd, 0) || pwrite(fd, pid, strlen(pid), 0) < 0)
		return err_sys(e, -errno, "cannot write %s", path);
	*ret_fd = take_fd(&fd);
	return 0;
}

int agent_state_lock(const char *base, int *ret_fd, struct err *e)
{
	cleanup_free char *path = mem_asprintf("%s.lock", base);
	int r = 1;

	if (mkdir(AGENT_RUN_DIR, 0755) && errno != EEXIST)
		return err_sys(e, -errno, "cannot make the folder %s", AGENT_RUN_DIR);
	for (int i = 0; r == 1 && i < LOCK_TRIES; i++)
		r = try_lock(path, ret_fd, e);
	return r == 1 ? err_set(e, -EAGAIN, "%s changes all the time", path) : r;
}

void agent_state_unlock(const char *base, int fd)
{
	cleanup_free char *path = mem_asprintf("%s.lock", base);

	if (fd < 0)
		return;
	unlink(path); /* while it is ours */
	close(fd);
}

static void put_time(struct json *j, const char *key, int64_t ns)
{
	json_key(j, key);
	if (ns)
		json_double(j, (double)(ns / 1000000) / 1e3);
	else
		json_none(j);
}

static void put_capture(struct json *j, const struct capture_stats *c)
{
	json_member_int(j, "samples", c->samples);
	json_key(j, "outcomes");
	json_object_begin(j);
	for (unsigned int i = 0; i < OUTCOME_COUNT; i++)
		if (c->outcomes[i] || i == OUTCOME_COMPLETE)
			json_member_int(j, outcome_text(i), c->outcomes[i]);
	json_object_end(j);
	json_key(j, "remarks");
	json_object_begin(j);
	for (unsigned int i = 0; i < REMARK_COUNT; i++)
		if (c->remarks[i])
			json_member_int(j, remark_text(i), c->remarks[i]);
	json_object_end(j);
	json_member_int(j, "lost_ring", c->lost_ring);
	json_member_int(j, "lost_scratch", c->lost_scratch);
	json_member_int(j, "cpus", c->cpus);
	json_member_int(j, "cpus_unsampled", c->cpus_unsampled);
	json_member_int(j, "processes", c->processes);
	json_member_int(j, "python_processes", c->python_processes);
	json_member_int(j, "names_read", c->names_read);
	json_member_int(j, "names_took_ns", c->names_took_ns);
	json_member_int(j, "map_bytes", c->map_bytes);
	json_member_int(j, "bpf_run_ns", c->bpf_run_ns);
	json_member_int(j, "bpf_runs", c->bpf_runs);
	json_member_int(j, "drain_max_ns", c->drain_max_ns);
	json_member_int(j, "drain_max_cpu_ns", c->drain_max_cpu_ns);
}

static void put_push(struct json *j, const struct push_stats *p)
{
	json_member_int(j, "sent", p->sent);
	json_member_int(j, "bytes_sent", p->bytes_sent);
	json_member_int(j, "retried", p->retried);
	json_member_int(j, "dropped_full", p->dropped_full);
	json_member_int(j, "dropped_refused", p->dropped_refused);
	json_member_int(j, "queued", p->queued);
	json_member_int(j, "queued_bytes", p->queued_bytes);
	put_time(j, "last_ok", p->last_ok_ns);
	json_member_text(j, "last_error", p->last_error);
}

int agent_state_write(const char *path, const struct agent_state *s, struct err *e)
{
	cleanup_buf struct buf b = {};
	struct json j = {.out = &b};

	json_object_begin(&j);
	json_member_text(&j, "version", GLIM_VERSION);
	json_member_int(&j, "pid", getpid());
	json_member_text(&j, "server", s->who.server);
	json_member_text(&j, "service", s->who.service);
	json_member_text(&j, "host", s->who.host);
	json_member_int(&j, "hz", s->hz);
	put_time(&j, "started", s->started_ns);
	put_time(&j, "updated", clock_real_ns());
	json_member_double(&j, "cpu_seconds", (double)clock_cpu_ns() / NSEC_PER_SEC);
	json_key(&j, "capture");
	json_object_begin(&j);
	put_capture(&j, &s->capture);
	json_object_end(&j);
	tables_json(&j, &s->capture.tables, s->refusals, s->nrefusals);
	json_key(&j, "upload");
	json_object_begin(&j);
	put_push(&j, &s->push);
	json_object_end(&j);
	json_object_end(&j);
	buf_putc(&b, '\n');
	return io_write_file(path, b.data, b.len, 0644, e);
}
