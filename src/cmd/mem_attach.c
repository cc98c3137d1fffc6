#include "cmd/mem_attach.h"

#include <fnmatch.h>
#include <limits.h>
#include <poll.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/hash.h"
#include "base/io.h"
#include "cmd/mem_stacks.h"
#include "memory/memory_watch.h"
#include "memory/target/wanted_abi.h"
#include "process/priority.h"
#include "process/usage.h"
#include "unwind/python/pymalloc.h"

enum {
	MAX_COMMAND = 1 << 20,
	HEAP_SHARE = 50,   /* looking at the allocator takes one part of this of a CPU at most */
	FAULTS_SHARE = 10, /* looks because of page faults, the same */
};

static const int64_t first_retry_ns = NSEC_PER_SEC / 100, last_retry_ns = 8LL * NSEC_PER_SEC;

struct attached {
	const struct mem_attach *o;
	struct memory_watch watch;
	struct memory_growth growth;
	struct mem_stacks stacks;
	bool has_stacks, has_heap;
	struct python_pymalloc heap;
	char *folder; /* that it is in */
	int64_t heap_due_ns;
	int64_t faults_due_ns;		     /* when page faults lead to a look again */
	int64_t retry_due_ns, retry_wait_ns; /* when Python is looked for again */
	/* Since the last point of the timeline: the most that was seen. */
	int64_t resident, allocated;
	int64_t point_due_ns;
	struct err no_stacks, no_heap; /* why */
};

/* ---- a look ---- */

/* -1: it is not to be looked at now, or is gone. */
static int64_t look_at_heap(struct attached *a, int64_t now)
{
	struct python_heap heap;
	int64_t begin = clock_thread_cpu_ns();

	if (!a->has_heap || now < a->heap_due_ns || python_pymalloc_read(&a->heap, &heap))
		return -1;
	a->heap_due_ns = now + (clock_thread_cpu_ns() - begin) * HEAP_SHARE;
	return (int64_t)MIN(heap.bytes, (uint64_t)INT64_MAX);
}

/* A point of the timeline stands for what was seen since the last one. */
static void keep_point(struct attached *a, int64_t resident, int64_t allocated, int64_t now,
		       bool last)
{
	a->resident = MAX(a->resident, resident);
	a->allocated = MAX(a->allocated, allocated);
	if ((now < a->point_due_ns && !last) || (a->o->allocated && a->allocated < 0))
		return;
	memory_watch_put(&a->watch, a->o->pid, a->resident, a->allocated);
	a->point_due_ns = now + a->watch.interval_ms * (NSEC_PER_SEC / 1000);
	a->resident = a->allocated = -1;
}

/* Its Python may only just start. */
static void look_for_python(struct attached *a, int64_t now)
{
	struct mem_stacks *s = &a->stacks;

	if (a->has_stacks || now < a->retry_due_ns)
		return;
	a->retry_wait_ns = MIN(2 * a->retry_wait_ns, last_retry_ns);
	a->retry_due_ns = now + a->retry_wait_ns;
	a->has_stacks = !mem_stacks_open(a->o->pid, s, &a->no_stacks);
	if (!a->has_stacks)
		a->no_heap = a->no_stacks;
	else
		a->has_heap = !python_pymalloc_open(&s->target->process, &s->memory,
						    &s->target->python, &a->heap, &a->no_heap);
}

/* just_taken: a thread took memory a moment ago. False: it has no memory any more. */
static bool look(struct attached *a, bool just_taken, bool last)
{
	int64_t now = clock_mono_ns(), resident, allocated;

	look_for_python(a, now);
	if (last)
		a->heap_due_ns = now;
	if (a->has_stacks)
		mem_stacks_look(&a->stacks, &a->growth);
	resident = usage_resident(a->o->pid);
	if (!resident)
		return false;
	allocated = look_at_heap(a, clock_mono_ns());
	if (a->has_stacks)
		memory_growth_look(&a->growth, a->o->allocated ? allocated : resident,
				   (uint64_t)clock_real_ns(), just_taken && !a->o->allocated);
	keep_point(a, resident, allocated, now, last);
	return true;
}

