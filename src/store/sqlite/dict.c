#include "store/sqlite/dict.h"

#include <xxhash.h>

/* Entries of one generation; 24 bytes each, twice for the free slots, twice for both generations:
 * at most 38 MB a dictionary. */
enum {
	LIMIT_STRINGS = 50000,
	LIMIT_FUNCTIONS = 50000,
	LIMIT_FRAMES = 100000,
	LIMIT_STACKS = 200000,
	LIMIT_LABELS = 20000,
};

static struct cache_slot *table_slot(const struct cache_table *t, uint64_t hi, uint64_t lo)
{
	size_t i = (size_t)hash_mix(lo, hi) & (t->cap - 1);

	while (t->slots[i].id && (t->slots[i].hi != hi || t->slots[i].lo != lo))
		i = (i + 1) & (t->cap - 1);
	return &t->slots[i];
}

static void table_put(struct cache_table *t, uint64_t hi, uint64_t lo, uint32_t id)
{
	if (t->len * 2 >= t->cap) {
		struct cache_table big = {.cap = t->cap ? t->cap * 2 : 1024};

		big.slots = mem_calloc(big.cap, sizeof(*big.slots));
		for (size_t i = 0; i < t->cap; i++)
			if (t->slots[i].id)
				*table_slot(&big, t->slots[i].hi, t->slots[i].lo) = t->slots[i];
		big.len = t->len;
		free(t->slots);
		*t = big;
	}
	struct cache_slot *s = table_slot(t, hi, lo);

	t->len += !s->id;
	*s = (struct cache_slot){hi, lo, id};
}

void cache_put(struct cache *c, uint64_t hi, uint64_t lo, uint32_t id)
{
	if (c->young.len >= c->limit) {
		free(c->old.slots);
		c->old = c->young;
		c->young = (struct cache_table){};
	}
	table_put(&c->young, hi, lo, id);
}

uint32_t cache_get(struct cache *c, uint64_t hi, uint64_t lo)
{
	uint32_t id = c->young.cap ? table_slot(&c->young, hi, lo)->id : 0;

	if (id || !c->old.cap)
		return id;
	id = table_slot(&c->old, hi, lo)->id;
	if (id)
		cache_put(c, hi, lo, id);
	return id;
}

void cache_fini(struct cache *c)
{
	free(c->young.slots);
	free(c->old.slots);
	*c = (struct cache){};
}

void dict_fini(struct dict *d)
{
	cache_fini(&d->strings);
	cache_fini(&d->functions);
	cache_fini(&d->frames);
	cache_fini(&d->stacks);
	cache_fini(&d->labels);
}

/* --- keys ------------------------------------------------------------------------------------- */

static XXH128_hash_t key_of(const void *p, size_t n)
{
	return XXH3_128bits(p, n);
}

static XXH128_hash_t function_key(const uint32_t columns[5])
{
	return key_of(columns, 5 * sizeof(columns[0]));
}

static XXH128_hash_t frame_key(uint32_t function, uint32_t line, uint64_t address)
{
	uint64_t k[2] = {(uint64_t)function << 32 | line, address};

	return key_of(k, sizeof(k));
}

/* --- loading ---------------------------------------------------------------------------------- */

typedef void (*load_row)(struct dict *d, sqlite3_stmt *q, uint32_t id);

static void load_string(struct dict *d, sqlite3_stmt *q, uint32_t id)
{
	const char *s = db_text(q, 1);
	XXH128_hash_t k = key_of(s, (size_t)sqlite3_column_bytes(q, 1));

	d->last_string = MAX(d->last_string, id);
	cache_put(&d->strings, k.high64, k.low64, id);
}

static void load_function(struct dict *d, sqlite3_stmt *q, uint32_t id)
{
	uint32_t f[5];

	for (int i = 0; i < 5; i++)
		f[i] = (uint32_t)sqlite3_column_int64(q, i + 1);
	XXH128_hash_t k = function_key(f);

	d->last_function = MAX(d->last_function, id);
	cache_put(&d->functions, k.high64, k.low64, id);
}

