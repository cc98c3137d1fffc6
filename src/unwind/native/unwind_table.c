#include "unwind/native/unwind_table.h"

enum {
	/* A state that lasts no longer than this shares the row of the next one. Pushes, pops and
	 * small moves of the stack pointer are that short; longer states are more varied, so that
	 * sharing them makes more rules than it saves rows. */
	SHORT_STATE = 4,
	MAX_FROM = UINT8_MAX,
	MAX_ROWS = 16 << 20,
	MAX_ROWS_A_PAGE = UINT16_MAX,
	PAGE = 1 << UNWIND_PAGE_SHIFT,
};

const char *const unwind_why_names[UNWIND_WHY_COUNT] = {
	[UNWIND_WHY_CFA_EXPRESSION] = "CFA expression",
	[UNWIND_WHY_CFA_REGISTER] = "CFA register",
	[UNWIND_WHY_RANGE] = "offset out of range",
	[UNWIND_WHY_RSP] = "rsp is not the CFA",
	[UNWIND_WHY_RBP] = "place of rbp",
	[UNWIND_WHY_RBX] = "place of rbx",
	[UNWIND_WHY_RETURN] = "place of the return address",
	[UNWIND_WHY_FULL] = "too many rules",
};

void unwind_rules_init(struct unwind_rules *r)
{
	const struct unwind_rule none = {.cfa = UNWIND_CFA_NONE};

	*r = (struct unwind_rules){};
	CHECK(unwind_rules_add(r, &none) == UNWIND_NO_RULE);
}

void unwind_rules_fini(struct unwind_rules *r)
{
	vec_fini(&r->rules);
	hash_index_fini(&r->index);
}

void unwind_rules_copy(struct unwind_rules *to, const struct unwind_rules *from)
{
	*to = (struct unwind_rules){};
	vec_reserve(&to->rules, from->rules.len);
	memcpy(to->rules.data, from->rules.data, from->rules.len * sizeof(*to->rules.data));
	to->rules.len = from->rules.len;
	hash_index_copy(&to->index, &from->index);
}

static uint64_t rule_hash(const struct unwind_rule *rule)
{
	uint64_t words[2];

	_Static_assert(sizeof(words) == sizeof(*rule), "all of it");
	memcpy(words, rule, sizeof(words));
	return hash_mix(words[0], words[1]);
}

int unwind_rules_add(struct unwind_rules *r, const struct unwind_rule *rule)
{
	uint64_t hash = rule_hash(rule);
	struct hash_iter it;
	uint32_t i;

	for (i = hash_index_first(&r->index, hash, &it); i != HASH_NONE;
	     i = hash_index_next(&r->index, &it))
		if (!memcmp(&r->rules.data[i], rule, sizeof(*rule)))
			return (int)i;
	if (r->rules.len >= UNWIND_MAX_RULES)
		return -ENOSPC;
	hash_index_add(&r->index, hash, (uint32_t)r->rules.len);
	vec_push(&r->rules, *rule);
	return (int)r->rules.len - 1;
}

void unwind_table_fini(struct unwind_table *t)
{
	vec_fini(&t->rows);
	vec_fini(&t->pages);
}

const struct unwind_rule *unwind_table_find(const struct unwind_table *t,
					    const struct unwind_rules *r, uint64_t address)
{
	uint64_t offset = address - t->base, page = offset >> UNWIND_PAGE_SHIFT;
	unwind_row key = (unwind_row)((offset & 0xffff) << 16 | 0xffff);
	const struct unwind_rule *rule;

	if (address < t->base || page >= t->pages.len || !t->pages.data[page].count)
		return &r->rules.data[UNWIND_NO_RULE];
	const unwind_row *rows = t->rows.data + t->pages.data[page].first;
	uint32_t low = 0, high = t->pages.data[page].count;

	while (high - low > 1) {
		uint32_t middle = (low + high) / 2;

		if (rows[middle] <= key)
			low = middle;
		else
			high = middle;
	}
	uint32_t behind = (key >> 16) - (rows[low] >> 16);

	rule = &r->rules.data[rows[low] & 0xffff];
	while (behind < rule->from)
		rule = &r->rules.data[rule->earlier];
	return rule;
}

