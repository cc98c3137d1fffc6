/* OTLP profiles: what is written comes back, and what strangers send is read or refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/wire.h"
#include "dump.h"
#include "format/otlp.h"

static const struct otlp_resource nobody = {};

static void expect_round_trip(const struct profile *p)
{
	cleanup_buf struct buf b = {};
	struct otlp_profiles v = {};
	struct err e = {};
	cleanup_free char *want = dump_profile(p);

	assert_int_equal(otlp_write_profiles(&nobody, &p, 1, &b, NULL), 0);
	assert_int_equal(otlp_read_profiles(b.data, b.len, &v, &e), 0);
	assert_int_equal(v.parts.len, 1);
	assert_int_equal(v.parts.data[0].profiles.len, 1);
	assert_false(v.old_layout);
	assert_int_equal(v.rejected, 0);
	assert_string_equal(v.reason, "");
	cleanup_free char *got = dump_profile(v.parts.data[0].profiles.data[0]);

	assert_string_equal(got, want);
	otlp_profiles_fini(&v);
}

static void test_round_trip(void **state)
{
	static const struct {
		const char *type, *unit;
		int64_t period;
	} types[] = {
		{"cpu", "nanoseconds", 50000000}, {"cpu", "nanoseconds", 0},
		{"wall", "nanoseconds", 1},	  {"offcpu", "nanoseconds", 0},
		{"alloc", "bytes", 524288},	  {"inuse", "bytes", 0},
		{"lock", "nanoseconds", 3},	  {"alloc_objects", "count", 0},
	};

	for (size_t i = 0; i < ARRAY_SIZE(types); i++) {
		cleanup_profile struct profile *p =
			dump_sample_profile(types[i].type, types[i].unit, types[i].period);

		expect_round_trip(p);
	}
}

static void test_round_trip_empty(void **state)
{
	cleanup_profile struct profile *p = profile_new("cpu", "nanoseconds", 50000000);

	expect_round_trip(p);
}

/* Several profiles share one dictionary; the resource is on every sample. */
static void test_several(void **state)
{
	static const struct otlp_resource r = {
		.service = "shop", .host = "web-1", .host_id = "m", .scope_version = "1"};
	cleanup_profile struct profile *a = dump_sample_profile("cpu", "nanoseconds", 10);
	cleanup_profile struct profile *b = dump_sample_profile("offcpu", "nanoseconds", 0);
	const struct profile *const both[] = {a, b};
	cleanup_buf struct buf out = {};
	struct otlp_profiles v = {};

	profile_add(b, profile_stack(b, 0, dump_frame(b, "only b", "", "", 0, 0, 0, FRAME_NATIVE)),
		    0, 1, 1);
	assert_int_equal(otlp_write_profiles(&r, both, 2, &out, NULL), 0);
	assert_int_equal(otlp_read_profiles(out.data, out.len, &v, NULL), 0);
	assert_int_equal(v.parts.len, 1);
	assert_string_equal(v.parts.data[0].service, "shop");
	assert_string_equal(v.parts.data[0].host, "web-1");
	assert_int_equal(v.parts.data[0].profiles.len, 2);
	for (size_t i = 0; i < 2; i++) {
		const struct profile *p = v.parts.data[0].profiles.data[i];

		assert_string_equal(p->type, both[i]->type);
		assert_int_equal(p->samples.len, both[i]->samples.len);
		for (size_t k = 0; k < p->samples.len; k++) {
			uint32_t set = p->samples.data[k].labels;

			assert_string_equal(profile_label_value(p, set, "host"), "web-1");
			assert_string_equal(profile_label_value(p, set, "host.id"), "m");
			assert_null(profile_label_value(p, set, "service.name"));
		}
	}
	otlp_profiles_fini(&v);
}

