/* unwind/unwind_abi.h - what the walk of a stack leaves behind, and what it must know to start.
 *
 * Shared by the BPF programs and by user space: fixed-width types only, sizes asserted on both
 * sides. Offsets are those of x86-64. */
#ifndef GLIM_UNWIND_ABI_H
#define GLIM_UNWIND_ABI_H

#include <stdint.h>

enum {
	UNWIND_MAX_ENTRIES = 4096,
	/* Native entries of a thread that runs Python: the rest is for Python. */
	UNWIND_MAX_BESIDE_PYTHON = 2560,
};

/* glibc 2.21 to 2.41 on x86-64, nptl/descr.h: where struct pthread, which the base of fs points at,
 * has specific_1stblock and specific, of struct pthread_key_data {seq, data}. */
enum {
	GLIBC_TSD_FIRST = 784,
	GLIBC_TSD_SECOND = 1296,
	UNWIND_TSD_FIRST_KEYS = 32, /* keys below this are in the first block */
	GLIBC_TSD_BLOCKS = 32,	    /* PTHREAD_KEYS_MAX / PTHREAD_KEY_2NDLEVEL_SIZE */
};

enum unwind_kind {
	UNWIND_NATIVE = 1, /* address: program counter; sp; flags below */
	UNWIND_PYTHON = 2, /* address: code object; lasti: byte offset of the instruction */
	/* The same, and one call of the interpreter's loop ends with it: the next Python frame is
	 * of an outer call. */
	UNWIND_PYTHON_LAST = 3,
	/* Such an end that is no frame; address: of itself, on the C stack of that call. */
	UNWIND_PYTHON_BOUNDARY = 4,
	/* No frame: what follows is of another interpreter that the thread is in. In which order
	 * they called each other is for user space to say (python/states.h). */
	UNWIND_PYTHON_STATE = 5,
};

/* Flags of a native entry. */
enum {
	/* Its instruction was interrupted; others are return addresses, also from system calls. */
	UNWIND_EXACT = 0x100,
	/* Left as a signal handler is: its own pc says what it is, though nobody called from there.
	 */
	UNWIND_TRAMPOLINE = 0x400,
	UNWIND_BLIND = 0x200, /* found by the frame pointer of code that no table describes */
	/* Found by a rule that its callee's instructions were followed for (UNWIND_DERIVED). */
	UNWIND_FOLLOWED = 0x800,
};

/* Of a frame that had gone on, and nobody knows from where. */
#define UNWIND_LASTI_UNKNOWN 0x80000000U

struct unwind_entry {
	uint64_t address;
	union {
		uint32_t lasti;
		uint32_t sp; /* low half of the stack pointer: frames of one stack are nearer */
	};
	uint32_t tag; /* enum unwind_kind | flags, or check << 8 */
};
_Static_assert(sizeof(struct unwind_entry) == 16, "shared with BPF");

/* Memory of a process that was copied in the moment of a sample. */
struct unwind_region {
	uint64_t address;
	uint32_t bytes;
	uint32_t unused;
};
_Static_assert(sizeof(struct unwind_region) == 16, "shared with BPF");

/* Why following native frames ended. */
enum unwind_native_end {
	UNWIND_NATIVE_NONE = 0,	       /* no user frames were asked for; of a step: it goes on */
	UNWIND_NATIVE_COMPLETE = 1,    /* the outermost frame: its rule, or a zero, says so */
	UNWIND_NATIVE_BAD_FP = 2,      /* code without a table, and no frame pointer */
	UNWIND_NATIVE_UNREAD = 3,      /* stack memory could not be read */
	UNWIND_NATIVE_OUTSIDE = 4,     /* return address is no user address */
	UNWIND_NATIVE_DEEP = 5,	       /* no room, or too many steps */
	UNWIND_NATIVE_NO_MAPPING = 6,  /* address in no mapping that is known */
	UNWIND_NATIVE_NOT_LOADED = 7,  /* the table of its file is not there yet */
	UNWIND_NATIVE_UNSUPPORTED = 8, /* its table says something that has no rule */
	UNWIND_NATIVE_LOST = 9,	       /* a register is needed whose value is not known */
	UNWIND_NATIVE_BAD_CFA = 10,    /* the caller's stack pointer makes no sense */
	UNWIND_NATIVE_NO_TABLE = 11,   /* of a step, never sent: no table describes the code */
};
enum unwind_python_end {
	UNWIND_PYTHON_NONE = 0,	    /* this thread runs no Python */
	UNWIND_PYTHON_COMPLETE = 1, /* outermost frame reached */
	UNWIND_PYTHON_UNREAD = 2,
	UNWIND_PYTHON_DEEP = 3,
	UNWIND_PYTHON_LAYOUT = 4,   /* a Python, but of a version that we do not know */
	UNWIND_PYTHON_STARTING = 5, /* the runtime has no thread key yet */
	UNWIND_PYTHON_TORN = 6,	    /* it changed while it was read: inner frames are missing */
};

