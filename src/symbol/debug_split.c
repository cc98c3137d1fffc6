#include <sys/stat.h>
#include <unistd.h>

#include "symbol/debug_unit.h"
#include "symbol/dwarf_format.h"

enum {
	MAX_UNITS = 256, /* of a .dwo file; compilers put one or two there */
	MAX_COLUMNS = 16,
	MAX_SLOTS = 1 << 26,
};

/* --- files beside the program
 * -------------------------------------------------------------------*/

static int identify(int fd, struct debug_side *s)
{
	struct stat st;

	if (fstat(fd, &st))
		return -errno;
	s->dev = st.st_dev;
	s->inode = st.st_ino;
	s->size = (uint64_t)st.st_size;
	s->mtime_ns = (uint64_t)st.st_mtim.tv_sec * NSEC_PER_SEC + (uint64_t)st.st_mtim.tv_nsec;
	return 0;
}

int debug_side_open(struct debug_pool *p, const struct debug_opener *o, const char *path,
		    bool split, struct debug_side **ret)
{
	int fd = o && o->open ? o->open(o->arg, path) : -ENOENT;
	struct debug_side s = {};
	struct elf_file *elf;

	if (fd < 0)
		return fd;
	int r = identify(fd, &s);

	if (r < 0) {
		close(fd);
		return r;
	}
	r = elf_file_open(fd, &elf, NULL);
	if (!r) {
		r = dwarf_file_init(elf, &p->dwarf, split, &s.file);
		elf_file_close(elf);
	}
	if (r < 0)
		return r;
	s.path = mem_strdup(path);
	*ret = mem_calloc(1, sizeof(s));
	**ret = s;
	return 0;
}

bool debug_side_reopen(struct debug_side *s, const struct debug_opener *o)
{
	struct debug_side now = {};

	if (s->file.fd >= 0)
		return true;
	cleanup_close int fd = o && o->open ? o->open(o->arg, s->path) : -ENOENT;

	if (fd < 0 || identify(fd, &now) < 0 || now.dev != s->dev || now.inode != s->inode ||
	    now.size != s->size || now.mtime_ns != s->mtime_ns)
		return false;
	dwarf_file_reopen(&s->file, take_fd(&fd));
	return true;
}

void debug_side_close(struct debug_side *s)
{
	if (!s)
		return;
	dwarf_file_fini(&s->file);
	free(s->path);
	free(s);
}

/* --- the half in a .dwo file
 * --------------------------------------------------------------------*/

static bool is_half(const struct debug_unit *u, const struct dwarf_unit *half)
{
	return half->head.dwo_id == u->main.head.dwo_id;
}

static bool take_half(struct debug_unit *u, const struct dwarf_file *f, uint64_t offset,
		      const struct dwarf_part *part, uint64_t *ret_next)
{
	struct dwarf_unit half;
	struct dwarf_head h;

	if (dwarf_head_read(f, offset, &h) < 0)
		return false;
	*ret_next = h.end;
	if (h.type == DW_UT_split_type || dwarf_unit_read(f, NULL, &h, part, true, &half) < 0)
		return false;
	if (!is_half(u, &half)) {
		dwarf_unit_fini(&half);
		return false;
	}
	half.main = u->main.file;
	half.addr = u->main.addr;
	half.ranges = u->main.ranges;
	half.low = u->main.low;
	u->split = half;
	return true;
}

static void search_dwo(struct debug_unit *u, const struct dwarf_file *f)
{
	static const struct dwarf_part whole;
	uint64_t offset = 0;

	for (int i = 0; i < MAX_UNITS && offset < f->sections[DWARF_INFO].size; i++) {
		uint64_t next = UINT64_MAX;

		if (take_half(u, f, offset, &whole, &next))
			return;
		offset = next;
	}
}

static bool open_dwo(struct debug_unit *u, const struct debug_opener *o, const char *path)
{
	struct debug_side *s;

	if (debug_side_open(u->owner->pool, o, path, true, &s) < 0)
		return false;
	/* Compressed ones are small: they are unpacked at once. */
	while (dwarf_file_unpack(&s->file) == -EAGAIN)
		u->owner->pool->dwarf.work += DWARF_WINDOW;
	search_dwo(u, &s->file);
	if (!u->split.file) {
		debug_side_close(s);
		return false;
	}
	u->side = s;
	return true;
}

/* --- the half in a .dwp file
 * --------------------------------------------------------------------*/

struct package {
	const struct dwarf_file *file;
	uint64_t version, columns, units, slots;
};