/* Bytes that are no UTF-8 would make a whole request unreadable for others. */
static void test_writes_valid_text(void **state)
{
	cleanup_profile struct profile *p = profile_new("cpu", "nanoseconds", 1);
	cleanup_buf struct buf b = {};
	struct otlp_profiles v = {};
	uint32_t frame = dump_frame(p, "bad \xff\xfe", "", "", 0, 0, 0, FRAME_NATIVE);
	const struct profile *const one = p;

	profile_add(p, profile_stack(p, 0, frame), dump_label(p, "k\x80", "v\xc3"), 1, 1);
	assert_int_equal(otlp_write_profiles(&nobody, &one, 1, &b, NULL), 0);
	assert_null(memchr(b.data, 0xff, b.len));
	assert_int_equal(otlp_read_profiles(b.data, b.len, &v, NULL), 0);
	const struct profile *got = v.parts.data[0].profiles.data[0];

	assert_string_equal(profile_text(got, got->functions.data[0].name),
			    "bad \xef\xbf\xbd\xef\xbf\xbd");
	assert_string_equal(profile_label_value(got, got->samples.data[0].labels, "k\xef\xbf\xbd"),
			    "v\xef\xbf\xbd");
	otlp_profiles_fini(&v);
}

static void test_write_refuses_unknown_types(void **state)
{
	cleanup_profile struct profile *p = profile_new("heat", "kelvin", 1);
	cleanup_profile struct profile *q = profile_new("cpu", "count", 1);
	const struct profile *const ps[] = {p}, *const qs[] = {q};
	cleanup_buf struct buf b = {};
	struct err e = {};

	buf_puts(&b, "before");
	assert_int_equal(otlp_write_profiles(&nobody, ps, 1, &b, &e), -EINVAL);
	assert_non_null(strstr(e.msg, "heat"));
	assert_int_equal(otlp_write_profiles(&nobody, qs, 1, &b, &e), -EINVAL);
	assert_int_equal(b.len, 6);
}

/* --- requests of strangers, made by hand -------------------------------------------------------
 */

/* A small request: strings, one location "f", stack 1 of it, and the profile that the test fills.
 */
struct request {
	struct buf b;
	size_t resource, scope, profile;
	bool old;
};

static const char *const strings[] = {"",    "f",	    "samples", "count",
				      "cpu", "nanoseconds", "off_cpu", "thread.name",
				      "ms",  "weight"};
enum { S_F = 1, S_SAMPLES, S_COUNT, S_CPU, S_NS, S_OFF_CPU, S_THREAD, S_MS, S_WEIGHT };

static void put_type(struct buf *b, uint32_t field, uint64_t type, uint64_t unit)
{
	size_t mark = wire_begin(b, field);

	wire_put_uint(b, 1, type);
	wire_put_uint(b, 2, unit);
	wire_end(b, mark);
}

static void request_begin(struct request *r, uint64_t type, uint64_t unit)
{
	r->resource = wire_begin(&r->b, 1);
	r->scope = wire_begin(&r->b, 2);
	r->profile = wire_begin(&r->b, 2);
	put_type(&r->b, 1, type, unit);
}

static void put_packed(struct buf *b, uint32_t field, size_t n, const uint64_t *v)
{
	size_t mark = wire_begin(b, field);

	for (size_t i = 0; i < n; i++)
		wire_put_varint(b, v[i]);
	wire_end(b, mark);
}
#define PACKED(b, field, ...)                                                                      \
	put_packed(b, field, sizeof((uint64_t[]){__VA_ARGS__}) / sizeof(uint64_t),                 \
		   (const uint64_t[]){__VA_ARGS__})

static void put_times(struct buf *b, size_t n)
{
	size_t mark = wire_begin(b, 5);
	uint64_t t = 1700000000000000000;

	for (size_t i = 0; i < n; i++, t++)
		buf_append(b, &t, sizeof(t));
	wire_end(b, mark);
}