/* Wait until then, or until page faults are told, when they may lead to a look. True: it ended, or
 * is to end. */
static bool wait_until(struct attached *a, int ended, int64_t due, bool *ret_faults)
{
	struct pollfd fds[] = {{.fd = ended, .events = POLLIN},
			       {.fd = a->o->signals, .events = POLLIN},
			       {.fd = -1, .events = POLLIN}};
	int ready = 0;

	*ret_faults = false;
	for (int64_t now = clock_mono_ns(); !ready && now < due; now = clock_mono_ns()) {
		bool told = a->has_stacks && now >= a->faults_due_ns;
		int64_t left = MIN(due, told || !a->has_stacks ? due : a->faults_due_ns) - now;
		struct timespec wait = {left / NSEC_PER_SEC, left % NSEC_PER_SEC};

		fds[2].fd = told ? a->stacks.faults.epoll : -1;
		ready = ppoll(fds, ARRAY_SIZE(fds), &wait, NULL);
	}
	*ret_faults = fds[2].revents && faults_take(&a->stacks.faults);
	return fds[0].revents || fds[1].revents || ready < 0;
}

static bool look_at_faults(struct attached *a)
{
	int64_t begin = clock_thread_cpu_ns();
	bool there = look(a, true, false);

	a->faults_due_ns = clock_mono_ns() + (clock_thread_cpu_ns() - begin) * FAULTS_SHARE;
	return there;
}

/* Looks come at random moments, so that nothing in step with them is missed, and when memory is
 * taken. */
static void watch(struct attached *a, int ended)
{
	int64_t period = NSEC_PER_SEC / a->o->hz, due = clock_mono_ns(), now = due;
	int64_t end = a->o->seconds > 0 ? due + (int64_t)(a->o->seconds * NSEC_PER_SEC) : INT64_MAX;
	bool over = false, faults = false, there = true;

	while (!over && there && now < end) {
		if (faults)
			there = look_at_faults(a);
		else if (now >= due)
			there = look(a, false, false);
		now = clock_mono_ns();
		if (now >= due)
			due = MAX(now,
				  due + period / 2 +
					  (int64_t)(hash_mix((uint64_t)now, 1) % (uint64_t)period));
		over = wait_until(a, ended, MIN(due, end), &faults);
		now = clock_mono_ns();
	}
	look(a, false, true);
}

/* ---- what is shown ---- */

/* What follows the folder of Python's own modules; NULL where the file is elsewhere. */
static const char *below_library(const char *file)
{
	static const char *const folders[] = {"/lib/python", "/lib64/python"};

	for (size_t i = 0; i < ARRAY_SIZE(folders); i++) {
		const char *at = strstr(file, folders[i]), *end;

		at += at ? strlen(folders[i]) : 0;
		end = at && (*at == '2' || *at == '3') && at[1] == '.' ? strchr(at, '/') : NULL;
		if (end)
			return end + 1;
	}
	return NULL;
}

static bool wanted(void *arg, const char *file, const char *function)
{
	const struct attached *a = arg;
	const option_values *only = a->o->only;
	const char *below = below_library(file);
	bool starts = wanted_starts_programs(file, below);

	for (size_t i = 0; i < only->len; i++)
		if (wanted_by_pattern(only->data[i], file, function, starts))
			return true;
	return !only->len && !wanted_is_installed(file) && !below;
}

static void remark(struct memory_run *run, struct memory_process *p, const char *what,
		   const char *why)
{
	vec_push(&p->remarks, arena_printf(&run->memory, "%s%s", what, why));
}