static void load_frame(struct dict *d, sqlite3_stmt *q, uint32_t id)
{
	XXH128_hash_t k = frame_key((uint32_t)sqlite3_column_int64(q, 1),
				    (uint32_t)sqlite3_column_int64(q, 2),
				    (uint64_t)sqlite3_column_int64(q, 3));

	d->last_frame = MAX(d->last_frame, id);
	cache_put(&d->frames, k.high64, k.low64, id);
}

static void load_stack(struct dict *d, sqlite3_stmt *q, uint32_t id)
{
	d->last_stack = MAX(d->last_stack, id);
	cache_put(&d->stacks, (uint64_t)sqlite3_column_int64(q, 1),
		  (uint64_t)sqlite3_column_int64(q, 2), id);
}

static int load(struct dict *d, struct db *db, enum sql id, int64_t limit, load_row row,
		struct err *e)
{
	cleanup_query sqlite3_stmt *q = NULL;
	int r = db_query(db, id, &q, e, "i", limit);

	while (r >= 0 && (r = db_step(db, q, e)) > 0)
		row(d, q, (uint32_t)sqlite3_column_int64(q, 0));
	return r;
}

int dict_load(struct dict *d, struct db *db, struct err *e)
{
	*d = (struct dict){
		.strings.limit = LIMIT_STRINGS,
		.functions.limit = LIMIT_FUNCTIONS,
		.frames.limit = LIMIT_FRAMES,
		.stacks.limit = LIMIT_STACKS,
		.labels.limit = LIMIT_LABELS,
	};
	int r = load(d, db, SQL_string_latest, LIMIT_STRINGS, load_string, e);

	if (r >= 0)
		r = load(d, db, SQL_function_latest, LIMIT_FUNCTIONS, load_function, e);
	if (r >= 0)
		r = load(d, db, SQL_frame_latest, LIMIT_FRAMES, load_frame, e);
	if (r >= 0)
		r = load(d, db, SQL_stack_latest, LIMIT_STACKS, load_stack, e);
	return r;
}

/* --- finding and adding ----------------------------------------------------------------------- */

static int next_id(uint32_t *last, uint32_t *ret_id, struct err *e)
{
	if (*last >= UINT32_MAX - 1)
		return err_set(e, -ENOSPC, "a day file has no numbers left");
	*ret_id = ++*last;
	return 0;
}

static int put_string(struct dict *d, struct db *db, const struct profile *p, uint32_t s,
		      struct dict_map *m, struct err *e)
{
	const char *text = profile_text(p, s);
	XXH128_hash_t k = key_of(text, strlen(text));

	if (!s || m->strings[s])
		return 0;
	m->strings[s] = cache_get(&d->strings, k.high64, k.low64);
	if (m->strings[s])
		return 0;
	int r = next_id(&d->last_string, &m->strings[s], e);

	if (r >= 0)
		r = db_run(db, SQL_string_add, e, "it", (int64_t)m->strings[s], text);
	if (r >= 0)
		cache_put(&d->strings, k.high64, k.low64, m->strings[s]);
	return r;
}

static int put_function(struct dict *d, struct db *db, const struct profile *p, uint32_t f,
			struct dict_map *m, struct err *e)
{
	const struct profile_function *fn = &p->functions.data[f];

	if (m->functions[f])
		return 0;
	int r = put_string(d, db, p, fn->name, m, e);

	if (r >= 0)
		r = put_string(d, db, p, fn->file, m, e);
	if (r >= 0)
		r = put_string(d, db, p, fn->module, m, e);
	if (r < 0)
		return r;
	uint32_t columns[5] = {m->strings[fn->name], m->strings[fn->file], m->strings[fn->module],
			       fn->start_line, fn->kind};
	XXH128_hash_t k = function_key(columns);

	m->functions[f] = cache_get(&d->functions, k.high64, k.low64);
	if (m->functions[f])
		return 0;
	r = next_id(&d->last_function, &m->functions[f], e);
	if (r >= 0)
		r = db_run(db, SQL_function_add, e, "iiiiii", (int64_t)m->functions[f],
			   (int64_t)columns[0], (int64_t)columns[1], (int64_t)columns[2],
			   (int64_t)columns[3], (int64_t)columns[4]);
	if (r >= 0)
		cache_put(&d->functions, k.high64, k.low64, m->functions[f]);
	return r;
}

