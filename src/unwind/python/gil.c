#include "unwind/python/gil.h"

#include "unwind/python/layout.h"

/* Include/internal/pycore_gil.h: struct _gil_runtime_state {interval, last_holder, locked, ...}; in
 * _PyRuntime (pycore_runtime.h, ceval.gil) to 3.11, then where the interpreter's ceval.gil points
 * (pycore_interp.h). */
static const struct {
	uint32_t minor;
	uint16_t in_runtime, in_interpreter;
} places[] = {
	{0x0308, 1152, 0}, {0x0309, 352, 0}, {0x030a, 352, 0},
	{0x030b, 360, 0},  {0x030c, 0, 384}, {0x030d, 0, 16},
};

int python_gil_find(const struct memory *m, const struct python *py, uint64_t interpreter,
		    uint64_t *ret)
{
	for (size_t i = 0; i < ARRAY_SIZE(places); i++) {
		if (places[i].minor != python_minor(py->version))
			continue;
		if (places[i].in_interpreter)
			return memory_read(m, interpreter + places[i].in_interpreter, ret,
					   sizeof(*ret));
		*ret = py->process.runtime + places[i].in_runtime;
		return 0;
	}
	return -ENOTSUP;
}

int python_gil_read(const struct memory *m, const struct python *py, uint64_t interpreter,
		    struct python_gil *ret)
{
	struct python_gil g = {};
	int32_t locked;
	int r = python_gil_find(m, py, interpreter, &g.address);

	if (!r)
		r = memory_read(m, g.address + PYTHON_GIL_LOCKED, &locked, sizeof(locked));
	if (!r)
		r = memory_read(m, g.address + PYTHON_GIL_HOLDER, &g.holder, sizeof(g.holder));
	if (r < 0)
		return r;
	if (locked != 1)
		g.holder = 0;
	*ret = g;
	return 0;
}
