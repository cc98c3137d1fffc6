#include "capture/target.h"

#include <unistd.h>

#include "base/clock.h"
#include "unwind/python/process_name.h"

enum {
	/* Code objects remembered a process; beyond it the table starts anew. */
	MAX_CODES = 20000,
	MAX_CHILDREN = 16384,
};
/* A child is given its name some milliseconds after its first sample, or never. */
#define NAME_WAIT_MIN (10 * 1000 * 1000LL)
#define NAME_WAIT_MAX (5 * NSEC_PER_SEC)
/* Wait before mappings are read again: doubled each time it did not help. */
#define REFRESH_WAIT_MIN (20 * 1000 * 1000LL)
#define REFRESH_WAIT_MAX (10 * NSEC_PER_SEC)

/* What is read of the tasks of a process. */
struct target_tasks {
	struct memory memory;
	struct python_objects objects;
	bool has_objects; /* of a version whose objects we know */
	struct python_awaiters awaiters;
};

static void codes_clear(struct target *t)
{
	for (size_t i = 0; i < t->codes.len; i++)
		python_code_fini(&t->codes.data[i].code);
	vec_clear(&t->codes);
	hash_index_clear(&t->code_index);
}

static void forget_names(struct target *t)
{
	python_qualnames_free(t->qualnames);
	t->qualnames = NULL;
}

static void forget_threads(struct targets *all, struct target *t)
{
	if (!t->threads)
		return;
	all->names_read += t->threads->reads;
	all->names_took_ns += t->threads->took_ns;
	named_threads_fini(t->threads);
	free(take_ptr(t->threads));
}

static void forget_tasks(struct target *t)
{
	if (!t->tasks)
		return;
	python_awaiters_fini(&t->tasks->awaiters);
	free(take_ptr(t->tasks));
}

static void target_free(struct targets *all, struct target *t)
{
	for (size_t k = 0; k < TARGETS_NAMED; k++)
		if (all->named[k] == t)
			all->named[k] = NULL;
	forget_names(t);
	forget_threads(all, t);
	forget_tasks(t);
	codes_clear(t);
	vec_fini(&t->codes);
	free(t->given_name);
	hash_index_fini(&t->code_index);
	if (t->readable)
		process_fini(&t->process);
	free(t);
}

void targets_fini(struct targets *t)
{
	for (size_t i = 0; i < t->list.len; i++)
		target_free(t, t->list.data[i]);
	vec_fini(&t->list);
	map64_fini(&t->by_pid);
	map64_fini(&t->parents);
}

struct target *targets_find(const struct targets *t, pid_t pid)
{
	uint64_t *i = map64_get(&t->by_pid, (uint64_t)pid);

	return i ? t->list.data[*i] : NULL;
}

void targets_remove(struct targets *t, pid_t pid)
{
	uint64_t *found = map64_get(&t->by_pid, (uint64_t)pid);
	size_t i, last = t->list.len - 1;

	map64_remove(&t->parents, (uint64_t)pid);
	if (!found)
		return;
	i = *found;
	t->list.data[i]->gone = true;
	if (!t->list.data[i]->holders)
		target_free(t, t->list.data[i]);
	map64_remove(&t->by_pid, (uint64_t)pid);
	if (i != last) {
		t->list.data[i] = t->list.data[last];
		map64_set(&t->by_pid, (uint64_t)t->list.data[i]->process.pid, i);
	}
	t->list.len--;
}

void targets_hold(struct target *held)
{
	held->holders++;
}

void targets_let_go(struct targets *t, struct target *held)
{
	CHECK(held->holders);
	if (!--held->holders && held->gone)
		target_free(t, held);
}

static void remove_oldest(struct targets *t)
{
	const struct target *oldest = t->list.data[0];

	for (size_t i = 1; i < t->list.len; i++)
		if (t->list.data[i]->seen_ns < oldest->seen_ns)
			oldest = t->list.data[i];
	t->evicted = oldest->process.pid;
	targets_remove(t, t->evicted);
}

/* /proc counts clock ticks since boot. */
static uint64_t ticks_of(uint64_t start_ns)
{
	return start_ns / (NSEC_PER_SEC / (uint64_t)sysconf(_SC_CLK_TCK));
}

