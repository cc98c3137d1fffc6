#include "capture/named_threads.h"

#include <unistd.h>

#include "base/clock.h"

enum {
	MAX_THREADS = 8192,
	MAX_INTERPRETERS = 64,
	COST_SHARE = 100, /* of the time, one part may go into reading names */
};
static const int64_t new_pause_ns = NSEC_PER_SEC / 10, first_believed_ns = NSEC_PER_SEC,
		     last_believed_ns = 16 * NSEC_PER_SEC;

void named_threads_init(struct named_threads *n, pid_t pid, const struct memory *m,
			const struct python *py)
{
	*n = (struct named_threads){.pid = pid, .memory = *m, .python = *py};
	n->has_objects = !python_objects_of(&n->objects, &n->memory, py);
}

static void forget(struct named_threads *n)
{
	for (size_t i = 0; i < n->threads.len; i++)
		free(n->threads.data[i].name);
	vec_clear(&n->threads);
	map64_fini(&n->by_tid);
}

void named_threads_fini(struct named_threads *n)
{
	forget(n);
	vec_fini(&n->threads);
	python_thread_names_fini(&n->names);
}

/* Each interpreter has a threading of its own. */
static void read_names(struct named_threads *n)
{
	const struct python_process *py = &n->python.process;
	uint64_t interpreter;

	python_thread_names_clear(&n->names);
	if (memory_read(&n->memory, py->interpreters, &interpreter, sizeof(interpreter)))
		return;
	for (int i = 0; i < MAX_INTERPRETERS && interpreter; i++) {
		python_thread_names_read(&n->names, &n->objects, interpreter);
		if (memory_read(&n->memory, interpreter + py->layout.interpreter_next, &interpreter,
				sizeof(interpreter)))
			return;
	}
}

static void read_again(struct named_threads *n, bool for_new, int64_t now_ns)
{
	int64_t took = clock_thread_cpu_ns(), cost;

	n->read_ns = now_ns;
	read_names(n);
	took = clock_thread_cpu_ns() - took;
	n->reads++;
	n->took_ns += took;
	cost = took * COST_SHARE;
	n->pause_ns = MAX(new_pause_ns, cost);
	n->believed_ns = for_new ? first_believed_ns : MIN(n->believed_ns * 2, last_believed_ns);
	n->believed_ns = MAX(n->believed_ns, cost);
}

static bool is_there(const struct named_threads *n, pid_t tid)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/task/%d", (int)n->pid, (int)tid);
	return !access(path, F_OK);
}

static struct named_thread *find(const struct named_threads *n, uint64_t id, pid_t tid)
{
	const uint64_t *at = map64_get(&n->by_tid, (uint64_t)tid);

	return at && n->threads.data[*at].id == id ? &n->threads.data[*at] : NULL;
}

static struct named_thread *add(struct named_threads *n, uint64_t id, pid_t tid)
{
	if (n->threads.len >= MAX_THREADS)
		forget(n);
	map64_set(&n->by_tid, (uint64_t)tid, n->threads.len);
	vec_push(&n->threads, (struct named_thread){.id = id});
	return &n->threads.data[n->threads.len - 1];
}

/* Are there names of a moment that is not before the sample? */
static bool have_names(struct named_threads *n, int64_t sampled_ns, int64_t now_ns)
{
	if (n->reads && sampled_ns <= n->read_ns)
		return true;
	if (n->reads && now_ns < n->read_ns + n->pause_ns)
		return false;
	read_again(n, true, now_ns);
	return true;
}

/* The thread was there before names were read: when it is still, what they say of its pthread_self
 * is of it. Else it keeps what was read before. */
static void take_name(struct named_threads *n, struct named_thread *t)
{
	const char *name = python_thread_names_find(&n->names, t->id);

	free(t->name);
	t->name = name ? mem_strdup(name) : NULL;
}

const char *named_threads_find(struct named_threads *n, uint64_t id, pid_t tid, int64_t sampled_ns,
			       int64_t now_ns)
{
	struct named_thread *t;

	if (!n->has_objects || !id)
		return NULL;
	t = find(n, id, tid);
	if (!t && !have_names(n, sampled_ns, now_ns))
		return NULL;
	if (t && now_ns >= n->read_ns + n->believed_ns)
		read_again(n, false, now_ns);
	if (t && t->read == n->reads)
		return t->name;
	if (is_there(n, tid)) {
		t = t ? t : add(n, id, tid);
		take_name(n, t);
	}
	if (t)
		t->read = n->reads;
	return t ? t->name : NULL;
}
