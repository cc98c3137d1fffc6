#include <stdexcept>
#include <unistd.h>
struct Guard {
	~Guard()
	{
		char c;
		volatile int r = (int)read(0, &c, 1);
		(void)r;
	}
};
__attribute__((noinline)) static void thrower(int n)
{
	Guard g;
	if (!n)
		throw std::runtime_error("x");
	thrower(n - 1);
	asm volatile("");
}
int main()
{
	try {
		thrower(3);
	} catch (...) {
		return 1;
	}
}
