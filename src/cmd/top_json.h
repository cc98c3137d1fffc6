/* cmd/top_json.h - a view of `glim top` as JSON, for scripts: one object a table. */
#ifndef GLIM_TOP_JSON_H
#define GLIM_TOP_JSON_H

#include "cmd/top_draw.h"

/* Append the object and a line feed; `rows` rows at most. docs/man/glim-top.1 says what is in it.
 */
void top_json(const struct top_view *v, const struct top_facts *f, size_t rows, struct buf *out);
/* The name of a kind of table, as --by takes it. */
const char *top_kind_name(enum live_kind kind);

#endif
