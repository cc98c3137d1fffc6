#include "capture/reader.h"

#include <fcntl.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "capture/interpreters.h"
#include "capture/stops.h"
#include "capture/tasks.h"
#include "capture/window.h"
#include "unwind/python/python_reader.h"

enum {
	SYMBOL_BYTES = 1 << 20,
	NATIVE_SYMBOL_BYTES = 24 << 20,
	LARGE_FILE = 4 << 20, /* read beside, as in capture.c */
	MAX_SUBJECTS = 1024,
	MAX_CHILDREN_TEXT = 4096, /* of one thread, as /proc tells them */
	RETRY_GROWS = 8,	  /* waits for Python grow by one part of this */
	FORGOTTEN = 3,		  /* times without mappings before a process counts as ended */
};
static const int64_t first_retry_ns = 500000, last_retry_ns = NSEC_PER_SEC / 4;
static const int64_t children_ns = 10000000;

/* A process that is sampled, or will be when it runs Python. */
struct subject {
	pid_t pid;
	struct memory memory;
	struct python_reader *python;	  /* NULL: none was found yet */
	struct interpreters interpreters; /* of python */
	struct tasks tasks;
	int64_t retry_ns, retry_wait_ns; /* when to look for Python again */
	unsigned int unmapped;		 /* how often it had no memory */
	bool unknown;			 /* its Python is of a version that we do not know */
};
struct sample_buffer {
	struct probe_sample sample;
	struct unwind_entry entries[UNWIND_MAX_ENTRIES];
};
struct reader {
	struct capture_config cfg;
	struct symbolizer *symbolizer;
	struct runtimes *runtimes;
	struct targets targets;
	struct window window;
	VEC(struct subject *) subjects;
	struct stops *stops; /* NULL: without native functions */
	pid_vec tids;	     /* of the subject that is looked at */
	int timer_fd;
	int64_t period_ns, start_ns;
	int64_t due_ns;	     /* of the next tick */
	int64_t retry_ns;    /* when a subject without Python is looked at next; INT64_MAX: none */
	int64_t children_ns; /* when new children are looked for */
	uint64_t slot;	     /* periods since the start; one tick in each */
	uint64_t random;     /* state of the generator */
	struct sample_buffer *buffer;
	struct capture_stats stats;
};

/* ---- when ---- */

/* xorshift64: no secret, only out of step with everything. */
static uint64_t next_random(struct reader *r)
{
	r->random ^= r->random << 13;
	r->random ^= r->random >> 7;
	r->random ^= r->random << 17;
	return r->random;
}

/* A random moment of the current period. */
static void choose_due(struct reader *r)
{
	r->due_ns = r->start_ns + (int64_t)r->slot * r->period_ns +
		    (int64_t)(next_random(r) % (uint64_t)r->period_ns);
}

/* Wake up when there is something to do. */
static void arm_timer(struct reader *r)
{
	struct itimerspec when = {};
	int64_t at = MIN(r->due_ns, r->retry_ns);

	if (r->cfg.children)
		at = MIN(at, r->children_ns);
	when.it_value.tv_sec = at / NSEC_PER_SEC;
	when.it_value.tv_nsec = at % NSEC_PER_SEC;
	/* It is not readable any more then, until it is due. */
	timerfd_settime(r->timer_fd, TFD_TIMER_ABSTIME, &when, NULL);
}

/* Go on to the next period. Returns how many the tick stands for: who is late missed some. */
static uint64_t next_slot(struct reader *r, int64_t now)
{
	uint64_t next = r->slot + 1, current = (uint64_t)((now - r->start_ns) / r->period_ns);
	uint64_t missed = current > next ? current - next : 0;

	r->slot = next + missed;
	r->stats.missed += missed;
	return 1 + missed;
}

/* ---- what ---- */

static void forget_python(struct subject *s)
{
	if (!s->python)
		return;
	python_reader_free(take_ptr(s->python));
	interpreters_fini(&s->interpreters);
}

static void subject_free(struct subject *s)
{
	forget_python(s);
	tasks_fini(&s->tasks);
	free(s);
}