/* Numbers of the rules that the copy has beyond the common ones; a chain leads to smaller ones. */
static int merge_rules(const struct unwind_rules *copy, size_t common, struct unwind_rules *into,
		       uint16_t *numbers)
{
	for (size_t i = common; i < copy->rules.len; i++) {
		struct unwind_rule rule = copy->rules.data[i];

		if (rule.from && rule.earlier >= common)
			rule.earlier = numbers[rule.earlier - common];
		int number = unwind_rules_add(into, &rule);

		if (number < 0)
			return number;
		numbers[i - common] = (uint16_t)number;
	}
	return 0;
}

int unwind_table_merge(struct unwind_table *t, const struct unwind_rules *copy, size_t common,
		       struct unwind_rules *into)
{
	CHECK(common <= copy->rules.len && common <= into->rules.len);
	bool same = into->rules.len == common;
	cleanup_free uint16_t *numbers = mem_calloc(copy->rules.len - common + 1, sizeof(*numbers));
	int r = merge_rules(copy, common, into, numbers);

	if (r || same)
		return r;
	for (size_t i = 0; i < t->rows.len; i++) {
		unwind_row row = t->rows.data[i];

		if ((row & 0xffff) >= common)
			t->rows.data[i] = (row & 0xffff0000) | numbers[(row & 0xffff) - common];
	}
	return 0;
}

void unwind_page_index(struct unwind_page *page, const unwind_row *rows)
{
	uint32_t at = 0;

	for (uint32_t part = 0; part < UNWIND_PAGE_PARTS; part++) {
		unwind_row key = part << UNWIND_PART_SHIFT << 16 | 0xffff;

		while (at + 1 < page->count && rows[at + 1] <= key)
			at++;
		page->starts[part] = (uint16_t)at;
	}
	page->starts[UNWIND_PAGE_PARTS] = page->count - 1;
}

void unwind_writer_init(struct unwind_writer *w, struct unwind_table *t, struct unwind_rules *r,
			uint64_t first)
{
	t->base = first & ~(uint64_t)(PAGE - 1);
	*w = (struct unwind_writer){.table = t, .rules = r};
}

/* Pages up to that of address, with no rows yet. */
static int open_page(struct unwind_table *t, uint64_t address)
{
	uint64_t page = (address - t->base) >> UNWIND_PAGE_SHIFT;
	uint32_t row = (uint32_t)t->rows.len;

	if (page >= UNWIND_MAX_PAGES)
		return -EFBIG;
	while (t->pages.len <= page)
		vec_push(&t->pages, (struct unwind_table_page){row, 0});
	return 0;
}

static int put_row(struct unwind_writer *w, uint64_t address, int rule)
{
	struct unwind_table *t = w->table;
	uint32_t low = (uint32_t)(address - t->base) & (PAGE - 1);
	int r = open_page(t, address);

	if (r)
		return r;
	struct unwind_table_page *page = &t->pages.data[t->pages.len - 1];

	/* A chain counts from its own row. */
	if (page->count && (t->rows.data[t->rows.len - 1] & 0xffff) == (uint32_t)rule &&
	    !w->rules->rules.data[rule].from)
		return 0;
	if (t->rows.len >= MAX_ROWS || page->count + 2 > MAX_ROWS_A_PAGE)
		return -EFBIG;
	if (low && !page->count) { /* a page starts with a row */
		vec_push(&t->rows, UNWIND_NO_RULE);
		page->count++;
	}
	vec_push(&t->rows, low << 16 | (unwind_row)rule);
	page->count++;
	return 0;
}

/* Index of a rule without a chain. */
static int plain(struct unwind_writer *w, const struct unwind_rule *rule)
{
	int i = unwind_rules_add(w->rules, rule);

	if (i != -ENOSPC)
		return i;
	w->table->unsupported[UNWIND_WHY_FULL]++;
	return UNWIND_NO_RULE;
}

