/* Much debug information from few lines: the library's templates, inlined deeply. */
#include <algorithm>
#include <functional>
#include <iostream>
#include <map>
#include <regex>
#include <string>
#include <vector>

struct shape {
	virtual double area() const = 0;
	virtual ~shape() {}
};

namespace geometry
{
namespace detail
{
struct square : shape {
	double side;
	explicit square(double x) : side(x) {}
	double area() const override { return side * side; }
};
template <class T> struct box {
	T value;
	explicit box(T x) : value(x) {}
	T get() const { return value; }
};
}

static double total(const std::vector<shape *> &all)
{
	double sum = 0;

	for (auto *s : all)
		sum += s->area();
	return sum;
}
}

int main(int argc, char **argv)
{
	std::map<std::string, std::vector<int>> words;
	std::regex pattern("([a-z]+)([0-9]*)");

	for (int i = 0; i < argc; i++) {
		std::smatch match;
		std::string word = argv[i];

		if (std::regex_search(word, match, pattern))
			words[match[1]].push_back(i);
	}
	std::vector<int> all;

	for (auto &w : words)
		for (int x : w.second)
			all.push_back(x);
	std::sort(all.begin(), all.end(), [](int a, int b) { return a * 7 % 13 < b * 7 % 13; });
	std::function<int(int)> next = [&](int x) {
		struct local {
			int add(int y) { return y + 1; }
		} l;

		return l.add(x) + (int)all.size();
	};
	geometry::detail::square q(geometry::detail::box<double>(3).get());
	std::vector<shape *> shapes{&q};

	std::cout << geometry::total(shapes) << next(argc) << std::endl;
}