/* Begin to count the run time of threads that ran before the capture. */
static void start_run_times(const struct reader *r, struct subject *s)
{
	int n = s->python ? python_reader_list(s->python) : 0;

	s->tasks.first_ns = 0;
	for (int i = 0; i < n; i++)
		tasks_take_run_time(&s->tasks, python_reader_thread(s->python, (size_t)i)->tid,
				    clock_mono_ns());
	s->tasks.first_ns = r->period_ns;
}

/* Look for the Python of a subject. 1: found, 0: there is none (yet); -ESRCH: the process ended. */
static int look_for_python(struct reader *r, struct subject *s, struct err *e)
{
	struct target *t = targets_add(&r->targets, s->pid, 0, clock_mono_ns());
	struct process p;
	int code;

	if (r->stops)
		natives_forget(&r->stops->natives, s->pid, clock_mono_ns());
	if (!t->readable) {
		code = process_read(s->pid, &p, e);
		if (code < 0)
			return code;
		process_fini(&p);
		/* It may be between two programs just now. */
		return ++s->unmapped < FORGOTTEN ? 0 : -ESRCH;
	}
	s->unmapped = 0;
	if (runtimes_find_python(r->runtimes, &t->process, &s->memory, &t->python) <= 0)
		return 0;
	code = python_reader_new(&s->memory, &t->python, &s->python, e);
	if (!code)
		code = python_reader_list(s->python);
	if (code > 0) {
		t->has_python = true;
		interpreters_init(&s->interpreters, s->pid, &s->memory, &t->python);
		return 1;
	}
	python_reader_free(take_ptr(s->python));
	if (code == -ENOTSUP && !s->unknown) {
		s->unknown = true;
		r->stats.unknown_pythons++;
	}
	if (code < 0 && e && !e->code)
		err_sys(e, code, "cannot read process %d", (int)s->pid);
	return code;
}

static struct subject *add_subject(struct reader *r, pid_t pid, int64_t now)
{
	struct subject *s = mem_calloc(1, sizeof(*s));

	s->pid = s->tasks.pid = pid;
	s->tasks.period_ns = s->tasks.first_ns = r->period_ns;
	s->memory = memory_of_process(pid);
	s->retry_ns = now;
	s->retry_wait_ns = first_retry_ns;
	r->retry_ns = MIN(r->retry_ns, now);
	vec_push(&r->subjects, s);
	return s;
}

static void remove_subject(struct reader *r, size_t i)
{
	targets_remove(&r->targets, r->subjects.data[i]->pid);
	r->stats.unsampled_ns += tasks_left(&r->subjects.data[i]->tasks);
	subject_free(r->subjects.data[i]);
	r->subjects.data[i] = r->subjects.data[--r->subjects.len];
}

/* Subjects that have no Python yet, because they just start or never will. */
static void retry(struct reader *r, int64_t now)
{
	r->retry_ns = INT64_MAX;
	for (size_t i = r->subjects.len; i-- > 0;) {
		struct subject *s = r->subjects.data[i];
		int code = 0;

		if (!s->python && s->retry_ns <= now) {
			code = look_for_python(r, s, NULL);
			s->retry_wait_ns = MIN(s->retry_wait_ns + s->retry_wait_ns / RETRY_GROWS,
					       last_retry_ns);
			s->retry_ns = now + s->retry_wait_ns;
		}
		if (code == -ESRCH)
			remove_subject(r, i);
		else if (!s->python)
			r->retry_ns = MIN(r->retry_ns, s->retry_ns);
	}
}

static bool is_subject(const struct reader *r, pid_t pid)
{
	for (size_t i = 0; i < r->subjects.len; i++)
		if (r->subjects.data[i]->pid == pid)
			return true;
	return false;
}

