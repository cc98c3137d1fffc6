/* Lines of source of the frames that glim dump shows. */
#include "cmd/dump.h"

#include <limits.h>
#include <time.h>
#include <unistd.h>

#include "process/sources.h"

/* When the process started, or its core was written, by CLOCK_REALTIME. */
static uint64_t start_of(const struct dump *d)
{
	struct timespec now, up;
	double boot;

	if (d->core)
		return (uint64_t)core_time(d->core);
	clock_gettime(CLOCK_REALTIME, &now);
	clock_gettime(CLOCK_BOOTTIME, &up);
	boot = (double)(now.tv_sec - up.tv_sec) + (double)(now.tv_nsec - up.tv_nsec) / 1e9;
	return (uint64_t)((boot + (double)d->process.start_time / (double)sysconf(_SC_CLK_TCK)) *
			  NSEC_PER_SEC);
}

/* A relative path counts from where the process is now: where it was when it started is not known.
 */
static char *path_of(const struct dump *d, const char *file)
{
	char link[64], folder[PATH_MAX];
	ssize_t n;

	if (*file == '/')
		return mem_strdup(file);
	if (d->core)
		return NULL;
	snprintf(link, sizeof(link), "/proc/%d/cwd", (int)d->pid);
	n = readlink(link, folder, sizeof(folder) - 1);
	return n < 0 ? NULL : mem_asprintf("%.*s/%s", (int)n, folder, file);
}

/* A line without the blanks around it; NULL: there is nothing else, or no such line. */
static const char *bare_line(struct dump *d, const struct source *s, uint32_t line)
{
	size_t n = 0;
	const char *at = source_line(s, line, &n);

	while (n && (*at == ' ' || *at == '\t')) {
		at++;
		n--;
	}
	while (n && (at[n - 1] == ' ' || at[n - 1] == '\t' || at[n - 1] == '\r'))
		n--;
	return n ? arena_strndup(&d->arena, at, n) : NULL;
}

static void read_source(struct dump *d, struct dump_frame *f, struct sources *all)
{
	cleanup_free char *path = path_of(d, f->file);
	const struct source *s;

	if (!path)
		return;
	s = sources_get(all, f->file, path);
	f->source = bare_line(d, s, f->line);
	f->changed = f->source && s->changed;
}

static void read_sources(struct dump *d, struct dump_stack *stack, struct sources *all)
{
	for (size_t i = 0; i < stack->frames.len; i++)
		if (stack->frames.data[i].file)
			read_source(d, &stack->frames.data[i], all);
}

void dump_read_sources(struct dump *d)
{
	cleanup(sources_fini) struct sources all = {
		.pid = d->core ? 0 : d->pid,
		.start_ns = start_of(d),
	};

	for (size_t i = 0; i < d->threads.len; i++)
		read_sources(d, &d->threads.data[i].stack, &all);
	for (size_t i = 0; i < d->tasks.len; i++)
		read_sources(d, &d->tasks.data[i].stack, &all);
	for (size_t i = 0; i < d->greenlets.len; i++)
		read_sources(d, &d->greenlets.data[i].stack, &all);
}
