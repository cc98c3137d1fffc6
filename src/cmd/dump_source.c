/* Lines of source of the frames that glim dump shows. */
#include "cmd/dump.h"

#include <limits.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/io.h"

enum { MAX_SOURCE = 16 << 20 };

/* The file of the last frame: frames of one file mostly follow each other. */
struct source {
	const char *path;
	struct buf text;
	bool changed;
};

/* When the process started, or its core was written, seconds since 1970. */
static double start_of(const struct dump *d)
{
	struct timespec now, up;

	if (d->core)
		return (double)core_time(d->core) / NSEC_PER_SEC;
	clock_gettime(CLOCK_REALTIME, &now);
	clock_gettime(CLOCK_BOOTTIME, &up);
	return (double)(now.tv_sec - up.tv_sec) + (double)(now.tv_nsec - up.tv_nsec) / 1e9 +
	       (double)d->process.start_time / (double)sysconf(_SC_CLK_TCK);
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

static void source_read(const struct dump *d, const char *file, struct source *s)
{
	cleanup_free char *path = path_of(d, file);
	struct stat st;

	s->path = file;
	s->text.len = 0;
	/* "<string>", "<frozen importlib._bootstrap>" */
	if (!path || *file == '<')
		return;
	cleanup_close int fd = process_open_path(d->core ? 0 : d->pid, path, true);

	if (fd < 0 || fstat(fd, &st) || io_read_fd(fd, MAX_SOURCE, &s->text) < 0) {
		s->text.len = 0;
		return;
	}
	/* Clock ticks are coarse. */
	s->changed = (double)st.st_mtim.tv_sec > start_of(d) + 1;
}

static const char *line_of(struct dump *d, const struct source *s, uint32_t line)
{
	const char *at = (const char *)s->text.data, *end = at + s->text.len, *stop;

	for (uint32_t i = 1; at < end && i < line; i++) {
		at = memchr(at, '\n', (size_t)(end - at));
		if (!at)
			return NULL;
		at++;
	}
	if (!at || at >= end || !line)
		return NULL;
	stop = memchr(at, '\n', (size_t)(end - at));
	stop = stop ? stop : end;
	while (at < stop && (*at == ' ' || *at == '\t'))
		at++;
	while (stop > at && (stop[-1] == ' ' || stop[-1] == '\t' || stop[-1] == '\r'))
		stop--;
	return at < stop ? arena_strndup(&d->arena, at, (size_t)(stop - at)) : NULL;
}

static void read_sources(struct dump *d, struct dump_stack *stack, struct source *s)
{
	for (size_t i = 0; i < stack->frames.len; i++) {
		struct dump_frame *f = &stack->frames.data[i];

		if (!f->file)
			continue;
		if (!s->path || strcmp(s->path, f->file))
			source_read(d, f->file, s);
		f->source = line_of(d, s, f->line);
		f->changed = f->source && s->changed;
	}
}

void dump_read_sources(struct dump *d)
{
	struct source s = {};

	for (size_t i = 0; i < d->threads.len; i++)
		read_sources(d, &d->threads.data[i].stack, &s);
	for (size_t i = 0; i < d->tasks.len; i++)
		read_sources(d, &d->tasks.data[i].stack, &s);
	for (size_t i = 0; i < d->greenlets.len; i++)
		read_sources(d, &d->greenlets.data[i].stack, &s);
	buf_fini(&s.text);
}
