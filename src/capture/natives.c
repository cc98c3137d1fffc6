#include "capture/natives.h"

#include "base/clock.h"

enum {
	ROW_BYTES = 24 << 20, /* of the tables: some hundred files */
	CACHE_BYTES = 64 << 20,
	MAX_WALKS = 128,       /* of one sample; each but the last loads a table */
	PATIENCE_NS = 4000000, /* of a drain, for all tables */
};

/* A process that ended already is no failure: what it left in the ring is walked all the same. */
static int publish(void *arg, pid_t pid, const struct unwind_process *run)
{
	struct natives *n = arg;
	int r = 0;

	if (run)
		r = probe_set_process(n->probe, pid, &(struct probe_process){.run = *run});
	else
		probe_forget_process(n->probe, pid);
	return r == -ENOENT ? 0 : r;
}

static unwind_row *chunk(void *arg, uint32_t number)
{
	struct natives *n = arg;

	return probe_table_chunk(n->probe, number);
}

static struct table_space space_of_probe(struct natives *n)
{
	const struct probe_tables *t = probe_tables(n->probe);

	return (struct table_space){
		.mappings = t->mappings,
		.pages = t->pages,
		.rules = t->rules,
		.files = t->files,
		.max_chunks = UNWIND_MAX_CHUNKS,
		.chunk = chunk,
		.publish = publish,
		.arg = n,
	};
}

void natives_init(struct natives *n, struct probe *p, const char *cache)
{
	*n = (struct natives){.probe = p, .replay = mem_calloc(1, sizeof(*n->replay))};
	if (!p)
		n->memory = table_memory_new();
	n->space = p ? space_of_probe(n) : n->memory->space;
	n->store = table_store_new(&n->space, ROW_BYTES);
	if (cache)
		table_store_set_cache(n->store, cache, CACHE_BYTES, NULL);
	n->tables_fd = p ? table_store_set_background(n->store) : -1;
}

void natives_fini(struct natives *n)
{
	table_store_free(n->store);
	table_memory_free(n->memory);
	free(n->replay);
}

/* What is published of a process; what was held of one that is gone. */
static void find_run(struct natives *n, const struct target *t)
{
	if (t->gone)
		table_store_held(n->store, n->held, &n->replay->run);
	else if (!table_store_run(n->store, t->process.pid, &n->replay->run))
		n->replay->run = (struct unwind_process){};
}

static void count_time(struct natives *n, int64_t start_ns, int64_t start_cpu_ns)
{
	n->took_ns += clock_mono_ns() - start_ns;
	n->took_cpu_ns += clock_thread_cpu_ns() - start_cpu_ns;
	n->took_max_ns = MAX(n->took_max_ns, n->took_ns);
	n->took_max_cpu_ns = MAX(n->took_max_cpu_ns, n->took_cpu_ns);
}

static bool load_table(struct natives *n, const struct target *t, int64_t now_ns)
{
	const struct replay *r = n->replay;
	const struct mapping *m = process_find_mapping(&t->process, r->end_at);
	int64_t start = clock_mono_ns(), cpu = clock_thread_cpu_ns();

	/* A drain may take long where others have the CPUs: the thread need not wait for its end.
	 */
	n->made |= table_store_collect(n->store, now_ns);
	int code = m ? table_store_load(n->store, &r->run, &t->process, m, now_ns, &n->patience_ns)
		     : -ENOENT;

	count_time(n, start, cpu);
	n->waits = code == -EINPROGRESS;
	return !code;
}

bool natives_load(struct natives *n, struct target *t, int64_t now_ns, bool *ret_changed)
{
	const struct replay *r = n->replay;
	bool changed = false;

	if (r->end == UNWIND_NATIVE_NOT_LOADED)
		return load_table(n, t, now_ns);
	if (r->end != UNWIND_NATIVE_NO_MAPPING || t->gone)
		return false;
	target_mapping(t, r->end_at, now_ns, &changed);
	if (!changed || table_store_process(n->store, &t->process, now_ns))
		return false;
	*ret_changed = true;
	return true;
}

