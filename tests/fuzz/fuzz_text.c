/* Text of strangers on its way to a page, a terminal, a protobuf: always well-formed in the end;
 * and JSON of theirs. */
#include "base/json.h"
#include "base/json_reader.h"
#include "base/utf8.h"
#include "base/wire.h"
#include "fuzz.h"

static void check_utf8(const struct buf *b, bool printable)
{
	for (size_t i = 0; i < b->len;) {
		size_t n = utf8_len((const char *)b->data + i, b->len - i);

		CHECK(n);
		CHECK(!printable || (b->data[i] >= 0x20 && b->data[i] != 0x7f));
		i += n;
	}
}

/* Quoted, and nothing in it that ends the string or a script. */
static void check_json(const struct buf *b)
{
	CHECK(b->len >= 2 && b->data[0] == '"' && b->data[b->len - 1] == '"');
	for (size_t i = 1; i < b->len - 1; i++) {
		CHECK(!memchr("\"<>&", b->data[i], 4));
		i += b->data[i] == '\\';
		CHECK(i < b->len - 1);
	}
}

/* What we wrote is JSON; what a stranger wrote ends at its end or with a reason. */
static void read_json(const struct buf *ours, const uint8_t *data, size_t size)
{
	cleanup(json_reader_fini) struct json_reader r;
	cleanup(json_reader_fini) struct json_reader theirs;
	struct err e;

	json_reader_init(&r, ours->data, ours->len);
	CHECK(json_skip(&r) && json_end(&r));
	json_reader_init(&theirs, data, size);
	CHECK((json_skip(&theirs) && json_end(&theirs)) == !json_reader_error(&theirs, &e));
}

static void walk(struct wire_reader r, int depth)
{
	struct wire_field f;

	while (wire_next(&r, &f))
		if (f.type == WIRE_BYTES && depth < 8)
			walk(wire_sub(&f), depth + 1);
	CHECK(r.p == r.end);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct buf printable = {}, valid = {}, text = {};
	struct json j = {.out = &text};

	utf8_put_printable(&printable, (const char *)data, size);
	check_utf8(&printable, true);
	utf8_put_valid(&valid, (const char *)data, size);
	check_utf8(&valid, false);
	json_text_n(&j, (const char *)data, size);
	check_utf8(&text, true);
	check_json(&text);
	read_json(&text, data, size);
	walk(wire_reader(data, size), 0);
	buf_fini(&printable);
	buf_fini(&valid);
	buf_fini(&text);
	return 0;
}
