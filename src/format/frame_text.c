#include "format/frame_text.h"

#define KERNEL_SUFFIX "_[k]"

void frame_text_put(const struct profile *p, uint32_t frame, struct buf *out)
{
	uint8_t kind = p->functions.data[p->frames.data[frame].function].kind;

	if (kind == FRAME_MARK)
		buf_putc(out, '[');
	profile_put_frame_name(p, frame, out);
	if (kind == FRAME_MARK)
		buf_putc(out, ']');
	if (kind == FRAME_KERNEL)
		buf_puts(out, KERNEL_SUFFIX);
}

uint32_t frame_text_string(struct profile *p, const char *s, size_t len)
{
	return profile_string_n(p, s, MIN(len, (size_t)FORMAT_MAX_TEXT));
}

/* "module+0x12ab" or "0x12ab"; false: a name. */
static bool split_address(const char *s, size_t len, size_t *ret_module, uint64_t *ret_address)
{
	size_t n = 0;
	uint64_t v = 0;

	while (n < len && n < 16 && strchr("0123456789abcdef", s[len - 1 - n]))
		n++;
	if (!n || len < n + 2 || memcmp(s + len - n - 2, "0x", 2) != 0)
		return false;
	for (size_t i = len - n; i < len; i++)
		v = v << 4 | (uint64_t)(s[i] <= '9' ? s[i] - '0' : s[i] - 'a' + 10);
	size_t left = len - n - 2;

	if (left == 1 || (left && s[left - 1] != '+'))
		return false;
	*ret_module = left ? left - 1 : 0;
	*ret_address = v;
	return true;
}

void frame_text_parse(struct profile *p, const char *s, size_t len, struct profile_function *ret_f,
		      uint64_t *ret_address)
{
	struct profile_function f = {.kind = FRAME_NATIVE};
	size_t suffix = strlen(KERNEL_SUFFIX), module;
	uint64_t address = 0;

	if (len >= suffix && !memcmp(s + len - suffix, KERNEL_SUFFIX, suffix)) {
		f.kind = FRAME_KERNEL;
		len -= suffix;
	} else if (len > 2 && s[0] == '[' && s[len - 1] == ']') {
		f.kind = FRAME_MARK;
		s++;
		len -= 2;
	}
	if (f.kind != FRAME_MARK && split_address(s, len, &module, &address))
		f.module = frame_text_string(p, s, module);
	else
		f.name = frame_text_string(p, s, len);
	*ret_f = f;
	*ret_address = address;
}
