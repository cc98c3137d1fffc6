#include "symbol/jitdump.h"

#include <sys/stat.h>
#include <unistd.h>

/* Linux 6.1, tools/perf/util/jitdump.h. */
enum { MAGIC = 0x4A695444, VERSION = 1 };
enum { CODE_LOAD = 0, CODE_MOVE = 1, CODE_DEBUG_INFO = 2 };
struct file_header {
	uint32_t magic, version, total_size, elf_machine, pad, pid;
	uint64_t timestamp, flags;
};
struct record_header {
	uint32_t id, total_size;
	uint64_t timestamp;
};
struct code_load {
	struct record_header head;
	uint32_t pid, tid;
	uint64_t vma, address, size, index; /* then the name, NUL, the code */
};
struct code_move {
	struct record_header head;
	uint32_t pid, tid;
	uint64_t vma, from, to, size, index;
};
struct debug_info {
	struct record_header head;
	uint64_t address, entries; /* then the entries */
};
struct debug_entry {
	uint64_t address;
	uint32_t line, discriminator; /* then the file's name, NUL; "\xff" is the one before */
};
enum {
	PIECE = 1 << 16,
	MAX_HEADER = 4096,
	MAX_LINES = 1 << 18, /* bytes of one record of lines that are looked at */
};

/* A piece of the file in memory. */
struct window {
	int fd;
	uint64_t start, size; /* of the file: size */
	size_t len;
	char text[PIECE];
};

/* n bytes at a place; false where the file has no more. */
static bool look(struct window *w, uint64_t place, void *buf, size_t n)
{
	if (place > w->size || n > w->size - place)
		return false;
	if (place < w->start || place + n > w->start + w->len) {
		ssize_t got = pread(w->fd, w->text, sizeof(w->text), (off_t)place);

		w->start = place;
		w->len = got > 0 ? (size_t)got : 0;
		if (n > w->len)
			return false;
	}
	memcpy(buf, w->text + (place - w->start), n);
	return true;
}

static int read_header(struct jitdump *d, struct window *w)
{
	struct file_header h;

	if (!look(w, 0, &h, sizeof(h)))
		return -EAGAIN;
	if (h.magic != MAGIC || h.version != VERSION || h.total_size < sizeof(h) ||
	    h.total_size > MAX_HEADER)
		return -EBADMSG;
	d->at = h.total_size;
	return 0;
}

static bool take_load(struct jitdump *d, const struct code_load *l, code_range_vec *batch)
{
	uint32_t place = (uint32_t)(d->at + sizeof(*l));
	const uint64_t *lines = map64_get(&d->next, l->address);
	struct code_range r;

	/* Name, its end, and the code. */
	if (l->head.total_size < sizeof(*l) + 1 || !code_range_make(l->address, l->size, place, &r))
		return false;
	vec_push(batch, r);
	map64_set(&d->starts, l->address, place);
	if (lines) {
		map64_set(&d->lines, place, *lines);
		map64_remove(&d->next, l->address);
	}
	return true;
}

static bool take_move(struct jitdump *d, const struct code_move *m, code_range_vec *batch)
{
	const uint64_t *place = map64_get(&d->starts, m->from);
	struct code_range r;

	if (!place || !code_range_make(m->to, m->size, (uint32_t)*place, &r))
		return false;
	vec_push(batch, r);
	map64_remove(&d->starts, m->from);
	map64_set(&d->starts, m->to, r.value);
	return true;
}

/* Take the record at d->at. 1: taken or skipped; 0: not all of it is there yet. */
static int take_record(struct jitdump *d, struct window *w, code_range_vec *batch)
{
	struct record_header head;
	union {
		struct code_load load;
		struct code_move move;
		struct debug_info debug;
	} r;
	bool good = true;

	if (!look(w, d->at, &head, sizeof(head)))
		return 0;
	if (head.total_size < sizeof(head))
		return -EBADMSG;
	if (head.total_size > w->size - d->at)
		return 0;
	if (d->at + head.total_size > UINT32_MAX)
		return -EFBIG;
	if (head.id == CODE_LOAD)
		good = look(w, d->at, &r.load, sizeof(r.load)) && take_load(d, &r.load, batch);
	else if (head.id == CODE_MOVE && head.total_size >= sizeof(r.move))
		good = look(w, d->at, &r.move, sizeof(r.move)) && take_move(d, &r.move, batch);
	else if (head.id == CODE_DEBUG_INFO && head.total_size >= sizeof(r.debug) &&
		 look(w, d->at, &r.debug, sizeof(r.debug)))
		map64_set(&d->next, r.debug.address, d->at);
	d->ignored += !good;
	d->at += head.total_size;
	return 1;
}

