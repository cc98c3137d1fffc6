#include "unwind/join.h"

enum {
	MAX_EXTRA = 48, /* frames that are found beside the kernel's chain */
	/* The outermost frames are read from the live stack only this close to its base. */
	BASE_BYTES = 64 << 10,
	MAX_BASE_STEPS = 8,
};

/* A native frame while the stack is followed. */
struct state {
	uint64_t pc;
	bool exact;
	uint64_t sp; /* 0: not known */
	uint64_t fp; /* 0: not known, but for chain */
	/* The register holds the frame pointer by which the kernel came to this entry; 0: another.
	 */
	uint32_t chain;
};
struct joiner {
	const struct join_input *in;
	const struct join_code *code;
	struct join_frame native[UNWIND_MAX_ENTRIES + MAX_EXTRA];
	uint32_t count;
};

static bool word_at(const struct join_input *in, uint64_t address, uint64_t *ret)
{
	uint64_t i = (address - in->sp) / sizeof(uint64_t);

	if (address < in->sp || (address & 7) != (in->sp & 7) || i >= in->nwords)
		return false;
	*ret = in->words[i];
	return true;
}

/* Where the stack pointer stood in chain entry i, before it called the one before. */
static uint64_t chain_sp(const struct join_input *in, uint32_t i)
{
	return in->entries[i].lasti == UINT32_MAX ? 0 : in->sp + in->entries[i].lasti;
}

static enum join_native chain_end(const struct join_input *in, const struct row *row)
{
	switch (in->native_end) {
	case UNWIND_NATIVE_ZERO:
		/* Code that keeps its frame pointer has none only at the start. */
		return row->kind == ROW_FP || in->native_count > 1 ? JOIN_COMPLETE
								   : JOIN_NO_POINTER;
	case UNWIND_NATIVE_UNREAD:
		return JOIN_UNREAD;
	case UNWIND_NATIVE_DEEP:
		return JOIN_DEEP;
	default:
		return JOIN_NO_POINTER;
	}
}

/* Results of a step: the caller is in s, or one of enum join_native. */
enum { STEPPED = -1 };

static int step_by_fp(const struct joiner *j, const struct row *row, struct state *s)
{
	const struct join_input *in = j->in;
	uint64_t fp = s->fp, ra;

	if (s->chain) {
		if (s->chain >= in->native_count)
			return chain_end(in, row);
		s->pc = in->entries[s->chain].address;
		s->sp = chain_sp(in, s->chain);
		s->fp = 0;
		s->chain++;
		return STEPPED;
	}
	/* Another frame pointer than the kernel had. */
	if (row->kind != ROW_FP || !fp || !word_at(in, fp + 8, &ra) || !word_at(in, fp, &s->fp))
		return JOIN_NO_POINTER;
	s->pc = ra;
	s->sp = fp + 16;
	s->chain = s->fp == in->fp;
	return STEPPED;
}

static int step_by_sp(const struct joiner *j, const struct row *row, struct state *s)
{
	const struct join_input *in = j->in;
	uint64_t top = s->sp + row->offset;

	if (!s->sp || !word_at(in, top - 8, &s->pc))
		return JOIN_NO_POINTER;
	if (row->fp_saved) {
		bool same;

		if (!word_at(in, top + row->fp_at, &s->fp))
			return JOIN_NO_POINTER;
		same = s->fp == in->fp;
		s->chain = same ? 1 : 0;
	}
	s->sp = top;
	return STEPPED;
}

static bool emit(struct joiner *j, uint64_t pc, bool exact)
{
	if (j->count == ARRAY_SIZE(j->native))
		return false;
	j->native[j->count++] = (struct join_frame){
		.address = pc,
		.kind = UNWIND_NATIVE,
		.exact = exact,
	};
	return true;
}

/* The frames under the last one that the kernel saw: functions that start threads and programs keep
 * no frame pointer, but they wait at the base of the stack, unchanged since the sample. */
static enum join_native follow_base(struct joiner *j, struct state s, struct row row,
				    enum join_native otherwise)
{
	uint32_t count = j->count;

