#include "unwind/native/go_table.h"

#include "base/bytes.h"
#include "symbol/pclntab.h"

enum {
	MAX_PART = 256 << 20,
	MAX_RUNS = 1 << 16,
	NAME = 64, /* bytes of a name that are looked at */
	ENTRY = 8,
	WORD = 8,
	/* Below the CFA, in words. */
	RETURN = -1,
	SAVED_RBP = -2,
};

struct run {
	uint64_t start, end;
	uint32_t first, count; /* functions */
};
struct go_table {
	const struct elf_file *f;
	struct pclntab names;
	uint8_t *table, *values; /* the parts of those names */
	struct go_runtime runtime;
	VEC(struct run) runs;
};

/* --- functions ---------------------------------------------------------------------------------*/

/* False for what is no Go code or damaged. */
static bool function_at(const struct go_table *t, uint32_t i, struct pclntab_function *ret)
{
	const uint8_t *entry = t->table + (uint64_t)i * ENTRY;
	uint32_t record = byte_u32(entry + 4);

	if (record >= t->names.table.size ||
	    pclntab_function(&t->names, t->table + record, t->names.table.size - record, ret))
		return false;
	ret->start = t->names.text + byte_u32(entry);
	ret->end = t->names.text + byte_u32(entry + ENTRY);
	return ret->stack && ret->stack < t->names.values.size && ret->start < ret->end &&
	       ret->end <= t->names.text_end;
}

static void read_name(const struct go_table *t, const struct pclntab_function *f, char name[NAME])
{
	const struct pclntab_part *part = &t->names.names;
	size_t n = f->name < part->size ? MIN(part->size - f->name, (uint64_t)NAME - 1) : 0;

	if (elf_file_read(t->f, part->offset + f->name, name, n))
		n = 0;
	name[n] = '\0';
}

static void collect(struct go_table *t)
{
	struct pclntab_function f;
	uint64_t done = 0;
	char name[NAME];

	for (uint32_t i = 0; i < t->names.functions; i++) {
		struct run *last = t->runs.len ? &t->runs.data[t->runs.len - 1] : NULL;

		if (!function_at(t, i, &f) || f.start < done)
			continue;
		done = f.end;
		if (last && last->end == f.start && last->first + last->count == i) {
			last->end = f.end;
			last->count++;
		} else if (t->runs.len < MAX_RUNS) {
			vec_push(&t->runs, (struct run){f.start, f.end, i, 1});
		}
		if (!(f.flags & PCLNTAB_SP_WRITE))
			continue;
		read_name(t, &f, name);
		if (!strcmp(name, "runtime.systemstack"))
			go_runtime_read(t->f, &f, &t->runtime);
	}
}

static int load(const struct elf_file *f, const struct pclntab_part *part, uint8_t **ret)
{
	uint64_t size = MIN(part->size, (uint64_t)MAX_PART);
	uint8_t *data = mem_calloc(size + 1, 1);
	int r = elf_file_read(f, part->offset, data, size);

	if (r)
		free(data);
	else
		*ret = data;
	return r;
}

int go_table_open(const struct elf_file *f, struct go_table **ret)
{
	struct go_table *t = mem_calloc(1, sizeof(*t));
	int r = pclntab_open(f, &t->names);

	t->f = f;
	if (!r && (uint64_t)t->names.functions * ENTRY + 4 > MAX_PART)
		r = -EFBIG;
	if (!r)
		r = load(f, &t->names.table, &t->table);
	if (!r)
		r = load(f, &t->names.values, &t->values);
	if (r) {
		go_table_close(t);
		return r;
	}
	t->names.table.size = MIN(t->names.table.size, (uint64_t)MAX_PART);
	t->names.values.size = MIN(t->names.values.size, (uint64_t)MAX_PART);
	collect(t);
	*ret = t;
	return 0;
}

void go_table_close(struct go_table *t)
{
	if (!t)
		return;
	pclntab_fini(&t->names);
	free(t->table);
	free(t->values);
	vec_fini(&t->runs);
	free(t);
}

