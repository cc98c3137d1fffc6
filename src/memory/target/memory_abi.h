/* memory/target/memory_abi.h - the file in which the library in a target writes what it learns, and
 * from which Glim reads it.
 *
 * A header, then records one behind the other up to header.used; each begins with its kind and its
 * size. The library changes numbers in place, so a file is good at every moment, also when its
 * process was killed. Text ends with a 0 byte. Who reads trusts nothing in it: the target may have
 * written anything. Only fixed-width types; both sides assert sizes. */
#ifndef GLIM_MEMORY_ABI_H
#define GLIM_MEMORY_ABI_H

#include <stdint.h>

enum {
	MEMORY_MAGIC = 0x4d4d4c47, /* "GLMM" */
	MEMORY_VERSION = 1,
	MEMORY_MAX_FILE = 1 << 30,
	MEMORY_MAX_LINES = 1 << 20, /* of a function */
	MEMORY_MAX_TEXT = 4096,	    /* of a name, its end included */
	MEMORY_MAX_PATTERNS = 4096, /* bytes of all */
	MEMORY_STACKS_IN_ONE = 512, /* of a record */
};
/* The folder of the run stands in this variable of the environment. */
#define MEMORY_FOLDER_VARIABLE "GLIM_MEMORY"
#define MEMORY_CONFIG_FILE     "config"
#define MEMORY_LIBRARY_FILE    "glim_memory.so"
#define MEMORY_FILE_SUFFIX     ".mem" /* behind PID.NUMBER */

enum memory_flag {
	MEMORY_ALLOCATED = 1, /* lines count allocated bytes */
	MEMORY_BLOCKS = 2,    /* know the stack of each live block */
	MEMORY_PEAKS = 4,     /* of resident memory within a line, also within one call */
};
/* FOLDER/config: what the library is to do. */
struct memory_config_abi {
	uint32_t magic, version;
	uint32_t flags;
	uint32_t only_bytes;		/* of patterns, each with its 0 byte; 0: the user's code */
	char only[MEMORY_MAX_PATTERNS]; /* of a file or a function */
};

enum memory_state {
	MEMORY_LOADED = 1,  /* no interpreter began to run code yet */
	MEMORY_TRACING = 2, /* lines are measured */
	MEMORY_ENDED = 3,   /* by returning from main, by exit or _exit */
	MEMORY_UNABLE = 4,  /* see problem */
};
/* Why nothing can be measured. X(NAME, number, text) */
#define MEMORY_PROBLEMS(X)                                                                         \
	X(VERSION, 1, "its version of Python is not one that Glim knows")                          \
	X(FUNCTIONS, 2, "functions of Python that the library needs are not there")                \
	X(THREADED, 3, "it is a Python without a GIL, which is not supported yet")                 \
	X(ALLOCATORS, 4, "Python's allocators cannot be seen in this version")
enum memory_problem {
#define X(name, number, text) MEMORY_PROBLEM_##name = number,
	MEMORY_PROBLEMS(X)
#undef X
};

struct memory_header_abi {
	uint32_t magic, version;
	uint64_t used; /* bytes of the file that count */
	int32_t pid, parent;
	uint32_t python; /* 0xMMmm, 0: none seen yet */
	uint32_t flags;	 /* of the config */
	uint32_t state, problem;
	uint64_t start_ns, end_ns; /* CLOCK_REALTIME; end 0: not in an orderly way */
	int64_t allocated;	   /* now, of the process */
	int64_t usage;		   /* at the last event of a line */
	int64_t peak;		   /* the most of that */
	uint64_t peak_ns;	   /* CLOCK_REALTIME */
	uint32_t peak_function, peak_line;
	int64_t blocks_peak; /* of the live blocks, with MEMORY_BLOCKS */
	uint32_t epoch;	     /* grows whenever that is passed */
	uint32_t stacks;     /* nodes in all stack records */
	uint64_t events;
	uint64_t lost_functions, lost_frames, lost_lines, lost_blocks, trace_taken, lost_peaks;
	char command[512]; /* arguments, each with its 0 byte, cut where there are more */
	char folder[MEMORY_MAX_TEXT]; /* the current one at the start */
};

enum memory_record_kind {
	MEMORY_FUNCTION = 1,
	MEMORY_STACKS = 2,
};
struct memory_record_abi {
	uint32_t kind;
	uint32_t bytes; /* of the whole record, a multiple of 8 */
};
struct memory_line_abi {
	uint64_t occurrences;
	int64_t usage, increment, own, peak; /* as struct memory_line */
	int64_t start;			     /* usage when the outermost of these began */
	uint32_t open;			     /* activations in which the line runs now */
	uint32_t unused;
};
enum memory_function_flag {
	MEMORY_DECORATED = 1,
};
/* Behind it: nlines lines from first_line on, the file and the name. Number: the count of function
 * records before it. */
struct memory_function_abi {
	struct memory_record_abi record;
	uint32_t first_line, last_line;
	uint32_t nlines;
	uint32_t flags;
	uint32_t file_bytes, name_bytes; /* with their ends */
	uint64_t calls;
	int64_t entered;
};
/* A frame below its caller. Number 0 is no frame. */
struct memory_stack_abi {
	uint32_t parent;
	uint32_t function;
	uint32_t line;
	uint32_t epoch;			 /* of the last change */
	int64_t bytes, blocks;		 /* now */
	int64_t peak_bytes, peak_blocks; /* at the peak of the last epoch before this one */
};
struct memory_stacks_abi {
	struct memory_record_abi record;
	struct memory_stack_abi stacks[MEMORY_STACKS_IN_ONE];
};

_Static_assert(sizeof(struct memory_config_abi) == 4112, "shared");
_Static_assert(sizeof(struct memory_header_abi) == 4776, "shared");
_Static_assert(sizeof(struct memory_function_abi) == 48, "shared");
_Static_assert(sizeof(struct memory_line_abi) == 56, "shared");
_Static_assert(sizeof(struct memory_stack_abi) == 48, "shared");

#endif
