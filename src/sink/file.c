#include "sink/file.h"

#include <fcntl.h>
#include <libgen.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/io.h"

/* Replacing is right for regular files alone: it would put a file in the place of a device. */
static bool write_in_place(const char *path)
{
	struct stat st;

	return !stat(path, &st) && !S_ISREG(st.st_mode);
}

int file_check(const char *path, struct err *e)
{
	cleanup_free char *copy = mem_strdup(path);
	const char *dir = dirname(copy);
	struct stat st;

	if (!strcmp(path, "-"))
		return 0;
	if (!stat(path, &st) && S_ISDIR(st.st_mode))
		return err_set(e, -EISDIR, "cannot write %s: it is a folder", path);
	if (write_in_place(path) ? access(path, W_OK) : access(dir, W_OK | X_OK))
		return err_sys(e, -errno, "cannot write %s", path);
	return 0;
}

static int write_into(const char *path, const struct buf *b, struct err *e)
{
	cleanup_close int fd = open(path, O_WRONLY | O_CLOEXEC);
	int r = fd < 0 ? -errno : io_write_all(fd, b->data, b->len);

	return r ? err_sys(e, r, "cannot write %s", path) : 0;
}

/* Through symbolic links, so that the link stays and its target is replaced. */
static int replace(const char *path, const struct buf *b, struct err *e)
{
	cleanup_free char *target = realpath(path, NULL);
	mode_t mask = umask(0);

	umask(mask);
	return io_write_file(target ? target : path, b->data, b->len, 0666 & ~mask, e);
}

int file_write_bytes(const void *p, size_t n, const char *path, struct err *e)
{
	const struct buf b = {.data = (uint8_t *)p, .len = n};

	if (!strcmp(path, "-")) {
		int r = io_write_all(STDOUT_FILENO, p, n);

		return r ? err_sys(e, r, "cannot write to standard output") : 0;
	}
	return write_in_place(path) ? write_into(path, &b, e) : replace(path, &b, e);
}

int file_write(const struct format *f, const struct profile *p, const char *path, struct err *e)
{
	cleanup_buf struct buf b = {};
	int r = f->write(p, &b, e);

	return r ? r : file_write_bytes(b.data, b.len, path, e);
}
