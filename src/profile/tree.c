#include "profile/tree.h"

#include <math.h>

#include "profile/functions.h"

/* A node while the tree is built. Parents come before their children. */
struct draft {
	uint32_t parent;
	uint32_t function; /* of the builder */
	uint32_t line;	   /* the first one seen, and its value; others are in lines */
	int64_t line_value;
	int64_t self;
	int64_t total;
};
/* A further line of a node. */
struct line {
	uint32_t node;
	uint32_t line;
	int64_t value;
};
/* What a stack of the profile is in the process at hand: valid where the epoch is that one's. */
struct place {
	uint32_t epoch;
	uint32_t node;
	int64_t total;
};
struct builder {
	const struct profile *p;
	struct functions functions; /* and behind them the processes */
	uint32_t *rank;		    /* function -> its place by text */
	VEC(struct draft) nodes;
	const int64_t *part;	      /* of samples, NULL: none is asked for */
	VEC(struct tree_part) parts;  /* of nodes, with part */
	int64_t *place_parts;	      /* of places, their totals, with part */
	struct hash_index node_index; /* by parent and function */
	VEC(struct line) lines;
	struct hash_index line_index; /* by node and line */
	struct place *places;	      /* of stacks */
	uint32_t epoch;
	VEC(uint32_t) touched; /* stacks that the process has, callers first */
	VEC(uint32_t) path;
	uint32_t *first; /* node -> where its children begin in order; one more at the end */
	uint32_t *order; /* all nodes but the root, by parent and rank */
};

static void builder_fini(struct builder *b)
{
	functions_fini(&b->functions);
	free(b->rank);
	vec_fini(&b->nodes);
	vec_fini(&b->parts);
	free(b->place_parts);
	hash_index_fini(&b->node_index);
	vec_fini(&b->lines);
	hash_index_fini(&b->line_index);
	free(b->places);
	vec_fini(&b->touched);
	vec_fini(&b->path);
	free(b->first);
	free(b->order);
}

static int compare_functions(const void *a, const void *b, void *ctx)
{
	return functions_compare(ctx, *(const uint32_t *)a, *(const uint32_t *)b);
}

static void rank_functions(struct builder *b)
{
	size_t n = b->functions.list.len;
	cleanup_free uint32_t *order = mem_reallocarray(NULL, n, sizeof(*order));

	b->rank = mem_reallocarray(NULL, n, sizeof(*b->rank));
	for (uint32_t i = 0; i < n; i++)
		order[i] = i;
	if (n)
		qsort_r(order, n, sizeof(*order), compare_functions, &b->functions);
	for (uint32_t i = 0; i < n; i++)
		b->rank[order[i]] = i;
}

/* --- nodes -------------------------------------------------------------------------------------
 */

static uint32_t find_node(struct builder *b, uint32_t parent, uint32_t function, uint32_t line)
{
	uint64_t hash = hash_mix(parent, function);
	struct hash_iter it;

	for (uint32_t i = hash_index_first(&b->node_index, hash, &it); i != HASH_NONE;
	     i = hash_index_next(&b->node_index, &it))
		if (b->nodes.data[i].parent == parent && b->nodes.data[i].function == function)
			return i;
	uint32_t n = (uint32_t)b->nodes.len;

	hash_index_add(&b->node_index, hash, n);
	vec_push(&b->nodes, (struct draft){.parent = parent, .function = function, .line = line});
	if (b->part)
		vec_push(&b->parts, (struct tree_part){});
	return n;
}

/* The node of a stack under the node of its process, made with all its callers when new. */
static struct place *find_place(struct builder *b, uint32_t process_node, uint32_t stack)
{
	vec_clear(&b->path);
	for (uint32_t s = stack; b->places[s].epoch != b->epoch; s = b->p->stacks.data[s].parent) {
		vec_push(&b->path, s);
		if (!s)
			break;
	}
	for (size_t i = b->path.len; i-- > 0;) {
		uint32_t s = b->path.data[i], node = process_node;
		const struct profile_stack *ps = &b->p->stacks.data[s];

		if (s)
			node = find_node(b, b->places[ps->parent].node,
					 b->functions.of_frame[ps->frame],
					 b->p->frames.data[ps->frame].line);
		b->places[s] = (struct place){.epoch = b->epoch, .node = node};
		if (b->part)
			b->place_parts[s] = 0;
		vec_push(&b->touched, s);
	}
	return &b->places[stack];
}

