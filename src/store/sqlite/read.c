#include "store/sqlite/read.h"

void reading_fini(struct reading *g)
{
	reader_put(&g->rd);
	map64_fini(&g->strings);
	map64_fini(&g->functions);
	map64_fini(&g->frames);
	map64_fini(&g->stacks);
	map64_fini(&g->labels);
	free(g->whole_frames.rows);
	free(g->whole_stacks.rows);
}

/* The row of number id, which must be there. */
static int get_row(struct reading *g, enum sql sql, uint32_t id, sqlite3_stmt **q, struct err *e)
{
	int r = db_query(g->rd.db, sql, q, e, "i", (int64_t)id);

	if (r >= 0)
		r = db_step(g->rd.db, *q, e);
	if (r == 0)
		return err_set(e, -EBADMSG, "%s is damaged (a name is missing)", g->rd.db->name);
	return r;
}

static int read_string(struct reading *g, struct profile *p, uint32_t id, uint32_t *ret,
		       struct err *e)
{
	cleanup_query sqlite3_stmt *q = NULL;
	uint64_t *known = map64_get(&g->strings, id);

	if (!id || known) {
		*ret = id ? (uint32_t)*known : 0;
		return 0;
	}
	int r = get_row(g, SQL_string_get, id, &q, e);

	if (r < 0)
		return r;
	*ret = profile_string(p, db_text(q, 0));
	map64_set(&g->strings, id, *ret);
	return 0;
}

static int read_function(struct reading *g, struct profile *p, uint32_t id, uint32_t *ret,
			 struct err *e)
{
	cleanup_query sqlite3_stmt *q = NULL;
	uint64_t *known = map64_get(&g->functions, id);

	if (known) {
		*ret = (uint32_t)*known;
		return 0;
	}
	int r = get_row(g, SQL_function_get, id, &q, e);

	if (r < 0)
		return r;
	struct profile_function f = {
		.start_line = (uint32_t)sqlite3_column_int64(q, 3),
		.kind = (uint8_t)sqlite3_column_int64(q, 4),
	};
	uint32_t *to[] = {&f.name, &f.file, &f.module};

	for (int i = 0; r >= 0 && i < 3; i++)
		r = read_string(g, p, (uint32_t)sqlite3_column_int64(q, i), to[i], e);
	if (r < 0)
		return r;
	*ret = profile_function(p, &f);
	map64_set(&g->functions, id, *ret);
	return 0;
}

/* Looking up a row costs about as much as reading eight in a row. Larger tables are not worth the
 * memory. */
enum { LOOKUP_COST = 8, WHOLE_MAX = 1 << 22 };

static bool read_whole(struct reading *g, enum sql last, size_t lookups, int64_t *ret_last)
{
	return lookups % 256 == 0 && db_number(g->rd.db, last, ret_last, NULL, "") >= 0 &&
	       *ret_last <= WHOLE_MAX && (int64_t)lookups * LOOKUP_COST >= *ret_last;
}

static int load_frames(struct reading *g, int64_t last, struct err *e)
{
	cleanup_query sqlite3_stmt *q = NULL;
	struct whole_frames *w = &g->whole_frames;
	int r = db_query(g->rd.db, SQL_frame_latest, &q, e, "i", (int64_t)WHOLE_MAX);

	w->len = (size_t)last + 1;
	w->rows = mem_calloc(w->len, sizeof(*w->rows));
	while (r >= 0 && (r = db_step(g->rd.db, q, e)) > 0) {
		int64_t id = sqlite3_column_int64(q, 0);

		if (id >= 0 && id <= last)
			w->rows[id] = (struct whole_frame){
				.address = (uint64_t)sqlite3_column_int64(q, 3),
				.function = (uint32_t)sqlite3_column_int64(q, 1),
				.line = (uint32_t)sqlite3_column_int64(q, 2),
			};
	}
	return r;
}

static int get_frame(struct reading *g, uint32_t id, struct whole_frame *ret, struct err *e)
{
	struct whole_frames *w = &g->whole_frames;
	cleanup_query sqlite3_stmt *q = NULL;
	int64_t last;
	int r = 0;

	if (!w->rows && read_whole(g, SQL_frame_last, ++w->lookups, &last))
		r = load_frames(g, last, e);
	if (r < 0)
		return r;
	if (w->rows && id < w->len && w->rows[id].function) {
		*ret = w->rows[id];
		return 0;
	}
	r = get_row(g, SQL_frame_get, id, &q, e);
	if (r < 0)
		return r;
	*ret = (struct whole_frame){
		.address = (uint64_t)sqlite3_column_int64(q, 2),
		.function = (uint32_t)sqlite3_column_int64(q, 0),
		.line = (uint32_t)sqlite3_column_int64(q, 1),
	};
	return 0;
}

