/* unwind/native/table_walk.h - one native step by unwind tables; unwind_table_abi.h says how a
 * program counter leads to a rule.
 *
 * Restricted C that is compiled twice: for BPF, and for the host. Who includes it defines before
 *	TABLE_READ(dst, size, address)	copy user memory; 0 on success
 *	TABLE_MAPPINGS()		the array of struct unwind_mapping
 *	TABLE_FILE(id)			struct unwind_file *
 *	TABLE_PAGES()			the array of struct unwind_page
 *	TABLE_CHUNK(i)			the array of rows of a chunk
 *	TABLE_RULES()			the array of struct unwind_rule
 *	TABLE_RECENT			how many rules are remembered, a power of two; else it is 1
 * All but the first and the last give NULL where there is none. The arrays have the sizes of the
 * ABI, so that 16-bit indexes need no check. All state is in struct table_walk, which lives in a
 * map: the verifier of some kernels follows every value of what is in registers or on the stack.
 *
 * The searches have no branches a verifier would have to follow both ways of. */
#ifndef GLIM_UNWIND_TABLE_WALK_H
#define GLIM_UNWIND_TABLE_WALK_H

#include "unwind/native/unwind_table_abi.h"
#include "unwind/unwind_abi.h"

#define TABLE_INLINE static inline __attribute__((always_inline))
#ifndef TABLE_RECENT
#define TABLE_RECENT 1
#endif
enum {
	TABLE_WINDOW = 64,	/* words of the stack that are read at once */
	TABLE_WINDOW_BELOW = 8, /* of them below the CFA: what was saved is mostly there */
	TABLE_FEW_STEPS = 8,	/* of a search, when there are few elements */
};

/* A rule that was found lately, for who comes to the same place again: the outer frames of a stack
 * are mostly those of a sample before. The mappings of a run never change, nor do their files, so
 * that it holds for all time. It lies in one cache line, where the searches touch several. */
struct table_recent {
	uint64_t place; /* pc << 1 | exact, which is never 0 */
	uint32_t run;	/* number of the struct unwind_process */
	uint32_t file;
	struct unwind_rule rule;
};
_Static_assert(sizeof(struct table_recent) == 32, "cache lines have 64 bytes");

struct table_walk {
	/* Registers of the frame whose caller comes next. */
	uint64_t pc, sp, rbp, rbx;
	struct unwind_process process;
	struct unwind_mapping mapping; /* of the last pc: the next is often in it; or zeroes */
	uint32_t row_address;	       /* in its page */
	uint16_t rule;
	uint8_t exact;	 /* pc is of an interrupted instruction, not a return address */
	uint8_t first;	 /* registers are those of this frame */
	uint8_t lost;	 /* registers whose value is not known */
	uint8_t end;	 /* enum unwind_native_end */
	uint8_t derived; /* a rule was used that instructions say, no table */
	/* The stack as it was read: callers' frames are often in it, too. */
	uint32_t window_words;
	uint64_t window_start;
	/* What follows need not be zero at the start. */
	uint64_t window[TABLE_WINDOW];
	uint64_t word;
	uint64_t thread_base; /* of the thread's storage: fs on x86-64; 0: not known */
	uint64_t source;      /* where the CFA was read, of rules that have it from Go */
	uint64_t go_stack;    /* the thread's stack of the next callback from C; 0: the first one */
	uint64_t registers[UNWIND_REGISTERS]; /* as DWARF numbers them */
	/* Direct-mapped; what is left of earlier walks is of use. */
	_Alignas(sizeof(struct table_recent)) struct table_recent recent[TABLE_RECENT];
};

/* All ones when a < b, for numbers below 2^63. The compiler must not know that it compares, or it
 * makes a branch of it. */
TABLE_INLINE uint64_t table_less(uint64_t a, uint64_t b)
{
	int64_t mask = (int64_t)(a - b);

	__asm__ volatile("" : "+r"(mask));
	mask >>= 63;
	__asm__ volatile("" : "+r"(mask));
	return (uint64_t)mask;
}

#ifdef __clang__
#define TABLE_UNROLL _Pragma("clang loop unroll(full)")
#else
#define TABLE_UNROLL
#endif

