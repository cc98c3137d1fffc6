/* cmd/main.c - where the program starts: finds the subcommand in the table of cmd.h and calls it.
 */
#include "cmd/cmd.h"

#include <stdarg.h>

#include "base/base.h"
#include "cmd/complete.h"

struct command {
	const char *name;
	const char *summary;
	int (*run)(int argc, char **argv);
};
static const struct command commands[] = {
#define X(name, summary) {#name, summary, cmd_##name},
	GLIM_COMMANDS(X)
#undef X
		{NULL, NULL, NULL},
};

int cmd_usage_error(const char *command, const char *fmt, ...)
{
	va_list ap;

	fprintf(stderr, "glim %s: ", command);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fprintf(stderr, "\nTry \"glim help %s\".\n", command);
	return 2;
}

static void print_help(FILE *out)
{
	fputs("Glim shows where a computer spends its time and memory.\n\n"
	      "Usage: glim COMMAND [OPTION...]\n\n",
	      out);
	for (const struct command *c = commands; c->name; c++)
		fprintf(out, "  %-10s %s\n", c->name, c->summary);
	fputs("  help       explain a command: glim help COMMAND\n"
	      "  --version  print the version\n",
	      out);
}

static const struct command *find_command(const char *name)
{
	for (const struct command *c = commands; c->name; c++)
		if (!strcmp(c->name, name))
			return c;
	return NULL;
}

/* How many letters must change to make b of a; words of up to 15 letters. */
static unsigned int distance(const char *a, const char *b)
{
	unsigned int row[16];
	size_t la = strlen(a), lb = strlen(b);

	if (la > 15 || lb > 15)
		return 99;
	for (size_t j = 0; j <= lb; j++)
		row[j] = (unsigned int)j;
	for (size_t i = 1; i <= la; i++) {
		unsigned int diagonal = row[0];

		row[0] = (unsigned int)i;
		for (size_t j = 1; j <= lb; j++) {
			unsigned int keep = diagonal + (a[i - 1] != b[j - 1]);

			diagonal = row[j];
			row[j] = MIN(keep, MIN(row[j], row[j - 1]) + 1);
		}
	}
	return row[lb];
}

static int unknown_command(const char *name)
{
	const char *best = NULL;
	unsigned int least = 3; /* further away is no typing error */

	for (const struct command *c = commands; c->name; c++) {
		unsigned int d = distance(name, c->name);

		if (d < least) {
			least = d;
			best = c->name;
		}
	}
	fprintf(stderr, "glim: there is no command \"%.40s\".", name);
	if (best)
		fprintf(stderr, " Did you mean \"%s\"?", best);
	fputs("\nTry \"glim help\".\n", stderr);
	return 2;
}

static int help(int argc, char **argv)
{
	const struct command *c;

	if (argc < 2) {
		print_help(stdout);
		return 0;
	}
	c = find_command(argv[1]);
	if (!c)
		return unknown_command(argv[1]);
	return c->run(2, (char *[]){(char *)c->name, (char *)"--help", NULL});
}

/* glim __complete WORD...: commands for the first word (and behind "help"), then those of the
 * command. */
static int complete(int argc, char **argv)
{
	bool explain = argc > 2 && !strcmp(argv[1], "help");
	const struct command *c = argc > 2 && !explain ? find_command(argv[1]) : NULL;

	if (c) {
		argv[0] = (char *)c->name;
		argv[1] = (char *)COMPLETE_WORD;
		return c->run(argc, argv);
	}
	if (argc > (explain ? 3 : 2))
		return 0;
	for (c = commands; c->name; c++)
		printf("%s\t%s\n", c->name, c->summary);
	if (!explain)
		puts("help\texplain a command");
	return 0;
}

int main(int argc, char **argv)
{
	const struct command *c;

	if (argc < 2) {
		print_help(stderr);
		return 2;
	}
	if (!strcmp(argv[1], "--version") || !strcmp(argv[1], "version")) {
		puts("glim " GLIM_VERSION);
		return 0;
	}
	if (!strcmp(argv[1], "help") || !strcmp(argv[1], "--help") || !strcmp(argv[1], "-h"))
		return help(argc - 1, argv + 1);
	if (!strcmp(argv[1], COMPLETE_WORD))
		return complete(argc - 1, argv + 1);
	c = find_command(argv[1]);
	return c ? c->run(argc - 1, argv + 1) : unknown_command(argv[1]);
}