static void add_remarks(const struct attached *a, struct memory_run *run, struct memory_process *p)
{
	const struct mem_stacks *s = &a->stacks;

	if (a->has_stacks)
		remark(run, p,
		       "lines are sampled: what memory grew by between two looks is charged to "
		       "those that ran then",
		       "");
	if (a->has_stacks && s->no_faults)
		remark(run, p,
		       "the kernel does not tell when memory is taken "
		       "(kernel.perf_event_paranoid): looks are at random moments only",
		       "");
	if (!a->has_stacks && a->no_stacks.code != -ENOENT)
		remark(run, p, "lines are not known: ", a->no_stacks.msg);
	if (a->has_heap)
		remark(run, p,
		       "allocated bytes are those of Python's own allocator: objects of up to 512 "
		       "bytes; larger ones, which are malloc's, are not counted",
		       "");
	else if (a->has_stacks)
		remark(run, p, "allocated bytes are not known: ", a->no_heap.msg);
	if (s->torn)
		vec_push(&p->remarks,
			 arena_printf(&run->memory,
				      "of %llu of %llu stacks the inner part changed while it was "
				      "read, and is not known",
				      (unsigned long long)s->torn, (unsigned long long)s->looked));
	if (s->left_out)
		remark(run, p, "there were more stacks than there is room for: those are one", "");
}

static void give(struct attached *a, struct memory_run *run)
{
	struct memory_process *p = &run->processes.data[0];

	p->allocated = a->o->allocated;
	if (a->has_stacks)
		p->python = (int)(a->stacks.target->python.version >> 16);
	memory_watch_give(&a->watch, run);
	if (a->has_stacks)
		memory_growth_give(&a->growth, a->folder ? a->folder : "", wanted, a, run, p);
	add_remarks(a, run, p);
}

/* ---- all of it ---- */

static char *folder_of(pid_t pid)
{
	cleanup_free char *link = mem_asprintf("/proc/%d/cwd", (int)pid);
	char path[PATH_MAX];
	ssize_t n = readlink(link, path, sizeof(path) - 1);

	if (n <= 0)
		return NULL;
	path[n] = '\0';
	return mem_strdup(path);
}

static void open_all(struct attached *a)
{
	const struct mem_attach *o = a->o;

	memory_watch_init(&a->watch, NULL, false);
	memory_growth_init(&a->growth);
	a->resident = a->allocated = -1;
	a->folder = folder_of(o->pid);
	a->retry_wait_ns = first_retry_ns;
	look_for_python(a, clock_mono_ns());
}

static void close_all(struct attached *a)
{
	if (a->has_heap)
		python_pymalloc_close(&a->heap);
	if (a->has_stacks)
		mem_stacks_close(&a->stacks);
	memory_watch_fini(&a->watch);
	memory_growth_fini(&a->growth);
	free(a->folder);
}

int mem_attach_run(const struct mem_attach *o, struct memory_run *run, struct err *e)
{
	cleanup_close int ended = (int)syscall(SYS_pidfd_open, o->pid, 0);
	cleanup_free char *path = mem_asprintf("/proc/%d/cmdline", (int)o->pid);
	cleanup(close_all) struct attached a = {.o = o};
	cleanup_buf struct buf command = {};

	if (ended < 0)
		return err_sys(e, -errno, "process %d", (int)o->pid);
	io_read_file(path, MAX_COMMAND, &command);
	priority_raise();
	open_all(&a);
	if (o->allocated && !a.has_heap)
		return err_set(e, a.no_heap.code,
			       "allocated bytes of process %d cannot be counted: %s", (int)o->pid,
			       a.no_heap.msg);
	memory_run_watched(run, o->pid, buf_cstr(&command), command.len, (uint64_t)clock_real_ns());
	watch(&a, ended);
	if (!a.watch.points.len)
		return err_set(e, -ESRCH, "process %d has no memory: it ended, or is the kernel's",
			       (int)o->pid);
	give(&a, run);
	return 0;
}
