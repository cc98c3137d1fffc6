/* probe/probe_abi.h - what the BPF programs write into the ring, and what they are told.
 *
 * Shared by both sides: fixed-width types only, sizes asserted. Every record starts with a struct
 * probe_record, whose type says what follows. */
#ifndef GLIM_PROBE_ABI_H
#define GLIM_PROBE_ABI_H

#include "unwind/native/unwind_table_abi.h"
#include "unwind/unwind_abi.h"

enum probe_record_type {
	/* struct probe_sample, entries, kernel addresses; with PROBE_COPIED also struct
	   probe_copied and the bytes of its regions */
	PROBE_SAMPLE = 1,
	PROBE_EXEC = 2, /* struct probe_process_event */
	PROBE_FORK = 3,
	PROBE_EXIT = 4,
	PROBE_EXEC_PLAIN = 5, /* exec of a program that has no Python */
};

enum {
	PROBE_COMM = 16,
	PROBE_KERNEL_DEPTH =
		127, /* PERF_MAX_STACK_DEPTH of Linux, include/uapi/linux/perf_event.h */
	PROBE_COPIED_BYTES = 64 << 10, /* of all regions at most */
	PROBE_REGIONS = 8,	       /* the stack, and what Go may need beside */
	PROBE_MAX_PROCESSES = 16384,
	PROBE_MAX_PYTHON = 2048,
	PROBE_MAX_CODES = 8192, /* of Python, that were sampled lately */
	PROBE_MAX_GO = 1024,
	PROBE_MAX_PROGRAMS = 1024,
	PROBE_MAX_CHOSEN = 16384,
	PROBE_MAX_CPUS = 8192, /* NR_CPUS of Linux on x86-64, at most */
};

/* Flags of a sample. */
enum {
	PROBE_KERNEL_THREAD = 1, /* or a task whose memory is gone already: kernel frames only */
	PROBE_NEW_PROCESS = 2,	 /* first sample of this process since it started or called exec */
	PROBE_COMPAT = 4,	 /* a 32-bit program: no user frames were taken */
	PROBE_NO_REGISTERS = 8,	 /* the user's registers could not be found */
	PROBE_PYTHON = 16,	 /* the process was known to run Python when sampled */
	PROBE_IN_SYSCALL = 32,	 /* sampled in the kernel: pc follows a system call or a fault */
	/* Code was met whose mapping or table is not there yet: registers and the stack from there
	 * on were copied, so that the walk can go on later. */
	PROBE_COPIED = 64,
	PROBE_IN_EXEC = 128, /* between two programs: kernel frames only */
	PROBE_SEVERAL = 256, /* Python entries may be of several interpreters */
};

struct probe_record {
	uint32_t type;
	uint32_t size; /* of the whole record */
};

struct probe_sample {
	struct probe_record record;
	uint64_t time_ns;	/* CLOCK_MONOTONIC */
	uint64_t process_start; /* of the thread group, nanoseconds since boot */
	uint32_t pid;		/* thread group */
	uint32_t tid;
	uint32_t cpu;
	uint16_t flags;
	uint8_t native_end;	 /* enum unwind_native_end */
	uint8_t python_end;	 /* enum unwind_python_end */
	uint32_t entries;	 /* struct unwind_entry, leaf first, follow this struct */
	uint32_t kernel_frames;	 /* uint64_t addresses, leaf first, follow the entries */
	uint32_t native_entries; /* of the entries; they come before those of Python */
	uint32_t unused;
	char process_comm[PROBE_COMM];
	char thread_comm[PROBE_COMM];
	/* struct go_labelled: 0 where the process is not known to run Go. */
	uint64_t goroutine, goroutine_labels;
	uint64_t thread_base;	 /* fs, which pthread_self is; 0 where no user frames were taken */
	struct python_step step; /* of whole stacks with a coroutine; else its number is 0 */
};
_Static_assert(sizeof(struct probe_sample) == 136, "shared with BPF");

/* What a walk needs that goes on where the kernel's ended, or begins again; follows the kernel
 * addresses. */
struct probe_copied {
	uint64_t pc;
	uint64_t thread_base;		    /* fs */
	uint64_t general[UNWIND_REGISTERS]; /* as DWARF numbers them */
	/* Words, which follow behind each other; the first is the stack from its pointer on. */
	struct unwind_region regions[PROBE_REGIONS];
	/* pc, rsp, rbp and rbx are of the last native entry; else all registers are of the
	 * interrupted code. */
	uint8_t goes_on;
	uint8_t lost; /* registers whose value is not known: TABLE_LOST_... */
	uint8_t unused[6];
};
_Static_assert(sizeof(struct probe_copied) == 280, "shared with BPF");

/* What BPF knows of a process. */
struct probe_process {
	struct unwind_process run; /* no mappings: not published yet */
	uint32_t flags;		   /* PROBE_NO_STACK */
};
_Static_assert(sizeof(struct probe_process) == 16, "shared with BPF");
enum {
	/* The reader knows the mappings, and code outside of them stays unknown: no copy of the
	 * stack would help. */
	PROBE_NO_STACK = 1,
};

/* Of a process that was chosen. */
enum probe_choice {
	PROBE_CHOSEN = 1,
	/* It ends, which takes it time; its number is given free by user space. */
	PROBE_ENDS = 2,
};

struct probe_process_event {
	struct probe_record record;
	uint32_t pid;
	uint32_t parent; /* PROBE_FORK: whose mappings and Python record were inherited */
	uint64_t dev,
		inode; /* PROBE_EXEC: of the program, as the kernel's file system numbers it */
};
_Static_assert(sizeof(struct probe_process_event) == 32, "shared with BPF");

/* Of a program file, so that programs that were seen to have no Python need no event. */
struct probe_program {
	uint64_t dev, inode;
};

/* Programs that walk, one serves as both where it can; and the one that copies memory. */
enum { PROBE_FOLLOW_NATIVE, PROBE_FOLLOW_PYTHON, PROBE_HAND_OVER, PROBE_FOLLOWERS };

/* Set before loading. */
struct probe_config {
	uint32_t self; /* never sampled; 0: nobody */
	uint32_t kernel_stacks;
	uint32_t choosy;	/* only processes that were chosen are sampled and followed */
	uint32_t with_children; /* and those that they start from now on */
	uint32_t pid_namespace; /* its inode: processes are numbered as it does; 0: the kernel's own
				   numbers */
	uint32_t unused;
	uint64_t wake_bytes; /* wake the reader when more than this waits in the ring */
	uint64_t young_ns;   /* names of processes younger than this are read at once */
};

/* Which CPUs came online or went offline since the reader looked. */
struct probe_cpus {
	uint32_t any_changed;
	uint8_t changed[PROBE_MAX_CPUS];
};
_Static_assert(sizeof(struct probe_cpus) == 4 + PROBE_MAX_CPUS, "shared with BPF");

struct probe_counters {
	uint64_t samples;      /* written */
	uint64_t lost_ring;    /* the ring was full */
	uint64_t lost_scratch; /* the scratch of this CPU was in use */
	uint64_t lost_events;  /* process events that found the ring full */
	uint64_t lost_choices; /* children that found no room among the chosen */
};

#endif
