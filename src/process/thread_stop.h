/* process/thread_stop.h - a thread that stands still for a moment, with its registers.
 *
 * A thread that waits in a system call stands still by itself. It is left alone, only its program
 * counter and stack pointer are known, and it is known afterwards whether it stood still. Any
 * other is stopped by ptrace, it alone, without a signal. It goes on as if nothing had been: system
 * calls are restarted by the kernel, or as the kernel does it (thread_stop.c), signals and job
 * control that came meanwhile take their course.
 *
 * Memory: nothing is held. Threads: the one that began a stop ends it. */
#ifndef GLIM_PROCESS_THREAD_STOP_H
#define GLIM_PROCESS_THREAD_STOP_H

#include <sys/types.h>

#include "base/base.h"

enum { THREAD_REGISTERS = 16 };
/* Of x86-64. */
struct thread_registers {
	uint64_t pc, thread_base;	    /* base: of fs; 0 where only_stack */
	uint64_t general[THREAD_REGISTERS]; /* as DWARF numbers them */
	bool in_call;			    /* pc is behind a system call */
	bool only_stack; /* of the general ones only the stack pointer is known */
};
enum { THREAD_STACK_POINTER = 7 }; /* System V ABI for x86-64, table 3.36 */

/* As the kernel tells them, in a core file, too. */
struct user_regs_struct;
void thread_registers_take(const struct user_regs_struct *u, struct thread_registers *ret);

enum thread_stop_way {
	THREAD_STOP_ANY,   /* leave it alone where it waits */
	THREAD_STOP_TRACE, /* stop it all the same, for all registers */
};
struct thread_stop {
	pid_t pid, tid;
	bool traced;	   /* else it waits by itself */
	int signal;	   /* that was about to be delivered; 0: none */
	uint64_t arrivals; /* of one that waits: how often it came to a CPU */
	int64_t since_ns;  /* when it was asked to stop, CLOCK_MONOTONIC */
};
/* -ESRCH: there is no such thread; -EBUSY: another process traces it; -EPERM, -ENOSYS: it may not
 * be traced; -ENOTSUP: it runs code of 32 bits; -EAGAIN: it must not be stopped (THREAD_STOP_TRACE
 * and a call that would end early); -ETIMEDOUT: it did not stop, and goes on by itself when it
 * does. */
int thread_stop_begin(struct thread_stop *s, pid_t pid, pid_t tid, enum thread_stop_way way,
		      struct thread_registers *ret);
/* 0: it stood still all the time; -EAGAIN: it went on meanwhile, what was read is worth nothing;
 * -ESRCH: it ended. */
int thread_stop_end(struct thread_stop *s);
/* Let those go on that did not stop in time, when they have stopped by now. To be called often. */
void thread_stop_sweep(void);

#endif