/* Children that a thread forked; numbers and blanks. */
static void add_children_of(struct reader *r, pid_t pid, pid_t tid, int64_t now)
{
	char path[64], text[MAX_CHILDREN_TEXT], *at = text, *end;

	snprintf(path, sizeof(path), "/proc/%d/task/%d/children", (int)pid, (int)tid);
	cleanup_close int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? 0 : read(fd, text, sizeof(text) - 1);

	text[MAX(n, 0)] = '\0';
	for (long child; (child = strtol(at, &end, 10)) > 0; at = end)
		if (r->subjects.len < MAX_SUBJECTS && !is_subject(r, (pid_t)child))
			add_subject(r, (pid_t)child, now);
}

/* The threads of a subject that may have children, as far as they are known. */
static void list_tids(struct reader *r, const struct subject *s)
{
	int n = s->python ? python_reader_list(s->python) : 0;

	if (r->stops && !process_tids(s->pid, &r->tids))
		return;
	vec_clear(&r->tids);
	vec_push(&r->tids, s->pid);
	for (int i = 0; i < n; i++) {
		pid_t tid = python_reader_thread(s->python, (size_t)i)->tid;

		if (tid && tid != s->pid)
			vec_push(&r->tids, tid);
	}
}

static void add_children(struct reader *r, int64_t now)
{
	r->children_ns = now + children_ns;
	/* The list grows while it is walked: children of children follow. */
	for (size_t i = 0; i < r->subjects.len; i++) {
		const struct subject *s = r->subjects.data[i];

		list_tids(r, s);
		for (size_t k = 0; k < r->tids.len; k++)
			add_children_of(r, s->pid, r->tids.data[k], now);
	}
}

static void fill_sample(struct reader *r, struct subject *s, const struct target *t,
			const struct python_thread *thread, int64_t now)
{
	struct probe_sample *p = &r->buffer->sample;

	*p = (struct probe_sample){
		.record = {PROBE_SAMPLE, sizeof(*p) + thread->count * sizeof(*thread->entries)},
		.time_ns = (uint64_t)now,
		.pid = (uint32_t)s->pid,
		.tid = (uint32_t)thread->tid,
		.flags = PROBE_PYTHON,
		.native_end = UNWIND_NATIVE_COMPLETE,
		.python_end = thread->end,
		.entries = thread->count,
	};
	memcpy(p->process_comm, t->process.comm, sizeof(p->process_comm));
	memcpy(p->thread_comm, tasks_comm(&s->tasks, thread->tid, now), sizeof(p->thread_comm));
	if (thread->count)
		memcpy(r->buffer->entries, thread->entries,
		       thread->count * sizeof(*thread->entries));
}

/* Put the frames of what awaits the running task below those of its coroutine, where its event loop
 * goes on. */
static void add_awaiters(struct reader *r, const struct python_thread *thread,
			 const struct python_awaiters *a)
{
	struct probe_sample *p = &r->buffer->sample;
	struct unwind_entry *entries = r->buffer->entries;
	uint32_t at = 0;

	while (at < thread->count && thread->frames[at] != a->below)
		at++;
	if (at++ >= thread->count || thread->count + a->count > UNWIND_MAX_ENTRIES)
		return;
	python_awaiters_insert(a, entries + at, (thread->count - at) * sizeof(*entries));
	p->entries += a->count;
	p->record.size += a->count * sizeof(*entries);
}

/* Does a thread that does not run wait for the lock? Only asked while somebody else holds it. */
static bool waits_for_gil(struct subject *s, const struct python_thread *thread)
{
	const struct python_gil gil = {.address = thread->gil};

	return thread->gil_holder && !thread->holds_gil &&
	       python_gil_is_at(&gil, tasks_futex(&s->tasks, thread->tid));
}

static struct window_facts facts_of(const struct reader *r, struct subject *s,
				    const struct python_thread *thread, bool running, int64_t now)
{
	bool wall = r->cfg.clock == CAPTURE_WALL;
	struct window_facts facts = {.collects = thread->in_gc};

	if (thread->state)
		facts.thread = named_threads_find(&s->interpreters.names, thread->id, thread->tid,
						  now, now);
	if (wall)
		facts.state = running ? "running" : "idle";
	if (thread->holds_gil)
		facts.gil = "held";
	else if (wall && !running && waits_for_gil(s, thread))
		facts.gil = "waiting";
	return facts;
}

