/* Frames of code that has no call frame information: the same as call frame information says where
 * there is some, true in a running program, and none where something is not understood. */
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cmocka.h>

#include "native_tables.h"
#include "unwind/native/code_flow.h"
#include "unwind/native/eh_frame.h"
#include "unwind/native/x86.h"

/* Through the kernel: some of it may not be there. */
#define TABLE_READ(dst, size, address) process_read_memory(getpid(), (address), (dst), (size))
#include "unwind/native/table_walk.h"

#include "table_begin.h"

struct tables tables;

enum { PAGE = 4096, CODE = 0x1000 };

/* --- instructions ------------------------------------------------------------------------------*/

/* objdump's line of an instruction: address, bytes, text. Returns the number of bytes. */
static size_t parse_line(const char *line, uint8_t bytes[16])
{
	const char *colon = strchr(line, ':');
	unsigned int byte;
	size_t n = 0;

	if (*line != ' ' || !colon || colon[1] != '\t')
		return 0;
	for (line = colon + 2; n < 16 && *line != ' ' && *line != '\t'; line += 3)
		if (sscanf(line, "%2x", &byte) != 1)
			return 0;
		else
			bytes[n++] = (uint8_t)byte;
	return n;
}

/* objdump takes fwait as a part of the next instruction, and writes prefixes alone in data. */
static bool is_odd(const char *line, const uint8_t *bytes)
{
	return bytes[0] == 0x9b || strstr(line, "(bad)") || strstr(line, "\trex") ||
	       strstr(line, ".byte") || strstr(line, "data16\n");
}

static void test_lengths(void **state)
{
	struct x86_insn insn;
	uint8_t bytes[16];
	char line[512];
	size_t lines = 0, odd = 0;
	cleanup_free char *command = mem_asprintf("objdump -d --wide --insn-width=16 /proc/%d/exe "
						  "/lib/x86_64-linux-gnu/libc.so.6",
						  (int)getpid());
	FILE *f = popen(command, "r");

	assert_non_null(f);
	while (fgets(line, sizeof(line), f)) {
		size_t n = parse_line(line, bytes);

		if (!n)
			continue;
		lines++;
		if (is_odd(line, bytes)) {
			odd++;
			continue;
		}
		if (x86_decode(bytes, n, 0, &insn) || insn.size != n)
			fail_msg("%s", line);
		/* Cut off. */
		assert_int_equal(x86_decode(bytes, n - 1, 0, &insn), -EBADMSG);
	}
	pclose(f);
	assert_true(lines > 10000 && odd * 1000 < lines);
	print_message("%zu instructions\n", lines);
}

/* --- the same as tables say --------------------------------------------------------------------*/

struct compared {
	size_t same, other, unknown, beyond;
};

/* Behind the pop the value is in the register, and still in memory as well. */
static bool same_place(const struct unwind_rule *u, uint8_t place, int16_t offset, uint8_t ours,
		       int16_t our_offset)
{
	if (ours == UNWIND_PLACE_UNDEFINED || u->base != UNWIND_RSP)
		return true;
	if (ours == UNWIND_PLACE_SAME && place == UNWIND_PLACE_CFA)
		return -offset * 8 > u->cfa_offset;
	return place == ours && offset == our_offset;
}

static void compare_at(struct compared *c, const struct unwind_rule *u,
		       const struct unwind_rule *ours)
{
	if (u->cfa != UNWIND_CFA_REGISTER || u->ra != UNWIND_PLACE_CFA) {
		c->beyond++;
	} else if (ours->cfa == UNWIND_CFA_NONE) {
		c->unknown++;
	} else if (ours->ra == UNWIND_PLACE_UNDEFINED || ours->ra & UNWIND_SIGNAL) {
		c->other++;
	} else if (u->base != ours->base) {
		c->beyond++; /* rsp and rbp may say the same */
	} else if (u->cfa_offset != ours->cfa_offset ||
		   !same_place(u, u->rbp, u->rbp_offset, ours->rbp, ours->rbp_offset) ||
		   !same_place(u, u->rbx, u->rbx_offset, ours->rbx, ours->rbx_offset)) {
		c->other++;
	} else {
		c->same++;
	}
}

static bool starts_padding(const struct elf_file *f, uint64_t address)
{
	uint8_t b[2];

	return elf_file_read_address(f, address, b, 2) || b[0] == 0x90 || b[0] == 0x66 ||
	       b[0] == 0x2e || (b[0] == 0x0f && b[1] == 0x1f);
}

