#include "unwind/python/stack_copy.h"

enum {
	KEEP = 64,	  /* copies that a block is not needed in before it is left out */
	MAX_PARTS = 1024, /* stretches of adjacent blocks */
};

void stack_copy_fini(struct stack_copy *s)
{
	vec_fini(&s->blocks);
	vec_fini(&s->late);
	vec_fini(&s->late_bytes);
	free(s->bytes);
	*s = (struct stack_copy){};
}

static int by_address(const void *x, const void *y)
{
	const struct stack_block *a = x, *b = y;

	return (a->address > b->address) - (a->address < b->address);
}

/* What was read late may have been left out of a copy only. */
static void merge(struct stack_copy *s)
{
	size_t kept = 0;

	qsort(s->blocks.data, s->blocks.len, sizeof(s->blocks.data[0]), by_address);
	for (size_t i = 0; i < s->blocks.len; i++) {
		struct stack_block *last = kept ? &s->blocks.data[kept - 1] : NULL;
		const struct stack_block *b = &s->blocks.data[i];

		if (!last || last->address != b->address)
			s->blocks.data[kept++] = *b;
		else if (b->used > last->used)
			*last = *b;
	}
	s->blocks.len = kept;
}

static void forget_late(struct stack_copy *s)
{
	vec_clear(&s->late);
	vec_clear(&s->late_bytes);
}

/* From now on what was read late is copied, and what was not needed for long is not. */
static void plan(struct stack_copy *s)
{
	size_t kept = 0;

	s->hint = 0;
	if (!s->late.len && s->clock % KEEP)
		return;
	for (size_t i = 0; i < s->blocks.len; i++)
		if (s->clock - s->blocks.data[i].used <= KEEP)
			s->blocks.data[kept++] = s->blocks.data[i];
	s->blocks.len = kept;
	for (size_t i = 0; i < s->late.len && s->blocks.len < STACK_COPY_BLOCKS; i++)
		vec_push(&s->blocks, s->late.data[i]);
	if (s->late.len)
		merge(s);
	forget_late(s);
}

static size_t image_bytes(const struct stack_copy *s)
{
	return s->blocks.len * STACK_COPY_BLOCK;
}

/* A stretch of blocks, and what the last walks needed of it. */
struct stretch {
	struct memory_part part;
	uint32_t used, turn;
	bool middle;
};

/* The middle, then what the last walk needed in its order, then what older ones did. */
static int by_need(const void *x, const void *y)
{
	const struct stretch *a = x, *b = y;

	if (a->middle != b->middle)
		return b->middle - a->middle;
	if (a->turn != b->turn)
		return (a->turn > b->turn) - (a->turn < b->turn);
	return (a->used < b->used) - (a->used > b->used);
}

static bool is_earlier(const struct stack_block *b, const struct stretch *s)
{
	return b->used > s->used || (b->used == s->used && b->turn < s->turn);
}

/* Adjacent blocks are one part. Returns how many parts there are, 0: too many. */
static size_t make_stretches(struct stack_copy *s, struct stretch *parts)
{
	size_t n = 0;

	for (size_t i = 0; i < s->blocks.len; i++) {
		struct stack_block *b = &s->blocks.data[i];
		struct stretch *last = n ? &parts[n - 1] : NULL;
		uint8_t *to = s->bytes + i * STACK_COPY_BLOCK;

		b->copied = s->clock;
		b->compared = false;
		b->middle = b->middle_next;
		if (!last || last->part.address + last->part.n != b->address ||
		    last->middle != b->middle) {
			if (n == MAX_PARTS)
				return 0;
			parts[n++] = (struct stretch){
				{b->address, to, STACK_COPY_BLOCK}, b->used, b->turn, b->middle};
			continue;
		}
		last->part.n += STACK_COPY_BLOCK;
		if (is_earlier(b, last)) {
			last->used = b->used;
			last->turn = b->turn;
		}
	}
	qsort(parts, n, sizeof(*parts), by_need);
	return n;
}

/* The first image in the order of the walk, but what tells which frame ran before all else; then
 * the second, without the middle, in the opposite order. */
static size_t both_ways(const struct stack_copy *s, const struct stretch *stretches, size_t n,
			struct memory_part *parts)
{
	size_t first = 0, all = 0;

	while (!s->pointer_tells && first + 1 < n && stretches[first].middle)
		first++;
	parts[all++] = stretches[first].part;
	for (size_t i = 0; i < n; i++)
		if (i != first)
			parts[all++] = stretches[i].part;
	for (size_t i = n; i-- > 0 && !stretches[i].middle;) {
		parts[all] = stretches[i].part;
		parts[all].buf = (uint8_t *)parts[all].buf + image_bytes(s);
		all++;
	}
	return all;
}

