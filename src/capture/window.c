#include "capture/window.h"

#include "base/clock.h"
#include "base/utf8.h"
#include "unwind/python/states.h"

enum {
	FILE_SHIFT = 40,
	COUNT_BITS = 8,
	COUNT_MASK = 0xff,
	/* Large files are read within a part of a second: few addresses are sampled meanwhile.
	 * Those over it keep their addresses. */
	MAX_LATE = 1 << 14,
};
_Static_assert((int)SYMBOL_MAX_INLINED <= (int)COUNT_MASK, "a count has its bits");
static void put_frame(struct window_stack *st, uint32_t frame)
{
	st->full |= st->len == WINDOW_MAX_FRAMES - 1; /* the last place is for a mark */
	if (!st->full)
		st->frames[st->len++] = frame;
}

void window_init(struct window *w, struct symbolizer *s, struct targets *t)
{
	*w = (struct window){
		.symbolizer = s,
		.targets = t,
		.stack = mem_calloc(1, sizeof(*w->stack)),
		.joined = mem_calloc(1, sizeof(*w->joined)),
		.states = mem_calloc(UNWIND_MAX_ENTRIES, sizeof(*w->states)),
	};
}

static void forget_frames(struct window *w)
{
	map64_fini(&w->native);
	map64_fini(&w->kernel);
	map64_fini(&w->python);
	map64_fini(&w->stacks);
	vec_fini(&w->known_stacks);
	map64_fini(&w->label_sets);
	vec_fini(&w->inlined);
	for (size_t i = 0; i < w->late.len; i++)
		free(w->late.data[i].mapping.path);
	vec_fini(&w->late);
	vec_fini(&w->late_frames);
	labels_clear(&w->labels);
}

void window_fini(struct window *w)
{
	profile_free(w->profile);
	forget_frames(w);
	vec_fini(&w->files);
	hash_index_fini(&w->file_index);
	labels_fini(&w->labels);
	free(w->stack);
	free(w->joined);
	free(w->states);
}

void window_start(struct window *w, const char *type, int64_t period_ns)
{
	CHECK(!w->profile);
	w->profile = profile_new(type, "nanoseconds", period_ns);
	if (!w->start_mono_ns)
		w->start_mono_ns = clock_mono_ns();
	w->profile->time_ns = clock_real_at(w->start_mono_ns);
}

static uint64_t file_number(struct window *w, const struct mapping *m)
{
	uint64_t hash = hash_mix(m->dev, m->inode);
	struct hash_iter it;
	uint32_t i;

	for (i = hash_index_first(&w->file_index, hash, &it); i != HASH_NONE;
	     i = hash_index_next(&w->file_index, &it))
		if (w->files.data[i].dev == m->dev && w->files.data[i].inode == m->inode)
			return i + 1;
	i = w->files.len;
	vec_push(&w->files, (struct window_file){.dev = m->dev, .inode = m->inode});
	hash_index_add(&w->file_index, hash, i);
	return i + 1;
}

/* What is known of a frame, before it has numbers. */
struct frame_facts {
	const char *name, *file, *module; /* NULL: not known */
	uint32_t start_line, line;
	uint64_t address;
	enum frame_kind kind;
};

static uint32_t text_or_empty(struct profile *p, const char *s)
{
	return s ? profile_string(p, s) : 0;
}

static uint32_t make_frame(struct profile *p, const struct frame_facts *facts)
{
	struct profile_function f = {
		.name = text_or_empty(p, facts->name),
		.file = text_or_empty(p, facts->file),
		.module = text_or_empty(p, facts->module),
		.start_line = facts->start_line,
		.kind = (uint8_t)facts->kind,
	};
	struct profile_frame frame = {
		.function = profile_function(p, &f),
		.address = f.name ? 0 : facts->address,
		.line = facts->line,
	};

	return profile_frame(p, &frame);
}

