#include "unwind/python/lock.h"

#include "unwind/python/layout.h"

enum {
	MAX_CELLS = 16,	    /* of a function that are reckoned with */
	MAX_WORDS = 256,    /* variables and temporaries that are looked at */
	FUNCTION_SELF = 24, /* Include/cpython/methodobject.h: m_self */
	/* Modules/_threadmodule.c: lockobject.lock_lock, a semaphore, at whose address the kernel
	 * is asked to wait; rlockobject.rlock_lock, rlock_owner */
	LOCK_SEMAPHORE = 16,
	RLOCK_OWNER = 24,
};

/* Is it this lock? */
static bool is_waited(const struct python_objects *o, uint64_t address, uint64_t futex,
		      struct python_lock *ret)
{
	struct python_lock lock = {.address = address};
	struct python_object object;
	uint64_t semaphore;

	if (python_object_read(o, address, &object))
		return false;
	lock.reentrant = !strcmp(object.name, "RLock");
	if ((!lock.reentrant && strcmp(object.name, "lock")) ||
	    memory_read(o->memory, address + LOCK_SEMAPHORE, &semaphore, 8) || semaphore != futex)
		return false;
	if (lock.reentrant && memory_read(o->memory, address + RLOCK_OWNER, &lock.owner, 8))
		return false;
	*ret = lock;
	return true;
}

/* lock.acquire and the like: a function of C that is bound to the lock. */
static bool is_bound(const struct python_objects *o, uint64_t address, uint64_t *ret_self)
{
	struct python_object object;

	return !python_object_read(o, address, &object) &&
	       !strcmp(object.name, "builtin_function_or_method") &&
	       !memory_read(o->memory, address + FUNCTION_SELF, ret_self, 8);
}

/* How many words of variables and temporaries a frame of this code has.
 * Include/cpython/code.h: co_stacksize and co_nlocals before co_flags, where cells have words of
 * their own; from 3.11 on co_stacksize behind co_kwonlyargcount, and co_nlocalsplus two further. */
static size_t count_words(const struct python_objects *o, uint64_t code)
{
	const struct python_object_layout *l = o->layout;
	bool one_tuple = l->code_names;
	uint64_t stack_at = one_tuple ? l->code_keyword_only + 4 : l->code_flags - 4;
	uint64_t locals_at = one_tuple ? l->code_keyword_only + 12 : l->code_flags - 8;
	uint32_t stack, locals;

	if (memory_read(o->memory, code + stack_at, &stack, sizeof(stack)) ||
	    memory_read(o->memory, code + locals_at, &locals, sizeof(locals)))
		return 0;
	return MIN((size_t)stack + locals + (one_tuple ? 0 : MAX_CELLS), (size_t)MAX_WORDS);
}

int python_lock_waited(const struct python_objects *o, uint64_t frame, uint64_t code,
		       uint64_t futex, struct python_lock *ret)
{
	uint64_t words[MAX_WORDS], self;
	size_t n;

	if (python_minor(o->version) < 0x0307 || python_minor(o->version) > 0x030d)
		return -ENOTSUP;
	n = count_words(o, code);
	if (memory_read(o->memory, frame + o->layout->frame_locals, words, n * sizeof(words[0])))
		return -ENOENT;
	for (size_t i = 0; i < n; i++)
		if (is_waited(o, words[i], futex, ret) ||
		    (is_bound(o, words[i], &self) && is_waited(o, self, futex, ret)))
			return 0;
	return -ENOENT;
}
