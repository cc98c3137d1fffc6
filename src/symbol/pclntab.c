#include "symbol/pclntab.h"

#include <unistd.h>

#include "base/bytes.h"

enum {
	MAX_TEXT = 64 << 10,
	MAX_RUN = 1 << 20, /* bytes of one run of values: generated functions have 100 KiB */
	MAX_STEP = 10,	   /* two numbers of five bytes */
	ENTRY = 8,	   /* of the table: offset of the code, offset of the record */
};

/* Bytes of a part; as many as there are, 0 where nothing can be read. */
static size_t read_part(const struct pclntab_part *part, int fd, uint64_t offset, void *buf,
			size_t n)
{
	if (offset >= part->size)
		return 0;
	ssize_t got = pread(fd, buf, MIN(n, part->size - offset), (off_t)(part->offset + offset));

	return got > 0 ? (size_t)got : 0;
}

void pclntab_fini(struct pclntab *t)
{
	free(t->index);
	*t = (struct pclntab){};
}

static uint32_t strides(const struct pclntab *t)
{
	return t->stride ? (t->functions + t->stride - 1) / t->stride : 0;
}

size_t pclntab_bytes(const struct pclntab *t)
{
	return strides(t) * sizeof(*t->index);
}

/* --- runs of values ----------------------------------------------------------------------------*/

static bool number(struct pclntab_run *r, uint32_t *ret)
{
	uint32_t v = 0;

	for (unsigned int shift = 0; r->at < r->end && shift < 35; shift += 7) {
		uint8_t byte = *r->at++;

		v |= shift < 32 ? (uint32_t)(byte & 0x7f) << shift : 0;
		if (!(byte & 0x80)) {
			*ret = v;
			return true;
		}
	}
	return false;
}

/* A difference of values, its sign in the lowest bit, then one of addresses. A difference of zero
 * ends the run, but not as its first. */
bool pclntab_next(struct pclntab_run *r)
{
	uint32_t value, pc;

	if (!number(r, &value) || (!value && r->started) || !number(r, &pc))
		return false;
	value = value >> 1 ^ (0 - (value & 1));
	r->value = (int32_t)((uint32_t)r->value + value);
	r->pc += pc;
	r->started = true;
	return true;
}

/* The value at an address of a function; -1 where there is none. */
static int32_t value_at(const struct pclntab *t, int fd, uint32_t offset, uint64_t start,
			uint64_t address)
{
	struct pclntab_run run = {.pc = start, .value = -1};
	uint64_t at = offset, limit = (uint64_t)offset + MAX_RUN;
	uint8_t window[512];

	if (!offset)
		return -1;
	for (; at < limit; at += (uint64_t)(run.at - window)) {
		size_t n = read_part(&t->values, fd, at, window, sizeof(window));
		bool last = at + n >= t->values.size;

		run.at = window;
		run.end = window + n;
		if (!n)
			break;
		while (last || run.end - run.at >= MAX_STEP) {
			if (!pclntab_next(&run))
				return -1;
			if (address < run.pc)
				return run.value;
		}
		if (run.at == window)
			break;
	}
	return -1;
}

/* --- functions ---------------------------------------------------------------------------------*/

/* struct _func of runtime/runtime2.go: of 1.18 with 40 bytes, from 1.20 on with startLine. The
 * offsets of runs of values follow, then those of data. PCDATA_InlTreeIndex is 2, FUNCDATA_InlTree
 * is 3 (internal/abi/symtab.go) in all of these versions. */
int pclntab_function(const struct pclntab *t, const uint8_t *record, size_t size,
		     struct pclntab_function *ret)
{
	enum { INLINE_INDEX = 2, INLINE_TREE = 3 };
	size_t head = t->start_lines ? 44 : 40;

	if (size < head)
		return -EBADMSG;
	uint32_t runs = byte_u32(record + 28), data = record[head - 1];

	if ((uint64_t)runs * 4 > size - head || data * 4 > size - head - runs * 4)
		return -EBADMSG;
	*ret = (struct pclntab_function){
		.start = t->text + byte_u32(record),
		.name = byte_u32(record + 4),
		.stack = byte_u32(record + 16),
		.file = byte_u32(record + 20),
		.line = byte_u32(record + 24),
		.unit = byte_u32(record + 32),
		.start_line = t->start_lines ? byte_u32(record + 36) : 0,
		.flags = record[head - 3],
		.id = record[head - 4],
		.inline_tree = UINT32_MAX,
	};
	if (runs > INLINE_INDEX)
		ret->inline_index = byte_u32(record + head + INLINE_INDEX * 4);
	if (data > INLINE_TREE)
		ret->inline_tree = byte_u32(record + head + (runs + INLINE_TREE) * 4);
	return 0;
}

/* The number of the last entry that starts at or below a place in the text, among those of one
 * stride; its record's offset, and where the next entry starts. */