static enum outcome failed_outcome(int failed)
{
	return failed == -ESRCH ? OUTCOME_PROCESS_GONE : OUTCOME_PYTHON_BAD_READ;
}

static void put_frames(struct window_stack *st, const uint32_t *frames, size_t n)
{
	for (size_t i = 0; i < n; i++)
		put_frame(st, frames[i]);
}

static uint32_t symbol_frame(struct window *w, const struct symbol *s)
{
	return make_frame(w->profile, &(struct frame_facts){
					      .name = s->name,
					      .file = s->file,
					      .module = s->module,
					      .address = s->address,
					      .start_line = s->start_line,
					      .line = s->line,
					      .kind = FRAME_NATIVE,
				      });
}

/* The number of the line makes it another frame than any in its place so far. */
static uint32_t late_frame(struct window *w, const struct process *p, const struct mapping *m,
			   uint64_t address, const struct symbol *s)
{
	struct symbol place = *s;
	struct late_name late = {.process = *p, .mapping = *m, .address = address};

	if (w->late.len == MAX_LATE)
		return symbol_frame(w, s);
	place.line = (uint32_t)w->late.len + 1;
	late.frame = symbol_frame(w, &place);
	memset(&late.process.mappings, 0, sizeof(late.process.mappings));
	late.mapping.path = mem_strdup(m->path);
	vec_push(&w->late, late);
	return late.frame;
}

static void name_late(struct window *w, struct late_name *l, size_t n, const struct symbol *symbols)
{
	l->first = w->late_frames.len;
	l->n = n;
	for (size_t i = 0; i < n; i++)
		vec_push(&w->late_frames, symbol_frame(w, &symbols[i]));
}

/* Ask again for what waits; the last time whatever comes is taken. */
static bool ask_again(struct window *w, bool last)
{
	struct symbol symbols[SYMBOL_MAX_INLINED];
	bool waits = false;

	for (size_t i = 0; i < w->late.len; i++) {
		struct late_name *l = &w->late.data[i];

		if (l->n)
			continue;
		size_t n = symbolizer_user(w->symbolizer, &l->process, &l->mapping, l->address,
					   symbols);

		if (!symbols[0].later || last)
			name_late(w, l, n, symbols);
		else
			waits = true;
	}
	return waits;
}

bool window_name_late(struct window *w)
{
	return ask_again(w, false);
}

/* Functions get the places that were kept for them, and what has none its address. */
static void put_late(struct window *w)
{
	VEC(struct profile_replacement) list = {};

	if (!w->late.len)
		return;
	ask_again(w, true);
	for (size_t i = 0; i < w->late.len; i++) {
		const struct late_name *l = &w->late.data[i];

		vec_push(&list, (struct profile_replacement){l->frame,
							     w->late_frames.data + l->first, l->n});
	}
	profile_replace(w->profile, list.data, list.len);
	vec_fini(&list);
}

struct profile *window_take(struct window *w)
{
	int64_t now = clock_mono_ns();

	w->profile->duration_ns = now - w->start_mono_ns;
	w->start_mono_ns = now;
	put_late(w);
	forget_frames(w);
	return take_ptr(w->profile);
}

static void add_native_frame(struct window *w, struct target *t, const struct join_frame *f,
			     struct window_stack *st)
{
	/* A return address may lie behind the last instruction of its function. */
	uint64_t address = f->exact ? f->address : f->address - 1, key = 0, offset, *known;
	const struct mapping *m = process_find_mapping(&t->process, address);
	struct symbol symbols[SYMBOL_MAX_INLINED];
	uint32_t frames[SYMBOL_MAX_INLINED];

	/* It was there a moment ago, but the mappings were read again meanwhile. */
	if (!m) {
		put_frame(st, profile_mark(w->profile, OUTCOME_UNKNOWN_CODE));
		return;
	}
	offset = address - m->start + m->offset;
	if (m->inode && offset >> FILE_SHIFT == 0) {
		key = file_number(w, m) << FILE_SHIFT | offset;
		known = map64_get(&w->native, key);
		if (known) {
			put_frames(st, w->inlined.data + (*known >> COUNT_BITS),
				   *known & COUNT_MASK);
			return;
		}
	}
	size_t n = symbolizer_user(w->symbolizer, &t->process, m, address, symbols);

