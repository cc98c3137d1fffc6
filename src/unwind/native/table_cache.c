#include "unwind/native/table_cache.h"

#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/io.h"

enum {
	BLOCK = 4096, /* what a small file takes on most file systems */
	NAME_MAX_LEN = 32,
	MAX_FILES = 1 << 15, /* seen in a folder; more than fit are not ours */
};
static const char suffix[] = ".rows", temporary_suffix[] = ".part";

struct table_cache {
	int folder;
	uint64_t max_bytes;
	uint64_t bytes; /* as far as this process knows; counted when it is over the bound */
};

struct entry {
	char name[NAME_MAX_LEN];
	int64_t used_ns;
	uint64_t bytes;
};
struct entries {
	VEC(struct entry) all;
};

static void entries_fini(struct entries *e)
{
	vec_fini(&e->all);
}

static uint64_t on_disk(uint64_t bytes)
{
	return (bytes + BLOCK - 1) / BLOCK * BLOCK;
}

static bool ends_with(const char *s, const char *end)
{
	size_t n = strlen(s), tail = strlen(end);

	return n >= tail && !strcmp(s + n - tail, end);
}

/* --- what is in the folder ---------------------------------------------------------------------*/

static void take_entry(struct table_cache *c, const char *name, struct entries *ret)
{
	struct entry e = {};
	struct stat st;

	if (strlen(name) >= sizeof(e.name) || ret->all.len >= MAX_FILES ||
	    fstatat(c->folder, name, &st, AT_SYMLINK_NOFOLLOW) || !S_ISREG(st.st_mode))
		return;
	/* Another process that was stopped left it behind; one that runs is done in a moment. */
	if (ends_with(name, temporary_suffix)) {
		if (clock_real_ns() / NSEC_PER_SEC - st.st_mtim.tv_sec > 60)
			unlinkat(c->folder, name, 0);
		return;
	}
	if (!ends_with(name, suffix))
		return;
	strcpy(e.name, name);
	e.used_ns = (int64_t)st.st_mtim.tv_sec * NSEC_PER_SEC + st.st_mtim.tv_nsec;
	e.bytes = on_disk((uint64_t)st.st_size);
	vec_push(&ret->all, e);
	c->bytes += e.bytes;
}

static int list(struct table_cache *c, struct entries *ret)
{
	int fd = openat(c->folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	const struct dirent *d;

	if (!dir) {
		int r = -errno;

		if (fd >= 0)
			close(fd);
		return r;
	}
	c->bytes = 0;
	while ((d = readdir(dir)))
		take_entry(c, d->d_name, ret);
	closedir(dir);
	return 0;
}

static int by_use(const void *a, const void *b)
{
	const struct entry *x = a, *y = b;

	return (x->used_ns > y->used_ns) - (x->used_ns < y->used_ns);
}

/* Remove what was not used for longest until a quarter is free. */
static int trim(struct table_cache *c)
{
	cleanup(entries_fini) struct entries found = {};
	int r = list(c, &found);

	if (r || c->bytes <= c->max_bytes)
		return r;
	qsort(found.all.data, found.all.len, sizeof(*found.all.data), by_use);
	for (size_t i = 0; i < found.all.len && c->bytes > c->max_bytes / 4 * 3; i++) {
		if (unlinkat(c->folder, found.all.data[i].name, 0))
			return -errno;
		c->bytes -= found.all.data[i].bytes;
	}
	return 0;
}

/* --- opening -----------------------------------------------------------------------------------*/

static int open_folder(const char *folder, struct err *e)
{
	struct stat st;

	if (mkdir(folder, 0700) && errno != EEXIST)
		return err_sys(e, -errno, "cannot make the folder %s", folder);
	cleanup_close int fd = open(folder, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	if (fd < 0 || fstat(fd, &st))
		return err_sys(e, -errno, "cannot open the folder %s", folder);
	if (st.st_uid != geteuid() || st.st_mode & (S_IWGRP | S_IWOTH))
		return err_set(e, -EPERM, "others can write to the folder %s", folder);
	return take_fd(&fd);
}

int table_cache_open(const char *folder, uint64_t max_bytes, struct table_cache **ret,
		     struct err *e)
{
	int fd = open_folder(folder, e);

	if (fd < 0)
		return fd;
	struct table_cache *c = mem_calloc(1, sizeof(*c));

	c->folder = fd;
	c->max_bytes = max_bytes;
	int r = trim(c);

	if (r) {
		table_cache_close(c);
		return err_sys(e, r, "cannot read the folder %s", folder);
	}
	*ret = c;
	return 0;
}

void table_cache_close(struct table_cache *c)
{
	if (!c)
		return;
	close(c->folder);
	free(c);
}

/* --- tables ------------------------------------------------------------------------------------*/

static void name_of(const struct table_image_key *key, const char *end, char ret[NAME_MAX_LEN])
{
	snprintf(ret, NAME_MAX_LEN, "%016" PRIx64 "%s", hash_bytes(key, sizeof(*key)), end);
}

int table_cache_load(struct table_cache *c, const struct table_image_key *key, uint64_t max_bytes,
		     struct unwind_rules *rules, struct unwind_table *ret)
{
	char name[NAME_MAX_LEN];
	cleanup_buf struct buf data = {};
	struct stat st;

	name_of(key, suffix, name);
	cleanup_close int fd =
		openat(c->folder, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);

	if (fd < 0 || fstat(fd, &st))
		return -errno;
	if (max_bytes < (uint64_t)st.st_size)
		return -EFBIG;
	int r = io_read_fd(fd, c->max_bytes / 4, &data);

	if (!r)
		r = table_image_read(data.data, data.len, key, rules, ret);
	if (!r)
		futimens(fd, NULL); /* used now */
	else if (r != -ENOSPC)	    /* of no use: a new one will take its place */
		unlinkat(c->folder, name, 0);
	return r ? r : (int)ret->rows.len;
}

static int write_file(struct table_cache *c, const char *name, const struct buf *data)
{
	cleanup_close int fd = openat(c->folder, name,
				      O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);

	return fd < 0 ? -errno : io_write_all(fd, data->data, data->len);
}

int table_cache_save(struct table_cache *c, const struct table_image_key *key,
		     const struct unwind_table *t, const struct unwind_rules *rules)
{
	char name[NAME_MAX_LEN], part[NAME_MAX_LEN], end[16];
	cleanup_buf struct buf data = {};

	table_image_write(key, t, rules, &data);
	if (data.len > c->max_bytes / 4)
		return -EFBIG;
	snprintf(end, sizeof(end), "%d%s", (int)getpid(), temporary_suffix);
	name_of(key, suffix, name);
	name_of(key, end, part);
	int r = write_file(c, part, &data);

	if (!r && renameat(c->folder, part, c->folder, name))
		r = -errno;
	if (r) {
		unlinkat(c->folder, part, 0);
		return r;
	}
	c->bytes += on_disk(data.len);
	return c->bytes > c->max_bytes ? trim(c) : 0;
}
