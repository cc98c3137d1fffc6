/* The same in C++: virtual calls, templates of the library, exceptions. See native_target.c. */
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <map>
#include <stdexcept>
#include <string>
#include <sys/prctl.h>
#include <signal.h>
#include <unistd.h>
#include <vector>

static void *volatile noted[8192];
static volatile unsigned long noted_len;
static volatile unsigned long sink;

#define FUNCTION extern "C" __attribute__((noinline, used, section("noted_text")))
/* Made first in a function, gone last. */
struct note {
	template <typename F> explicit note(F *f)
	{
		noted[noted_len] = reinterpret_cast<void *>(f);
		noted_len = noted_len + 1;
	}
	~note() { noted_len = noted_len - 1; }
};
#define ENTER(f) note note_(f)

FUNCTION void leaf(int n)
{
	ENTER(leaf);
	for (int i = 0; i < 20; i++)
		sink = sink + n * i;
}

struct shape {
	virtual ~shape() = default;
	virtual void draw(int n) = 0;
};
FUNCTION void draw_square(int n)
{
	ENTER(draw_square);
	leaf(n);
	leaf(n + 1);
}
FUNCTION void draw_circle(int n)
{
	ENTER(draw_circle);
	std::string text(n % 50, 'x');
	sink = sink + text.size();
	leaf(n);
}
struct square : shape {
	void draw(int n) override { draw_square(n); sink = sink + 1; }
};
struct circle : shape {
	void draw(int n) override { draw_circle(n); sink = sink + 1; }
};

FUNCTION void fail(int n)
{
	ENTER(fail);
	leaf(n);
	throw std::runtime_error("failed");
}
FUNCTION void fail_deeper(int n)
{
	ENTER(fail_deeper);
	std::string text(100, 'y');
	if (n > 0)
		fail_deeper(n - 1);
	else
		fail(n);
}

FUNCTION void exceptions(void)
{
	ENTER(exceptions);
	try {
		fail_deeper(3);
	} catch (const std::exception &e) {
		sink = sink + strlen(e.what());
	}
}

FUNCTION void containers(void)
{
	ENTER(containers);
	std::map<std::string, int> names;
	std::vector<int> numbers;
	for (int i = 0; i < 30; i++) {
		names[std::to_string(i * 7)] = i;
		numbers.push_back(i * 37 % 30);
	}
	std::sort(numbers.begin(), numbers.end(), [](int a, int b) {
		if (a == 3)
			leaf(b);
		return a < b;
	});
	std::function<void(int)> f = [&](int n) { leaf(n + numbers[0]); };
	f(2);
}

__attribute__((section("noted_text"))) int main(int argc, char **argv)
{
	square a;
	circle b;
	shape *shapes[] = {&a, &b};

	if (argc < 2)
		return 2;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	noted[noted_len] = reinterpret_cast<void *>(main);
	noted_len = noted_len + 1;
	printf("%p %p %d\n", (void *)noted, (void *)&noted_len, (int)getpid());
	fflush(stdout);
	char go;
	if (read(0, &go, 1) != 1)
		return 1;
	for (int i = 0;; i++) {
		if (!strcmp(argv[1], "exceptions"))
			exceptions();
		shapes[i & 1]->draw(i);
		containers();
	}
}
