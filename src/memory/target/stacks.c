/* Which Python functions hold the live blocks, for --peak and --leaks.
 *
 * Each thread has the stack of its frames, kept by the events of Python's profile function, or of
 * monitor.c. Only
 * when something is allocated its frames become nodes of one tree of (caller, function, line), and
 * mostly none has changed but the instruction of the topmost. A node counts what it holds. Who held
 * what at the peak: whenever the total passes the peak an epoch begins, and a node keeps what it
 * had before its first change in an epoch. */
#include "memory/target/library.h"

/* Include/cpython/pystate.h */
enum { EVENT_CALL = 0, EVENT_RETURN = 3 };
enum {
	MAX_DEPTH = 1 << 16,
	MAX_NODES = 1 << 24, /* as many as an entry of a block can name */
	MAX_RECORDS = MAX_NODES / MEMORY_STACKS_IN_ONE,
	FIRST_SLOTS = 1 << 14,
	SEARCH_DEPTH = 256, /* frames that may have gone without a word: greenlets */
};

struct place {
	PyObject *frame;
	struct code *code;
	uint64_t instruction; /* for which node is right */
	uint32_t node;
};
struct thread {
	struct thread *next; /* not in use */
	size_t depth;
	size_t clean; /* places below have the right node */
	struct place places[MAX_DEPTH];
};
struct slot {
	uint64_t instruction;
	uint32_t parent, code; /* number of the function */
	uint32_t node;	       /* 0: empty */
};

static __thread struct thread *self;
static struct thread *unused_threads;
static struct memory_stacks_abi *records[MAX_RECORDS];
static struct slot *slots;
static size_t nslots;
static int64_t total;
static char lock; /* of all of these but the threads' own */

static inline void acquire(void)
{
	/* No thread is made before it is released. */
	if (library_alone())
		return;
	while (__atomic_test_and_set(&lock, __ATOMIC_ACQUIRE))
		__builtin_ia32_pause();
}

static inline void release(void)
{
	__atomic_clear(&lock, __ATOMIC_RELEASE);
}

/* ---- the tree ---- */

static inline struct memory_stack_abi *node_at(uint32_t node)
{
	return &records[node / MEMORY_STACKS_IN_ONE]->stacks[node % MEMORY_STACKS_IN_ONE];
}

/* 0 where there is no room: what has no stack counts for the process. */
static uint32_t add_node(uint32_t parent, uint32_t function, uint32_t line)
{
	uint32_t number = header->stacks;
	struct memory_stacks_abi **record = &records[number / MEMORY_STACKS_IN_ONE];

	if (number >= MAX_NODES)
		return 0;
	if (!*record)
		*record = store_record(MEMORY_STACKS, sizeof(**record));
	if (!*record)
		return 0;
	*node_at(number) = (struct memory_stack_abi){
		.parent = parent, .function = function, .line = line, .epoch = header->epoch};
	header->stacks++;
	return number;
}

static inline size_t hash(uint32_t parent, uint32_t code, uint64_t instruction)
{
	uint64_t h = (instruction ^ (uint64_t)parent << 32 ^ code) * 0x9E3779B97F4A7C15ULL;

	return (size_t)(h ^ h >> 29);
}

static struct slot *find_slot(uint32_t parent, uint32_t code, uint64_t instruction)
{
	size_t i = hash(parent, code, instruction) & (nslots - 1);

	while (slots[i].node && (slots[i].instruction != instruction || slots[i].parent != parent ||
				 slots[i].code != code))
		i = (i + 1) & (nslots - 1);
	return &slots[i];
}

static bool make_room(void)
{
	struct slot *old = slots;
	size_t n = nslots;

	if (n && header->stacks < n / 2)
		return true;
	slots = store_memory((n ? n * 2 : FIRST_SLOTS) * sizeof(*slots));
	if (!slots) {
		slots = old;
		return header->stacks < n - 1;
	}
	nslots = n ? n * 2 : FIRST_SLOTS;
	for (size_t i = 0; i < n; i++)
		if (old[i].node)
			*find_slot(old[i].parent, old[i].code, old[i].instruction) = old[i];
	return true;
}

/* ---- the stack of a thread ---- */

/* Where the frame is: any number that changes when it goes on. */
static inline uint64_t instruction_of(PyObject *frame)
{
	/* Include/internal/pycore_frame.h of 3.11 to 3.15: f_frame of the frame object, and in that
	 * prev_instr, later instr_ptr */
	enum { FRAME_INTERPRETER = 24, FRAME_INSTRUCTION = 56 };

	if (python.version > 0x030f)
		return (uint64_t)python.PyFrame_GetLasti(frame);
	if (python.frame_instruction)
		return *(uint32_t *)((char *)frame + python.frame_instruction);
	return *(uint64_t *)(*(char **)((char *)frame + FRAME_INTERPRETER) + FRAME_INSTRUCTION);
}

