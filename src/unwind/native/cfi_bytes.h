/* unwind/native/cfi_bytes.h - reading DWARF's numbers from bytes that may lie.
 *
 * A reader that ran over its end stays there, gives zeroes and says so in bad. Threads: one a
 * reader. */
#ifndef GLIM_UNWIND_CFI_BYTES_H
#define GLIM_UNWIND_CFI_BYTES_H

#include "unwind/native/cfi.h"

struct cfi_reader {
	const uint8_t *at, *end;
	bool bad;
};

/* n bytes, or NULL. */
static inline const uint8_t *cfi_take(struct cfi_reader *r, uint64_t n)
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

/* A little endian number of n bytes, 8 at most. */
static inline uint64_t cfi_fixed(struct cfi_reader *r, unsigned int n)
{
	const uint8_t *p = cfi_take(r, n);
	uint64_t v = 0;

	if (p)
		memcpy(&v, p, n);
	return v;
}

static inline uint64_t cfi_uleb(struct cfi_reader *r)
{
	uint64_t v = 0;

	for (unsigned int shift = 0;; shift += 7) {
		uint8_t byte = (uint8_t)cfi_fixed(r, 1);

		if (shift < 64)
			v |= (uint64_t)(byte & 0x7f) << shift;
		if (!(byte & 0x80))
			return v;
	}
}

static inline int64_t cfi_sleb(struct cfi_reader *r)
{
	unsigned int shift = 0;
	uint64_t v = 0;
	uint8_t byte;

	do {
		byte = (uint8_t)cfi_fixed(r, 1);
		if (shift < 64)
			v |= (uint64_t)(byte & 0x7f) << shift;
		shift += 7;
	} while (byte & 0x80);
	if (shift < 64 && (byte & 0x40))
		v |= ~0ULL << shift;
	return (int64_t)v;
}

/* A block with its length in front. */
static inline struct cfi_bytes cfi_block(struct cfi_reader *r)
{
	uint64_t n = cfi_uleb(r);
	const uint8_t *p = cfi_take(r, n);

	return p ? (struct cfi_bytes){p, p + n} : (struct cfi_bytes){r->end, r->end};
}

/* A pointer as .eh_frame encodes it (LSB, "DWARF extensions"): the low half says the format, the
 * high half what it counts from. here: the virtual address of the bytes that are read next. False
 * for encodings that code addresses do not have. */
static inline bool cfi_pointer(struct cfi_reader *r, uint8_t encoding, uint64_t here, uint64_t *ret)
{
	uint64_t v;

	switch (encoding & 0x0f) {
	case 0x00: /* DW_EH_PE_absptr */
	case 0x04: /* udata8 */
	case 0x0c: /* sdata8 */
		v = cfi_fixed(r, 8);
		break;
	case 0x02: /* udata2 */
		v = cfi_fixed(r, 2);
		break;
	case 0x0a: /* sdata2 */
		v = (uint64_t)(int16_t)cfi_fixed(r, 2);
		break;
	case 0x03: /* udata4 */
		v = cfi_fixed(r, 4);
		break;
	case 0x0b: /* sdata4 */
		v = (uint64_t)(int32_t)cfi_fixed(r, 4);
		break;
	default:
		return false;
	}
	if ((encoding & 0x70) == 0x10) /* DW_EH_PE_pcrel */
		v += here;
	else if (encoding & 0xf0)
		return false;
	*ret = v;
	return !r->bad;
}

#endif
