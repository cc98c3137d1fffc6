/* Folded stacks: `process;frame;...;leaf COUNT` a line, root first, the input of flame graph
 * scripts. COUNT is samples, as many as the values are periods (profile/periods.h), so that shares
 * are those of the values; without a period it is how often the stack was seen. Python frames are
 * `name (file.py:line)`, kernel frames end in `_[k]`, a stack that was cut begins with `[cut:
 * why]`, a function without a name is `module+0xADDRESS`.
 */
#include "format/format.h"

#include "base/utf8.h"
#include "format/frame_text.h"
#include "profile/periods.h"

#define NO_PROCESS "unknown"

/* --- writing -----------------------------------------------------------------------------------
 */

/* Append text that cannot be taken for a separator or the end of a line. */
static void put_escaped(struct buf *b, const char *s, size_t len)
{
	size_t start = b->len;

	utf8_put_printable(b, s, len);
	for (size_t i = start; i < b->len; i++)
		if (b->data[i] == ';')
			b->data[i] = ':';
	if (b->len == start)
		buf_puts(b, NO_PROCESS);
}

static void put_frame(const struct profile *p, uint32_t frame, struct buf *scratch, struct buf *out)
{
	const struct profile_frame *f = &p->frames.data[frame];
	const struct profile_function *function = &p->functions.data[f->function];

	scratch->len = 0;
	frame_text_put(p, frame, scratch);
	if (function->kind == FRAME_PYTHON && function->file) {
		buf_printf(scratch, " (%s", path_last(profile_text(p, function->file)));
		if (f->line)
			buf_printf(scratch, ":%u", f->line);
		buf_putc(scratch, ')');
	}
	put_escaped(out, (const char *)scratch->data, scratch->len);
}

/* The text of every frame, made once. */
struct frame_texts {
	struct buf text;
	VEC(size_t) ends; /* of frame i's text, with the separator before it */
};

static void frame_texts_fini(struct frame_texts *t)
{
	buf_fini(&t->text);
	vec_fini(&t->ends);
}

static void frame_texts_init(struct frame_texts *t, const struct profile *p)
{
	cleanup_buf struct buf scratch = {};

	for (uint32_t i = 0; i < p->frames.len; i++) {
		buf_putc(&t->text, ';');
		put_frame(p, i, &scratch, &t->text);
		vec_push(&t->ends, t->text.len);
	}
}

typedef VEC(uint32_t) frame_vec;

static void put_stack(const struct profile *p, const struct frame_texts *t, uint32_t stack,
		      frame_vec *frames, struct buf *out)
{
	vec_clear(frames);
	for (; stack; stack = p->stacks.data[stack].parent)
		vec_push(frames, p->stacks.data[stack].frame);
	for (size_t i = frames->len; i-- > 0;) {
		uint32_t frame = frames->data[i];
		size_t start = frame ? t->ends.data[frame - 1] : 0;

		buf_append(out, t->text.data + start, t->ends.data[frame] - start);
	}
}

struct line {
	const char *text;
	int64_t weight;
};

static int by_text(const void *a, const void *b)
{
	return strcmp(((const struct line *)a)->text, ((const struct line *)b)->text);
}

struct lines {
	struct strtab text;
	VEC(struct line) lines; /* line i is string i + 1 */
};

static void lines_fini(struct lines *l)
{
	strtab_fini(&l->text);
	vec_fini(&l->lines);
}

static void add_up(int64_t *sum, int64_t weight)
{
	if (__builtin_add_overflow(*sum, weight, sum))
		*sum = INT64_MAX;
}

static void lines_add(struct lines *l, const struct buf *text, int64_t weight)
{
	uint32_t id = strtab_put(&l->text, (const char *)text->data, text->len);

	if (id > l->lines.len)
		vec_push(&l->lines, (struct line){strtab_get(&l->text, id), 0});
	add_up(&l->lines.data[id - 1].weight, weight);
}

