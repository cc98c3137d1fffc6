/* Who holds blocks, as JSON. */
#include "memory/report/report_priv.h"

enum { MAX_DEPTH = 128 }; /* innermost frames of a stack */

static void put_stack(struct json *j, const struct profile *p, uint32_t stack)
{
	uint32_t frames[MAX_DEPTH];
	size_t depth = MIN(profile_unroll(p, stack, frames, MAX_DEPTH), (size_t)MAX_DEPTH);

	json_array_begin(j);
	for (size_t k = 0; k < depth; k++) {
		const struct profile_frame *f = &p->frames.data[frames[k]];
		const struct profile_function *function = &p->functions.data[f->function];

		json_object_begin(j);
		json_member_text(j, "function", profile_text(p, function->name));
		json_member_text(j, "file", profile_text(p, function->file));
		json_member_int(j, "line", f->line);
		json_object_end(j);
	}
	json_array_end(j);
}

/* ---- interned ---- */

/* Numbers in the JSON of what is used, + 1; 0: it is not. */
struct numbers {
	uint32_t *stacks, *frames, *functions;
};

static void mark(const struct profile *p, uint32_t stack, uint32_t *used)
{
	for (size_t depth = 0; stack && depth < MAX_DEPTH; depth++) {
		used[stack] = 1;
		stack = p->stacks.data[stack].parent;
	}
}

/* Number what is marked, in its order. */
static void give_numbers(uint32_t *used, size_t n)
{
	uint32_t last = 0;

	for (size_t i = 0; i < n; i++)
		if (used[i])
			used[i] = ++last;
}

static void find_used(const struct profile *p, const struct profile_sample *samples, size_t n,
		      struct numbers *ret)
{
	ret->stacks = mem_calloc(p->stacks.len + 1, sizeof(uint32_t));
	ret->frames = mem_calloc(p->frames.len + 1, sizeof(uint32_t));
	ret->functions = mem_calloc(p->functions.len + 1, sizeof(uint32_t));
	for (size_t i = 0; i < n; i++)
		mark(p, samples[i].stack, ret->stacks);
	for (size_t i = 0; i < p->stacks.len; i++)
		if (ret->stacks[i])
			ret->frames[p->stacks.data[i].frame] = 1;
	for (size_t i = 0; i < p->frames.len; i++)
		if (ret->frames[i])
			ret->functions[p->frames.data[i].function] = 1;
	give_numbers(ret->stacks, p->stacks.len);
	give_numbers(ret->frames, p->frames.len);
	give_numbers(ret->functions, p->functions.len);
}

static void numbers_fini(struct numbers *n)
{
	free(n->stacks);
	free(n->frames);
	free(n->functions);
}

/* The number of what is in a table; -1: nothing. */
static void put_number(struct json *j, uint32_t number)
{
	json_int(j, (int64_t)number - 1);
}

static void put_nodes(struct json *j, const struct profile *p, const struct numbers *n)
{
	json_key(j, "callers");
	json_array_begin(j);
	for (size_t i = 0; i < p->stacks.len; i++)
		if (n->stacks[i])
			put_number(j, n->stacks[p->stacks.data[i].parent]);
	json_array_end(j);
	json_key(j, "nodes");
	json_array_begin(j);
	for (size_t i = 0; i < p->stacks.len; i++)
		if (n->stacks[i])
			put_number(j, n->frames[p->stacks.data[i].frame]);
	json_array_end(j);
}

static void put_frames(struct json *j, const struct profile *p, const struct numbers *n)
{
	json_key(j, "frames");
	json_array_begin(j);
	for (size_t i = 0; i < p->frames.len; i++) {
		if (!n->frames[i])
			continue;
		json_array_begin(j);
		put_number(j, n->functions[p->frames.data[i].function]);
		json_int(j, p->frames.data[i].line);
		json_array_end(j);
	}
	json_array_end(j);
	json_key(j, "functions");
	json_array_begin(j);
	for (size_t i = 0; i < p->functions.len; i++) {
		if (!n->functions[i])
			continue;
		json_array_begin(j);
		json_text(j, profile_text(p, p->functions.data[i].name));
		json_text(j, profile_text(p, p->functions.data[i].file));
		json_array_end(j);
	}
	json_array_end(j);
}

/* ---- all of them ---- */

static int heavier(const void *pa, const void *pb)
{
	const struct profile_sample *a = pa, *b = pb;

	if (a->value != b->value)
		return a->value < b->value ? 1 : -1;
	return a->stack < b->stack ? -1 : a->stack > b->stack;
}

static void put_samples(struct json *j, const struct profile *p,
			const struct profile_sample *samples, size_t n, bool interned)
{
	cleanup(numbers_fini) struct numbers numbers = {};

	if (interned) {
		find_used(p, samples, n, &numbers);
		put_nodes(j, p, &numbers);
		put_frames(j, p, &numbers);
	}
	json_key(j, "stacks");
	json_array_begin(j);
	for (size_t i = 0; i < n; i++) {
		json_object_begin(j);
		json_member_int(j, "bytes", samples[i].value);
		json_member_int(j, "blocks", samples[i].count);
		json_key(j, "stack");
		if (interned)
			put_number(j, numbers.stacks[samples[i].stack]);
		else
			put_stack(j, p, samples[i].stack);
		json_object_end(j);
	}
	json_array_end(j);
}

void report_put_holders(struct json *j, const char *key, const struct profile *p,
			struct report_limits limits)
{
	size_t n = p->samples.len, shown = MIN(n, limits.stacks);
	cleanup_free struct profile_sample *samples = mem_calloc(n + 1, sizeof(*samples));
	int64_t bytes = 0, blocks = 0;

	if (n) {
		memcpy(samples, p->samples.data, n * sizeof(*samples));
		qsort(samples, n, sizeof(*samples), heavier);
	}
	for (size_t i = shown; i < n; i++) {
		bytes = add_saturated(bytes, samples[i].value);
		blocks = add_saturated(blocks, samples[i].count);
	}
	json_key(j, key);
	json_object_begin(j);
	json_member_int(j, "bytes", profile_total_value(p));
	json_member_int(j, "blocks", profile_total_count(p));
	json_member_int(j, "stacks_left_out", (int64_t)(n - shown));
	json_member_int(j, "bytes_left_out", bytes);
	json_member_int(j, "blocks_left_out", blocks);
	put_samples(j, p, samples, shown, limits.interned);
	json_object_end(j);
}
