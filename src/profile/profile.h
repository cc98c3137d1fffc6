/* profile/profile.h - the noun that everything produces, moves, stores and draws.
 *
 * A profile says how often (count) and how much (value) each stack was seen, over one stretch of
 * time, with labels on every sample. Text is interned, functions, frames, stacks and label sets are
 * stored once and named by number; stacks are a tree of parent pointers, so that shared callers
 * cost nothing. No I/O here.
 *
 * Memory: everything belongs to the profile and goes with profile_free; numbers stay valid until
 * then. Threads: one at a time; a profile that nobody changes may be read by many.
 * Invariants: number 0 is the empty string, the root stack (no frames), the empty label set; a
 * stack's parent has a smaller number than the stack; samples are unique by (stack, labels). */
#ifndef GLIM_PROFILE_H
#define GLIM_PROFILE_H

#include "base/buf.h"
#include "base/err.h"
#include "base/strtab.h"

/* What kind of code a function is. Stored and sent: append only. */
enum frame_kind {
	FRAME_NATIVE = 1,
	FRAME_KERNEL = 2,
	FRAME_PYTHON = 3,
	FRAME_MARK = 4,	   /* not code: says why a stack is cut, or what was lost */
	FRAME_PROCESS = 5, /* not code: the process that a stack belongs to (only in trees) */
};

/* "native", "kernel", "python", "mark" or "process"; "unknown" for another number. */
const char *frame_kind_name(uint32_t kind);

/* A sample is whole, or it is cut for one reason. Stored and sent: append only.
 * X(NAME, number, text) - text is the label value and the name of the mark frame. */
#define OUTCOMES(X)                                                                                \
	X(COMPLETE, 0, "complete")                                                                 \
	X(NO_FRAME_POINTER, 1, "cut: no frame pointer")                                            \
	X(BAD_READ, 2, "cut: stack memory could not be read")                                      \
	X(UNKNOWN_CODE, 3, "cut: return address outside of known code")                            \
	X(TOO_DEEP, 4, "cut: too deep")                                                            \
	X(PYTHON_BAD_READ, 5, "cut: Python frame could not be read")                               \
	X(PYTHON_UNKNOWN, 6, "cut: unknown Python version or layout")                              \
	X(PROCESS_GONE, 7, "cut: process ended before its names were read")                        \
	X(NOT_LOADED, 8, "cut: process not known yet")                                             \
	X(FOREIGN_CODE, 9, "cut: 32-bit program")                                                  \
	X(NO_TABLE, 10, "cut: unwind table not loaded yet")                                        \
	X(UNKNOWN_RULE, 11, "cut: unwind rule not understood")                                     \
	X(LOST_REGISTER, 12, "cut: unwind rule needs a register that is lost")                     \
	X(BAD_FRAME, 13, "cut: stack pointer of the caller makes no sense")                        \
	X(PYTHON_TORN, 14, "cut: Python frames changed while they were read")                      \
	X(PYTHON_APART, 15, "cut: native frames of the Python interpreter not recognised")
enum outcome {
#define X(name, number, text) OUTCOME_##name = number,
	OUTCOMES(X)
#undef X
		OUTCOME_COUNT
};
/* The text of an outcome, "unknown" for a number that is not in the table. */
const char *outcome_text(unsigned int outcome);

/* What else is to be known of samples: they count, but something of them is less sure, or missing.
 * Only counted, for the machine: a label on each would make a set of labels a sample.
 * X(NAME, text) - text is the label value. */
#define REMARKS(X)                                                                                 \
	X(BLIND, "frames found by frame pointer alone")                                            \
	X(DERIVED, "frames found by following instructions")                                       \
	X(NATIVE_CUT, "native frames around Python are not all known")                             \
	X(LABELS_GONE, "labels of the goroutine were gone")                                        \
	X(AWAITERS_CUT, "what awaits the asyncio task is not all known")                           \
	X(MAPPINGS_LOST, "news of mappings were lost (not samples)")
enum remark {
#define X(name, text) REMARK_##name,
	REMARKS(X)
#undef X
		REMARK_COUNT
};
const char *remark_text(enum remark remark);

