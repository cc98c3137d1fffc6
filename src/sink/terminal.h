/* sink/terminal.h - the terminal of a person: full screen, keys one by one, and as it was before
 * when that ends, whatever ends it.
 *
 * One loop drives it: read keys when terminal_input is readable, draw when something changed, and
 * while terminal_draw or terminal_flush say that a drawing is still on its way, wait until
 * terminal_output takes more. A terminal that takes nothing (a stalled connection) stalls nobody:
 * what would be drawn meanwhile is left out. Signals are the caller's: SIGWINCH leads to
 * terminal_measure, SIGTSTP to terminal_suspend, SIGCONT to terminal_resume; terminal_close belongs
 * to every end. A program that crashes restores the terminal by itself.
 *
 * Memory: in the struct and its screens. Threads: the main thread, one terminal at a time. */
#ifndef GLIM_TERMINAL_H
#define GLIM_TERMINAL_H

#include <termios.h>

#include "base/err.h"
#include "sink/keys.h"
#include "sink/screen.h"

struct terminal {
	int in, out;
	bool open;	       /* full screen now */
	bool colours;	       /* NO_COLOR and TERM do not forbid them */
	bool ascii;	       /* the locale has a character set that is not UTF-8 */
	struct termios before; /* as it was */
	unsigned int columns, rows;
	struct screen shown;
	struct buf waiting; /* bytes of the last drawing */
	size_t written;	    /* of those */
	bool stalled;	    /* it took no more */
	struct keys keys;
};

/* Can standard input and output be used so? Says why not, and what to do, in e. */
int terminal_check(struct err *e);
int terminal_open(struct terminal *t, struct err *e);
void terminal_close(struct terminal *t);
/* Read the size again; true when it changed. At least 1 x 1, at most what a screen may be. */
bool terminal_measure(struct terminal *t);
/* Nothing is known of what it shows any more: the next drawing is a whole one. */
void terminal_forget(struct terminal *t);

/* Show s, which has the terminal's size. 0: it is shown; 1: call terminal_flush when
 * terminal_output is writable; 2: the drawing before is still on its way, nothing was done.
 * Negative: it is gone. */
int terminal_draw(struct terminal *t, const struct screen *s);
int terminal_flush(struct terminal *t);
/* Take in what was typed; -EIO when the terminal is gone. Then call terminal_key until KEY_NONE. */
int terminal_read(struct terminal *t);
/* See keys_next: ended when nothing came for KEY_WAIT_MS after a key that is not whole. */
uint32_t terminal_key(struct terminal *t, bool ended);
/* A key is not whole yet. */
bool terminal_key_waits(const struct terminal *t);
enum { KEY_WAIT_MS = 60 };

/* Give the terminal back and stop, as Ctrl-Z asks for; returns when the process is continued. */
void terminal_suspend(struct terminal *t);
/* Full screen again, when somebody else may have changed the terminal. */
void terminal_resume(struct terminal *t);

#endif
