#include "memory/memory_watch.h"

#include <dirent.h>
#include <fcntl.h>
#include <unistd.h>

#include "base/clock.h"
#include "memory/target/memory_abi.h"
#include "process/usage.h"

enum { FIRST_INTERVAL_MS = 10, MAX_POINTS = 8192, MAX_PROCESSES = 256 };

void memory_watch_init(struct memory_watch *w, const char *folder, bool allocated)
{
	*w = (struct memory_watch){
		.folder = folder, .allocated = allocated, .interval_ms = FIRST_INTERVAL_MS};
}

void memory_watch_fini(struct memory_watch *w)
{
	vec_fini(&w->points);
}

static int64_t allocated(const struct memory_watch *w, int folder, const char *name)
{
	cleanup_close int fd = w->allocated ? openat(folder, name, O_RDONLY | O_CLOEXEC) : -1;
	int64_t v;

	if (fd < 0 ||
	    pread(fd, &v, sizeof(v), offsetof(struct memory_header_abi, allocated)) != sizeof(v))
		return -1;
	return v;
}

/* The higher of two points of a process, which has what was allocated where either knows it. */
static void join(struct memory_watch_point *to, const struct memory_watch_point *p)
{
	int64_t most = MAX(to->allocated, p->allocated);

	if (p->resident > to->resident)
		*to = *p;
	to->allocated = to->allocated < 0 || p->allocated < 0 ? most : to->allocated;
}

/* Two looks become one, with the higher point of each process: a peak is never lost. */
static void thin_out(struct memory_watch *w)
{
	struct memory_watch_point *p = w->points.data;
	size_t kept = 0;

	for (size_t i = 0; i < w->points.len; i++) {
		size_t same = kept;

		p[i].look /= 2;
		while (same && p[same - 1].look == p[i].look && p[same - 1].pid != p[i].pid)
			same--;
		if (!same || p[same - 1].look != p[i].look)
			p[kept++] = p[i];
		else
			join(&p[same - 1], &p[i]);
	}
	w->points.len = kept;
	w->looks = (w->looks + 1) / 2;
	w->interval_ms *= 2;
}

static void look_at(struct memory_watch *w, pid_t pid, int folder, const char *name)
{
	struct memory_watch_point p = {
		.pid = pid, .look = w->looks, .realtime_ns = (uint64_t)clock_real_ns()};

	p.resident = usage_resident(pid);
	if (!p.resident)
		return;
	p.allocated = allocated(w, folder, name);
	vec_push(&w->points, p);
}

static void look_at_folder(struct memory_watch *w)
{
	DIR *d = opendir(w->folder);
	struct dirent *entry;
	size_t n = 0;

	while (d && n < MAX_PROCESSES && (entry = readdir(d))) {
		long pid = strtol(entry->d_name, NULL, 10);

		if (pid <= 0 || pid > INT32_MAX)
			continue;
		look_at(w, (pid_t)pid, dirfd(d), entry->d_name);
		n++;
	}
	if (d)
		closedir(d);
}

static void end_look(struct memory_watch *w)
{
	w->looks++;
	if (w->points.len > MAX_POINTS)
		thin_out(w);
}

void memory_watch_look(struct memory_watch *w)
{
	look_at_folder(w);
	end_look(w);
}

void memory_watch_put(struct memory_watch *w, pid_t pid, int64_t resident, int64_t allocated)
{
	struct memory_watch_point p = {.pid = pid,
				       .look = w->looks,
				       .realtime_ns = (uint64_t)clock_real_ns(),
				       .resident = resident,
				       .allocated = allocated};

	vec_push(&w->points, p);
	end_look(w);
}

void memory_watch_give(const struct memory_watch *w, struct memory_run *run)
{
	for (size_t i = 0; i < w->points.len; i++) {
		const struct memory_watch_point *p = &w->points.data[i];

		memory_run_point(run, p->pid, p->realtime_ns, p->resident, p->allocated);
	}
}
