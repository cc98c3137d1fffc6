// As names.c, for C++. Each function tells an address of its own: the one it is called back from.
extern "C" int printf(const char *format, ...);
extern "C" int fflush(void *);
extern "C" int pause();

__attribute__((noinline)) static void print(const char *name)
{
	printf("%lx %s\n", (unsigned long)__builtin_return_address(0), name);
	__asm__ volatile("");
}
#define NAMED __attribute__((noinline))

namespace outer
{
template <typename T> struct box {
	T value;
	NAMED box(T v) : value(v)
	{
		print("outer::box<int>::box");
		__asm__ volatile("");
	}
	NAMED T get(T scale) const
	{
		print("outer::box<int>::get");
		return value * scale;
	}
	NAMED box operator+(const box &other) const
	{
		print("outer::box<int>::operator+");
		return *this;
	}
};

template <typename A, int N> NAMED A twice(A a)
{
	print("outer::twice<long, 3>");
	return a * N;
}

namespace
{
NAMED int hidden(const char *, double)
{
	print("outer::(anonymous namespace)::hidden");
	__asm__ volatile("");
	return 1;
}
}
}

NAMED int overloaded(int)
{
	print("overloaded");
	__asm__ volatile("");
	return 1;
}

int main()
{
	outer::box<int> b(3);
	(void)(b + b).get(2);
	outer::twice<long, 3>(4);
	outer::hidden("", 1.5);
	overloaded(1);
	auto lambda = [](int x) NAMED {
		print("main::$_0::operator()");
		__asm__ volatile("");
		return x;
	};
	lambda(1);
	print("main");
	printf("end\n");
	fflush(nullptr);
	for (;;)
		pause();
}
