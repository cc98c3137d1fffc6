/* unwind/native/unwind_table_abi.h - unwind tables as BPF programs and user space share them.
 *
 * A table says for every address of a file how to get from a frame to its caller. From a program
 * counter to a rule:
 *	1. pc of a caller is a return address: look up pc - 1. pc of the interrupted instruction
 *(the first frame, and the frame below a signal frame) is looked up as it is.
 *	2. The mappings of a process are a run, sorted by start, of the array of mappings: binary
 *	   search. None with start <= pc < end: unknown code.
 *	3. offset = pc - mapping.origin; files[mapping.file] says which pages there are:
 *	   offset >> UNWIND_PAGE_SHIFT, counted from first_page.
 *	4. The page says which rows: chunk, first row, count. Rows of a page lie in one chunk. It
 *	   also says where in them each of its parts starts, so that the search is short and
 *	   touches little memory: what a sample walks over is mostly in no cache.
 *	5. Binary search in the part for the last row <= (offset & 0xffff) << 16 | 0xffff. The
 *	   first row of a page has address 0, so that there is always one.
 *	6. The low half of the row is an index of the machine's one table of rules. When the pc lies
 *	   less than rule.from bytes behind the row, go on with rule.earlier, and so on;
 *	   UNWIND_RULE_STEPS at most, and the last rule of a chain has from 0.
 * The chains keep prologues and epilogues out of the rows: a run of states that last a few bytes
 * each belongs to the row of the state that follows and lasts. Who asks for a body, as every caller
 * does, gets it from the first rule.
 *
 * As BPF maps: rules, pages and mappings are array maps of one value each, which holds the whole
 * array; so are the chunks, inner maps of one array of maps. User space fills them through mmap
 * (BPF_F_MMAPABLE), and a program searches them with plain loads, without a call a step: indexes
 * have 16 bits and arrays 65536 elements (pages: 14 bits), so that no index is outside. Chunks have
 *one size, as kernels want it of inner maps, and are made when they are needed. Files are elements
 *of an array map. What a walk may be looking at is never changed: new rows go to free places, then
 *page, file and process are pointed at them, and the old place is free a second later.
 *
 * Fixed-width types only. Registers are numbered as DWARF does on x86-64 (System V ABI, table
 * 3.36). */
#ifndef GLIM_UNWIND_TABLE_ABI_H
#define GLIM_UNWIND_TABLE_ABI_H

#include <stdint.h>

/* x86-64 with 4-level paging gives programs addresses below this (Linux, Documentation/arch/x86/
 * x86_64/mm.rst); the lowest page is never mapped (vm.mmap_min_addr). */
#define TABLE_USER_END	 0x7ffffffff000ULL
#define TABLE_USER_START 4096

enum {
	UNWIND_PAGE_SHIFT = 16, /* of code bytes a page */
	UNWIND_PART_SHIFT = 12, /* of code bytes a part of it */
	UNWIND_PAGE_PARTS = 1 << (UNWIND_PAGE_SHIFT - UNWIND_PART_SHIFT),
	/* Elements of the arrays. */
	UNWIND_CHUNK_ROWS = 1 << 16,
	UNWIND_MAX_RULES = 1 << 16,
	UNWIND_MAX_PAGES = 1 << 14, /* 1 GiB of code */
	UNWIND_MAX_MAPPINGS = 1 << 16,
	UNWIND_MAX_FILES = 1 << 13,
	UNWIND_MAX_CHUNKS = 1 << 7, /* of 256 KiB */
	/* What a walk may do at most for one frame. */
	UNWIND_SEARCH_STEPS = 16,
	UNWIND_RULE_STEPS = 12,
	UNWIND_NO_RULE = 0, /* index of the rule of code that no table describes */
};

enum unwind_register {
	UNWIND_RAX = 0,
	UNWIND_RBX = 3,
	UNWIND_RBP = 6,
	UNWIND_RSP = 7,
	UNWIND_RIP = 16,
	UNWIND_REGISTERS = 16,
};

/* Address in its page << 16 | index of a rule: rows compare as numbers. */
typedef uint32_t unwind_row;

