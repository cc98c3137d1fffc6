/* What lines add. Each frame that is measured has an activation on the stack of its thread, with
 * the line that it runs: so calls, recursion and generators charge what they add to the right line.
 */
#include "memory/target/library.h"

enum {
	PAGE = 4096,
	MAX_DEPTH = 1 << 16,
	SEARCH_DEPTH = 256, /* frames that may have gone without a word: greenlets */
};

struct activation {
	PyObject *key; /* the frame, or what stands for it */
	struct code *code;
	struct memory_line_abi *line; /* that runs, NULL: none */
	int64_t entered;	      /* level at its call */
	int64_t start, high;	      /* level at the begin of the line, and the most since */
	int64_t most;		      /* high of lines that are over */
	int64_t inner;		      /* what activations above added since the line began */
	uint32_t outer;		      /* the next activation below of this code, 0: none */
	bool begun;		      /* the line began here, it did not go on */
	bool inner_loop;	      /* it is within a comprehension */
};
struct thread {
	struct thread *older;	/* of all */
	struct thread *next;	/* not in use */
	struct activation *top; /* the first where no frame is */
	size_t deepest;
	struct activation activations[MAX_DEPTH]; /* the first is that of no frame */
};

static __thread struct thread *self;
static struct thread *threads; /* all that there were at a time */
static struct thread *unused_threads;

/* ---- amounts ---- */

static inline int64_t larger(int64_t a, int64_t b)
{
	return a > b ? a : b;
}

/* Resident memory is of all threads: so is what it was at most since any of them looked. */
static __attribute__((noinline)) struct amount measure_resident(void)
{
	struct amount m = resident_amount();

	for (struct thread *t = config.flags & MEMORY_PEAKS ? threads : NULL; t; t = t->older)
		t->top->high = larger(t->top->high, m.high);
	return m;
}

static inline struct amount measure(void)
{
	return likely(config.flags & MEMORY_ALLOCATED) ? allocator_amount() : measure_resident();
}

static __attribute__((noinline)) void new_peak(const struct activation *a, int64_t most)
{
	header->peak = most;
	header->peak_ns = library_now();
	header->peak_function = a->code->number;
	header->peak_line =
		a->line ? a->code->first_line + (uint32_t)(a->line - a->code->lines) : 0;
}

static inline void see_peak(const struct activation *a, const struct amount *m)
{
	/* With what this thread gave back before the line was over. */
	int64_t most = m->usage + (m->high - m->level);

	header->usage = m->usage;
	if (unlikely(most > header->peak))
		new_peak(a, most);
}

/* ---- activations ---- */

/* Does an activation below run the same line? Then what is added counts there. */
static __attribute__((noinline)) bool runs_below(const struct thread *t, const struct activation *a)
{
	for (uint32_t i = a->outer; i; i = t->activations[i].outer)
		if (t->activations[i].line == a->line)
			return true;
	return false;
}

static inline void line_begin(struct activation *a, uint32_t number, const struct amount *m)
{
	uint32_t index = number - a->code->first_line;

	if (unlikely(index >= a->code->nlines)) {
		header->lost_lines++;
		return;
	}
	a->line = &a->code->lines[index];
	if (likely(!a->line->open++))
		a->line->start = m->usage;
	a->start = a->high = m->level;
	a->inner = 0;
	a->begun = true;
}

static inline void line_end(const struct thread *t, struct activation *a, const struct amount *m)
{
	struct memory_line_abi *l = a->line;
	int64_t added = m->level - a->start;

	a->high = larger(a->high, m->high);
	a->most = larger(a->most, a->high);
	if (!l)
		return;
	see_peak(a, m);
	if (!l->occurrences || m->usage > l->usage)
		l->usage = m->usage;
	l->occurrences += a->begun;
	l->own += added - a->inner;
	l->peak = larger(l->peak, a->high - a->start);
	if (likely(!--l->open) || !a->outer || !runs_below(t, a))
		l->increment += added;
	a->line = NULL;
}

/* The frame went without a word. */
static void drop(struct thread *t)
{
	struct activation *a = t->top--;

	if (a->line)
		a->line->open--;
	a->code->active--;
}

static uint32_t find_outer(const struct thread *t, const struct code *c)
{
	for (const struct activation *a = t->top; a > t->activations; a--)
		if (a->code == c)
			return (uint32_t)(a - t->activations);
	return 0;
}

static void grow(struct thread *t, size_t depth)
{
	size_t size = sizeof(struct activation);
	size_t before = (t->deepest * size + PAGE - 1) / PAGE;

	t->deepest = depth;
	store_pages += (int64_t)((depth * size + PAGE - 1) / PAGE - before);
}

