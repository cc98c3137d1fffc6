#include "unwind/python/python_reader.h"

#include "base/clock.h"
#include "unwind/python/collector.h"
#include "unwind/python/gil.h"
#include "unwind/python/layout.h"
#include "unwind/python/stack_walk.h"

enum {
	MAX_INTERPRETERS = 64,
	MAX_THREADS = 4096,
	HEAD_BYTES = 512, /* of a thread state */
	MAX_TRIES = 16,	  /* times that a stack is copied before it is cut */
	SLOW_TRIES = 8,	  /* of them may be thrown away because they took */
	SLOW = 2,	  /* times as long as their average, */
	COPY_TIMES = 16,  /* which is of so many */
	MAX_STATES = 8,	  /* of one thread, which interpreters call through each other */
	STATE_TRIES = 4,
	/* glibc 2.21 to 2.41 on x86-64, nptl/descr.h: where struct pthread has its tid. */
	GLIBC_PTHREAD_TID = 720,
};
/* Of what a copy takes longer than others the clock may have a part. */
static const int64_t slow_ns = 1000;
/* Whether lists of threads begin with somebody new is looked at after this; whether all who are in
 * them still are, after that, or when it is known that somebody ended. */
static const int64_t list_believed_ns = 4000000, list_checked_ns = NSEC_PER_SEC / 10;

/* What is read along with a stack. */
struct moment {
	uint64_t holder;
	int32_t locked, collecting;
};
/* How a list of threads begins, where each new one is put (CPython 2.7 to 3.14, new_threadstate,
 * add_threadstate): in the place of one that ended lies maybe another, which has its own number. */
struct list_start {
	uint64_t next, threads;
	int32_t tid;
};
enum {
	MOMENT_PARTS = 3,
	START_PARTS = 3,
	MAX_STARTS_ALONG = 4,
	MAX_CODES_ALONG = STACK_COPY_OTHERS - MOMENT_PARTS - 1 - MAX_STARTS_ALONG * START_PARTS,
};
/* A stack that is kept. */
struct kept_stack {
	VEC(struct unwind_entry) entries;
	VEC(uint64_t) frames;
	uint8_t end;
};
struct thread_slot {
	struct python_thread thread;
	uint64_t collector; /* of its interpreter */
	int32_t own_tid;    /* its number, as it knows it itself */
	bool ended;	    /* so said the kernel */
	struct stack_thread stack;
	struct kept_stack own;		 /* of this state */
	struct kept_stack joined;	 /* of all states of its thread */
	uint64_t codes[MAX_CODES_ALONG]; /* starts of code objects that the last stack had */
	size_t ncodes;
	int64_t copy_ns; /* what a copy takes, on average */
};
struct interpreter_slot {
	uint64_t address;
	uint64_t next, threads;
	uint64_t gil, collector; /* addresses; 0: not known */
	const struct thread_slot *head;
	struct list_start start; /* as it is now */
};
struct python_reader {
	const struct memory *memory;
	struct python python;
	size_t head_bytes;
	VEC(struct interpreter_slot) interpreters;
	VEC(struct thread_slot *) threads;
	bool nested;		 /* the process lives in a pid namespace of its own, */
	process_thread_vec tids; /* and these are the numbers of its threads */
	bool tids_fresh;	 /* they were read since the lists of threads were */
	uint8_t *heads;		 /* HEAD_BYTES for each thread */
	size_t heads_cap;
	struct code_heads codes;
	struct stack_walk walk;
	int64_t now_ns, listed_ns, checked_ns;
	uint64_t first;	    /* interpreter, as it is now */
	bool starts_due;    /* lists are to be looked at along with the next stack */
	bool lists_changed; /* and are not what is known of them */
	struct python_reader_stats stats;
};

/* ---- the stack of a thread ---- */

/* Who holds the lock and whether garbage is collected, for parts of a copy. */
static size_t add_moment(const struct thread_slot *t, struct moment *now,
			 struct memory_part parts[MOMENT_PARTS])
{
	uint64_t gil = t->thread.gil;
	size_t n = 0;