	for (size_t i = 0; i < n; i++)
		frames[i] = symbols[i].later ? late_frame(w, &t->process, m, address, &symbols[i])
					     : symbol_frame(w, &symbols[i]);
	put_frames(st, frames, n);
	if (key) {
		map64_set(&w->native, key, (uint64_t)w->inlined.len << COUNT_BITS | n);
		for (size_t i = 0; i < n; i++)
			vec_push(&w->inlined, frames[i]);
	}
}

static uint32_t kernel_frame(struct window *w, uint64_t pc)
{
	uint64_t *known = map64_get(&w->kernel, pc);
	struct symbol symbol;
	uint32_t frame;

	if (known)
		return *known;
	symbolizer_kernel(w->symbolizer, pc, &symbol);
	frame = make_frame(w->profile, &(struct frame_facts){
					       .name = symbol.name,
					       .module = symbol.module,
					       .address = symbol.address,
					       .kind = FRAME_KERNEL,
				       });
	map64_set(&w->kernel, pc, frame);
	return frame;
}

/* The text of a code object: of the process itself, or of the one that it was forked from. */
static const struct code_entry *code_of(struct window *w, struct target *t,
					const struct join_frame *f, int *ret_failed)
{
	const struct code_entry *c = NULL;

	*ret_failed = -ESRCH;
	if (t->readable) {
		c = target_code(w->targets, t, f->address, f->check);
		*ret_failed = c->failed;
	}
	if (*ret_failed == -ESRCH) {
		c = target_inherited_code(w->targets, t, f->address, f->check);
		*ret_failed = c ? 0 : -ESRCH;
	}
	return c;
}

/* A frame whose name could not be read is shown as a mark that says so; its callers and callees are
 * known. */
static void add_python_frame(struct window *w, struct target *t, const struct join_frame *f,
			     struct window_stack *st)
{
	int failed;
	const struct code_entry *c = code_of(w, t, f, &failed);
	uint64_t key, *known;
	uint32_t frame;

	if (failed) {
		st->python_failed = failed;
		frame = profile_mark(w->profile, failed_outcome(failed));
		if (!st->len || st->frames[st->len - 1] != frame)
			put_frame(st, frame);
		return;
	}
	key = (uint64_t)c->id << 32 | f->lasti;
	known = map64_get(&w->python, key);
	frame = known ? *known
		      : make_frame(w->profile, &(struct frame_facts){
						       .name = c->code.name,
						       .file = c->code.file,
						       .start_line = c->code.first_line,
						       .line = python_code_line(&c->code, f->lasti),
						       .kind = FRAME_PYTHON,
					       });
	if (!known)
		map64_set(&w->python, key, frame);
	put_frame(st, frame);
}

static void add_kernel_frames(struct window *w, const struct probe_sample *s,
			      struct window_stack *st)
{
	const struct unwind_entry *entries = (const void *)(s + 1);
	const uint64_t *kernel = (const void *)(entries + s->entries);

	for (uint32_t i = 0; i < s->kernel_frames; i++)
		put_frame(st, kernel_frame(w, kernel[i]));
}

static uint32_t collector_frame(struct profile *p)
{
	return make_frame(p, &(struct frame_facts){.name = "<garbage collector>",
						   .kind = FRAME_PYTHON});
}

