#include "memory/memory_growth.h"

#include <math.h>

enum {
	MAX_STACKS = 1 << 18, /* nodes of the tree */
	MAX_BETWEEN = 512,    /* parts of looks between two measurements */
	MAX_DEPTH = 1024,     /* frames of a stack whose lines are counted, innermost first */
};

void memory_growth_init(struct memory_growth *g)
{
	*g = (struct memory_growth){.stacks = profile_new("inuse", "bytes", 0), .last = -1};
}

void memory_growth_fini(struct memory_growth *g)
{
	profile_free(g->stacks);
	vec_fini(&g->all);
	vec_fini(&g->now);
	vec_fini(&g->between);
}

bool memory_growth_has_room(const struct memory_growth *g)
{
	return g->stacks->stacks.len < MAX_STACKS;
}

void memory_growth_add(struct memory_growth *g, const struct memory_growth_part *part)
{
	if (part->share > 0)
		vec_push(&g->now, *part);
}

static struct memory_growth_stack *stack_at(struct memory_growth *g, uint32_t stack)
{
	while (g->all.len <= stack)
		vec_push(&g->all, (struct memory_growth_stack){});
	return &g->all.data[stack];
}

/* Of a thread, since the last measurement. */
struct thread_sum {
	double did;	      /* its shares of the looks at which it certainly took memory */
	double seen, running; /* parts, and those of them in which it ran */
};

static struct thread_sum sum_of(const memory_growth_parts *parts, pid_t thread)
{
	struct thread_sum sum = {};

	for (size_t i = 0; i < parts->len; i++) {
		const struct memory_growth_part *p = &parts->data[i];

		if (p->thread != thread)
			continue;
		sum.seen++;
		sum.running += p->runs;
		sum.did += p->touched && !p->before ? p->share : 0;
	}
	return sum;
}

/* How much of what memory grew by is a part's: what its thread did, over all that this thread was
 * seen to run, or to wait at where it was never seen to run. */
static double weight_of(const struct memory_growth_part *of, const struct thread_sum *thread,
			bool touched)
{
	double parts = thread->running ? thread->running : thread->seen;

	if (thread->running && !of->runs)
		return 0;
	return touched ? thread->did / parts : of->share * thread->seen / parts;
}

/* Below a place where a thread waits, which the mark names, too: each place has one of its own. */
static uint32_t between_looks(struct memory_growth *g, uint32_t stack)
{
	struct profile *p = g->stacks;
	const struct profile_frame *place = &p->frames.data[p->stacks.data[stack].frame];
	struct profile_function function = {.kind = FRAME_MARK};
	struct profile_frame frame = {.line = place->line};

	function.file = p->functions.data[place->function].file;
	function.name = profile_string(p, "ran between two looks, waited at both");
	frame.function = profile_function(p, &function);
	return profile_stack(p, stack, profile_frame(p, &frame));
}

static void see(struct memory_growth *g, uint32_t stack, int64_t bytes)
{
	struct memory_growth_stack *s = stack_at(g, stack);

	if (!s->samples++) {
		s->first_look = g->looks;
		s->first = bytes;
	}
	s->most = MAX(s->most, bytes);
}

/* What memory grew by goes to what ran meanwhile. */
static void spread(struct memory_growth *g, int64_t bytes)
{
	const memory_growth_parts *parts = &g->between;
	bool touched = false;
	double all = 0;

	for (size_t i = 0; i < parts->len; i++)
		touched |= parts->data[i].touched && !parts->data[i].before;
	for (int pass = 0; pass < 2 && bytes; pass++)
		for (size_t i = 0; i < parts->len; i++) {
			const struct memory_growth_part *p = &parts->data[i];
			struct thread_sum thread = sum_of(parts, p->thread);
			double weight = weight_of(p, &thread, touched);
			uint32_t stack = p->stack;

			if (!pass)
				all += weight;
			if (!pass || all <= 0 || weight <= 0)
				continue;
			if (!thread.running && stack) {
				stack = between_looks(g, stack);
				see(g, stack, g->last + bytes);
			}
			stack_at(g, stack)->bytes += (double)bytes * weight / all;
		}
	vec_clear(&g->between);
}

static void keep_now(struct memory_growth *g, bool before)
{
	for (size_t i = 0; i < g->now.len && g->between.len < MAX_BETWEEN; i++) {
		vec_push(&g->between, g->now.data[i]);
		g->between.data[g->between.len - 1].before = before;
	}
}

static void count_now(struct memory_growth *g, int64_t bytes, uint64_t realtime_ns)
{
	for (size_t i = 0; i < g->now.len; i++)
		see(g, g->now.data[i].stack, bytes);
	if (bytes > g->peak && g->now.len) {
		g->peak = bytes;
		g->peak_ns = realtime_ns;
		g->peak_stack = g->now.data[0].stack;
	}
}

