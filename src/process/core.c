#include "process/core.h"

#include <elf.h>
#include <fcntl.h>
#include <sys/procfs.h>
#include <sys/stat.h>
#include <sys/user.h>
#include <unistd.h>

#include "base/bytes.h"

enum {
	MAX_SEGMENTS = 1 << 18,
	MAX_NOTES = 64 << 20, /* bytes */
	MAX_FILES = 1 << 16,
	MAX_THREADS = 1 << 16,
	MAX_BUILD_ID = 64,
	HEAD_BYTES = 4096, /* the start of a mapped ELF file, which cores keep */
};

struct build_id {
	uint8_t bytes[MAX_BUILD_ID];
	size_t len; /* 0: none */
};
/* A stretch of the process' memory. */
struct segment {
	uint64_t start, size;
	uint64_t offset, in_core; /* where in the core, and how many bytes are there */
};
/* A file mapped there. */
struct file_part {
	uint64_t start, end, offset;
	uint32_t file;
};
struct mapped_file {
	char *path;
	int fd; /* -1: it cannot be used */
};
struct core {
	struct memory memory;
	int fd;
	VEC(struct segment) segments; /* by start */
	VEC(struct file_part) parts;  /* by start */
	VEC(struct mapped_file) files;
	VEC(struct core_thread) threads;
	struct build_id exe_id;
	const char *exe;
	char comm[16], command[ELF_PRARGSZ + 1];
	pid_t pid;
	const char *missing;
	int64_t time_ns;
};

static int read_at(int fd, void *buf, size_t n, uint64_t offset)
{
	char *to = buf;

	if (offset > INT64_MAX - n)
		return -EINVAL;
	while (n) {
		ssize_t got = pread(fd, to, n, (off_t)offset);

		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			return got < 0 ? -errno : -EFAULT;
		to += got;
		offset += (uint64_t)got;
		n -= (size_t)got;
	}
	return 0;
}

/* ---- memory ---- */

static const struct segment *find_segment(const struct core *c, uint64_t address)
{
	size_t low = 0, high = c->segments.len;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		const struct segment *s = &c->segments.data[middle];

		if (address < s->start)
			high = middle;
		else if (address - s->start >= s->size)
			low = middle + 1;
		else
			return s;
	}
	return NULL;
}

static const struct file_part *find_part(const struct core *c, uint64_t address)
{
	size_t low = 0, high = c->parts.len;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		const struct file_part *p = &c->parts.data[middle];

		if (address < p->start)
			high = middle;
		else if (address >= p->end)
			low = middle + 1;
		else
			return p;
	}
	return NULL;
}

/* Read what stands in one place: ret_n says how many of n bytes. */
static int read_some(const struct core *c, uint64_t address, void *buf, size_t n, size_t *ret_n)
{
	const struct segment *s = find_segment(c, address);
	uint64_t at = s ? address - s->start : 0;
	const struct file_part *p;

	if (s && at < s->in_core) {
		*ret_n = MIN(n, s->in_core - at);
		return read_at(c->fd, buf, *ret_n, s->offset + at);
	}
	p = find_part(c, address);
	if (!p || c->files.data[p->file].fd < 0)
		return -EFAULT;
	*ret_n = MIN(n, p->end - address);
	/* Pages that are in the core were written to: they come first. */
	if (s)
		*ret_n = MIN(*ret_n, s->size - at);
	return read_at(c->files.data[p->file].fd, buf, *ret_n, p->offset + (address - p->start));
}

static int core_read(const struct memory *m, uint64_t address, void *buf, size_t n)
{
	const struct core *c = m->owner;
	char *to = buf;

	if (address > UINT64_MAX - n)
		return -EFAULT;
	while (n) {
		size_t got = 0;
		int r = read_some(c, address, to, n, &got);

		if (r < 0)
			return -EFAULT;
		to += got;
		address += got;
		n -= got;
	}
	return 0;
}

struct memory core_memory(const struct core *c)
{
	return c->memory;
}

/* ---- build ids ---- */

