#include "symbol/dwarf_file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>
#include <zlib.h>
#include <zstd.h>

#include "base/io.h"

enum {
	READ_WORK = 256, /* what a system call costs, in bytes looked at */
	UNPACK_WORK = 3, /* and to unpack one byte and write it */
	UNPACK_PIECE = 128 << 10,
	MAX_UNPACKED = 1 << 30,
	TEXT_PIECE = 256,
	MAX_TEXT = 16 << 10,
};

static const char *const section_names[DWARF_SECTIONS] = {
	[DWARF_INFO] = "info",	       [DWARF_ABBREV] = "abbrev",
	[DWARF_LINE] = "line",	       [DWARF_STR] = "str",
	[DWARF_LINE_STR] = "line_str", [DWARF_STR_OFFSETS] = "str_offsets",
	[DWARF_ADDR] = "addr",	       [DWARF_RANGES] = "ranges",
	[DWARF_RNGLISTS] = "rnglists", [DWARF_CU_INDEX] = "cu_index",
};

/* --- where sections are -----------------------------------------------------------------------*/

/* ELF's own way to compress: a header in front (gABI, SHF_COMPRESSED). */
static bool read_chdr(const struct elf_file *elf, struct dwarf_section *s)
{
	Elf64_Chdr h;

	if (s->size < sizeof(h) || elf_file_read(elf, s->offset, &h, sizeof(h)))
		return false;
	s->how = h.ch_type == ELFCOMPRESS_ZLIB ? DWARF_ZLIB
		 : h.ch_type == 2 ? DWARF_ZSTD /* ELFCOMPRESS_ZSTD, newer than some elf.h */
				  : DWARF_PLAIN;
	s->packed = s->size - sizeof(h);
	s->offset += sizeof(h);
	s->size = h.ch_size;
	return s->how != DWARF_PLAIN;
}

/* GNU's older way: the name begins with .z, the bytes with "ZLIB" and a big endian size. */
static bool read_zdebug(const struct elf_file *elf, struct dwarf_section *s)
{
	uint8_t h[12];
	uint64_t size;

	if (s->size < sizeof(h) || elf_file_read(elf, s->offset, h, sizeof(h)) ||
	    memcmp(h, "ZLIB", 4))
		return false;
	memcpy(&size, h + 4, sizeof(size));
	s->how = DWARF_ZLIB;
	s->packed = s->size - sizeof(h);
	s->offset += sizeof(h);
	s->size = __builtin_bswap64(size);
	return true;
}

static void find_section(const struct elf_file *elf, const char *name, const char *split,
			 struct dwarf_section *ret)
{
	cleanup_free char *plain = mem_asprintf(".debug_%s%s", name, split);
	cleanup_free char *old = mem_asprintf(".zdebug_%s%s", name, split);
	const Elf64_Shdr *h = elf_file_section(elf, plain);
	struct dwarf_section s = {};
	bool good = true;
	bool zdebug = !h;

	if (zdebug)
		h = elf_file_section(elf, old);
	if (!h || h->sh_type == SHT_NOBITS || h->sh_offset > elf->size ||
	    h->sh_size > elf->size - h->sh_offset)
		return;
	s.offset = h->sh_offset;
	s.size = h->sh_size;
	if (h->sh_flags & SHF_COMPRESSED)
		good = read_chdr(elf, &s);
	else if (zdebug)
		good = read_zdebug(elf, &s);
	if (good && (!s.packed || s.size <= MAX_UNPACKED))
		*ret = s;
}

int dwarf_file_init(struct elf_file *elf, struct dwarf_pool *pool, bool split,
		    struct dwarf_file *ret)
{
	static uint64_t last_id; /* one thread for all files of an allowance: and one allowance */
	struct dwarf_file f = {.pool = pool, .fd = -1, .spill = -1};

	for (int i = 0; i < DWARF_SECTIONS; i++) {
		/* The index of units stands in a .dwp file without .dwo behind its name. */
		bool dwo = split && i != DWARF_CU_INDEX;

		find_section(elf, section_names[i], dwo ? ".dwo" : "", &f.sections[i]);
	}
	if (!f.sections[DWARF_INFO].size || !f.sections[DWARF_ABBREV].size)
		return -ENOENT;
	f.id = __atomic_add_fetch(&last_id, 1, __ATOMIC_RELAXED);
	f.fd = take_fd(&elf->fd);
	*ret = f;
	return 0;
}

void dwarf_file_close(struct dwarf_file *f)
{
	if (f->fd >= 0)
		close(f->fd);
	f->fd = -1;
}

void dwarf_file_reopen(struct dwarf_file *f, int fd)
{
	dwarf_file_close(f);
	f->fd = fd;
}

/* --- unpacking
 * ----------------------------------------------------------------------------------*/