static struct activation *push(struct thread *t, PyObject *key, struct code *c,
			       const struct amount *m)
{
	size_t depth = (size_t)(t->top - t->activations) + 1;
	struct activation *a;

	if (unlikely(depth == MAX_DEPTH)) {
		header->lost_frames++;
		return NULL;
	}
	a = &t->activations[depth];
	*a = (struct activation){.key = key,
				 .code = c,
				 .entered = m->level,
				 .most = m->level,
				 .outer = c->active ? find_outer(t, c) : 0};
	c->active++;
	t->top = a;
	if (unlikely(depth > t->deepest))
		grow(t, depth);
	return a;
}

static void pop(struct thread *t, const struct amount *m)
{
	struct activation *a = t->top;

	line_end(t, a, m);
	a->code->active--;
	t->top = a - 1;
	a[-1].inner += m->level - a->entered;
	a[-1].high = larger(a[-1].high, a->most);
}

/* ---- events ---- */

/* The activation of a frame that is not the topmost. Those above it, if it has one, are gone. */
static struct activation *find(struct thread *t, PyObject *key)
{
	struct activation *end = t->activations, *a = t->top;

	if (a - end > SEARCH_DEPTH)
		end = a - SEARCH_DEPTH;
	while (a > end && a->key != key)
		a--;
	if (a == end)
		return NULL;
	while (t->top > a)
		drop(t);
	return a;
}

static struct thread *make_current(void)
{
	if (unused_threads) {
		self = unused_threads;
		unused_threads = self->next;
		return self;
	}
	self = store_memory(sizeof(*self));
	store_pages++;
	if (!self)
		return NULL;
	self->top = self->activations;
	self->older = threads;
	threads = self;
	return self;
}

/* The thread that runs; NULL where there is no room for it. */
static inline struct thread *current(void)
{
	return likely(self != NULL) ? self : make_current();
}

struct code *lines_code(PyObject *key)
{
	return self && self->top->key == key ? self->top->code : NULL;
}

bool lines_next(PyObject *key, uint32_t line)
{
	struct thread *t = self;
	struct activation *a;
	struct amount m;

	if (unlikely(!t))
		return false;
	a = t->top;
	if (unlikely(a->key != key || a->code->ninner))
		return false;
	m = measure();
	header->events++;
	line_end(t, a, &m);
	line_begin(a, line, &m);
	return true;
}

void lines_enter(PyObject *key, struct code *c, uint32_t line)
{
	struct thread *t = current();
	struct activation *a;
	struct amount m;

	if (!t)
		return;
	m = measure();
	t->top->high = larger(t->top->high, m.high);
	a = push(t, key, c, &m);
	if (!a)
		return;
	see_peak(a, &m);
	if (!c->function->calls++)
		c->function->entered = m.usage;
	if (!line || line == c->first_line)
		return;
	line_begin(a, line, &m);
	a->begun = false;
}

void lines_line(PyObject *key, struct code *c, uint32_t line, bool inner)
{
	struct thread *t = current();
	struct activation *a;
	struct amount m;
	bool was_inner;

	if (!t)
		return;
	m = measure();
	a = t->top;
	if (unlikely(a->key != key)) {
		a = find(t, key);
		if (!a)
			a = push(t, key, c, &m);
		if (!a)
			return;
	}
	/* A comprehension goes around in the line in which it began. */
	was_inner = a->inner_loop;
	a->inner_loop = inner;
	if (unlikely(inner) && a->line &&
	    (was_inner || line - c->first_line == (uint32_t)(a->line - c->lines))) {
		a->high = larger(a->high, m.high);
		return;
	}
	header->events++;
	line_end(t, a, &m);
	line_begin(a, line, &m);
}

void lines_leave(PyObject *key)
{
	struct thread *t = self;
	struct amount m;

	if (!t || (t->top->key != key && !find(t, key)))
		return;
	m = measure();
	pop(t, &m);
}

/* ---- threads ---- */

void lines_drop(void)
{
	if (!self)
		return;
	while (self->top > self->activations)
		drop(self);
	self->next = unused_threads;
	unused_threads = self;
	self = NULL;
}

void lines_fork(void)
{
	struct thread *t = self;
	struct amount m;

	resident_fork();
	if (!t)
		return;
	m = measure();
	for (struct activation *a = t->activations; a <= t->top; a++) {
		a->entered = a->start = a->high = a->most = m.level;
		a->inner = 0;
	}
}
