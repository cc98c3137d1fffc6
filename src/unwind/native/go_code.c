#include "unwind/native/go_code.h"

enum { MAX_CODE = 1024 }; /* bytes of a function that are searched; all of these are shorter */

struct code {
	uint64_t start;
	uint8_t bytes[MAX_CODE];
	size_t len;
};
/* In a pattern: any byte. */
#define ANY 0x100

static void read_code(const struct elf_file *f, const struct pclntab_function *function,
		      struct code *ret)
{
	ret->start = function->start;
	ret->len = MIN(function->end - function->start, (uint64_t)MAX_CODE);
	if (elf_file_read_address(f, function->start, ret->bytes, ret->len))
		ret->len = 0;
}

/* Where the bytes lie for the first time at or behind an offset; c->len where they do not. */
static size_t find(const struct code *c, size_t from, const uint16_t *bytes, size_t n)
{
	for (; from + n <= c->len; from++) {
		size_t i = 0;

		while (i < n && (bytes[i] == ANY || bytes[i] == c->bytes[from + i]))
			i++;
		if (i == n)
			return from;
	}
	return c->len;
}
#define FIND(code, from, ...)                                                                      \
	find((code), (from), (const uint16_t[]){__VA_ARGS__},                                      \
	     sizeof((const uint16_t[]){__VA_ARGS__}) / sizeof(uint16_t))

/* --- instructions ------------------------------------------------------------------------------*/

/* mov rsp, [reg + 0x38]: takes the stack of a g, whose sched.sp is there. Returns where the next
 * instruction is, 0 where there is none. */
static size_t behind_switch(const struct code *c, size_t from)
{
	size_t at = from;

	while ((at = FIND(c, at, ANY, 0x8b, ANY, 0x38)) < c->len) {
		uint8_t modrm = c->bytes[at + 2];

		/* 64 bits, of r8 to r15 too; disp8, rsp, and no SIB byte. */
		if ((c->bytes[at] & 0xfe) == 0x48 && (modrm & 0xf8) == 0x60 && modrm != 0x64)
			return at + 4;
		at++;
	}
	return 0;
}

/* mov [rsp + slot], reg; the next instruction, or 0. */
static size_t behind_store(const struct code *c, size_t from, uint8_t modrm, int8_t *slot)
{
	size_t plain = FIND(c, from, 0x48, 0x89, modrm, 0x24);
	size_t far = FIND(c, from, 0x48, 0x89, (uint16_t)(modrm | 0x40), 0x24, ANY);

	if (plain == c->len && far == c->len)
		return 0;
	*slot = plain < far ? 0 : (int8_t)(c->bytes[far + 4] / 8);
	return plain < far ? plain + 4 : far + 5;
}

static void cut(struct go_special *s, const struct code *c, size_t at, enum go_way way, int8_t slot)
{
	if (s->len < GO_CUTS)
		s->cuts[s->len++] = (struct go_cut){c->start + at, way, slot};
}

/* --- functions ---------------------------------------------------------------------------------*/

static void all(struct go_special *s, const struct code *c, enum go_way way)
{
	cut(s, c, 0, way, 0);
}

static void signal_return(const struct code *c, struct go_special *s)
{
	all(s, c, GO_SIGNAL);
	/* A return address is looked up one byte before, which is no code of its own. */
	s->cuts[0].from--;
}

static void root(const struct code *c, struct go_special *s)
{
	all(s, c, GO_ROOT);
}

static void injected(const struct code *c, struct go_special *s)
{
	all(s, c, GO_INJECTED);
}

/* Never returns: what it calls has nobody else above. */
static void leaves_stack(const struct code *c, struct go_special *s)
{
	size_t at = behind_switch(c, 0);

	cut(s, c, at, at ? GO_ROOT : GO_LOST, 0);
}

/* Goes on with a goroutine, which called something else long ago: mov rsp, [rbx]. */
static void goes_on(const struct code *c, struct go_special *s)
{
	size_t at = FIND(c, 0, 0x48, 0x8b, 0x23);

	if (at < c->len)
		cut(s, c, at + 3, GO_ROOT, 0);
	else
		all(s, c, GO_LOST);
}

