/* cmd/table.h - a table of text on standard output: columns of numbers, then one of names.
 *
 * Cells are put row by row. Numbers stand at the right of their columns; the names, from strangers,
 * are escaped, and on a terminal cut to its width. Colours only on a terminal, and not with
 * NO_COLOR. Memory: belongs to the table. Threads: one at a time. */
#ifndef GLIM_CMD_TABLE_H
#define GLIM_CMD_TABLE_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/vec.h"

enum table_style { TABLE_PLAIN, TABLE_DIM, TABLE_MORE, TABLE_LESS };

struct table_cell {
	const char *text;
	const char *place; /* of a name: where it is, or NULL */
	enum table_style style;
};
struct table {
	const char *const *titles;
	size_t columns;
	VEC(struct table_cell) cells;
	struct arena memory;
};

void table_fini(struct table *t);
/* The next cell; the text is copied. */
void table_put(struct table *t, const char *text);
void table_put_styled(struct table *t, const char *text, enum table_style style);
/* The last one of a row; place may be NULL. */
void table_put_name(struct table *t, const char *name, const char *place, enum table_style style);
/* A share of a whole as per cent, "12.3"; "-" of nothing. */
void table_put_share(struct table *t, int64_t part, int64_t whole);

/* How a descriptor, such as STDOUT_FILENO, shows things. */
struct table_look {
	unsigned int width; /* columns, 0: no end */
	bool colours;
};
struct table_look table_look(int fd);
void table_print(const struct table *t, struct table_look look, struct buf *out);

/* An amount as a person reads it: "1.23 s", "4.56 MiB", "1,234". */
void amount_put(struct buf *b, int64_t v, const char *unit);

#endif