struct dwarf_unpacker {
	enum dwarf_packing how;
	z_stream zlib;
	ZSTD_DStream *zstd;
	uint64_t in, in_end;   /* in the file */
	uint64_t out, out_end; /* in the file without a name */
	uint8_t input[UNPACK_PIECE], output[UNPACK_PIECE];
	size_t input_at, input_len;
};

static void unpacker_free(struct dwarf_unpacker *u)
{
	if (!u)
		return;
	if (u->how == DWARF_ZLIB)
		inflateEnd(&u->zlib);
	ZSTD_freeDStream(u->zstd);
	free(u);
}

void dwarf_file_fini(struct dwarf_file *f)
{
	dwarf_file_close(f);
	unpacker_free(f->unpacker);
	f->unpacker = NULL;
	if (f->spill >= 0)
		close(f->spill);
	f->spill = -1;
	if (f->pool)
		f->pool->spilled -= f->spill_size;
	f->spill_size = 0;
}

/* On a disk where there is one; in memory, which can be swapped, else. */
static int open_spill(void)
{
	int fd = open("/var/tmp", O_TMPFILE | O_RDWR | O_CLOEXEC | O_EXCL, 0600);

	return fd >= 0 ? fd : memfd_create("glim-debug", MFD_CLOEXEC);
}

static struct dwarf_unpacker *unpacker_new(struct dwarf_file *f, const struct dwarf_section *s)
{
	if (s->size > f->pool->max_spilled - MIN(f->pool->spilled, f->pool->max_spilled))
		return NULL;
	if (f->spill < 0)
		f->spill = open_spill();
	if (f->spill < 0)
		return NULL;
	struct dwarf_unpacker *u = mem_calloc(1, sizeof(*u));

	u->how = s->how;
	u->in = s->offset;
	u->in_end = s->offset + s->packed;
	u->out = f->spill_size;
	u->out_end = f->spill_size + s->size;
	u->zstd = s->how == DWARF_ZSTD ? ZSTD_createDStream() : NULL;
	if (s->how == DWARF_ZLIB ? inflateInit(&u->zlib) != Z_OK : !u->zstd) {
		u->how = DWARF_PLAIN;
		unpacker_free(u);
		return NULL;
	}
	if (u->zstd)
		ZSTD_DCtx_setParameter(u->zstd, ZSTD_d_windowLogMax, 27);
	f->spill_size += s->size;
	f->pool->spilled += s->size;
	return u;
}

/* One call of the library. Returns how much came out, negative when the data is damaged. */
static ssize_t unpack_some(struct dwarf_unpacker *u, bool *ret_end)
{
	size_t room = MIN((uint64_t)sizeof(u->output), u->out_end - u->out);

	if (u->how == DWARF_ZSTD) {
		ZSTD_inBuffer in = {u->input, u->input_len, u->input_at};
		ZSTD_outBuffer out = {u->output, room, 0};
		size_t left = ZSTD_decompressStream(u->zstd, &out, &in);

		u->input_at = in.pos;
		*ret_end = !left && u->in >= u->in_end && in.pos == in.size;
		return ZSTD_isError(left) ? -EBADMSG : (ssize_t)out.pos;
	}
	u->zlib.next_in = u->input + u->input_at;
	u->zlib.avail_in = (unsigned int)(u->input_len - u->input_at);
	u->zlib.next_out = u->output;
	u->zlib.avail_out = (unsigned int)room;
	int r = inflate(&u->zlib, Z_NO_FLUSH);

	u->input_at = u->input_len - u->zlib.avail_in;
	*ret_end = r == Z_STREAM_END;
	if (r == Z_OK || r == Z_STREAM_END || r == Z_BUF_ERROR)
		return (ssize_t)(room - u->zlib.avail_out);
	return -EBADMSG;
}

/* One step; 1 when it is done, 0 to go on. */
static int unpack_step(struct dwarf_file *f, struct dwarf_unpacker *u)
{
	bool end;

	if (u->input_at == u->input_len) {
		size_t n = MIN(u->in_end - u->in, (uint64_t)sizeof(u->input));
		ssize_t got = n ? pread(f->fd, u->input, n, (off_t)u->in) : 0;

		if (got < 0 || (n && !got))
			return got ? -errno : -EBADMSG;
		u->in += (size_t)got;
		u->input_len = (size_t)got;
		u->input_at = 0;
	}
	size_t before = u->input_at;
	ssize_t n = unpack_some(u, &end);

	if (n < 0)
		return (int)n;
	f->pool->work -= n * UNPACK_WORK + READ_WORK;
	for (ssize_t done = 0; done < n;) {
		ssize_t w = pwrite(f->spill, u->output + done, (size_t)(n - done),
				   (off_t)u->out + done);

		if (w <= 0)
			return w ? -errno : -EIO;
		done += w;
	}
	u->out += (size_t)n;
	if (end || u->out == u->out_end)
		return u->out == u->out_end ? 1 : -EBADMSG;
	return n || u->input_at != before ? 0 : -EBADMSG; /* the data ends too early */
}

