#include "profile/top.h"

/* One walk over the tree of stacks. A stack adds what it and the stacks above it hold to its row,
 * unless the row is open already: then a caller, the same row, has added that. */
struct walk {
	const struct functions *f;
	int64_t *self;	    /* of stacks */
	int64_t *total;	    /* of stacks */
	uint32_t *first;    /* stack -> one that it calls, 0: none */
	uint32_t *sibling;  /* stack -> another one of its caller, 0: none */
	uint32_t *row_of;   /* stack -> row, HASH_NONE: none */
	VEC(uint32_t) open; /* row -> how often it is on the way to the stack at hand */
	struct hash_index row_index;
	top_rows *rows;
};

static void walk_fini(struct walk *w)
{
	free(w->self);
	free(w->total);
	free(w->first);
	free(w->sibling);
	free(w->row_of);
	vec_fini(&w->open);
	hash_index_fini(&w->row_index);
}

static int walk_init(struct walk *w, const struct functions *f, const bool *keep, top_rows *rows,
		     struct err *e)
{
	const struct profile *p = f->profile;
	size_t n = p->stacks.len;
	int r = profile_check_values(p, e);

	if (r < 0)
		return r;
	w->f = f;
	w->rows = rows;
	w->self = mem_calloc(n, sizeof(*w->self));
	w->total = mem_calloc(n, sizeof(*w->total));
	w->first = mem_calloc(n, sizeof(*w->first));
	w->sibling = mem_calloc(n, sizeof(*w->sibling));
	w->row_of = mem_calloc(n, sizeof(*w->row_of));
	for (size_t i = 0; i < p->samples.len; i++)
		if (!keep || keep[i])
			w->self[p->samples.data[i].stack] += p->samples.data[i].value;
	/* Callers have smaller numbers, so that one pass from the end hands everything down. */
	for (uint32_t i = (uint32_t)n; i-- > 1;) {
		uint32_t parent = p->stacks.data[i].parent;

		w->total[i] += w->self[i];
		w->total[parent] += w->total[i];
		w->sibling[i] = w->first[parent];
		w->first[parent] = i;
	}
	return 0;
}

static uint32_t find_row(struct walk *w, uint32_t function, uint32_t line)
{
	uint64_t hash = hash_mix(function, line);
	struct hash_iter it;

	for (uint32_t i = hash_index_first(&w->row_index, hash, &it); i != HASH_NONE;
	     i = hash_index_next(&w->row_index, &it))
		if (w->rows->data[i].function == function && w->rows->data[i].line == line)
			return i;
	uint32_t n = (uint32_t)w->rows->len;

	hash_index_add(&w->row_index, hash, n);
	vec_push(w->rows, (struct top_row){.function = function, .line = line});
	/* Rows that were there before are not ours and stay closed. */
	while (w->open.len <= n)
		vec_push(&w->open, 0);
	return n;
}

static void enter(struct walk *w, uint32_t stack)
{
	uint32_t row = w->row_of[stack];

	if (row == HASH_NONE)
		return;
	w->rows->data[row].self += w->self[stack];
	if (!w->open.data[row]++)
		w->rows->data[row].total += w->total[stack];
}

static void leave(struct walk *w, uint32_t stack)
{
	if (w->row_of[stack] != HASH_NONE)
		w->open.data[w->row_of[stack]]--;
}

/* Depth first, back by the parents. Branches without samples are left out with their rows. */
static void walk_stacks(struct walk *w)
{
	const struct profile *p = w->f->profile;
	uint32_t at = 0, next = w->first[0];

	while (at || next) {
		if (next) {
			at = next;
			enter(w, at);
			next = w->first[at];
			continue;
		}
		leave(w, at);
		next = w->sibling[at];
		at = p->stacks.data[at].parent;
	}
}

static uint32_t function_of(const struct walk *w, uint32_t stack)
{
	return w->f->of_frame[w->f->profile->stacks.data[stack].frame];
}

static int by_line(const struct functions *f, bool lines, const bool *keep, top_rows *ret_rows,
		   struct err *e)
{
	cleanup(walk_fini) struct walk w = {};
	const struct profile *p = f->profile;
	int r = walk_init(&w, f, keep, ret_rows, e);

	if (r < 0)
		return r;
	for (uint32_t i = 1; i < p->stacks.len; i++) {
		uint32_t line = lines ? p->frames.data[p->stacks.data[i].frame].line : 0;

		w.row_of[i] = w.total[i] ? find_row(&w, function_of(&w, i), line) : HASH_NONE;
	}
	walk_stacks(&w);
	return 0;
}

int top_functions(const struct functions *f, const bool *keep, top_rows *ret_rows, struct err *e)
{
	return by_line(f, false, keep, ret_rows, e);
}

int top_lines(const struct functions *f, const bool *keep, top_rows *ret_rows, struct err *e)
{
	return by_line(f, true, keep, ret_rows, e);
}

static int by_call(const struct functions *f, bool callers, const bool *chosen, const bool *keep,
		   top_rows *ret_rows, struct err *e)
{
	cleanup(walk_fini) struct walk w = {};
	const struct profile *p = f->profile;
	int r = walk_init(&w, f, keep, ret_rows, e);

	if (r < 0)
		return r;
	for (uint32_t i = 1; i < p->stacks.len; i++) {
		uint32_t parent = p->stacks.data[i].parent, callee = function_of(&w, i);
		uint32_t caller = parent ? function_of(&w, parent) : TOP_OUTERMOST;
		bool wanted = callers ? chosen[callee] : caller != TOP_OUTERMOST && chosen[caller];

		w.row_of[i] = wanted && w.total[i] ? find_row(&w, callers ? caller : callee, 0)
						   : HASH_NONE;
	}
	walk_stacks(&w);
	return 0;
}

int top_callers(const struct functions *f, const bool *chosen, const bool *keep, top_rows *ret_rows,
		struct err *e)
{
	return by_call(f, true, chosen, keep, ret_rows, e);
}

int top_callees(const struct functions *f, const bool *chosen, const bool *keep, top_rows *ret_rows,
		struct err *e)
{
	return by_call(f, false, chosen, keep, ret_rows, e);
}

/* --- order -------------------------------------------------------------------------------------
 */

struct sorting {
	const struct functions *f;
	enum top_order order;
};

static int compare_names(const struct functions *f, const struct top_row *a,
			 const struct top_row *b)
{
	int c = 0;

	if (a->function == TOP_OUTERMOST || b->function == TOP_OUTERMOST)
		c = (a->function == TOP_OUTERMOST) - (b->function == TOP_OUTERMOST);
	else if (a->function != b->function)
		c = functions_compare(f, a->function, b->function);
	return c ? c : (a->line > b->line) - (a->line < b->line);
}

static int compare_rows(const void *pa, const void *pb, void *ctx)
{
	const struct top_row *a = pa, *b = pb;
	const struct sorting *s = ctx;
	int self = (a->self < b->self) - (a->self > b->self);
	int total = (a->total < b->total) - (a->total > b->total);
	int first = s->order == TOP_BY_SELF ? self : total;
	int second = s->order == TOP_BY_SELF ? total : self;

	if (first || second)
		return first ? first : second;
	return compare_names(s->f, a, b);
}

void top_sort(const struct functions *f, enum top_order order, top_rows *rows)
{
	struct sorting s = {f, order};

	if (rows->len)
		qsort_r(rows->data, rows->len, sizeof(*rows->data), compare_rows, &s);
}
