#include "process/process_priv.h"

#include <limits.h>
#include <sys/ioctl.h>
#include <sys/sysmacros.h>

/* Linux 6.11 include/uapi/linux/fs.h; headers of distributions are older. */
struct procmap_query {
	uint64_t size;
	uint64_t query_flags;
	uint64_t query_addr;
	uint64_t vma_start, vma_end;
	uint64_t vma_flags;
	uint64_t vma_page_size;
	uint64_t vma_offset;
	uint64_t inode;
	uint32_t dev_major, dev_minor;
	uint32_t vma_name_size; /* in: room, out: with the end of the string */
	uint32_t build_id_size;
	uint64_t vma_name_addr;
	uint64_t build_id_addr;
};
_Static_assert(sizeof(struct procmap_query) == 104, "as the kernel has it");
#define PROCMAP_QUERY _IOWR('f', 17, struct procmap_query)
enum { QUERY_EXECUTABLE = 0x04, QUERY_COVERING_OR_NEXT = 0x10 };

static void add_answer(struct process *p, const struct procmap_query *q, char *name)
{
	struct mapping m = {
		.start = q->vma_start,
		.end = q->vma_end,
		.offset = q->vma_offset,
		.dev = makedev(q->dev_major, q->dev_minor),
		.inode = q->inode,
	};
	size_t n = q->vma_name_size ? strnlen(name, q->vma_name_size) : 0;

	m.deleted = maps_cut_deleted(name, &n);
	m.path = mem_calloc(n + 1, 1);
	memcpy(m.path, name, n);
	maps_add(p, &m);
}

int maps_query(int fd, struct process *p)
{
	char name[PATH_MAX];
	uint64_t next = 0;

	for (;;) {
		struct procmap_query q = {
			.size = sizeof(q),
			.query_flags = QUERY_EXECUTABLE | QUERY_COVERING_OR_NEXT,
			.query_addr = next,
			.vma_name_size = sizeof(name),
			.vma_name_addr = (uintptr_t)name,
		};

		/* ENOENT: no more. ESRCH: the process ended, as far as its memory goes. */
		if (ioctl(fd, PROCMAP_QUERY, &q))
			return errno == ENOENT || errno == ESRCH ? 0 : -errno;
		/* Or it would never end. */
		if (q.vma_end <= next || p->mappings_dropped > MAX_EXECUTABLE_MAPPINGS)
			return -EBADMSG;
		add_answer(p, &q, name);
		next = q.vma_end;
	}
}
