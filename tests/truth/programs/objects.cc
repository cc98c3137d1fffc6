/* Virtual calls; exceptions, with work in the handler and in destructors on the way to it. */
#include "truth.h"

#include <functional>
#include <stdexcept>
#include <vector>

static const struct truth_place PLACES[] = {
	{"main shape_area shapes::Circle::area", 200},
	{"main shape_area shapes::Square::area shapes::side", 200},
	{"main handles", 200},
	{"main handles passes Guard::~Guard cleans", 200},
	{"main handles passes throws", 100},
	{"main calls_function ... called_back", 150},
	{"main nested nested_handler", 100},
	{"throws ...", 0},
	{"nested ...", 0},
	{"passes ...", 0},
	{"handles ...", 0},
};

namespace shapes {
struct Shape {
	virtual ~Shape() = default;
	virtual int area() = 0;
};

struct Circle : Shape {
	KEPT int area() override
	{
		BURN(0);
		return 1;
	}
};

KEPT int side()
{
	BURN(1);
	return 3;
}

struct Square : Shape {
	KEPT int area() override
	{
		int a = side();

		HERE();
		return a * a;
	}
};
} // namespace shapes

KEPT int shape_area(shapes::Shape *shape)
{
	int a = shape->area();

	HERE();
	return a;
}

KEPT void cleans()
{
	BURN(3);
}

struct Guard {
	int n = 0;
	KEPT ~Guard()
	{
		cleans();
		HERE();
		n++;
	}
};

KEPT void throws(int n)
{
	BURN(4);
	if (n)
		throw std::runtime_error("thrown");
}

KEPT void passes(int n)
{
	Guard guard;

	throws(n);
	HERE();
}

KEPT int handles(int n)
{
	try {
		passes(n);
	} catch (const std::runtime_error &e) {
		BURN(2);
		return e.what()[0];
	}
	return 0;
}

KEPT void nested_handler()
{
	BURN(6);
}

KEPT int nested()
{
	try {
		try {
			throw 5;
		} catch (int n) {
			throw std::logic_error("again");
		}
	} catch (const std::logic_error &e) {
		nested_handler();
		HERE();
		return 1;
	}
	return 0;
}

KEPT void called_back(int)
{
	BURN(5);
	HERE();
}

KEPT void calls_function(const std::function<void(int)> &f)
{
	f(1);
	HERE();
}

int main()
{
	std::vector<shapes::Shape *> all = {new shapes::Circle, new shapes::Square};
	std::function<void(int)> f = called_back;
	int sum = 0;

	TRUTH_INIT(PLACES);
	while (truth_goes_on()) {
		for (shapes::Shape *shape : all)
			sum += shape_area(shape);
		sum += handles(1);
		calls_function(f);
		sum += nested();
	}
	truth_print();
	return sum < 0;
}
