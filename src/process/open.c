#include "process/process_priv.h"

#include <fcntl.h>
#include <limits.h>
#include <linux/magic.h>
#include <linux/openat2.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

/* The kernel's vdso is two pages; more than this is none. */
enum { MAX_VDSO = 1 << 20 };

/* Is what path_fd names the file of the mapping? in_its_root: the path was looked up in the root of
 * the process, which still runs. */
static int check_same(int path_fd, const struct stat *st, const struct mapping *m, bool in_its_root)
{
	struct statfs fs;

	if (st->st_ino == m->inode && st->st_dev == m->dev)
		return 0;
	/* File systems without a device (btrfs) give each subvolume a number of its own to stat. */
	if (major(st->st_dev) == 0 && major(m->dev) == 0 && st->st_ino == m->inode)
		return 0;
	if (fstatfs(path_fd, &fs))
		return -errno;
	/* A mapping on overlayfs may tell the numbers of the layer below (before Linux 6.8), stat
	 * those of the overlay: they cannot be compared. The name was looked up where the process
	 * looks, so take the file when it reaches as far as the mapping does. */
	if (in_its_root && fs.f_type == OVERLAYFS_SUPER_MAGIC && m->offset < (uint64_t)st->st_size)
		return 0;
	return -ESTALE;
}

/* Open for reading what an O_PATH descriptor names, if it is a regular file: to open a device or
 * a pipe can have effects. m: only if it is the file of this mapping; NULL: any. */
static int reopen(int path_fd, const struct mapping *m, bool in_its_root)
{
	struct stat st;
	char name[40];

	if (fstat(path_fd, &st))
		return -errno;
	if (!S_ISREG(st.st_mode))
		return -ENODEV;
	int r = m ? check_same(path_fd, &st, m, in_its_root) : 0;

	if (r)
		return r;
	snprintf(name, sizeof(name), "/proc/self/fd/%d", path_fd);
	int fd = open(name, O_RDONLY | O_CLOEXEC | O_NOCTTY);

	return fd < 0 ? -errno : fd;
}

/* Through the mapping itself, deleted or not. The check is for a pid that is used again. Wants
 * CAP_CHECKPOINT_RESTORE or CAP_SYS_ADMIN (Linux 6.1 fs/proc/base.c:proc_map_files_get_link()). */
static int open_map_files(const struct process *p, const struct mapping *m)
{
	char name[80];

	snprintf(name, sizeof(name), "/proc/%d/map_files/%lx-%lx", (int)process_tid(p),
		 (unsigned long)m->start, (unsigned long)m->end);
	cleanup_close int fd = open(name, O_PATH | O_CLOEXEC);

	return fd < 0 ? -errno : reopen(fd, m, true);
}

/* Look a path up below a root, as a process with this root would; flags as in open(2). */
static int find_below(const char *root, const char *path, int flags)
{
	cleanup_close int root_fd = open(root, O_PATH | O_DIRECTORY | O_CLOEXEC);

	if (root_fd < 0)
		return gone(errno);
	struct open_how how = {.flags = (uint64_t)(O_PATH | O_CLOEXEC | flags),
			       .resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS};
	int fd = (int)syscall(SYS_openat2, root_fd, path, &how, sizeof(how));

	return fd < 0 ? -errno : fd;
}

static int open_below(const char *root, const struct mapping *m, bool in_its_root)
{
	cleanup_close int fd = find_below(root, m->path, 0);

	return fd < 0 ? fd : reopen(fd, m, in_its_root);
}

int process_open_path(pid_t pid, const char *path, bool follow)
{
	char root[32] = "/";

	if (pid)
		snprintf(root, sizeof(root), "/proc/%d/root", (int)pid);
	cleanup_close int fd = find_below(root, path, follow ? 0 : O_NOFOLLOW);

	return fd < 0 ? fd : reopen(fd, NULL, true);
}

/* By name, in the root that the process sees, then in ours: the second also helps when the process
 * has ended. */
static int open_path(const struct process *p, const struct mapping *m)
{
	char root[32];

	if (m->path[0] != '/' || m->deleted)
		return -ENOENT;
	snprintf(root, sizeof(root), "/proc/%d/root", (int)process_tid(p));
	int fd = open_below(root, m, true);

	if (fd >= 0)
		return fd;
	int own = open_below("/", m, false);

	return own >= 0 ? own : fd;
}

int process_read_vdso(const struct process *p, const struct mapping *m, void *buf, size_t n)
{
	int r = process_read_memory(process_tid(p), m->start, buf, n);
	unsigned long own = getauxval(AT_SYSINFO_EHDR);

	if (r != -ESRCH || !own || n > m->end - m->start)
		return r;
	/* It ended. The kernel gives the same to every 64-bit process, so ours is as good; that of
	 * 32-bit programs is below 4 GiB. */
	if (m->start >> 32 == 0)
		return r;
	memcpy(buf, (const void *)own, n);
	return 0;
}

/* The vdso has no file: copy it from memory into one. */
static int open_vdso(const struct process *p, const struct mapping *m)
{
	uint64_t n = m->end - m->start;

	if (n > MAX_VDSO)
		return -EFBIG;
	cleanup_free char *text = mem_calloc(n, 1);
	int r = process_read_vdso(p, m, text, n);

	if (r)
		return r;
	cleanup_close int fd = memfd_create("vdso", MFD_CLOEXEC);

	if (fd < 0)
		return -errno;
	ssize_t wrote = pwrite(fd, text, n, 0);

	if (wrote != (ssize_t)n)
		return wrote < 0 ? -errno : -EIO;
	return take_fd(&fd);
}

int process_open_mapping(const struct process *p, const struct mapping *m)
{
	if (!strcmp(m->path, "[vdso]"))
		return open_vdso(p, m);
	if (!m->inode)
		return -ENOENT;
	int fd = open_map_files(p, m);

	if (fd >= 0 || fd == -ENODEV)
		return fd;
	return open_path(p, m);
}