	*now = (struct moment){};
	if (gil) {
		parts[n++] = (struct memory_part){gil + PYTHON_GIL_HOLDER, &now->holder,
						  sizeof(now->holder)};
		parts[n++] = (struct memory_part){gil + PYTHON_GIL_LOCKED, &now->locked,
						  sizeof(now->locked)};
	}
	if (gil && t->collector)
		parts[n++] = (struct memory_part){t->collector, &now->collecting,
						  sizeof(now->collecting)};
	return n;
}

static void take_moment(struct thread_slot *t, const struct moment *now)
{
	t->thread.gil_holder = now->locked == 1 ? now->holder : 0;
	t->thread.holds_gil = t->thread.gil_holder == t->thread.state;
	t->thread.in_gc = t->thread.holds_gil && now->collecting == 1;
}

/* How the lists begin, for parts of a copy. */
static size_t add_starts(struct python_reader *r, struct memory_part *parts)
{
	const struct python_layout *l = &r->python.process.layout;
	size_t n = 0;

	parts[n++] = (struct memory_part){r->python.process.interpreters, &r->first, 8};
	for (size_t i = 0; i < r->interpreters.len; i++) {
		struct interpreter_slot *s = &r->interpreters.data[i];
		struct list_start *now = &s->start;

		parts[n++] = (struct memory_part){s->address + l->interpreter_next, &now->next, 8};
		parts[n++] =
			(struct memory_part){s->address + l->interpreter_threads, &now->threads, 8};
		if (s->head && s->head->own_tid)
			parts[n++] = (struct memory_part){s->head->thread.id + GLIBC_PTHREAD_TID,
							  &now->tid, sizeof(now->tid)};
	}
	return n;
}

static void take_starts(struct python_reader *r)
{
	bool same = r->interpreters.len && r->first == r->interpreters.data[0].address;

	r->starts_due = false;
	for (size_t i = 0; i < r->interpreters.len; i++) {
		const struct interpreter_slot *s = &r->interpreters.data[i];

		same = same && s->start.next == s->next && s->start.threads == s->threads &&
		       (!s->head || !s->head->own_tid || s->start.tid == s->head->own_tid);
	}
	r->lists_changed |= !same;
}

/* Copy the places of the last stack, and its code objects along. False: it took so long that it was
 * interrupted, maybe in the middle of an image. */
static bool take_copy(struct python_reader *r, struct thread_slot *t)
{
	struct memory_part others[STACK_COPY_OTHERS];
	struct moment now;
	size_t n = add_moment(t, &now, others);
	int64_t start_ns, took_ns;
	bool ok, quick, starts = r->starts_due && r->interpreters.len <= MAX_STARTS_ALONG;

	if (starts)
		n += add_starts(r, others + n);
	for (size_t i = 0; i < t->ncodes; i++) {
		struct code_head *head = code_heads_known(&r->codes, t->codes[i]);

		if (!head || head->failed || head->read_ns == r->now_ns)
			continue;
		head->read_ns = r->now_ns;
		others[n++] = (struct memory_part){head->address, head->words, sizeof(head->words)};
	}
	start_ns = clock_mono_ns();
	ok = stack_copy_take(&t->stack.copy, r->memory, others, n);
	took_ns = clock_mono_ns() - start_ns;
	quick = !t->copy_ns || took_ns <= t->copy_ns * SLOW + slow_ns;
	/* One that was interrupted for long counts as one that was just too slow. */
	took_ns = quick ? took_ns : t->copy_ns * SLOW + slow_ns;
	t->copy_ns += t->copy_ns ? (took_ns - t->copy_ns) / COPY_TIMES : took_ns;
	take_moment(t, &now);
	if (ok && starts)
		take_starts(r);
	for (size_t i = 0; !ok && i < t->ncodes; i++) {
		struct code_head *head = code_heads_known(&r->codes, t->codes[i]);

		if (head)
			head->read_ns = 0;
	}
	return quick;
}

