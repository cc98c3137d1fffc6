#include "symbol/mini_debug.h"

#include <lzma.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/io.h"

enum {
	/* xz -9 wants 65 MiB to unpack; what makes these sections uses the standard, 9 MiB. */
	MAX_DECODER = 66 << 20,
	PIECE = 1 << 16,
};

struct unpack {
	const struct elf_file *from;
	uint64_t offset, left; /* in from */
	int to;
	size_t room;
	lzma_stream stream;
	uint8_t in[PIECE], out[PIECE];
};

static int write_out(struct unpack *u)
{
	size_t n = sizeof(u->out) - u->stream.avail_out;

	if (n > u->room)
		return -EFBIG;
	u->room -= n;
	u->stream.next_out = u->out;
	u->stream.avail_out = sizeof(u->out);
	return io_write_all(u->to, u->out, n);
}

static int read_in(struct unpack *u)
{
	size_t n = MIN(u->left, (uint64_t)sizeof(u->in));
	int r = elf_file_read(u->from, u->offset, u->in, n);

	u->offset += n;
	u->left -= n;
	u->stream.next_in = u->in;
	u->stream.avail_in = n;
	return r;
}

static int unpack(struct unpack *u)
{
	u->stream.next_out = u->out;
	u->stream.avail_out = sizeof(u->out);
	for (;;) {
		int r = u->stream.avail_in || !u->left ? 0 : read_in(u);

		if (r)
			return r;
		lzma_ret got = lzma_code(&u->stream, u->left ? LZMA_RUN : LZMA_FINISH);

		if (!u->stream.avail_out || got == LZMA_STREAM_END)
			r = write_out(u);
		if (r || got == LZMA_STREAM_END)
			return r;
		if (got != LZMA_OK)
			return got == LZMA_MEMLIMIT_ERROR ? -EFBIG : -EBADMSG;
	}
}

int mini_debug_open(const struct elf_file *f, size_t max, struct elf_file **ret)
{
	const Elf64_Shdr *s = elf_file_section(f, ".gnu_debugdata");

	if (!s || s->sh_type != SHT_PROGBITS)
		return -ENOENT;
	cleanup_close int fd = memfd_create("mini debug info", MFD_CLOEXEC);

	if (fd < 0)
		return -errno;
	cleanup_free struct unpack *u = mem_calloc(1, sizeof(*u));

	u->from = f;
	u->offset = s->sh_offset;
	u->left = s->sh_size;
	u->to = fd;
	u->room = max;
	if (lzma_stream_decoder(&u->stream, MAX_DECODER, 0) != LZMA_OK)
		return -ENOMEM;
	int r = unpack(u);

	lzma_end(&u->stream);
	return r ? r : elf_file_open(take_fd(&fd), ret, NULL);
}
