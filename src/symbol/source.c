#include "symbol/source.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "process/process.h"

struct sides {
	const struct debug_search *where;
	uint32_t owner;
};

/* Believed as a debug file is. */
static int open_side(void *arg, const char *path)
{
	const struct sides *s = arg;
	cleanup_close int fd = process_open_path(s->where->pid, path, true);

	if (fd < 0)
		return fd;
	return debug_file_trusted(fd, s->owner) ? take_fd(&fd) : -EPERM;
}

/* What is the same when the separate file is opened again. */
static bool identify(int fd, struct source *s)
{
	struct stat st;

	if (fstat(fd, &st))
		return false;
	s->dev = st.st_dev;
	s->inode = st.st_ino;
	s->size = (uint64_t)st.st_size;
	s->mtime_ns = (uint64_t)st.st_mtim.tv_sec * NSEC_PER_SEC + (uint64_t)st.st_mtim.tv_nsec;
	return true;
}

static void open_separate(struct source *s, struct debug_pool *pool, const struct elf_file *own,
			  const struct debug_search *where)
{
	struct elf_file *elf;

	debug_link_read(own, &s->link);
	if (debug_file_open(where, &s->link, &elf))
		return;
	s->separate = identify(elf->fd, s) && !debug_info_open(pool, elf, &s->info);
	elf_file_close(elf);
}

static void open_first(struct source *s, struct debug_pool *pool, int own,
		       const struct debug_search *where)
{
	int fd = fcntl(own, F_DUPFD_CLOEXEC, 0);
	struct elf_file *elf;
	struct stat st;

	s->tried = true;
	s->owner = fstat(own, &st) ? 0 : st.st_uid;
	if (fd < 0 || elf_file_open(fd, &elf, NULL))
		return;
	if (debug_info_open(pool, elf, &s->info))
		open_separate(s, pool, elf, where);
	elf_file_close(elf);
}

static void open_again(struct source *s, int own, const struct debug_search *where)
{
	struct source now = {};
	struct elf_file *elf;

	if (!s->separate) {
		debug_info_resume(s->info, fcntl(own, F_DUPFD_CLOEXEC, 0));
		return;
	}
	if (debug_file_open(where, &s->link, &elf))
		return;
	if (identify(elf->fd, &now) && now.dev == s->dev && now.inode == s->inode &&
	    now.size == s->size && now.mtime_ns == s->mtime_ns)
		debug_info_resume(s->info, take_fd(&elf->fd));
	else
		source_fini(s); /* it was replaced: begin again with the new one */
	elf_file_close(elf);
}

bool source_wants_own(const struct source *s)
{
	return !s->tried || (s->info && !s->separate && debug_info_paused(s->info));
}

int source_find(struct source *s, struct debug_pool *pool, int own,
		const struct debug_search *where, uint64_t address, struct debug_function *ret,
		size_t max)
{
	struct sides sides = {where, s->owner};
	const struct debug_opener opener = {open_side, &sides, where->path};

	if (source_wants_own(s) && own < 0)
		return 0;
	if (!s->tried)
		open_first(s, pool, own, where);
	else if (s->info && debug_info_paused(s->info))
		open_again(s, own, where);
	if (!s->info || debug_info_paused(s->info))
		return 0;
	sides.owner = s->owner;
	return debug_info_lookup(s->info, address, &opener, ret, max);
}

void source_close(struct source *s)
{
	if (s->info)
		debug_info_pause(s->info);
}

void source_fini(struct source *s)
{
	debug_info_close(s->info);
	debug_link_fini(&s->link);
	*s = (struct source){};
}
