/* Linker names of C++ and Rust. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "symbol/demangle.h"

static const struct {
	const char *in, *out;
} names[] = {
	/* Not mangled. */
	{"", ""},
	{"main", "main"},
	{"_start", "_start"},
	{"_Z", "_Z"},
	{"_R", "_R"},
	{"_ZNot", "_ZNot"},
	{"_RNot", "_RNot"},
	{"PyEval_EvalFrameDefault.cold", "PyEval_EvalFrameDefault.cold"},
	/* C++: no parameters, no return type, no clone suffix. */
	{"_ZN3foo3barEv", "foo::bar"},
	{"_Z3fooIiET_S0_", "foo<int>"},
	{"_ZNSt6vectorIiSaIiEE9push_backERKi", "std::vector<int, std::allocator<int> >::push_back"},
	{"_ZN12_GLOBAL__N_13fooEv", "(anonymous namespace)::foo"},
	{"_ZNK3FooIiE3barEv.part.0", "Foo<int>::bar"},
	{"_ZN3foo3barEv.cold", "foo::bar"},
	{"_ZZ4mainENKUlvE_clEv", "main::{lambda()#1}::operator()"},
	{"_ZNSt8functionIFvifEEC1Ev", "std::function<void (int, float)>::function"},
	{"_ZN1AD0Ev", "A::~A"},
	{"_ZThn8_N1A1fEv", "non-virtual thunk to A::f()"},
	/* Rust, the older mangling: the hash goes, the escapes are resolved. */
	{"_ZN4core3fmt9Formatter3pad17h0123456789abcdefE", "core::fmt::Formatter::pad"},
	{"_ZN4core3fmt9Formatter3pad17h0123456789abcdefE.llvm.17", "core::fmt::Formatter::pad"},
	{"_ZN70_$LT$alloc..vec..Vec$LT$T$C$A$GT$$u20$as$u20$core..ops..drop..Drop$GT$"
	 "4drop17h0123456789abcdefE",
	 "<alloc::vec::Vec<T,A> as core::ops::drop::Drop>::drop"},
	{"_ZN3std2io5stdio6_print28_$u7b$$u7b$closure$u7d$$u7d$17h0123456789abcdefE",
	 "std::io::stdio::_print::{{closure}}"},
	/* Rust, the newer one: no hash of the crate. */
	{"_RNvCskwGfYPst2Cb_3foo3bar", "foo::bar"},
	{"_RINvNtC3std3mem8align_ofNtNtC3std3mem12DiscriminantE",
	 "std::mem::align_of::<std::mem::Discriminant>"},
	{"_RNCNvCskwGfYPst2Cb_3foo3bar0", "foo::bar::{closure#0}"},
	/* Swift stays as it is. */
	{"$s4main3fooyyF", "$s4main3fooyyF"},
	{"_$s4main3BarC3fooyyF", "_$s4main3BarC3fooyyF"},
	/* Entries of the procedure linkage table. */
	{"puts@plt", "puts@plt"},
	{"_ZN3foo3barEv@plt", "foo::bar@plt"},
	{"_RNvCskwGfYPst2Cb_3foo3bar@plt", "foo::bar@plt"},
	/* A binder, and one of more lifetimes than anybody waits for. */
	{"_RNvMC0FG0_RL0_hEu1f", "<for<'a, 'b> fn(&'b u8)>::f"},
	{"_RYQRYXYFGFYFGFF_", "_RYQRYXYFGFYFGFF_"},
};

static void test_names(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		cleanup_free char *got = demangle(names[i].in);

		assert_string_equal(got, names[i].out);
	}
}

/* X<X<...>, X<...>> with back references: each of 17 steps doubles what is printed, to megabytes.
 */
static void test_bomb(void **state)
{
	static const char digits[] = "13579BDFHJLNPRTVX";
	char in[512] = "_Z1fI1XIiiE";
	size_t n = strlen(in);

	for (const char *c = digits; *c; c++)
		n += (size_t)snprintf(in + n, sizeof(in) - n, "1XIS%c_S%c_E", *c, *c);
	in[n] = 'E';
	in[n + 1] = 'v';
	cleanup_free char *got = demangle(in);

	assert_int_equal(strlen(got), DEMANGLE_MAX_OUT);
	assert_string_equal(got + DEMANGLE_MAX_OUT - 3, "...");
	strcat(in, "@plt");
	cleanup_free char *entry = demangle(in);

	assert_int_equal(strlen(entry), DEMANGLE_MAX_OUT);
	assert_string_equal(entry + DEMANGLE_MAX_OUT - 7, "...@plt");
}

static void test_long(void **state)
{
	cleanup_free char *in = mem_calloc(4 * DEMANGLE_MAX_IN, 1);
	size_t max = 4 * DEMANGLE_MAX_IN - 1;

	memset(in, 'x', max);
	cleanup_free char *plain = demangle(in);

	assert_int_equal(strlen(plain), DEMANGLE_MAX_OUT);
	assert_string_equal(plain + DEMANGLE_MAX_OUT - 4, "x...");
	/* A function with a parameter of pointers to pointers to pointers... */
	memcpy(in, "_Z1fI", 5);
	memset(in + 5, 'P', max - 6);
	in[max - 1] = 'i';
	cleanup_free char *deep = demangle(in);

	assert_int_equal(strlen(deep), DEMANGLE_MAX_OUT);
	in[DEMANGLE_MAX_IN - 2] = 'i';
	in[DEMANGLE_MAX_IN - 1] = 'E';
	in[DEMANGLE_MAX_IN] = '\0';
	cleanup_free char *deepest = demangle(in);

	assert_true(strlen(deepest) <= DEMANGLE_MAX_OUT);
}

/* Cut anywhere and changed anywhere: any answer, no crash. */
static void test_damaged(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		cleanup_free char *in = mem_strdup(names[i].in);

		for (size_t n = strlen(in); n-- > 0;) {
			char c = in[n];

			for (const char *to = "0S_EIZKcLX\x80"; *to; to++) {
				in[n] = *to;
				free(demangle(in));
			}
			in[n] = c;
		}
		while (*in) {
			in[strlen(in) - 1] = '\0';
			free(demangle(in));
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_bomb),
		cmocka_unit_test(test_long),
		cmocka_unit_test(test_damaged),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