static int number_at(const struct package *p, uint64_t offset, unsigned int n, uint64_t *ret)
{
	return dwarf_file_number(p->file, DWARF_CU_INDEX, offset, n, ret);
}

static int read_package(const struct dwarf_file *f, struct package *ret)
{
	uint8_t bytes[16];
	ssize_t n = dwarf_file_read(f, DWARF_CU_INDEX, 0, bytes, sizeof(bytes));

	if (n != sizeof(bytes))
		return n < 0 ? (int)n : -EBADMSG;
	struct byte_reader r = {bytes, bytes + n, false};
	struct package p = {.file = f};

	p.version = byte_fixed(&r, 4); /* from 5 on it has 2 bytes, and 2 that are 0 follow */
	p.columns = byte_fixed(&r, 4);
	p.units = byte_fixed(&r, 4);
	p.slots = byte_fixed(&r, 4);
	if ((p.version != 2 && p.version != 5) || !p.columns || p.columns > MAX_COLUMNS ||
	    !p.slots || p.slots > MAX_SLOTS || p.slots & (p.slots - 1))
		return -EBADMSG;
	*ret = p;
	return 0;
}

/* The row of a unit (counted from 1), by the hash table that DWARF 5 (7.3.5.3) describes. */
static int find_row(const struct package *p, uint64_t id, uint64_t *ret)
{
	uint64_t mask = p->slots - 1, at = id & mask, step = ((id >> 32) & mask) | 1, here, row;

	for (int probes = 0; probes < MAX_UNITS; probes++, at = (at + step) & mask) {
		int r = number_at(p, 16 + at * 8, 8, &here);

		if (!r)
			r = number_at(p, 16 + p->slots * 8 + at * 4, 4, &row);
		if (r < 0)
			return r;
		if (!row)
			return -ENOENT;
		if (here == id && row <= p->units) {
			*ret = row;
			return 0;
		}
	}
	return -ENOENT;
}

static int find_part(const struct package *p, uint64_t row, struct dwarf_part *ret)
{
	uint64_t table = 16 + p->slots * 12;
	struct dwarf_part part = {};

	for (uint64_t i = 0; i < p->columns; i++) {
		uint64_t column, offset;
		int r = number_at(p, table + i * 4, 4, &column);

		if (!r)
			r = number_at(p, table + (row * p->columns + i) * 4, 4, &offset);
		if (r < 0)
			return r;
		if (column == DW_SECT_INFO)
			part.info = offset;
		else if (column == DW_SECT_ABBREV)
			part.abbrev = offset;
		else if (column == DW_SECT_STR_OFFSETS)
			part.str_offsets = offset;
		else if (column == DW_SECT_RNGLISTS && p->version >= 5)
			part.rnglists = offset;
	}
	*ret = part;
	return 0;
}

static bool search_package(struct debug_unit *u, const struct dwarf_file *f)
{
	struct dwarf_part part = {};
	struct package p = {};
	uint64_t row = 0, next;

	return read_package(f, &p) >= 0 && find_row(&p, u->main.head.dwo_id, &row) >= 0 &&
	       find_part(&p, row, &part) >= 0 && take_half(u, f, part.info, &part, &next);
}

static struct debug_side *package_of(struct debug_info *d, const struct debug_opener *o)
{
	if (!d->package_tried && o && o->path) {
		cleanup_free char *path = mem_asprintf("%s.dwp", o->path);

		if (debug_side_open(d->pool, o, path, true, &d->package) < 0)
			d->package = NULL;
		while (d->package && dwarf_file_unpack(&d->package->file) == -EAGAIN)
			d->pool->dwarf.work += DWARF_WINDOW;
	}
	d->package_tried = true;
	return d->package && debug_side_reopen(d->package, o) ? d->package : NULL;
}

void debug_split_find(struct debug_unit *u, const struct debug_opener *o)
{
	const char *name = u->main.dwo_text, *folder = u->main.folder_text;
	struct debug_side *package = package_of(u->owner, o);

	if (package && search_package(u, &package->file))
		return;
	if (name[0] == '/' || !folder) {
		if (open_dwo(u, o, name))
			return;
	} else {
		cleanup_free char *path = mem_asprintf("%s/%s", folder, name);

		if (open_dwo(u, o, path))
			return;
	}
	/* Moved along with the program? */
	const char *slash = o && o->path ? strrchr(o->path, '/') : NULL;
	const char *last = strrchr(name, '/');

	if (slash) {
		cleanup_free char *path = mem_asprintf("%.*s/%s", (int)(slash - o->path), o->path,
						       last ? last + 1 : name);

		open_dwo(u, o, path);
	}
}
