/* base/json.h - a streaming JSON writer.
 *
 * Commas and quoting are the writer's business; nesting is the caller's. Bytes that are not UTF-8
 * are written as U+FFFD; `<`, `>` and `&` are escaped so that the text may stand in a page.
 * Names keep clear of those of libjansson, which stands in the same program. Numbers that JSON
 * cannot say (infinite, not a number) become null; others have 15 significant digits, what a
 * decimal number needs and no noise behind it. Threads: one at a time. */
#ifndef GLIM_BASE_JSON_H
#define GLIM_BASE_JSON_H

#include "base/buf.h"

struct json {
	struct buf *out;
	bool comma; /* the next value needs a comma before it */
};

void json_object_begin(struct json *j);
void json_object_end(struct json *j);
void json_array_begin(struct json *j);
void json_array_end(struct json *j);
void json_key(struct json *j, const char *key);
void json_text(struct json *j, const char *s);
void json_text_n(struct json *j, const char *s, size_t len);
void json_int(struct json *j, int64_t v);
void json_double(struct json *j, double v);
void json_bool(struct json *j, bool v);
void json_none(struct json *j);

/* A member of an object: key and value. Text that is NULL is null. */
void json_member_text(struct json *j, const char *key, const char *s);
void json_member_int(struct json *j, const char *key, int64_t v);
void json_member_double(struct json *j, const char *key, double v);
void json_member_bool(struct json *j, const char *key, bool v);

#endif
