/* The screen of a terminal, its drawing, and keys. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/utf8.h"
#include "sink/keys.h"
#include "sink/screen.h"

/* ---- text into cells ---- */

static void expect_row(const struct screen *s, unsigned int row, const char *want)
{
	cleanup_buf struct buf b = {};

	screen_row_text(s, row, &b);
	assert_string_equal(buf_cstr(&b), want);
}

static unsigned int put(struct screen *s, unsigned int column, unsigned int width,
			enum screen_cut cut, const char *text)
{
	return screen_put(s, 0, column, width, STYLE_PLAIN, cut, text, strlen(text));
}

static void expect_put(unsigned int width, enum screen_cut cut, const char *text, unsigned int used,
		       const char *want)
{
	struct screen s = {};

	screen_resize(&s, 20, 1);
	assert_int_equal(put(&s, 0, width, cut, text), used);
	expect_row(&s, 0, want);
	screen_fini(&s);
}

static void text_is_cut_at_its_width(void **state)
{
	expect_put(5, CUT_END, "abcde", 5, "abcde");
	expect_put(5, CUT_END, "abcdef", 5, "abcd\xe2\x80\xa6");
	expect_put(5, CUT_START, "abcdef", 5,
		   "\xe2\x80\xa6"
		   "cdef");
	expect_put(1, CUT_END, "abc", 1, "\xe2\x80\xa6");
	expect_put(0, CUT_END, "abc", 0, "");
	expect_put(99, CUT_END, "0123456789012345678901", 20, "0123456789012345678\xe2\x80\xa6");
	/* Wide ones: the mark takes the place of a whole one. */
	expect_put(4, CUT_END, "\xe6\x97\xa5\xe6\x9c\xac", 4, "\xe6\x97\xa5\xe6\x9c\xac");
	expect_put(3, CUT_END, "\xe6\x97\xa5\xe6\x9c\xac", 3, "\xe6\x97\xa5\xe2\x80\xa6");
	expect_put(2, CUT_END, "\xe6\x97\xa5\xe6\x9c\xac", 1, "\xe2\x80\xa6");
	expect_put(4, CUT_START, "\xe6\x97\xa5\xe6\x9c\xac!", 4, "\xe2\x80\xa6\xe6\x9c\xac!");
	/* What combines takes no room, and none is left without its base. */
	expect_put(2, CUT_END, "e\xcc\x81x", 2, "e\xcc\x81x");
	expect_put(2, CUT_END, "e\xcc\x81xy", 2, "e\xcc\x81\xe2\x80\xa6");
	expect_put(2, CUT_START, "xe\xcc\x81x", 2, "\xe2\x80\xa6x");
}

static void no_control_of_a_stranger_gets_through(void **state)
{
	struct screen s = {};
	cleanup_buf struct buf b = {};

	screen_resize(&s, 60, 1);
	put(&s, 0, 60, CUT_END, "a\x1b[31m\n\t\x7f\x9b\xc2\x9b\xff");
	expect_row(&s, 0, "a\\x1b[31m\\x0a\\x09\\x7f\\x9b\\xc2\\x9b\\xff");
	/* From right to left, and other changes of direction. */
	screen_clear(&s);
	put(&s, 0, 60, CUT_END, "x\xe2\x80\xaey\xe2\x81\xa6z\xe2\x80\x8f");
	expect_row(&s, 0, "x?y?z?");
	/* A thousand accents on one letter. */
	screen_clear(&s);
	buf_putc(&b, 'e');
	for (int i = 0; i < 1000; i++)
		buf_puts(&b, "\xcc\x81");
	buf_putc(&b, 'f');
	assert_int_equal(screen_put(&s, 0, 0, 9, 0, CUT_END, (char *)b.data, b.len), 2);
	assert_true(screen_at(&s, 0, 0)->len <= SCREEN_TEXT);
	assert_string_equal(screen_at(&s, 0, 1)->text, "f");
	/* One that has no letter before it. */
	assert_int_equal(put(&s, 5, 9, CUT_END, "\xcc\x81"), 0);
	screen_fini(&s);
}

static void ascii_terminals_see_ascii(void **state)
{
	struct screen s = {.ascii = true};

	screen_resize(&s, 20, 1);
	s.ascii = true;
	put(&s, 0, 6, CUT_END, "\xc3\xa9\xe6\x97\xa5\xcc\x81xyzuvw");
	expect_row(&s, 0, "??xyz~");
	screen_fini(&s);
}

static void half_of_a_wide_character_is_none(void **state)
{
	struct screen s = {};

	screen_resize(&s, 8, 1);
	put(&s, 0, 8, CUT_END, "\xe6\x97\xa5\xe6\x97\xa5\xe6\x97\xa5");
	put(&s, 1, 1, CUT_END, "a");
	put(&s, 4, 1, CUT_END, "b");
	expect_row(&s, 0,
		   " a\xe6\x97\xa5"
		   "b");
	put(&s, 3, 2, CUT_END, "\xe6\x97\xa5");
	expect_row(&s, 0, " a \xe6\x97\xa5");
	screen_fini(&s);
}

