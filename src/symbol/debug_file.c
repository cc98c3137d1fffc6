#include "symbol/debug_file.h"

#include <fcntl.h>

int debug_file_open(const char *folder, const struct build_id *id, struct elf_file **ret)
{
	char hex[2 * sizeof(id->bytes) + 1] = "";
	struct elf_file *f;
	struct build_id its = {};

	if (id->len < 2)
		return -ENOENT;
	for (int i = 0; i < id->len; i++)
		snprintf(hex + 2 * i, 3, "%02x", id->bytes[i]);
	cleanup_free char *path = mem_asprintf("%s/.build-id/%.2s/%s.debug", folder, hex, hex + 2);
	/* Not to wait for a pipe that somebody put there. */
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);

	if (fd < 0)
		return -errno;
	int r = elf_file_open(fd, &f, NULL);

	if (r)
		return r;
	its.len = elf_file_build_id(f, its.bytes);
	if (its.len != id->len || memcmp(its.bytes, id->bytes, (size_t)id->len)) {
		elf_file_close(f);
		return -ESTALE;
	}
	*ret = f;
	return 0;
}