/* The build id in the first bytes of an ELF file. */
static void find_build_id(const uint8_t *head, size_t n, struct build_id *ret)
{
	const Elf64_Ehdr *h = (const Elf64_Ehdr *)head;

	ret->len = 0;
	if (n < sizeof(*h) || memcmp(h->e_ident, ELFMAG, SELFMAG) ||
	    h->e_phentsize != sizeof(Elf64_Phdr) || h->e_phoff > n)
		return;
	for (size_t i = 0; i < h->e_phnum && (i + 1) * sizeof(Elf64_Phdr) <= n - h->e_phoff; i++) {
		Elf64_Phdr p;

		memcpy(&p, head + h->e_phoff + i * sizeof(p), sizeof(p));
		if (p.p_type != PT_NOTE || p.p_offset > n)
			continue;
		struct byte_reader r = {head + p.p_offset,
					head + p.p_offset + MIN(n - p.p_offset, p.p_filesz), false};

		while (r.at < r.end) {
			uint32_t name = (uint32_t)byte_fixed(&r, 4);
			uint32_t size = (uint32_t)byte_fixed(&r, 4);
			uint32_t type = (uint32_t)byte_fixed(&r, 4);
			const uint8_t *name_at = byte_take(&r, (name + 3ULL) & ~3ULL);
			const uint8_t *id = byte_take(&r, size);

			byte_take(&r, -size & 3);
			if (!id || !name_at || type != NT_GNU_BUILD_ID || name != 4 ||
			    memcmp(name_at, "GNU", 4) || size > MAX_BUILD_ID)
				continue;
			memcpy(ret->bytes, id, size);
			ret->len = size;
			return;
		}
	}
}

static bool same_id(const struct build_id *a, const struct build_id *b)
{
	return a->len == b->len && !memcmp(a->bytes, b->bytes, a->len);
}

/* Is it the file whose first bytes these are? Without a build id all of them must be the same. */
static bool is_file(int fd, const uint8_t head[HEAD_BYTES])
{
	_Alignas(8) uint8_t now[HEAD_BYTES];
	struct build_id was, is;

	if (read_at(fd, now, sizeof(now), 0))
		return false;
	find_build_id(head, HEAD_BYTES, &was);
	find_build_id(now, HEAD_BYTES, &is);
	return was.len ? same_id(&was, &is) : !memcmp(head, now, HEAD_BYTES);
}

/* ---- files ---- */

static int open_regular(const char *path)
{
	cleanup_close int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	struct stat st;

	if (fd < 0)
		return -errno;
	return fstat(fd, &st) || !S_ISREG(st.st_mode) ? -ENODEV : take_fd(&fd);
}

/* Open the file of a path when it is the one that the process had, whose first bytes are in the
 * core. */
static void open_file(struct core *c, struct mapped_file *f, uint64_t start)
{
	_Alignas(8) uint8_t head[HEAD_BYTES];
	const struct segment *s = find_segment(c, start);
	struct build_id was;

	if (!s || s->start != start || s->in_core < sizeof(head) ||
	    read_at(c->fd, head, sizeof(head), s->offset))
		return;
	find_build_id(head, sizeof(head), &was);
	if (c->exe && was.len && same_id(&was, &c->exe_id)) {
		free(f->path);
		f->path = mem_strdup(c->exe);
	}
	f->fd = open_regular(f->path);
	if (f->fd >= 0 && !is_file(f->fd, head)) {
		close(f->fd);
		f->fd = -1;
	}
	/* Programs and libraries are missed, data is not. */
	if (f->fd < 0 && !memcmp(head, ELFMAG, SELFMAG) && !c->missing)
		c->missing = f->path;
}

static void open_files(struct core *c)
{
	for (size_t i = 0; i < c->parts.len; i++) {
		const struct file_part *p = &c->parts.data[i];

		if (!p->offset && c->files.data[p->file].fd < 0)
			open_file(c, &c->files.data[p->file], p->start);
	}
}

/* ---- notes ---- */

/* Linux, fs/binfmt_elf.c, fill_files_note(): count, page size, {start, end, page}, then names. */
static int read_files(struct core *c, struct byte_reader r)
{
	uint64_t count = byte_fixed(&r, 8), page = byte_fixed(&r, 8);
	struct byte_reader parts = r;

	if (count > MAX_FILES || r.bad || page > 1 << 30 || !byte_take(&r, count * 24))
		return -EINVAL;
	for (uint64_t i = 0; i < count; i++) {
		uint64_t start = byte_fixed(&parts, 8), end = byte_fixed(&parts, 8);
		uint64_t offset = byte_fixed(&parts, 8);
		const char *path = byte_text(&r);
		struct mapped_file *last = c->files.len ? &c->files.data[c->files.len - 1] : NULL;
		struct file_part part = {.start = start, .end = end};

		if (r.bad || end <= start || offset > INT64_MAX / MAX(page, 1))
			return -EINVAL;
		if (c->parts.len && start < c->parts.data[c->parts.len - 1].end)
			return -EINVAL;
		if (!last || strcmp(last->path, path))
			vec_push(&c->files, (struct mapped_file){mem_strdup(path), -1});
		part.offset = offset * page;
		part.file = c->files.len - 1;
		vec_push(&c->parts, part);
	}
	return 0;
}