/* ---- drawing, judged by a small terminal ---- */

struct vt {
	struct screen_cell cells[12][40];
	unsigned int row, column, style;
};

static const char *vt_sequence(struct vt *t, const char *s)
{
	unsigned int args[8] = {}, n = 0;
	const struct screen_cell blank = {.text = " ", .len = 1};

	if (*s == '?') {
		s += strcspn(s, "hl");
		return s + 1;
	}
	while (strchr("0123456789;", *s)) {
		if (*s == ';')
			n++;
		else
			args[n] = args[n] * 10 + (unsigned int)(*s - '0');
		s++;
	}
	switch (*s) {
	case 'H':
		t->row = args[0] - 1;
		t->column = args[1] - 1;
		break;
	case 'C':
		t->column += args[0];
		break;
	case 'K':
		for (unsigned int i = t->column; i < 40; i++)
			t->cells[t->row][i] = blank;
		break;
	case 'J':
		for (unsigned int i = 0; i < 12 * 40; i++)
			t->cells[i / 40][i % 40] = blank;
		break;
	case 'm':
		for (unsigned int i = 0; i <= n; i++)
			t->style = !args[i]	  ? 0
				   : args[i] == 1 ? t->style | STYLE_BOLD
				   : args[i] == 2 ? t->style | STYLE_DIM
				   : args[i] == 7 ? t->style | STYLE_REVERSE
						  : t->style | (args[i] - 30);
		break;
	default:
		fail_msg("unexpected sequence: %c", *s);
	}
	return s + 1;
}

static void vt_write(struct vt *t, const char *s)
{
	while (*s) {
		size_t n = utf8_len(s, strlen(s));
		unsigned int width = utf8_width(utf8_point(s, n));
		struct screen_cell *c;

		if (*s == '\x1b') {
			assert_int_equal(s[1], '[');
			s = vt_sequence(t, s + 2);
			continue;
		}
		assert_true(n && (uint8_t)*s >= 0x20);
		assert_true(t->row < 12 && t->column + width <= 40);
		if (!width) {
			c = &t->cells[t->row][t->column - 1];
			c = c->len ? c : c - 1;
			memcpy(c->text + c->len, s, n);
			c->len += (uint8_t)n;
		} else {
			c = &t->cells[t->row][t->column];
			*c = (struct screen_cell){.len = (uint8_t)n, .style = (uint8_t)t->style};
			memcpy(c->text, s, n);
			if (width == 2)
				c[1] = (struct screen_cell){.style = (uint8_t)t->style};
		}
		t->column += width;
		s += n;
	}
}

static uint32_t state_of_chance;

static unsigned int chance(unsigned int n)
{
	state_of_chance = state_of_chance * 1664525 + 1013904223;
	return (state_of_chance >> 8) % n;
}

static void scribble(struct screen *s, unsigned int times)
{
	static const char *const texts[] = {
		"compute", " ",	     "\xe6\x97\xa5\xe6\x9c\xac", "e\xcc\x81t\xc3\xa9",
		"12.5",	   "      ", "\xf0\x9f\x94\xa5",	 "x",
	};

	while (times--) {
		const char *t = texts[chance(ARRAY_SIZE(texts))];
		static const unsigned int styles[] = {0, 0, STYLE_BOLD, STYLE_REVERSE,
						      STYLE_DIM | STYLE_CYAN};

		screen_put(s, chance(s->rows), chance(s->columns), chance(12),
			   styles[chance(ARRAY_SIZE(styles))], chance(2) ? CUT_END : CUT_START, t,
			   strlen(t));
	}
}

static void drawing_makes_one_screen_of_another(void **state)
{
	struct vt t = {};
	struct screen shown = {}, s = {};

	state_of_chance = 7;
	screen_resize(&s, 40, 12);
	for (int i = 0; i < 2000; i++) {
		cleanup_buf struct buf b = {};

		if (!chance(20))
			screen_clear(&s);
		scribble(&s, chance(20));
		screen_draw(&shown, &s, true, &b);
		vt_write(&t, buf_cstr(&b));
		assert_int_equal(t.style, 0);
		for (unsigned int row = 0; row < 12; row++)
			assert_memory_equal(t.cells[row], screen_at(&s, row, 0),
					    sizeof(t.cells[row]));
		screen_copy(&shown, &s);
	}
	screen_fini(&shown);
	screen_fini(&s);
}