/* What a sample of a thread stands for. */
struct sample_value {
	int64_t ns;   /* 0: it is not to be counted; -ESRCH: the thread ended */
	bool running; /* the thread is */
	bool trusted; /* because it had the lock, which it must have now */
};

static struct sample_value value_of(struct reader *r, struct subject *s,
				    const struct python_thread *thread, uint64_t periods,
				    int64_t now)
{
	struct sample_value v = {.ns = -ENOTSUP};
	int running;

	if (r->cfg.clock == CAPTURE_CPU && thread->holds_gil)
		v.ns = tasks_take_run_time_of_holder(&s->tasks, thread->tid, now, &v.trusted);
	else if (r->cfg.clock == CAPTURE_CPU)
		v.ns = tasks_take_run_time(&s->tasks, thread->tid, now);
	v.running = v.ns > 0;
	if (v.ns != -ENOTSUP)
		return v;
	running = tasks_is_running(&s->tasks, thread->tid);
	v.running = running > 0;
	if (running < 0)
		v.ns = -ESRCH;
	else if (running || r->cfg.clock == CAPTURE_WALL)
		v.ns = (int64_t)periods * r->period_ns;
	else
		v.ns = 0;
	return v;
}

static bool is_wanted(const struct reader *r, struct subject *s, const struct python_thread *thread,
		      int64_t now)
{
	return !r->cfg.gil ||
	       interpreters_look(&s->interpreters, thread->interpreter, now)->gil.holder ==
		       thread->state;
}

/* A thread of a subject, on its way into a sample. */
struct sampled {
	struct subject *subject;
	const struct python_thread *thread;
	size_t i; /* of it among the reader's; OTHER_THREAD: it has not run Python yet */
};
#define OTHER_THREAD SIZE_MAX

static void read_python(void *arg)
{
	const struct sampled *k = arg;

	if (k->i != OTHER_THREAD)
		python_reader_read(k->subject->python, k->i);
}

/* Read its stack; -ESRCH: the thread ended. */
static int read_stack(struct reader *r, struct sampled *k, struct target *t, int64_t now,
		      struct native_stack *ret)
{
	bool changed = false;

	*ret = (struct native_stack){.end = UNWIND_NATIVE_COMPLETE};
	if (r->stops)
		return stops_take(r->stops, t, k->thread->tid, now, read_python, k, ret, &changed);
	read_python(k);
	return 0;
}

static void add_sample(struct reader *r, const struct sampled *k, struct target *t,
		       const struct native_stack *native, const struct window_facts *facts,
		       int64_t now)
{
	const struct python_thread *thread = k->thread;
	const struct python_awaiters_thread at = {thread->id, thread->state, thread->interpreter};
	const struct python_awaiters *awaiters = NULL;
	struct window_result result = {};

	fill_sample(r, k->subject, t, thread, now);
	if (thread->state)
		awaiters = interpreters_awaiters(&k->subject->interpreters, &at, now);
	if (awaiters)
		add_awaiters(r, thread, awaiters);
	window_add(&r->window, &r->buffer->sample, native, t, facts, &result);
	r->stats.samples++;
	r->stats.outcomes[result.outcome]++;
	for (unsigned int i = 0; i < REMARK_COUNT; i++)
		r->stats.remarks[i] += result.remarks >> i & 1;
}

static void sample_thread(struct reader *r, struct sampled *k, uint64_t periods, int64_t now)
{
	const struct python_thread *thread = k->thread;
	struct target *t = targets_find(&r->targets, k->subject->pid);
	struct native_stack native;
	struct window_facts facts;
	struct sample_value value;
	int code;

	/* What it ran without the lock is not to be left for its next sample. */
	if (!t || (r->cfg.clock == CAPTURE_WALL && !is_wanted(r, k->subject, thread, now)))
		return;
	value = value_of(r, k->subject, thread, periods, now);
	if (value.ns < 0 && k->i != OTHER_THREAD)
		python_reader_ended(k->subject->python, k->i);
	if (value.ns <= 0 || !is_wanted(r, k->subject, thread, now))
		return;
	code = read_stack(r, k, t, now, &native);
	if (value.trusted && !thread->holds_gil)
		value.ns =
			tasks_take_run_time_again(&k->subject->tasks, thread->tid, value.ns, now);
	if (!value.ns)
		return;
	if (r->cfg.gil && !thread->holds_gil)
		return;
	/* A thread of C code that has not called Python. */
	if (code == -ESRCH || (!r->stops && thread->end == UNWIND_PYTHON_NONE)) {
		r->stats.unsampled_ns += r->cfg.clock == CAPTURE_CPU ? value.ns : 0;
		return;
	}
	if (!tasks_claim(&k->subject->tasks, thread->tid, now))
		return;
	facts = facts_of(r, k->subject, thread, value.running, now);
	facts.value = value.ns;
	add_sample(r, k, t, &native, &facts, now);
}