/* Walk again, loading what is missing on the way. */
static void walk_again(struct natives *n, struct target *t, int64_t now_ns, bool *ret_changed)
{
	n->waits = false;
	for (int i = 0; i < MAX_WALKS; i++) {
		find_run(n, t);
		replay_walk(n->replay);
		if (!natives_load(n, t, now_ns, ret_changed))
			return;
	}
}

static void tell_kernel(struct natives *n, pid_t pid, uint32_t flags)
{
	struct probe_process is = {.flags = flags};

	if (table_store_run(n->store, pid, &is.run))
		probe_set_process(n->probe, pid, &is);
}

static void take_copied(struct natives *n, const struct probe_sample *s, const struct target *t)
{
	const struct unwind_entry *entries = (const void *)(s + 1);
	const uint64_t *kernel = (const void *)(entries + s->entries);
	const struct probe_copied *copied = (const void *)(kernel + s->kernel_frames);
	struct replay *r = n->replay;

	r->space = &n->space;
	r->pc = copied->pc;
	r->thread_base = copied->thread_base;
	r->in_kernel = s->flags & PROBE_IN_SYSCALL;
	r->registers = copied->general;
	r->walked = entries;
	r->nwalked = copied->goes_on ? s->native_entries : 0;
	r->lost = copied->lost;
	r->regions = copied->regions;
	r->nregions = PROBE_REGIONS;
	r->bytes = (const void *)(copied + 1);
	r->pid = t->gone ? 0 : process_tid(&t->process);
	r->memory = NULL;
}

/* Code that is nowhere: until its mappings change, samples of this process need no copied stack.
 * Where only the kernel knew none, what it was told went when the process called exec, or came
 * before the kernel had met it. */
static void tell_end(struct natives *n, const struct probe_sample *s, const struct target *t)
{
	if (t->gone)
		return;
	if (n->replay->end == UNWIND_NATIVE_NO_MAPPING)
		tell_kernel(n, t->process.pid, PROBE_NO_STACK);
	else if (s->native_end == UNWIND_NATIVE_NO_MAPPING)
		tell_kernel(n, t->process.pid, 0);
}

static void walk_copied(struct natives *n, const struct probe_sample *s, struct target *t,
			int64_t now_ns, struct native_stack *ret, bool *ret_changed)
{
	take_copied(n, s, t);
	walk_again(n, t, now_ns, ret_changed);
	*ret = (struct native_stack){n->replay->entries, n->replay->count, n->replay->end};
	tell_end(n, s, t);
}

bool natives_walk(struct natives *n, const struct probe_sample *s, struct target *t, int64_t now_ns,
		  struct native_stack *ret, bool *ret_changed)
{
	struct unwind_process run;
	bool changed = false;

	*ret = (struct native_stack){
		.entries = (const void *)(s + 1),
		.count = s->native_entries,
		.end = s->native_end,
	};
	if (s->native_end == UNWIND_NATIVE_NO_MAPPING && !(s->flags & PROBE_COPIED) && ret->count)
		target_mapping(t, ret->entries[ret->count - 1].address, now_ns, &changed);
	if (changed || t->dirty ||
	    ((s->flags & PROBE_COPIED) &&
	     ((s->flags & PROBE_NEW_PROCESS) || !table_store_run(n->store, t->process.pid, &run))))
		table_store_process(n->store, &t->process, now_ns);
	*ret_changed |= changed;
	if (!(s->flags & PROBE_COPIED))
		return false;
	walk_copied(n, s, t, now_ns, ret, ret_changed);
	return n->waits;
}

uint64_t natives_awaited(const struct natives *n)
{
	return n->replay->end_at;
}

uint32_t natives_hold(struct natives *n, pid_t pid)
{
	return table_store_hold(n->store, pid);
}

void natives_let_go(struct natives *n, uint32_t run, int64_t now_ns)
{
	table_store_let_go(n->store, run, now_ns);
}

bool natives_awaits(const struct natives *n, const struct target *t, uint32_t run, uint64_t address)
{
	const struct mapping *m = process_find_mapping(&t->process, address);
	struct unwind_process held;

	table_store_held(n->store, run, &held);
	return m && table_store_awaits(n->store, &held, m);
}

