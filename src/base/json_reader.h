/* base/json_reader.h - JSON of strangers, read piece by piece without a tree in memory.
 *
 *	json_enter_object(&r);
 *	while (json_next_key(&r))
 *		if (json_text_is(&r, "name"))
 *			json_read_text(&r);                    r.text is what was read
 *		else
 *			json_skip(&r);
 *	if (json_reader_error(&r, e)) ...
 *
 * The first mistake of the text, or of the caller's expectation, stays: everything after it answers
 * false, so that loops end and one look at the end is enough. Values nest JSON_MAX_DEPTH deep at
 * most. Strings come as UTF-8 whose escapes are resolved, half a surrogate pair as U+FFFD; bytes
 * that are no UTF-8 stay as they are. Memory: r.text dies at the next read; the input must outlive
 * the reader. Threads: one at a time. */
#ifndef GLIM_BASE_JSON_READER_H
#define GLIM_BASE_JSON_READER_H

#include "base/buf.h"
#include "base/err.h"

enum { JSON_MAX_DEPTH = 64 };

enum json_kind {
	JSON_KIND_BAD, /* no value stands here */
	JSON_KIND_OBJECT,
	JSON_KIND_ARRAY,
	JSON_KIND_TEXT,
	JSON_KIND_NUMBER,
	JSON_KIND_BOOL,
	JSON_KIND_NULL,
};

struct json_reader {
	const char *start, *at, *end;
	struct buf text; /* the last key or string */
	uint64_t comma;	 /* bit d: depth d has an element already */
	unsigned int depth;
	const char *expected; /* what was missing at `at`, NULL: nothing so far */
};

void json_reader_init(struct json_reader *r, const void *p, size_t n);
void json_reader_fini(struct json_reader *r);
/* 0, or -EBADMSG with what was expected at which byte. */
int json_reader_error(const struct json_reader *r, struct err *e);
/* What comes next, nothing is consumed. */
enum json_kind json_peek(struct json_reader *r);
/* Into the object or array that comes next. */
bool json_enter_object(struct json_reader *r);
bool json_enter_array(struct json_reader *r);
/* On to the next key (its value comes next) or item; false: the end, which is left behind. */
bool json_next_key(struct json_reader *r);
bool json_next_item(struct json_reader *r);
bool json_text_is(const struct json_reader *r, const char *s);
bool json_read_text(struct json_reader *r);
bool json_read_number(struct json_reader *r, double *ret_v);
/* Past the value that comes next, whatever it is. */
bool json_skip(struct json_reader *r);
/* To read an object twice, because what comes late in it says what the rest means. */
struct json_place {
	const char *at;
	uint64_t comma;
	unsigned int depth;
};
struct json_place json_place(const struct json_reader *r);
void json_return(struct json_reader *r, struct json_place place);
/* Nothing but blanks may come any more. */
bool json_end(struct json_reader *r);

#endif
