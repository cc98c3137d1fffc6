#include "capture/window.h"

#include "base/clock.h"
#include "base/utf8.h"

enum { MAX_FRAMES = UNWIND_MAX_ENTRIES + PROBE_KERNEL_DEPTH + 1 };
enum { FILE_SHIFT = 40 };
/* The first function of a program stands this close under argc and argv. */
enum { MAIN_BASE_GAP = 1024 };

/* A sample on its way: frames leaf first. */
struct stack {
	uint32_t frames[MAX_FRAMES];
	size_t len;
	bool native_complete; /* the outermost native frame is where the thread started */
	bool native_stopped;  /* an address was in no known code */
	bool python_seen;
	bool mappings_changed;
	int python_failed; /* reading a name failed */
};

void window_init(struct window *w, struct symbolizer *s, struct targets *t)
{
	*w = (struct window){.symbolizer = s, .targets = t};
}

static void forget_frames(struct window *w)
{
	map64_fini(&w->native);
	map64_fini(&w->native_end);
	map64_fini(&w->kernel);
	map64_fini(&w->python);
}

void window_fini(struct window *w)
{
	profile_free(w->profile);
	forget_frames(w);
	vec_fini(&w->files);
	hash_index_fini(&w->file_index);
}

void window_start(struct window *w, int64_t period_ns)
{
	CHECK(!w->profile);
	w->profile = profile_new("cpu", "nanoseconds", period_ns);
	w->profile->time_ns = clock_real_ns();
	w->start_mono_ns = clock_mono_ns();
}

struct profile *window_take(struct window *w)
{
	w->profile->duration_ns = clock_mono_ns() - w->start_mono_ns;
	forget_frames(w);
	return take_ptr(w->profile);
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

static uint32_t make_frame(struct profile *p, const char *name, const char *file,
			   const char *module, uint32_t line, uint64_t address,
			   enum frame_kind kind)
{
	struct profile_function f = {
		.name = profile_string(p, name),
		.file = profile_string(p, file),
		.module = profile_string(p, module),
		.kind = kind,
	};
	struct profile_frame frame = {
		.address = *name ? 0 : address,
		.line = line,
	};