uint32_t go_table_runs(const struct go_table *t)
{
	return (uint32_t)t->runs.len;
}

void go_table_run(const struct go_table *t, uint32_t i, uint64_t *ret_start, uint64_t *ret_end)
{
	*ret_start = t->runs.data[i].start;
	*ret_end = t->runs.data[i].end;
}

bool go_table_covers(const struct go_table *t, uint64_t address)
{
	size_t low = 0, high = t->runs.len;

	while (low < high) {
		size_t middle = (low + high) / 2;

		if (t->runs.data[middle].end <= address)
			low = middle + 1;
		else
			high = middle;
	}
	return low < t->runs.len && t->runs.data[low].start <= address;
}

const struct go_runtime *go_table_runtime(const struct go_table *t)
{
	return &t->runtime;
}

/* --- rules -------------------------------------------------------------------------------------*/

struct writer {
	struct go_table *t;
	struct unwind_writer *w;
	struct go_special special;
	bool is_special;
	uint64_t at;   /* where the next rule may start */
	int32_t frame; /* the deepest that this function has been */
};

/* depth: of the stack, without the return address. Go keeps no register but rbp, which functions
 * with a frame save at its top (cmd/internal/obj/x86/obj6.go). */
static struct unwind_rule stack_rule(int32_t depth)
{
	return (struct unwind_rule){
		.cfa = UNWIND_CFA_REGISTER,
		.base = UNWIND_RSP,
		.cfa_offset = depth + WORD,
		.ra = UNWIND_PLACE_CFA,
		.ra_offset = RETURN,
		.rbp = depth ? UNWIND_PLACE_CFA : UNWIND_PLACE_SAME,
		.rbp_offset = depth ? SAVED_RBP : 0,
		.rbx = UNWIND_PLACE_UNDEFINED,
	};
}

/* As a signal's frame lies on the stack: struct rt_sigframe, arch/x86/include/asm/sigframe.h of
 * Linux 6.1; words from the stack pointer to registers in it. */
static struct unwind_rule signal_rule(void)
{
	return (struct unwind_rule){
		.cfa = UNWIND_CFA_MEMORY,
		.base = UNWIND_RSP,
		.cfa_offset = 160,
		.ra = UNWIND_PLACE_RSP | UNWIND_SIGNAL,
		.ra_offset = 21,
		.rbp = UNWIND_PLACE_RSP,
		.rbp_offset = 15,
		.rbx = UNWIND_PLACE_RSP,
		.rbx_offset = 16,
	};
}

/* From the stack of the thread to that of the goroutine, or back. */
static struct unwind_rule other_stack(const struct writer *w, const struct go_cut *cut,
				      int32_t depth)
{
	const struct go_runtime *runtime = &w->t->runtime;
	struct unwind_rule rule = stack_rule(depth);

	if (cut->way == GO_DEPTH) {
		rule.cfa = UNWIND_CFA_GO_DEPTH;
		rule.cfa_add = cut->slot;
		return rule;
	}
	if (!runtime->known)
		return (struct unwind_rule){.cfa = UNWIND_CFA_UNSUPPORTED};
	rule.rbx_offset = runtime->g;
	rule.cfa = cut->way == GO_CALLBACK ? UNWIND_CFA_GO_CALLBACK : UNWIND_CFA_GO_CURG;
	if (cut->way != GO_CALLBACK)
		rule.cfa_add = runtime->curg;
	if (cut->way == GO_MORE) {
		/* sched.sp is that of the function which wants more stack, sched.pc is next. */
		rule.cfa_offset = 0;
		rule.ra = UNWIND_PLACE_SOURCE;
		rule.ra_offset = 1;
		rule.rbp = UNWIND_PLACE_UNDEFINED;
		rule.rbp_offset = 0;
	}
	return rule;
}