struct profile_function {
	uint32_t name;	     /* empty: no name known, frames then differ by address */
	uint32_t file;	     /* source file, empty: unknown */
	uint32_t module;     /* base name of the program or library, empty: none */
	uint32_t start_line; /* first line of the function, 0: unknown */
	uint8_t kind;	     /* enum frame_kind */
};
struct profile_frame {
	uint64_t address; /* in the module, as its ELF file counts; 0 where the function has a name
			   */
	uint32_t function;
	uint32_t line; /* being executed, 0: unknown */
};
struct profile_stack {
	uint32_t parent; /* the caller's stack */
	uint32_t frame;
};
struct profile_label {
	uint32_t key;
	uint32_t value;
};
struct profile_label_set {
	uint32_t first; /* into label_pairs */
	uint32_t count;
};
struct profile_sample {
	uint32_t stack;
	uint32_t labels;
	int64_t count; /* samples taken */
	int64_t value; /* in the profile's unit */
};

struct profile {
	char type[16];	     /* "cpu", "wall", "offcpu", "alloc", "inuse", "lock" */
	char unit[16];	     /* "nanoseconds", "bytes", "count" */
	int64_t period;	     /* what one sample stands for, in unit; 0: unknown */
	int64_t time_ns;     /* start, since 1970 */
	int64_t duration_ns; /* of the window */
	uint8_t id[16]; /* names this window so that a repeated upload counts once; zero: none */
	struct strtab strings;
	VEC(struct profile_function) functions;
	VEC(struct profile_frame) frames;
	VEC(struct profile_stack) stacks;
	VEC(struct profile_label) label_pairs;
	VEC(struct profile_label_set) label_sets;
	VEC(struct profile_sample) samples;
	/* Finding what is there already. Most stacks have one stack below them: that one is
	 * first_child (0: none), only further ones are in stack_index. */
	VEC(uint32_t) first_child;
	struct hash_index function_index, frame_index, stack_index, label_index, sample_index;
};

struct profile *profile_new(const char *type, const char *unit, int64_t period);
void profile_free(struct profile *p);
void profile_cleanup(struct profile **p);
#define cleanup_profile cleanup(profile_cleanup)

/* Number of the equal thing, added when new. Numbers given must belong to p; text ends at the first
 * NUL byte. */
uint32_t profile_string(struct profile *p, const char *s);
uint32_t profile_string_n(struct profile *p, const char *s, size_t len);
uint32_t profile_function(struct profile *p, const struct profile_function *f);
uint32_t profile_frame(struct profile *p, const struct profile_frame *f);
/* The frame that says why a stack is cut. */
uint32_t profile_mark(struct profile *p, enum outcome outcome);
uint32_t profile_stack(struct profile *p, uint32_t parent, uint32_t frame);
/* The stack of n frames under parent, outermost first. */
uint32_t profile_path(struct profile *p, uint32_t parent, const uint32_t *frames, size_t n);
/* labels: n pairs in any order; sorted here by key text; a repeated key keeps its last value. */
uint32_t profile_labels(struct profile *p, const struct profile_label *labels, size_t n);
/* Add to the sample (stack, labels); sums stop at the end of their range. */
void profile_add(struct profile *p, uint32_t stack, uint32_t labels, int64_t count, int64_t value);
/* Forget the samples i without keep[i]; what only they needed stays in the tables. */
void profile_keep(struct profile *p, const bool *keep);

/* Frames that belong where one frame kept the place for them, innermost first. */
struct profile_replacement {
	uint32_t frame;
	const uint32_t *by;
	size_t n; /* at least one */
};
/* Put them into all stacks, whose numbers change; each frame is replaced once at most. The frames
 * that kept the place stay in the table. */
void profile_replace(struct profile *p, const struct profile_replacement *list, size_t n);

/* Value of a label in a set, NULL when it has none. */
const char *profile_label_value(const struct profile *p, uint32_t labels, const char *key);
const char *profile_text(const struct profile *p, uint32_t string);
/* Frames of a stack, leaf first, into ret_frames[max]; returns the depth, which may exceed max. */
size_t profile_unroll(const struct profile *p, uint32_t stack, uint32_t *ret_frames, size_t max);
/* Append what to show for a frame: the function's name, module+0xADDRESS where it has none. */
void profile_put_frame_name(const struct profile *p, uint32_t frame, struct buf *out);
int64_t profile_total_value(const struct profile *p);
int64_t profile_total_count(const struct profile *p);
/* -EINVAL where a value is negative or no number can hold the total: sums of any samples are safe
 * in others. */
int profile_check_values(const struct profile *p, struct err *e);
/* Bytes that the profile holds, roughly; for limits. */
size_t profile_memory(const struct profile *p);

/* Add all samples of src to dst; type and unit must be equal. keep: only these label keys survive
 * (all when keep is NULL). The time range of dst grows to cover both; period becomes the mean,
 * weighted by counts; the id of dst stays. */
int profile_merge(struct profile *dst, const struct profile *src, const char *const *keep,
		  size_t nkeep, struct err *e);

#endif
