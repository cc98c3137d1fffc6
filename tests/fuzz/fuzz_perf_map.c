/* Text that whoever runs a process may leave in /tmp. Read in two parts, as it would grow. */
#include "fuzz.h"
#include "symbol/perf_map.h"

static size_t read_all(int fd, struct code_map *map, struct perf_map *m)
{
	code_range_vec batch = {};
	size_t steps = 0;
	int r;

	do {
		r = perf_map_read(m, fd, 300, 7, &batch);
		code_map_put(map, &batch);
		vec_fini(&batch);
	} while (r == 1 && ++steps < 1 << 20);
	CHECK(r <= 0);
	return steps;
}

static void check(const struct code_map *map, int fd)
{
	char name[40];

	for (size_t i = 0; i < map->ranges.len; i++) {
		const struct code_range *r = &map->ranges.data[i];

		CHECK(r->size && r->start + r->size > r->start);
		CHECK(!i || r[-1].start + r[-1].size <= r->start);
		CHECK(code_map_find(map, r->start + r->size - 1) == r);
		CHECK(!perf_map_name(fd, r->value, name, sizeof(name)));
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	int fd = fuzz_file(data, size / 2);
	struct code_map map = {};
	struct perf_map m = {};

	read_all(fd, &map, &m);
	CHECK(pwrite(fd, data + size / 2, size - size / 2, (off_t)(size / 2)) ==
	      (ssize_t)(size - size / 2));
	read_all(fd, &map, &m);
	CHECK(m.at <= size);
	check(&map, fd);
	code_map_fini(&map);
	close(fd);
	return 0;
}
