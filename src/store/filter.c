#include "store/store_ops.h"

#include <regex.h>

enum {
	PATTERN_MAX = 512,
	/* Repetitions are unrolled when a pattern is compiled: {100}{100} would be 10,000 copies.
	 */
	REPEAT_MAX = 200,
};

struct filter {
	char *label, *value;
	enum store_match match;
	bool has_regex;
	regex_t regex;
};

/* Expressions come from outside: bound what compiling and matching them may cost. */
static int check_pattern(const char *p, struct err *e)
{
	long product = 1;

	if (strlen(p) > PATTERN_MAX)
		return err_set(e, -EINVAL, "a regular expression is longer than %d bytes",
			       PATTERN_MAX);
	for (; *p; p++) {
		if (*p == '\\' && p[1]) {
			/* Back references are no part of the standard, and take for ever. */
			if (p[1] >= '0' && p[1] <= '9')
				return err_set(e, -EINVAL, "back references are not supported");
			p++;
			continue;
		}
		if (*p != '{')
			continue;
		char *end;
		long n = strtol(p + 1, &end, 10);

		if (*end == ',' && end[1] != '}')
			n = MAX(n, strtol(end + 1, &end, 10));
		n = MAX(n, 1L);
		if (n > REPEAT_MAX || (product *= n) > REPEAT_MAX)
			return err_set(e, -EINVAL,
				       "a regular expression repeats more than %d times",
				       REPEAT_MAX);
	}
	return 0;
}

static int compile(struct filter *f, const char *pattern, struct err *e)
{
	cleanup_free char *whole = mem_asprintf("^(%s)$", pattern);
	char text[128];
	int r = check_pattern(pattern, e);

	if (r < 0)
		return r;
	r = regcomp(&f->regex, whole, REG_EXTENDED | REG_NOSUB);
	if (r) {
		regerror(r, &f->regex, text, sizeof(text));
		return err_set(e, -EINVAL, "regular expression for label \"%s\": %s", f->label,
			       text);
	}
	f->has_regex = true;
	return 0;
}

int filters_init(const struct store_query *q, struct filters *ret_filters, struct err *e)
{
	cleanup_filters struct filters fs = {mem_calloc(q->nfilters + 1, sizeof(struct filter)),
					     q->nfilters};

	for (size_t i = 0; i < fs.n; i++) {
		struct filter *f = &fs.list[i];

		f->match = q->filters[i].match;
		f->label = mem_strdup(q->filters[i].label);
		f->value = mem_strdup(q->filters[i].value);
		if (f->match == MATCH_RE || f->match == MATCH_NRE) {
			int r = compile(f, f->value, e);

			if (r < 0)
				return r;
		}
	}
	*ret_filters = fs;
	fs = (struct filters){};
	return 0;
}

void filters_fini(struct filters *f)
{
	for (size_t i = 0; i < f->n; i++) {
		free(f->list[i].label);
		free(f->list[i].value);
		if (f->list[i].has_regex)
			regfree(&f->list[i].regex);
	}
	free(f->list);
	*f = (struct filters){};
}

static bool match(const struct filter *f, const char *value)
{
	switch (f->match) {
	case MATCH_EQ:
		return !strcmp(value, f->value);
	case MATCH_NE:
		return strcmp(value, f->value);
	case MATCH_RE:
		return !regexec(&f->regex, value, 0, NULL, 0);
	case MATCH_NRE:
		return regexec(&f->regex, value, 0, NULL, 0);
	}
	return false;
}

bool filters_match(const struct filters *fs, const char *pairs, size_t len)
{
	for (size_t i = 0; i < fs->n; i++)
		if (!match(&fs->list[i], labels_get(pairs, len, fs->list[i].label)))
			return false;
	return true;
}