/* Two come back from the system call, the child on its own stack. Its half begins with mov rsp,
 * rsi. */
static void clone_thread(const struct code *c, struct go_special *s)
{
	size_t call = FIND(c, 0, 0x0f, 0x05);
	size_t child = FIND(c, call, 0x48, 0x89, 0xf4);

	if (child == c->len) {
		all(s, c, GO_LOST);
		return;
	}
	cut(s, c, call, GO_CLONE, 0);
	cut(s, c, child + 3, GO_ROOT, 0);
}

static void crash_stack(const struct code *c, struct go_special *s)
{
	size_t at = FIND(c, 0, 0x48, 0x89, 0xdc); /* mov rsp, rbx */

	if (at < c->len)
		cut(s, c, at + 3, GO_ROOT, 0);
	else
		all(s, c, GO_LOST);
}

static void more_stack(const struct code *c, struct go_special *s)
{
	size_t at = behind_switch(c, 0);

	cut(s, c, at, at ? GO_MORE : GO_LOST, 0);
}

static void system_stack(const struct code *c, struct go_special *s)
{
	/* Up to 1.20: mov rbx, [rdx + 0x38]; mov rsp, rbx. */
	size_t old = FIND(c, 0, 0x48, 0x8b, 0x5a, 0x38, 0x48, 0x89, 0xdc);
	size_t there = old < c->len ? old + 7 : behind_switch(c, 0);
	size_t back = there ? behind_switch(c, there) : 0;

	if (!back) {
		all(s, c, GO_LOST);
		return;
	}
	cut(s, c, there, GO_CURG, 0);
	cut(s, c, back, GO_STACK, 0);
}

/* To the thread's stack, whose sched.sp is where C begins; the depth of the goroutine's stack is
 * kept there, and its g one word above. Then the same without a change of stacks. */
static void c_call(const struct code *c, struct go_special *s)
{
	size_t there = behind_switch(c, 0);
	size_t depth = FIND(c, there, 0x48, 0x29, 0xd7); /* sub rdi, rdx */
	int8_t slot = 0, slot_same = 0;
	size_t kept = behind_store(c, depth, 0x3c, &slot);	    /* rdi */
	size_t back = FIND(c, kept, 0x48, 0x89, 0xf4);		    /* mov rsp, rsi */
	size_t room = FIND(c, back, 0x48, 0x83, 0xec, ANY);	    /* sub rsp */
	size_t kept_same = behind_store(c, room, 0x14, &slot_same); /* rdx */
	size_t back_same = FIND(c, kept_same, 0x48, 0x89, 0xf4);

	if (!there || !kept || !kept_same || back_same == c->len || kept > back ||
	    kept_same > back_same || room > kept_same || slot < 0 || slot_same < 0) {
		all(s, c, GO_LOST);
		return;
	}
	cut(s, c, there, GO_CURG, 0);
	cut(s, c, kept, GO_DEPTH, slot);
	cut(s, c, back + 3, GO_STACK, 0);
	cut(s, c, room + 4, GO_RDX, 0);
	cut(s, c, kept_same, GO_SAVED, slot_same);
	cut(s, c, back_same + 3, GO_STACK, 0);
}

/* To the goroutine's stack (mov rsp, rdi) and back. */
static void go_call(const struct code *c, struct go_special *s)
{
	size_t there = FIND(c, 0, 0x48, 0x89, 0xfc);
	size_t back = there < c->len ? behind_switch(c, there) : 0;

	if (!back) {
		all(s, c, GO_LOST);
		return;
	}
	cut(s, c, there + 3, GO_CALLBACK, 0);
	cut(s, c, back, GO_STACK, 0);
}

/* Others that move the stack pointer keep rbp, which assembly functions of the runtime do not use
 * otherwise: mov rbp, rsp, up to 1.20 lea rbp, [rsp + n]. There rbp is restored before the stack
 * pointer: mov rbp, [rsp + n]; add rsp, n; ret. */