static enum outcome native_outcome(uint8_t end)
{
	switch (end) {
	case UNWIND_NATIVE_COMPLETE:
		return OUTCOME_COMPLETE;
	case UNWIND_NATIVE_BAD_FP:
		return OUTCOME_NO_FRAME_POINTER;
	case UNWIND_NATIVE_UNREAD:
		return OUTCOME_BAD_READ;
	case UNWIND_NATIVE_DEEP:
		return OUTCOME_TOO_DEEP;
	case UNWIND_NATIVE_NOT_LOADED:
		return OUTCOME_NO_TABLE;
	case UNWIND_NATIVE_UNSUPPORTED:
		return OUTCOME_UNKNOWN_RULE;
	case UNWIND_NATIVE_LOST:
		return OUTCOME_LOST_REGISTER;
	case UNWIND_NATIVE_BAD_CFA:
		return OUTCOME_BAD_FRAME;
	default:
		return OUTCOME_UNKNOWN_CODE;
	}
}

static void add_user_frames(struct window *w, const struct probe_sample *s,
			    const struct native_stack *native, struct target *t,
			    struct window_stack *st)
{
	const struct unwind_entry *entries = (const void *)(s + 1);
	struct join_input in = {
		.native = native->entries,
		.native_count = native->count,
		.native_end = native->end,
		.python_entries = entries + s->native_entries,
		.python_count = s->entries - s->native_entries,
		.python = t->has_python ? &t->python : NULL,
	};

	if (s->flags & PROBE_SEVERAL) {
		in.python_count = python_join_states(in.python_entries, in.python_count, w->states);
		in.python_entries = w->states;
	}
	join(&in, w->joined);
	st->native = native_outcome(native->end);
	st->gap = w->joined->gap;
	if (st->gap && st->native == OUTCOME_COMPLETE)
		st->native = OUTCOME_PYTHON_APART;
	for (uint32_t i = 0; i < w->joined->count; i++) {
		const struct join_frame *f = &w->joined->frames[i];

		if (f->kind == UNWIND_PYTHON) {
			st->python_seen = true;
			add_python_frame(w, t, f, st);
		} else if (f->kind == JOIN_GAP) {
			put_frame(st, profile_mark(w->profile, st->native));
		} else {
			add_native_frame(w, t, f, st);
		}
	}
}

/* How the frames that are shown were found, where that is less sure. */
static uint32_t native_remarks(const struct native_stack *native)
{
	uint32_t tags = 0;

	for (uint32_t i = 0; i < native->count; i++)
		tags |= native->entries[i].tag;
	return !!(tags & UNWIND_BLIND) << REMARK_BLIND | !!(tags & UNWIND_FOLLOWED)
								 << REMARK_DERIVED;
}

static enum outcome python_outcome(const struct probe_sample *s, const struct target *t,
				   const struct window_stack *st)
{
	enum outcome native = st->native;

	if (st->python_failed)
		return failed_outcome(st->python_failed);
	if (st->full)
		return OUTCOME_TOO_DEEP;
	switch (s->python_end) {
	case UNWIND_PYTHON_COMPLETE:
		return st->gap ? native : OUTCOME_COMPLETE;
	case UNWIND_PYTHON_UNREAD:
		return OUTCOME_PYTHON_BAD_READ;
	case UNWIND_PYTHON_DEEP:
		return OUTCOME_TOO_DEEP;
	case UNWIND_PYTHON_TORN:
		return OUTCOME_PYTHON_TORN;
	case UNWIND_PYTHON_LAYOUT:
		return native == OUTCOME_COMPLETE ? native : OUTCOME_PYTHON_UNKNOWN;
	default:
		break;
	}
	/* Its Python was found only now: this stack may have had Python frames. */
	if (t->has_python && !(s->flags & PROBE_PYTHON) && native != OUTCOME_COMPLETE)
		return OUTCOME_NOT_LOADED;
	return native;
}

static enum outcome outcome_of(const struct probe_sample *s, const struct target *t,
			       const struct window_stack *st)
{
	if (s->flags & (PROBE_KERNEL_THREAD | PROBE_IN_EXEC))
		return OUTCOME_COMPLETE;
	if (s->flags & PROBE_COMPAT)
		return OUTCOME_FOREIGN_CODE;
	if (s->flags & PROBE_NO_REGISTERS)
		return OUTCOME_BAD_READ;
	if (!t || !t->readable)
		return OUTCOME_PROCESS_GONE;
	return python_outcome(s, t, st);
}

