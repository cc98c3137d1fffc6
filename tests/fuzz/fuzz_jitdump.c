/* Records of a runtime, or of whoever owns the process. */
#include "fuzz.h"
#include "symbol/jitdump.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	int fd = fuzz_file(data, size), r;
	struct code_map map = {};
	struct jitdump d = {};
	char text[64];
	uint32_t line;

	do {
		code_range_vec batch = {};

		r = jitdump_read(&d, fd, 5, &batch);
		code_map_put(&map, &batch);
		vec_fini(&batch);
	} while (r == 1);
	for (size_t i = 0; i < map.ranges.len; i++) {
		const struct code_range *c = &map.ranges.data[i];

		CHECK(code_map_find(&map, c->start) == c);
		CHECK(!jitdump_name(fd, c->value, text, sizeof(text)));
		jitdump_line(&d, fd, c->value, c->start, c->start + c->size / 2, text, sizeof(text),
			     &line);
	}
	code_map_fini(&map);
	jitdump_fini(&d);
	close(fd);
	return 0;
}