/* A step of a search over elements [first, first + count): go to at + step when that is
 * inside and key is not below it. */
#define TABLE_SEARCH_STEP(at, step, first, count, key, value)                                      \
	do {                                                                                       \
		uint64_t inside__ = table_less((at) + (step), (count));                            \
		uint64_t try__ = ((first) + (((at) + (step)) & inside__)) & 0xffff;                \
		(at) += (step)&inside__ & ~table_less((key), value(try__));                        \
	} while (0)

#define TABLE_SEARCH(at, first, count, key, value)                                                 \
	do {                                                                                       \
		if ((count) > 1 << TABLE_FEW_STEPS) {                                              \
			TABLE_UNROLL                                                               \
			for (int i__ = UNWIND_SEARCH_STEPS - 1; i__ >= TABLE_FEW_STEPS; i__--)     \
				TABLE_SEARCH_STEP(at, 1ULL << i__, first, count, key, value);      \
		}                                                                                  \
		TABLE_UNROLL                                                                       \
		for (int i__ = TABLE_FEW_STEPS - 1; i__ >= 0; i__--)                               \
			TABLE_SEARCH_STEP(at, 1ULL << i__, first, count, key, value);              \
	} while (0)

/* The mapping of pc into w->mapping; 0 where there is none. */
TABLE_INLINE int table_find_mapping(struct table_walk *w, uint64_t pc)
{
	const struct unwind_mapping *all, *found;
	uint64_t at = 0, first = w->process.first, count = w->process.count;

	if (pc >= w->mapping.start && pc < w->mapping.end)
		return 1;
	all = TABLE_MAPPINGS();
	if (!all || !count)
		return 0;
#define TABLE_MAPPING_START(i) all[i].start
	TABLE_SEARCH(at, first, count, pc, TABLE_MAPPING_START);
#undef TABLE_MAPPING_START
	found = &all[(first + at) & 0xffff];
	if (pc < found->start || pc >= found->end)
		return 0;
	w->mapping = *found;
	return 1;
}

/* The index of the rule of a row into w->rule; returns why not, or 0. */
TABLE_INLINE uint8_t table_find_row(struct table_walk *w, uint64_t pc)
{
	uint64_t offset = pc - w->mapping.origin, number = offset >> UNWIND_PAGE_SHIFT;
	uint64_t key = (offset & 0xffff) << 16 | 0xffff, at = 0, first, count, part;
	const struct unwind_page *at_page = TABLE_PAGES();
	struct unwind_file *its_file = TABLE_FILE(w->mapping.file);
	const unwind_row *its_rows;

	if (!its_file || !at_page)
		return UNWIND_NATIVE_NOT_LOADED;
	its_file->hits++;
	if (its_file->state != UNWIND_FILE_READY)
		return its_file->state == UNWIND_FILE_NONE ? UNWIND_NATIVE_NO_TABLE
							   : UNWIND_NATIVE_NOT_LOADED;
	if (number >= its_file->pages)
		return UNWIND_NATIVE_NO_TABLE;
	at_page += (its_file->first_page + number) & (UNWIND_MAX_PAGES - 1);
	if (!at_page->count)
		return UNWIND_NATIVE_NO_TABLE;
	part = (offset >> UNWIND_PART_SHIFT) & (UNWIND_PAGE_PARTS - 1);
	first = at_page->starts[part];
	count = (at_page->starts[part + 1] - first + 1) & 0xffff;
	first += at_page->first;
	its_rows = TABLE_CHUNK(at_page->chunk);
	if (!its_rows)
		return UNWIND_NATIVE_NOT_LOADED;
#define TABLE_ROW(i) its_rows[i]
	TABLE_SEARCH(at, first, count, key, TABLE_ROW);
#undef TABLE_ROW
	at = its_rows[(first + at) & 0xffff];
	w->rule = (uint16_t)at;
	w->row_address = (uint32_t)(at >> 16);
	return UNWIND_NATIVE_NONE;
}