static bool is_known(const struct subject *s, int n, pid_t tid)
{
	for (int i = 0; i < n; i++)
		if (python_reader_thread(s->python, (size_t)i)->tid == tid)
			return true;
	return false;
}

/* Threads that Python does not know; n are known. */
static void sample_others(struct reader *r, struct subject *s, int n, uint64_t periods, int64_t now)
{
	if (!r->stops || r->cfg.gil || process_tids(s->pid, &r->tids))
		return;
	for (size_t i = 0; i < r->tids.len; i++) {
		const struct python_thread thread = {.tid = r->tids.data[i]};

		if (!is_known(s, n, thread.tid))
			sample_thread(r, &(struct sampled){s, &thread, OTHER_THREAD}, periods, now);
	}
}

/* A thread has a state in each interpreter that it called, and C code may have made more. Its
 * sample is of the newest that has frames: those without are left for last. */
static void sample_known(struct reader *r, struct subject *s, int n, uint64_t periods, int64_t now)
{
	for (int last = 0; last < 2; last++) {
		for (int i = 0; i < n; i++) {
			const struct python_thread *t = python_reader_thread(s->python, (size_t)i);

			if (!last && t->end == UNWIND_PYTHON_NONE)
				python_reader_read(s->python, (size_t)i);
			if ((t->end == UNWIND_PYTHON_NONE) == last)
				sample_thread(r, &(struct sampled){s, t, (size_t)i}, periods, now);
		}
	}
}

/* Returns how many threads of Python it has; negative: it is no Python any more. */
static int sample_subject(struct reader *r, struct subject *s, uint64_t periods, int64_t now)
{
	int n = s->python ? python_reader_list(s->python) : 0, again;

	sample_known(r, s, n, periods, now);
	again = n > 0 ? python_reader_list_again(s->python) : 0;
	/* Those that had their turn are not sampled twice in a tick. */
	if (again) {
		n = again;
		sample_known(r, s, n, periods, now);
	}
	sample_others(r, s, n, periods, now);
	return n;
}

static void tick(struct reader *r, uint64_t periods, int64_t now)
{
	for (size_t k = r->subjects.len; k-- > 0;) {
		struct subject *s = r->subjects.data[k];
		int n = sample_subject(r, s, periods, now);

		tasks_sweep(&s->tasks, now);
		if (n == -ESRCH) {
			remove_subject(r, k);
		} else if (n < 0) {
			/* It runs another program by now. */
			forget_python(s);
			s->retry_ns = r->retry_ns = now;
			s->retry_wait_ns = first_retry_ns;
		}
	}
}

/* ---- as a capture ---- */

static void reader_close_p(struct reader **r)
{
	reader_close(*r);
}

static int no_python(struct reader *r, struct err *e)
{
	const struct target *t = targets_find(&r->targets, r->cfg.pid);

	if (t && t->readable && runtimes_has_pypy(r->runtimes, &t->process))
		return err_set(
			e, -ENOENT,
			"process %d runs PyPy, whose Python functions Glim does not read; it "
			"reads those of CPython",
			(int)r->cfg.pid);
	return err_set(e, -ENOENT, "process %d runs no Python that Glim can find", (int)r->cfg.pid);
}

