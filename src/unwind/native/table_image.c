#include "unwind/native/table_image.h"

enum {
	/* The last part of the table of rules is for the builder, which makes no chains then. */
	MAX_USED_RULES = UNWIND_MAX_RULES / 8 * 7,
	HASH_START = offsetof(struct table_image_header, key),
};
static const char magic[8] = "glimrows";

/* --- writing -----------------------------------------------------------------------------------*/

struct writer {
	const struct unwind_rules *rules;
	uint16_t *numbers; /* of the machine's rules in the image; 0: not yet */
	VEC(struct unwind_rule) own;
};

/* The number of a rule in the image; those before it in its chain come first. */
static uint16_t number_of(struct writer *w, uint16_t index)
{
	uint16_t chain[UNWIND_RULE_STEPS];
	int n = 0;

	for (; index != UNWIND_NO_RULE && !w->numbers[index]; n++) {
		CHECK(n < UNWIND_RULE_STEPS);
		chain[n] = index;
		if (!w->rules->rules.data[index].from)
			index = UNWIND_NO_RULE;
		else
			index = w->rules->rules.data[index].earlier;
	}
	while (n--) {
		struct unwind_rule rule = w->rules->rules.data[chain[n]];

		if (rule.from && rule.earlier)
			rule.earlier = w->numbers[rule.earlier];
		vec_push(&w->own, rule);
		w->numbers[chain[n]] = (uint16_t)w->own.len;
		index = chain[n];
	}
	return index == UNWIND_NO_RULE ? 0 : w->numbers[index];
}

static uint32_t saturated(size_t n)
{
	return (uint32_t)MIN(n, (size_t)UINT32_MAX);
}

void table_image_write(const struct table_image_key *key, const struct unwind_table *t,
		       const struct unwind_rules *rules, struct buf *out)
{
	struct writer w = {rules, mem_calloc(UNWIND_MAX_RULES, sizeof(uint16_t)), {}};
	struct table_image_header h = {.version = TABLE_IMAGE_VERSION,
				       .header_size = sizeof(h),
				       .key = *key,
				       .base = t->base,
				       .pages = (uint32_t)t->pages.len,
				       .rows = (uint32_t)t->rows.len,
				       .bad = saturated(t->bad)};
	size_t start = out->len;
	unwind_row *rows = mem_calloc(t->rows.len, sizeof(*rows));

	for (size_t i = 0; i < t->rows.len; i++)
		rows[i] = (t->rows.data[i] & 0xffff0000) | number_of(&w, (uint16_t)t->rows.data[i]);
	for (int i = 0; i < UNWIND_WHY_COUNT; i++)
		h.unsupported[i] = saturated(t->unsupported[i]);
	memcpy(h.magic, magic, sizeof(h.magic));
	h.rules = (uint32_t)w.own.len;
	buf_append(out, &h, sizeof(h));
	buf_append(out, w.own.data, w.own.len * sizeof(*w.own.data));
	for (size_t i = 0; i < t->pages.len; i++) {
		uint16_t count = (uint16_t)t->pages.data[i].count;

		buf_append(out, &count, sizeof(count));
	}
	buf_append(out, rows, t->rows.len * sizeof(*rows));
	uint64_t hash = hash_bytes(out->data + start + HASH_START, out->len - start - HASH_START);

	memcpy(out->data + start + offsetof(struct table_image_header, hash), &hash, sizeof(hash));
	free(rows);
	free(w.numbers);
	vec_fini(&w.own);
}

/* --- reading -----------------------------------------------------------------------------------*/

struct image {
	struct table_image_header header;
	struct unwind_rule *rules; /* [0] is UNWIND_NO_RULE */
	struct unwind_table table; /* with numbers of the image's rules, until they are replaced */
};

static void image_fini(struct image *image)
{
	free(image->rules);
	unwind_table_fini(&image->table);
}

/* Sizes are right, and nothing was changed by accident. */
static int check_header(const uint8_t *data, size_t n, struct table_image_header *ret)
{
	struct table_image_header h;

	if (n < sizeof(h))
		return -EBADMSG;
	memcpy(&h, data, sizeof(h));
	if (memcmp(h.magic, magic, sizeof(h.magic)) != 0 || h.version != TABLE_IMAGE_VERSION ||
	    h.header_size != sizeof(h) || h.rules >= UNWIND_MAX_RULES ||
	    h.pages > UNWIND_MAX_PAGES || h.base % (1 << UNWIND_PAGE_SHIFT))
		return -EBADMSG;
	if (n != sizeof(h) + (uint64_t)h.rules * sizeof(struct unwind_rule) +
			    (uint64_t)h.pages * sizeof(uint16_t) +
			    (uint64_t)h.rows * sizeof(unwind_row) ||
	    hash_bytes(data + HASH_START, n - HASH_START) != h.hash)
		return -EBADMSG;
	*ret = h;
	return 0;
}