static uint32_t find_node(uint32_t parent, const struct place *p)
{
	uint32_t function = p->code->number;
	struct slot *slot;

	if (!make_room())
		return 0;
	slot = find_slot(parent, function, p->instruction);
	if (!slot->node) {
		/* The interpreter looks it up in the code object, which the frame holds. */
		int line = python.PyFrame_GetLineNumber(p->frame);
		uint32_t node = add_node(parent, function, line > 0 ? (uint32_t)line : 0);

		*slot = (struct slot){p->instruction, parent, function, node};
	}
	return slot->node;
}

static uint32_t node_of(struct thread *t)
{
	size_t i = t->depth && t->clean >= t->depth ? t->depth - 1 : t->clean;
	uint32_t node = i ? t->places[i - 1].node : 0;

	for (; i < t->depth; i++) {
		struct place *p = &t->places[i];
		uint64_t instruction = instruction_of(p->frame);

		if (unlikely(instruction != p->instruction || !p->node ||
			     node_at(p->node)->parent != node)) {
			p->instruction = instruction;
			p->node = find_node(node, p);
		}
		node = p->node;
	}
	t->clean = t->depth;
	return node;
}

static void push(struct thread *t, PyObject *frame, struct code *c)
{
	struct place *p = &t->places[t->depth];

	if (unlikely(t->depth == MAX_DEPTH)) {
		header->lost_frames++;
		return;
	}
	if (p->code != c)
		p->node = 0;
	p->frame = frame;
	p->code = c;
	if (t->clean >= t->depth)
		t->clean = t->depth ? t->depth - 1 : 0;
	t->depth++;
}

static void pop(struct thread *t, PyObject *frame)
{
	size_t end = t->depth > SEARCH_DEPTH ? t->depth - SEARCH_DEPTH : 0, i = t->depth;

	/* Frames above it went without a word: another stack was switched to. */
	while (i > end && t->places[i - 1].frame != frame)
		i--;
	if (i == end)
		return;
	t->depth = i - 1;
	if (t->clean >= t->depth)
		t->clean = t->depth ? t->depth - 1 : 0;
}

static int profile(PyObject *object, PyObject *frame, int what, PyObject *argument)
{
	bool quiet;
	struct code *c;

	if (what == EVENT_CALL) {
		quiet = allocator_quiet(true);
		c = codes_of_frame(frame);
		allocator_quiet(quiet);
		stacks_enter(frame, c);
	} else if (what == EVENT_RETURN) {
		stacks_leave(frame);
	}
	return 0;
}

void stacks_enter(PyObject *frame, struct code *c)
{
	if (likely(self != NULL) || stacks_begin(false))
		push(self, frame, c);
}

void stacks_leave(PyObject *frame)
{
	if (likely(self != NULL))
		pop(self, frame);
}

/* ---- threads ---- */

bool stacks_begin(bool by_profile)
{
	if (!self && unused_threads) {
		self = unused_threads;
		unused_threads = self->next;
		self->depth = self->clean = 0;
	} else if (!self) {
		self = store_memory(sizeof(*self));
	}
	if (self && by_profile)
		python.PyEval_SetProfile(profile, NULL);
	return self != NULL;
}

void stacks_drop(void)
{
	if (!self)
		return;
	self->next = unused_threads;
	unused_threads = self;
	self = NULL;
}

/* ---- blocks ---- */

static inline void change(uint32_t node, int64_t bytes, int64_t blocks)
{
	struct memory_stack_abi *s = node_at(node);

	if (s->epoch != header->epoch) {
		s->peak_bytes = s->bytes;
		s->peak_blocks = s->blocks;
		s->epoch = header->epoch;
	}
	s->bytes += bytes;
	s->blocks += blocks;
	total += bytes;
	if (total > header->blocks_peak) {
		header->blocks_peak = total;
		header->epoch++;
	}
}

/* Number 0: no frame of Python. */
bool stacks_init(void)
{
	header->epoch = 1;
	return make_room() && !add_node(0, 0, 0) && header->stacks == 1;
}

uint32_t stacks_give(size_t n)
{
	uint32_t node;

	acquire();
	node = self ? node_of(self) : 0;
	change(node, (int64_t)n, 1);
	release();
	return node;
}

void stacks_take(uint32_t node, uint64_t n)
{
	acquire();
	change(node, -(int64_t)n, -1);
	release();
}

void stacks_back(uint32_t node, uint64_t n)
{
	acquire();
	change(node, (int64_t)n, 1);
	release();
}

void stacks_fork(void)
{
	release();
	for (uint32_t i = 0; i < header->stacks; i++) {
		struct memory_stack_abi *s = node_at(i);

		s->bytes = s->blocks = s->peak_bytes = s->peak_blocks = 0;
	}
	total = 0;
	header->blocks_peak = 0;
}