static void compare_file(int fd, const char *name, size_t one_in)
{
	struct unwind_table table = {};
	struct unwind_rules rules;
	struct compared c = {};
	struct unwind_code code;
	struct elf_file *f;
	struct code_flow flow;
	code_ranges all = {}, none = {};

	assert_int_equal(elf_file_open(fd, &f, NULL), 0);
	unwind_rules_init(&rules);
	unwind_code_read(f, &code);
	assert_true(unwind_table_build(f, NULL, NULL, &rules, &table, NULL) > 0);
	vec_push(&all, (struct code_range){code.segments[0].address,
					   code.segments[0].address + code.segments[0].size});
	code_flow_find(f, &all, &none, &flow);
	for (size_t i = 0; i + 1 < flow.rules.len; i++) {
		const struct code_rule *r = &flow.rules.data[i];

		assert_true(r->address < r[1].address);
		for (uint64_t at = r->address; at < r[1].address; at++)
			if (at > r->address || !starts_padding(f, at))
				compare_at(&c, unwind_table_find(&table, &rules, at), &r->rule);
			else
				break;
	}
	print_message("%s: %zu bytes of code the same, %zu not, %zu unknown\n", name, c.same,
		      c.other, c.unknown);
	assert_true(c.other * one_in <= c.same);
	assert_true(c.unknown <= c.same);
	code_flow_fini(&flow);
	vec_fini(&all);
	unwind_table_fini(&table);
	unwind_rules_fini(&rules);
	elf_file_close(f);
}

static void test_against_tables(void **state)
{
	struct process p;
	size_t files = 0;

	assert_int_equal(process_read(getpid(), &p, NULL), 0);
	for (size_t i = 0; i < p.mappings.len; i++) {
		const struct mapping *m = &p.mappings.data[i];
		bool is_own = strstr(m->path, "test_code_flow") != NULL;

		if (!is_own && !strstr(m->path, "/libc.so") && !strstr(m->path, "/libzstd"))
			continue;
		/* libc's own multiplication of large numbers (mpn) pushes without saying so. A
		 * sanitizer's calls into its library do not return, which cannot be seen. */
		compare_file(process_open_mapping(&p, m), m->path, is_own ? 100 : 1000);
		files++;
	}
	assert_true(files >= 2);
	process_fini(&p);
}

/* --- code of a few bytes -----------------------------------------------------------------------*/

/* The table of a file that has just this code, which starts at its first byte. */
static void build(const uint8_t *bytes, size_t n, struct unwind_rules *rules,
		  struct unwind_table *ret)
{
	static const uint8_t padding[16];
	struct {
		Elf64_Ehdr header;
		Elf64_Phdr segment;
	} start = {
		.header = {.e_ident = {ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS64, ELFDATA2LSB,
				       EV_CURRENT},
			   .e_type = ET_EXEC,
			   .e_machine = EM_X86_64,
			   .e_version = EV_CURRENT,
			   .e_entry = CODE,
			   .e_phoff = sizeof(Elf64_Ehdr),
			   .e_ehsize = sizeof(Elf64_Ehdr),
			   .e_phentsize = sizeof(Elf64_Phdr),
			   .e_phnum = 1},
		.segment = {.p_type = PT_LOAD,
			    .p_flags = PF_R | PF_X,
			    .p_offset = PAGE,
			    .p_vaddr = CODE,
			    .p_filesz = n + sizeof(padding),
			    .p_memsz = n + sizeof(padding)},
	};
	int fd = memfd_create("code", MFD_CLOEXEC);
	struct elf_file *f;

	assert_int_equal(pwrite(fd, &start, sizeof(start), 0), sizeof(start));
	assert_int_equal(pwrite(fd, bytes, n, PAGE), n);
	assert_int_equal(pwrite(fd, padding, sizeof(padding), PAGE + (off_t)n), sizeof(padding));
	assert_int_equal(elf_file_open(fd, &f, NULL), 0);
	assert_true(unwind_table_build(f, NULL, NULL, rules, ret, NULL) >= 0);
	elf_file_close(f);
}

struct expected {
	uint32_t offset;
	int kind; /* enum unwind_cfa, or one of these */
	uint8_t base;
	int32_t cfa_offset;
};
enum { OUTERMOST = 100, SIGNAL };