static void read_info(struct core *c, const uint8_t *data, size_t n)
{
	struct elf_prpsinfo info;

	if (n < sizeof(info))
		return;
	memcpy(&info, data, sizeof(info));
	c->pid = info.pr_pid;
	memcpy(c->comm, info.pr_fname, sizeof(c->comm) - 1);
	memcpy(c->command, info.pr_psargs, ELF_PRARGSZ);
	for (size_t len = strlen(c->command); len && c->command[len - 1] == ' '; len--)
		c->command[len - 1] = '\0';
}

static void read_thread(struct core *c, const uint8_t *data, size_t n)
{
	struct elf_prstatus status;
	struct user_regs_struct registers;
	struct core_thread t;

	_Static_assert(sizeof(registers) == sizeof(status.pr_reg), "one layout");
	if (n < sizeof(status) || c->threads.len >= MAX_THREADS)
		return;
	memcpy(&status, data, sizeof(status));
	memcpy(&registers, status.pr_reg, sizeof(registers));
	t.tid = status.pr_pid;
	thread_registers_take(&registers, &t.registers);
	vec_push(&c->threads, t);
}

static int read_notes(struct core *c, const Elf64_Phdr *p)
{
	cleanup_free uint8_t *data = NULL;
	int code;

	if (p->p_filesz > MAX_NOTES)
		return -EFBIG;
	data = mem_calloc(p->p_filesz + 1, 1);
	code = read_at(c->fd, data, p->p_filesz, p->p_offset);
	if (code)
		return code;
	struct byte_reader r = {data, data + p->p_filesz, false};

	while (r.at < r.end && !code) {
		uint32_t name = (uint32_t)byte_fixed(&r, 4), size = (uint32_t)byte_fixed(&r, 4);
		uint32_t type = (uint32_t)byte_fixed(&r, 4);
		const uint8_t *at;

		byte_take(&r, (name + 3ULL) & ~3ULL);
		at = byte_take(&r, size);
		byte_take(&r, -size & 3);
		if (!at)
			break;
		if (type == NT_FILE && !c->files.len)
			code = read_files(c, (struct byte_reader){at, at + size, false});
		else if (type == NT_PRPSINFO)
			read_info(c, at, size);
		else if (type == NT_PRSTATUS)
			read_thread(c, at, size);
	}
	return code;
}

/* ---- the file ---- */

static int by_start(const void *a, const void *b)
{
	const struct segment *x = a, *y = b;

	return (x->start > y->start) - (x->start < y->start);
}

/* The number of program headers may not fit its field: the first section has it then. */
static int segment_count(const struct core *c, const Elf64_Ehdr *h, uint32_t *ret)
{
	Elf64_Shdr first;

	*ret = h->e_phnum;
	if (h->e_phnum != PN_XNUM)
		return 0;
	if (read_at(c->fd, &first, sizeof(first), h->e_shoff) || first.sh_info > MAX_SEGMENTS)
		return -EINVAL;
	*ret = first.sh_info;
	return 0;
}

static int read_headers(struct core *c, const Elf64_Ehdr *h)
{
	uint32_t count;
	int code = segment_count(c, h, &count);

	for (uint32_t i = 0; i < count && !code; i++) {
		Elf64_Phdr p;
		struct segment s;

		code = read_at(c->fd, &p, sizeof(p), h->e_phoff + i * sizeof(p));
		if (code)
			return code;
		if (p.p_type == PT_NOTE)
			code = read_notes(c, &p);
		if (p.p_type != PT_LOAD || !p.p_memsz)
			continue;
		s = (struct segment){.start = p.p_vaddr,
				     .size = p.p_memsz,
				     .offset = p.p_offset,
				     .in_core = MIN(p.p_filesz, p.p_memsz)};
		if (s.start > UINT64_MAX - s.size || s.offset > INT64_MAX - s.in_core)
			return -EINVAL;
		vec_push(&c->segments, s);
	}
	if (c->segments.len)
		qsort(c->segments.data, c->segments.len, sizeof(c->segments.data[0]), by_start);
	return code;
}

