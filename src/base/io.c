#include "base/io.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/random.h>
#include <unistd.h>

int io_read_fd(int fd, size_t max, struct buf *out)
{
	size_t start = out->len;

	for (;;) {
		buf_reserve(out, 8192);
		ssize_t n = read(fd, out->data + out->len, out->cap - out->len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			return 0;
		out->len += (size_t)n;
		if (out->len - start > max)
			return -EFBIG;
	}
}

int io_read_file(const char *path, size_t max, struct buf *out)
{
	cleanup_close int fd = open(path, O_RDONLY | O_CLOEXEC);

	return fd < 0 ? -errno : io_read_fd(fd, max, out);
}

int io_write_all(int fd, const void *p, size_t n)
{
	const char *s = p;

	while (n) {
		ssize_t w = write(fd, s, n);

		if (w < 0 && errno == EINTR)
			continue;
		if (w < 0)
			return -errno;
		s += w;
		n -= (size_t)w;
	}
	return 0;
}

int io_write_file(const char *path, const void *p, size_t n, unsigned int mode, struct err *e)
{
	cleanup_free char *tmp = mem_asprintf("%s.XXXXXX", path);
	cleanup_close int fd = mkostemp(tmp, O_CLOEXEC);

	if (fd < 0)
		return err_sys(e, -errno, "cannot write %s", path);
	int r = io_write_all(fd, p, n);

	if (!r && (fchmod(fd, mode) || fsync(fd) || rename(tmp, path)))
		r = -errno;
	if (r) {
		unlink(tmp);
		return err_sys(e, r, "cannot write %s", path);
	}
	return 0;
}

void io_random(void *p, size_t n)
{
	char *s = p;

	while (n) {
		ssize_t r = getrandom(s, n, 0);

		CHECK(r > 0 || errno == EINTR);
		if (r > 0) {
			s += r;
			n -= (size_t)r;
		}
	}
}