void memory_growth_look(struct memory_growth *g, int64_t bytes, uint64_t realtime_ns,
			bool just_taken)
{
	count_now(g, bytes >= 0 ? bytes : g->last, realtime_ns);
	if (just_taken && bytes > g->last && g->now.len)
		vec_clear(&g->between);
	keep_now(g, false);
	if (bytes >= 0) {
		if (g->last >= 0)
			spread(g, bytes - g->last);
		/* What runs now goes on to run after this measurement. */
		vec_clear(&g->between);
		keep_now(g, true);
		g->last = bytes;
	}
	vec_clear(&g->now);
	g->looks++;
}

/* ---- lines ---- */

/* What is known of a frame, or of a function, by its number. */
struct line_sum {
	double bytes, own;
	uint64_t samples, first_look;
	int64_t most, first;
	uint32_t stack; /* the last that it was counted for: recursion counts once */
};
struct sums {
	struct line_sum *frames, *functions;
	bool *wanted; /* by function */
	/* Frames by function: those of function i are order[starts[i]] to order[starts[i + 1]]. */
	uint32_t *order, *starts;
};

static void add_to(struct line_sum *to, const struct memory_growth_stack *s, uint32_t stack)
{
	if (to->stack == stack)
		return;
	if (!to->samples || s->first_look < to->first_look) {
		to->first_look = s->first_look;
		to->first = s->first;
	}
	to->stack = stack;
	to->bytes += s->bytes;
	to->samples += s->samples;
	to->most = MAX(to->most, s->most);
}

/* Add a stack to its lines. What functions took that are not wanted is the line's that called them;
 * where the innermost frames are not known, it is nobody's own, nor the line's below which they
 * are. */
static void add_stack(const struct memory_growth *g, uint32_t stack, struct sums *sums)
{
	const struct profile *p = g->stacks;
	const struct memory_growth_stack *s = &g->all.data[stack];
	uint32_t frames[MAX_DEPTH];
	size_t n = MIN(profile_unroll(p, stack, frames, MAX_DEPTH), (size_t)MAX_DEPTH);
	bool own = false, unknown = false;

	for (size_t i = 0; i < n; i++) {
		uint32_t function = p->frames.data[frames[i]].function;

		if (!i && p->functions.data[function].kind == FRAME_MARK) {
			own = unknown = true;
			continue;
		}
		if (!sums->wanted[function])
			continue;
		if (i != 1 || !unknown)
			add_to(&sums->frames[frames[i]], s, stack);
		add_to(&sums->functions[function], s, stack);
		if (!own)
			sums->frames[frames[i]].own += s->bytes;
		own = true;
	}
}

static int by_line(const void *a, const void *b)
{
	const struct memory_line *x = a, *y = b;

	return (x->line > y->line) - (x->line < y->line);
}

static struct memory_line line_of(const struct line_sum *s, uint32_t line)
{
	return (struct memory_line){
		.line = line,
		.occurrences = s->samples,
		.usage = s->most,
		.increment = llround(s->bytes),
		.own = llround(s->own),
	};
}

static const char *full_path(struct memory_run *run, const char *folder, const char *file)
{
	return *file == '/' || *file == '<' ? file
					    : arena_printf(&run->memory, "%s/%s", folder, file);
}

/* The lines of a function: one for each of its frames that was seen. */
static void make_lines(const struct profile *p, const struct sums *sums, uint32_t function,
		       struct memory_run *run, struct memory_function *to)
{
	uint32_t begin = sums->starts[function], end = sums->starts[function + 1];

	to->lines = arena_array(&run->memory, struct memory_line, end - begin + 1);
	for (uint32_t i = begin; i < end; i++) {
		uint32_t frame = sums->order[i], line = p->frames.data[frame].line;

		if (sums->frames[frame].samples && line)
			to->lines[to->nlines++] = line_of(&sums->frames[frame], line);
	}
	qsort(to->lines, to->nlines, sizeof(*to->lines), by_line);
}

static void make_function(const struct profile *p, const struct sums *sums, uint32_t number,
			  const char *folder, struct memory_run *run, struct memory_function *to)
{
	const struct profile_function *f = &p->functions.data[number];
	const struct line_sum *s = &sums->functions[number];

	*to = (struct memory_function){
		.file = arena_strdup(&run->memory, profile_text(p, f->file)),
		.name = arena_strdup(&run->memory, profile_text(p, f->name)),
		.first_line = MAX(f->start_line, 1U),
		.calls = s->samples,
		.entered = s->first,
	};
	to->path = full_path(run, folder, to->file);
	make_lines(p, sums, number, run, to);
	to->last_line = to->first_line;
	for (size_t i = 0; i < to->nlines; i++)
		to->last_line = MAX(to->last_line, to->lines[i].line);
}

