#include "symbol/perf_map.h"

#include <unistd.h>

enum { PIECE = 1 << 16 };

/* A number, maybe with 0x, and the blank behind it. */
static const char *parse_hex(const char *s, const char *end, uint64_t *ret)
{
	uint64_t v = 0;
	size_t digits = 0;

	if (end - s > 2 && s[0] == '0' && (s[1] | 0x20) == 'x')
		s += 2;
	for (; s < end; s++, digits++) {
		unsigned char c = (unsigned char)*s, low = c | 0x20;

		if (c >= '0' && c <= '9')
			v = v << 4 | (uint64_t)(c - '0');
		else if (low >= 'a' && low <= 'f')
			v = v << 4 | (uint64_t)(low - 'a' + 10);
		else
			break;
	}
	if (!digits || digits > 16 || s == end || *s != ' ')
		return NULL;
	*ret = v;
	return s + 1;
}

/* A line without its end, which begins at a place of the file. */
static bool take_line(const char *s, const char *end, uint64_t place, code_range_vec *batch)
{
	const char *line = s;
	uint64_t start, size;
	struct code_range r;

	s = parse_hex(s, end, &start);
	s = s ? parse_hex(s, end, &size) : NULL;
	if (!s || s == end || !code_range_make(start, size, (uint32_t)(place + (s - line)), &r))
		return false;
	vec_push(batch, r);
	return true;
}

/* Take the lines of a piece. Returns how many bytes are done with. */
static size_t take_piece(struct perf_map *m, const char *text, size_t n, size_t max_ranges,
			 code_range_vec *batch)
{
	size_t done = 0;

	while (done < n && batch->len < max_ranges) {
		const char *line = text + done, *end = memchr(line, '\n', n - done);

		/* Only a line that fills a whole piece is taken without its end. */
		if (!end && (done || n < PIECE))
			break;
		if (!m->inside && !take_line(line, end ? end : text + n, m->at + done, batch))
			m->ignored++;
		m->inside = !end;
		done = end ? (size_t)(end + 1 - text) : n;
	}
	return done;
}

int perf_map_read(struct perf_map *m, int fd, size_t max_bytes, size_t max_ranges,
		  code_range_vec *batch)
{
	cleanup_free char *text = mem_calloc(PIECE, 1);

	for (size_t sum = 0; sum < max_bytes && batch->len < max_ranges;) {
		ssize_t n = pread(fd, text, PIECE, (off_t)m->at);

		if (n < 0)
			return -errno;
		if (m->at + (size_t)n > UINT32_MAX)
			return -EFBIG;
		size_t done = take_piece(m, text, (size_t)n, max_ranges, batch);

		m->at += done;
		sum += done;
		if (!done)
			return 0;
	}
	return 1;
}

int perf_map_name(int fd, uint32_t place, char *buf, size_t size)
{
	ssize_t n = pread(fd, buf, size - 1, place);

	if (n < 0)
		return -errno;
	buf[n] = '\0';
	buf[strcspn(buf, "\n")] = '\0';
	return 0;
}