static int unpack_section(struct dwarf_file *f, struct dwarf_section *s)
{
	int r = -EFBIG;

	if (!f->unpacker)
		f->unpacker = unpacker_new(f, s);
	if (f->unpacker) {
		do {
			if (f->pool->work <= 0)
				return -EAGAIN;
			r = unpack_step(f, f->unpacker);
		} while (!r);
		s->offset = f->unpacker->out_end - s->size;
	}
	s->packed = 0;
	s->unpacked = true;
	if (r < 0)
		s->size = 0;
	unpacker_free(f->unpacker);
	f->unpacker = NULL;
	return 0;
}

int dwarf_file_unpack(struct dwarf_file *f)
{
	for (int i = 0; i < DWARF_SECTIONS; i++) {
		int r = f->sections[i].packed ? unpack_section(f, &f->sections[i]) : 0;

		if (r < 0)
			return r;
	}
	return 0;
}

/* --- reading
 * ------------------------------------------------------------------------------------*/

ssize_t dwarf_file_read(const struct dwarf_file *f, enum dwarf_section_id id, uint64_t offset,
			void *buf, size_t n)
{
	const struct dwarf_section *s = &f->sections[id];
	size_t done = 0;

	if (offset > s->size || s->packed)
		return -EBADMSG;
	n = MIN((uint64_t)n, s->size - offset);
	f->pool->work -= (int64_t)n + READ_WORK;
	while (done < n) {
		ssize_t got = pread(s->unpacked ? f->spill : f->fd, (char *)buf + done, n - done,
				    (off_t)(s->offset + offset + done));

		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			return got ? -errno : -EBADMSG; /* it shrank */
		done += (size_t)got;
	}
	return (ssize_t)n;
}

int dwarf_file_number(const struct dwarf_file *f, enum dwarf_section_id id, uint64_t offset,
		      unsigned int n, uint64_t *ret)
{
	uint64_t v = 0;
	ssize_t got = dwarf_file_read(f, id, offset, &v, n);

	if (got < 0)
		return (int)got;
	if (got != n)
		return -EBADMSG;
	*ret = v;
	return 0;
}

int dwarf_file_text(const struct dwarf_file *f, enum dwarf_section_id id, uint64_t offset,
		    char **ret)
{
	cleanup_free char *text = mem_calloc(TEXT_PIECE, 1);
	size_t have = 0, room = TEXT_PIECE;

	for (;;) {
		ssize_t n = dwarf_file_read(f, id, offset + have, text + have, room - have);

		if (n < 0)
			return (int)n;
		if (memchr(text + have, '\0', (size_t)n)) {
			*ret = take_ptr(text);
			return 0;
		}
		have += (size_t)n;
		if (have < room || room >= MAX_TEXT)
			return -EBADMSG;
		room *= 4;
		text = mem_reallocarray(text, room, 1);
	}
}

void dwarf_pool_fini(struct dwarf_pool *p)
{
	free(p->entries.data);
	free(p->names.data);
	free(p->lists.data);
	free(p->tables.data);
	free(p->lines.data);
	*p = (struct dwarf_pool){};
}

int dwarf_window_read(struct dwarf_window *w, const struct dwarf_file *f, enum dwarf_section_id id,
		      uint64_t offset, uint64_t end, size_t want, size_t ahead,
		      struct byte_reader *ret)
{
	static const uint8_t nothing;

	end = MIN(end, f->sections[id].size);
	if (offset > end)
		return -EBADMSG;
	if (offset == end) {
		*ret = (struct byte_reader){&nothing, &nothing, false};
		return 0;
	}
	want = MIN((uint64_t)want, end - offset);
	if (w->file != f->id || w->section != id || offset < w->start ||
	    offset - w->start > w->len || want > w->len - (offset - w->start)) {
		size_t n = MIN((uint64_t)MAX(want, ahead), end - offset);

		if (n > w->cap) {
			w->data = mem_reallocarray(w->data, n, 1);
			w->cap = n;
		}
		w->len = 0;
		ssize_t got = dwarf_file_read(f, id, offset, w->data, n);

		if (got < 0)
			return (int)got;
		w->file = f->id;
		w->section = id;
		w->start = offset;
		w->len = (size_t)got;
	}
	const uint8_t *at = w->data + (offset - w->start);

	*ret = (struct byte_reader){at, at + MIN((uint64_t)(w->data + w->len - at), end - offset),
				    false};
	return 0;
}
