/* /proc/PID/maps and /proc/PID/stat: names in them are the process's own. */
#include "fuzz.h"
#include "process/process_priv.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct process p = {};
	struct stat_line line;
	int fd = fuzz_file(data, size);

	maps_read(fd, &p);
	for (size_t i = 1; i < p.mappings.len; i++)
		CHECK(p.mappings.data[i].start < p.mappings.data[i].end);
	maps_free(&p);
	close(fd);
	if (stat_line_parse((const char *)data, size, &line) >= 0)
		CHECK(strnlen(line.comm, sizeof(line.comm)) < sizeof(line.comm));
	return 0;
}