/* How often a file must have a chain to get one, by how many rules there are: what is left of the
 * table goes to the most common chains, its last part to plain rules only. */
static const struct {
	size_t rules;
	unsigned int count;
} thresholds[] = {{16384, 1}, {32768, 4}, {57344, 16}};

/* Whether these states are common enough to be a chain: rules are few, rows may be many. */
static bool is_common(struct unwind_writer *w, size_t n)
{
	uint64_t hash = n;

	for (size_t i = 0; i < n; i++) {
		hash = hash_mix(hash, w->folded[i].address - w->folded[0].address);
		hash = hash_mix(hash, rule_hash(&w->folded[i].rule));
	}
	uint64_t *seen = map64_get(&w->seen, hash), count = seen ? *seen + 1 : 1;
	map64_set(&w->seen, hash, count);
	for (size_t i = 0; i < ARRAY_SIZE(thresholds); i++)
		if (w->rules->rules.len + n <= thresholds[i].rules)
			return count >= thresholds[i].count;
	return false;
}

/* One row for the first n folded states; n is not 0. */
static int put_chain(struct unwind_writer *w, size_t n)
{
	uint64_t start = w->folded[0].address;
	int index = 0;

	for (size_t i = 0; i < n; i++) {
		struct unwind_rule link = w->folded[i].rule;

		link.from = (uint8_t)(w->folded[i].address - start);
		link.earlier = (uint16_t)index;
		index = unwind_rules_add(w->rules, &link);
		CHECK(index >= 0);
	}
	return put_row(w, start, index);
}

/* Write the rule that lasts and what was folded into it. */
static int flush(struct unwind_writer *w)
{
	size_t n = w->folded_len, done = 0;
	int r = 0;

	w->folded[n].address = w->start;
	w->folded[n].rule = w->rule;
	w->folded_len = 0;
	if (n && is_common(w, n + 1))
		return put_chain(w, n + 1);
	if (n > 1 && is_common(w, n)) {
		r = put_chain(w, n);
		done = n;
	}
	for (; !r && done <= n; done++)
		r = put_row(w, w->folded[done].address, plain(w, &w->folded[done].rule));
	return r;
}

static bool same_rule(const struct unwind_rule *a, const struct unwind_rule *b)
{
	return !memcmp(a, b, sizeof(*a));
}

/* The rule that holds ends before end: write it, a row a page, or keep it for folding. */
static int close_state(struct unwind_writer *w, uint64_t end)
{
	uint64_t first = w->folded_len ? w->folded[0].address : w->start;
	uint64_t next_page = (first | (PAGE - 1)) + 1;

	if (end < next_page && end - w->start <= SHORT_STATE && end - first <= MAX_FROM &&
	    w->folded_len < UNWIND_FOLDED_STATES) {
		w->folded[w->folded_len].address = w->start;
		w->folded[w->folded_len++].rule = w->rule;
		return 0;
	}
	int r = flush(w);

	for (w->start = next_page; !r && w->start < end; w->start += PAGE)
		r = flush(w);
	return r;
}

int unwind_writer_add(struct unwind_writer *w, uint64_t address, const struct unwind_rule *rule)
{
	CHECK(!w->open || address >= w->start);
	if (w->open && same_rule(&w->rule, rule))
		return 0;
	w->table->states++;
	if (w->open && address > w->start) {
		int r = close_state(w, address);

		if (r)
			return r;
	}
	w->open = true;
	w->start = address;
	w->rule = *rule;
	return 0;
}

int unwind_writer_finish(struct unwind_writer *w, uint64_t end)
{
	const struct unwind_rule none = {.cfa = UNWIND_CFA_NONE};
	int r = unwind_writer_add(w, end, &none);

	return r ? r : flush(w);
}

void unwind_writer_fini(struct unwind_writer *w)
{
	map64_fini(&w->seen);
}