static void add_line(struct builder *b, uint32_t node, uint32_t line, int64_t value)
{
	struct draft *d = &b->nodes.data[node];
	uint64_t hash = hash_mix(node, line);
	struct hash_iter it;

	if (d->line == line) {
		d->line_value += value;
		return;
	}
	for (uint32_t i = hash_index_first(&b->line_index, hash, &it); i != HASH_NONE;
	     i = hash_index_next(&b->line_index, &it)) {
		struct line *l = &b->lines.data[i];

		if (l->node == node && l->line == line) {
			l->value += value;
			return;
		}
	}
	hash_index_add(&b->line_index, hash, (uint32_t)b->lines.len);
	vec_push(&b->lines, (struct line){node, line, value});
}

/* Hand totals from the leaves to the root of one process, and to the lines on the way. */
static void add_totals(struct builder *b)
{
	for (size_t i = b->touched.len; i-- > 0;) {
		uint32_t s = b->touched.data[i];
		const struct profile_stack *ps = &b->p->stacks.data[s];
		struct place *place = &b->places[s];

		b->nodes.data[place->node].total += place->total;
		if (b->part) {
			b->parts.data[place->node].total += b->place_parts[s];
			if (s)
				b->place_parts[ps->parent] += b->place_parts[s];
		}
		if (!s)
			continue;
		add_line(b, place->node, b->p->frames.data[ps->frame].line, place->total);
		b->places[ps->parent].total += place->total;
	}
}

/* Samples in the order of their processes; process_of: number of the process of each label set. */
static void sort_by_process(const struct profile *p, const uint32_t *process_of, size_t nprocesses,
			    uint32_t *order, size_t *ends)
{
	for (size_t i = 0; i < p->samples.len; i++)
		ends[process_of[p->samples.data[i].labels] + 1]++;
	for (size_t i = 1; i <= nprocesses; i++)
		ends[i] += ends[i - 1];
	for (size_t i = 0; i < p->samples.len; i++)
		order[ends[process_of[p->samples.data[i].labels]]++] = (uint32_t)i;
}

static void add_process(struct builder *b, uint32_t function, const uint32_t *samples, size_t n)
{
	uint32_t node = find_node(b, 0, function, 0);

	b->epoch++;
	vec_clear(&b->touched);
	for (size_t i = 0; i < n; i++) {
		const struct profile_sample *s = &b->p->samples.data[samples[i]];
		struct place *place = find_place(b, node, s->stack);

		place->total += s->value;
		b->nodes.data[place->node].self += s->value;
		if (b->part) {
			b->place_parts[s->stack] += b->part[samples[i]];
			b->parts.data[place->node].self += b->part[samples[i]];
		}
	}
	add_totals(b);
	b->nodes.data[0].total += b->nodes.data[node].total;
	if (b->part)
		b->parts.data[0].total += b->parts.data[node].total;
}

/* Every process gets a function of its own, numbered behind those of the frames. */
static void add_processes(struct builder *b)
{
	const struct profile *p = b->p;
	cleanup_free uint32_t *process_of = mem_calloc(p->label_sets.len, sizeof(uint32_t));
	cleanup_free uint32_t *order = mem_calloc(p->samples.len, sizeof(uint32_t));
	uint32_t first = (uint32_t)b->functions.list.len;
	struct map64 known = {}; /* name -> process */

	for (uint32_t i = 0; i < p->label_sets.len; i++) {
		const char *name = profile_label_value(p, i, "process");
		uint32_t string =
			strtab_puts(&b->functions.names, name && *name ? name : "unknown");
		uint64_t *at = map64_get(&known, string);

		process_of[i] = at ? (uint32_t)*at : (uint32_t)b->functions.list.len - first;
		if (at)
			continue;
		map64_set(&known, string, process_of[i]);
		vec_push(&b->functions.list,
			 (struct function){.f = {.kind = FRAME_PROCESS}, .name = string});
	}
	map64_fini(&known);
	size_t n = b->functions.list.len - first, start = 0;
	cleanup_free size_t *ends = mem_calloc(n + 1, sizeof(size_t));

	rank_functions(b);
	sort_by_process(p, process_of, n, order, ends);
	for (uint32_t i = 0; i < n; i++) {
		if (ends[i] > start)
			add_process(b, first + i, order + start, ends[i] - start);
		start = ends[i];
	}
}