/* Which code objects the next stack will most likely have. */
static void remember_codes(struct python_reader *r, struct thread_slot *t,
			   const struct walked_stack *s)
{
	uint16_t offset = r->python.process.layout.code_flags;

	t->ncodes = 0;
	for (uint32_t i = 0; i < s->count && t->ncodes < MAX_CODES_ALONG; i++) {
		uint64_t address = s->entries[i].address + offset;
		size_t k = 0;

		if ((s->entries[i].tag & 0xff) == UNWIND_PYTHON_BOUNDARY)
			continue;
		while (k < t->ncodes && t->codes[k] != address)
			k++;
		t->codes[k] = address;
		t->ncodes += k == t->ncodes;
	}
}

static void stack_append(struct kept_stack *s, const struct unwind_entry *entries,
			 const uint64_t *frames, size_t n)
{
	vec_reserve(&s->entries, n);
	vec_reserve(&s->frames, n);
	if (n) {
		memcpy(s->entries.data + s->entries.len, entries, n * sizeof(*entries));
		memcpy(s->frames.data + s->frames.len, frames, n * sizeof(*frames));
	}
	s->entries.len += n;
	s->frames.len += n;
}

static void stack_fini(struct kept_stack *s)
{
	vec_fini(&s->entries);
	vec_fini(&s->frames);
}

/* What one thread state has. */
static void read_state(struct python_reader *r, struct thread_slot *t)
{
	unsigned int tries = 0;
	bool certain = false;
	struct walked_stack s;

	while (!certain && tries++ < MAX_TRIES) {
		t->stack.interrupted = !take_copy(r, t);
		certain = (!t->stack.interrupted || tries >= SLOW_TRIES) &&
			  stack_walk_read(&r->walk, &t->stack, &s);
	}
	r->stats.stacks++;
	r->stats.again += MIN(tries, (unsigned int)MAX_TRIES) - 1;
	r->stats.torn += s.end == UNWIND_PYTHON_TORN;
	remember_codes(r, t, &s);
	vec_clear(&t->own.entries);
	vec_clear(&t->own.frames);
	stack_append(&t->own, s.entries, s.frames, s.count);
	t->own.end = s.end;
}

/* Tell of this stack. */
static void show(struct thread_slot *t, const struct kept_stack *s)
{
	t->thread.entries = s->entries.data;
	t->thread.frames = s->frames.data;
	t->thread.count = s->entries.len;
	t->thread.end = s->end;
}

/* ---- a thread in several interpreters ---- */

/* The states of one thread, as the list has them. */
struct states {
	struct thread_slot *all[MAX_STATES];
	size_t n, own; /* the one that was asked for is all[own] */
};

static struct states states_of(const struct python_reader *r, size_t i)
{
	struct states s = {};

	for (size_t k = 0; k < r->threads.len && s.n < MAX_STATES; k++) {
		if (k != i && r->threads.data[k]->thread.id != r->threads.data[i]->thread.id)
			continue;
		s.own = k == i ? s.n : s.own;
		s.all[s.n++] = r->threads.data[k];
	}
	return s;
}

/* Read all but the one, and hash what they have. */
static uint64_t read_others(struct python_reader *r, const struct states *s)
{
	uint64_t hash = 0;

	for (size_t k = 0; k < s->n; k++) {
		const struct kept_stack *own = &s->all[k]->own;

		if (k == s->own)
			continue;
		read_state(r, s->all[k]);
		hash = hash_mix(hash, own->end);
		hash = hash_mix(hash, hash_bytes(own->entries.data,
						 own->entries.len * sizeof(own->entries.data[0])));
	}
	return hash;
}

/* Where on its C stack a state calls the interpreter's loop; 0: it does not tell. */
static uint64_t place_of(const struct thread_slot *t)
{
	for (size_t i = 0; i < t->own.entries.len; i++)
		if ((t->own.entries.data[i].tag & 0xff) == UNWIND_PYTHON_BOUNDARY)
			return t->own.entries.data[i].address;
	return 0;
}

/* Was a called by b? By where they are, else who was made later is called by those before. */
static bool is_inside(const struct thread_slot *a, const struct thread_slot *b)
{
	uint64_t x = place_of(a), y = place_of(b);

	return !x || !y || x < y;
}

/* Those that have frames, the innermost first. */
static void sort_states(struct states *s)
{
	size_t n = 0;

	for (size_t k = 0; k < s->n; k++) {
		struct thread_slot *t = s->all[k];
		size_t at = n;

		if (!t->own.entries.len)
			continue;
		for (; at && !is_inside(s->all[at - 1], t); at--)
			s->all[at] = s->all[at - 1];
		s->all[at] = t;
		n++;
	}
	s->n = n;
}