void targets_forked(struct targets *t, pid_t parent, pid_t child)
{
	targets_remove(t, child);
	if (t->parents.len < MAX_CHILDREN)
		map64_set(&t->parents, (uint64_t)child, (uint64_t)parent);
}

static void inherit(struct target *child, const struct target *parent)
{
	child->has_python = parent->has_python;
	child->python = parent->python;
	child->has_go = parent->has_go;
	child->go = parent->go;
	if (child->readable || !parent->readable)
		return;
	/* It ended before we looked, but its code lay where its parent's does. */
	child->readable = true;
	process_copy_mappings(&child->process, &parent->process);
}

/* What was told of a process that started lately is of the sample's moment, /proc is of now: it may
 * be another program by now, or none. */
static bool read_process(const struct targets *t, pid_t pid, uint64_t start_ns, struct process *ret)
{
	if (start_ns && t->newborns && newborns_process(t->newborns, pid, ret)) {
		ret->start_time = ticks_of(start_ns);
		return true;
	}
	if (!process_read(pid, ret, NULL)) {
		bool same = !start_ns || ret->start_time == ticks_of(start_ns);

		if (same && ret->mappings.len)
			return true;
		process_fini(ret);
	}
	*ret = (struct process){};
	return false;
}

struct target *targets_add(struct targets *t, pid_t pid, uint64_t start_ns, int64_t now_ns)
{
	struct target *n = mem_calloc(1, sizeof(*n));
	const uint64_t *from = map64_get(&t->parents, (uint64_t)pid);
	const struct target *parent;

	n->number = ++t->last_number;
	if (from)
		n->parent = (pid_t)*from;
	targets_remove(t, pid);
	t->evicted = 0;
	if (t->list.len >= TARGETS_MAX)
		remove_oldest(t);
	n->readable = read_process(t, pid, start_ns, &n->process);
	n->process.pid = pid;
	n->start_ns = start_ns;
	n->seen_ns = now_ns;
	n->refresh_wait_ns = REFRESH_WAIT_MIN;
	n->next_refresh_ns = now_ns + n->refresh_wait_ns;
	parent = n->parent ? targets_find(t, n->parent) : NULL;
	if (parent)
		inherit(n, parent);
	map64_set(&t->by_pid, (uint64_t)pid, t->list.len);
	vec_push(&t->list, n);
	return n;
}

const struct mapping *target_mapping(struct target *t, uint64_t address, int64_t now_ns,
				     bool *ret_changed)
{
	const struct mapping *m;

	if (!t->readable)
		return NULL;
	m = process_find_mapping(&t->process, address);
	if (m || t->gone || now_ns < t->next_refresh_ns)
		return m;
	*ret_changed |= process_refresh(&t->process, NULL) > 0;
	m = process_find_mapping(&t->process, address);
	t->refresh_wait_ns = m ? REFRESH_WAIT_MIN : MIN(t->refresh_wait_ns * 2, REFRESH_WAIT_MAX);
	t->next_refresh_ns = now_ns + t->refresh_wait_ns;
	return m;
}

bool target_replaces(const struct target *t, const struct mapping_event *e)
{
	for (size_t i = 0; i < t->process.mappings.len; i++) {
		const struct mapping *m = &t->process.mappings.data[i];

		if (m->inode && m->start < e->end && e->start < m->end &&
		    (m->inode != e->inode || m->dev != e->dev))
			return true;
	}
	return false;
}

bool target_mapped(struct target *t, const struct mapping_event *e)
{
	const struct mapping *m = process_find_mapping(&t->process, e->start);
	const struct mapping new = mapping_of_event(e);

	if (!t->readable || new.start >= new.end)
		return false;
	if (m && m->end >= new.end && m->inode == new.inode && m->dev == new.dev &&
	    (!new.inode || new.start - m->start + m->offset == new.offset))
		return false;
	process_map(&t->process, &new);
	return true;
}