/* The rule of this pc among those that share a row. */
TABLE_INLINE const struct unwind_rule *table_find_rule(struct table_walk *w, uint64_t pc)
{
	const struct unwind_rule *all = TABLE_RULES(), *rule;
	uint32_t behind = ((pc - w->mapping.origin) & 0xffff) - w->row_address;
	int i;

	if (!all)
		return 0;
	rule = &all[w->rule];
	for (i = 1; i < UNWIND_RULE_STEPS && behind < rule->from; i++)
		rule = &all[rule->earlier];
	return rule;
}

/* The value of a register by its number into w->word; 0 where it is not known. */
TABLE_INLINE int table_register(struct table_walk *w, uint32_t reg)
{
	if (reg == UNWIND_RSP)
		w->word = w->sp;
	else if (reg == UNWIND_RBP && !(w->lost & TABLE_LOST_RBP))
		w->word = w->rbp;
	else if (reg == UNWIND_RBX && !(w->lost & TABLE_LOST_RBX))
		w->word = w->rbx;
	else if (w->first)
		w->word = w->registers[reg & (UNWIND_REGISTERS - 1)];
	else
		return 0;
	return 1;
}

/* Step from the address in w->word to the word that lies offset behind it. */
TABLE_INLINE int table_follow(struct table_walk *w, int64_t offset)
{
	w->source = w->word + (uint64_t)offset;
	return TABLE_READ(&w->word, sizeof(w->word), w->source);
}

/* The stack pointer that Go saved into w->word; returns why not, or 0. */
TABLE_INLINE uint8_t table_go_stack(struct table_walk *w, const struct unwind_rule *rule)
{
	uint64_t depth;
	int bad;

	if (rule->cfa == UNWIND_CFA_GO_DEPTH) {
		w->word = w->sp;
		bad = table_follow(w, rule->cfa_add * 8);
		depth = w->word;
		w->word = w->source;
		bad |= table_follow(w, 8);
		bad |= table_follow(w, UNWIND_GO_STACK_END);
		w->word -= depth;
		return bad ? UNWIND_NATIVE_UNREAD : UNWIND_NATIVE_NONE;
	}
	if (rule->cfa == UNWIND_CFA_GO_CALLBACK && w->go_stack) {
		w->word = w->go_stack;
		return UNWIND_NATIVE_NONE;
	}
	if (!w->thread_base)
		return UNWIND_NATIVE_LOST;
	w->word = w->thread_base;
	bad = table_follow(w, rule->rbx_offset * 8);
	bad |= table_follow(w, UNWIND_GO_M);
	bad |= table_follow(w, rule->cfa_add * 8);
	if (!bad && !w->word)
		return UNWIND_NATIVE_COMPLETE;
	bad |= table_follow(w, UNWIND_GO_SCHED);
	return bad ? UNWIND_NATIVE_UNREAD : UNWIND_NATIVE_NONE;
}

TABLE_INLINE uint8_t table_go_cfa(struct table_walk *w, const struct unwind_rule *rule,
				  uint64_t *ret)
{
	uint8_t why = table_go_stack(w, rule);
	uint64_t stack = w->word;

	if (why)
		return why;
	if (rule->cfa == UNWIND_CFA_GO_CALLBACK) {
		if (TABLE_READ(&w->go_stack, sizeof(w->go_stack), stack))
			return UNWIND_NATIVE_UNREAD;
		w->go_stack |= !w->go_stack; /* no stack, and none to begin with again */
	}
	*ret = stack + (int64_t)rule->cfa_offset;
	return UNWIND_NATIVE_NONE;
}