/* One stack of all of them. */
static void join_states(const struct states *s, struct kept_stack *ret)
{
	vec_clear(&ret->entries);
	vec_clear(&ret->frames);
	ret->end = UNWIND_PYTHON_COMPLETE;
	for (size_t k = 0; k < s->n && ret->end == UNWIND_PYTHON_COMPLETE; k++) {
		const struct kept_stack *from = &s->all[k]->own;

		ret->end = from->end;
		/* Its inner frames are those that are not known. */
		if (k && from->end == UNWIND_PYTHON_TORN)
			ret->end = UNWIND_PYTHON_UNREAD;
		else if (ret->entries.len + from->entries.len > UNWIND_MAX_ENTRIES)
			ret->end = UNWIND_PYTHON_DEEP;
		else
			stack_append(ret, from->entries.data, from->frames.data, from->entries.len);
	}
}

void python_reader_read(struct python_reader *r, size_t i)
{
	struct thread_slot *t = r->threads.data[i];
	struct states s = {};
	bool same = false;

	read_state(r, t);
	show(t, &t->own);
	t->thread.in_other = false;
	if (r->interpreters.len > 1)
		s = states_of(r, i);
	if (s.n < 2 || !t->own.entries.len)
		return;
	/* Who called another interpreter stands still until that returns. */
	for (int tries = 0; !same && tries < STATE_TRIES; tries++) {
		uint64_t before = read_others(r, &s);

		read_state(r, t);
		same = read_others(r, &s) == before;
	}
	show(t, &t->own);
	for (size_t k = 0; k < s.own; k++)
		t->thread.in_other |= s.all[k]->own.entries.len > 0;
	if (!same && t->thread.end == UNWIND_PYTHON_COMPLETE)
		t->thread.end = UNWIND_PYTHON_UNREAD;
	if (!same)
		return;
	sort_states(&s);
	join_states(&s, &t->joined);
	show(t, &t->joined);
}

/* ---- which threads there are ---- */

static uint64_t word_at(const uint8_t *head, size_t offset)
{
	uint64_t v;

	memcpy(&v, head + offset, sizeof(v));
	return v;
}

static void slot_free(struct thread_slot *t)
{
	stack_copy_fini(&t->stack.copy);
	stack_fini(&t->own);
	stack_fini(&t->joined);
	free(t);
}

/* The thread of this process that calls itself so, as we count. */
static pid_t outer_tid(struct python_reader *r, pid_t inner)
{
	for (;;) {
		for (size_t i = 0; i < r->tids.len; i++)
			if (r->tids.data[i].inner == inner)
				return r->tids.data[i].tid;
		if (r->tids_fresh || process_threads(r->memory->pid, &r->tids))
			return 0;
		r->tids_fresh = true;
	}
}

/* Another thread may have the place of one that ended. */
static void find_tid(struct python_reader *r, struct thread_slot *t)
{
	pid_t before = t->thread.tid;
	int32_t tid;

	if (memory_read(r->memory, t->thread.id + GLIBC_PTHREAD_TID, &tid, sizeof(tid)) || tid < 0)
		tid = 0;
	t->own_tid = tid;
	t->thread.tid = tid && r->nested ? outer_tid(r, tid) : tid;
	t->ended = t->ended && t->thread.tid == before;
}

static struct thread_slot *slot_new(uint64_t state, uint64_t id)
{
	struct thread_slot *t = mem_calloc(1, sizeof(*t));

	t->thread.state = t->stack.state = state;
	t->thread.id = t->stack.id = id;
	return t;
}