bool stack_copy_take(struct stack_copy *s, const struct memory *m, const struct memory_part *others,
		     size_t n_others)
{
	struct memory_part parts[STACK_IMAGES * MAX_PARTS + STACK_COPY_OTHERS];
	struct stretch stretches[MAX_PARTS];
	size_t n, all;

	s->clock++;
	s->turns = 0;
	s->in_middle = true;
	plan(s);
	all = image_bytes(s) * STACK_IMAGES;
	if (all > s->bytes_cap) {
		s->bytes = mem_reallocarray(s->bytes, all, 2);
		s->bytes_cap = all * 2;
	}
	n = make_stretches(s, stretches);
	all = n ? both_ways(s, stretches, n, parts) : 0;
	for (size_t i = 0; i < n_others && i < STACK_COPY_OTHERS; i++)
		parts[all++] = others[i];
	if (n && memory_read_parts(m, parts, all) == all)
		return true;
	vec_clear(&s->blocks);
	return false;
}

/* The block at this address; NULL where it was not copied. */
static struct stack_block *find_block(struct stack_copy *s, uint64_t address)
{
	size_t low = 0, high = s->blocks.len;

	if (s->hint < high && s->blocks.data[s->hint].address == address)
		low = high = s->hint;
	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (s->blocks.data[mid].address < address)
			low = mid + 1;
		else
			high = mid;
	}
	if (low == s->blocks.len || s->blocks.data[low].address != address ||
	    s->blocks.data[low].copied != s->clock)
		return NULL;
	s->hint = low;
	return &s->blocks.data[low];
}

static const uint8_t *read_late(struct stack_copy *s, const struct memory *m, uint64_t address)
{
	struct stack_block new = {
		.address = address,
		.used = s->clock,
		.turn = s->turns,
		.at = s->late.len,
		.middle_next = s->in_middle,
	};

	for (size_t i = s->late.len; i-- > 0;)
		if (s->late.data[i].address == address)
			return s->late_bytes.data + (size_t)s->late.data[i].at * STACK_COPY_BLOCK;
	if (s->late.len >= STACK_COPY_BLOCKS)
		return NULL;
	vec_reserve(&s->late_bytes, STACK_COPY_BLOCK);
	if (memory_read(m, address, s->late_bytes.data + s->late_bytes.len, STACK_COPY_BLOCK))
		return NULL;
	s->late_bytes.len += STACK_COPY_BLOCK;
	vec_push(&s->late, new);
	s->turns++;
	return s->late_bytes.data + (size_t) new.at *STACK_COPY_BLOCK;
}

bool stack_copy_is_same(struct stack_copy *s, uint64_t address)
{
	struct stack_block *b = find_block(s, address & ~(uint64_t)(STACK_COPY_BLOCK - 1));

	if (!b || b->middle)
		return b;
	if (!b->compared) {
		const uint8_t *first = s->bytes + (size_t)(b - s->blocks.data) * STACK_COPY_BLOCK;

		b->compared = true;
		b->same = !memcmp(first, first + image_bytes(s), STACK_COPY_BLOCK);
	}
	return b->same;
}

/* A block's bytes in an image. */
static const uint8_t *bytes_of(const struct stack_copy *s, const struct stack_block *b,
			       enum stack_image image)
{
	const uint8_t *bytes = s->bytes + (size_t)(b - s->blocks.data) * STACK_COPY_BLOCK;

	return !b->middle && image == STACK_SECOND ? bytes + image_bytes(s) : bytes;
}

static void mark_used(struct stack_copy *s, struct stack_block *b)
{
	if (b->used != s->clock) {
		b->turn = s->turns++;
		b->middle_next = s->in_middle;
	}
	b->used = s->clock;
}

/* The part of n bytes that lies in the block of an address. */
static size_t part_in_block(uint64_t address, size_t n)
{
	return MIN(n, STACK_COPY_BLOCK - (size_t)(address % STACK_COPY_BLOCK));
}

int stack_copy_read(struct stack_copy *s, const struct memory *m, enum stack_image image,
		    uint64_t address, void *buf, size_t n)
{
	uint8_t *out = buf;

	while (n) {
		size_t skip = address % STACK_COPY_BLOCK, some = part_in_block(address, n);
		struct stack_block *b = find_block(s, address - skip);
		const uint8_t *bytes;

		if (b)
			mark_used(s, b);
		bytes = b ? bytes_of(s, b, image) : read_late(s, m, address - skip);
		if (!bytes)
			return -EFAULT;
		memcpy(out, bytes + skip, some);
		out += some;
		address += some;
		n -= some;
	}
	return 0;
}

int stack_copy_peek(struct stack_copy *s, enum stack_image image, uint64_t address, void *buf,
		    size_t n)
{
	uint8_t *out = buf;

	while (n) {
		size_t skip = address % STACK_COPY_BLOCK, some = part_in_block(address, n);
		const struct stack_block *b = find_block(s, address - skip);

		if (!b)
			return -EFAULT;
		memcpy(out, bytes_of(s, b, image) + skip, some);
		out += some;
		address += some;
		n -= some;
	}
	return 0;
}