static void put_dictionary(struct buf *b)
{
	size_t dict = wire_begin(b, 2);

	for (size_t i = 0; i < ARRAY_SIZE(strings); i++)
		wire_put_string(b, 5, strings[i]);
	wire_put_bytes(b, 3, NULL, 0);
	size_t function = wire_begin(b, 3);

	wire_put_uint(b, 1, S_F);
	wire_end(b, function);
	wire_put_bytes(b, 2, NULL, 0);
	size_t location = wire_begin(b, 2), line = wire_begin(b, 3);

	wire_put_uint(b, 1, 1);
	wire_end(b, line);
	wire_end(b, location);
	wire_put_bytes(b, 6, NULL, 0);
	for (const char *name = "ab"; *name; name++) {
		size_t attribute = wire_begin(b, 6);

		wire_put_uint(b, 1, S_THREAD);
		size_t value = wire_begin(b, 2);

		wire_put_bytes(b, 1, name, 1);
		wire_end(b, value);
		wire_end(b, attribute);
	}
	wire_put_bytes(b, 7, NULL, 0);
	size_t stack = wire_begin(b, 7);

	PACKED(b, 1, 1);
	wire_end(b, stack);
	wire_end(b, dict);
}

static void request_end(struct request *r)
{
	wire_end(&r->b, r->profile);
	wire_end(&r->b, r->scope);
	wire_end(&r->b, r->resource);
	put_dictionary(&r->b);
}

/* Read it; the sums of the one profile, or what was rejected. */
static void expect_sums(struct request *r, bool old, int64_t count, int64_t value)
{
	struct otlp_profiles v = {};
	struct err e = {};

	request_end(r);
	if (otlp_read_profiles(r->b.data, r->b.len, &v, &e) < 0)
		fail_msg("%s", e.msg);
	assert_int_equal(v.old_layout, old);
	assert_int_equal(v.rejected, 0);
	assert_int_equal(v.parts.data[0].profiles.len, 1);
	assert_int_equal(profile_total_count(v.parts.data[0].profiles.data[0]), count);
	assert_int_equal(profile_total_value(v.parts.data[0].profiles.data[0]), value);
	otlp_profiles_fini(&v);
	buf_fini(&r->b);
}

static void expect_rejected(struct request *r, const char *reason)
{
	struct otlp_profiles v = {};

	request_end(r);
	assert_int_equal(otlp_read_profiles(r->b.data, r->b.len, &v, NULL), 0);
	assert_int_equal(v.rejected, 1);
	if (!strstr(v.reason, reason))
		fail_msg("\"%s\" is not in \"%s\"", reason, v.reason);
	otlp_profiles_fini(&v);
	buf_fini(&r->b);
}

static void expect_error(struct request *r, int code, const char *reason)
{
	struct otlp_profiles v = {.rejected = 99};
	struct err e = {};

	request_end(r);
	assert_int_equal(otlp_read_profiles(r->b.data, r->b.len, &v, &e), code);
	if (!strstr(e.msg, reason))
		fail_msg("\"%s\" is not in \"%s\"", reason, e.msg);
	assert_int_equal(v.rejected, 99); /* untouched */
	buf_fini(&r->b);
}