/* Read all lists as they were known, at once; true where they are the same still. */
static bool list_is_same(struct python_reader *r)
{
	const struct python_layout *l = &r->python.process.layout;
	size_t n = 0, want = 1 + 2 * r->interpreters.len + r->threads.len, at = 0;
	uint64_t first, expected;
	struct memory_part *parts;
	bool same;

	if (!r->interpreters.len)
		return false;
	parts = mem_calloc(want, sizeof(*parts));
	parts[n++] = (struct memory_part){r->python.process.interpreters, &first, 8};
	for (size_t i = 0; i < r->interpreters.len; i++) {
		struct interpreter_slot *s = &r->interpreters.data[i];

		parts[n++] = (struct memory_part){s->address + l->interpreter_next, &s->next, 8};
		parts[n++] =
			(struct memory_part){s->address + l->interpreter_threads, &s->threads, 8};
	}
	for (size_t i = 0; i < r->threads.len; i++)
		parts[n++] = (struct memory_part){r->threads.data[i]->thread.state,
						  r->heads + i * HEAD_BYTES, r->head_bytes};
	same = memory_read_parts(r->memory, parts, n) == n;
	free(parts);
	for (size_t i = 0; same && i < r->interpreters.len; i++) {
		const struct interpreter_slot *s = &r->interpreters.data[i];

		same = first == s->address;
		first = s->next;
		expected = s->threads;
		for (; same && at < r->threads.len &&
		       r->threads.data[at]->thread.interpreter == s->address;
		     at++) {
			const struct python_thread *t = &r->threads.data[at]->thread;
			const uint8_t *head = r->heads + at * HEAD_BYTES;

			same = t->state == expected && word_at(head, l->thread_id) == t->id;
			expected = word_at(head, l->thread_next);
		}
		same = same && !expected;
	}
	return same && !first && at == r->threads.len;
}

typedef VEC(struct thread_slot *) slot_vec;

/* The slot of a thread that was known, taken out of old. */
static struct thread_slot *take_known(slot_vec *old, uint64_t state, uint64_t id)
{
	for (size_t i = 0; i < old->len; i++) {
		struct thread_slot *t = old->data[i];

		if (t && t->thread.state == state && t->thread.id == id) {
			old->data[i] = NULL;
			return t;
		}
	}
	return NULL;
}

/* seen: states that were met; a list that leads back to one has an end there. */
static int walk_threads(struct python_reader *r, struct interpreter_slot *s, slot_vec *old,
			struct map64 *seen)
{
	const struct python_layout *l = &r->python.process.layout;
	uint8_t head[HEAD_BYTES];

	for (uint64_t state = s->threads;
	     state && r->threads.len < MAX_THREADS && !map64_get(seen, state);
	     state = word_at(head, l->thread_next)) {
		struct thread_slot *t;
		int code = memory_read(r->memory, state, head, r->head_bytes);
		uint64_t id;

		if (code)
			return code;
		id = word_at(head, l->thread_id);
		t = take_known(old, state, id);
		if (!t)
			t = slot_new(state, id);
		find_tid(r, t);
		map64_set(seen, state, r->threads.len);
		t->thread.interpreter = s->address;
		t->thread.gil = s->gil;
		t->collector = s->collector;
		vec_push(&r->threads, t);
		s->head = s->head ? s->head : t;
	}
	return 0;
}

/* Only what can be read is read along with stacks. */
static void find_moment(const struct python_reader *r, struct interpreter_slot *s)
{
	struct python_gil gil = {};
	int32_t collecting;

	python_gil_read(r->memory, &r->python, s->address, &gil);
	s->gil = gil.address;
	s->collector = python_collector_find(&r->python, s->address);
	if (memory_read(r->memory, s->collector, &collecting, sizeof(collecting)))
		s->collector = 0;
}

static bool has_interpreter(const struct python_reader *r, uint64_t address)
{
	for (size_t i = 0; i < r->interpreters.len; i++)
		if (r->interpreters.data[i].address == address)
			return true;
	return false;
}