static int find_entry(const struct pclntab *t, int fd, uint64_t place, uint32_t *ret_record,
		      uint32_t *ret_end)
{
	size_t low = 0, high = strides(t);

	while (high - low > 1) {
		size_t middle = (low + high) / 2;

		if (t->index[middle] <= place)
			low = middle;
		else
			high = middle;
	}
	uint64_t first = low * t->stride;
	size_t n = MIN((uint64_t)t->stride, t->functions - first), at = 0;
	cleanup_free uint8_t *entries = mem_calloc(n + 1, ENTRY);

	/* The entry behind the last has only the first half. */
	if (read_part(&t->table, fd, first * ENTRY, entries, n * ENTRY + 4) < n * ENTRY + 4)
		return -EBADMSG;
	for (high = n; high - at > 1;) {
		size_t middle = (at + high) / 2;

		if (byte_u32(entries + middle * ENTRY) <= place)
			at = middle;
		else
			high = middle;
	}
	*ret_record = byte_u32(entries + at * ENTRY + 4);
	*ret_end = byte_u32(entries + (at + 1) * ENTRY);
	return byte_u32(entries + at * ENTRY) <= place && place < *ret_end ? 0 : -ENOENT;
}

static int find_function(const struct pclntab *t, int fd, uint64_t address,
			 struct pclntab_function *ret)
{
	uint32_t record, end;
	uint8_t bytes[512];

	if (address < t->text || address >= t->text_end)
		return -ENOENT;
	int r = find_entry(t, fd, address - t->text, &record, &end);

	if (r)
		return r;
	r = pclntab_function(t, bytes, read_part(&t->table, fd, record, bytes, sizeof(bytes)), ret);
	ret->end = t->text + end;
	return r;
}

/* --- frames ------------------------------------------------------------------------------------*/

static uint32_t file_of(const struct pclntab *t, int fd, uint32_t unit, int32_t number)
{
	uint32_t offset;

	if (number < 0 || read_part(&t->units, fd, ((uint64_t)unit + (uint32_t)number) * 4, &offset,
				    sizeof(offset)) < sizeof(offset))
		return UINT32_MAX;
	return offset;
}

static void locate(const struct pclntab *t, int fd, const struct pclntab_function *f,
		   uint64_t address, struct pclntab_frame *frame)
{
	int32_t line = value_at(t, fd, f->line, f->start, address);

	frame->file = file_of(t, fd, f->unit, value_at(t, fd, f->file, f->start, address));
	frame->line = (uint32_t)MAX(line, 0);
}

/* struct inlinedCall of 1.20 and later: function id, name, an address of the caller, start line. */
static size_t inlined_new(const struct pclntab *t, int fd, const struct pclntab_function *f,
			  uint64_t *address, struct pclntab_frame *ret, size_t max)
{
	uint8_t call[16];
	size_t n = 0;

	for (; n < max; n++) {
		int32_t i = value_at(t, fd, f->inline_index, f->start, *address);

		if (i < 0 || read_part(&t->inlined, fd,
				       f->inline_tree + (uint64_t)(uint32_t)i * sizeof(call), call,
				       sizeof(call)) < sizeof(call))
			break;
		locate(t, fd, f, *address, &ret[n]);
		ret[n].name = byte_u32(call + 4);
		ret[n].start_line = byte_u32(call + 12);
		*address = f->start + byte_u32(call + 8);
	}
	return n;
}

/* Of 1.18 and 1.19: parent, function id, file and line of the call, name, an address. */
static size_t inlined_old(const struct pclntab *t, int fd, const struct pclntab_function *f,
			  uint64_t address, struct pclntab_frame *ret, size_t max,
			  struct pclntab_frame *outer)
{
	int32_t i = value_at(t, fd, f->inline_index, f->start, address);
	uint8_t call[20];
	size_t n = 0;

	for (; n < max && i >= 0; n++) {
		if (read_part(&t->inlined, fd,
			      f->inline_tree + (uint64_t)(uint32_t)i * sizeof(call), call,
			      sizeof(call)) < sizeof(call))
			break;
		ret[n] = *outer;
		ret[n].name = byte_u32(call + 12);
		outer->file = file_of(t, fd, f->unit, (int32_t)byte_u32(call + 4));
		outer->line = byte_u32(call + 8);
		i = (int16_t)(byte_u32(call) & 0xffff);
	}
	return n;
}

int pclntab_find(const struct pclntab *t, int fd, uint64_t address, struct pclntab_frame *ret,
		 size_t max)
{
	struct pclntab_function f;
	struct pclntab_frame outer = {};
	int r = t->functions && max ? find_function(t, fd, address, &f) : -ENOENT;
	size_t n = 0;

	if (r)
		return r;
	bool inlined = f.inline_index && f.inline_tree != UINT32_MAX && t->inlined.size;

	if (inlined && t->start_lines)
		n = inlined_new(t, fd, &f, &address, ret, max - 1);
	locate(t, fd, &f, address, &outer);
	if (inlined && !t->start_lines)
		n = inlined_old(t, fd, &f, address, ret, max - 1, &outer);
	outer.name = f.name;
	outer.start_line = f.start_line;
	ret[n++] = outer;
	return (int)n;
}

int pclntab_text(const struct pclntab_part *part, int fd, uint64_t offset, char **ret)
{
	cleanup_free char *text = NULL;
	size_t have = 0;

	for (size_t room = 256; have < MAX_TEXT; room *= 4) {
		size_t want = MIN(room, (size_t)MAX_TEXT);

		text = mem_reallocarray(text, want + 1, 1);
		size_t n = read_part(part, fd, offset + have, text + have, want - have);

		if (!n)
			break;
		have += n;
		text[have] = '\0';
		if (strlen(text) < have) {
			*ret = take_ptr(text);
			return 0;
		}
	}
	return -EBADMSG;
}
