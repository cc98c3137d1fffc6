#include "unwind/python/pymalloc.h"

#include "unwind/python/layout.h"
#include "unwind/python/pymalloc_file.h"

/* CPython Objects/obmalloc.c to 3.11, Include/internal/pycore_obmalloc.h of 3.12 to 3.15: struct
 * arena_object and struct pool_header are the same from 2.7 to 3.15. */
struct arena_object {
	uint64_t address, pool_address; /* pools from there on were never used */
	uint32_t free_pools, total_pools;
	uint64_t links[3];
};
struct pool_header {
	uint32_t count, unused; /* of blocks in use */
	uint64_t links[3];
	uint32_t arena, size_class;	   /* blocks of (size_class + 1) * alignment bytes */
	uint32_t next_offset, last_offset; /* the latter of the last block */
};
_Static_assert(sizeof(struct arena_object) == 48 && sizeof(struct pool_header) == 48,
	       "as CPython has them");

enum {
	LARGEST = 512,	      /* SMALL_REQUEST_THRESHOLD */
	FIRST_ARENAS = 16,    /* INITIAL_ARENA_OBJECTS, which doubles */
	MAX_ARENAS = 1 << 20, /* room for them; a terabyte since 3.10 */
	MAX_POOLS = 1 << 24,  /* looked at in one reading */
	MAX_IN_ARENA = 512,   /* pools: 64 of it are usual, 128 with huge pages */
	MAX_INTERPRETERS = 256,
	MAX_TRIES = 3,
	SMALL_POOL = 4096,  /* to 3.9, and without the radix tree */
	LARGE_POOL = 16384, /* from 3.10 on */
	ARENAS_AT_ONCE = 256,
	POOLS_AT_ONCE = 512,
	USED_POOLS = 64, /* OBMALLOC_USED_POOLS_SIZE, a pair for each size */
};

/* Include/internal/pycore_interp.h (3.14, 3.15: pycore_interp_structs.h): PyInterpreterState's
 * obmalloc, the state itself in 3.12 and a pointer to it since. 3.12.1, 3.13.0 and 3.13.18,
 * 3.14.10, 3.15.2. */
static const struct {
	uint32_t minor;
	uint16_t at;
	bool elsewhere;
} places[] = {
	{0x030c, 3960, false},
	{0x030d, 10800, true},
	{0x030e, 10904, true},
	{0x030f, 10880, true},
};
/* The start of struct _obmalloc_state. */
struct state {
	uint64_t used[USED_POOLS];
	uint64_t arenas;
	uint32_t count;
};

/* A reading on its way. */
struct pymalloc_batch {
	struct arena_object arenas[ARENAS_AT_ONCE];
	struct memory_part parts[POOLS_AT_ONCE];
	uint32_t owners[POOLS_AT_ONCE]; /* the arena of each */
	struct pool_header pools[POOLS_AT_ONCE];
	size_t n;
	uint64_t looked_at;
	struct python_heap heap;
};

/* ---- what makes sense ---- */

static uint64_t first_pool(const struct arena_object *a, uint32_t pool_bytes)
{
	return (a->address + pool_bytes - 1) / pool_bytes * pool_bytes;
}

static bool arena_is_sound(const struct arena_object *a)
{
	return a->address < 1ULL << 47 && a->pool_address >= a->address && a->total_pools &&
	       a->total_pools <= MAX_IN_ARENA && a->free_pools <= a->total_pools &&
	       a->pool_address - a->address <= (a->total_pools + 1ULL) * LARGE_POOL;
}

/* Its last block ends where the pool ends, which says how large its blocks are. */
static bool pool_is_sound(const struct python_pymalloc *a, const struct pool_header *p,
			  uint32_t arena)
{
	uint32_t bytes;

	if (p->arena != arena || p->size_class >= LARGEST / a->alignment)
		return false;
	bytes = (p->size_class + 1) * a->alignment;
	return p->last_offset == a->pool_bytes - bytes && p->count &&
	       p->count <= (a->pool_bytes - sizeof(*p)) / bytes;
}

/* Learn from a pool how large pools are, and sizes of blocks apart. */
static bool learn(struct python_pymalloc *a, const struct pool_header *p, uint32_t pool_bytes)
{
	uint32_t bytes = pool_bytes - p->last_offset;

	if (p->last_offset >= pool_bytes || bytes > LARGEST || p->size_class >= LARGEST / 8)
		return false;
	if (bytes != (p->size_class + 1) * 8 && bytes != (p->size_class + 1) * 16)
		return false;
	a->pool_bytes = pool_bytes;
	a->alignment = bytes / (p->size_class + 1);
	return true;
}

