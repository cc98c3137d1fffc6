/* A table that was kept on disk, by whoever: what is taken of it keeps the promises of a table. */
#include "fuzz.h"
#include "fuzz_table.h"
#include "unwind/native/table_image.h"

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
