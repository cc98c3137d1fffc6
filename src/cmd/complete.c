#include "cmd/complete.h"

#include <ctype.h>
#include <dirent.h>

#include "base/io.h"
#include "base/utf8.h"
#include "format/format.h"

static void offer(const char *word, const char *text)
{
	printf("%s\t%s\n", word, text);
}

static void offer_formats(void)
{
	for (size_t i = 0; format_at(i); i++)
		if (format_at(i)->write)
			offer(format_at(i)->name, format_at(i)->suffix);
}

static void offer_pids(void)
{
	DIR *proc = opendir("/proc");
	struct dirent *d;

	while (proc && (d = readdir(proc))) {
		cleanup_free char *path = mem_asprintf("/proc/%s/comm", d->d_name);
		cleanup_buf struct buf name = {}, shown = {};

		if (!isdigit((unsigned char)*d->d_name) || io_read_file(path, 256, &name) < 0)
			continue;
		utf8_put_printable(&shown, (const char *)name.data, name.len ? name.len - 1 : 0);
		offer(d->d_name, buf_cstr(&shown));
	}
	if (proc)
		closedir(proc);
}

/* The option whose value comes after this word, NULL: none does. */
static const struct option_spec *takes_next(const struct option_table *t, const char *word)
{
	size_t n = strlen(word);

	for (size_t i = 0; i < t->n && n >= 2 && word[0] == '-'; i++) {
		const struct option_spec *s = &t->specs[i];
		bool is = word[1] == '-' ? !strcmp(word + 2, s->name)
					 : s->letter && word[n - 1] == s->letter;

		if (is)
			return s->takes ? s : NULL;
	}
	return NULL;
}

void complete_options(const struct option_table *t, int argc, char **argv)
{
	const char *word = argc ? argv[argc - 1] : "";
	const struct option_spec *s = argc > 1 ? takes_next(t, argv[argc - 2]) : NULL;

	if (s && !strcmp(s->takes, "FORMAT")) {
		offer_formats();
	} else if (s && !strcmp(s->takes, "PID")) {
		offer_pids();
	} else if (!s && *word == '-') {
		for (size_t i = 0; i < t->n; i++) {
			cleanup_free char *name = mem_asprintf("--%s", t->specs[i].name);

			offer(name, t->specs[i].text);
		}
		offer("--help", "explain the command");
	}
}