/* ---- pools ---- */

static void count_pool(const struct python_pymalloc *a, const struct pool_header *p, uint32_t arena,
		       struct python_heap *heap)
{
	if (!p->count)
		return;
	if (!pool_is_sound(a, p, arena)) {
		heap->odd++;
		return;
	}
	heap->pools++;
	heap->blocks += p->count;
	heap->bytes += (uint64_t)p->count * (p->size_class + 1) * a->alignment;
}

/* Those that are gone meanwhile are odd, too. */
static void read_pools(struct python_pymalloc *a)
{
	struct pymalloc_batch *b = a->batch;

	for (size_t i = 0; i < b->n; i++) {
		size_t got = memory_read_parts(&a->memory, b->parts + i, b->n - i);

		for (size_t k = i; k < i + got; k++)
			count_pool(a, &b->pools[k], b->owners[k], &b->heap);
		i += got;
		b->heap.odd += i < b->n;
	}
	b->n = 0;
}

static int add_arena(struct python_pymalloc *a, const struct arena_object *arena, uint32_t index)
{
	struct pymalloc_batch *b = a->batch;

	if (!arena->address)
		return 0;
	if (!arena_is_sound(arena))
		return -EBADMSG;
	b->heap.arenas++;
	b->heap.arena_bytes += (uint64_t)arena->total_pools * a->pool_bytes;
	for (uint64_t at = first_pool(arena, a->pool_bytes); at < arena->pool_address;
	     at += a->pool_bytes) {
		if (++b->looked_at > MAX_POOLS)
			return -E2BIG;
		b->parts[b->n] =
			(struct memory_part){at, &b->pools[b->n], sizeof(struct pool_header)};
		b->owners[b->n] = index;
		if (++b->n == POOLS_AT_ONCE)
			read_pools(a);
	}
	return 0;
}

static int add_arenas(struct python_pymalloc *a, uint64_t address, uint32_t count)
{
	struct pymalloc_batch *b = a->batch;

	if (!address)
		return 0;
	if (count > MAX_ARENAS)
		return -E2BIG;
	for (uint32_t i = 0; i < count; i += ARENAS_AT_ONCE) {
		uint32_t n = MIN(count - i, (uint32_t)ARENAS_AT_ONCE);
		int r = memory_read(&a->memory, address + i * sizeof(*b->arenas), b->arenas,
				    n * sizeof(*b->arenas));

		for (uint32_t k = 0; !r && k < n; k++)
			r = add_arena(a, &b->arenas[k], i + k);
		if (r < 0)
			return r;
	}
	read_pools(a);
	return 0;
}

/* ---- who keeps them ---- */

/* An empty list of pools points at itself, as if it were a pool. */
static bool state_is_sound(const struct state *s, uint64_t address)
{
	for (uint64_t i = 0; i < USED_POOLS; i++) {
		uint64_t itself = address + i / 2 * 16 - 16;

		if (s->used[i] != itself && (!s->used[i] || s->used[i] % SMALL_POOL))
			return false;
	}
	return true;
}

static int read_state(const struct python_pymalloc *a, uint64_t interpreter, uint64_t *ret_address,
		      struct state *ret)
{
	uint64_t address = interpreter + a->state_at;
	int r = 0;

	if (a->state_elsewhere)
		r = memory_read(&a->memory, address, &address, sizeof(address));
	if (!r)
		r = memory_read(&a->memory, address, ret, sizeof(*ret));
	/* One that began no arena may be not set up yet. */
	if (!r && ret->arenas && !state_is_sound(ret, address))
		r = -EBADMSG;
	*ret_address = address;
	return r;
}

/* Call with each table of arenas. Interpreters may share one state. */
static int each_table(struct python_pymalloc *a,
		      int (*tell)(struct python_pymalloc *a, uint64_t address, uint32_t count))
{
	const struct python_process *p = &a->python.process;
	uint64_t interpreter, address, seen[MAX_INTERPRETERS];
	struct state s = {};
	size_t n = 0;
	int r;

	if (!a->state_at) {
		r = memory_read(&a->memory, a->arenas_at, &address, sizeof(address));
		if (!r)
			r = memory_read(&a->memory, a->count_at, &s.count, sizeof(s.count));
		return r ? r : tell(a, address, s.count);
	}
	r = memory_read(&a->memory, p->interpreters, &interpreter, sizeof(interpreter));
	for (int i = 0; !r && interpreter && i < MAX_INTERPRETERS; i++) {
		bool known = false;

		r = read_state(a, interpreter, &address, &s);
		for (size_t k = 0; k < n; k++)
			known |= seen[k] == address;
		seen[n++] = address;
		if (!r && !known)
			r = tell(a, s.arenas, s.count);
		if (!r)
			r = memory_read(&a->memory, interpreter + p->layout.interpreter_next,
					&interpreter, sizeof(interpreter));
	}
	return r;
}