static void check(const uint8_t *bytes, size_t n, const struct expected *e, size_t len)
{
	struct unwind_table table = {};
	struct unwind_rules rules;

	unwind_rules_init(&rules);
	build(bytes, n, &rules, &table);
	for (size_t i = 0; i < len; i++) {
		const struct unwind_rule *r = unwind_table_find(&table, &rules, CODE + e[i].offset);

		if (e[i].kind == OUTERMOST) {
			assert_int_equal(r->cfa, UNWIND_CFA_REGISTER);
			assert_int_equal(r->ra, UNWIND_PLACE_UNDEFINED);
		} else if (e[i].kind == SIGNAL) {
			assert_int_equal(r->ra, UNWIND_PLACE_RSP | UNWIND_SIGNAL);
		} else {
			assert_int_equal(r->cfa, e[i].kind);
		}
		if (e[i].kind != UNWIND_CFA_REGISTER)
			continue;
		assert_int_equal(r->base, e[i].base);
		assert_int_equal(r->cfa_offset, e[i].cfa_offset);
		assert_int_equal(r->ra, UNWIND_PLACE_CFA | UNWIND_DERIVED);
	}
	unwind_table_fini(&table);
	unwind_rules_fini(&rules);
}
#define CHECK_CODE(bytes, ...)                                                                     \
	do {                                                                                       \
		const struct expected expected__[] = {__VA_ARGS__};                                \
		check(bytes, sizeof(bytes), expected__, ARRAY_SIZE(expected__));                   \
	} while (0)

/* musl's start of a program: a call to what comes behind it. */
static void test_start(void **state)
{
	const uint8_t code[] = {
		0x48, 0x31, 0xed,	      /* 0 xor %rbp,%rbp */
		0x48, 0x89, 0xe7,	      /* 3 mov %rsp,%rdi */
		0x48, 0x83, 0xe4, 0xf0,	      /* 6 and $-16,%rsp */
		0xe8, 0x00, 0x00, 0x00, 0x00, /* 10 call 15 */
		0x48, 0x83, 0xec, 0x18,	      /* 15 sub $24,%rsp */
		0xe8, 0x02, 0x00, 0x00, 0x00, /* 19 call 26 */
		0xeb, 0xf9,		      /* 24 jmp 19 */
		0x53,			      /* 26 push %rbx */
		0x5b,			      /* 27 pop %rbx */
		0xc3,			      /* 28 ret */
		0x90, 0x90, 0x90,
	};

	/* The call to the next instruction looks like one that takes its own address: but there the
	 * frame is the caller's, which has none. */
	CHECK_CODE(code, {0, OUTERMOST}, {3, OUTERMOST}, {10, OUTERMOST}, {14, OUTERMOST},
		   {26, UNWIND_CFA_REGISTER, UNWIND_RSP, 8},
		   {27, UNWIND_CFA_REGISTER, UNWIND_RSP, 16},
		   {28, UNWIND_CFA_REGISTER, UNWIND_RSP, 8}, {64, UNWIND_CFA_NONE});
}

static void test_signal_return(void **state)
{
	const uint8_t code[] = {
		0x55, 0x48, 0x89, 0xe5, 0x5d, 0xc3,		      /* 0 push; mov; pop; ret */
		0x90,						      /* 6 nop */
		0x48, 0xc7, 0xc0, 0x0f, 0x00, 0x00, 0x00, 0x0f, 0x05, /* 7 mov $15,%rax; syscall */
		0x55, 0x48, 0x89, 0xe5, 0x5d, 0xc3,		      /* 16 as above */
	};

	CHECK_CODE(code, {0, UNWIND_CFA_REGISTER, UNWIND_RSP, 8},
		   {1, UNWIND_CFA_REGISTER, UNWIND_RSP, 16},
		   {4, UNWIND_CFA_REGISTER, UNWIND_RBP, 16},
		   {5, UNWIND_CFA_REGISTER, UNWIND_RSP, 8}, {6, SIGNAL}, {7, SIGNAL}, {14, SIGNAL},
		   {20, UNWIND_CFA_REGISTER, UNWIND_RBP, 16});
}