static void test_shapes(void **state)
{
	struct request r = {};
	size_t s;

	/* samples/count with a period: counts become time. */
	request_begin(&r, S_SAMPLES, S_COUNT);
	s = wire_begin(&r.b, 2);
	wire_put_uint(&r.b, 1, 1);
	PACKED(&r.b, 4, 3);
	wire_end(&r.b, s);
	put_type(&r.b, 5, S_CPU, S_NS);
	wire_put_uint(&r.b, 6, 1000);
	expect_sums(&r, false, 3, 3000);
	/* times alone count one each, whatever the type. */
	request_begin(&r, S_SAMPLES, S_COUNT);
	s = wire_begin(&r.b, 2);
	wire_put_uint(&r.b, 1, 1);
	put_times(&r.b, 4);
	wire_end(&r.b, s);
	put_type(&r.b, 5, S_CPU, S_NS);
	wire_put_uint(&r.b, 6, 1000);
	expect_sums(&r, false, 4, 4000);
	/* values with times: as many events as times. */
	request_begin(&r, S_OFF_CPU, S_NS);
	s = wire_begin(&r.b, 2);
	wire_put_uint(&r.b, 1, 1);
	PACKED(&r.b, 4, 100, 200, 300);
	put_times(&r.b, 3);
	wire_end(&r.b, s);
	expect_sums(&r, false, 3, 600);
	/* cpu in time with a period: the count follows from it; without, it is one. */
	for (uint64_t period = 0; period <= 100; period += 100) {
		request_begin(&r, S_CPU, S_NS);
		s = wire_begin(&r.b, 2);
		PACKED(&r.b, 4, 760);
		wire_end(&r.b, s);
		wire_put_uint(&r.b, 6, period);
		expect_sums(&r, false, period ? 8 : 1, 760);
	}
	/* Units are brought to Glim's. */
	request_begin(&r, S_CPU, S_MS);
	s = wire_begin(&r.b, 2);
	PACKED(&r.b, 4, 5);
	wire_end(&r.b, s);
	put_type(&r.b, 5, S_CPU, S_MS);
	wire_put_uint(&r.b, 6, 1);
	expect_sums(&r, false, 5, 5000000);
	/* Lists that are not packed are lists too. */
	request_begin(&r, S_CPU, S_NS);
	s = wire_begin(&r.b, 2);
	wire_put_uint(&r.b, 1, 1);
	PACKED(&r.b, 4, 5, 6);
	wire_put_uint(&r.b, 2, 1);
	wire_put_uint(&r.b, 2, 2);
	wire_end(&r.b, s);
	expect_sums(&r, false, 1, 11);
	/* Sums stop at the end of numbers. */
	request_begin(&r, S_SAMPLES, S_COUNT);
	s = wire_begin(&r.b, 2);
	PACKED(&r.b, 4, INT64_MAX, INT64_MAX);
	wire_end(&r.b, s);
	put_type(&r.b, 5, S_CPU, S_MS);
	wire_put_uint(&r.b, 6, INT64_MAX);
	expect_sums(&r, false, INT64_MAX, INT64_MAX);
}

/* The layout of 1.8 and 1.9: values 2, attributes 3, link 4. */
static void test_old_layout(void **state)
{
	struct request r = {};
	size_t s;

	/* Attributes in 3 tell. */
	request_begin(&r, S_SAMPLES, S_COUNT);
	s = wire_begin(&r.b, 2);
	wire_put_uint(&r.b, 1, 1);
	PACKED(&r.b, 2, 7);
	PACKED(&r.b, 3, 1);
	wire_end(&r.b, s);
	put_type(&r.b, 5, S_CPU, S_NS);
	wire_put_uint(&r.b, 6, 10);
	expect_sums(&r, true, 7, 70);
	/* A link in 4 tells. */
	request_begin(&r, S_CPU, S_NS);
	s = wire_begin(&r.b, 2);
	PACKED(&r.b, 2, 7);
	wire_put_uint(&r.b, 4, 1);
	wire_end(&r.b, s);
	expect_sums(&r, true, 1, 7);
	/* A lone list 2 can only be values: a sample needs some. */
	request_begin(&r, S_CPU, S_NS);
	s = wire_begin(&r.b, 2);
	PACKED(&r.b, 2, 7);
	wire_end(&r.b, s);
	expect_sums(&r, true, 1, 7);
	/* With times it can be attributes, and 1.10 is the rule. */
	request_begin(&r, S_CPU, S_NS);
	s = wire_begin(&r.b, 2);
	PACKED(&r.b, 2, 1);
	put_times(&r.b, 2);
	wire_end(&r.b, s);
	expect_sums(&r, false, 2, 2);
	/* One clear sample decides for those that say nothing. */
	request_begin(&r, S_CPU, S_NS);
	s = wire_begin(&r.b, 2);
	PACKED(&r.b, 2, 9);
	put_times(&r.b, 1);
	wire_end(&r.b, s);
	s = wire_begin(&r.b, 2);
	PACKED(&r.b, 2, 7);
	PACKED(&r.b, 3, 1);
	wire_end(&r.b, s);
	expect_sums(&r, true, 2, 16);
}