/* The CFA into *ret; returns why not, or 0. */
TABLE_INLINE uint8_t table_cfa(struct table_walk *w, const struct unwind_rule *rule, uint64_t *ret)
{
	uint64_t cfa = 0, lowest;

	if (rule->cfa >= UNWIND_CFA_GO_CURG && rule->cfa <= UNWIND_CFA_GO_CALLBACK) {
		uint8_t why = table_go_cfa(w, rule, &cfa);

		*ret = cfa;
		if (why)
			return why;
		return (cfa & 7) || cfa < TABLE_USER_START || cfa >= TABLE_USER_END
			       ? UNWIND_NATIVE_BAD_CFA
			       : UNWIND_NATIVE_NONE;
	}
	if (!table_register(w, rule->base))
		return UNWIND_NATIVE_LOST;
	cfa = w->word + (int64_t)rule->cfa_offset;
	if (rule->cfa == UNWIND_CFA_MEMORY) {
		if (TABLE_READ(&w->word, sizeof(w->word), cfa))
			return UNWIND_NATIVE_UNREAD;
		cfa = w->word + (int64_t)rule->cfa_add;
	} else if (rule->cfa == UNWIND_CFA_PLT && (int64_t)(w->pc & 15) >= rule->cfa_add) {
		cfa += 8;
	}
	/* The caller's stack pointer is above, by the return address at least, unless that was
	 * popped already. But a signal may have come while another stack was in use. */
	lowest = w->sp + (rule->ra == UNWIND_PLACE_REGISTER ? 0 : 8);
	if ((rule->ra & UNWIND_SIGNAL) || rule->cfa == UNWIND_CFA_SWITCH)
		lowest = TABLE_USER_START;
	if ((cfa & 7) || cfa < lowest || cfa >= TABLE_USER_END)
		return UNWIND_NATIVE_BAD_CFA;
	*ret = cfa;
	return UNWIND_NATIVE_NONE;
}

/* Have the words around the CFA in the window, where they can be read. */
TABLE_INLINE void table_window(struct table_walk *w, uint64_t cfa)
{
	uint64_t start = cfa - 8 * TABLE_WINDOW_BELOW;

	if (start >= w->window_start && cfa - w->window_start <= 8ULL * w->window_words)
		return;
	w->window_start = start;
	w->window_words = TABLE_WINDOW;
	if (!TABLE_READ(w->window, sizeof(w->window), start))
		return;
	/* Close to the base of the stack. */
	w->window_words = TABLE_WINDOW_BELOW;
	if (TABLE_READ(w->window, 8 * TABLE_WINDOW_BELOW, start))
		w->window_words = 0;
}

/* A word of the stack into w->word; 0 on success. */
TABLE_INLINE int table_word(struct table_walk *w, uint64_t address)
{
	uint64_t at = address - w->window_start;

	if (!(at & 7) && at < 8ULL * w->window_words) {
		w->word = w->window[(at >> 3) & (TABLE_WINDOW - 1)];
		return 0;
	}
	return TABLE_READ(&w->word, sizeof(w->word), address);
}

/* A word that was saved, into w->word; 0 on success, or why not. */
TABLE_INLINE uint8_t table_saved(struct table_walk *w, uint64_t cfa, uint32_t place, int64_t offset)
{
	uint64_t base = cfa;

	if (place == UNWIND_PLACE_RSP)
		base = w->sp;
	if (place == UNWIND_PLACE_RBP) {
		if (w->lost & TABLE_LOST_RBP)
			return UNWIND_NATIVE_LOST;
		base = w->rbp;
	}
	return table_word(w, base + (uint64_t)offset * 8) ? UNWIND_NATIVE_UNREAD
							  : UNWIND_NATIVE_NONE;
}

/* rbp or rbx of the caller; what cannot be had is lost, which ends the walk only when a rule needs
 * it. */
TABLE_INLINE void table_restore(struct table_walk *w, uint64_t cfa, uint32_t place, int64_t offset,
				uint64_t *value, uint8_t bit)
{
	if (place == UNWIND_PLACE_SAME)
		return;
	if (place == UNWIND_PLACE_UNDEFINED || table_saved(w, cfa, place, offset)) {
		w->lost |= bit;
		return;
	}
	*value = w->word;
	w->lost &= (uint8_t)~bit;
}

TABLE_INLINE uint8_t table_return(struct table_walk *w, const struct unwind_rule *rule,
				  uint64_t cfa)
{
	uint32_t place = rule->ra & (uint8_t)~UNWIND_FLAGS;

	if (place == UNWIND_PLACE_SOURCE) {
		w->word = w->source;
		return table_follow(w, rule->ra_offset * 8) ? UNWIND_NATIVE_UNREAD
							    : UNWIND_NATIVE_NONE;
	}
	if (place == UNWIND_PLACE_REGISTER)
		return table_register(w, (uint8_t)rule->ra_offset) ? UNWIND_NATIVE_NONE
								   : UNWIND_NATIVE_LOST;
	return table_saved(w, cfa, place, rule->ra_offset);
}

