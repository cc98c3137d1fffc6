/* Functions inlined into each other, at points that say themselves what is right: each point puts
 * its address and the lines of its chain of calls into the section points. Lines travel as
 * arguments: they are constants once all is inlined. */
#define POINT(line, middle, outer, name)                                                           \
	__asm__ volatile("1: nop\n"                                                                \
			 ".pushsection points, \"a\"\n"                                            \
			 ".quad 1b - .\n"                                                          \
			 ".long %c0, %c1, %c2, %c3\n"                                              \
			 ".popsection\n" ::"i"(line),                                              \
			 "i"(middle), "i"(outer), "i"(name))
#define ALWAYS static inline __attribute__((always_inline))

volatile int sink;

ALWAYS void leaf(int middle, int outer, int name)
{
	POINT(__LINE__, middle, outer, name);
	sink++;
}

ALWAYS void middle(int outer, int name)
{
	if (sink & 1)
		leaf(__LINE__, outer, name);
	sink += 3;
	leaf(__LINE__, outer, name);
}

/* Their numbers stand in the points. */
__attribute__((noinline)) void first(void)
{
	POINT(__LINE__, 0, 0, 1);
	middle(__LINE__, 1);
	sink = 7;
	middle(__LINE__, 1);
}

__attribute__((noinline)) static int second(int n)
{
	for (int i = 0; i < n; i++) {
		int k = sink;

		if (k > 5)
			middle(__LINE__, 2);
		sink += k;
	}
	return sink;
}

int main(int argc, char **argv)
{
	(void)argv;
	first();
	second(argc);
	middle(__LINE__, 3);
	return sink == 12345;
}
