#include "unwind/python/stack_walk.h"

#include "unwind/python/live_frame.h"

enum {
	NEAR = 2048,	/* bytes of a data stack that are copied in the twinkling of an eye */
	ROOT_VOTES = 8, /* that make a frame the only one that can be outermost */
	MAX_ROOT_VOTES = 64,
	WALK_STEPS = UNWIND_MAX_ENTRIES + 1,
};

/* The walk is compiled in as BPF compiles it: what it reads is said by macros, which cannot carry
 * an argument along. */
static _Thread_local struct {
	struct stack_walk *walk;
	struct stack_thread *thread;
	enum stack_image image;
	const void *code;  /* where the walk wants the start of a code object */
	const void *frame; /* and where a frame; NULL: every frame comes from the same image */
	uint64_t running;  /* the frame that the walk begins with */
	struct frame_link callee; /* the frame before, where it is a neighbour of that */
	uint64_t callee_code;	  /* of the frame before, where it is none; 0: not known */
	bool callee_in_both;	  /* images that was alive */
	/* A frame that is over in both images, and the one that had called it. */
	uint64_t left, left_caller;
	/* A frame that stands somewhere else by now, and where it called from. */
	uint64_t gone_on, call_instruction;
	uint64_t unplaced; /* or where that was not known */
	bool torn;	   /* it came to a frame that the images tell different things of */
} current;

static int read_image(void *context, uint64_t address, void *buf, size_t n)
{
	const enum stack_image *image = context;

	return stack_copy_read(&current.thread->copy, current.walk->codes->memory, *image, address,
			       buf, n);
}

static int peek_image(void *context, uint64_t address, void *buf, size_t n)
{
	const enum stack_image *image = context;

	return stack_copy_peek(&current.thread->copy, *image, address, buf, n);
}

static const uint32_t *read_code_words(void *context, uint64_t address)
{
	const struct python_layout *l = &current.walk->python->process.layout;
	const struct code_head *head =
		code_heads_recent(current.walk->codes, address + l->code_flags);

	return head ? head->words : NULL;
}

static struct frame_image image_of(enum stack_image *image)
{
	return (struct frame_image){
		.layout = &current.walk->python->process.layout,
		.version = current.walk->python->version,
		.read = read_image,
		.code_words = read_code_words,
		.context = image,
	};
}

static int read_link(enum stack_image image, uint64_t frame, struct frame_link *ret)
{
	const struct frame_image m = image_of(&image);

	return frame_link_read(&m, frame, ret);
}

/* A frame in both images. */
static int read_links(uint64_t frame, struct frame_link *first, struct frame_link *second)
{
	int code = read_link(STACK_FIRST, frame, first);

	return code ? code : read_link(STACK_SECOND, frame, second);
}

static bool same_link(const struct frame_link *a, const struct frame_link *b)
{
	return a->code == b->code && a->previous == b->previous;
}

/* A neighbour of the frame that runs was copied together with it; but a copy can be interrupted:
 * what called in the same call of the loop cannot run, too. */
static void check_neighbour(uint64_t frame)
{
	const struct frame_link callee = current.callee;

	if (read_link(current.image, frame, &current.callee))
		current.callee = (struct frame_link){};
	current.torn |= callee.code && !callee.is_boundary && !callee.ends_call &&
			current.callee.state == FRAME_RUNS;
}

static bool is_same(uint64_t frame)
{
	uint64_t last = frame + current.walk->python->process.layout.frame_size - 1;

	return stack_copy_is_same(&current.thread->copy, frame) &&
	       stack_copy_is_same(&current.thread->copy, last);
}

/* A frame has gone on since it called, or may have: it stood where it is known to call from. */
static void find_place(uint64_t frame, const struct frame_link *caller)
{
	if (call_places_find(&current.walk->places, current.callee_code, caller->code,
			     &current.call_instruction)) {
		current.gone_on = frame;
		return;
	}
	current.unplaced = frame;
}

/* Does a frame stand where it is known to call from? */
static bool is_at_call(const struct frame_link *f)
{
	return call_places_has(&current.walk->places, current.callee_code, f->code, f->instruction);
}

/* Of what was read late there is one image, of another moment. */
static bool is_to_learn(void)
{
	return !current.torn && !stack_copy_is_late(&current.thread->copy);
}

/* Both images have a frame alive, and it stands at the same instruction. So it did when what it
 * called ran, where that is alive in both and was copied around it; else that may have been over
 * before its caller was copied at all. */