/* How the canonical frame address (CFA), the caller's stack pointer, is computed. */
enum unwind_cfa {
	UNWIND_CFA_REGISTER = 0, /* base + cfa_offset */
	UNWIND_CFA_MEMORY = 1,	 /* what lies at base + cfa_offset, + cfa_add */
	/* A PLT entry pushes behind its first bytes: base + cfa_offset, and 8 more where
	 * (pc & 15) >= cfa_add. */
	UNWIND_CFA_PLT = 2,
	UNWIND_CFA_NONE = 3,	    /* no table describes this code */
	UNWIND_CFA_UNSUPPORTED = 4, /* one does, in a way that cannot be expressed here */
	/* The caller is on another stack, which may lie lower: */
	UNWIND_CFA_SWITCH = 5, /* base + cfa_offset */
	/* Go keeps a pointer to its struct g (runtime/runtime2.go) rbx_offset words from the base
	 * of the thread's storage; g.m leads to m, and of m the words cfa_add and 0 to the g of the
	 * goroutine and of the thread. From what was saved in one, + cfa_offset: */
	UNWIND_CFA_GO_CURG = 6, /* the goroutine's stack; nobody called when it has none */
	/* The word cfa_add of the stack says how far below the end of the goroutine's stack, the
	 * next has its g. */
	UNWIND_CFA_GO_DEPTH = 7,
	UNWIND_CFA_GO_CALLBACK = 8, /* the thread's; an earlier one lies where it points */
	/* Behind the system call that makes a thread: base + cfa_offset for who called it; nobody
	 * called the new one, which comes here with 0 in rax. First frame only. */
	UNWIND_CFA_CLONE = 9,
	UNWIND_CFA_COUNT,
};
/* Of struct g and struct m, in bytes; the same from Go 1.18 to 1.27. */
enum unwind_go { UNWIND_GO_STACK_END = 8, UNWIND_GO_M = 48, UNWIND_GO_SCHED = 56 };

/* Where a register of the caller is. Offsets count words of 8 bytes. */
enum unwind_place {
	UNWIND_PLACE_SAME = 0,	    /* still in the register */
	UNWIND_PLACE_CFA = 1,	    /* at CFA + offset */
	UNWIND_PLACE_RSP = 2,	    /* at rsp + offset */
	UNWIND_PLACE_RBP = 3,	    /* at rbp + offset */
	UNWIND_PLACE_UNDEFINED = 4, /* lost; of the return address: this is the outermost frame */
	UNWIND_PLACE_REGISTER = 5,  /* return address only: in the register ra_offset */
	UNWIND_PLACE_SOURCE = 6,    /* return address only: where the CFA was read + offset */
	UNWIND_PLACE_COUNT,
};
/* Flags of ra. */
enum {
	UNWIND_SIGNAL = 0x80,  /* the caller was interrupted, it called nothing */
	UNWIND_DERIVED = 0x40, /* of code that no table describes: its instructions say so */
	UNWIND_FLAGS = UNWIND_SIGNAL | UNWIND_DERIVED,
};

struct unwind_rule {
	int32_t cfa_offset;
	int16_t rbp_offset, rbx_offset; /* words */
	uint16_t earlier;		/* the rule of the `from` bytes behind the row, when from */
	uint8_t from;
	uint8_t base : 4; /* a register; other than rsp, rbp and rbx: first frame only */
	uint8_t cfa : 4;  /* enum unwind_cfa */
	uint8_t rbp : 4;  /* enum unwind_place */
	uint8_t rbx : 4;  /* enum unwind_place */
	int8_t cfa_add;
	uint8_t ra;	  /* enum unwind_place | UNWIND_FLAGS */
	int8_t ra_offset; /* words, or a register */
};
_Static_assert(sizeof(struct unwind_rule) == 16, "shared with BPF");

struct unwind_page {
	uint16_t chunk;
	uint16_t first; /* row in the chunk; first + count <= UNWIND_CHUNK_ROWS */
	uint16_t count; /* 0: no table describes this page */
	/* Counted from `first`: the row that holds where a part starts. At the end: the last row.
	 */
	uint16_t starts[UNWIND_PAGE_PARTS + 1];
};
_Static_assert(sizeof(struct unwind_page) == 40, "shared with BPF");

enum unwind_file_state {
	UNWIND_FILE_UNKNOWN = 0, /* not loaded yet, or evicted: hits asks for it */
	UNWIND_FILE_READY = 1,
	UNWIND_FILE_NONE = 2, /* has no table */
};
struct unwind_file {
	uint32_t first_page;
	uint32_t pages;
	uint32_t state;
	uint32_t hits; /* look-ups, counted by BPF: what to load first and what to evict */
};
_Static_assert(sizeof(struct unwind_file) == 16, "shared with BPF");

/* 2 MiB of them for the machine. */
struct unwind_mapping {
	uint64_t start, end;
	uint64_t origin; /* address where the first page of the file's table would be */
	uint32_t file;
	uint32_t identity; /* for user space: how it knew the file */
};
_Static_assert(sizeof(struct unwind_mapping) == 32, "shared with BPF");

/* The run of a process in the array of mappings; first + count <= UNWIND_MAX_MAPPINGS. */
struct unwind_process {
	uint32_t first;
	uint32_t count;
	uint32_t number; /* that no other run has, or had */
};
_Static_assert(sizeof(struct unwind_process) == 12, "shared with BPF");

/* Registers whose value a walk does not know. */
enum { TABLE_LOST_RBP = 1, TABLE_LOST_RBX = 2 };

#endif