static void keeps_frame(const struct code *c, struct go_special *s)
{
	size_t move = FIND(c, 0, 0x48, 0x89, 0xe5), load = FIND(c, 0, 0x48, 0x8d, 0x6c, 0x24, ANY);
	size_t at = MIN(move + 3, load + 5);

	if (at > 32 || at >= c->len) {
		all(s, c, GO_LOST);
		return;
	}
	s->setup = (uint8_t)at;
	cut(s, c, at, GO_FRAME, 0);
	while (s->len + 2 <= GO_CUTS &&
	       (at = FIND(c, at, 0x48, 0x8b, 0x6c, 0x24, ANY, 0x48, 0x83, 0xc4)) < c->len) {
		cut(s, c, at + 5, GO_STACK, 0);
		at += 10;
		cut(s, c, at, GO_FRAME, 0);
	}
}

static const struct {
	const char *name;
	void (*read)(const struct code *c, struct go_special *s);
} specials[] = {
	{"_rt0_amd64", root},
	{"_rt0_amd64_linux", root},
	{"gogo", goes_on},
	{"runtime.asmcgocall", c_call},
	{"runtime.asyncPreempt", injected},
	{"runtime.cgocallback", go_call},
	{"runtime.clone", clone_thread},
	{"runtime.goexit", root},
	{"runtime.mcall", leaves_stack},
	{"runtime.morestack", more_stack},
	{"runtime.mstart", root},
	{"runtime.rt0_go", root},
	{"runtime.sigpanic", injected},
	{"runtime.sigpanic0", injected},
	{"runtime.sigreturn", signal_return}, /* up to 1.20 */
	{"runtime.sigreturn__sigaction", signal_return},
	{"runtime.switchToCrashStack0", crash_stack},
	{"runtime.systemstack", system_stack},
};

bool go_special_read(const struct elf_file *f, const struct pclntab_function *function,
		     const char *name, struct go_special *ret)
{
	struct code c;

	/* The compiler wraps functions of assembly in others of the same name. */
	bool written = function->flags & PCLNTAB_ASSEMBLY || !strcmp(name, "runtime.sigpanic");

	*ret = (struct go_special){};
	for (size_t i = 0; i < ARRAY_SIZE(specials); i++)
		if (written && !strcmp(name, specials[i].name)) {
			read_code(f, function, &c);
			specials[i].read(&c, ret);
			return true;
		}
	if (!(function->flags & PCLNTAB_SP_WRITE))
		return false;
	read_code(f, function, &c);
	if (!strncmp(name, "runtime.", 8) || !strcmp(name, "time.now"))
		keeps_frame(&c, ret);
	else
		all(ret, &c, GO_LOST);
	return true;
}

/* g comes from the thread's storage, at a place that the linker fixed: mov rax, fs:n, or where code
 * may lie anywhere mov rcx, n; mov rax, fs:[rcx]. Then cmp [rbx + n], rax with m.curg; g.m and
 * sched.sp are where they have always been when the instructions that use them are there. */
void go_runtime_read(const struct elf_file *f, const struct pclntab_function *systemstack,
		     struct go_runtime *ret)
{
	int32_t g = 1, curg = 1;
	struct code c;

	*ret = (struct go_runtime){};
	read_code(f, systemstack, &c);
	size_t direct = FIND(&c, 0, 0x64, 0x48, 0x8b, 0x04, 0x25, ANY, ANY, ANY, ANY);
	size_t loaded = FIND(&c, 0, 0x48, 0xc7, 0xc1, ANY, ANY, ANY, ANY, 0x64, 0x48, 0x8b, 0x01);
	size_t compare = FIND(&c, 0, 0x48, 0x3b, 0x83, ANY, ANY, ANY, ANY);
	size_t m = FIND(&c, 0, 0x48, 0x8b, 0x58, 0x30); /* mov rbx, [rax + 0x30] */

	if (direct < c.len)
		memcpy(&g, c.bytes + direct + 5, sizeof(g));
	else if (loaded < c.len)
		memcpy(&g, c.bytes + loaded + 3, sizeof(g));
	if (compare < c.len)
		memcpy(&curg, c.bytes + compare + 3, sizeof(curg));
	if (g % 8 || g / 8 != (int16_t)(g / 8) || curg % 8 || curg / 8 != (int8_t)(curg / 8) ||
	    curg < 0 || m == c.len || !behind_switch(&c, 0))
		return;
	*ret = (struct go_runtime){true, (int16_t)(g / 8), (int8_t)(curg / 8)};
}