static void test_thread_start(void **state)
{
	const uint8_t code[] = {
		0x55, 0x48, 0x89, 0xe5, 0xb8, 0x38, 0x00, 0x00, 0x00, 0x0f, 0x05, /* syscall */
		0x85, 0xc0,	  /* 11 test %eax,%eax */
		0x75, 0x08,	  /* 13 jne 23 */
		0x31, 0xed,	  /* 15 xor %ebp,%ebp */
		0x5f,		  /* 17 pop %rdi */
		0x41, 0xff, 0xd1, /* 18 call *%r9 */
		0xf4, 0x90,	  /* 21 hlt */
		0x5d, 0xc3,	  /* 23 pop; ret */
	};

	CHECK_CODE(code, {11, UNWIND_CFA_CLONE, UNWIND_RBP, 16}, {15, OUTERMOST}, {17, OUTERMOST},
		   {20, OUTERMOST}, {23, UNWIND_CFA_REGISTER, UNWIND_RBP, 16},
		   {24, UNWIND_CFA_REGISTER, UNWIND_RSP, 8});
}

/* Hand-written code keeps its stack pointer in rbx, where it aligns the stack. */
static void test_frame_in_rbx(void **state)
{
	const uint8_t code[] = {
		0x48, 0x83, 0xec, 0x10, /* 0 sub $16,%rsp */
		0x48, 0x89, 0x1c, 0x24, /* 4 mov %rbx,(%rsp) */
		0x48, 0x89, 0xe3,	/* 8 mov %rsp,%rbx */
		0x48, 0x83, 0xe4, 0xc0, /* 11 and $-64,%rsp */
		0x90,			/* 15 nop */
		0x48, 0x89, 0xdc,	/* 16 mov %rbx,%rsp */
		0x48, 0x8b, 0x1c, 0x24, /* 19 mov (%rsp),%rbx */
		0x48, 0x83, 0xc4, 0x10, /* 23 add $16,%rsp */
		0xc3,			/* 27 ret */
	};

	CHECK_CODE(code, {0, UNWIND_CFA_REGISTER, UNWIND_RSP, 8},
		   {4, UNWIND_CFA_REGISTER, UNWIND_RSP, 24},
		   {11, UNWIND_CFA_REGISTER, UNWIND_RSP, 24},
		   {15, UNWIND_CFA_REGISTER, UNWIND_RBX, 24},
		   {16, UNWIND_CFA_REGISTER, UNWIND_RBX, 24},
		   {19, UNWIND_CFA_REGISTER, UNWIND_RSP, 24},
		   {27, UNWIND_CFA_REGISTER, UNWIND_RSP, 8});
}

/* Nothing is said of functions that do not fit together. */
static void test_not_understood(void **state)
{
	const uint8_t unbalanced[] = {
		0x55, 0x48, 0x89, 0xe5,		    /* push; mov */
		0x50, 0x48, 0x8d, 0x65, 0xf8, 0xc3, /* push %rax; lea -8(%rbp),%rsp; ret */
	};
	const uint8_t two_heights[] = {
		0x55, 0x48, 0x89, 0xe5, 0x5d, /* push; mov; pop */
		0x85, 0xc0,		      /* 5 test %eax,%eax */
		0x74, 0x01,		      /* 7 je 10 */
		0x50,			      /* 9 push %rax */
		0x31, 0xc0, 0xc3,	      /* 10 xor %eax,%eax; ret */
	};
	const uint8_t no_code[] = {0x55, 0x48, 0x89, 0xe5, 0x06, 0x5d, 0xc3};
	const uint8_t aligned[] = {
		0x55, 0x48, 0x89, 0xe5, /* push; mov */
		0x31, 0xed,		/* 4 xor %ebp,%ebp: no frame pointer now */
		0x48, 0x83, 0xe4, 0xe0, /* 6 and $-32,%rsp */
		0x90, 0xf4,
	};

	CHECK_CODE(unbalanced, {0, UNWIND_CFA_NONE}, {4, UNWIND_CFA_NONE});
	CHECK_CODE(two_heights, {0, UNWIND_CFA_NONE}, {5, UNWIND_CFA_NONE}, {10, UNWIND_CFA_NONE});
	CHECK_CODE(no_code, {0, UNWIND_CFA_NONE}, {4, UNWIND_CFA_NONE});
	CHECK_CODE(aligned, {4, UNWIND_CFA_REGISTER, UNWIND_RBP, 16},
		   {6, UNWIND_CFA_REGISTER, UNWIND_RSP, 16}, {10, UNWIND_CFA_NONE});
}

/* --- debug files -------------------------------------------------------------------------------*/

