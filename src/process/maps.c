#include "process/process_priv.h"

#include <sys/sysmacros.h>
#include <unistd.h>

enum {
	/* A path is at most PATH_MAX (4,096) bytes, and four times that when it is all newlines. */
	LINE_BUFFER = 32 * 1024,
};

void maps_free(struct process *p)
{
	for (size_t i = 0; i < p->mappings.len; i++)
		free(p->mappings.data[i].path);
	vec_fini(&p->mappings);
}

static void push_copy(struct process *p, struct mapping m)
{
	m.path = mem_strdup(m.path);
	vec_push(&p->mappings, m);
}

void process_copy_mappings(struct process *to, const struct process *from)
{
	for (size_t i = 0; i < from->mappings.len; i++)
		push_copy(to, from->mappings.data[i]);
}

void process_map(struct process *p, const struct mapping *m)
{
	struct process before = {.mappings = p->mappings};
	size_t i = 0;

	p->mappings = (__typeof__(p->mappings)){};
	vec_reserve(&p->mappings, before.mappings.len + 2);
	while (i < before.mappings.len && before.mappings.data[i].end <= m->start)
		vec_push(&p->mappings, before.mappings.data[i++]);
	/* What is left of the one that the new one begins in. */
	if (i < before.mappings.len && before.mappings.data[i].start < m->start) {
		struct mapping left = before.mappings.data[i];

		left.end = m->start;
		push_copy(p, left);
	}
	push_copy(p, *m);
	for (; i < before.mappings.len; i++) {
		struct mapping right = before.mappings.data[i];

		if (right.end <= m->end) {
			free(right.path);
			continue;
		}
		if (right.start < m->end) {
			right.offset += m->end - right.start;
			right.start = m->end;
		}
		vec_push(&p->mappings, right);
	}
	vec_fini(&before.mappings);
}

/* A number up to the character that must end it; NULL when the text is not like that. */
static const char *number(const char *s, const char *end, unsigned int base, char stop,
			  uint64_t *ret)
{
	uint64_t v = 0;

	for (; s < end && *s != stop; s++) {
		unsigned int digit = *s >= '0' && *s <= '9'   ? (unsigned int)(*s - '0')
				     : *s >= 'a' && *s <= 'f' ? (unsigned int)(*s - 'a' + 10)
							      : 99;

		if (digit >= base || v > (UINT64_MAX - digit) / base)
			return NULL;
		v = v * base + digit;
	}
	*ret = v;
	return s < end ? s + 1 : NULL;
}

/* The kernel writes a newline of a path as \012 and leaves all else alone, the backslash too
 * (Linux 6.1 fs/proc/task_mmu.c:show_map_vma(), seq_file_path(m, file, "\n")). */
static char *unescape(const char *s, size_t n)
{
	char *out = mem_calloc(n + 1, 1);
	size_t len = 0;

	for (size_t i = 0; i < n; i++) {
		if (n - i >= 4 && !memcmp(s + i, "\\012", 4)) {
			out[len++] = '\n';
			i += 3;
		} else {
			out[len++] = s[i];
		}
	}
	return out;
}

bool maps_cut_deleted(const char *path, size_t *n)
{
	static const char deleted[] = " (deleted)";
	size_t tail = sizeof(deleted) - 1;

	if (*n <= tail || *path != '/' || memcmp(path + *n - tail, deleted, tail))
		return false;
	*n -= tail;
	return true;
}

static void parse_path(struct mapping *m, const char *s, const char *end)
{
	size_t n;

	while (s < end && *s == ' ')
		s++;
	n = (size_t)(end - s);
	m->deleted = maps_cut_deleted(s, &n);
	m->path = unescape(s, n);
}

/* One line: "start-end perms offset major:minor inode   path". Returns 1 for an executable one,
 * which ret then holds, 0 for others. */
static int parse_line(const char *s, const char *end, struct mapping *ret)
{
	struct mapping m = {};
	uint64_t major, minor;

	s = number(s, end, 16, '-', &m.start);
	s = s ? number(s, end, 16, ' ', &m.end) : NULL;
	if (!s || end - s < 5 || m.start >= m.end)
		return -EBADMSG;
	if (s[2] != 'x')
		return 0;
	s = number(s + 5, end, 16, ' ', &m.offset);
	s = s ? number(s, end, 16, ':', &major) : NULL;
	s = s ? number(s, end, 16, ' ', &minor) : NULL;
	s = s ? number(s, end, 10, ' ', &m.inode) : NULL;
	if (!s)
		return -EBADMSG;
	m.dev = makedev(major, minor);
	parse_path(&m, s, end);
	*ret = m;
	return 1;
}

void maps_add(struct process *p, struct mapping *m)
{
	const struct mapping *last =
		p->mappings.len ? &p->mappings.data[p->mappings.len - 1] : NULL;

	/* The kernel goes up by address; when the process changes its mappings meanwhile, one may
	 * still begin before the end of the last. The searches rely on their order. */
	if ((last && m->start < last->end) || p->mappings.len == MAX_EXECUTABLE_MAPPINGS) {
		free(m->path);
		p->mappings_dropped++;
		return;
	}
	vec_push(&p->mappings, *m);
}

static int take_line(struct process *p, const char *s, const char *end)
{
	struct mapping m;
	int r = parse_line(s, end, &m);

	if (r > 0)
		maps_add(p, &m);
	return MIN(r, 0);
}

int maps_read_text(int fd, struct process *p)
{
	char text[LINE_BUFFER];
	size_t have = 0;

	for (;;) {
		ssize_t n = read(fd, text + have, sizeof(text) - have);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return gone(errno);
		if (n == 0)
			return have ? -EBADMSG : 0;
		const char *s = text, *end = text + have + n, *newline;

		while ((newline = memchr(s, '\n', (size_t)(end - s)))) {
			int r = take_line(p, s, newline);

			if (r)
				return r;
			s = newline + 1;
		}
		have = (size_t)(end - s);
		if (have == sizeof(text))
			return -EBADMSG;
		memmove(text, s, have);
	}
}

int maps_read(int fd, struct process *p)
{
	if (!maps_query(fd, p))
		return 0;
	maps_free(p);
	p->mappings_dropped = 0;
	return maps_read_text(fd, p);
}
