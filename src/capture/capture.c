#include "capture/capture.h"

#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "capture/awaited.h"
#include "capture/news.h"
#include "capture/parked.h"
#include "capture/reader.h"
#include "capture/window.h"
#include "probe/probe.h"
#include "process/priority.h"

enum {
	SYMBOL_BYTES = 24 << 20,
	/* No symbols that fit in here take ten milliseconds to read. */
	LARGE_FILE = 4 << 20,
	MAX_NEWCOMERS = 256,
};
/* What a window that ends gives to files that are still being read, and how often the ring is
 * emptied meanwhile. */
static const int64_t late_wait_ns = 3000000000, late_step_ns = 5000000;

/* A process that just called exec and may map an interpreter soon. */
struct newcomer {
	pid_t pid;
	unsigned int tries;
	int64_t due_ns;
};
/* libpython is mapped by the dynamic loader within the first milliseconds. */
static const int64_t newcomer_waits_ms[] = {3, 8, 25, 80, 250, 1000};

struct capture {
	struct reader *reader; /* the other engine: nothing below is used then */
	struct capture_config cfg;
	struct probe *probe;
	struct symbolizer *symbolizer;
	struct runtimes *runtimes;
	struct natives natives;
	struct awaited awaited;
	struct parked parked;
	struct newborns newborns;
	VEC(pid_t) dirty; /* targets that mapped something */
	struct news news;
	struct targets targets;
	struct window window;
	VEC(struct newcomer) newcomers;
	uint64_t outcomes[OUTCOME_COUNT];
	uint64_t remarks[REMARK_COUNT]; /* of samples */
	uint64_t samples;
	int64_t drain_max_ns, drain_max_cpu_ns;
	int timer_fd, epoll_fd;
};

static void look_for_python(struct capture *c, struct target *t)
{
	const struct memory memory = memory_of_process(process_tid(&t->process));

	if (t->has_python || !t->readable)
		return;
	if (runtimes_find_python(c->runtimes, &t->process, &memory, &t->python) <= 0)
		return;
	t->has_python = true;
	probe_set_python(c->probe, t->process.pid, &t->python.process);
}

static void look_for_go(struct capture *c, struct target *t)
{
	if (t->has_go || !t->readable || runtimes_find_go(c->runtimes, &t->process, &t->go) <= 0)
		return;
	t->has_go = true;
	probe_set_go(c->probe, t->process.pid, &t->go);
}

static void look_for_runtimes(struct capture *c, struct target *t)
{
	look_for_python(c, t);
	look_for_go(c, t);
}

/* --- samples -----------------------------------------------------------------------------------*/

/* What Python calls the thread; read when it is sampled for the first time, and then seldom. */
static const char *thread_name(const struct probe_sample *s, struct target *t)
{
	return target_thread_name(t, s->thread_base, (pid_t)s->tid, (int64_t)s->time_ns,
				  clock_mono_ns());
}

static void add_sample(struct capture *c, const struct probe_sample *s,
		       const struct native_stack *native, struct target *t, bool changed)
{
	struct window_result result = {};
	struct window_facts facts = {.thread = t ? thread_name(s, t) : NULL};

	window_add(&c->window, s, native, t, &facts, &result);
	if (changed && !t->gone)
		look_for_runtimes(c, t);
	c->samples++;
	c->outcomes[result.outcome]++;
	for (unsigned int i = 0; i < REMARK_COUNT; i++)
		c->remarks[i] += result.remarks >> i & 1;
}

/* Put a sample aside until the table is there that its stack needs. */
static bool park(struct capture *c, const struct probe_sample *s, const struct native_stack *native,
		 struct target *t, int64_t now)
{
	uint32_t run = natives_hold(&c->natives, t->process.pid);

	if (!parked_add(&c->parked, s, t, run, natives_awaited(&c->natives))) {
		natives_let_go(&c->natives, run, now);
		return false;
	}
	window_prepare(&c->window, s, native, t);
	thread_name(s, t);
	return true;
}

/* Go on with a sample that was put aside; the last time it is taken as it is. True: it is done. */
static bool try_parked(struct capture *c, struct parked_sample *p, bool last, int64_t now)
{
	struct native_stack native = {};
	bool changed = false;

	if (!last && natives_awaits(&c->natives, p->target, p->run, p->awaited))
		return false;
	if (natives_walk_held(&c->natives, p->sample, p->target, p->run, now, &native, &changed) &&
	    !last) {
		p->awaited = natives_awaited(&c->natives);
		return false;
	}
	add_sample(c, p->sample, &native, p->target, changed);
	natives_let_go(&c->natives, p->run, now);
	return true;
}