/* --- from drafts to the tree -------------------------------------------------------------------
 */

/* The line with the largest value wins, the smaller number among equals. */
static void choose_lines(struct builder *b)
{
	for (size_t i = 0; i < b->lines.len; i++) {
		const struct line *l = &b->lines.data[i];
		struct draft *d = &b->nodes.data[l->node];

		if (l->value < d->line_value || (l->value == d->line_value && l->line > d->line))
			continue;
		d->line_value = l->value;
		d->line = l->line;
	}
}

/* Order all nodes by parent and rank with two counting sorts. */
static void sort_children(struct builder *b)
{
	size_t n = b->nodes.len, nranks = b->functions.list.len;
	cleanup_free uint32_t *by_rank = mem_calloc(n, sizeof(uint32_t));
	cleanup_free uint32_t *at = mem_calloc(nranks + 1, sizeof(uint32_t));

	b->first = mem_calloc(n + 1, sizeof(uint32_t));
	b->order = mem_calloc(n, sizeof(uint32_t));
	for (size_t i = 1; i < n; i++) {
		at[b->rank[b->nodes.data[i].function] + 1]++;
		b->first[b->nodes.data[i].parent + 1]++;
	}
	for (size_t i = 1; i <= nranks; i++)
		at[i] += at[i - 1];
	for (size_t i = 1; i <= n; i++)
		b->first[i] += b->first[i - 1];
	for (uint32_t i = 1; i < n; i++)
		by_rank[at[b->rank[b->nodes.data[i].function]]++] = i;
	cleanup_free uint32_t *next = mem_calloc(n, sizeof(uint32_t));

	memcpy(next, b->first, n * sizeof(uint32_t));
	for (size_t i = 0; i + 1 < n; i++)
		b->order[next[b->nodes.data[by_rank[i]].parent]++] = by_rank[i];
}

/* How many nodes a tree has that leaves out those below the limit. */
static size_t count_kept(const struct builder *b, int64_t limit, uint32_t *seen, uint32_t round)
{
	size_t n = 1;

	for (size_t i = 1; i < b->nodes.len; i++) {
		const struct draft *d = &b->nodes.data[i];

		if (d->total >= limit) {
			n++;
		} else if ((!d->parent || b->nodes.data[d->parent].total >= limit) &&
			   seen[d->parent] != round) {
			seen[d->parent] = round;
			n++;
		}
	}
	return n;
}

/* The smallest limit from `limit` on that leaves at most max_nodes. */
static int64_t raise_limit(const struct builder *b, int64_t limit, size_t max_nodes)
{
	cleanup_free uint32_t *seen = mem_calloc(b->nodes.len, sizeof(uint32_t));
	int64_t low = limit, high = b->nodes.data[0].total;
	uint32_t round = 1;

	if (!max_nodes || count_kept(b, limit, seen, round) <= max_nodes)
		return limit;
	while (low < high) {
		int64_t middle = low + (high - low) / 2;

		if (count_kept(b, middle, seen, ++round) <= max_nodes)
			high = middle;
		else
			low = middle + 1;
	}
	/* Where even the heaviest are too many, what is left is the root and its rest. */
	return count_kept(b, low, seen, ++round) <= max_nodes || low == INT64_MAX ? low : low + 1;
}

struct visit {
	uint32_t node;
	uint32_t depth;
	int64_t rest; /* not a node: the sum of those that are left out */
	int64_t part; /* of that */
};
typedef VEC(struct visit) visit_vec;

static void push_children(const struct builder *b, const struct visit *v, int64_t limit,
			  visit_vec *todo)
{
	size_t dropped = 0;
	struct visit rest = {.node = HASH_NONE, .depth = v->depth + 1};

	for (uint32_t i = b->first[v->node]; i < b->first[v->node + 1]; i++) {
		if (b->nodes.data[b->order[i]].total < limit) {
			rest.rest += b->nodes.data[b->order[i]].total;
			rest.part += b->part ? b->parts.data[b->order[i]].total : 0;
			dropped++;
		}
	}
	if (dropped)
		vec_push(todo, rest);
	for (uint32_t i = b->first[v->node + 1]; i-- > b->first[v->node];)
		if (b->nodes.data[b->order[i]].total >= limit)
			vec_push(todo, (struct visit){.node = b->order[i], .depth = v->depth + 1});
}