static int check_header(const Elf64_Ehdr *h, const char *path, struct err *e)
{
	if (memcmp(h->e_ident, ELFMAG, SELFMAG) || h->e_type != ET_CORE)
		return err_set(e, -EINVAL, "%.200s is no core file", path);
	if (h->e_ident[EI_CLASS] != ELFCLASS64 || h->e_machine != EM_X86_64 ||
	    h->e_phentsize != sizeof(Elf64_Phdr))
		return err_set(e, -EINVAL, "%.200s is a core file of another kind of machine",
			       path);
	return 0;
}

static int read_core(struct core *c, const char *path, const char *exe, struct err *e)
{
	Elf64_Ehdr h;
	struct stat st;
	int code;

	c->fd = open_regular(path);
	if (c->fd < 0)
		return err_sys(e, c->fd, "%.200s", path);
	if (fstat(c->fd, &st) || read_at(c->fd, &h, sizeof(h), 0))
		return err_set(e, -EINVAL, "%.200s is no core file", path);
	c->time_ns = st.st_mtim.tv_sec * NSEC_PER_SEC + st.st_mtim.tv_nsec;
	code = check_header(&h, path, e);
	if (code)
		return code;
	if (exe) {
		cleanup_close int fd = open_regular(exe);

		if (fd < 0)
			return err_sys(e, fd, "%.200s", exe);
		_Alignas(8) uint8_t head[HEAD_BYTES];

		if (!read_at(fd, head, sizeof(head), 0))
			find_build_id(head, sizeof(head), &c->exe_id);
		c->exe = exe;
	}
	if (read_headers(c, &h))
		return err_set(e, -EINVAL, "%.200s is damaged, or was cut off", path);
	open_files(c);
	return 0;
}

int core_open(const char *path, const char *exe, struct core **ret, struct err *e)
{
	struct core *c = mem_calloc(1, sizeof(*c));
	int code;

	c->fd = -1;
	c->memory = (struct memory){.read = core_read, .owner = c};
	code = read_core(c, path, exe, e);
	if (code)
		core_close(c);
	else
		*ret = c;
	return code;
}

void core_close(struct core *c)
{
	if (!c)
		return;
	for (size_t i = 0; i < c->files.len; i++) {
		free(c->files.data[i].path);
		if (c->files.data[i].fd >= 0)
			close(c->files.data[i].fd);
	}
	vec_fini(&c->files);
	vec_fini(&c->parts);
	vec_fini(&c->segments);
	vec_fini(&c->threads);
	if (c->fd >= 0)
		close(c->fd);
	free(c);
}

/* Is it code? The file says so: cores of gcore have no segments of what they leave out. */
static bool is_code(const struct core *c, const struct file_part *part)
{
	_Alignas(8) uint8_t head[HEAD_BYTES];
	const Elf64_Ehdr *h = (const Elf64_Ehdr *)head;
	int fd = c->files.data[part->file].fd;

	if (fd < 0 || read_at(fd, head, sizeof(head), 0) || memcmp(h->e_ident, ELFMAG, SELFMAG))
		return false;
	for (size_t i = 0; i < h->e_phnum; i++) {
		Elf64_Phdr p;

		if (h->e_phoff > sizeof(head) ||
		    (i + 1) * sizeof(p) > sizeof(head) - (size_t)h->e_phoff)
			return false;
		memcpy(&p, head + h->e_phoff + i * sizeof(p), sizeof(p));
		if (p.p_type == PT_LOAD && (p.p_flags & PF_X) && part->offset <= p.p_offset &&
		    p.p_offset - part->offset < part->end - part->start)
			return true;
	}
	return false;
}

void core_process(const struct core *c, struct process *ret)
{
	struct process p = {};

	memcpy(p.comm, c->comm, sizeof(p.comm));
	for (size_t i = 0; i < c->parts.len; i++) {
		const struct file_part *part = &c->parts.data[i];
		const struct mapped_file *f = &c->files.data[part->file];
		struct stat st;

		if (!is_code(c, part) || fstat(f->fd, &st))
			continue;
		vec_push(&p.mappings, (struct mapping){.start = part->start,
						       .end = part->end,
						       .offset = part->offset,
						       .dev = st.st_dev,
						       .inode = st.st_ino,
						       .path = mem_strdup(f->path)});
	}
	*ret = p;
}

pid_t core_pid(const struct core *c)
{
	return c->pid;
}

size_t core_threads(const struct core *c, const struct core_thread **ret)
{
	*ret = c->threads.data;
	return c->threads.len;
}

const char *core_command(const struct core *c)
{
	return c->command;
}

const char *core_missing(const struct core *c)
{
	return c->missing;
}

int64_t core_time(const struct core *c)
{
	return c->time_ns;
}