int jitdump_read(struct jitdump *d, int fd, size_t max_records, code_range_vec *batch)
{
	cleanup_free struct window *w = mem_calloc(1, sizeof(*w));
	struct stat st;
	int r = 1;

	if (d->broken)
		return -EBADMSG;
	if (fstat(fd, &st))
		return -errno;
	w->fd = fd;
	w->size = (uint64_t)st.st_size;
	if (!d->at) {
		r = read_header(d, w);
		if (r == -EAGAIN)
			return 0;
		d->broken = r < 0;
		r = r ? r : 1;
	}
	for (size_t i = 0; r == 1 && i < max_records; i++)
		r = take_record(d, w, batch);
	d->broken |= r < 0;
	return r;
}

int jitdump_name(int fd, uint32_t place, char *buf, size_t size)
{
	ssize_t n = pread(fd, buf, size - 1, place);

	if (n < 0)
		return -errno;
	buf[n] = '\0';
	return 0;
}

/* Of the entries at or below an address the last one, in text of n bytes behind the record's head.
 */
static int find_line(const char *text, size_t n, uint64_t entries, uint64_t address, char *file,
		     size_t size, uint32_t *ret_line)
{
	const char *name = "", *best_name = NULL;
	uint64_t best = 0;
	size_t at = 0;

	for (uint64_t i = 0; i < entries && n - at > sizeof(struct debug_entry); i++) {
		struct debug_entry e;

		memcpy(&e, text + at, sizeof(e));
		at += sizeof(e);
		size_t len = strnlen(text + at, n - at);

		if (len == n - at)
			break;
		if (strcmp(text + at, "\xff"))
			name = text + at;
		at += len + 1;
		if (e.address <= address && (!best_name || e.address >= best)) {
			best = e.address;
			best_name = name;
			*ret_line = e.line;
		}
	}
	if (!best_name)
		return -ENOENT;
	snprintf(file, size, "%s", best_name);
	return 0;
}

int jitdump_line(const struct jitdump *d, int fd, uint32_t place, uint64_t from, uint64_t address,
		 char *file, size_t size, uint32_t *ret_line)
{
	const uint64_t *at = map64_get(&d->lines, place);
	struct debug_info head;
	struct code_load load;

	if (!at)
		return -ENOENT;
	if (pread(fd, &load, sizeof(load), (off_t)(place - sizeof(load))) != sizeof(load) ||
	    pread(fd, &head, sizeof(head), (off_t)*at) != sizeof(head) ||
	    head.head.id != CODE_DEBUG_INFO || head.head.total_size < sizeof(head))
		return -EBADMSG;
	size_t n = MIN(head.head.total_size - sizeof(head), (size_t)MAX_LINES);
	cleanup_free char *text = mem_calloc(n + 1, 1);
	ssize_t got = pread(fd, text, n, (off_t)(*at + sizeof(head)));

	if (got < 0)
		return -errno;
	/* The lines are of the place where the code was made. */
	if (address - load.address < load.size)
		from = load.address;
	return find_line(text, (size_t)got, head.entries, address - from + head.address, file, size,
			 ret_line);
}

void jitdump_fini(struct jitdump *d)
{
	map64_fini(&d->starts);
	map64_fini(&d->lines);
	map64_fini(&d->next);
}

size_t jitdump_bytes(const struct jitdump *d)
{
	return (d->starts.cap + d->lines.cap + d->next.cap) * sizeof(struct map64_slot);
}
