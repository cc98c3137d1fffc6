#include "format/types.h"

static bool is(const char *s, size_t len, const char *text)
{
	return len == strlen(text) && !memcmp(s, text, len);
}

/* The first of a Glim type is the name that is written; the others are names that senders use:
 * Pyroscope and the OpenTelemetry profilers, pprof of Go (allocs, mutex, block), async-profiler. */
static const struct format_type types[] = {
	{"cpu", "cpu", "nanoseconds"},
	{"samples", "cpu", "nanoseconds"},
	{"wall", "wall", "nanoseconds"},
	{"off_cpu", "offcpu", "nanoseconds"},
	{"offcpu", "offcpu", "nanoseconds"},
	{"alloc_space", "alloc", "bytes"},
	{"allocated_space", "alloc", "bytes"},
	{"alloc", "alloc", "bytes"},
	{"alloc_objects", "alloc_objects", "count"},
	{"allocated_objects", "alloc_objects", "count"},
	{"inuse_space", "inuse", "bytes"},
	{"inuse", "inuse", "bytes"},
	{"inuse_objects", "inuse_objects", "count"},
	{"lock", "lock", "nanoseconds"},
	{"delay", "lock", "nanoseconds"},
	{"contentions", "lock_count", "count"},
};

const struct format_type *format_type_by_name(const char *name, size_t len)
{
	for (size_t i = 0; i < ARRAY_SIZE(types); i++)
		if (is(name, len, types[i].name))
			return &types[i];
	return NULL;
}

const struct format_type *format_type_by_glim(const char *type)
{
	for (size_t i = 0; i < ARRAY_SIZE(types); i++)
		if (!strcmp(type, types[i].type))
			return &types[i];
	return NULL;
}

int64_t format_unit_factor(const char *unit, size_t len, const char *glim_unit)
{
	static const struct {
		const char *name;
		const char *unit;
		int64_t factor;
	} units[] = {
		{"nanoseconds", "nanoseconds", 1},
		{"ns", "nanoseconds", 1},
		{"microseconds", "nanoseconds", 1000},
		{"us", "nanoseconds", 1000},
		{"milliseconds", "nanoseconds", 1000000},
		{"ms", "nanoseconds", 1000000},
		{"seconds", "nanoseconds", NSEC_PER_SEC},
		{"s", "nanoseconds", NSEC_PER_SEC},
		{"bytes", "bytes", 1},
		{"By", "bytes", 1},
		{"count", "count", 1},
		{"1", "count", 1},
	};

	for (size_t i = 0; i < ARRAY_SIZE(units); i++)
		if (is(unit, len, units[i].name) && !strcmp(glim_unit, units[i].unit))
			return units[i].factor;
	return 0;
}
