#include "cmd/table.h"

#include <math.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/utf8.h"

void table_fini(struct table *t)
{
	vec_fini(&t->cells);
	arena_fini(&t->memory);
}

static const char *copy_printable(struct table *t, const char *s)
{
	cleanup_buf struct buf b = {};

	if (!s)
		return NULL;
	utf8_put_printable(&b, s, strlen(s));
	return arena_strndup(&t->memory, (const char *)b.data, b.len);
}

void table_put_styled(struct table *t, const char *text, enum table_style style)
{
	vec_push(&t->cells, (struct table_cell){.text = copy_printable(t, text), .style = style});
}

void table_put(struct table *t, const char *text)
{
	table_put_styled(t, text, TABLE_PLAIN);
}

void table_put_name(struct table *t, const char *name, const char *place, enum table_style style)
{
	vec_push(&t->cells, (struct table_cell){.text = copy_printable(t, name),
						.place = copy_printable(t, place),
						.style = style});
}

void table_put_share(struct table *t, int64_t part, int64_t whole)
{
	char text[32];

	snprintf(text, sizeof(text), "%.1f", whole ? 100.0 * (double)part / (double)whole : 0.0);
	table_put(t, whole ? text : "-");
}

struct table_look table_look(int fd)
{
	const char *no = getenv("NO_COLOR"), *term = getenv("TERM");
	struct winsize size = {};
	struct table_look look = {};

	if (!isatty(fd))
		return look;
	look.colours = !(no && *no) && !(term && !strcmp(term, "dumb"));
	if (!ioctl(fd, TIOCGWINSZ, &size))
		look.width = size.ws_col;
	return look;
}

/* --- printing ----------------------------------------------------------------------------------
 */

static unsigned int width_of(const char *s)
{
	size_t len = strlen(s);
	unsigned int width = 0;

	for (size_t i = 0, n; i < len; i += n) {
		n = utf8_len(s + i, len - i);
		width += utf8_width(utf8_point(s + i, n));
	}
	return width;
}

/* As much of s as fits, the last column an ellipsis where that is not all; returns what is used. */
static unsigned int put_cut(struct buf *out, const char *s, unsigned int room)
{
	unsigned int width = width_of(s), used = 0;
	size_t len = strlen(s);

	if (width <= room) {
		buf_puts(out, s);
		return width;
	}
	for (size_t i = 0, n; i < len && room; i += n) {
		n = utf8_len(s + i, len - i);
		unsigned int one = utf8_width(utf8_point(s + i, n));

		if (used + one + 1 > room) {
			buf_puts(out, "\xe2\x80\xa6");
			return used + 1;
		}
		used += one;
		buf_append(out, s + i, n);
	}
	return used;
}

static void begin_style(struct buf *out, enum table_style style, bool colours)
{
	static const char *const codes[] = {
		[TABLE_DIM] = "\033[2m", [TABLE_MORE] = "\033[31m", [TABLE_LESS] = "\033[32m"};

	if (colours && style != TABLE_PLAIN)
		buf_puts(out, codes[style]);
}

static void end_style(struct buf *out, enum table_style style, bool colours)
{
	if (colours && style != TABLE_PLAIN)
		buf_puts(out, "\033[0m");
}

static void put_number(struct buf *out, const struct table_cell *c, unsigned int width,
		       bool colours)
{
	begin_style(out, c->style, colours);
	buf_printf(out, "%*s", (int)(width - width_of(c->text)), "");
	buf_puts(out, c->text);
	end_style(out, c->style, colours);
	buf_puts(out, "  ");
}

static void put_name(struct buf *out, const struct table_cell *c, unsigned int room, bool colours)
{
	begin_style(out, c->style, colours);
	unsigned int used = put_cut(out, c->text, room);

	end_style(out, c->style, colours);
	if (c->place && used + 3 < room) {
		buf_puts(out, "  ");
		begin_style(out, TABLE_DIM, colours);
		put_cut(out, c->place, room - used - 2);
		end_style(out, TABLE_DIM, colours);
	}
	buf_putc(out, '\n');
}

void table_print(const struct table *t, struct table_look look, struct buf *out)
{
	enum { MAX_COLUMNS = 16 };
	unsigned int widths[MAX_COLUMNS] = {}, taken = 0;
	size_t last = t->columns - 1;

	CHECK(t->columns && t->columns <= MAX_COLUMNS && t->cells.len % t->columns == 0);
	for (size_t k = 0; k < last; k++) {
		widths[k] = width_of(t->titles[k]);
		for (size_t i = k; i < t->cells.len; i += t->columns)
			widths[k] = MAX(widths[k], width_of(t->cells.data[i].text));
		taken += widths[k] + 2;
	}
	unsigned int room = !look.width ? UINT32_MAX : look.width > taken ? look.width - taken : 1;

	if (look.colours)
		buf_puts(out, "\033[1m");
	for (size_t k = 0; k < last; k++)
		buf_printf(out, "%*s%s  ", (int)(widths[k] - width_of(t->titles[k])), "",
			   t->titles[k]);
	put_cut(out, t->titles[last], room);
	buf_puts(out, look.colours ? "\033[0m\n" : "\n");
	for (size_t i = 0; i < t->cells.len; i++) {
		if (i % t->columns == last)
			put_name(out, &t->cells.data[i], room, look.colours);
		else
			put_number(out, &t->cells.data[i], widths[i % t->columns], look.colours);
	}
}

/* --- amounts -----------------------------------------------------------------------------------
 */

static void put_grouped(struct buf *b, int64_t v)
{
	char digits[24];
	size_t n = (size_t)snprintf(digits, sizeof(digits), "%lld", (long long)v);
	size_t sign = *digits == '-';

	buf_append(b, digits, sign);
	for (size_t i = sign; i < n; i++) {
		if (i > sign && (n - i) % 3 == 0)
			buf_putc(b, ',');
		buf_putc(b, digits[i]);
	}
}

void amount_put(struct buf *b, int64_t v, const char *unit)
{
	static const struct {
		const char *of, *name;
		double size;
	} units[] = {
		{"nanoseconds", "s", 1e9}, {"nanoseconds", "ms", 1e6}, {"nanoseconds", "us", 1e3},
		{"nanoseconds", "ns", 1},  {"bytes", "GiB", 1 << 30},  {"bytes", "MiB", 1 << 20},
		{"bytes", "KiB", 1 << 10}, {"bytes", "B", 1},
	};

	for (size_t i = 0; v && i < ARRAY_SIZE(units); i++) {
		double n = (double)v / units[i].size;

		if (strcmp(units[i].of, unit) || (fabs(n) < 1 && units[i].size > 1))
			continue;
		/* Three digits, all of those before the point. */
		buf_printf(b, "%.*f %s",
			   units[i].size == 1 || fabs(n) >= 99.95 ? 0
			   : fabs(n) >= 9.995			  ? 1
								  : 2,
			   n, units[i].name);
		return;
	}
	put_grouped(b, v);
}
