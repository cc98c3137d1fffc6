#include "process/memory.h"

#include "process/process_priv.h"

#include <fcntl.h>
#include <limits.h>
#include <sys/uio.h>
#include <unistd.h>

enum { VECTOR_PARTS = 512 }; /* of a system call; UIO_MAXIOV of Linux allows 1,024 */

/* The slower way, which also reads pages that the process itself may not read, and works where a
 * container's system call filter forbids process_vm_readv. */
static int read_proc_mem(pid_t pid, uint64_t address, void *buf, size_t n)
{
	char path[32];
	char *out = buf;

	snprintf(path, sizeof(path), "/proc/%d/mem", (int)pid);
	cleanup_close int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return errno == EACCES ? -EPERM : gone(errno);
	while (n) {
		ssize_t got = pread(fd, out, n, (off_t)address);

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return errno == EIO || errno == EINVAL || errno == EOVERFLOW ? -EFAULT
										     : gone(errno);
		if (got == 0)
			return -ESRCH;
		out += got;
		address += (size_t)got;
		n -= (size_t)got;
	}
	return 0;
}

int process_read_memory(pid_t pid, uint64_t address, void *buf, size_t n)
{
	uint64_t end;

	if (!n)
		return 0;
	if (__builtin_add_overflow(address, n, &end) || n > SSIZE_MAX)
		return -EFAULT;
	struct iovec to = {buf, n};
	struct iovec from = {(void *)(uintptr_t)address, n};
	ssize_t got = process_vm_readv(pid, &to, 1, &from, 1, 0);

	if (got == (ssize_t)n)
		return 0;
	if (got < 0 && errno == ESRCH)
		return -ESRCH;
	size_t done = got > 0 ? (size_t)got : 0;

	return read_proc_mem(pid, address + done, (char *)buf + done, n - done);
}

int process_read_string(pid_t pid, uint64_t address, char *buf, size_t max)
{
	/* Steps end where a page may end: what is behind the text need not be there. */
	enum { STEP = 256 };
	size_t len = 0;

	while (len < max) {
		size_t n = MIN(STEP - (address + len) % STEP, max - len);
		int r = process_read_memory(pid, address + len, buf + len, n);

		if (r)
			return r;
		const char *nul = memchr(buf + len, '\0', n);

		if (nul)
			return (int)(nul - buf);
		len += n;
	}
	return -ENAMETOOLONG;
}

static int read_live(const struct memory *m, uint64_t address, void *buf, size_t n)
{
	return process_read_memory(m->pid, address, buf, n);
}

/* One system call for as many parts as it takes; returns how many bytes came. */
static size_t read_vector(pid_t pid, const struct memory_part *parts, size_t n)
{
	struct iovec to[VECTOR_PARTS], from[VECTOR_PARTS];
	ssize_t got;

	for (size_t i = 0; i < n; i++) {
		to[i] = (struct iovec){parts[i].buf, parts[i].n};
		from[i] = (struct iovec){(void *)(uintptr_t)parts[i].address, parts[i].n};
	}
	got = process_vm_readv(pid, to, n, from, n, 0);
	return got > 0 ? (size_t)got : 0;
}

static size_t read_live_parts(const struct memory *m, const struct memory_part *parts, size_t n)
{
	size_t done = 0;

	while (done < n) {
		size_t batch = MIN(n - done, (size_t)VECTOR_PARTS), i = 0;
		size_t got = read_vector(m->pid, parts + done, batch);

		for (; i < batch && got >= parts[done + i].n; i++)
			got -= parts[done + i].n;
		done += i;
		if (i == batch)
			continue;
		/* The other way may be allowed where this one is not. */
		if (process_read_memory(m->pid, parts[done].address, parts[done].buf,
					parts[done].n))
			break;
		done++;
	}
	return done;
}

struct memory memory_of_process(pid_t pid)
{
	return (struct memory){
		.read = read_live,
		.read_parts = read_live_parts,
		.pid = pid,
	};
}