static void test_rejected(void **state)
{
	struct request r = {};
	size_t s;

	request_begin(&r, S_WEIGHT, S_COUNT);
	expect_rejected(&r, "\"weight\" is not known");
	request_begin(&r, S_OFF_CPU, S_THREAD);
	expect_rejected(&r, "\"thread.name\" is not known");
	request_begin(&r, S_SAMPLES, S_COUNT);
	expect_rejected(&r, "without a period");
	request_begin(&r, 0, 0);
	expect_rejected(&r, "\"\" is not known");
	request_begin(&r, S_CPU, S_NS);
	s = wire_begin(&r.b, 2);
	PACKED(&r.b, 4, (uint64_t)-1);
	wire_end(&r.b, s);
	expect_rejected(&r, "negative");
	request_begin(&r, S_CPU, S_NS);
	s = wire_begin(&r.b, 2);
	PACKED(&r.b, 4, 1, 2, 3);
	put_times(&r.b, 2);
	wire_end(&r.b, s);
	expect_rejected(&r, "3 values and 2 times");
	request_begin(&r, S_CPU, S_NS);
	wire_put_bytes(&r.b, 3, "\x01\x02", 2); /* location indices of 1.7 */
	expect_rejected(&r, "1.7");
}

static void test_indices(void **state)
{
	static const struct {
		uint32_t field; /* of a sample */
		uint64_t v;
		const char *reason;
	} cases[] = {
		{1, 2, "stack 2 of 2"},
		{1, UINT64_MAX, "stack"},
		{2, 3, "attribute 3 of 3"},
		{2, (uint64_t)-1, "attribute"},
	};
	struct request r = {};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		request_begin(&r, S_CPU, S_NS);
		size_t s = wire_begin(&r.b, 2);

		if (cases[i].field == 1)
			wire_put_uint(&r.b, 1, cases[i].v);
		else
			PACKED(&r.b, 2, cases[i].v);
		PACKED(&r.b, 4, 1);
		wire_end(&r.b, s);
		expect_error(&r, -EBADMSG, cases[i].reason);
	}
	request_begin(&r, ARRAY_SIZE(strings), S_NS);
	expect_error(&r, -EBADMSG, "string 10 of 10");
}

/* One wrong index in each table of the dictionary. */
static void test_dictionary_indices(void **state)
{
	static const struct {
		const char *entry; /* bytes of the dictionary */
		size_t len;
		const char *reason;
	} cases[] = {
		{"\x0a\x02\x20\x63", 4, "string"},	     /* a mapping's file name */
		{"\x0a\x03\x2a\x01\x63", 5, "attribute"},    /* a mapping's attribute */
		{"\x12\x02\x08\x63", 4, "mapping"},	     /* a location's mapping */
		{"\x12\x04\x1a\x02\x08\x63", 6, "function"}, /* a line's function */
		{"\x12\x03\x22\x01\x63", 5, "attribute"},    /* a location's attribute */
		{"\x1a\x02\x08\x63", 4, "string"},	     /* a function's name */
		{"\x1a\x02\x10\x63", 4, "string"},	     /* its system name */
		{"\x1a\x02\x18\x63", 4, "string"},	     /* its file */
		{"\x32\x02\x08\x63", 4, "string"},	     /* an attribute's key */
		{"\x3a\x03\x0a\x01\x63", 5, "location"},     /* a stack's location */
		{"\x3a\x02\x08\x63", 4, "location"},	     /* the same, not packed */
		{"\x3a\x03\x0a\x02\x63", 5, "damaged"},
		{"\x12\x02\x1a\x63", 4, "damaged"},
		{"\x12\x63", 2, "damaged"},
	};
	struct request r = {};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		request_begin(&r, S_CPU, S_NS);
		wire_end(&r.b, r.profile);
		wire_end(&r.b, r.scope);
		wire_end(&r.b, r.resource);
		wire_put_bytes(&r.b, 2, cases[i].entry, cases[i].len);
		put_dictionary(&r.b);
		struct otlp_profiles v = {};
		struct err e = {};

		assert_int_equal(otlp_read_profiles(r.b.data, r.b.len, &v, &e), -EBADMSG);
		if (!strstr(e.msg, cases[i].reason))
			fail_msg("case %zu: \"%s\" is not in \"%s\"", i, cases[i].reason, e.msg);
		buf_fini(&r.b);
	}
}