static struct unwind_rule special_rule(const struct writer *w, const struct go_cut *cut,
				       int32_t depth)
{
	struct unwind_rule rule = stack_rule(depth);

	switch (cut->way) {
	case GO_STACK:
		break;
	case GO_ROOT:
		return (struct unwind_rule){.base = UNWIND_RSP, .ra = UNWIND_PLACE_UNDEFINED};
	case GO_LOST:
		return (struct unwind_rule){.cfa = UNWIND_CFA_UNSUPPORTED};
	case GO_SIGNAL:
		return signal_rule();
	case GO_INJECTED:
		rule.ra |= UNWIND_SIGNAL;
		break;
	case GO_FRAME:
		if (depth < w->frame)
			break;
		rule.cfa = UNWIND_CFA_SWITCH;
		rule.base = UNWIND_RBP;
		rule.cfa_offset = 2 * WORD;
		break;
	case GO_CURG:
	case GO_MORE:
	case GO_DEPTH:
	case GO_CALLBACK:
		return other_stack(w, cut, depth);
	case GO_SAVED:
		rule.cfa = UNWIND_CFA_MEMORY;
		rule.cfa_add = (int8_t)MIN(depth + WORD, INT8_MAX);
		rule.cfa_offset = cut->slot * WORD;
		break;
	case GO_CLONE:
		rule.cfa = UNWIND_CFA_CLONE;
		break;
	case GO_RDX:
		rule.base = 1; /* as DWARF numbers it */
		break;
	}
	return rule;
}

static int put(struct writer *w, uint64_t address, const struct unwind_rule *rule)
{
	if (rule->cfa == UNWIND_CFA_UNSUPPORTED)
		w->w->table->unsupported[UNWIND_WHY_RSP]++;
	w->at = MAX(w->at, address);
	return unwind_writer_add(w->w, w->at, rule);
}

/* The depth holds from one address to another. */
static int put_depth(struct writer *w, uint64_t from, uint64_t to, int32_t depth)
{
	struct unwind_rule rule = stack_rule(depth);
	const struct go_cut *cut = NULL;
	size_t i = 0;
	int r;

	if (!w->is_special)
		return put(w, from, &rule);
	for (; i < w->special.len && w->special.cuts[i].from <= from; i++)
		cut = &w->special.cuts[i];
	if (cut)
		rule = special_rule(w, cut, depth);
	r = put(w, cut && cut->way == GO_SIGNAL ? cut->from : from, &rule);
	for (; !r && i < w->special.len && w->special.cuts[i].from < to; i++) {
		rule = special_rule(w, &w->special.cuts[i], depth);
		r = put(w, w->special.cuts[i].from, &rule);
	}
	return r;
}

static bool is_depth(int32_t depth)
{
	return depth >= 0 && depth % WORD == 0 && depth < INT32_MAX - WORD;
}

static int write_function(struct writer *w, const struct pclntab_function *f)
{
	const struct go_table *t = w->t;
	struct pclntab_run run = {.at = t->values + f->stack,
				  .end = t->values + t->names.values.size,
				  .pc = f->start,
				  .value = -1};
	uint64_t from = f->start;
	char name[NAME];
	int r = 0;

	w->is_special = false;
	w->frame = 0;
	if (f->flags || f->id) {
		read_name(t, f, name);
		w->is_special = go_special_read(t->f, f, name, &w->special);
	}
	while (!r && from < f->end && pclntab_next(&run)) {
		if (!is_depth(run.value)) {
			const struct unwind_rule none = {.cfa = UNWIND_CFA_NONE};

			w->w->table->bad++;
			r = put(w, from, &none);
		} else {
			w->frame = MAX(w->frame, run.value);
			r = put_depth(w, from, MIN(run.pc, f->end), run.value);
		}
		from = run.pc;
	}
	w->w->table->bad += from == f->start;
	return r;
}

int go_table_write(struct go_table *t, uint32_t i, uint64_t floor, struct unwind_writer *w)
{
	struct writer writer = {.t = t, .w = w, .at = floor};
	const struct run *run = &t->runs.data[i];
	struct pclntab_function f;
	int r = 0;

	for (uint32_t k = 0; !r && k < run->count; k++) {
		CHECK(function_at(t, run->first + k, &f));
		w->table->functions++;
		r = write_function(&writer, &f);
	}
	return r;
}
