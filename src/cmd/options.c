#include "cmd/options.h"

#include <ctype.h>

#include "base/io.h"
#include "cmd/cmd.h"
#include "cmd/complete.h"

enum { HELP_COLUMNS = 80, MAX_OPTIONS = 32, MAX_FILE = 65536 };

/* Text in lines of the width of a terminal; those that are there stay. */
static void print_wrapped(const char *text)
{
	size_t column = 0, blanks = 0;

	while (*text) {
		size_t n = strcspn(text, " \n");

		if (column && column + blanks + n > HELP_COLUMNS) {
			putchar('\n');
			column = blanks = 0;
		}
		printf("%*s%.*s", (int)blanks, "", (int)n, text);
		column += blanks + n;
		text += n;
		blanks = strspn(text, " ");
		text += blanks;
		if (*text == '\n') {
			putchar(*text++);
			column = blanks = 0;
		}
	}
	putchar('\n');
}

static void print_help(const struct option_table *t)
{
	printf("Usage: glim %s %s\n\n", t->command, t->usage);
	print_wrapped(t->about);
	putchar('\n');
	for (size_t i = 0; i < t->n; i++) {
		const struct option_spec *s = &t->specs[i];
		char left[64];

		snprintf(left, sizeof(left), "%c%c%s--%s%s%s", s->letter ? '-' : ' ',
			 s->letter ? s->letter : ' ', s->letter ? ", " : "  ", s->name,
			 s->takes ? " " : "", s->takes ? s->takes : "");
		printf("  %-26s %s\n", left, s->text);
	}
	printf("  %-26s %s\n", "    --help", "this text");
	if (t->examples)
		printf("\nExamples:\n%s", t->examples);
	if (t->settings)
		fputs("\nAn option --some-name may also be given as GLIM_SOME_NAME in the\n"
		      "environment, or as a line \"some-name = value\" in the file of --config.\n",
		      stdout);
}

static const struct option_spec *find_long(const struct option_table *t, const char *name, size_t n)
{
	for (size_t i = 0; i < t->n; i++)
		if (strlen(t->specs[i].name) == n && !memcmp(t->specs[i].name, name, n))
			return &t->specs[i];
	return NULL;
}

static const struct option_spec *find_short(const struct option_table *t, char letter)
{
	for (size_t i = 0; i < t->n; i++)
		if (t->specs[i].letter == letter)
			return &t->specs[i];
	return NULL;
}

/* ---- the command line ---- */

struct line {
	int argc;
	char **argv;
	int at; /* the argument being looked at */
	bool *set;
	bool over; /* only operands from here on */
};

static int assign(const struct option_table *t, struct line *l, const struct option_spec *s,
		  const char *attached)
{
	if (!s->takes) {
		if (attached)
			return cmd_usage_error(t->command, "--%s takes no value", s->name);
		attached = "yes";
	} else if (!attached) {
		if (l->at + 1 >= l->argc)
			return cmd_usage_error(t->command, "--%s needs a value: %s", s->name,
					       s->takes);
		attached = l->argv[++l->at];
	}
	if (s->all)
		vec_push(s->all, attached);
	else
		*s->value = attached;
	l->set[s - t->specs] = true;
	l->over |= s->last;
	return 0;
}

static int long_option(const struct option_table *t, struct line *l, const char *text)
{
	const char *equal = strchr(text, '=');
	size_t n = equal ? (size_t)(equal - text) : strlen(text);
	const struct option_spec *s = find_long(t, text, n);

	if (!s)
		return cmd_usage_error(t->command, "there is no option --%.*s", (int)MIN(n, 40),
				       text);
	return assign(t, l, s, equal ? equal + 1 : NULL);
}

/* -a, -d 5, -d5, -ad5 */
static int short_options(const struct option_table *t, struct line *l, const char *text)
{
	for (; *text; text++) {
		const struct option_spec *s = find_short(t, *text);
		int r;

		if (!s)
			return cmd_usage_error(t->command, "there is no option -%c",
					       isgraph((unsigned char)*text) ? *text : '?');
		if (s->takes)
			return assign(t, l, s, text[1] ? text + 1 : NULL);
		r = assign(t, l, s, NULL);
		if (r)
			return r;
	}
	return 0;
}

/* The operands, which were put to argv[1] and on, behind what else there was before argv[end]. */
static int operands_last(struct line *l, int operands, int end)
{
	int first = end - operands;

	memmove(l->argv + first, l->argv + 1, (size_t)operands * sizeof(*l->argv));
	return first;
}

static int parse_line(const struct option_table *t, struct line *l, int *ret_status)
{
	int operands = 0;

	for (l->at = 1; l->at < l->argc; l->at++) {
		char *arg = l->argv[l->at];
		int r;

		if (!strcmp(arg, "--"))
			return operands_last(l, operands, l->at + 1);
		if ((arg[0] != '-' || !arg[1]) && !t->mixed)
			return l->at;
		if (arg[0] != '-' || !arg[1]) {
			/* What stood there was looked at: values point to the text, not there. */
			l->argv[1 + operands++] = arg;
			continue;
		}
		if (!strcmp(arg, "--help") || !strcmp(arg, "-h")) {
			print_help(t);
			*ret_status = 0;
			return -1;
		}
		r = arg[1] == '-' ? long_option(t, l, arg + 2) : short_options(t, l, arg + 1);
		if (r) {
			*ret_status = r;
			return -1;
		}
		if (l->over)
			return operands_last(l, operands, l->at + 1);
	}
	return operands_last(l, operands, l->argc);
}

