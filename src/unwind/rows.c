#include "unwind/rows.h"

#include <sys/mman.h>
#include <unistd.h>

#include "base/hash.h"
#include "base/io.h"

enum {
	MAX_OPEN = 128,
	MAX_ROWS = 1 << 16,
	MAX_VDSO = 64 << 10,
	OFFSET_BITS = 40,
};

struct rows_file {
	uint64_t dev, inode;
	struct elf_file *elf; /* NULL: not readable */
	struct row_table table;
};
struct rows {
	VEC(struct rows_file) files;
	struct hash_index file_index;
	struct map64 known; /* packed rows by file number << OFFSET_BITS | offset */
};

_Static_assert(sizeof(struct row) <= 16, "packed below");

static uint64_t pack(const struct row *r)
{
	return (uint64_t)r->kind | (uint64_t)r->fp_saved << 3 |
	       ((uint64_t)r->offset & 0x3fffffff) << 4 | ((uint64_t)r->fp_at & 0x3fffffff) << 34;
}

/* Fields of 30 bits with sign. */
static int32_t unpack_field(uint64_t v)
{
	return (int32_t)((uint32_t)v << 2) >> 2;
}

static void unpack(uint64_t v, struct row *ret)
{
	ret->kind = v & 7;
	ret->fp_saved = v >> 3 & 1;
	ret->offset = unpack_field(v >> 4);
	ret->fp_at = unpack_field(v >> 34);
}

struct rows *rows_new(void)
{
	return mem_calloc(1, sizeof(struct rows));
}

static void forget(struct rows *r)
{
	for (size_t i = 0; i < r->files.len; i++) {
		row_table_fini(&r->files.data[i].table);
		if (r->files.data[i].elf)
			elf_file_close(r->files.data[i].elf);
	}
	vec_clear(&r->files);
	hash_index_clear(&r->file_index);
	map64_fini(&r->known);
}

void rows_free(struct rows *r)
{
	if (!r)
		return;
	forget(r);
	vec_fini(&r->files);
	hash_index_fini(&r->file_index);
	free(r);
}

static int copy_vdso(const struct process *p, const struct mapping *m)
{
	size_t size = m->end - m->start;
	cleanup_free uint8_t *image = NULL;
	cleanup_close int fd = -1;

	if (size > MAX_VDSO)
		return -EFBIG;
	image = mem_calloc(size, 1);
	if (process_read_memory(p->pid, m->start, image, size) < 0)
		return -ESRCH;
	fd = memfd_create("vdso", MFD_CLOEXEC);
	if (fd < 0 || io_write_all(fd, image, size) < 0)
		return -errno;
	return take_fd(&fd);
}

static bool is_vdso(const struct mapping *m)
{
	return !m->inode && !strcmp(m->path, "[vdso]");
}

static uint32_t file_of(struct rows *r, const struct process *p, const struct mapping *m)
{
	uint64_t hash = hash_mix(m->dev, m->inode);
	struct rows_file new = {.dev = m->dev, .inode = m->inode};
	struct hash_iter it;
	uint32_t i;
	int fd;

	for (i = hash_index_first(&r->file_index, hash, &it); i != HASH_NONE;
	     i = hash_index_next(&r->file_index, &it))
		if (r->files.data[i].dev == m->dev && r->files.data[i].inode == m->inode)
			return i;
	fd = is_vdso(m) ? copy_vdso(p, m) : process_open_mapping(p, m);
	if (fd < 0)
		return HASH_NONE;
	if (elf_file_open(fd, &new.elf, NULL) < 0)
		new.elf = NULL;
	else
		row_table_init(&new.table, new.elf);
	if (r->files.len >= MAX_OPEN)
		forget(r);
	i = r->files.len;
	vec_push(&r->files, new);
	hash_index_add(&r->file_index, hash, i);
	return i;
}

void rows_find(struct rows *r, const struct process *p, const struct mapping *m, uint64_t address,
	       struct row *ret)
{
	uint64_t offset = address - m->start + m->offset, key, *known, virtual;
	struct elf_file *f;
	uint32_t file;

	*ret = (struct row){.kind = ROW_NONE};
	if ((!m->inode && !is_vdso(m)) || offset >> OFFSET_BITS)
		return;
	file = file_of(r, p, m);
	if (file == HASH_NONE)
		return;
	key = (uint64_t)file << OFFSET_BITS | offset;
	known = map64_get(&r->known, key);
	if (known) {
		unpack(*known, ret);
		return;
	}
	f = r->files.data[file].elf;
	if (f && !elf_file_offset_to_address(f, offset, &virtual))
		row_find(f, &r->files.data[file].table, virtual, ret);
	if (ret->offset >= 1 << 29 || ret->fp_at >= 1 << 29 || ret->fp_at < -(1 << 29))
		*ret = (struct row){.kind = ROW_OTHER};
	if (r->known.len >= MAX_ROWS)
		map64_fini(&r->known);
	map64_set(&r->known, key, pack(ret));
}