/* Only of one target, or of all: t is NULL. */
static void take_parked(struct capture *c, const struct target *t, bool last)
{
	int64_t now = clock_mono_ns();

	for (size_t i = 0; i < c->parked.list.len;) {
		struct parked_sample *p = &c->parked.list.data[i];

		if ((t && p->target != t) || !try_parked(c, p, last, now))
			i++;
		else
			parked_remove(&c->parked, i, &c->targets);
	}
}

/* --- what processes do -------------------------------------------------------------------------*/

static void on_mapping(struct capture *c, const struct mapping_event *e)
{
	struct target *t = e->exec ? NULL : targets_find(&c->targets, e->pid);

	if (e->exec && c->cfg.pid && !probe_is_chosen(c->probe, e->pid))
		return;
	newborns_take(&c->newborns, e, (int64_t)e->time_ns);
	/* What was sampled before is of what was there before. */
	if (t && t->holders && target_replaces(t, e))
		take_parked(c, t, true);
	if (!t || !target_mapped(t, e) || t->dirty)
		return;
	t->dirty = true;
	vec_push(&c->dirty, e->pid);
}

static void read_news(struct capture *c)
{
	if (news_read(&c->news, c->probe))
		newborns_fini(&c->newborns);
}

/* Take in what was mapped up to that moment. */
static void follow_mappings(struct capture *c, uint64_t until_ns)
{
	const struct mapping_event *e;

	if (until_ns > c->news.until_ns)
		read_news(c);
	while ((e = news_next(&c->news, until_ns)))
		on_mapping(c, e);
}

/* Tell the kernel what changed. */
static void publish_mappings(struct capture *c)
{
	int64_t now = clock_mono_ns();

	newborns_tick(&c->newborns, now);
	for (size_t i = 0; i < c->dirty.len; i++) {
		struct target *t = targets_find(&c->targets, c->dirty.data[i]);

		if (!t)
			continue;
		t->dirty = false;
		natives_changed(&c->natives, t, now);
		look_for_runtimes(c, t);
	}
	vec_clear(&c->dirty);
}

static struct target *meet(struct capture *c, pid_t pid, uint64_t start_ns, int64_t now)
{
	struct target *t = targets_add(&c->targets, pid, start_ns, now);

	if (c->targets.evicted)
		natives_forget(&c->natives, c->targets.evicted, now);
	look_for_runtimes(c, t);
	/* It may have called exec while we looked at it the last time. */
	if (!t->has_go)
		probe_forget_go(c->probe, pid);
	return t;
}

static void on_sample(struct capture *c, const struct probe_sample *s)
{
	struct target *t = NULL;
	struct native_stack native = {};
	int64_t now = clock_mono_ns();
	bool changed = false;

	follow_mappings(c, s->time_ns);
	if (!(s->flags &
	      (PROBE_KERNEL_THREAD | PROBE_COMPAT | PROBE_NO_REGISTERS | PROBE_IN_EXEC))) {
		t = targets_find(&c->targets, s->pid);
		if (t && !t->start_ns)
			t->start_ns = s->process_start;
		if (!t || t->start_ns != s->process_start)
			t = meet(c, s->pid, s->process_start, now);
		t->seen_ns = now;
		s = awaited_add(&c->awaited, s, t, now);
		if (t->readable && natives_walk(&c->natives, s, t, now, &native, &changed) &&
		    park(c, s, &native, t, now)) {
			if (changed)
				look_for_runtimes(c, t);
			return;
		}
	}
	add_sample(c, s, &native, t, changed);
}

/* Try a newcomer; false when it needs no more looking at. */
static bool try_newcomer(struct capture *c, struct newcomer *n, int64_t now)
{
	struct target *t = targets_find(&c->targets, n->pid);

	if (t && t->has_python)
		return false;
	if (t && t->readable && process_refresh(&t->process, NULL) >= 0)
		look_for_runtimes(c, t);
	else
		t = meet(c, n->pid, 0, now);
	if (!t->readable)
		targets_remove(&c->targets, n->pid);
	else if (!t->has_python && n->tries < ARRAY_SIZE(newcomer_waits_ms)) {
		n->due_ns = now + newcomer_waits_ms[n->tries++] * 1000000;
		return true;
	}
	return false;
}