static const char source[] = "int f(int n); int f(int n) { volatile char a[200]; a[n] = 1;"
			     " return n ? f(n - 1) + a[n / 2] : 0; }"
			     " int main(int n, char **v) { return f(n) + f(n + 1); }";

static void run(const char *format, const char *folder)
{
	cleanup_free char *line = mem_asprintf("cd %s && %s", folder, format);

	assert_int_equal(system(line), 0);
}

static struct elf_file *open_in(const char *folder, const char *name)
{
	cleanup_free char *path = mem_asprintf("%s/%s", folder, name);
	struct elf_file *f;

	assert_int_equal(elf_file_open(open(path, O_RDONLY | O_CLOEXEC), &f, NULL), 0);
	return f;
}

/* The function's address is the same in all; within it a table tells its large frame. */
static void assert_described(const char *folder, const char *name, const char *debug_name)
{
	struct elf_file *whole = open_in(folder, "whole"), *f = open_in(folder, name);
	struct elf_file *debug = debug_name ? open_in(folder, debug_name) : NULL;
	struct unwind_table table = {};
	struct unwind_rules rules;
	uint64_t address, size;

	unwind_rules_init(&rules);
	assert_int_equal(elf_file_find_symbol(whole, "f", &address, &size), 0);
	assert_true(unwind_table_build(f, debug, NULL, &rules, &table, NULL) > 0);
	bool found = false;

	for (uint64_t i = 0; i < size; i++) {
		const struct unwind_rule *r = unwind_table_find(&table, &rules, address + i);

		assert_int_equal(r->cfa, UNWIND_CFA_REGISTER);
		assert_int_equal(r->ra, UNWIND_PLACE_CFA);
		found |= r->base == UNWIND_RSP && r->cfa_offset > 100;
	}
	assert_true(found);
	unwind_table_fini(&table);
	unwind_rules_fini(&rules);
	elf_file_close(whole);
	elf_file_close(f);
	if (debug)
		elf_file_close(debug);
}

/* Tools leave out what would not become smaller. */
static void assert_packed(const char *folder, const char *name, uint32_t type)
{
	struct elf_file *f = open_in(folder, name);
	const Elf64_Shdr *h = elf_file_section(f, ".debug_frame");
	Elf64_Chdr c;

	assert_non_null(h);
	assert_true(h->sh_flags & SHF_COMPRESSED);
	assert_int_equal(elf_file_read(f, h->sh_offset, &c, sizeof(c)), 0);
	assert_int_equal(c.ch_type, type);
	elf_file_close(f);
}

static void test_debug_files(void **state)
{
	enum { ZLIB = 1, ZSTD = 2 }; /* ELFCOMPRESS_, the second is newer than some elf.h */
	char folder[] = "/tmp/code_flow_XXXXXX";

	assert_non_null(mkdtemp(folder));
	cleanup_free char *path = mem_asprintf("%s/f.c", folder);
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	fputs(source, f);
	/* So many that it pays to compress what is said of them. */
	for (int i = 0; i < 50; i++)
		fprintf(f, "int g%d(int n) { volatile char a[200]; a[n] = 1; return a[n / 2]; }",
			i);
	fclose(f);
	run("gcc -O2 -g -fno-asynchronous-unwind-tables -fno-exceptions -o whole f.c", folder);
	run("objcopy --only-keep-debug whole debug && strip -o stripped whole", folder);
	run("objcopy --compress-debug-sections=zlib debug zlib", folder);
	run("objcopy --compress-debug-sections=zstd debug zstd", folder);
	assert_packed(folder, "zlib", ZLIB);
	assert_packed(folder, "zstd", ZSTD);
	assert_described(folder, "whole", NULL);
	assert_described(folder, "stripped", "debug");
	assert_described(folder, "stripped", "zlib");
	assert_described(folder, "stripped", "zstd");
	run("rm -r ../$(basename \"$PWD\")", folder);
}

/* --- in a running program ----------------------------------------------------------------------*/

/* Functions without call frame information: fp_ keeps a frame pointer, bare_ does not and saves the
 * registers that its caller's frame may count from. restorer returns from a signal. */
