/* unwind/native/go_code.h - which functions of Go's runtime change stacks, and where in them.
 *
 * Their instructions say what no table does: from which one on the stack pointer belongs to another
 * stack, where the old one is kept, and where the runtime's structures have what is needed. They
 * are searched for the bytes of those instructions (Go 1.18 to 1.27, runtime/asm_amd64.s). What is
 * not found makes no rule, so that other versions lose frames instead of getting wrong ones.
 * Threads: any. */
#ifndef GLIM_UNWIND_GO_CODE_H
#define GLIM_UNWIND_GO_CODE_H

#include "symbol/elf_file.h"
#include "symbol/pclntab.h"

/* What holds from an instruction of a function on. */
enum go_way {
	GO_STACK,    /* the table of stack depths is right */
	GO_ROOT,     /* nobody called it */
	GO_LOST,     /* another stack, and nothing is known of the old one */
	GO_SIGNAL,   /* the signal's frame that the kernel made */
	GO_INJECTED, /* as GO_STACK, but its caller was interrupted */
	GO_FRAME,    /* rbp is the frame's, where the depth is the function's own */
	GO_CURG,     /* on the stack of the thread; the goroutine's is kept in m.curg */
	GO_MORE,     /* the same, with the place to return to */
	GO_DEPTH,    /* the goroutine and how deep its stack was are kept on this stack */
	GO_SAVED,    /* the old stack pointer is kept on this stack */
	GO_RDX,	     /* it is in rdx */
	GO_CALLBACK, /* on the goroutine's stack; the thread's is kept in m.g0 */
	GO_CLONE,    /* as GO_STACK for who called; the new thread has 0 in rax */
};
struct go_cut {
	uint64_t from;
	enum go_way way;
	int8_t slot; /* GO_DEPTH, GO_SAVED: word of this stack */
};
enum { GO_CUTS = 16 };
struct go_special {
	struct go_cut cuts[GO_CUTS]; /* rising; before the first: GO_STACK */
	size_t len;
	uint8_t setup; /* GO_FRAME: bytes up to where rbp is the frame's */
};

/* The runtime's structures, from the instructions of runtime.systemstack. */
struct go_runtime {
	bool known;
	int16_t g;   /* words from the thread's base to the pointer to its g */
	int8_t curg; /* words from the start of a struct m to curg */
};

/* Read the structures; not known where the code is of another kind. */
void go_runtime_read(const struct elf_file *f, const struct pclntab_function *systemstack,
		     struct go_runtime *ret);
/* False for a function like any other. name is the function's. */
bool go_special_read(const struct elf_file *f, const struct pclntab_function *function,
		     const char *name, struct go_special *ret);

#endif