/* Ask to be woken when the next newcomer is due. */
static void arm_timer(struct capture *c, int64_t now)
{
	struct itimerspec at = {};
	int64_t next = INT64_MAX;

	for (size_t i = 0; i < c->newcomers.len; i++)
		next = MIN(next, c->newcomers.data[i].due_ns);
	if (c->newcomers.len) {
		next = MAX(next, now + 1);
		at.it_value.tv_sec = next / NSEC_PER_SEC;
		at.it_value.tv_nsec = next % NSEC_PER_SEC;
	}
	timerfd_settime(c->timer_fd, TFD_TIMER_ABSTIME, &at, NULL);
}

static void look_at_newcomers(struct capture *c)
{
	int64_t now = clock_mono_ns();
	size_t kept = 0;

	if (!c->newcomers.len)
		return;
	for (size_t i = 0; i < c->newcomers.len; i++) {
		struct newcomer n = c->newcomers.data[i];

		if (n.due_ns > now || try_newcomer(c, &n, now))
			c->newcomers.data[kept++] = n;
	}
	c->newcomers.len = kept;
	arm_timer(c, now);
}

/* A process runs another program from now on. Programs that have no Python and are not linked with
 * it are not announced again. */
static void on_exec(struct capture *c, const struct probe_process_event *e)
{
	struct target *t;
	int64_t now = clock_mono_ns();

	targets_remove(&c->targets, e->pid);
	natives_forget(&c->natives, e->pid, now);
	t = meet(c, e->pid, 0, now);
	if (t->readable && !t->has_python) {
		if (!runtimes_expect_python(c->runtimes, &t->process))
			probe_set_plain(c->probe, e->dev, e->inode);
		else if (c->newcomers.len < MAX_NEWCOMERS)
			vec_push(&c->newcomers,
				 (struct newcomer){.pid = e->pid,
						   .due_ns = now + newcomer_waits_ms[0] * 1000000});
	}
	/* Others are read when they are sampled, with all their mappings. */
	if (!t->has_python)
		targets_remove(&c->targets, e->pid);
}

static void forget(struct capture *c, pid_t pid)
{
	targets_remove(&c->targets, pid);
	natives_forget(&c->natives, pid, clock_mono_ns());
}

static void on_record(const struct probe_record *r, void *arg)
{
	const struct probe_process_event *e = (const void *)r;
	struct capture *c = arg;

	switch (r->type) {
	case PROBE_SAMPLE:
		on_sample(c, (const void *)r);
		break;
	case PROBE_EXEC:
		on_exec(c, e);
		break;
	case PROBE_FORK:
		targets_forked(&c->targets, e->parent, e->pid);
		natives_forked(&c->natives, e->parent, e->pid, clock_mono_ns());
		break;
	case PROBE_EXIT:
		if (c->cfg.pid)
			probe_chosen_ended(c->probe, e->pid);
		forget(c, e->pid);
		break;
	case PROBE_EXEC_PLAIN:
		forget(c, e->pid);
		break;
	default:
		break;
	}
}

/* Choose the one process, and who descends from it, as *ret_pids. What they start from now on is
 * followed by the probe: when nobody is found any more that was not chosen yet, all are. */
static int choose(struct capture *c, pid_vec *ret_pids, struct err *e)
{
	struct process p;
	size_t known;
	int r = process_read(c->cfg.pid, &p, e);

	if (r < 0)
		return r;
	process_fini(&p);
	vec_push(ret_pids, c->cfg.pid);
	r = probe_choose(c->probe, c->cfg.pid);
	do {
		known = ret_pids->len;
		if (!r && c->cfg.children)
			r = process_descendants(ret_pids);
		for (size_t i = known; !r && i < ret_pids->len; i++)
			r = probe_choose(c->probe, ret_pids->data[i]);
	} while (!r && ret_pids->len > known);
	return r ? err_sys(e, r, "cannot choose the processes to sample") : 0;
}

/* Interpreters that run already get their record before their first sample. */
static int scan(struct capture *c, struct err *e)
{
	cleanup(pids_fini) pid_vec pids = {};
	int64_t now = clock_mono_ns();
	int r = 0;

	if (c->cfg.pid)
		r = choose(c, &pids, e);
	else
		process_list(&pids);
	for (size_t i = 0; !r && i < pids.len && c->targets.list.len < TARGETS_MAX / 2; i++) {
		struct target *t;

		if (pids.data[i] == c->cfg.self)
			continue;
		t = meet(c, pids.data[i], 0, now);
		if (!t->has_python)
			targets_remove(&c->targets, pids.data[i]);
	}
	return r;
}