void fp_outer(void (*inner)(void));
void bare_outer(void (*inner)(void));
void restorer(void);
__asm__(".pushsection .text\n"
	".type fp_outer, @function\n"
	"fp_outer: push %rbp\n"
	"	mov %rsp, %rbp\n"
	"	sub $48, %rsp\n"
	"	call *%rdi\n"
	"	leave\n"
	"	ret\n"
	".size fp_outer, . - fp_outer\n"
	".type bare_outer, @function\n"
	"bare_outer: push %rbx\n"
	"	push %rbp\n"
	"	xor %ebp, %ebp\n"
	"	sub $72, %rsp\n"
	"	lea fp_outer(%rip), %rbx\n"
	"	call bare_inner\n"
	"	add $72, %rsp\n"
	"	pop %rbp\n"
	"	pop %rbx\n"
	"	ret\n"
	".size bare_outer, . - bare_outer\n"
	"bare_inner: sub $8, %rsp\n" /* no symbol of a function: it is called */
	"	test %rdi, %rdi\n"
	"	jz 1f\n"
	"	call *%rbx\n"
	"1:	add $8, %rsp\n"
	"	ret\n"
	"	nop\n"
	".type restorer, @function\n"
	"restorer: mov $15, %rax\n"
	"	syscall\n"
	".size restorer, . - restorer\n"
	".popsection\n");

static uint64_t pcs[64];
static size_t pcs_len;
static struct table_walk walked;

static __attribute__((noinline)) void walk(void)
{
	struct table_walk w = {};

	table_begin_here(&w);
	assert_true(tables_process(getpid(), &w.process));
	table_start(&w);
	for (pcs_len = 0; !w.end && pcs_len < ARRAY_SIZE(pcs); pcs_len++) {
		pcs[pcs_len] = w.pc;
		table_step(&w);
	}
	walked = w;
}

/* Is this function on the walked stack? */
static bool is_on_stack(const void *function, size_t size)
{
	for (size_t i = 0; i < pcs_len; i++)
		if (pcs[i] - (uintptr_t)function < size)
			return true;
	return false;
}

static void start_tables(struct process *p)
{
	tables_init(64 << 20, UNWIND_MAX_CHUNKS);
	assert_int_equal(process_read(getpid(), p, NULL), 0);
	tables_add_process(p);
}

static void stop_tables(struct process *p)
{
	process_fini(p);
	tables_fini();
}

static void test_assembly(void **state)
{
	struct process p;

	start_tables(&p);
	walk();
	assert_int_equal(walked.end, UNWIND_NATIVE_COMPLETE);
	assert_false(walked.derived);
	size_t frames = pcs_len;

	fp_outer(walk);
	assert_int_equal(walked.end, UNWIND_NATIVE_COMPLETE);
	assert_true(walked.derived);
	assert_int_equal(pcs_len, frames + 1);
	assert_true(is_on_stack(fp_outer, 16));
	bare_outer(walk);
	assert_int_equal(walked.end, UNWIND_NATIVE_COMPLETE);
	assert_int_equal(pcs_len, frames + 3);
	assert_true(is_on_stack(fp_outer, 16));
	assert_true(is_on_stack(bare_outer, 32));
	stop_tables(&p);
}

static void on_signal(int number)
{
	walk();
}

/* As the kernel takes it (Linux 6.1 include/linux/signal_types.h). */
struct kernel_sigaction {
	void (*handler)(int);
	unsigned long flags;
	void (*restorer)(void);
	unsigned long mask;
};
#define KERNEL_SA_RESTORER 0x04000000

static void test_restorer(void **state)
{
	struct kernel_sigaction action = {on_signal, KERNEL_SA_RESTORER, restorer, 0}, old;
	struct process p;

	start_tables(&p);
	assert_int_equal(syscall(SYS_rt_sigaction, SIGUSR1, &action, &old, 8), 0);
	raise(SIGUSR1);
	assert_int_equal(syscall(SYS_rt_sigaction, SIGUSR1, &old, NULL, 8), 0);
	assert_int_equal(walked.end, UNWIND_NATIVE_COMPLETE);
	assert_true(is_on_stack(restorer, 9));
	assert_true(is_on_stack(test_restorer, 512));
	stop_tables(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lengths),	       cmocka_unit_test(test_against_tables),
		cmocka_unit_test(test_start),	       cmocka_unit_test(test_signal_return),
		cmocka_unit_test(test_thread_start),   cmocka_unit_test(test_frame_in_rbx),
		cmocka_unit_test(test_not_understood), cmocka_unit_test(test_debug_files),
		cmocka_unit_test(test_assembly),       cmocka_unit_test(test_restorer),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