/* Programs choose their names: only printable text of it goes on. */
static uint32_t printable_string(struct profile *p, const char *text, size_t n)
{
	cleanup_buf struct buf out = {};

	utf8_put_printable(&out, text, n);
	return profile_string_n(p, (const char *)out.data, out.len);
}

static uint32_t comm_string(struct profile *p, const char comm[PROBE_COMM])
{
	return printable_string(p, comm, strnlen(comm, PROBE_COMM));
}

static struct profile_label make_label(struct profile *p, const char *key, uint32_t value)
{
	return (struct profile_label){profile_string(p, key), value};
}

static struct profile_label name_label(struct profile *p, const char *key, const char *name)
{
	return make_label(p, key, printable_string(p, name, strlen(name)));
}

static uint32_t make_label_set(struct window *w, const struct probe_sample *s, struct target *t,
			       const char *name, const struct window_facts *facts)
{
	struct profile *p = w->profile;
	struct profile_label all[GO_LABELS_MAX + 6];
	char pid[16];
	size_t n = t && t->has_go ? labels_of_goroutine(&w->labels, p, s, &t->go, all) : 0;

	snprintf(pid, sizeof(pid), "%u", s->pid);
	all[n++] = make_label(p, "process", comm_string(p, s->process_comm));
	all[n++] = make_label(p, "pid", profile_string(p, pid));
	if (name)
		all[n++] = name_label(p, "multiprocessing", name);
	all[n++] = facts->thread ? name_label(p, "thread", facts->thread)
				 : make_label(p, "thread", comm_string(p, s->thread_comm));
	if (facts->gil)
		all[n++] = make_label(p, "gil", profile_string(p, facts->gil));
	if (facts->state)
		all[n++] = make_label(p, "state", profile_string(p, facts->state));
	return profile_labels(p, all, n);
}

static uint64_t text_key(uint64_t key, const char *text)
{
	return hash_mix(key, text ? hash_bytes(text, strlen(text)) : 0);
}

/* Threads have the same labels again and again. */
static uint32_t label_set(struct window *w, const struct probe_sample *s, struct target *t,
			  const struct window_facts *facts)
{
	const char *name = t ? target_given_name(t, (int64_t)s->time_ns) : NULL;
	uint64_t key = hash_mix(s->pid, hash_bytes(s->process_comm, sizeof(s->process_comm)));
	const uint64_t *known;
	uint32_t set;

	if (t && t->has_go)
		return make_label_set(w, s, t, name, facts);
	key = text_key(key, name);
	key = text_key(key, facts->thread);
	key = hash_mix(key, hash_bytes(s->thread_comm, sizeof(s->thread_comm)));
	key = text_key(key, facts->gil);
	key = text_key(key, facts->state);
	known = map64_get(&w->label_sets, key);
	if (known)
		return (uint32_t)*known;
	set = make_label_set(w, s, t, name, facts);
	map64_set(&w->label_sets, key, set);
	return set;
}

void window_prepare(struct window *w, const struct probe_sample *s,
		    const struct native_stack *native, struct target *t)
{
	const struct unwind_entry *entries = (const void *)(s + 1);
	struct profile_label labels[GO_LABELS_MAX];
	uint64_t lost = w->labels.lost;
	int failed;

	memset(w->stack, 0, offsetof(struct window_stack, frames));
	for (uint32_t i = 0; i < native->count; i++) {
		const struct unwind_entry *e = &native->entries[i];
		const struct join_frame f = {
			.address = e->address,
			.kind = UNWIND_NATIVE,
			.exact = e->tag & (UNWIND_EXACT | UNWIND_TRAMPOLINE),
		};

		add_native_frame(w, t, &f, w->stack);
	}
	for (uint32_t i = s->native_entries; i < s->entries; i++) {
		const struct join_frame f = {
			.address = entries[i].address,
			.check = entries[i].tag >> 8,
			.kind = UNWIND_PYTHON,
		};

		if ((entries[i].tag & 0xff) <= UNWIND_PYTHON_LAST)
			code_of(w, t, &f, &failed);
	}
	if (t->has_go)
		labels_of_goroutine(&w->labels, w->profile, s, &t->go, labels);
	w->labels.lost = lost; /* counted when it is added */
}

