/* process/memory.h - memory that is read from outside: of a live process, of a core file, of a
 * recorded stack.
 *
 * What lies there is from strangers and may change at any moment. Memory: who makes one owns what
 * its read needs. Threads: as its maker says; of a live process any. */
#ifndef GLIM_PROCESS_MEMORY_H
#define GLIM_PROCESS_MEMORY_H

#include <sys/types.h>

#include "base/base.h"

/* A stretch of it that is wanted. */
struct memory_part {
	uint64_t address;
	void *buf;
	size_t n;
};
struct memory {
	/* Copy n bytes: all of them, or a negative errno (-EFAULT, -ESRCH, -EPERM). */
	int (*read)(const struct memory *m, uint64_t address, void *buf, size_t n);
	/* Copy parts in their order, as close to each other in time as can be; returns how many
	 * were copied whole before the first that was not. NULL: one by one will do. */
	size_t (*read_parts)(const struct memory *m, const struct memory_part *parts, size_t n);
	pid_t pid;	   /* of a live process; 0: none */
	const void *owner; /* what its read needs; a copy of the struct has the same */
};

struct memory memory_of_process(pid_t pid);

static inline int memory_read(const struct memory *m, uint64_t address, void *buf, size_t n)
{
	return m->read(m, address, buf, n);
}

/* A pointer, or what else has 8 bytes. */
static inline int memory_word(const struct memory *m, uint64_t address, uint64_t *ret)
{
	return memory_read(m, address, ret, sizeof(*ret));
}

static inline size_t memory_read_parts(const struct memory *m, const struct memory_part *parts,
				       size_t n)
{
	size_t done = 0;

	if (m->read_parts)
		return m->read_parts(m, parts, n);
	while (done < n && !m->read(m, parts[done].address, parts[done].buf, parts[done].n))
		done++;
	return done;
}

#endif