bool natives_walk_held(struct natives *n, const struct probe_sample *s, struct target *t,
		       uint32_t run, int64_t now_ns, struct native_stack *ret, bool *ret_changed)
{
	n->held = run;
	walk_copied(n, s, t, now_ns, ret, ret_changed);
	return n->waits;
}

bool natives_wait(struct natives *n, int64_t wait_ns)
{
	return table_store_wait(n->store, wait_ns);
}

bool natives_begin(struct natives *n, int64_t now_ns)
{
	int64_t start = clock_mono_ns(), cpu = clock_thread_cpu_ns();
	bool made = table_store_collect(n->store, now_ns) | n->made;

	n->made = false;
	n->took_ns = n->took_cpu_ns = 0;
	count_time(n, start, cpu);
	n->patience_ns = PATIENCE_NS - n->took_ns;
	return made;
}

static void prepare_copy(struct natives *n, const struct thread_copy *c, const struct memory *m,
			 const struct target *t)
{
	thread_copy_replay(c, n->replay);
	n->replay->space = &n->space;
	n->replay->pid = process_tid(&t->process);
	n->replay->memory = m;
}

void natives_publish(struct natives *n, const struct target *t, int64_t now_ns)
{
	struct unwind_process run;

	if (!table_store_run(n->store, t->process.pid, &run))
		table_store_process(n->store, &t->process, now_ns);
}

void natives_walk_copy(struct natives *n, const struct thread_copy *c, const struct memory *m,
		       struct target *t, int64_t now_ns, struct native_stack *ret,
		       bool *ret_changed)
{
	natives_publish(n, t, now_ns);
	prepare_copy(n, c, m, t);
	walk_again(n, t, now_ns, ret_changed);
	*ret = (struct native_stack){n->replay->entries, n->replay->count, n->replay->end};
}

void natives_walk_still(struct natives *n, const struct thread_copy *c, const struct memory *m,
			struct target *t, struct native_stack *ret)
{
	prepare_copy(n, c, m, t);
	find_run(n, t);
	replay_walk(n->replay);
	*ret = (struct native_stack){n->replay->entries, n->replay->count, n->replay->end};
}

void natives_changed(struct natives *n, const struct target *t, int64_t now_ns)
{
	struct unwind_process run;

	if (table_store_run(n->store, t->process.pid, &run))
		table_store_process(n->store, &t->process, now_ns);
}

void natives_forked(struct natives *n, pid_t parent, pid_t child, int64_t now_ns)
{
	table_store_fork(n->store, parent, child, now_ns);
}

void natives_forget(struct natives *n, pid_t pid, int64_t now_ns)
{
	table_store_forget(n->store, pid, now_ns);
}

void natives_stats(const struct natives *n, struct capture_tables *ret)
{
	struct table_store_stats s;

	table_store_get_stats(n->store, &s);
	*ret = (struct capture_tables){
		.files = s.ready,
		.bytes = s.bytes,
		.waiting = s.waiting,
		.loaded = s.loaded,
		.cached = s.cached,
		.beside = s.beside,
		.evicted = s.evicted,
		.cpu_ns = s.load_ns,
		.took_max_ns = n->took_max_ns,
		.took_max_cpu_ns = n->took_max_cpu_ns,
	};
}

size_t natives_refusals(const struct natives *n, struct capture_refusal *ret, size_t max)
{
	struct table_store_stats s;
	size_t found = 0;

	table_store_get_stats(n->store, &s);
	for (unsigned int i = 0; i < TABLE_REFUSED_COUNT && found < max; i++) {
		bool full = i == TABLE_REFUSED_MAPPINGS || i == TABLE_REFUSED_PUBLISH ||
			    i == TABLE_REFUSED_FILES || i == TABLE_REFUSED_SIZE ||
			    i == TABLE_REFUSED_ROOM;

		if (s.refused[i])
			ret[found++] = (struct capture_refusal){
				.why = table_refusal_names[i],
				.count = s.refused[i],
				.full = full,
			};
	}
	return found;
}

void natives_tick(struct natives *n, int64_t now_ns)
{
	if (now_ns < n->next_tick_ns)
		return;
	n->next_tick_ns = now_ns + NSEC_PER_SEC;
	table_store_tick(n->store, now_ns);
}