static void test_string_0_must_be_empty(void **state)
{
	cleanup_buf struct buf b = {};
	struct otlp_profiles v = {};
	struct err e = {};
	size_t dict = wire_begin(&b, 2);

	wire_put_string(&b, 5, "x");
	wire_end(&b, dict);
	assert_int_equal(otlp_read_profiles(b.data, b.len, &v, &e), -EBADMSG);
	assert_non_null(strstr(e.msg, "string 0"));
}

static void test_nothing_is_a_request(void **state)
{
	struct otlp_profiles v = {};

	assert_int_equal(otlp_read_profiles(NULL, 0, &v, NULL), 0);
	assert_int_equal(v.parts.len, 0);
	otlp_profiles_fini(&v);
}

/* Every cut of a real request is refused, or is a shorter one; nothing else happens. */
static void test_truncated(void **state)
{
	cleanup_profile struct profile *p = dump_sample_profile("cpu", "nanoseconds", 10);
	const struct profile *const one = p;
	cleanup_buf struct buf b = {};
	size_t refused = 0;

	otlp_write_profiles(&nobody, &one, 1, &b, NULL);
	for (size_t n = 0; n < b.len; n++) {
		cleanup_free uint8_t *copy = mem_calloc(1, n);
		struct otlp_profiles v = {};

		memcpy(copy, b.data, n);
		if (otlp_read_profiles(copy, n, &v, NULL) < 0)
			refused++;
		otlp_profiles_fini(&v);
	}
	assert_true(refused > b.len - 3);
}

/* Any byte may be wrong. */
static void test_damaged(void **state)
{
	cleanup_profile struct profile *p = dump_sample_profile("cpu", "nanoseconds", 10);
	const struct profile *const one = p;
	cleanup_buf struct buf b = {};

	otlp_write_profiles(&nobody, &one, 1, &b, NULL);
	for (size_t i = 0; i < b.len; i++) {
		for (int k = 1; k < 256; k += 9) {
			struct otlp_profiles v = {};

			b.data[i] ^= (uint8_t)k;
			otlp_read_profiles(b.data, b.len, &v, NULL);
			otlp_profiles_fini(&v);
			b.data[i] ^= (uint8_t)k;
		}
	}
}

static void test_deep_stacks_are_cut(void **state)
{
	for (uint32_t depth = FORMAT_MAX_DEPTH - 1; depth <= FORMAT_MAX_DEPTH + 1; depth++) {
		cleanup_profile struct profile *p = profile_new("cpu", "nanoseconds", 1);
		const struct profile *const one = p;
		cleanup_buf struct buf b = {};
		struct otlp_profiles v = {};
		uint32_t stack = 0, frames[FORMAT_MAX_DEPTH + 9];

		for (uint32_t i = 0; i < depth; i++)
			stack = profile_stack(
				p, stack, dump_frame(p, "f", "", "", 0, i + 1, 0, FRAME_PYTHON));
		profile_add(p, stack, 0, 1, 1);
		assert_int_equal(otlp_write_profiles(&nobody, &one, 1, &b, NULL), 0);
		assert_int_equal(otlp_read_profiles(b.data, b.len, &v, NULL), 0);
		const struct profile *got = v.parts.data[0].profiles.data[0];
		size_t n =
			profile_unroll(got, got->samples.data[0].stack, frames, ARRAY_SIZE(frames));

		assert_int_equal(n, MIN(depth, (uint32_t)FORMAT_MAX_DEPTH));
		assert_int_equal(got->frames.data[frames[0]].line, depth);
		const struct profile_function *root =
			&got->functions.data[got->frames.data[frames[n - 1]].function];

		assert_int_equal(root->kind, depth > FORMAT_MAX_DEPTH ? FRAME_MARK : FRAME_PYTHON);
		if (depth > FORMAT_MAX_DEPTH)
			assert_string_equal(profile_text(got, root->name), "cut: too deep");
		otlp_profiles_fini(&v);
	}
}