static void learn_call(uint64_t frame, const struct frame_link *caller)
{
	struct call_places *p = &current.walk->places;

	if (!is_to_learn())
		return;
	if (current.callee_in_both && !current.thread->interrupted)
		call_places_learn(p, current.callee_code, caller->code, caller->instruction, frame);
	else
		call_places_guess(p, current.callee_code, caller->code, caller->instruction);
}

/* Both images have a frame alive: it is taken from the one in which it stands where it is known to
 * call from, else from the one that its callee comes from. */
static enum stack_image image_at_call(uint64_t frame, const struct frame_link *a,
				      const struct frame_link *b)
{
	bool at_first, at_second;

	if (!current.callee_code)
		return current.image;
	at_first = is_at_call(a);
	at_second = is_at_call(b);
	if (at_first != at_second)
		return at_first ? STACK_FIRST : STACK_SECOND;
	if (a->instruction == b->instruction)
		learn_call(frame, a);
	if (!current.callee_in_both && !at_first)
		find_place(frame, a);
	return current.image;
}

/* Only one image has a frame alive, which is not that of its callee for sure: it may have begun
 * anew meanwhile. */
static void put_at_call(uint64_t frame, const struct frame_link *f, enum stack_image image)
{
	if (!current.callee_code || is_at_call(f))
		return;
	if (image == current.image && is_to_learn())
		call_places_guess(&current.walk->places, current.callee_code, f->code,
				  f->instruction);
	find_place(frame, f);
}

/* Does a frame stand at a call of this code, in an image? */
static bool stands_at_call(uint64_t frame, uint64_t callee_code, enum stack_image image)
{
	struct frame_link link;

	return !read_link(image, frame, &link) && link.state != FRAME_DEAD &&
	       call_places_has(&current.walk->places, callee_code, link.code, link.instruction);
}

/* A frame that is over in both images was called by the one that both say, as it forgets that only
 * when it is used again; else by the one frame that stands where its code is known to be called
 * from, if there is but one such. */
static bool find_caller_of_left(uint64_t frame, const struct frame_link *a,
				const struct frame_link *b)
{
	unsigned int found = 0;

	current.left = frame;
	current.left_caller = a->previous;
	if (a->previous && a->previous == b->previous)
		return true;
	for (unsigned int i = 0; i < CALL_FRAMES; i++) {
		uint64_t caller = call_places_frame(&current.walk->places, a->code, i);

		if (!caller || (!stands_at_call(caller, a->code, STACK_FIRST) &&
				!stands_at_call(caller, a->code, STACK_SECOND)))
			continue;
		found++;
		current.left_caller = caller;
	}
	return found == 1;
}

static bool has_caller(const struct frame_link *f)
{
	return f->state != FRAME_DEAD && f->previous;
}

/* From which image is a frame to be taken that does not lie beside the one that runs? It is certain
 * when it is the same in both, or has an object of its own and one has it alive: that tells who
 * called. Only the outermost frame has no caller, and that does not come and go. */
static enum stack_image image_of_far(uint64_t frame)
{
	struct frame_link a, b;
	enum stack_image ret = current.image;
	bool own_object, over;

	if (read_links(frame, &a, &b))
		return current.image;
	own_object = a.own_object && b.own_object;
	over = a.state == FRAME_DEAD && b.state == FRAME_DEAD;
	if (own_object && has_caller(&a) != has_caller(&b)) {
		ret = has_caller(&a) ? STACK_FIRST : STACK_SECOND;
		put_at_call(frame, ret == STACK_FIRST ? &a : &b, ret);
		current.callee_in_both = false;
	} else if (own_object && over && a.code == b.code) {
		/* It was not when its callee was copied. */
		find_place(frame, &a);
		current.torn |= !current.callee_code || !find_caller_of_left(frame, &a, &b);
		current.callee_in_both = false;
	} else {
		current.torn |= !same_link(&a, &b) || (a.own_object && a.state == FRAME_DEAD) ||
				(b.own_object && b.state == FRAME_DEAD);
		ret = image_at_call(frame, &a, &b);
		current.callee_in_both = true;
	}
	current.callee_code = (ret == STACK_FIRST ? a : b).code;
	return ret;
}

static enum stack_image image_of_frame(uint64_t frame)
{
	bool each = current.walk->python->process.layout.style == PYTHON_EACH_FRAME;

	if (frame == current.left) {
		current.callee_in_both = false;
		return current.image;
	}
	if (!each && frame - current.running + NEAR < 2 * NEAR) {
		check_neighbour(frame);
		return current.image;
	}
	current.callee = (struct frame_link){};
	if (!each && is_same(frame)) {
		current.callee_code = 0;
		return current.image;
	}
	current.image = image_of_far(frame);
	return current.image;
}