static int32_t show_function(const struct builder *b, uint32_t function, int32_t *number_of,
			     struct tree *t)
{
	if (number_of[function] < 0) {
		number_of[function] = (int32_t)t->functions.len;
		vec_push(&t->functions, b->functions.list.data[function].f);
		vec_push(&t->names, b->functions.list.data[function].name);
	}
	return number_of[function];
}

static void emit(const struct builder *b, int64_t limit, struct tree *t)
{
	cleanup_free int32_t *number_of =
		mem_reallocarray(NULL, b->functions.list.len, sizeof(int32_t));
	visit_vec todo = {};

	memset(number_of, 0xff, b->functions.list.len * sizeof(int32_t));
	vec_push(&todo, (struct visit){});
	while (todo.len) {
		struct visit v = todo.data[--todo.len];

		if (v.node == HASH_NONE) {
			vec_push(&t->nodes, (struct tree_node){.function = TREE_REST,
							       .depth = v.depth,
							       .self = v.rest,
							       .total = v.rest});
			if (b->part)
				vec_push(&t->parts, (struct tree_part){v.part, v.part});
			continue;
		}
		const struct draft *d = &b->nodes.data[v.node];
		int32_t function = TREE_ROOT;

		if (v.node)
			function = show_function(b, d->function, number_of, t);
		vec_push(&t->nodes,
			 (struct tree_node){function, v.depth, d->line, d->self, d->total});
		if (b->part)
			vec_push(&t->parts, b->parts.data[v.node]);
		push_children(b, &v, limit, &todo);
	}
	vec_fini(&todo);
}

static int64_t value_of_cut(const struct profile *p)
{
	cleanup_free bool *cut = mem_calloc(p->stacks.len, sizeof(bool));
	int64_t sum = 0;

	for (size_t i = 1; i < p->stacks.len; i++) {
		const struct profile_stack *s = &p->stacks.data[i];
		uint32_t function = p->frames.data[s->frame].function;

		cut[i] = cut[s->parent] || p->functions.data[function].kind == FRAME_MARK;
	}
	for (size_t i = 0; i < p->samples.len; i++)
		if (cut[p->samples.data[i].stack])
			sum += p->samples.data[i].value;
	return sum;
}

int tree_build_part(const struct profile *p, const int64_t *part, double min_share,
		    size_t max_nodes, struct tree *ret_tree, struct err *e)
{
	cleanup(builder_fini) struct builder b = {.p = p, .part = part};
	int rc = profile_check_values(p, e);

	if (rc < 0)
		return rc;
	b.places = mem_calloc(p->stacks.len, sizeof(*b.places));
	vec_push(&b.nodes, (struct draft){});
	if (part) {
		b.place_parts = mem_calloc(p->stacks.len, sizeof(*b.place_parts));
		vec_push(&b.parts, (struct tree_part){});
	}
	functions_init(&b.functions, p);
	add_processes(&b);
	choose_lines(&b);
	sort_children(&b);

	struct tree t = {.profile = p, .total = b.nodes.data[0].total, .cut = value_of_cut(p)};
	double share = min_share > 0 ? ceil(min_share * (double)t.total) : 0;
	int64_t limit = share < (double)t.total ? (int64_t)share : t.total;

	emit(&b, raise_limit(&b, limit, max_nodes), &t);
	t.strings = b.functions.names;
	b.functions.names = (struct strtab){};
	*ret_tree = t;
	return 0;
}

int tree_build(const struct profile *p, double min_share, size_t max_nodes, struct tree *ret_tree,
	       struct err *e)
{
	return tree_build_part(p, NULL, min_share, max_nodes, ret_tree, e);
}

void tree_fini(struct tree *t)
{
	vec_fini(&t->functions);
	vec_fini(&t->names);
	vec_fini(&t->nodes);
	vec_fini(&t->parts);
	strtab_fini(&t->strings);
}

const char *tree_name(const struct tree *t, int32_t function)
{
	if (function == TREE_ROOT)
		return "all";
	if (function == TREE_REST)
		return "(rest)";
	CHECK(function >= 0 && (size_t)function < t->functions.len);
	uint32_t name = t->names.data[function];

	return name ? strtab_get(&t->strings, name)
		    : profile_text(t->profile, t->functions.data[function].name);
}
