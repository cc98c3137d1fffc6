/* What every unwind table promises, wherever it is from. */
#ifndef GLIM_FUZZ_TABLE_H
#define GLIM_FUZZ_TABLE_H

#include "unwind/native/unwind_table.h"

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

#endif
