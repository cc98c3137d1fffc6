/* A program that knows what its functions are called: it prints "ADDRESS NAME" for addresses inside
 * them, then waits to be killed. An empty name: no function is there. Built in several ways; where
 * symbols were stripped, those that start with "static" have none. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define HERE __attribute__((noinline, noclone, used))

HERE int plain_function(int x)
{
	return x * 3 + 1;
}

HERE static int static_function(int x)
{
	return x * 5 + 2;
}

/* One function with three names, as the C library has many. */
HERE int __glim_alias(int x)
{
	return x * 7 + 3;
}
int __other_alias(int x) __attribute__((alias("__glim_alias")));
int pretty_alias(int x) __attribute__((weak, alias("__glim_alias")));

/* A public name for libraries only, a local one for people: static C libraries have such. */
HERE int __glim_quiet(int x)
{
	return x * 9 + 4;
}
static int quiet(int x) __attribute__((alias("__glim_quiet"), used));

static int resolved(int x)
{
	return x + 11;
}

static void *resolve(void)
{
	return (void *)resolved;
}
/* The symbol of a function that is chosen at start stands at what chooses. */
int indirect_function(int x) __attribute__((ifunc("resolve")));

/* Assembler as it comes: a label inside a function, a hole that belongs to nothing, an empty
 * function at the start of the next (compilers make such), a function without size, a label without
 * type, and the last function of a section, also without size. */
extern const char asm_sized[], asm_full[], asm_sizeless[], asm_untyped[], asm_last[];
__asm__(".text\n"
	".p2align 4\n"
	".globl asm_sized, asm_no, asm_full, asm_sizeless, asm_untyped, asm_last\n"
	".type asm_sized, @function\n"
	"asm_sized: nop\nnop\n"
	"asm_inner: nop\nnop\n"
	".size asm_sized, 4\n"
	".skip 12\n"
	".type asm_no, @function\n"
	".type asm_full, @function\n"
	"asm_no:\n"
	"asm_full: nop\nnop\n"
	".size asm_full, 2\n"
	".type asm_sizeless, @function\n"
	"asm_sizeless: nop\nnop\nnop\n"
	"asm_untyped: nop\nnop\n"
	".section .text.glim_apart, \"ax\", @progbits\n"
	".type asm_last, @function\n"
	"asm_last: nop\nnop\n"
	".text\n");

static void print(const void *address, size_t behind, const char *name)
{
	printf("%lx %s\n", (unsigned long)address + behind, name);
}

int main(int argc, char **argv)
{
	print(plain_function, 0, "plain_function");
	print(plain_function, 1, "plain_function");
	print(static_function, 0, "static_function");
	print(static_function, 3, "static_function");
	print(__glim_alias, 1, "pretty_alias");
#ifdef STRIPPED
	print(quiet, 0, "__glim_quiet");
#else
	print(quiet, 0, "quiet");
#endif
	print(asm_sized, 0, "asm_sized");
	print(asm_sized, 3, "asm_sized");
	print(asm_sized, 5, "");
	print(asm_full, 1, "asm_full");
	print(resolve, 1, "indirect_function");
	print(asm_sizeless, 2, "asm_sizeless");
	print(asm_untyped, 1, "asm_untyped");
	print(asm_last, 1, "asm_last");
	print(main, 2, "main");
	print(argv, 0, "");
	puts("end");
	fflush(stdout);
	for (;;)
		pause();
	return indirect_function(argc);
}