const char *target_given_name(struct target *t, int64_t now_ns)
{
	const struct memory memory = memory_of_process(process_tid(&t->process));
	cleanup_buf struct buf name = {};

	if (!t->has_python || t->name_wait_ns > NAME_WAIT_MAX || now_ns < t->name_ns)
		return t->given_name;
	t->name_wait_ns = t->name_wait_ns ? t->name_wait_ns * 2 : NAME_WAIT_MIN;
	t->name_ns = now_ns + t->name_wait_ns;
	if (!python_process_name(&memory, &t->python, &name)) {
		free(t->given_name);
		t->given_name = mem_strdup(buf_cstr(&name));
	}
	return t->given_name;
}

const char *target_thread_name(struct target *t, uint64_t id, pid_t tid, int64_t sampled_ns,
			       int64_t now_ns)
{
	struct memory memory;

	if (!t->has_python || !t->readable)
		return NULL;
	if (!t->threads) {
		memory = memory_of_process(process_tid(&t->process));
		t->threads = mem_calloc(1, sizeof(*t->threads));
		named_threads_init(t->threads, t->process.pid, &memory, &t->python);
	}
	return named_threads_find(t->threads, id, tid, sampled_ns, now_ns);
}

static struct target_tasks *make_tasks(const struct target *t)
{
	struct target_tasks *tasks = mem_calloc(1, sizeof(*tasks));

	tasks->memory = memory_of_process(process_tid(&t->process));
	tasks->has_objects = !python_objects_of(&tasks->objects, &tasks->memory, &t->python);
	return tasks;
}

int target_awaiters(struct target *t, const struct python_step *step, struct memory_pages *pages,
		    int64_t now_ns, const struct python_awaiters **ret)
{
	if (!t->has_python || !t->readable || t->gone)
		return -ESTALE;
	if (!t->tasks)
		t->tasks = make_tasks(t);
	if (!t->tasks->has_objects)
		return -ENOTSUP;
	*ret = &t->tasks->awaiters;
	return python_awaiters_of_step(&t->tasks->awaiters, &t->tasks->objects,
				       &t->python.process.layout, step, pages, now_ns);
}

static const struct code_entry *find_code(const struct target *t, uint64_t address, uint32_t check)
{
	struct hash_iter it;
	uint32_t i;

	for (i = hash_index_first(&t->code_index, hash_mix(address, check), &it); i != HASH_NONE;
	     i = hash_index_next(&t->code_index, &it))
		if (t->codes.data[i].address == address && t->codes.data[i].check == check)
			return &t->codes.data[i];
	return NULL;
}

/* What is found of processes takes memory: only the last that were asked for keep it. */
static void name_last(struct targets *all, struct target *t)
{
	size_t i = 0;

	while (i < TARGETS_NAMED - 1 && all->named[i] != t)
		i++;
	if (all->named[i] && all->named[i] != t)
		forget_names(all->named[i]);
	memmove(all->named + 1, all->named, i * sizeof(all->named[0]));
	all->named[0] = t;
}

const struct code_entry *target_code(struct targets *all, struct target *t, uint64_t address,
				     uint32_t check)
{
	const struct code_entry *known = find_code(t, address, check);
	struct code_entry new = {.address = address, .check = check};
	struct memory memory;

	if (known)
		return known;
	if (t->codes.len >= MAX_CODES)
		codes_clear(t);
	new.id = ++all->last_code_id;
	memory = memory_of_process(process_tid(&t->process));
	new.failed = python_code_read(&memory, t->python.version, &t->python.process.layout,
				      address, check, &new.code);
	if (!new.failed && !python_knows_qualnames(t->python.version)) {
		name_last(all, t);
		python_qualname(&t->qualnames, &memory, &t->python, address, &new.code);
	}
	hash_index_add(&t->code_index, hash_mix(address, check), t->codes.len);
	vec_push(&t->codes, new);
	return &t->codes.data[t->codes.len - 1];
}

const struct code_entry *target_inherited_code(struct targets *all, const struct target *t,
					       uint64_t address, uint32_t check)
{
	struct target *parent = t->parent ? targets_find(all, t->parent) : NULL;
	const struct code_entry *c;

	if (!parent || !parent->has_python)
		return NULL;
	c = target_code(all, parent, address, check);
	return c->failed ? NULL : c;
}