int reader_open(const struct capture_config *cfg, struct reader **ret, struct err *e)
{
	cleanup(reader_close_p) struct reader *r = mem_calloc(1, sizeof(*r));
	int code;

	r->cfg = *cfg;
	r->period_ns = NSEC_PER_SEC / cfg->hz;
	r->buffer = mem_calloc(1, sizeof(*r->buffer));
	r->runtimes = runtimes_new();
	r->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	if (r->timer_fd < 0)
		return err_sys(e, -errno, "cannot make a timer");
	code = symbolizer_new(cfg->native ? NATIVE_SYMBOL_BYTES : SYMBOL_BYTES, &r->symbolizer, e);
	if (code < 0)
		return code;
	if (cfg->native) {
		r->stops = mem_calloc(1, sizeof(*r->stops));
		stops_init(r->stops, cfg->cache);
		symbolizer_set_loader(r->symbolizer, LARGE_FILE);
	}
	window_init(&r->window, r->symbolizer, &r->targets);
	r->retry_ns = INT64_MAX;
	code = look_for_python(r, add_subject(r, cfg->pid, clock_mono_ns()), e);
	if (code < 0)
		return code;
	if (!code && !cfg->starting && !cfg->children && !cfg->native)
		return no_python(r, e);
	if (!cfg->starting && cfg->clock == CAPTURE_CPU)
		start_run_times(r, r->subjects.data[0]);
	window_start(&r->window, cfg->clock == CAPTURE_WALL ? "wall" : "cpu", r->period_ns);
	r->start_ns = clock_mono_ns();
	r->random = (uint64_t)r->start_ns | 1;
	choose_due(r);
	arm_timer(r);
	*ret = take_ptr(r);
	return 0;
}

void reader_close(struct reader *r)
{
	if (!r)
		return;
	for (size_t i = 0; i < r->subjects.len; i++)
		subject_free(r->subjects.data[i]);
	vec_fini(&r->subjects);
	window_fini(&r->window);
	targets_fini(&r->targets);
	runtimes_free(r->runtimes);
	symbolizer_free(r->symbolizer);
	if (r->stops)
		stops_fini(r->stops);
	free(r->stops);
	vec_fini(&r->tids);
	if (r->timer_fd >= 0)
		close(r->timer_fd);
	free(r->buffer);
	free(r);
}

int reader_fd(const struct reader *r)
{
	return r->timer_fd;
}

int reader_drain(struct reader *r)
{
	uint64_t before = r->stats.samples;
	int64_t now = clock_mono_ns();

	if (now < MIN(r->due_ns, r->retry_ns) && (!r->cfg.children || now < r->children_ns))
		return 0;
	if (r->cfg.children && now >= r->children_ns)
		add_children(r, now);
	if (now >= r->retry_ns)
		retry(r, now);
	if (now >= r->due_ns) {
		tick(r, next_slot(r, now), now);
		choose_due(r);
	}
	if (r->stops)
		stops_tick(r->stops, now);
	arm_timer(r);
	return (int)(r->stats.samples - before);
}

struct profile *reader_take(struct reader *r)
{
	struct profile *p = window_take(&r->window);

	symbolizer_trim(r->symbolizer);
	window_start(&r->window, p->type, r->period_ns);
	return p;
}

void reader_stats(const struct reader *r, struct capture_stats *ret)
{
	*ret = r->stats;
	ret->processes = r->subjects.len;
	if (r->stops) {
		ret->stopped = r->stops->stats.stopped;
		ret->not_stopped = r->stops->stats.failed;
		ret->stopped_median_ns = stops_median_ns(r->stops);
		ret->stopped_max_ns = r->stops->stats.max_ns;
	}
	for (size_t i = 0; i < r->subjects.len; i++) {
		ret->python_processes += r->subjects.data[i]->python != NULL;
		ret->unsampled_ns += tasks_left(&r->subjects.data[i]->tasks);
	}
}

bool reader_ended(const struct reader *r)
{
	return !r->subjects.len;
}

struct symbolizer *reader_symbolizer(struct reader *r)
{
	return r->symbolizer;
}

struct window *reader_window(struct reader *r)
{
	return &r->window;
}
