#include "symbol/debug_file.h"

#include <libdeflate.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
	MAX_LINK = 4096, /* .gnu_debuglink holds one file name */
	/* The checksum is over the whole file, and a sample waits meanwhile. Whatever is larger has
	 * a build id these twenty years. */
	MAX_CHECKED = 128 << 20,
	PIECE = 1 << 16,
};

void build_id_hex(const struct build_id *id, char ret[BUILD_ID_HEX])
{
	static const char digits[] = "0123456789abcdef";

	for (int i = 0; i < id->len; i++) {
		ret[2 * i] = digits[id->bytes[i] >> 4];
		ret[2 * i + 1] = digits[id->bytes[i] & 15];
	}
	ret[2 * id->len] = '\0';
}

/* The section is a name, its end, zero bytes up to a multiple of four, and the checksum (GDB,
 * "Debugging Information in Separate Files"). */
static void read_link(const struct elf_file *f, struct debug_link *l)
{
	const Elf64_Shdr *s = elf_file_section(f, ".gnu_debuglink");
	char text[MAX_LINK];

	if (!s || s->sh_type != SHT_PROGBITS || s->sh_size > sizeof(text) ||
	    elf_file_read(f, s->sh_offset, text, s->sh_size))
		return;
	size_t n = strnlen(text, s->sh_size), at = (n + 4) & ~(size_t)3;

	/* Only a name: a path could lead anywhere. */
	if (!n || at + sizeof(l->crc) > s->sh_size || memchr(text, '/', n) || !strcmp(text, ".") ||
	    !strcmp(text, ".."))
		return;
	memcpy(&l->crc, text + at, sizeof(l->crc));
	l->name = mem_strdup(text);
}

void debug_link_read(const struct elf_file *f, struct debug_link *ret)
{
	struct stat st;

	*ret = (struct debug_link){.owner = fstat(f->fd, &st) ? 0 : st.st_uid};
	ret->id.len = MAX(elf_file_build_id(f, ret->id.bytes), 0);
	read_link(f, ret);
}

void debug_link_fini(struct debug_link *l)
{
	free(l->name);
	*l = (struct debug_link){};
}

static bool checksum_is(const struct elf_file *f, uint32_t want)
{
	cleanup_free char *piece = mem_calloc(PIECE, 1);
	uint32_t crc = 0;

	if (f->size > MAX_CHECKED)
		return false;
	for (uint64_t at = 0; at < f->size; at += PIECE) {
		size_t n = MIN(f->size - at, (uint64_t)PIECE);

		if (elf_file_read(f, at, piece, n))
			return false;
		crc = libdeflate_crc32(crc, piece, n);
	}
	return crc == want;
}

static bool right_checksum(const struct elf_file *f, struct debug_link *l)
{
	__typeof__(l->checked) now;
	struct stat st;

	if (!l->name || fstat(f->fd, &st))
		return false;
	now.dev = st.st_dev;
	now.inode = st.st_ino;
	now.size = (uint64_t)st.st_size;
	now.mtime_ns = (uint64_t)st.st_mtim.tv_sec * NSEC_PER_SEC + (uint64_t)st.st_mtim.tv_nsec;
	if (!memcmp(&now, &l->checked, sizeof(now)))
		return true;
	if (!checksum_is(f, l->crc))
		return false;
	l->checked = now;
	return true;
}

bool debug_file_trusted(int fd, uint32_t owner)
{
	struct stat st;

	return !fstat(fd, &st) && (st.st_uid == 0 || st.st_uid == owner || st.st_uid == geteuid());
}

/* Is this open file the one? Takes fd over in any case. */
static int take_right(int fd, struct debug_link *l, struct elf_file **ret)
{
	struct build_id its = {};
	struct elf_file *f;
	int r = fd < 0 ? fd : elf_file_open(fd, &f, NULL);

	if (r)
		return r;
	its.len = MAX(elf_file_build_id(f, its.bytes), 0);
	bool same = l->id.len && its.len
			    ? its.len == l->id.len && !memcmp(its.bytes, l->id.bytes, its.len)
			    : right_checksum(f, l);

	if (!same || !debug_file_trusted(f->fd, l->owner)) {
		elf_file_close(f);
		return -ESTALE;
	}
	*ret = f;
	return 0;
}

static int try_path(pid_t pid, struct debug_link *l, struct elf_file **ret, char *path)
{
	int r = take_right(process_open_path(pid, path, true), l, ret);

	free(path);
	return r;
}

/* All places below one root: by build id, beside the file, in .debug beside it, and below the debug
 * folder. */
static int search_root(pid_t pid, const struct debug_search *where, struct debug_link *l,
		       struct elf_file **ret)
{
	const char *slash = strrchr(where->path, '/');
	int dir = slash ? (int)(slash - where->path) : 0;
	char hex[BUILD_ID_HEX];
	int r = -ENOENT;

	if (l->id.len > 1) {
		build_id_hex(&l->id, hex);
		r = try_path(pid, l, ret,
			     mem_asprintf("%s/.build-id/%.2s/%s.debug", where->folder, hex,
					  hex + 2));
	}
	if (!r || !l->name || where->path[0] != '/')
		return r;
	r = try_path(pid, l, ret, mem_asprintf("%.*s/%s", dir, where->path, l->name));
	if (r)
		r = try_path(pid, l, ret,
			     mem_asprintf("%.*s/.debug/%s", dir, where->path, l->name));
	if (r)
		r = try_path(pid, l, ret,
			     mem_asprintf("%s%.*s/%s", where->folder, dir, where->path, l->name));
	return r;
}

static char *fetched_path(const char *folder, const struct build_id *id)
{
	char hex[BUILD_ID_HEX];

	build_id_hex(id, hex);
	return mem_asprintf("%s/%s/debuginfo", folder, hex);
}

bool debug_file_fetched(const char *folder, const struct build_id *id)
{
	cleanup_free char *path = fetched_path(folder, id);
	struct stat st;

	return !stat(path, &st) && st.st_size > 0; /* an empty one: no server has it */
}

static int search_fetched(const struct debug_search *where, struct debug_link *l,
			  struct elf_file **ret)
{
	if (!where->fetched || l->id.len < 2)
		return -ENOENT;
	return try_path(0, l, ret, fetched_path(where->fetched, &l->id));
}

/* A container, or whoever called chroot. */
static bool has_other_root(pid_t pid)
{
	struct stat its, ours;
	char path[32];

	snprintf(path, sizeof(path), "/proc/%d/root", (int)pid);
	return !stat(path, &its) && !stat("/", &ours) &&
	       (its.st_dev != ours.st_dev || its.st_ino != ours.st_ino);
}

int debug_file_open(const struct debug_search *where, struct debug_link *l, struct elf_file **ret)
{
	bool other = where->pid && has_other_root(where->pid);
	int r = other ? search_root(where->pid, where, l, ret) : -ENOENT;

	l->theirs = !r;
	if (r)
		r = search_root(0, where, l, ret);
	if (r)
		r = search_fetched(where, l, ret);
	return r ? -ENOENT : 0;
}
