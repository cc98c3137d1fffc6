/* base/strtab.h - interned strings: equal text has one number.
 *
 * Number 0 is the empty string. Text is terminated and stays where it is until strtab_fini.
 * Zero bytes are an empty table. Threads: one at a time. */
#ifndef GLIM_BASE_STRTAB_H
#define GLIM_BASE_STRTAB_H

#include "base/arena.h"
#include "base/hash.h"
#include "base/vec.h"

struct strtab_entry {
	const char *text;
	uint32_t len;
};
struct strtab {
	VEC(struct strtab_entry) entries; /* entry i is string i + 1 */
	struct hash_index index;
	struct arena text;
};

void strtab_fini(struct strtab *t);
/* The number of these len bytes, which must hold no NUL byte; added when new. */
uint32_t strtab_put(struct strtab *t, const char *s, size_t len);
uint32_t strtab_puts(struct strtab *t, const char *s);
/* The number of a string that is there already, or HASH_NONE. */
uint32_t strtab_find(const struct strtab *t, const char *s, size_t len);
const char *strtab_get(const struct strtab *t, uint32_t id);
size_t strtab_len(const struct strtab *t, uint32_t id);
/* How many strings there are, the empty one included. */
static inline size_t strtab_count(const struct strtab *t)
{
	return t->entries.len + 1;
}

#endif
