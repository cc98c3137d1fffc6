/* GNU C's functions in functions: their entries stand below those of others. */
int printf(const char *format, ...);
volatile int sink;

static inline __attribute__((always_inline)) int twice(int x)
{
	return x * 2 + sink;
}

int main(int argc, char **argv)
{
	int k = argc;

	__attribute__((noinline)) int inner(int y)
	{
		k += twice(y);
		return k + sink;
	}
	int (*volatile p)(int) = inner;

	for (int i = 0; i < 10; i++)
		k += p(i) + twice(i);
	return printf("%d %s\n", k, argv[0]) < 0;
}