static int walk_lists(struct python_reader *r)
{
	const struct python_layout *l = &r->python.process.layout;
	slot_vec old = {r->threads.data, r->threads.len, r->threads.cap};
	struct interpreter_slot s = {};
	struct map64 seen = {};
	int code;

	r->tids_fresh = false;
	memset(&r->threads, 0, sizeof(r->threads));
	vec_clear(&r->interpreters);
	code = memory_read(r->memory, r->python.process.interpreters, &s.address, 8);
	while (!code && s.address && r->interpreters.len < MAX_INTERPRETERS &&
	       !has_interpreter(r, s.address)) {
		code = memory_read(r->memory, s.address + l->interpreter_next, &s.next, 8);
		if (!code)
			code = memory_read(r->memory, s.address + l->interpreter_threads,
					   &s.threads, 8);
		if (code)
			break;
		find_moment(r, &s);
		s.head = NULL;
		code = walk_threads(r, &s, &old, &seen);
		vec_push(&r->interpreters, s);
		s.address = s.next;
	}
	for (size_t i = 0; i < old.len; i++)
		if (old.data[i])
			slot_free(old.data[i]);
	vec_fini(&old);
	map64_fini(&seen);
	if (r->threads.len > r->heads_cap) {
		r->heads_cap = r->threads.len * 2;
		r->heads = mem_reallocarray(r->heads, r->heads_cap, HEAD_BYTES);
	}
	return code;
}

static int read_lists(struct python_reader *r)
{
	int code = 0;

	r->listed_ns = r->checked_ns = r->now_ns;
	r->starts_due = false;
	if (r->lists_changed || !list_is_same(r))
		code = walk_lists(r);
	r->lists_changed = false;
	/* Lists may change while they are followed: what was found of them is there. */
	if (code && (code != -EFAULT || !r->interpreters.len))
		return code;
	return (int)r->threads.len;
}

int python_reader_list(struct python_reader *r)
{
	r->now_ns = r->codes.now_ns = clock_mono_ns();
	if (!r->threads.len || r->lists_changed || r->now_ns - r->checked_ns >= list_checked_ns)
		return read_lists(r);
	if (r->now_ns - r->listed_ns >= list_believed_ns) {
		r->listed_ns = r->now_ns;
		r->starts_due = true;
	}
	return (int)r->threads.len;
}

int python_reader_list_again(struct python_reader *r)
{
	struct memory_part parts[1 + MAX_INTERPRETERS * START_PARTS];
	size_t n = r->starts_due ? add_starts(r, parts) : 0;

	if (n && memory_read_parts(r->memory, parts, n) == n)
		take_starts(r);
	r->lists_changed |= r->starts_due;
	return r->lists_changed ? read_lists(r) : 0;
}

void python_reader_ended(struct python_reader *r, size_t i)
{
	r->lists_changed |= !r->threads.data[i]->ended;
	r->threads.data[i]->ended = true;
}

const struct python_thread *python_reader_thread(const struct python_reader *r, size_t i)
{
	return &r->threads.data[i]->thread;
}

int python_reader_take(struct python_reader *r)
{
	int n = python_reader_list(r);

	for (int i = 0; i < n; i++)
		python_reader_read(r, (size_t)i);
	return n;
}

void python_reader_stats(const struct python_reader *r, struct python_reader_stats *ret)
{
	*ret = r->stats;
}

/* ---- making one ---- */

int python_reader_new(const struct memory *m, const struct python *py, struct python_reader **ret,
		      struct err *e)
{
	const struct python_layout *l = &py->process.layout;
	uid_t user;
	pid_t inner;
	struct python_reader *r;
	size_t head = MAX(MAX(l->thread_next, l->thread_id), l->thread_frame) + 8U;

	if (l->style == PYTHON_UNSUPPORTED || head > HEAD_BYTES)
		return err_set(e, -ENOTSUP, "Python %u.%u is not known to this version of Glim",
			       py->version >> 24, py->version >> 16 & 0xff);
	r = mem_calloc(1, sizeof(*r));
	r->memory = m;
	r->python = *py;
	r->nested = m->pid && !process_identity(m->pid, &user, &inner) && inner != m->pid;
	r->head_bytes = head;
	r->codes.memory = m;
	stack_walk_init(&r->walk, &r->python, &r->codes);
	*ret = r;
	return 0;
}

void python_reader_free(struct python_reader *r)
{
	if (!r)
		return;
	for (size_t i = 0; i < r->threads.len; i++)
		slot_free(r->threads.data[i]);
	vec_fini(&r->threads);
	vec_fini(&r->interpreters);
	vec_fini(&r->tids);
	code_heads_fini(&r->codes);
	stack_walk_fini(&r->walk);
	free(r->heads);
	free(r);
}