static void test_long_text_and_many_labels(void **state)
{
	cleanup_profile struct profile *p = profile_new("cpu", "nanoseconds", 1);
	const struct profile *const one = p;
	cleanup_buf struct buf b = {}, name = {};
	struct profile_label labels[100];
	struct otlp_profiles v = {};

	while (name.len < FORMAT_MAX_TEXT + 100)
		buf_puts(&name, "\xe2\x82\xac"); /* three bytes: the limit falls inside one */
	uint32_t frame = dump_frame(p, buf_cstr(&name), "", "", 0, 0, 0, FRAME_NATIVE);

	for (uint32_t i = 0; i < ARRAY_SIZE(labels); i++) {
		char key[16];

		snprintf(key, sizeof(key), "key%03u", i);
		labels[i] = (struct profile_label){profile_string(p, key), 0};
	}
	profile_add(p, profile_stack(p, 0, frame), profile_labels(p, labels, 100), 1, 1);
	assert_int_equal(otlp_write_profiles(&nobody, &one, 1, &b, NULL), 0);
	assert_int_equal(otlp_read_profiles(b.data, b.len, &v, NULL), 0);
	const struct profile *got = v.parts.data[0].profiles.data[0];

	assert_int_equal(strtab_len(&got->strings, got->functions.data[0].name),
			 FORMAT_MAX_TEXT / 3 * 3);
	assert_int_equal(got->label_sets.data[got->samples.data[0].labels].count,
			 FORMAT_MAX_LABELS);
	otlp_profiles_fini(&v);
}

static void test_too_many_profiles(void **state)
{
	struct request r = {};
	struct otlp_profiles v = {};
	struct err e = {};

	r.resource = wire_begin(&r.b, 1);
	r.scope = wire_begin(&r.b, 2);
	for (size_t i = 0; i <= FORMAT_MAX_PROFILES; i++)
		wire_put_bytes(&r.b, 2, NULL, 0);
	wire_end(&r.b, r.scope);
	wire_end(&r.b, r.resource);
	assert_int_equal(otlp_read_profiles(r.b.data, r.b.len, &v, &e), -EFBIG);
	assert_non_null(strstr(e.msg, "16384"));
	buf_fini(&r.b);
}

/* Small requests that want to become large ones: deep stacks, over and over, in many profiles. */
static void test_unfolding_is_bounded(void **state)
{
	cleanup_buf struct buf b = {};
	struct otlp_profiles v = {};
	struct err e = {};
	size_t resource = wire_begin(&b, 1), scope = wire_begin(&b, 2);

	for (size_t i = 0; i < 2000; i++) {
		size_t profile = wire_begin(&b, 2);

		put_type(&b, 1, S_CPU, S_NS);
		for (uint64_t s = 1; s < 100; s++) {
			size_t sample = wire_begin(&b, 2);

			wire_put_uint(&b, 1, s);
			PACKED(&b, 4, 1);
			wire_end(&b, sample);
		}
		wire_end(&b, profile);
	}
	wire_end(&b, scope);
	wire_end(&b, resource);
	put_dictionary(&b);
	size_t dict = wire_begin(&b, 2);

	for (uint64_t s = 0; s < 100; s++) {
		size_t stack = wire_begin(&b, 7), packed = wire_begin(&b, 1);

		for (size_t i = 0; i < FORMAT_MAX_DEPTH; i++)
			wire_put_varint(&b, i == s);
		wire_end(&b, packed);
		wire_end(&b, stack);
	}
	wire_end(&b, dict);
	assert_true(b.len < 3 << 20);
	assert_int_equal(otlp_read_profiles(b.data, b.len, &v, &e), -EFBIG);
	assert_non_null(strstr(e.msg, "unfolds"));
}