static void put_word(void *frame, size_t size, size_t offset, uint64_t value)
{
	if (offset + sizeof(value) <= size)
		memcpy((uint8_t *)frame + offset, &value, sizeof(value));
}

static int read_frame(void *dst, size_t size, uint64_t address)
{
	enum stack_image image = image_of_frame(address);
	const struct python_layout *l = &current.walk->python->process.layout;
	int code = read_image(&image, address, dst, size);

	if (!code && address == current.left)
		put_word(dst, size, l->frame_previous, current.left_caller);
	if (!code && address == current.gone_on)
		put_word(dst, size, l->frame_instruction, current.call_instruction);
	return code;
}

static int read_copied(void *dst, size_t size, uint64_t address)
{
	const struct code_head *head;

	if (dst == current.frame)
		return read_frame(dst, size, address);
	if (dst != current.code)
		return read_image(&current.image, address, dst, size);
	head = code_heads_get(current.walk->codes, address);
	if (!head || size > sizeof(head->words))
		return -EFAULT;
	memcpy(dst, head->words, size);
	return 0;
}

#define WALK_READ(dst, size, address) read_copied((dst), (size), (address))
/* Native frames are not walked here. */
#define TABLE_MAPPINGS() ((const struct unwind_mapping *)NULL)
#define TABLE_PAGES()	 ((const struct unwind_page *)NULL)
#define TABLE_RULES()	 ((const struct unwind_rule *)NULL)
#define TABLE_FILE(id)	 ((struct unwind_file *)NULL)
#define TABLE_CHUNK(i)	 ((const unwind_row *)NULL)
#include "unwind/walk.h"

/* The frame that ran when the copy was taken, and in which image. Always the first one, where it
 * tells: whoever prefers what confirms the current frame counts those that live long too often. */
static bool find_running(uint64_t frame)
{
	enum stack_image images[] = {STACK_FIRST, STACK_SECOND};
	struct frame_link link;

	/* Not all that is looked at is a frame: only of this one it is sure that it is needed. */
	read_link(STACK_FIRST, frame, &link);
	current.running = 0;
	for (size_t i = 0; i < ARRAY_SIZE(images) && !current.running; i++) {
		struct frame_image image = image_of(&images[i]);

		image.read = peek_image;
		current.image = images[i];
		current.running = frame_running(&image, frame);
	}
	return current.running;
}

/* The current frame was there for so short a time that neither image has it alive. */
static bool take_left(uint64_t frame)
{
	struct frame_link a, b;

	if (read_links(frame, &a, &b) || !a.own_object || a.code != b.code ||
	    !find_caller_of_left(frame, &a, &b))
		return false;
	current.running = frame;
	current.callee_code = a.code;
	return true;
}

/* Walk one image from the current frame, or from that which ran; false: the stack is not certain.
 */
static bool walk_copy(struct stack_walk *s, struct stack_thread *t, enum stack_image image,
		      bool from_running, struct walked_stack *ret)
{
	const struct python_process *py = &s->python->process;
	struct walk w = {.thread_base = t->id, .phase = WALK_PYTHON};
	bool certain = true;

	current.walk = s;
	current.thread = t;
	t->copy.pointer_tells = py->layout.style == PYTHON_EACH_FRAME;
	current.code = w.code;
	current.frame = NULL;
	current.image = image;
	current.torn = false;
	current.callee = (struct frame_link){};
	current.callee_code = 0;
	current.callee_in_both = false;
	current.left = current.gone_on = current.unplaced = 0;
	ret->entries = s->entries[image];
	ret->frames = s->frames[image];
	if (python_take_thread(&w, py, t->state) <= 0)
		w.python_end = UNWIND_PYTHON_UNREAD;
	stack_copy_leave_middle(&t->copy);
	if (from_running && w.python_frame) {
		certain = find_running(w.python_frame) || take_left(w.python_frame);
		w.python_frame = certain ? current.running : w.python_frame;
		current.frame = w.frame;
	}
	for (unsigned int i = 0; i < WALK_STEPS && w.python_frame && w.phase != WALK_DONE; i++) {
		uint64_t frame = w.python_frame;
		uint32_t count = w.count;

		/* A step makes one entry at most. */
		if (count < UNWIND_MAX_ENTRIES)
			ret->frames[count] = frame;
		python_step(&w, py, ret->entries);
		if (frame == current.unplaced && count < w.count)
			ret->entries[count].lasti = UNWIND_LASTI_UNKNOWN;
	}
	ret->count = w.count;
	ret->end = w.python_end;
	return certain && !current.torn;
}