static int read_frame(struct reading *g, struct profile *p, uint32_t id, uint32_t *ret,
		      struct err *e)
{
	uint64_t *known = map64_get(&g->frames, id);
	struct whole_frame row;

	if (known) {
		*ret = (uint32_t)*known;
		return 0;
	}
	int r = get_frame(g, id, &row, e);
	struct profile_frame f = {};

	if (r >= 0)
		r = read_function(g, p, row.function, &f.function, e);
	if (r < 0)
		return r;
	f.line = row.line;
	f.address = row.address;
	*ret = profile_frame(p, &f);
	map64_set(&g->frames, id, *ret);
	return 0;
}

static int load_stacks(struct reading *g, int64_t last, struct err *e)
{
	cleanup_query sqlite3_stmt *q = NULL;
	struct whole_stacks *w = &g->whole_stacks;
	int r = db_query(g->rd.db, SQL_stack_latest, &q, e, "i", (int64_t)WHOLE_MAX);

	w->len = (size_t)last + 1;
	w->rows = mem_calloc(w->len, sizeof(*w->rows));
	while (r >= 0 && (r = db_step(g->rd.db, q, e)) > 0) {
		int64_t id = sqlite3_column_int64(q, 0);

		if (id >= 0 && id <= last)
			w->rows[id] = (struct whole_stack){(uint32_t)sqlite3_column_int64(q, 1),
							   (uint32_t)sqlite3_column_int64(q, 2)};
	}
	return r;
}

static int get_stack(struct reading *g, uint32_t id, struct whole_stack *ret, struct err *e)
{
	struct whole_stacks *w = &g->whole_stacks;
	cleanup_query sqlite3_stmt *q = NULL;
	int64_t last;
	int r = 0;

	if (!w->rows && read_whole(g, SQL_stack_last, ++w->lookups, &last))
		r = load_stacks(g, last, e);
	if (r < 0)
		return r;
	if (w->rows && id < w->len && w->rows[id].frame) {
		*ret = w->rows[id];
	} else {
		r = get_row(g, SQL_stack_get, id, &q, e);
		if (r < 0)
			return r;
		*ret = (struct whole_stack){(uint32_t)sqlite3_column_int64(q, 0),
					    (uint32_t)sqlite3_column_int64(q, 1)};
	}
	if (ret->parent >= id)
		return err_set(e, -EBADMSG, "%s is damaged (a stack is its own caller)",
			       g->rd.db->name);
	return 0;
}

struct link {
	uint32_t id, frame;
};
struct chain {
	VEC(struct link) links;
};

static void chain_fini(struct chain *c)
{
	vec_fini(&c->links);
}

int reading_stack(struct reading *g, struct profile *p, uint32_t id, uint32_t *ret_stack,
		  struct err *e)
{
	cleanup(chain_fini) struct chain chain = {};
	uint64_t *known = NULL;
	int r = 0;

	/* Down to the first caller that is known, then up again. */
	while (id && !(known = map64_get(&g->stacks, id))) {
		struct whole_stack row;

		r = get_stack(g, id, &row, e);
		if (r < 0)
			return r;
		vec_push(&chain.links, (struct link){id, row.frame});
		id = row.parent;
	}
	uint32_t stack = id ? (uint32_t)*known : 0;

	while (chain.links.len) {
		struct link l = chain.links.data[--chain.links.len];
		uint32_t frame;

		r = read_frame(g, p, l.frame, &frame, e);
		if (r < 0)
			return r;
		stack = profile_stack(p, stack, frame);
		map64_set(&g->stacks, l.id, stack);
	}
	*ret_stack = stack;
	return 0;
}

int reading_labels(struct reading *g, uint32_t id, struct buf *out, struct err *e)
{
	cleanup_query sqlite3_stmt *q = NULL;
	int r = get_row(g, SQL_labelset_get, id, &q, e);
	size_t n;

	if (r < 0)
		return r;
	const void *pairs = db_blob(q, 0, &n);

	out->len = 0;
	buf_append(out, pairs, n);
	return 0;
}