static int put_frame(struct dict *d, struct db *db, const struct profile *p, uint32_t f,
		     struct dict_map *m, struct err *e)
{
	const struct profile_frame *fr = &p->frames.data[f];

	if (m->frames[f])
		return 0;
	int r = put_function(d, db, p, fr->function, m, e);

	if (r < 0)
		return r;
	uint32_t function = m->functions[fr->function];
	XXH128_hash_t k = frame_key(function, fr->line, fr->address);

	m->frames[f] = cache_get(&d->frames, k.high64, k.low64);
	if (m->frames[f])
		return 0;
	r = next_id(&d->last_frame, &m->frames[f], e);
	if (r >= 0)
		r = db_run(db, SQL_frame_add, e, "iiii", (int64_t)m->frames[f], (int64_t)function,
			   (int64_t)fr->line, (int64_t)fr->address);
	if (r >= 0)
		cache_put(&d->frames, k.high64, k.low64, m->frames[f]);
	return r;
}

static int put_stack(struct dict *d, struct db *db, const struct profile *p, uint32_t s,
		     struct dict_map *m, struct err *e)
{
	const struct profile_stack *st = &p->stacks.data[s];
	int r = put_frame(d, db, p, st->frame, m, e);

	if (r < 0)
		return r;
	uint32_t parent = m->stacks[st->parent], frame = m->frames[st->frame];

	m->stacks[s] = cache_get(&d->stacks, parent, frame);
	if (m->stacks[s])
		return 0;
	r = next_id(&d->last_stack, &m->stacks[s], e);
	if (r >= 0)
		r = db_run(db, SQL_stack_add, e, "iii", (int64_t)m->stacks[s], (int64_t)parent,
			   (int64_t)frame);
	if (r >= 0)
		cache_put(&d->stacks, parent, frame, m->stacks[s]);
	return r;
}

void dict_map_init(struct dict_map *m, const struct profile *p)
{
	m->strings = mem_calloc(strtab_count(&p->strings), sizeof(*m->strings));
	m->functions = mem_calloc(p->functions.len + 1, sizeof(*m->functions));
	m->frames = mem_calloc(p->frames.len + 1, sizeof(*m->frames));
	m->stacks = mem_calloc(p->stacks.len + 1, sizeof(*m->stacks));
}

void dict_map_fini(struct dict_map *m)
{
	free(m->strings);
	free(m->functions);
	free(m->frames);
	free(m->stacks);
}

int dict_stacks(struct dict *d, struct db *db, const struct profile *p, struct dict_map *m,
		struct err *e)
{
	cleanup_free bool *used = mem_calloc(p->stacks.len + 1, sizeof(*used));
	int r = 0;

	for (size_t i = 0; i < p->samples.len; i++)
		used[p->samples.data[i].stack] = true;
	/* Callers have smaller numbers: down to mark them, up to write them. */
	for (size_t i = p->stacks.len; i-- > 1;)
		if (used[i])
			used[p->stacks.data[i].parent] = true;
	for (size_t i = 1; r >= 0 && i < p->stacks.len; i++)
		if (used[i])
			r = put_stack(d, db, p, (uint32_t)i, m, e);
	return r;
}

int dict_labels(struct dict *d, struct db *db, const char *pairs, size_t len, uint32_t *ret_id,
		struct err *e)
{
	XXH128_hash_t k = key_of(pairs, len);
	uint32_t known = cache_get(&d->labels, k.high64, k.low64);
	int64_t id, hash = (int64_t)k.low64;

	if (known) {
		*ret_id = known;
		return 0;
	}
	/* A set without labels has a row too: a blob of no bytes, not NULL. */
	const void *blob = len ? pairs : "";
	int r = db_number(db, SQL_labelset_find, &id, e, "ib", hash, blob, len);

	if (r == -ENOENT) {
		r = db_run(db, SQL_labelset_add, e, "ib", hash, blob, len);
		id = db_last_id(db);
	}
	if (r < 0)
		return r;
	if (id > UINT32_MAX)
		return err_set(e, -ENOSPC, "a day file has no numbers left");
	*ret_id = (uint32_t)id;
	cache_put(&d->labels, k.high64, k.low64, *ret_id);
	return 0;
}