/* ---- finding it ---- */

/* Look at the first pool of an arena. */
static bool learn_from(struct python_pymalloc *a, const struct arena_object *arena, uint32_t index)
{
	static const uint32_t sizes[] = {LARGE_POOL, SMALL_POOL};
	struct pool_header p;

	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		uint64_t at = first_pool(arena, sizes[i]);

		if (at < arena->pool_address && !memory_read(&a->memory, at, &p, sizeof(p)) &&
		    p.arena == index && learn(a, &p, sizes[i]))
			return true;
	}
	return false;
}

/* Is this a table of arenas? Stops at the first arena that says how pools are. */
static int look_at_table(struct python_pymalloc *a, uint64_t address, uint32_t count)
{
	struct arena_object arena;

	if (!address || count < FIRST_ARENAS || count > MAX_ARENAS || count & (count - 1))
		return 0;
	for (uint32_t i = 0; i < MIN(count, (uint32_t)ARENAS_AT_ONCE); i++) {
		if (memory_read(&a->memory, address + i * sizeof(arena), &arena, sizeof(arena)))
			return 0;
		if (arena.address && !arena_is_sound(&arena))
			return 0;
		if (arena.address && learn_from(a, &arena, i))
			return 1;
	}
	return 0;
}

/* Of the variables that may be it, those that lead to arenas. */
static bool choose(struct python_pymalloc *a, const struct pymalloc_places *p)
{
	for (size_t i = 0; i < p->narenas; i++)
		for (size_t k = 0; k < p->ncounts; k++) {
			a->arenas_at = p->arenas[i];
			a->count_at = p->counts[k];
			if (each_table(a, look_at_table) == 1)
				return true;
		}
	return false;
}

static int find(struct python_pymalloc *a, const struct process *p, struct err *e)
{
	uint32_t version = a->python.version, minor = python_minor(version);
	struct pymalloc_places variables;
	bool found = false, known = minor == 0x0207 || (minor >= 0x0306 && minor <= 0x030b);

	if (a->python.process.layout.free_threaded)
		return err_set(e, -ENOTSUP,
			       "a Python without a GIL has another allocator, whose bytes glim "
			       "cannot count from outside");
	for (size_t i = 0; i < ARRAY_SIZE(places); i++)
		if (places[i].minor == minor) {
			known = true;
			a->state_at = places[i].at;
			a->state_elsewhere = places[i].elsewhere;
			found = each_table(a, look_at_table) == 1;
		}
	if (!known)
		return err_set(e, -ENOTSUP, "where Python %u.%u counts its objects is not known",
			       version >> 24, version >> 16 & 0xff);
	if (!a->state_at) {
		pymalloc_file_read(p, a->python.eval_start[0], &variables);
		found = choose(a, &variables);
	}
	if (!found)
		return err_set(e, -ENOTSUP,
			       "Python's own allocator was not found in it: its objects come from "
			       "malloc (PYTHONMALLOC), or this build keeps it in another place");
	return 0;
}

int python_pymalloc_open(const struct process *p, const struct memory *m, const struct python *py,
			 struct python_pymalloc *ret, struct err *e)
{
	struct python_pymalloc a = {.memory = *m, .python = *py};
	int r = find(&a, p, e);

	if (r < 0)
		return r;
	a.batch = mem_calloc(1, sizeof(*a.batch));
	*ret = a;
	return 0;
}

void python_pymalloc_close(struct python_pymalloc *a)
{
	free(a->batch);
	*a = (struct python_pymalloc){};
}

int python_pymalloc_read(struct python_pymalloc *a, struct python_heap *ret)
{
	int r = -EBADMSG;

	/* The table may move while it is read. */
	for (int tries = 0; tries < MAX_TRIES && (r == -EBADMSG || r == -EFAULT); tries++) {
		a->batch->n = 0;
		a->batch->looked_at = 0;
		a->batch->heap = (struct python_heap){};
		r = each_table(a, add_arenas);
		/* A few pools change at any time; most do not. */
		if (!r && a->batch->heap.odd > a->batch->heap.pools / 8 + 8)
			r = -EBADMSG;
	}
	if (!r)
		*ret = a->batch->heap;
	return r;
}
