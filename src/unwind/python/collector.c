#include "unwind/python/collector.h"

#include "unwind/python/layout.h"

/* Include/internal/pycore_gc.h: struct _gc_runtime_state.collecting; in _PyRuntime in 3.8, then in
 * the interpreter (pycore_interp.h). */
static const struct {
	uint32_t minor;
	uint16_t in_runtime, in_interpreter;
} places[] = {
	{0x0308, 544, 0}, {0x0309, 0, 816}, {0x030a, 0, 816},
	{0x030b, 0, 848}, {0x030c, 0, 312}, {0x030d, 0, 7600},
};

uint64_t python_collector_find(const struct python *py, uint64_t interpreter)
{
	for (size_t i = 0; i < ARRAY_SIZE(places); i++)
		if (places[i].minor == python_minor(py->version))
			return places[i].in_interpreter
				       ? interpreter + places[i].in_interpreter
				       : py->process.runtime + places[i].in_runtime;
	return 0;
}
