/* base/bytes.h - reading numbers from bytes that may lie: DWARF's, an ELF file's.
 *
 * A reader that ran over its end stays there, gives zeroes and says so in bad. Little endian.
 * Threads: one a reader. */
#ifndef GLIM_BASE_BYTES_H
#define GLIM_BASE_BYTES_H

#include "base/base.h"

struct byte_reader {
	const uint8_t *at, *end;
	bool bad;
};

/* n bytes, or NULL. */
static inline const uint8_t *byte_take(struct byte_reader *r, uint64_t n)
{
	const uint8_t *p = r->at;

	if (n > (uint64_t)(r->end - r->at)) {
		r->bad = true;
		r->at = r->end;
		return NULL;
	}
	r->at += n;
	return p;
}

/* A number of n bytes, 8 at most. */
static inline uint64_t byte_fixed(struct byte_reader *r, unsigned int n)
{
	const uint8_t *p = byte_take(r, n);
	uint64_t v = 0;

	if (p)
		memcpy(&v, p, n);
	return v;
}

/* Where the bytes are known to be there, aligned or not. */
static inline uint32_t byte_u32(const uint8_t *p)
{
	uint32_t v;

	memcpy(&v, p, sizeof(v));
	return v;
}

static inline uint64_t byte_u64(const uint8_t *p)
{
	uint64_t v;

	memcpy(&v, p, sizeof(v));
	return v;
}

/* LEB128: seven bits a byte, the low ones first. What is over 64 bits is lost. */
static inline uint64_t byte_uleb(struct byte_reader *r)
{
	uint64_t v = 0;

	if (r->at < r->end && *r->at < 0x80) /* most are small */
		return *r->at++;
	for (unsigned int shift = 0;; shift += 7) {
		uint8_t byte = (uint8_t)byte_fixed(r, 1);

		if (shift < 64)
			v |= (uint64_t)(byte & 0x7f) << shift;
		if (!(byte & 0x80))
			return v;
	}
}

static inline int64_t byte_sleb(struct byte_reader *r)
{
	unsigned int shift = 0;
	uint64_t v = 0;
	uint8_t byte;

	do {
		byte = (uint8_t)byte_fixed(r, 1);
		if (shift < 64)
			v |= (uint64_t)(byte & 0x7f) << shift;
		shift += 7;
	} while (byte & 0x80);
	if (shift < 64 && (byte & 0x40))
		v |= ~0ULL << shift;
	return (int64_t)v;
}

/* Text up to its NUL byte, which is inside; "" when there is none, and bad then. */
static inline const char *byte_text(struct byte_reader *r)
{
	const uint8_t *p = r->at, *nul = memchr(p, 0, (size_t)(r->end - p));

	if (!nul) {
		r->bad = true;
		r->at = r->end;
		return "";
	}
	r->at = nul + 1;
	return (const char *)p;
}

#endif