	for (int i = 0; i < MAX_BASE_STEPS; i++) {
		uint64_t base = j->in->stack_base;

		if (row.kind == ROW_END)
			return JOIN_COMPLETE;
		if (row.kind != ROW_SP || !s.sp || s.sp >= base || base - s.sp > BASE_BYTES)
			break;
		s.sp += row.offset;
		if (!j->code->read(j->code->arg, s.sp - 8, &s.pc) ||
		    !j->code->row(j->code->arg, s.pc - 1, &row) || !emit(j, s.pc, false))
			break;
	}
	/* They did not lead to the start: they may be something else. */
	j->count = count;
	return otherwise;
}

static bool in_loop(const struct python *py, uint64_t pc)
{
	for (int i = 0; py && i < PYTHON_EVAL_RANGES; i++)
		if (pc >= py->eval_start[i] && pc < py->eval_end[i])
			return true;
	return false;
}

static enum join_native follow_native(struct joiner *j)
{
	const struct join_input *in = j->in;
	struct state s = {
		.pc = in->entries[0].address,
		.exact = true,
		.sp = in->sp,
		.fp = in->fp,
		.chain = 1,
	};
	int end;

	for (;;) {
		struct row row;

		if (!j->code->row(j->code->arg, s.exact ? s.pc : s.pc - 1, &row))
			return j->count ? JOIN_NO_POINTER : JOIN_UNKNOWN_CODE;
		if (!emit(j, s.pc, s.exact))
			return JOIN_DEEP;
		s.exact = false;
		/* Beyond a loop that keeps no frame pointer some stacks could be followed further
		 * by luck, and the same calls would look different from sample to sample. */
		if (row.kind != ROW_FP && in_loop(j->code->python, s.pc))
			return JOIN_NO_POINTER;
		if (row.kind == ROW_END)
			return JOIN_COMPLETE;
		if (row.kind == ROW_OTHER)
			return JOIN_NO_POINTER;
		if (row.kind != ROW_SP) {
			end = step_by_fp(j, &row, &s);
		} else {
			struct state before = s;

			end = step_by_sp(j, &row, &s);
			if (end != STEPPED)
				end = follow_base(j, before, row, end);
		}
		if (end != STEPPED)
			return end;
	}
}

static void add(struct join_stack *out, const struct join_frame *f)
{
	if (out->count < JOIN_MAX_FRAMES)
		out->frames[out->count++] = *f;
}

/* The Python frames of one call of the loop; at is the entry to start with. */
static uint32_t add_call(const struct join_input *in, uint32_t at, struct join_stack *out)
{
	while (at < in->count) {
		const struct unwind_entry *e = &in->entries[at++];
		uint8_t kind = e->tag & 0xff;
		struct join_frame f = {
			.address = e->address,
			.lasti = e->lasti,
			.check = e->tag >> 8,
			.kind = UNWIND_PYTHON,
		};

		if (kind != UNWIND_PYTHON_BOUNDARY)
			add(out, &f);
		if (kind != UNWIND_PYTHON)
			break;
	}
	return at;
}

void join(const struct join_input *in, const struct join_code *code, struct join_stack *ret)
{
	struct joiner j = {.in = in, .code = code};
	const struct join_frame gap = {.kind = JOIN_GAP};
	uint32_t python = in->native_count;
	bool led = false;

	ret->count = 0;
	ret->native = JOIN_UNREAD;
	ret->gap = false;
	if (in->native_count)
		ret->native = follow_native(&j);
	for (uint32_t i = 0; i < j.count; i++) {
		/* The loop's own frame stands for the Python frames that it runs. */
		if (python < in->count && in_loop(code->python, j.native[i].address)) {
			led = true;
			python = add_call(in, python, ret);
		} else {
			add(ret, &j.native[i]);
		}
	}
	if (python < in->count && !led && ret->native != JOIN_COMPLETE) {
		ret->gap = true;
		add(ret, &gap);
	}
	while (python < in->count)
		python = add_call(in, python, ret);
}