static int by_place(const void *a, const void *b)
{
	const struct memory_function *x = a, *y = b;
	int order = strcmp(x->file, y->file);

	if (!order)
		order = (x->first_line > y->first_line) - (x->first_line < y->first_line);
	return order ? order : strcmp(x->name, y->name);
}

static void make_functions(const struct memory_growth *g, const struct sums *sums,
			   const char *folder, struct memory_run *run, struct memory_process *to)
{
	const struct profile *p = g->stacks;

	to->functions = arena_array(&run->memory, struct memory_function, p->functions.len + 1);
	for (uint32_t i = 0; i < p->functions.len; i++)
		if (sums->functions[i].samples)
			make_function(p, sums, i, folder, run, &to->functions[to->nfunctions++]);
	qsort(to->functions, to->nfunctions, sizeof(*to->functions), by_place);
}

/* ---- the peak ---- */

static void find_peak(const struct memory_growth *g, const struct sums *sums,
		      struct memory_process *to)
{
	const struct profile *p = g->stacks;
	uint32_t frames[MAX_DEPTH];
	size_t n = MIN(profile_unroll(p, g->peak_stack, frames, MAX_DEPTH), (size_t)MAX_DEPTH);

	for (size_t i = 0; i < n; i++) {
		const struct profile_frame *f = &p->frames.data[frames[i]];
		const struct profile_function *function = &p->functions.data[f->function];

		if (!sums->wanted[f->function])
			continue;
		for (size_t k = 0; k < to->nfunctions; k++) {
			const struct memory_function *shown = &to->functions[k];

			if (strcmp(shown->file, profile_text(p, function->file)) ||
			    strcmp(shown->name, profile_text(p, function->name)) ||
			    shown->first_line != MAX(function->start_line, 1U))
				continue;
			to->peak.function = shown;
			to->peak.line = f->line;
			return;
		}
	}
}

static void sums_fini(struct sums *s)
{
	free(s->frames);
	free(s->functions);
	free(s->wanted);
	free(s->order);
	free(s->starts);
}

static void sums_init(struct sums *s, const struct profile *p)
{
	size_t frames = p->frames.len, functions = p->functions.len;

	*s = (struct sums){
		.frames = mem_calloc(frames + 1, sizeof(*s->frames)),
		.functions = mem_calloc(functions + 1, sizeof(*s->functions)),
		.wanted = mem_calloc(functions + 1, sizeof(*s->wanted)),
		.order = mem_calloc(frames + 1, sizeof(*s->order)),
		.starts = mem_calloc(functions + 2, sizeof(*s->starts)),
	};
	/* Two places on: each goes to its place below while it is filled. */
	for (size_t i = 0; i < frames; i++)
		s->starts[MIN(p->frames.data[i].function + 2ULL, functions + 1)]++;
	for (size_t i = 1; i < functions + 2; i++)
		s->starts[i] += s->starts[i - 1];
	for (uint32_t i = 0; i < frames; i++)
		s->order[s->starts[p->frames.data[i].function + 1]++] = i;
}

/* Add up what was seen, by line; give the stacks their samples. */
static void add_all(struct memory_growth *g, struct sums *sums, struct memory_process *to)
{
	for (uint32_t i = 1; i < g->all.len; i++) {
		const struct memory_growth_stack *s = &g->all.data[i];
		int64_t bytes = llround(s->bytes);

		if (!s->samples)
			continue;
		add_stack(g, i, sums);
		if (bytes > 0)
			profile_add(g->stacks, i, 0, (int64_t)s->samples, bytes);
		else
			to->shrank = add_saturated(to->shrank, -bytes);
	}
}

void memory_growth_give(struct memory_growth *g, const char *folder,
			memory_growth_wanted_fn *wanted, void *arg, struct memory_run *run,
			struct memory_process *to)
{
	const struct profile *p = g->stacks;
	cleanup(sums_fini) struct sums sums;

	sums_init(&sums, p);
	for (size_t i = 0; i < p->functions.len; i++) {
		const struct profile_function *f = &p->functions.data[i];

		sums.wanted[i] = f->kind == FRAME_PYTHON &&
				 wanted(arg, profile_text(p, f->file), profile_text(p, f->name));
	}
	add_all(g, &sums, to);
	make_functions(g, &sums, folder, run, to);
	if (g->peak && g->peak >= to->peak.bytes) {
		to->peak.bytes = g->peak;
		to->peak.time_ns = g->peak_ns > run->start_ns ? g->peak_ns - run->start_ns : 0;
		find_peak(g, &sums, to);
	}
	to->looks = g->looks;
	to->growth = take_ptr(g->stacks);
}
