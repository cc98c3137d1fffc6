/* A table that was kept on disk, by whoever: what is taken of it keeps the promises of a table. */
#include "fuzz.h"
#include "unwind/native/table_image.h"

static void check_table(const struct unwind_table *t, const struct unwind_rules *r)
{
	size_t next = 0;

	CHECK(t->pages.len <= UNWIND_MAX_PAGES);
	for (size_t i = 0; i < t->pages.len; i++) {
		const struct unwind_table_page *p = &t->pages.data[i];

		CHECK(p->first == next && p->count < UNWIND_CHUNK_ROWS);
		next += p->count;
		CHECK(next <= t->rows.len);
		for (size_t k = 0; k < p->count; k++) {
			unwind_row row = t->rows.data[p->first + k];
			const struct unwind_rule *rule = &r->rules.data[row & 0xffff];
			int steps = 1;

			CHECK((row & 0xffff) < r->rules.len);
			CHECK(k ? row >> 16 > t->rows.data[p->first + k - 1] >> 16 : !(row >> 16));
			for (; rule->from; steps++) {
				CHECK(rule->earlier < r->rules.len);
				CHECK(r->rules.data[rule->earlier].from < rule->from);
				rule = &r->rules.data[rule->earlier];
			}
			CHECK(steps <= UNWIND_RULE_STEPS);
		}
	}
	CHECK(next == t->rows.len);
}

static void read_image(const uint8_t *data, size_t size, const struct table_image_key *key)
{
	struct unwind_table table = {}, again = {};
	struct unwind_rules rules;
	struct buf image = {};

	unwind_rules_init(&rules);
	unwind_rules_add(&rules, &(struct unwind_rule){.cfa_offset = 12345});
	if (!table_image_read(data, size, key, &rules, &table)) {
		check_table(&table, &rules);
		/* What was taken can be written, and is the same then. */
		table_image_write(key, &table, &rules, &image);
		CHECK(!table_image_read(image.data, image.len, key, &rules, &again));
		CHECK(again.rows.len == table.rows.len && again.pages.len == table.pages.len);
		CHECK(!table.rows.len || !memcmp(again.rows.data, table.rows.data,
						 table.rows.len * sizeof(unwind_row)));
	}
	unwind_table_fini(&table);
	unwind_table_fini(&again);
	buf_fini(&image);
	unwind_rules_fini(&rules);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct table_image_header h;

	if (size < sizeof(h))
		return 0;
	memcpy(&h, data, sizeof(h));
	read_image(data, size, &h.key);
	/* Nobody guesses a hash. */
	uint8_t *fixed = memcpy(mem_calloc(size, 1), data, size);
	size_t start = offsetof(struct table_image_header, key);

	h.hash = hash_bytes(data + start, size - start);
	memcpy(fixed + offsetof(struct table_image_header, hash), &h.hash, sizeof(h.hash));
	read_image(fixed, size, &h.key);
	free(fixed);
	return 0;
}
