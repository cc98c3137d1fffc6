/* unwind/native/cfi_bytes.h - what call frame information has beside plain numbers.
 * Threads: one a reader. */
#ifndef GLIM_UNWIND_CFI_BYTES_H
#define GLIM_UNWIND_CFI_BYTES_H

#include "base/bytes.h"
#include "unwind/native/cfi.h"

/* A block with its length in front. */
static inline struct cfi_bytes cfi_block(struct byte_reader *r)
{
	uint64_t n = byte_uleb(r);
	const uint8_t *p = byte_take(r, n);

	return p ? (struct cfi_bytes){p, p + n} : (struct cfi_bytes){r->end, r->end};
}

/* A pointer as .eh_frame encodes it (LSB, "DWARF extensions"): the low half says the format, the
 * high half what it counts from. here: the virtual address of the bytes that are read next. False
 * for encodings that code addresses do not have. */
static inline bool cfi_pointer(struct byte_reader *r, uint8_t encoding, uint64_t here,
			       uint64_t *ret)
{
	uint64_t v;

	switch (encoding & 0x0f) {
	case 0x00: /* DW_EH_PE_absptr */
	case 0x04: /* udata8 */
	case 0x0c: /* sdata8 */
		v = byte_fixed(r, 8);
		break;
	case 0x02: /* udata2 */
		v = byte_fixed(r, 2);
		break;
	case 0x0a: /* sdata2 */
		v = (uint64_t)(int16_t)byte_fixed(r, 2);
		break;
	case 0x03: /* udata4 */
		v = byte_fixed(r, 4);
		break;
	case 0x0b: /* sdata4 */
		v = (uint64_t)(int32_t)byte_fixed(r, 4);
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
