#include "process/faults.h"

#include <linux/perf_event.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/syscall.h>
#include <unistd.h>

void faults_open(struct faults *ret)
{
	*ret = (struct faults){.epoll = epoll_create1(EPOLL_CLOEXEC)};
}

void faults_close(struct faults *f)
{
	for (size_t i = 0; i < f->threads.len; i++)
		perf_ring_close(&f->threads.data[i].ring);
	vec_fini(&f->threads);
	if (f->epoll >= 0)
		close(f->epoll);
	f->epoll = -1;
}

static int event_open(pid_t tid, bool exclude_kernel)
{
	struct perf_event_attr a = {
		.type = PERF_TYPE_SOFTWARE,
		.size = sizeof(a),
		.config = PERF_COUNT_SW_PAGE_FAULTS,
		.sample_period = FAULTS_A_TIME,
		.wakeup_events = 1,
		.exclude_kernel = exclude_kernel,
		.exclude_hv = 1,
	};
	long fd = syscall(SYS_perf_event_open, &a, tid, -1, -1, PERF_FLAG_FD_CLOEXEC);

	return fd < 0 ? -errno : (int)fd;
}

int faults_follow(struct faults *f, pid_t tid)
{
	struct epoll_event event = {.events = EPOLLIN};
	const size_t page = (size_t)sysconf(_SC_PAGESIZE);
	struct faults_thread t = {.tid = tid};
	int fd, code;

	for (size_t i = 0; i < f->threads.len; i++)
		if (f->threads.data[i].tid == tid)
			return 0;
	fd = event_open(tid, false);
	if (fd == -EACCES || fd == -EPERM)
		fd = event_open(tid, true);
	if (fd < 0)
		return fd;
	code = perf_ring_open(fd, page, page, &t.ring);
	if (code < 0) {
		close(fd);
		return code;
	}
	if (epoll_ctl(f->epoll, EPOLL_CTL_ADD, fd, &event)) {
		code = -errno;
		perf_ring_close(&t.ring);
		return code;
	}
	vec_push(&f->threads, t);
	return 0;
}

/* Has it no thread any more? */
static bool has_ended(const struct perf_ring *r)
{
	struct pollfd p = {.fd = r->fd};

	return poll(&p, 1, 0) == 1 && p.revents & POLLHUP;
}

static bool take(struct perf_ring *r)
{
	uint64_t record[2];
	bool any = !perf_ring_empty(r);

	while (perf_ring_take(r, record, sizeof(record)))
		;
	return any;
}

/* Which of them made the epoll readable it does not say a second time. */
bool faults_take(struct faults *f)
{
	bool any = false;

	for (size_t i = f->threads.len; i-- > 0;) {
		struct perf_ring *r = &f->threads.data[i].ring;
		bool ended = has_ended(r);

		any |= take(r);
		if (!ended)
			continue;
		perf_ring_close(r);
		f->threads.data[i] = f->threads.data[--f->threads.len];
	}
	return any;
}