	frame.function = profile_function(p, &f);
	return profile_frame(p, &frame);
}

static enum outcome failed_outcome(int failed)
{
	return failed == -ESRCH ? OUTCOME_PROCESS_GONE : OUTCOME_PYTHON_BAD_READ;
}

static uint32_t mark_frame(struct profile *p, enum outcome o)
{
	return make_frame(p, outcome_text(o), "", "", 0, 0, FRAME_MARK);
}

/* Functions that nobody calls. */
static bool starts_thread(const char *name)
{
	static const char *const names[] = {
		"_start",
		"__libc_start_main",
		"__libc_start_call_main",
		"start_thread",
		"clone",
		"__clone",
		"clone3",
		"__clone3",
		"__clone_internal",
		"runtime.goexit",
		"runtime.goexit.abi0",
		"runtime.mstart",
		"runtime.rt0_go",
		"runtime.rt0_go.abi0",
		"runtime.mstart.abi0",
	};

	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (!strcmp(name, names[i]))
			return true;
	return !strncmp(name, "__libc_start_main", strlen("__libc_start_main"));
}

static bool from_cache(struct window *w, uint64_t key, uint32_t *ret_frame, bool *ret_end)
{
	uint64_t *known = map64_get(&w->native, key);

	if (!known)
		return false;
	*ret_frame = *known;
	*ret_end = map64_get(&w->native_end, key) != NULL;
	return true;
}

/* False where the address is in no code of the process. */
static bool native_frame(struct window *w, struct target *t, uint64_t pc, bool exact,
			 int64_t now_ns, struct stack *st, uint32_t *ret_frame, bool *ret_end)
{
	/* A return address may lie behind the last instruction of its function. */
	uint64_t address = exact ? pc : pc - 1, key = 0, offset;
	const struct mapping *m = target_mapping(t, address, now_ns, &st->mappings_changed);
	struct symbol symbol;

	if (!m)
		return false;
	offset = address - m->start + m->offset;
	if (m->inode && offset >> FILE_SHIFT == 0) {
		key = file_number(w, m) << FILE_SHIFT | offset;
		if (from_cache(w, key, ret_frame, ret_end))
			return true;
	}
	symbolizer_user(w->symbolizer, &t->process, m, address, &symbol);
	*ret_frame = make_frame(w->profile, symbol.name, "", symbol.module, 0, symbol.address,
				FRAME_NATIVE);
	*ret_end = starts_thread(symbol.name);
	if (key) {
		map64_set(&w->native, key, *ret_frame);
		if (*ret_end)
			map64_set(&w->native_end, key, 1);
	}
	return true;
}

static uint32_t kernel_frame(struct window *w, uint64_t pc)
{
	uint64_t *known = map64_get(&w->kernel, pc);
	struct symbol symbol;
	uint32_t frame;

	if (known)
		return *known;
	symbolizer_kernel(w->symbolizer, pc, &symbol);
	frame = make_frame(w->profile, symbol.name, "", symbol.module, 0, symbol.address,
			   FRAME_KERNEL);
	map64_set(&w->kernel, pc, frame);
	return frame;
}

/* The text of a code object: of the process itself, or of the one that it was forked from. */
static const struct code_entry *code_of(struct window *w, struct target *t,
					const struct unwind_entry *e, int *ret_failed)
{
	const struct code_entry *c = NULL;
	uint32_t check = e->tag >> 8;

	*ret_failed = -ESRCH;
	if (t->readable) {
		c = target_code(w->targets, t, e->address, check);
		*ret_failed = c->failed;
	}
	if (*ret_failed == -ESRCH) {
		c = target_inherited_code(w->targets, t, e->address, check);
		*ret_failed = c ? 0 : -ESRCH;
	}
	return c;
}

/* A frame whose name could not be read is shown as a mark that says so; its callers and callees are
 * known. */
static void add_python_frame(struct window *w, struct target *t, const struct unwind_entry *e,
			     struct stack *st)
{
	int failed;
	const struct code_entry *c = code_of(w, t, e, &failed);
	uint64_t key, *known;
	uint32_t frame;