/* The registers of the caller, by rule; returns why not, or 0. */
TABLE_INLINE uint8_t table_apply(struct table_walk *w, const struct unwind_rule *rule)
{
	uint64_t cfa, pc;
	uint8_t why;

	if (rule->cfa == UNWIND_CFA_NONE)
		return UNWIND_NATIVE_NO_TABLE;
	if (rule->cfa == UNWIND_CFA_UNSUPPORTED)
		return UNWIND_NATIVE_UNSUPPORTED;
	if (rule->ra == UNWIND_PLACE_UNDEFINED)
		return UNWIND_NATIVE_COMPLETE;
	if (rule->cfa == UNWIND_CFA_CLONE) {
		if (!w->first)
			return UNWIND_NATIVE_LOST;
		if (!w->registers[UNWIND_RAX])
			return UNWIND_NATIVE_COMPLETE;
	}
	why = table_cfa(w, rule, &cfa);
	if (why)
		return why;
	table_window(w, cfa);
	why = table_return(w, rule, cfa);
	if (why)
		return why;
	pc = w->word;
	/* Places count from the registers as they are now: rbx first, rbp last. */
	table_restore(w, cfa, rule->rbx, rule->rbx_offset, &w->rbx, TABLE_LOST_RBX);
	table_restore(w, cfa, rule->rbp, rule->rbp_offset, &w->rbp, TABLE_LOST_RBP);
	w->pc = pc;
	w->sp = cfa;
	w->exact = !!(rule->ra & UNWIND_SIGNAL);
	w->derived |= rule->ra & UNWIND_DERIVED;
	w->first = 0;
	if (!pc)
		return UNWIND_NATIVE_COMPLETE;
	return pc < TABLE_USER_START || pc >= TABLE_USER_END ? UNWIND_NATIVE_OUTSIDE
							     : UNWIND_NATIVE_NONE;
}

/* w holds pc, sp, rbp, rbx, registers and the process's run of mappings, and zeroes up to its
 * window. */
TABLE_INLINE void table_start(struct table_walk *w)
{
	w->exact = 1;
	w->first = 1;
	w->go_stack = 0;
}

/* Search the rule of this frame, to be remembered in *ret; returns why not, or 0. */
TABLE_INLINE uint8_t table_search(struct table_walk *w, struct table_recent *ret)
{
	/* A call may be the last instruction of its function: the return address is behind it. */
	uint64_t pc = w->pc - !w->exact;
	const struct unwind_rule *rule;
	uint8_t why;

	if (!table_find_mapping(w, pc))
		return UNWIND_NATIVE_NO_MAPPING;
	why = table_find_row(w, pc);
	if (why)
		return why;
	rule = table_find_rule(w, pc);
	if (!rule)
		return UNWIND_NATIVE_NOT_LOADED;
	ret->place = w->pc << 1 | w->exact;
	ret->run = w->process.number;
	ret->file = w->mapping.file;
	ret->rule = *rule;
	return UNWIND_NATIVE_NONE;
}

/* Where the rule of this frame is remembered, if it is. */
TABLE_INLINE struct table_recent *table_recall(struct table_walk *w, uint64_t place)
{
	/* Knuth's multiplicative hash: the golden ratio of 2^64. */
	uint64_t hash = (place ^ (uint64_t)w->process.number << 48) * 0x9e3779b97f4a7c15ULL;

	return &w->recent[(hash >> 32) & (TABLE_RECENT - 1)];
}

/* Its table is used, though nobody looked into it. */
TABLE_INLINE void table_hit(uint32_t number)
{
	struct unwind_file *its_file = TABLE_FILE(number);

	if (its_file)
		its_file->hits++;
}

/* Replace the registers by the caller's, or set w->end. */
TABLE_INLINE void table_step(struct table_walk *w)
{
	uint64_t place = w->pc << 1 | w->exact;
	struct table_recent *recent = table_recall(w, place);

	w->end = UNWIND_NATIVE_NONE;
	if (recent->place == place && recent->run == w->process.number)
		table_hit(recent->file);
	else
		w->end = table_search(w, recent);
	if (!w->end)
		w->end = table_apply(w, &recent->rule);
}

#endif
