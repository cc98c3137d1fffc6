#include "capture/interpreters.h"

#include "base/clock.h"

enum { MAX_INTERPRETERS = 64 };

void interpreters_init(struct interpreters *i, pid_t pid, const struct memory *m,
		       const struct python *py)
{
	*i = (struct interpreters){.memory = *m, .python = *py};
	i->has_objects = !python_objects_of(&i->objects, &i->memory, py);
	named_threads_init(&i->names, pid, m, py);
}

void interpreters_fini(struct interpreters *i)
{
	named_threads_fini(&i->names);
	python_awaiters_fini(&i->awaiters);
	vec_fini(&i->list);
}

static struct interpreter *find(struct interpreters *i, uint64_t address)
{
	for (size_t k = 0; k < i->list.len; k++)
		if (i->list.data[k].address == address)
			return &i->list.data[k];
	if (i->list.len >= MAX_INTERPRETERS)
		vec_clear(&i->list);
	vec_push(&i->list, (struct interpreter){.address = address});
	return &i->list.data[i->list.len - 1];
}

const struct interpreter *interpreters_look(struct interpreters *i, uint64_t address,
					    int64_t now_ns)
{
	struct interpreter *known = find(i, address);

	if (known->now_ns == now_ns)
		return known;
	known->now_ns = now_ns;
	if (python_gil_read(&i->memory, &i->python, address, &known->gil))
		known->gil = (struct python_gil){};
	return known;
}

const struct python_awaiters *interpreters_awaiters(struct interpreters *i,
						    const struct python_awaiters_thread *t,
						    int64_t now_ns)
{
	if (!i->has_objects ||
	    !python_awaiters_read(&i->awaiters, &i->objects, &i->python.process.layout, t, now_ns))
		return NULL;
	return &i->awaiters;
}