static bool same_entry(const struct unwind_entry *a, const struct unwind_entry *b)
{
	return a->address == b->address && a->tag == b->tag;
}

/* How many outer entries both images agree on. The innermost frame may have gone on to another
 * instruction. */
static uint32_t agreed(const struct walked_stack stacks[STACK_IMAGES])
{
	const struct walked_stack *a = &stacks[STACK_FIRST], *b = &stacks[STACK_SECOND];
	uint32_t shortest = MIN(a->count, b->count), same = 0;
	bool equal = a->count == b->count && a->end == b->end;

	for (; same < shortest; same++) {
		const struct unwind_entry *x = &a->entries[a->count - 1 - same];
		const struct unwind_entry *y = &b->entries[b->count - 1 - same];

		if (!same_entry(x, y) || (x->lasti != y->lasti && !(equal && same == shortest - 1)))
			break;
	}
	return same;
}

static bool is_whole(const struct walked_stack *s)
{
	return s->end == UNWIND_PYTHON_COMPLETE || s->end == UNWIND_PYTHON_DEEP;
}

static void vote_for_root(struct stack_thread *t, uint64_t frame)
{
	if (!t->root_votes)
		t->root = frame;
	if (t->root == frame)
		t->root_votes = MIN(t->root_votes + 1, (unsigned int)MAX_ROOT_VOTES);
	else
		t->root_votes--;
}

/* Is the outermost frame, which nobody called, alive? One that is over has no caller, too. */
static bool is_root_alive(uint64_t frame)
{
	struct frame_link a, b;

	return !read_links(frame, &a, &b) && !(b.own_object && b.state == FRAME_DEAD) &&
	       !(a.own_object && a.state == FRAME_DEAD);
}

/* Does the stack end where it can? Where frames do not tell whether they are over, where most
 * stacks of this thread do. */
static bool has_root(const struct stack_thread *t, const struct walked_stack *s)
{
	uint64_t root = s->count ? s->frames[s->count - 1] : 0;

	if (s->end == UNWIND_PYTHON_DEEP)
		return true;
	if (!frame_tells_end(current.walk->python->version))
		return t->root_votes < ROOT_VOTES || root == t->root;
	return root && is_root_alive(root);
}

/* Without a vote about where the stacks of this thread end. */
static bool read_copy(struct stack_walk *s, struct stack_thread *t, struct walked_stack *ret)
{
	struct walked_stack stacks[STACK_IMAGES];
	bool certain = walk_copy(s, t, STACK_FIRST, true, ret), late;
	uint32_t same;

	if (certain && !stack_copy_is_late(&t->copy) &&
	    (ret->end == UNWIND_PYTHON_NONE || (is_whole(ret) && has_root(t, ret))))
		return true;
	for (int i = 0; i < STACK_IMAGES; i++)
		walk_copy(s, t, i, false, &stacks[i]);
	/* Both images share what was read late: they would agree about it. */
	late = stack_copy_is_late(&t->copy);
	same = late ? 0 : agreed(stacks);
	*ret = stacks[STACK_FIRST];
	if (!late && same == ret->count && same == stacks[STACK_SECOND].count) {
		/* What cannot be read now may be there the next time. */
		if (!is_whole(ret) || has_root(t, ret))
			return is_whole(ret);
	}
	ret->entries += ret->count - same;
	ret->frames += ret->count - same;
	ret->count = same;
	ret->end = UNWIND_PYTHON_TORN;
	return false;
}

bool stack_walk_read(struct stack_walk *s, struct stack_thread *t, struct walked_stack *ret)
{
	bool certain = read_copy(s, t, ret);

	if (certain && ret->end == UNWIND_PYTHON_COMPLETE && ret->count)
		vote_for_root(t, ret->frames[ret->count - 1]);
	return certain;
}

void stack_walk_init(struct stack_walk *s, const struct python *py, struct code_heads *codes)
{
	*s = (struct stack_walk){.python = py, .codes = codes};
	for (int i = 0; i < STACK_IMAGES; i++) {
		s->entries[i] = mem_calloc(UNWIND_MAX_ENTRIES, sizeof(*s->entries[i]));
		s->frames[i] = mem_calloc(UNWIND_MAX_ENTRIES, sizeof(*s->frames[i]));
	}
}

void stack_walk_fini(struct stack_walk *s)
{
	for (int i = 0; i < STACK_IMAGES; i++) {
		free(s->entries[i]);
		free(s->frames[i]);
	}
	call_places_fini(&s->places);
}