/* Of a checked size. */
static void unpack(const uint8_t *at, struct image *image)
{
	const struct table_image_header *h = &image->header;
	struct unwind_table *t = &image->table;
	uint32_t first = 0;

	image->rules = mem_calloc(h->rules + 1, sizeof(*image->rules));
	image->rules[0] = (struct unwind_rule){.cfa = UNWIND_CFA_NONE};
	memcpy(image->rules + 1, at, h->rules * sizeof(*image->rules));
	at += h->rules * sizeof(*image->rules);
	t->base = h->base;
	t->bad = h->bad;
	for (int i = 0; i < UNWIND_WHY_COUNT; i++)
		t->unsupported[i] = h->unsupported[i];
	vec_reserve(&t->pages, h->pages);
	for (uint32_t i = 0; i < h->pages; i++, at += sizeof(uint16_t)) {
		uint16_t count;

		memcpy(&count, at, sizeof(count));
		vec_push(&t->pages, (struct unwind_table_page){first, count});
		first += count;
	}
	vec_reserve(&t->rows, h->rows + 1);
	memcpy(t->rows.data, at, h->rows * sizeof(unwind_row));
	t->rows.len = h->rows;
}

/* Chains lead to smaller numbers, and end. */
static bool rules_are_sound(const struct image *image)
{
	cleanup_free uint8_t *steps = mem_calloc(image->header.rules + 1, 1);

	for (uint32_t i = 0; i <= image->header.rules; i++) {
		const struct unwind_rule *r = &image->rules[i];

		steps[i] = 1;
		if (r->cfa >= UNWIND_CFA_COUNT || r->rbp > UNWIND_PLACE_UNDEFINED ||
		    r->rbx > UNWIND_PLACE_UNDEFINED ||
		    (r->ra & ~UNWIND_FLAGS) >= UNWIND_PLACE_COUNT)
			return false;
		if (!r->from) {
			if (r->earlier)
				return false;
			continue;
		}
		if (r->earlier >= i || image->rules[r->earlier].from >= r->from)
			return false;
		steps[i] = steps[r->earlier] + 1;
		if (steps[i] > UNWIND_RULE_STEPS)
			return false;
	}
	return true;
}

/* A page starts with a row, and its rows rise. */
static bool rows_are_sound(const struct image *image)
{
	const struct unwind_table *t = &image->table;
	size_t next = 0;

	for (size_t page = 0; page < t->pages.len; page++) {
		uint32_t count = t->pages.data[page].count;
		const unwind_row *rows = t->rows.data + next;

		if (count > t->rows.len - next)
			return false;
		for (uint32_t i = 0; i < count; i++)
			if ((rows[i] & 0xffff) > image->header.rules ||
			    (i ? rows[i] >> 16 <= rows[i - 1] >> 16 : rows[i] >> 16))
				return false;
		next += count;
	}
	return next == t->rows.len;
}

/* Give its rules the machine's numbers; -ENOSPC when they do not fit. */
static int renumber(struct image *image, struct unwind_rules *rules)
{
	if (rules->rules.len + image->header.rules > MAX_USED_RULES)
		return -ENOSPC;
	cleanup_free uint16_t *numbers = mem_calloc(image->header.rules + 1, sizeof(*numbers));

	for (uint32_t i = 1; i <= image->header.rules; i++) {
		struct unwind_rule rule = image->rules[i];

		if (rule.from)
			rule.earlier = numbers[rule.earlier];
		int number = unwind_rules_add(rules, &rule);

		CHECK(number >= 0);
		numbers[i] = (uint16_t)number;
	}
	for (size_t i = 0; i < image->table.rows.len; i++) {
		unwind_row *row = &image->table.rows.data[i];

		*row = (*row & 0xffff0000) | numbers[*row & 0xffff];
	}
	return 0;
}

int table_image_read(const void *data, size_t n, const struct table_image_key *key,
		     struct unwind_rules *rules, struct unwind_table *ret)
{
	cleanup(image_fini) struct image image = {};
	int r = check_header(data, n, &image.header);

	if (r)
		return r;
	if (memcmp(&image.header.key, key, sizeof(*key)) != 0)
		return -ESTALE;
	unpack((const uint8_t *)data + sizeof(image.header), &image);
	if (!rules_are_sound(&image) || !rows_are_sound(&image))
		return -EBADMSG;
	r = renumber(&image, rules);
	if (!r) {
		*ret = image.table;
		image.table = (struct unwind_table){};
	}
	return r;
}
