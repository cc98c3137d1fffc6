/* sink/keys.h - what a terminal sends, as keys: characters, and the sequences of special keys.
 *
 * A sequence may arrive in parts; a lone ESC is a key only when nothing follows it for a moment,
 * which the caller knows. Sequences that mean nothing here are taken whole and dropped. Memory: in
 * the struct. Threads: one at a time. */
#ifndef GLIM_KEYS_H
#define GLIM_KEYS_H

#include "base/base.h"

enum key {
	KEY_NONE = 0, /* nothing whole is there */
	KEY_CTRL_C = 3,
	KEY_BACKSPACE = 8,
	KEY_TAB = 9,
	KEY_ENTER = 13,
	KEY_CTRL_L = 12,
	KEY_CTRL_U = 21,
	KEY_ESCAPE = 27,
	/* 32 and more: the number of the character. Above those of Unicode: */
	KEY_UP = 0x110000,
	KEY_DOWN,
	KEY_LEFT,
	KEY_RIGHT,
	KEY_PAGE_UP,
	KEY_PAGE_DOWN,
	KEY_HOME,
	KEY_END,
	KEY_DELETE,
	KEY_OTHER, /* a key of no meaning here */
};

struct keys {
	uint8_t bytes[64];
	size_t len;
};

/* Take bytes in; returns how many had room. Call keys_next until there is none, then feed on. */
size_t keys_feed(struct keys *k, const void *p, size_t n);
/* The next key. ended: nothing followed for a moment, so that a sequence that is not whole is taken
 * for what it is. */
uint32_t keys_next(struct keys *k, bool ended);
/* Bytes wait that are the start of a key. */
bool keys_waiting(const struct keys *k);

#endif