/* ---- the environment ---- */

static void take_environment(const struct option_table *t, bool *set)
{
	for (size_t i = 0; i < t->n; i++) {
		char name[64] = "GLIM_";
		const char *v;
		size_t n = 5;

		for (const char *p = t->specs[i].name; *p && n < sizeof(name) - 1; p++)
			name[n++] = *p == '-' ? '_' : (char)toupper((unsigned char)*p);
		name[n] = 0;
		v = getenv(name);
		if (set[i] || !v || !*v)
			continue;
		*t->specs[i].value = v;
		set[i] = true;
	}
}

/* ---- the file ---- */

static char *trim(char *s)
{
	size_t n;

	while (isspace((unsigned char)*s))
		s++;
	n = strlen(s);
	while (n && isspace((unsigned char)s[n - 1]))
		s[--n] = 0;
	return s;
}

static int file_line(const struct option_table *t, const char *path, unsigned int number,
		     char *line, bool *set)
{
	char *text = trim(line), *equal = strchr(text, '='), *name;
	const struct option_spec *s;

	if (!*text || *text == '#')
		return 0;
	if (!equal)
		return cmd_usage_error(t->command, "%s, line %u: expected \"name = value\"", path,
				       number);
	*equal = 0;
	name = trim(text);
	s = find_long(t, name, strlen(name));
	if (!s || !strcmp(name, "config"))
		return cmd_usage_error(t->command, "%s, line %u: there is no setting \"%.40s\"",
				       path, number, name);
	if (set[s - t->specs])
		return 0;
	*s->value = trim(equal + 1);
	return 0;
}

static int take_file(const struct option_table *t, const char *path, struct arena *a, bool *set)
{
	cleanup_buf struct buf b = {};
	struct err e = {};
	unsigned int number = 0;
	char *text;
	int r = io_read_file(path, MAX_FILE, &b);

	if (r) {
		err_sys(&e, r, "cannot read %s", path);
		return cmd_usage_error(t->command, "%s", e.msg);
	}
	text = arena_strdup(a, buf_cstr(&b));
	while (text && !r) {
		char *line = strsep(&text, "\n");

		r = file_line(t, path, ++number, line, set);
	}
	return r;
}

int options_parse(const struct option_table *t, int argc, char **argv, struct arena *a,
		  int *ret_status)
{
	bool set[MAX_OPTIONS] = {};
	struct line l = {argc, argv, 0, set, false};
	const struct option_spec *config = find_long(t, "config", 6);
	int operand, r;

	CHECK(t->n <= MAX_OPTIONS);
	if (argc > 1 && !strcmp(argv[1], COMPLETE_WORD)) {
		complete_options(t, argc - 2, argv + 2);
		*ret_status = 0;
		return -1;
	}
	operand = parse_line(t, &l, ret_status);
	if (operand < 0 || !t->settings)
		return operand;
	take_environment(t, set);
	if (config && *config->value) {
		r = take_file(t, *config->value, a, set);
		if (r) {
			*ret_status = r;
			return -1;
		}
	}
	return operand;
}

/* ---- values ---- */

int options_number(const char *name, const char *text, unsigned int min, unsigned int max,
		   unsigned int *ret, struct err *e)
{
	char *end;
	unsigned long long v;

	errno = 0;
	v = strtoull(text, &end, 10);
	if (!isdigit((unsigned char)*text) || *end || errno || v < min || v > max)
		return err_set(e, -EINVAL, "%s must be a number from %u to %u, not \"%.40s\"", name,
			       min, max, text);
	*ret = (unsigned int)v;
	return 0;
}

int options_seconds(const char *name, const char *text, double min, double max, double *ret,
		    struct err *e)
{
	char *end;
	double v = strtod(text, &end);

	/* Digits and a point only: strtod knows more, such as "inf" and hexadecimal. */
	if (strspn(text, "0123456789.") != strlen(text) || end == text || *end ||
	    !(v >= min && v <= max))
		return err_set(e, -EINVAL, "%s must be seconds from %g to %g, not \"%.40s\"", name,
			       min, max, text);
	*ret = v;
	return 0;
}

int options_bytes(const char *name, const char *text, size_t min, size_t max, size_t *ret,
		  struct err *e)
{
	static const char units[] = "KMG";
	const char *unit;
	char *end;
	unsigned long long v;
	unsigned int shift = 0;

	errno = 0;
	v = strtoull(text, &end, 10);
	unit = *end ? strchr(units, toupper((unsigned char)*end)) : NULL;
	if (unit) {
		shift = 10 * (unsigned int)(unit - units + 1);
		end++;
	}
	if (!isdigit((unsigned char)*text) || *end || errno || v > max >> shift || v << shift < min)
		return err_set(e, -EINVAL,
			       "%s must be an amount such as 16M, from %zu to %zu bytes, not "
			       "\"%.40s\"",
			       name, min, max, text);
	*ret = (size_t)v << shift;
	return 0;
}
