#include "process/sources.h"

#include <sys/stat.h>
#include <unistd.h>

#include "base/io.h"
#include "process/process.h"

enum {
	MAX_SOURCE = 16 << 20,
	MAX_SOURCES = 64 << 20, /* of all files together */
};

static void source_free(struct source *s)
{
	buf_fini(&s->text);
	vec_fini(&s->starts);
	free(s);
}

void sources_fini(struct sources *s)
{
	for (size_t i = 0; i < s->list.len; i++)
		source_free(s->list.data[i]);
	vec_fini(&s->list);
	strtab_fini(&s->paths);
}

static void find_lines(struct source *s)
{
	const uint8_t *at = s->text.data, *end = at + s->text.len;

	while (at < end) {
		vec_push(&s->starts, (uint32_t)(at - s->text.data));
		at = memchr(at, '\n', (size_t)(end - at));
		if (!at)
			break;
		at++;
	}
}

static void source_read(const struct sources *all, struct source *s, const char *path, size_t max)
{
	cleanup_close int fd = process_open_path(all->pid, path, true);
	struct stat st;

	if (fd < 0 || fstat(fd, &st)) {
		s->missing = "its source cannot be read";
		return;
	}
	/* Clock ticks are coarse: a script that was written right before it ran did not change. */
	s->changed = (uint64_t)st.st_mtim.tv_sec > all->start_ns / NSEC_PER_SEC + 1;
	if (io_read_fd(fd, max, &s->text) < 0) {
		s->text.len = 0;
		s->missing = "its source is too large to be shown";
	}
}

const struct source *sources_get(struct sources *s, const char *file, const char *path)
{
	const char *name = path && *path ? path : *file ? file : "<unknown>";
	uint32_t id = strtab_puts(&s->paths, name);
	size_t held = 0;

	if (id <= s->list.len)
		return s->list.data[id - 1];
	struct source *new = mem_calloc(1, sizeof(*new));

	for (size_t i = 0; i < s->list.len; i++)
		held += s->list.data[i]->text.len;
	/* "<string>", "<frozen importlib._bootstrap>": code of no file. */
	if (*name == '<' || *file == '<')
		new->missing = "code without a source file";
	else
		source_read(s, new, name,
			    MIN((size_t)MAX_SOURCE,
				(size_t)MAX_SOURCES - MIN(held, (size_t)MAX_SOURCES)));
	find_lines(new);
	vec_push(&s->list, new);
	return new;
}

uint32_t source_lines(const struct source *s)
{
	return (uint32_t)s->starts.len;
}

const char *source_line(const struct source *s, uint32_t line, size_t *ret_len)
{
	if (!line || line > s->starts.len)
		return NULL;
	size_t from = s->starts.data[line - 1];
	size_t to = line < s->starts.len ? s->starts.data[line] : s->text.len;

	while (to > from && (s->text.data[to - 1] == '\n' || s->text.data[to - 1] == '\r'))
		to--;
	*ret_len = to - from;
	return (const char *)s->text.data + from;
}