/* In the order of their text: all that is below one caller stands together. */
static void put_lines(struct lines *l, int64_t period, struct buf *out)
{
	struct periods periods;
	int64_t total = 0;

	if (l->lines.len)
		qsort(l->lines.data, l->lines.len, sizeof(struct line), by_text);
	for (size_t i = 0; i < l->lines.len; i++)
		add_up(&total, l->lines.data[i].weight);
	periods_init(&periods, period, total);
	for (size_t i = 0; i < l->lines.len; i++) {
		int64_t count = periods_next(&periods, l->lines.data[i].weight);

		if (count)
			buf_printf(out, "%s %lld\n", l->lines.data[i].text, (long long)count);
	}
}

static int folded_write(const struct profile *p, struct buf *out, struct err *e)
{
	cleanup(frame_texts_fini) struct frame_texts texts = {};
	cleanup(lines_fini) struct lines lines = {};
	cleanup_buf struct buf line = {};
	frame_vec frames = {};

	frame_texts_init(&texts, p);
	for (size_t i = 0; i < p->samples.len; i++) {
		const struct profile_sample *s = &p->samples.data[i];
		const char *process = profile_label_value(p, s->labels, "process");
		int64_t weight = periods_weight(p->period, s->count, s->value);

		if (!weight)
			continue;
		line.len = 0;
		process = process ? process : "";
		put_escaped(&line, process, strlen(process));
		put_stack(p, &texts, s->stack, &frames, &line);
		lines_add(&lines, &line, weight);
	}
	vec_fini(&frames);
	put_lines(&lines, p->period, out);
	return 0;
}

/* --- reading -----------------------------------------------------------------------------------
 */

struct text {
	const char *p;
	size_t len;
};

static bool ends_with(struct text t, const char *suffix)
{
	size_t n = strlen(suffix);

	return t.len >= n && !memcmp(t.p + t.len - n, suffix, n);
}

/* Digits at the end of t: their value and how many, 0 when there are none or too many. */
static size_t trailing_number(struct text t, int64_t *ret_v)
{
	size_t n = 0;
	int64_t v = 0;

	while (n < t.len && t.p[t.len - 1 - n] >= '0' && t.p[t.len - 1 - n] <= '9')
		n++;
	if (n > 18)
		return 0;
	for (size_t i = t.len - n; i < t.len; i++)
		v = v * 10 + (t.p[i] - '0');
	*ret_v = v;
	return n;
}

/* "name (file:12)" or "name (file.py)"; false: not Python. */
static bool split_python(struct text t, struct text *ret_name, struct text *ret_file,
			 uint32_t *ret_line)
{
	if (!t.len || t.p[t.len - 1] != ')')
		return false;
	const char *open = memmem(t.p, t.len, " (", 2), *next = open;

	while (next) {
		open = next;
		next = memmem(open + 1, t.len - (size_t)(open + 1 - t.p), " (", 2);
	}
	if (!open || open == t.p)
		return false;
	struct text file = {open + 2, (size_t)(t.p + t.len - 1 - (open + 2))};
	int64_t line = 0;
	size_t digits = trailing_number(file, &line);

	if (digits && file.len > digits + 1 && file.p[file.len - digits - 1] == ':')
		file.len -= digits + 1;
	else if (ends_with(file, ".py"))
		line = 0;
	else
		return false;
	*ret_name = (struct text){t.p, (size_t)(open - t.p)};
	*ret_file = file;
	*ret_line = line <= INT32_MAX ? (uint32_t)line : 0;
	return true;
}

static uint32_t read_frame(struct profile *p, struct text t)
{
	struct profile_function f = {.kind = FRAME_PYTHON};
	struct profile_frame frame = {};
	struct text name, file;

	if (split_python(t, &name, &file, &frame.line)) {
		f.name = frame_text_string(p, name.p, name.len);
		f.file = frame_text_string(p, file.p, file.len);
	} else {
		frame_text_parse(p, t.p, t.len, &f, &frame.address);
	}
	frame.function = profile_function(p, &f);
	return profile_frame(p, &frame);
}