/* The frames of a sample in the profile, and what became of it. */
static struct known_stack add_stack(struct window *w, const struct probe_sample *s,
				    const struct native_stack *native, struct target *t,
				    bool collects)
{
	struct profile *p = w->profile;
	struct window_stack *st = w->stack;
	struct known_stack ret = {};
	bool torn = s->python_end == UNWIND_PYTHON_TORN;

	memset(st, 0, offsetof(struct window_stack, frames));
	add_kernel_frames(w, s, st);
	if (torn)
		put_frame(st, profile_mark(p, OUTCOME_PYTHON_TORN));
	if (collects)
		put_frame(st, collector_frame(p));
	if (t && t->readable) {
		add_user_frames(w, s, native, t, st);
		ret.remarks = native_remarks(native);
	}
	ret.outcome = outcome_of(s, t, st);
	if (st->python_seen && ret.outcome == OUTCOME_COMPLETE && st->native != OUTCOME_COMPLETE)
		ret.remarks |= 1 << REMARK_NATIVE_CUT;
	/* What is missing inside has its mark there. */
	if (ret.outcome != OUTCOME_COMPLETE && !st->python_failed && !st->gap && !torn)
		st->frames[st->len++] = profile_mark(p, ret.outcome);
	for (size_t i = st->len; i-- > 0;)
		ret.stack = profile_stack(p, ret.stack, st->frames[i]);
	return ret;
}

/* Nothing but frames of Python, and whatever decides what becomes of them. */
static uint64_t stack_key(const struct probe_sample *s, const struct native_stack *native,
			  const struct target *t, bool collects)
{
	uint64_t ends = (uint64_t)native->end << 32 | (uint64_t)s->python_end << 8 |
			t->has_python << 1 | collects;

	return hash_mix(hash_mix(hash_bytes(s + 1, s->entries * sizeof(struct unwind_entry)), ends),
			(uint64_t)t->number << 32 | s->flags);
}

/* Most samples of Python have a stack that others had before. */
static struct known_stack find_stack(struct window *w, const struct probe_sample *s,
				     const struct native_stack *native, struct target *t,
				     bool collects)
{
	struct known_stack new;
	const uint64_t *known;
	uint64_t key;

	if (!t || !t->readable || native->count || s->native_entries || s->kernel_frames)
		return add_stack(w, s, native, t, collects);
	key = stack_key(s, native, t, collects);
	known = map64_get(&w->stacks, key);
	if (known)
		return w->known_stacks.data[*known];
	new = add_stack(w, s, native, t, collects);
	/* A name that cannot be read now may be there the next time. */
	if (w->stack->python_failed)
		return new;
	map64_set(&w->stacks, key, w->known_stacks.len);
	vec_push(&w->known_stacks, new);
	return new;
}

void window_add(struct window *w, const struct probe_sample *s, const struct native_stack *native,
		struct target *t, const struct window_facts *facts, struct window_result *ret)
{
	static const struct window_facts none;
	struct known_stack k;

	facts = facts ? facts : &none;
	k = find_stack(w, s, native, t, facts->collects);
	ret->remarks = k.remarks;
	ret->outcome = k.outcome;
	profile_add(w->profile, k.stack, label_set(w, s, t, facts), 1,
		    facts->value ? facts->value : w->profile->period);
}