static void only_what_changed_is_drawn(void **state)
{
	struct screen shown = {}, s = {};
	cleanup_buf struct buf b = {};

	screen_resize(&s, 80, 24);
	for (unsigned int row = 0; row < 24; row++)
		screen_put(&s, row, 0, 80, 0, CUT_END, "a row of the table 12.5", 23);
	screen_draw(&shown, &s, true, &b);
	screen_copy(&shown, &s);
	b.len = 0;
	screen_draw(&shown, &s, true, &b);
	assert_int_equal(b.len, 0);
	screen_put(&s, 7, 19, 4, STYLE_GREEN, CUT_END, "13.5", 4);
	screen_draw(&shown, &s, true, &b);
	assert_string_equal(buf_cstr(&b), "\x1b[?2026h\x1b[8;20H\x1b[0;32m13.5\x1b[0m\x1b[?2026l");
	/* Without colours there is none, whatever the style. */
	b.len = 0;
	screen_draw(&shown, &s, false, &b);
	assert_null(strstr(buf_cstr(&b), ";3"));
	screen_fini(&shown);
	screen_fini(&s);
}

/* ---- keys ---- */

static void expect_keys(const char *bytes, size_t n, bool ended, const uint32_t *want, size_t keys)
{
	/* However the bytes are cut into reads. */
	for (size_t step = 1; step <= n; step++) {
		struct keys k = {};
		size_t found = 0;
		uint32_t key;

		for (size_t at = 0; at < n; at += step) {
			size_t len = MIN(step, n - at);

			assert_int_equal(keys_feed(&k, bytes + at, len), len);
			while ((key = keys_next(&k, ended && at + step >= n)) != KEY_NONE) {
				assert_true(found < keys);
				assert_int_equal(key, want[found++]);
			}
		}
		assert_int_equal(found, keys);
		assert_int_equal(keys_waiting(&k), false);
	}
}
#define EXPECT_KEYS(bytes, ended, ...)                                                             \
	expect_keys(bytes, sizeof(bytes) - 1, ended, (const uint32_t[]){__VA_ARGS__},              \
		    sizeof((const uint32_t[]){__VA_ARGS__}) / sizeof(uint32_t))

static void keys_are_decoded(void **state)
{
	EXPECT_KEYS("q", false, 'q');
	EXPECT_KEYS("a\x1b[Ab", false, 'a', KEY_UP, 'b');
	EXPECT_KEYS("\x1b[B\x1bOB\x1b[1;5B", false, KEY_DOWN, KEY_DOWN, KEY_DOWN);
	EXPECT_KEYS("\x1b[5~\x1b[6~", false, KEY_PAGE_UP, KEY_PAGE_DOWN);
	EXPECT_KEYS("\x1b[H\x1b[F\x1b[1~\x1b[4~\x1bOH\x1b[8~", false, KEY_HOME, KEY_END, KEY_HOME,
		    KEY_END, KEY_HOME, KEY_END);
	EXPECT_KEYS("\x1bOM\r\n\x7f\x08\t", false, KEY_ENTER, KEY_ENTER, KEY_ENTER, KEY_BACKSPACE,
		    KEY_BACKSPACE, KEY_TAB);
	EXPECT_KEYS("\x1b", true, KEY_ESCAPE);
	EXPECT_KEYS("\xc3\xa9\xe6\x97\xa5\xf0\x9f\x94\xa5", false, 0xe9, 0x65e5, 0x1f525);
	/* Nothing we know, or nothing whole. */
	EXPECT_KEYS("\x1b[200~\x1b[<0;3;4Mx\x1b[12;34Rx", false, KEY_OTHER, KEY_OTHER, 'x',
		    KEY_OTHER, 'x');
	EXPECT_KEYS("\xffx\xc3y", false, KEY_OTHER, 'x', KEY_OTHER, 'y');
	EXPECT_KEYS("\x1b[12", true, KEY_OTHER);
	EXPECT_KEYS("\xe6\x97", true, KEY_OTHER, KEY_OTHER);
}

static void a_sequence_without_end_ends(void **state)
{
	struct keys k = {};
	char many[sizeof(k.bytes)];

	memset(many, '1', sizeof(many));
	memcpy(many, "\x1b[", 2);
	assert_int_equal(keys_feed(&k, many, sizeof(many)), sizeof(many));
	assert_int_equal(keys_next(&k, false), KEY_OTHER);
	assert_false(keys_waiting(&k));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(text_is_cut_at_its_width),
		cmocka_unit_test(no_control_of_a_stranger_gets_through),
		cmocka_unit_test(ascii_terminals_see_ascii),
		cmocka_unit_test(half_of_a_wide_character_is_none),
		cmocka_unit_test(drawing_makes_one_screen_of_another),
		cmocka_unit_test(only_what_changed_is_drawn),
		cmocka_unit_test(keys_are_decoded),
		cmocka_unit_test(a_sequence_without_end_ends),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