/* Where the walker finds the fields of one CPython version. */
struct python_layout {
	uint16_t runtime_interpreters; /* first interpreter, in _PyRuntime */
	uint16_t runtime_current;      /* thread state that holds the one GIL; 0: not in there */
	uint16_t runtime_key;	       /* Py_tss_t autoTSSkey, in _PyRuntime; 0: not in there */
	uint16_t interpreter_next;
	uint16_t interpreter_threads; /* first thread state */
	uint16_t thread_next;
	uint16_t thread_id; /* pthread_self of the thread, on glibc the base of fs */
	uint16_t thread_frame;
	uint16_t cframe_frame; /* current frame in _PyCFrame */
	uint16_t frame_size;   /* bytes that may be read of every frame */
	uint16_t frame_code;
	uint16_t frame_previous;
	uint16_t frame_instruction;   /* f_lasti, prev_instr or instr_ptr */
	uint16_t frame_boundary;      /* is_entry or owner */
	uint16_t frame_copy;	      /* tlbc_index: which copy of its code it runs; 0: no copies */
	uint16_t code_flags;	      /* the start of the PYTHON_CODE_WORDS words that are read */
	uint16_t code_line_index;     /* which of these words is co_firstlineno */
	uint16_t code_pointers_index; /* where in them PYTHON_CODE_POINTERS pointers start */
	uint16_t code_start;	      /* co_code_adaptive */
	uint16_t code_copies;	      /* co_tlbc: the copies that frame_copy counts */
	uint8_t style;		      /* enum python_style */
	uint8_t cframe;		      /* thread_frame points at a _PyCFrame */
	uint8_t lasti_shift;	      /* f_lasti counts units of 1 << lasti_shift bytes */
	uint8_t code_tags;	      /* bits of frame_code that belong to no address */
	uint8_t free_threaded;
	uint8_t unused;
	uint16_t thread_context; /* context_ver, which id follows; 0: not known */
};
_Static_assert(sizeof(struct python_layout) == 48, "shared with BPF");

/* Which frames end one call of the interpreter's loop. */
enum python_style {
	PYTHON_EACH_FRAME = 1,	/* to 3.10: one call a frame */
	PYTHON_IS_ENTRY = 2,	/* 3.11: the frame whose is_entry is set */
	PYTHON_OWNER_SHIM = 3,	/* 3.12 and later: a frame that is no Python frame, owner 3 */
	PYTHON_UNSUPPORTED = 4, /* only says that this process runs a Python that we do not know */
};
enum {
	PYTHON_CODE_WORDS = 24,	  /* of 4 bytes */
	PYTHON_CODE_POINTERS = 6, /* of 8 bytes */
	PYTHON_FRAME_BYTES = 128,
	PYTHON_FIND_STEPS = 256, /* thread states looked at when the key does not help */
	/* Flags of code that a task runs: CO_COROUTINE and CO_ITERABLE_COROUTINE of CPython 3.8 to
	   3.13, Include/cpython/code.h. */
	PYTHON_COROUTINE = 0x80 | 0x100,
	PYTHON_OWNER_CSTACK = 3, /* CPython 3.12 to 3.13, Include/internal/pycore_frame.h */
};

/* What the walker must know of a process that runs Python. Addresses are 0 where there is no such
 * thing, or its place is not known. */
struct python_process {
	uint64_t runtime;      /* _PyRuntime, which 3.7 brought */
	uint64_t interpreters; /* of the pointer to the first interpreter */
	uint64_t current;      /* of the pointer to the thread state that holds the GIL */
	uint64_t key;	       /* of the thread key that leads to the thread state */
	struct python_layout layout;
	uint8_t key_is_int;	/* key is an int, as before 3.7, and -1 while there is none */
	uint8_t search_threads; /* key and current are of no use here: search the list */
	uint8_t unused[6];
};
_Static_assert(sizeof(struct python_process) == 88, "shared with BPF");

/* What tells a step of an event loop from every other one: a loop enters a context for each
 * callback and leaves it behind it, both of which CPython counts for each thread. */
struct python_step {
	uint64_t thread;   /* address of its state */
	uint64_t contexts; /* entered and left */
	uint64_t number;   /* of the thread state, never given again; 0: none was read */
};
_Static_assert(sizeof(struct python_step) == 24, "shared with BPF");

#endif
