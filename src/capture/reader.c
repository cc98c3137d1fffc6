#include "capture/reader.h"

#include <sys/timerfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "capture/tasks.h"
#include "capture/window.h"
#include "unwind/python/python_reader.h"

enum { SYMBOL_BYTES = 1 << 20 };

/* A process that is sampled. */
struct subject {
	pid_t pid;
	struct python_reader *python;
	struct tasks tasks;
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
	int timer_fd;
	int64_t period_ns, start_ns;
	int64_t due_ns;	 /* of the next tick */
	uint64_t slot;	 /* periods since the start; one tick in each */
	uint64_t random; /* state of the generator */
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

/* Wake up at a random moment of the current period. */
static void arm_timer(struct reader *r)
{
	struct itimerspec when = {};

	r->due_ns = r->start_ns + (int64_t)r->slot * r->period_ns +
		    (int64_t)(next_random(r) % (uint64_t)r->period_ns);
	when.it_value.tv_sec = r->due_ns / NSEC_PER_SEC;
	when.it_value.tv_nsec = r->due_ns % NSEC_PER_SEC;
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

static void subject_free(struct subject *s)
{
	python_reader_free(s->python);
	tasks_fini(&s->tasks);
	free(s);
}

static int add_subject(struct reader *r, pid_t pid, struct err *e)
{
	struct target *t = targets_add(&r->targets, pid, 0, clock_mono_ns());
	struct memory m = memory_of_process(pid);
	struct process p;
	struct subject *s;
	int code = t->readable ? 0 : process_read(pid, &p, e);

	if (code < 0)
		return code;
	if (!t->readable)
		process_fini(&p);
	if (!t->readable || runtimes_find_python(r->runtimes, &t->process, &m, &t->python) <= 0)
		return err_set(e, -ENOENT, "process %d runs no Python that Glim can find",
			       (int)pid);
	t->has_python = true;
	s = mem_calloc(1, sizeof(*s));
	s->pid = s->tasks.pid = pid;
	code = python_reader_new(&m, &t->python, &s->python, e);
	if (!code)
		code = python_reader_list(s->python);
	if (code < 0) {
		subject_free(s);
		return e && e->code ? code : err_sys(e, code, "cannot read process %d", (int)pid);
	}
	vec_push(&r->subjects, s);
	return 0;
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

static void sample_thread(struct reader *r, struct subject *s, size_t i, uint64_t periods,
			  int64_t now)
{
	const struct python_thread *thread = python_reader_thread(s->python, i);
	const struct native_stack native = {.end = UNWIND_NATIVE_COMPLETE};
	struct target *t = targets_find(&r->targets, s->pid);
	struct window_result result = {};
	int running = tasks_is_running(&s->tasks, thread->tid);
	const struct window_facts facts = {
		.state = r->cfg.clock == CAPTURE_CPU ? NULL
			 : running > 0		     ? "running"
						     : "idle",
		.value = (int64_t)periods * r->period_ns,
	};

	if (!t || running < 0 || (r->cfg.clock == CAPTURE_CPU && !running))
		return;
	python_reader_read(s->python, i);
	/* A thread of C code that has not called Python. */
	if (thread->end == UNWIND_PYTHON_NONE)
		return;
	fill_sample(r, s, t, thread, now);
	window_add(&r->window, &r->buffer->sample, &native, t, &facts, &result);
	r->stats.samples++;
	r->stats.outcomes[result.outcome]++;
}

static void tick(struct reader *r, uint64_t periods, int64_t now)
{
	for (size_t k = r->subjects.len; k-- > 0;) {
		struct subject *s = r->subjects.data[k];
		int n = python_reader_list(s->python);

		for (int i = 0; i < n; i++)
			sample_thread(r, s, (size_t)i, periods, now);
		if (n != -ESRCH)
			continue;
		targets_remove(&r->targets, s->pid);
		subject_free(s);
		r->subjects.data[k] = r->subjects.data[--r->subjects.len];
	}
}

/* ---- as a capture ---- */

static void reader_close_p(struct reader **r)
{
	reader_close(*r);
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
	code = symbolizer_new(SYMBOL_BYTES, &r->symbolizer, e);
	if (code < 0)
		return code;
	window_init(&r->window, r->symbolizer, &r->targets);
	code = add_subject(r, cfg->pid, e);
	if (code < 0)
		return code;
	window_start(&r->window, cfg->clock == CAPTURE_WALL ? "wall" : "cpu", r->period_ns);
	r->start_ns = clock_mono_ns();
	r->random = (uint64_t)r->start_ns | 1;
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

	if (now < r->due_ns)
		return 0;
	tick(r, next_slot(r, now), now);
	arm_timer(r);
	return (int)(r->stats.samples - before);
}

struct profile *reader_take(struct reader *r)
{
	struct profile *p = window_take(&r->window);

	window_start(&r->window, p->type, r->period_ns);
	return p;
}

void reader_stats(const struct reader *r, struct capture_stats *ret)
{
	*ret = r->stats;
	ret->processes = ret->python_processes = r->subjects.len;
}

bool reader_ended(const struct reader *r)
{
	return !r->subjects.len;
}

struct symbolizer *reader_symbolizer(struct reader *r)
{
	return r->symbolizer;
}
