#include "symbol/demangle.h"

#include <libiberty/demangle.h>
#include <setjmp.h>

struct output {
	char text[DEMANGLE_MAX_OUT + 1];
	size_t len;
	jmp_buf full;
};

static void add(const char *s, size_t n, void *arg)
{
	struct output *o = arg;
	size_t room = DEMANGLE_MAX_OUT - o->len;

	if (!n)
		return; /* s may be NULL then */
	memcpy(o->text + o->len, s, MIN(n, room));
	o->len += MIN(n, room);
	/* libiberty's callback cannot stop it. The printers that call it own no memory but the
	 * stack (they are made for signal handlers), so that a jump out of them leaks nothing. */
	if (n > room)
		longjmp(o->full, 1);
}

static bool run(const char *name, struct output *o)
{
	if (setjmp(o->full)) {
		memcpy(o->text + DEMANGLE_MAX_OUT - 3, "...", 3);
		return true;
	}
	/* Rust's first mangling looks like C++ with a hash as the last part: Rust goes first. */
	return rust_demangle_callback(name, DMGL_NO_OPTS, add, o) ||
	       cplus_demangle_v3_callback(name, DMGL_NO_OPTS, add, o);
}

static bool looks_mangled(const char *name)
{
	return !strncmp(name, "_Z", 2) || !strncmp(name, "_R", 2);
}

/* Rust's second mangling: "FG" and "DG" begin a binder, the number of its lifetimes in base 62 and
 * "_" follow. Where libiberty (2.40) prints nothing it counts through all of them, for hours; real
 * binders have a digit at most. */
static bool binds_many_lifetimes(const char *name)
{
	static const char digits[] = "0123456789abcdefghijklmnopqrstuvwxyz"
				     "ABCDEFGHIJKLMNOPQRSTUVWXYZ";

	if (strncmp(name, "_R", 2))
		return false;
	for (const char *at = strchr(name, 'G'); at; at = strchr(at + 1, 'G')) {
		size_t n = strspn(at + 1, digits);

		if ((at[-1] == 'F' || at[-1] == 'D') && n > 1 && at[1 + n] == '_')
			return true;
	}
	return false;
}

static char *demangle_plain(const char *name)
{
	struct output o = {};
	size_t n = strnlen(name, DEMANGLE_MAX_IN + 1);

	if (looks_mangled(name) && n <= DEMANGLE_MAX_IN && !binds_many_lifetimes(name) &&
	    run(name, &o) && o.len)
		return mem_strdup(o.text);
	if (n <= DEMANGLE_MAX_OUT)
		return mem_strdup(name);
	return mem_asprintf("%.*s...", DEMANGLE_MAX_OUT - 3, name);
}

char *demangle(const char *name)
{
	const char *at = looks_mangled(name) ? strrchr(name, '@') : NULL;

	/* "_ZN1a1bEv@plt": a function's entry in the procedure linkage table keeps its mark. */
	if (!at || strcmp(at, "@plt"))
		return demangle_plain(name);
	cleanup_free char *function = strndup(name, (size_t)(at - name));

	CHECK(function);
	cleanup_free char *shown = demangle_plain(function);

	bool fits = strlen(shown) + strlen(at) <= DEMANGLE_MAX_OUT;

	return fits ? mem_asprintf("%s@plt", shown)
		    : mem_asprintf("%.*s...@plt", DEMANGLE_MAX_OUT - 7, shown);
}