static int open_fds(struct capture *c, struct err *e)
{
	struct epoll_event ev = {.events = EPOLLIN};

	c->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	c->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (c->timer_fd < 0 || c->epoll_fd < 0 ||
	    epoll_ctl(c->epoll_fd, EPOLL_CTL_ADD, c->timer_fd, &ev) ||
	    epoll_ctl(c->epoll_fd, EPOLL_CTL_ADD, probe_fd(c->probe), &ev))
		return err_sys(e, -errno, "cannot wait for samples");
	/* Without it tables are taken in when the ring is read. */
	if (c->natives.tables_fd >= 0)
		epoll_ctl(c->epoll_fd, EPOLL_CTL_ADD, c->natives.tables_fd, &ev);
	return 0;
}

static void capture_close_p(struct capture **c)
{
	capture_close(*c);
}

int capture_open(const struct capture_config *cfg, struct capture **ret, struct err *e)
{
	cleanup(capture_close_p) struct capture *c = mem_calloc(1, sizeof(*c));
	struct probe_open_config probe = {
		.hz = cfg->hz,
		.self = cfg->self,
		.kernel_stacks = cfg->kernel_stacks,
		.choosy = cfg->pid,
		.with_children = cfg->children,
	};
	struct symbol symbol;
	int r;

	c->cfg = *cfg;
	c->timer_fd = c->epoll_fd = -1;
	priority_raise();
	if (cfg->engine == CAPTURE_READER) {
		r = reader_open(cfg, &c->reader, e);
		if (!r)
			*ret = take_ptr(c);
		return r;
	}
	r = symbolizer_new(SYMBOL_BYTES, &c->symbolizer, e);
	if (r < 0)
		return r;
	symbolizer_set_loader(c->symbolizer, LARGE_FILE);
	c->runtimes = runtimes_new();
	window_init(&c->window, c->symbolizer, &c->targets);
	r = probe_open(&probe, &c->probe, e);
	if (r < 0)
		return r;
	natives_init(&c->natives, c->probe, cfg->cache);
	c->targets.newborns = &c->newborns;
	r = open_fds(c, e);
	if (r < 0)
		return r;
	/* The kernel's names are many: read them before samples wait. */
	symbolizer_kernel(c->symbolizer, 0, &symbol);
	r = scan(c, e);
	if (r < 0)
		return r;
	window_start(&c->window, "cpu", probe_period_ns(cfg->hz));
	r = probe_start(c->probe, e);
	if (r < 0)
		return r;
	*ret = take_ptr(c);
	return 0;
}

void capture_close(struct capture *c)
{
	if (!c)
		return;
	reader_close(c->reader);
	parked_fini(&c->parked, &c->targets);
	awaited_fini(&c->awaited);
	if (c->natives.store)
		natives_fini(&c->natives);
	probe_close(c->probe);
	window_fini(&c->window);
	targets_fini(&c->targets);
	runtimes_free(c->runtimes);
	symbolizer_free(c->symbolizer);
	newborns_fini(&c->newborns);
	news_fini(&c->news);
	vec_fini(&c->dirty);
	vec_fini(&c->newcomers);
	if (c->timer_fd >= 0)
		close(c->timer_fd);
	if (c->epoll_fd >= 0)
		close(c->epoll_fd);
	free(c);
}

size_t capture_refusals(const struct capture *c, struct capture_refusal *ret, size_t max)
{
	return c->natives.store ? natives_refusals(&c->natives, ret, max) : 0;
}

struct symbolizer *capture_symbolizer(struct capture *c)
{
	return c->reader ? reader_symbolizer(c->reader) : c->symbolizer;
}

int capture_fd(const struct capture *c)
{
	return c->reader ? reader_fd(c->reader) : c->epoll_fd;
}

bool capture_ended(const struct capture *c)
{
	return c->reader && reader_ended(c->reader);
}