	if (failed) {
		st->python_failed = failed;
		frame = mark_frame(w->profile, failed_outcome(failed));
		if (!st->len || st->frames[st->len - 1] != frame)
			st->frames[st->len++] = frame;
		return;
	}
	key = (uint64_t)c->id << 32 | e->lasti;
	known = map64_get(&w->python, key);
	frame = known ? *known
		      : make_frame(w->profile, c->code.name, c->code.file, "",
				   python_code_line(&c->code, e->lasti), 0, FRAME_PYTHON);
	if (!known)
		map64_set(&w->python, key, frame);
	st->frames[st->len++] = frame;
}

static void add_kernel_frames(struct window *w, const struct probe_sample *s, struct stack *st)
{
	const struct unwind_entry *entries = (const void *)(s + 1);
	const uint64_t *kernel = (const void *)(entries + s->entries);

	for (uint32_t i = 0; i < s->kernel_frames; i++)
		st->frames[st->len++] = kernel_frame(w, kernel[i]);
}

/* Frames up to the first that is not certain. */
static void add_user_frames(struct window *w, const struct probe_sample *s, struct target *t,
			    int64_t now_ns, struct stack *st)
{
	const struct unwind_entry *entries = (const void *)(s + 1);
	bool in_python_process = s->flags & PROBE_PYTHON;
	uint32_t frame = 0;

	for (uint32_t i = 0; i < s->entries; i++) {
		const struct unwind_entry *e = &entries[i];

		if ((e->tag & 0xff) == UNWIND_PYTHON) {
			st->python_seen = true;
			add_python_frame(w, t, e, st);
			continue;
		}
		if (st->native_stopped)
			continue;
		/* A chain that did not come to the interpreter's loop may have passed it. */
		if (in_python_process && s->python_end == UNWIND_PYTHON_COMPLETE && i > 0 &&
		    !(s->flags & PROBE_EVAL_REACHED)) {
			st->native_stopped = true;
			continue;
		}
		if (!native_frame(w, t, e->address, e->tag >> 8 & UNWIND_EXACT_PC, now_ns, st,
				  &frame, &st->native_complete)) {
			st->native_stopped = true;
			st->native_complete = false;
			continue;
		}
		st->frames[st->len++] = frame;
	}
}

static enum outcome native_outcome(const struct probe_sample *s, const struct stack *st)
{
	if (st->native_stopped)
		return OUTCOME_UNKNOWN_CODE;
	if (st->native_complete)
		return OUTCOME_COMPLETE;
	if (s->pid == s->tid && s->base_gap < MAIN_BASE_GAP && s->entries > 1)
		return OUTCOME_COMPLETE;
	switch (s->native_end) {
	case UNWIND_NATIVE_UNREAD:
		return OUTCOME_BAD_READ;
	case UNWIND_NATIVE_DEEP:
		return OUTCOME_TOO_DEEP;
	default:
		return OUTCOME_NO_FRAME_POINTER;
	}
}

static enum outcome python_outcome(const struct probe_sample *s, const struct target *t,
				   const struct stack *st)
{
	enum outcome native = native_outcome(s, st);

	if (st->python_failed)
		return failed_outcome(st->python_failed);
	switch (s->python_end) {
	case UNWIND_PYTHON_COMPLETE:
		return OUTCOME_COMPLETE;
	case UNWIND_PYTHON_UNREAD:
		return OUTCOME_PYTHON_BAD_READ;
	case UNWIND_PYTHON_DEEP:
		return OUTCOME_TOO_DEEP;
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
			       const struct stack *st)
{
	if (s->flags & PROBE_KERNEL_THREAD)
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
static uint32_t comm_string(struct profile *p, const char comm[PROBE_COMM])
{
	cleanup_buf struct buf out = {};

	utf8_put_printable(&out, comm, strnlen(comm, PROBE_COMM));
	return profile_string_n(p, (const char *)out.data, out.len);
}

static uint32_t label_set(struct profile *p, const struct probe_sample *s)
{
	struct profile_label labels[3];
	char pid[16];

	snprintf(pid, sizeof(pid), "%u", s->pid);
	labels[0].key = profile_string(p, "process");
	labels[0].value = comm_string(p, s->process_comm);
	labels[1].key = profile_string(p, "pid");
	labels[1].value = profile_string(p, pid);
	labels[2].key = profile_string(p, "thread");
	labels[2].value = comm_string(p, s->thread_comm);
	return profile_labels(p, labels, ARRAY_SIZE(labels));
}

void window_add(struct window *w, const struct probe_sample *s, struct target *t, int64_t now_ns,
		struct window_result *ret)
{
	struct profile *p = w->profile;
	struct stack st = {.len = 0};
	uint32_t stack = 0;

	add_kernel_frames(w, s, &st);
	if (t && t->readable)
		add_user_frames(w, s, t, now_ns, &st);
	ret->outcome = outcome_of(s, t, &st);
	ret->native_cut = st.python_seen && ret->outcome == OUTCOME_COMPLETE &&
			  native_outcome(s, &st) != OUTCOME_COMPLETE;
	ret->mappings_changed = st.mappings_changed;
	/* A frame that could not be named has its mark in place. */
	if (ret->outcome != OUTCOME_COMPLETE && !st.python_failed)
		st.frames[st.len++] = mark_frame(p, ret->outcome);
	for (size_t i = st.len; i-- > 0;)
		stack = profile_stack(p, stack, st.frames[i]);
	profile_add(p, stack, label_set(p, s), 1, p->period);
}