/* Values that are no label: lists, maps, nothing; a list of one is its element. */
static void test_attribute_values(void **state)
{
	static const struct {
		const char *value;
		size_t len;
		const char *want;
	} cases[] = {
		{"\x0a\x03"
		 "abc",
		 5, "abc"},
		{"\x10\x01", 2, "true"},
		{"\x10\x00", 2, "false"},
		{"\x18\x2a", 2, "42"},
		{"\x18\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 11, "-1"},
		{"\x21\x00\x00\x00\x00\x00\x00\xf8\x3f", 9, "1.5"},
		{"\x3a\x02\xab\x01", 4, "ab01"},
		{"\x40\x04", 2, "cpu"}, /* string 4 of the table, 1.10 */
		{"\x40\x63", 2, NULL},
		{"\x2a\x07\x0a\x05\x0a\x03"
		 "one",
		 9, "one"},
		{"\x2a\x0a\x0a\x03\x0a\x01"
		 "a\x0a\x03\x0a\x01"
		 "b",
		 12, NULL},
		{"\x2a\x00", 2, NULL},
		{"\x32\x00", 2, NULL},
		{"", 0, NULL},
	};
	struct request r = {};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct otlp_profiles v = {};
		struct err e = {};

		r.resource = wire_begin(&r.b, 1);
		size_t res = wire_begin(&r.b, 1), at = wire_begin(&r.b, 1);

		wire_put_string(&r.b, 1, "k");
		wire_put_bytes(&r.b, 2, cases[i].value, cases[i].len);
		wire_end(&r.b, at);
		wire_end(&r.b, res);
		r.scope = wire_begin(&r.b, 2);
		r.profile = wire_begin(&r.b, 2);
		put_type(&r.b, 1, S_CPU, S_NS);
		size_t s = wire_begin(&r.b, 2);

		PACKED(&r.b, 4, 1);
		wire_end(&r.b, s);
		request_end(&r);
		assert_int_equal(otlp_read_profiles(r.b.data, r.b.len, &v, &e), 0);
		const struct profile *p = v.parts.data[0].profiles.data[0];
		const char *got = profile_label_value(p, p->samples.data[0].labels, "k");

		if (cases[i].want)
			assert_string_equal(got, cases[i].want);
		else
			assert_null(got);
		otlp_profiles_fini(&v);
		buf_fini(&r.b);
	}
}

static void test_response(void **state)
{
	cleanup_buf struct buf b = {};
	struct wire_field f;

	otlp_write_response(0, "", &b);
	assert_int_equal(b.len, 0);
	otlp_write_response(7, "because", &b);
	struct wire_reader r = wire_reader(b.data, b.len);

	assert_true(wire_next(&r, &f));
	assert_int_equal(f.number, 1);
	struct wire_reader sub = wire_sub(&f);

	assert_true(wire_next(&sub, &f));
	assert_int_equal(f.value, 7);
	assert_true(wire_next(&sub, &f));
	assert_memory_equal(f.data, "because", 7);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_round_trip),
		cmocka_unit_test(test_round_trip_empty),
		cmocka_unit_test(test_several),
		cmocka_unit_test(test_writes_valid_text),
		cmocka_unit_test(test_write_refuses_unknown_types),
		cmocka_unit_test(test_shapes),
		cmocka_unit_test(test_old_layout),
		cmocka_unit_test(test_rejected),
		cmocka_unit_test(test_indices),
		cmocka_unit_test(test_dictionary_indices),
		cmocka_unit_test(test_string_0_must_be_empty),
		cmocka_unit_test(test_nothing_is_a_request),
		cmocka_unit_test(test_truncated),
		cmocka_unit_test(test_damaged),
		cmocka_unit_test(test_deep_stacks_are_cut),
		cmocka_unit_test(test_long_text_and_many_labels),
		cmocka_unit_test(test_too_many_profiles),
		cmocka_unit_test(test_unfolding_is_bounded),
		cmocka_unit_test(test_attribute_values),
		cmocka_unit_test(test_response),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