static int drain(struct capture *c, struct err *e)
{
	uint64_t before = c->samples, expired;
	int r;

	if (read(c->timer_fd, &expired, sizeof(expired)) < 0 && errno != EAGAIN)
		return err_sys(e, -errno, "cannot read a timer");
	probe_follow_cpus(c->probe);
	symbolizer_slice(c->symbolizer);
	read_news(c);
	look_at_newcomers(c);
	natives_tick(&c->natives, clock_mono_ns());
	if (natives_begin(&c->natives, clock_mono_ns()))
		take_parked(c, NULL, false);
	r = probe_drain(c->probe, on_record, c);
	if (r < 0)
		return err_sys(e, r, "cannot read samples");
	/* No sample waits that is older than the news. */
	if (r < PROBE_DRAIN_MAX) {
		follow_mappings(c, c->news.until_ns);
		if (symbolizer_reads(c->symbolizer))
			window_name_late(&c->window);
	}
	publish_mappings(c);
	if (c->newcomers.len)
		arm_timer(c, clock_mono_ns());
	return c->samples - before;
}

int capture_drain(struct capture *c, struct err *e)
{
	int64_t start, cpu;
	int r;

	/* As often as there are samples: two looks at the clock would be seen in what it costs. */
	if (c->reader)
		return reader_drain(c->reader);
	start = clock_mono_ns();
	cpu = clock_thread_cpu_ns();
	r = drain(c, e);
	c->drain_max_ns = MAX(c->drain_max_ns, clock_mono_ns() - start);
	c->drain_max_cpu_ns = MAX(c->drain_max_cpu_ns, clock_thread_cpu_ns() - cpu);
	return r;
}

/* Wait a moment for a table that some sample needs, or a name; false where none is being made. */
static bool wait_for_late(struct capture *c)
{
	struct window *w = c->reader ? reader_window(c->reader) : &c->window;
	struct symbolizer *s = capture_symbolizer(c);

	if (c->parked.list.len && natives_wait(&c->natives, late_step_ns))
		return true;
	if (!window_name_late(w) || !symbolizer_reads(s))
		return false;
	symbolizer_wait(s, late_step_ns);
	return true;
}

/* Give what is late its time, and the ring its own. */
static void finish_late(struct capture *c)
{
	int64_t until = clock_mono_ns() + late_wait_ns;

	while (wait_for_late(c) && clock_mono_ns() < until)
		capture_drain(c, NULL);
	take_parked(c, NULL, true);
}

struct profile *capture_take(struct capture *c)
{
	struct profile *p;

	if (!c->reader)
		capture_drain(c, NULL);
	finish_late(c);
	if (c->reader)
		return reader_take(c->reader);
	p = window_take(&c->window);
	symbolizer_trim(c->symbolizer);
	window_start(&c->window, "cpu", probe_period_ns(c->cfg.hz));
	return p;
}

void capture_stats(struct capture *c, struct capture_stats *ret)
{
	struct probe_stats p;

	if (c->reader) {
		reader_stats(c->reader, ret);
		return;
	}
	probe_stats(c->probe, &p);
	*ret = (struct capture_stats){
		.samples = c->samples,
		.lost_ring = p.counters.lost_ring,
		.lost_scratch = p.counters.lost_scratch,
		.lost_children = p.counters.lost_choices,
		.processes = c->targets.list.len,
		.bpf_run_ns = p.run_ns,
		.bpf_runs = p.runs,
		.map_bytes = p.map_bytes,
		.cpus = p.cpus,
		.cpus_unsampled = p.cpus_unsampled,
	};
	natives_stats(&c->natives, &ret->tables);
	ret->tables.parked = c->parked.total;
	ret->tables.parked_refused = c->parked.refused;
	ret->drain_max_ns = c->drain_max_ns;
	ret->drain_max_cpu_ns = c->drain_max_cpu_ns;
	memcpy(ret->outcomes, c->outcomes, sizeof(ret->outcomes));
	memcpy(ret->remarks, c->remarks, sizeof(ret->remarks));
	ret->remarks[REMARK_LABELS_GONE] = c->window.labels.lost;
	ret->remarks[REMARK_AWAITERS_CUT] = c->awaited.gone;
	ret->remarks[REMARK_MAPPINGS_LOST] = c->news.lost + c->newborns.dropped;
	ret->names_read = c->targets.names_read;
	ret->names_took_ns = c->targets.names_took_ns;
	for (size_t i = 0; i < c->targets.list.len; i++) {
		const struct target *t = c->targets.list.data[i];

		ret->python_processes += t->has_python;
		if (!t->threads)
			continue;
		ret->names_read += t->threads->reads;
		ret->names_took_ns += t->threads->took_ns;
	}
}