/* Cut `t` at its first ';': returns what stands before it and leaves what stands behind it. */
static struct text next_part(struct text *t)
{
	const char *semicolon = memchr(t->p, ';', t->len);
	struct text part = {t->p, semicolon ? (size_t)(semicolon - t->p) : t->len};
	size_t skip = MIN(part.len + 1, t->len);

	t->p += skip;
	t->len -= skip;
	return part;
}

static size_t count_parts(struct text t)
{
	size_t n = 0;

	while (t.len) {
		next_part(&t);
		n++;
	}
	return n;
}

static void read_line(struct profile *p, struct text stack, int64_t count)
{
	struct text process = next_part(&stack);
	uint32_t labels = 0, id = 0;
	size_t depth = count_parts(stack);

	if (process.len &&
	    !(process.len == strlen(NO_PROCESS) && !memcmp(process.p, NO_PROCESS, process.len))) {
		struct profile_label l = {profile_string(p, "process"),
					  frame_text_string(p, process.p, process.len)};

		labels = profile_labels(p, &l, 1);
	}
	if (depth > FORMAT_MAX_DEPTH)
		id = profile_stack(p, id, profile_mark(p, OUTCOME_TOO_DEEP));
	for (size_t i = 0; i < depth; i++) {
		struct text part = next_part(&stack);

		if (i + FORMAT_MAX_DEPTH > depth || depth <= FORMAT_MAX_DEPTH)
			id = profile_stack(p, id, read_frame(p, part));
	}
	profile_add(p, id, labels, count, count);
}

/* Split "stack count"; false: no count at the end. */
static bool split_count(struct text line, struct text *ret_stack, int64_t *ret_count)
{
	size_t digits = trailing_number(line, ret_count);

	if (!digits || line.len < digits + 2 || line.p[line.len - digits - 1] != ' ')
		return false;
	*ret_stack = (struct text){line.p, line.len - digits - 1};
	return true;
}

static struct text next_line(const char **at, const char *end)
{
	const char *newline = memchr(*at, '\n', (size_t)(end - *at));
	struct text line = {*at, (size_t)((newline ? newline : end) - *at)};

	*at = newline ? newline + 1 : end;
	if (line.len && line.p[line.len - 1] == '\r')
		line.len--;
	return line;
}

/* The text does not say how often samples were taken: unit and value are counts. */
static int folded_read(const void *data, size_t n, profile_vec *ret_profiles, struct err *e)
{
	cleanup_profile struct profile *p = profile_new("cpu", "count", 1);
	const char *at = data, *end = at + n;

	for (size_t number = 1; at < end; number++) {
		struct text line = next_line(&at, end), stack;
		int64_t count;

		if (!line.len)
			continue;
		if (memchr(line.p, '\0', line.len))
			return err_set(e, -EBADMSG, "line %zu is not text", number);
		if (!split_count(line, &stack, &count))
			return err_set(e, -EBADMSG, "line %zu has no count at its end", number);
		read_line(p, stack, count);
		if (profile_memory(p) > FORMAT_MAX_MEMORY)
			return err_set(e, -EFBIG, "the stacks take more than %d bytes",
				       FORMAT_MAX_MEMORY);
	}
	vec_push(ret_profiles, take_ptr(p));
	return 0;
}

/* Is the first line one of ours? A line that goes on behind the bytes given is not judged. */
static bool folded_detect(const void *data, size_t n)
{
	const char *at = data, *end = at + n;
	struct text stack;
	int64_t count;

	if (!n || !memchr(data, '\n', n))
		return false;
	struct text line = next_line(&at, end);

	return !memchr(line.p, '\0', line.len) && split_count(line, &stack, &count);
}

const struct format format_folded = {
	.name = "folded",
	.suffix = ".folded",
	.mime = "text/plain; charset=utf-8",
	.detect = folded_detect,
	.write = folded_write,
	.read = folded_read,
};
