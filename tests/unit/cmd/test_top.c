/* glim top: windows to rows, keys to views, views to screens. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>

#include "cmd/target.h"
#include "cmd/top_json.h"
#include "sink/keys.h"

enum { MS = 1000000 };

/* ---- programs to look at ---- */

static uint32_t python(struct profile *p, const char *name, uint32_t line)
{
	const struct profile_function f = {
		.name = profile_string(p, name),
		.file = profile_string(p, "/srv/app.py"),
		.start_line = 10,
		.kind = FRAME_PYTHON,
	};

	return profile_frame(p, &(struct profile_frame){.function = profile_function(p, &f),
							.line = line});
}

static uint32_t of_thread(struct profile *p, const char *pid, const char *thread, const char *gil)
{
	struct profile_label labels[] = {
		{profile_string(p, "process"), profile_string(p, "web")},
		{profile_string(p, "pid"), profile_string(p, pid)},
		{profile_string(p, "thread"), profile_string(p, thread)},
		{profile_string(p, "gil"), profile_string(p, gil ? gil : "")},
	};

	return profile_labels(p, labels, gil ? 4 : 3);
}

/* Frames from the root on, separated by blanks; "name:line". */
static void add(struct profile *p, uint32_t labels, const char *stack, int64_t ns)
{
	cleanup_free char *copy = mem_strdup(stack);
	uint32_t at = 0;

	for (char *save, *s = strtok_r(copy, " ", &save); s; s = strtok_r(NULL, " ", &save)) {
		char *colon = strchr(s, ':');

		if (colon)
			*colon = 0;
		at = profile_stack(p, at, python(p, s, colon ? (uint32_t)atoi(colon + 1) : 11));
	}
	profile_add(p, at, labels, 1, ns);
}

static struct profile *second(void)
{
	static int64_t now = 1;
	struct profile *p = profile_new("cpu", "nanoseconds", 10 * MS);

	p->time_ns = now * NSEC_PER_SEC;
	p->duration_ns = NSEC_PER_SEC;
	now++;
	return p;
}

/* main calls hot (600 ms) and warm (300 ms), each calls leaf; pid 8 is idle but for 100 ms. */
static struct profile *busy_second(void)
{
	struct profile *p = second();
	uint32_t a = of_thread(p, "7", "worker", "held");

	add(p, a, "main hot:12", 400 * MS);
	add(p, a, "main hot:13 leaf", 200 * MS);
	add(p, a, "main warm leaf", 300 * MS);
	add(p, of_thread(p, "8", "other", NULL), "idle", 100 * MS);
	return p;
}

static void feed(struct top_view *v, struct profile *p)
{
	assert_int_equal(top_view_add(v, p, NULL), 0);
}

static void press(struct top_view *v, const uint32_t *keys, size_t n)
{
	for (size_t i = 0; i < n; i++)
		top_view_key(v, keys[i]);
}
#define PRESS(v, ...)                                                                              \
	press(v, (const uint32_t[]){__VA_ARGS__},                                                  \
	      sizeof((const uint32_t[]){__VA_ARGS__}) / sizeof(uint32_t))

/* The names of all lines, a blank between them; callers have < before them, callees >. */
static void expect_lines(const struct top_view *v, const char *want)
{
	const struct live_table *t = top_view_table(v);
	cleanup_buf struct buf b = {};

	for (size_t i = 0; i < v->lines.len; i++) {
		const struct top_line *l = &v->lines.data[i];

		if (i)
			buf_putc(&b, ' ');
		if (l->kind == TOP_ROW)
			buf_puts(&b, live_text(t, top_view_row(v, l)->key.name));
		else
			buf_printf(&b, "%c%s", l->kind == TOP_CALLER ? '<' : '>',
				   (l->kind == TOP_CALLER ? &v->callers : &v->callees)
					   ->list[l->at]
					   .name);
	}
	assert_string_equal(buf_cstr(&b), want);
}

static const struct live_row *row_named(const struct top_view *v, const char *name)
{
	const struct live_table *t = top_view_table(v);

	for (size_t i = 0; i < v->lines.len; i++)
		if (v->lines.data[i].kind == TOP_ROW &&
		    !strcmp(live_text(t, top_view_row(v, &v->lines.data[i])->key.name), name))
			return top_view_row(v, &v->lines.data[i]);
	fail_msg("no row %s", name);
	return NULL;
}

static void expect_row(const struct top_view *v, const char *name, double self_ms, double total_ms,
		       int64_t self_sum_ms)
{
	const struct live_row *r = row_named(v, name);
	const struct live_table *t = top_view_table(v);

	assert_true(fabs(live_rate(t, r->self) - self_ms * MS) < 0.01 * MS);
	assert_true(fabs(live_rate(t, r->total) - total_ms * MS) < 0.01 * MS);
	assert_int_equal(r->self_sum, self_sum_ms * MS);
}

/* ---- rows ---- */

static void rows_have_their_time(void **state)
{
	struct top_view v;

	top_view_init(&v);
	for (int i = 1; i <= 3; i++) {
		feed(&v, busy_second());
		expect_lines(&v, "leaf hot idle main warm");
		expect_row(&v, "leaf", 500, 500, 500 * i);
		expect_row(&v, "hot", 400, 600, 400 * i);
		expect_row(&v, "main", 0, 900, 0);
		expect_row(&v, "warm", 0, 300, 0);
	}
	PRESS(&v, 'l');
	expect_lines(&v, "leaf hot idle main warm hot");
	PRESS(&v, 'p');
	expect_lines(&v, "web web");
	assert_true(fabs(live_rate(&v.all, v.all.all.total) - 1000 * MS) < MS);
	assert_true(v.all.knows_gil);
	assert_true(fabs(live_rate(&v.all, v.all.all.gil) - 900 * MS) < MS);
	PRESS(&v, 't');
	expect_row(&v, "worker", 900, 900, 2700);
	top_view_fini(&v);
}

/* What stops is seen to stop: half after 1.5 s, whatever the windows are. */
static void what_is_over_fades(void **state)
{
	static const int64_t windows_ms[] = {1500, 500, 100};

	for (size_t i = 0; i < ARRAY_SIZE(windows_ms); i++) {
		struct live_table t = {};
		struct profile *p = busy_second();
		double before;

		p->duration_ns = 60 * NSEC_PER_SEC;
		assert_int_equal(live_table_add(&t, p, NULL, NULL), 0);
		profile_free(p);
		before = live_rate(&t, t.all.total);
		for (int64_t at = 0; at < 1500; at += windows_ms[i]) {
			p = second();
			p->duration_ns = windows_ms[i] * MS;
			assert_int_equal(live_table_add(&t, p, NULL, NULL), 0);
			profile_free(p);
		}
		assert_true(fabs(live_rate(&t, t.all.total) / before - 0.5) < 0.001);
		assert_int_equal(t.all.total_sum, 1000 * MS);
		live_table_fini(&t);
	}
}

static void rows_have_a_bound(void **state)
{
	struct live_table t = {};

	for (int round = 0; round < 3; round++) {
		struct profile *p = second();
		uint32_t labels = of_thread(p, "7", "w", NULL);

		for (int i = 0; i < LIVE_MAX_ROWS * 3 / 4; i++) {
			char name[32];

			snprintf(name, sizeof(name), "f%d_%d", round, i);
			add(p, labels, name, 1000 + i);
		}
		add(p, labels, "always", 5000LL * MS);
		assert_int_equal(live_table_add(&t, p, NULL, NULL), 0);
		assert_true(t.rows[LIVE_FUNCTIONS].list.len <= LIVE_MAX_ROWS);
		profile_free(p);
	}
	assert_true(t.rows[LIVE_FUNCTIONS].dropped > 0);
	assert_string_equal(live_text(&t, t.rows[LIVE_FUNCTIONS].list.data[0].key.name), "always");
	assert_int_equal(t.rows[LIVE_FUNCTIONS].list.data[0].total_sum, 15000LL * MS);
	live_table_fini(&t);
}

/* ---- keys ---- */

static void keys_sort(void **state)
{
	struct top_view v;

	top_view_init(&v);
	feed(&v, busy_second());
	PRESS(&v, '2');
	expect_lines(&v, "main hot leaf warm idle");
	PRESS(&v, 'r');
	expect_lines(&v, "idle warm leaf hot main");
	PRESS(&v, '4');
	expect_lines(&v, "hot idle leaf main warm");
	PRESS(&v, 'z');
	expect_lines(&v, "");
	top_view_fini(&v);
}

static void time_since_the_start_is_another_order(void **state)
{
	struct top_view v;
	struct profile *p;

	top_view_init(&v);
	for (int i = 0; i < 3; i++)
		feed(&v, busy_second());
	/* Others run now. */
	for (int i = 0; i < 3; i++) {
		p = second();
		add(p, of_thread(p, "8", "other", NULL), "late", 450 * MS);
		feed(&v, p);
	}
	assert_true(v.lines.len && row_named(&v, "late") == top_view_row(&v, &v.lines.data[0]));
	PRESS(&v, '3');
	expect_lines(&v, "leaf late hot idle main warm");
	top_view_fini(&v);
}

static void a_filter_is_typed(void **state)
{
	struct top_view v;

	top_view_init(&v);
	feed(&v, busy_second());
	/* q and f are letters here. */
	PRESS(&v, '/', 'q', 'f', KEY_BACKSPACE, KEY_BACKSPACE, 'A', 'R', 'M');
	expect_lines(&v, "warm");
	assert_true(v.editing);
	PRESS(&v, KEY_ENTER);
	assert_false(v.editing);
	expect_lines(&v, "warm");
	PRESS(&v, '/', 0xe9);
	expect_lines(&v, "");
	PRESS(&v, KEY_BACKSPACE);
	expect_lines(&v, "warm");
	PRESS(&v, KEY_CTRL_U, 'a', 'p', 'p', '.', 'p', 'y');
	assert_int_equal(v.lines.len, 5);
	PRESS(&v, KEY_ESCAPE);
	assert_string_equal(v.filter, "");
	/* As long as it may be, and not longer. */
	PRESS(&v, '/');
	for (int i = 0; i < 100; i++)
		PRESS(&v, 0x65e5);
	assert_int_equal(strlen(v.filter), TOP_FILTER);
	top_view_fini(&v);
}

/* All rows have it in their file, one in its name: that is the one which is meant. */
static void a_filter_selects_by_name(void **state)
{
	struct top_view v;
	struct profile *p;

	top_view_init(&v);
	feed(&v, busy_second());
	PRESS(&v, '2', KEY_DOWN, KEY_ENTER, KEY_ESCAPE, '/', 'A');
	expect_lines(&v, "main hot leaf warm idle");
	assert_int_equal(v.selected, 0);
	PRESS(&v, KEY_BACKSPACE, 'p');
	assert_int_equal(v.lines.len, 5);
	assert_int_equal(v.selected, 0);
	p = second();
	add(p, of_thread(p, "7", "worker", NULL), "hot app", 50 * MS);
	feed(&v, p);
	assert_int_equal(v.lines.len, 6);
	assert_ptr_equal(top_view_row(&v, &v.lines.data[v.selected]), row_named(&v, "app"));
	/* It stays selected, whatever comes before it. */
	PRESS(&v, KEY_ENTER);
	p = second();
	add(p, of_thread(p, "7", "worker", NULL), "hot app", 5000LL * MS);
	feed(&v, p);
	PRESS(&v, KEY_ENTER);
	expect_lines(&v, "hot app <hot main leaf warm idle");
	top_view_fini(&v);
}

static void frozen_is_frozen_and_loses_nothing(void **state)
{
	struct top_view v;

	top_view_init(&v);
	feed(&v, busy_second());
	PRESS(&v, ' ');
	for (int i = 0; i < 4; i++)
		feed(&v, busy_second());
	expect_row(&v, "leaf", 500, 500, 500);
	PRESS(&v, '2');
	expect_lines(&v, "main hot leaf warm idle");
	PRESS(&v, ' ');
	expect_row(&v, "leaf", 500, 500, 2500);
	assert_int_equal(v.missed, 0);
	top_view_fini(&v);
}

static void the_selection_stays_with_its_row(void **state)
{
	struct top_view v;
	struct profile *p;

	top_view_init(&v);
	feed(&v, busy_second());
	/* Nobody chose: it stays on top. */
	PRESS(&v, '2');
	assert_int_equal(v.selected, 0);
	PRESS(&v, KEY_DOWN, 'j');
	assert_ptr_equal(top_view_row(&v, &v.lines.data[v.selected]), row_named(&v, "leaf"));
	p = second();
	add(p, of_thread(p, "7", "worker", NULL), "leaf", 5000LL * MS);
	feed(&v, p);
	assert_int_equal(v.selected, 0);
	assert_ptr_equal(top_view_row(&v, &v.lines.data[0]), row_named(&v, "leaf"));
	PRESS(&v, KEY_UP, KEY_UP);
	assert_int_equal(v.selected, 0);
	PRESS(&v, KEY_END);
	assert_int_equal(v.selected, v.lines.len - 1);
	PRESS(&v, KEY_PAGE_DOWN, KEY_DOWN);
	assert_int_equal(v.selected, v.lines.len - 1);
	/* It is on the page that is shown. */
	top_view_page(&v, 2);
	assert_int_equal(v.first, v.lines.len - 2);
	PRESS(&v, KEY_HOME);
	assert_int_equal(v.first, 0);
	top_view_fini(&v);
}

static void enter_opens_callers_and_callees(void **state)
{
	struct top_view v;

	top_view_init(&v);
	feed(&v, busy_second());
	PRESS(&v, '2', KEY_DOWN, KEY_ENTER);
	expect_lines(&v, "main hot <main >leaf leaf warm idle");
	assert_true(fabs(v.callers.list[0].share - 0.6) < 1e-9);
	assert_true(fabs(v.callees.list[0].share - 0.2) < 1e-9);
	/* What stands between rows is passed over, and it stays open. */
	PRESS(&v, KEY_DOWN);
	assert_int_equal(v.selected, 4);
	feed(&v, busy_second());
	PRESS(&v, KEY_ENTER);
	expect_lines(&v, "main hot leaf <warm <hot warm idle");
	PRESS(&v, KEY_ESCAPE);
	expect_lines(&v, "main hot leaf warm idle");
	/* Who has no caller says so; of a line it is its function. */
	PRESS(&v, KEY_HOME, KEY_ENTER);
	expect_lines(&v, "main <(nobody) >hot >warm hot leaf warm idle");
	PRESS(&v, 'l', KEY_DOWN, KEY_ENTER);
	top_view_fini(&v);
}

static void enter_looks_at_one_process(void **state)
{
	struct top_view v;

	top_view_init(&v);
	feed(&v, busy_second());
	PRESS(&v, 'p', KEY_DOWN, KEY_ENTER);
	expect_lines(&v, "idle");
	expect_row(&v, "idle", 100, 100, 100);
	feed(&v, busy_second());
	expect_row(&v, "idle", 100, 100, 200);
	/* Callers are those of the process alone. */
	PRESS(&v, KEY_ENTER);
	expect_lines(&v, "idle <(nobody)");
	assert_true(fabs(v.callers.list[0].share - 1) < 1e-9);
	PRESS(&v, KEY_ESCAPE, KEY_ESCAPE);
	expect_lines(&v, "web web");
	PRESS(&v, 't', KEY_ENTER, '2');
	expect_lines(&v, "main hot leaf warm");
	PRESS(&v, 'z', ' ', KEY_ESCAPE);
	expect_lines(&v, "");
	top_view_fini(&v);
}

static void idle_threads_are_left_out(void **state)
{
	struct top_view v;
	struct profile *p = second();
	struct profile_label labels[] = {
		{profile_string(p, "pid"), profile_string(p, "7")},
		{profile_string(p, "thread"), profile_string(p, "pool")},
		{profile_string(p, "state"), profile_string(p, "idle")},
	};

	top_view_init(&v);
	add(p, profile_labels(p, labels, 3), "wait", 800 * MS);
	labels[1].value = profile_string(p, "main");
	labels[2].value = profile_string(p, "running");
	add(p, profile_labels(p, labels, 3), "work", 200 * MS);
	feed(&v, p);
	expect_lines(&v, "wait work");
	PRESS(&v, 't');
	expect_lines(&v, "pool main");
	/* By what runs. */
	PRESS(&v, '2');
	expect_lines(&v, "main pool");
	PRESS(&v, 'f');
	assert_true(row_named(&v, "wait")->running == 0);
	assert_true(row_named(&v, "work")->running == row_named(&v, "work")->total);
	PRESS(&v, 'i');
	expect_lines(&v, "work");
	expect_row(&v, "work", 200, 200, 200);
	PRESS(&v, 't', KEY_ENTER, KEY_ESCAPE, 'f');
	expect_lines(&v, "work");
	PRESS(&v, 'i', '1');
	expect_lines(&v, "wait work");
	/* Who does not say what it does, runs. */
	PRESS(&v, 'z', 'i');
	feed(&v, busy_second());
	assert_int_equal(v.lines.len, 5);
	top_view_fini(&v);
}

/* Any keys in any order, with windows between them. */
static void no_order_of_keys_breaks_it(void **state)
{
	static const uint32_t keys[] = {
		'f',	  'l',	       'p',	      't',	 '1',	     '2',	    '3',
		'4',	  'r',	       'i',	      ' ',	 '/',	     'z',	    'a',
		'w',	  '?',	       KEY_TAB,	      KEY_ENTER, KEY_ESCAPE, KEY_BACKSPACE, KEY_UP,
		KEY_DOWN, KEY_PAGE_UP, KEY_PAGE_DOWN, KEY_HOME,	 KEY_END,    KEY_OTHER};
	const struct top_facts f = {.target = "t", .clock = "cpu", .cpu = -1, .complete = -1};
	struct screen s = {};
	struct top_view v;
	uint32_t chance = 11;

	top_view_init(&v);
	for (int i = 0; i < 20000; i++) {
		chance = chance * 1664525 + 1013904223;
		if (chance >> 28 == 0)
			feed(&v, busy_second());
		top_view_key(&v, keys[(chance >> 8) % ARRAY_SIZE(keys)]);
		if (chance >> 27 & 1) {
			screen_resize(&s, 1 + (chance >> 10) % 130, 1 + (chance >> 20) % 45);
			top_draw(&v, &f, &s);
		}
		assert_true(!v.lines.len || v.selected < v.lines.len);
		assert_true(!v.lines.len || v.lines.data[v.selected].kind == TOP_ROW);
	}
	screen_fini(&s);
	top_view_fini(&v);
}

/* ---- screens ---- */

static void expect_screen(struct top_view *v, unsigned int columns, unsigned int rows,
			  const char *const *want, size_t n)
{
	const struct top_facts f = {
		.target = "web (7)",
		.clock = "cpu",
		.hz = 99,
		.seconds = 61,
		.samples_rate = 99,
		.samples = 1000,
		.cpu = 0.2,
		.complete = 0.9951,
	};
	struct screen s = {};

	screen_resize(&s, columns, rows);
	top_draw(v, &f, &s);
	for (unsigned int i = 0; i < n; i++) {
		cleanup_buf struct buf b = {};

		screen_row_text(&s, i, &b);
		assert_string_equal(buf_cstr(&b), want[i]);
	}
	screen_fini(&s);
}
#define EXPECT_SCREEN(v, columns, rows, ...)                                                       \
	expect_screen(v, columns, rows, (const char *const[]){__VA_ARGS__},                        \
		      sizeof((const char *const[]){__VA_ARGS__}) / sizeof(char *))

static void screens_of_all_sizes(void **state)
{
	struct top_view v;

	top_view_init(&v);
	feed(&v, busy_second());
	PRESS(&v, '2');
	EXPECT_SCREEN(
		&v, 80, 14,
		"glim top  web (7)                                                cpu 99 Hz  1:01",
		"CPU 20.0%  0 lost  99.5% complete  GIL held 90%  99 samples/s  2 threads",
		" functions  lines  processes  threads",
		"SELF%   TOT%     SELF  FUNCTION                     FILE:LINE            RUNTIME",
		"  0.0   90.0    0.00s  main                         /srv/app.py:10       Python",
		" 40.0   60.0    0.40s  hot                          /srv/app.py:10       Python",
		" 50.0   50.0    0.50s  leaf                         /srv/app.py:10       Python",
		"  0.0   30.0    0.00s  warm                         /srv/app.py:10       Python",
		" 10.0   10.0    0.10s  idle                         /srv/app.py:10       Python");
	EXPECT_SCREEN(&v, 40, 10, "glim top  web (7)                   1:01",
		      "CPU 20.0%  0 lost  99.5% complete", "SELF%   TOT%  FUNCTION",
		      "  0.0   90.0  main", " 40.0   60.0  hot", " 50.0   50.0  leaf",
		      "  0.0   30.0  warm", " 10.0   10.0  idle", "",
		      "?:help  q:quit  /:filter  space:freeze");
	EXPECT_SCREEN(&v, 20, 4, "glim top  web (7)", "CPU 20.0%  0 lost", "SELF%  FUNCTION",
		      "?:help  q:quit");
	EXPECT_SCREEN(&v, 1, 1, "\xe2\x80\xa6");
	PRESS(&v, '?');
	EXPECT_SCREEN(&v, 40, 10, "f functions, l lines, p processes, t",
		      "threads, tab the next of them", "1 self, 2 total, 3 time since the start,",
		      "4 name: sort by; r turns it round",
		      "arrows, page, home, end, j, k, g, G:", "move",
		      "enter: callers and callees of a row;",
		      "only this process or thread. esc: back",
		      "/ filter, i hide idle threads, space", "freeze, z start over, q quit");
	PRESS(&v, '?', '/', 'l', 'e');
	EXPECT_SCREEN(&v, 40, 6, "glim top  web (7)                   1:01",
		      "CPU 20.0%  0 lost  99.5% complete", "SELF%   TOT%  FUNCTION",
		      " 50.0   50.0  leaf", " 10.0   10.0  idle", "/le");
	top_view_fini(&v);
}

static void draw_facts_of(const struct top_facts *f, struct top_view *v, const char *want,
			  const char *headings)
{
	cleanup_buf struct buf facts = {}, heads = {};
	struct screen s = {};

	screen_resize(&s, 80, 24);
	top_draw(v, f, &s);
	screen_row_text(&s, 1, &facts);
	screen_row_text(&s, 3, &heads);
	assert_string_equal(buf_cstr(&facts), want);
	assert_string_equal(buf_cstr(&heads), headings);
	screen_fini(&s);
}

static void what_is_missing_is_said(void **state)
{
	struct top_facts f = {
		.target = "t",
		.clock = "wall",
		.lost = 3,
		.missed_cpu = 1.25,
		.lost_children = 7,
		.cpu = -1,
		.complete = 0.5,
	};
	struct top_view v;

	top_view_init(&v);
	feed(&v, busy_second());
	draw_facts_of(
		&f, &v,
		"3 lost  1.25s unsampled  7 children left out  50.0% complete  GIL held 90%",
		"SELF%   TOT%   RUN%     SELF  FUNCTION                 FILE:LINE         RUNTIME");
	f.missed_cpu = 0;
	f.lost_children = 0;
	f.clock = "cpu";
	f.stopped = 40;
	f.stopped_ns = 31400;
	draw_facts_of(
		&f, &v,
		"CPU 100.0%  3 lost  50.0% complete  stops 31 us  GIL held 90%  0 samples/s",
		"SELF%   TOT%     SELF  FUNCTION                     FILE:LINE            RUNTIME");
	top_view_fini(&v);
}

static void json_says_the_same(void **state)
{
	const struct top_facts f = {
		.target = "web (7)", .clock = "cpu", .hz = 99, .cpu = -1, .complete = -1};
	cleanup_buf struct buf b = {};
	struct top_view v;

	top_view_init(&v);
	feed(&v, busy_second());
	top_json(&v, &f, 1, &b);
	assert_string_equal(
		buf_cstr(&b),
		"{\"target\":\"web "
		"(7)\",\"clock\":\"cpu\",\"hz\":99,\"seconds\":0,\"samples\":0,\"lost\":0,"
		"\"unsampled_seconds\":0,\"lost_children\":0,\"stopped\":0,"
		"\"stopped_seconds_median\":0,\"complete\":null,\"cores\":1,\"by\":"
		"\"functions\",\"rows\":[{\"function\":"
		"\"leaf\","
		"\"file\":\"/srv/"
		"app.py\",\"line\":10,\"module\":\"\",\"kind\":\"python\",\"running\":0.5,"
		"\"self\":0.5,\"total\":0.5,\"self_seconds\":0.5,\"total_seconds\":0.5}]}\n");
	top_view_fini(&v);
}

/* ---- the target ---- */

static void refusals_say_what_to_do(void **state)
{
	static const struct {
		struct target_facts facts;
		const char *has;
	} cases[] = {
		{{7, .owner = 0, .us = 1000}, "belongs to root: try sudo glim top -p 7"},
		{{7, .owner = 1001, .us = 1000}, "belongs to user 1001: try sudo"},
		{{7, .owner = 1000, .us = 1000, .ptrace_scope = 1},
		 "sysctl kernel.yama.ptrace_scope=0"},
		{{7, .owner = 1000, .us = 1000, .ptrace_scope = 2}, "allows it to root"},
		{{7, .owner = 1000, .us = 1000, .ptrace_scope = 3}, "until the next boot"},
		{{7, .owner = 1000, .us = 0}, "--cap-add SYS_PTRACE"},
		{{7, .owner = 1000, .us = 1000}, "gained rights"},
		{{7, .owner = 0, .us = 0, .may_trace = true}, "not even by root"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct target_facts f = cases[i].facts;
		struct err e = {};

		f.command = "top";
		assert_int_equal(target_refused(&f, &e), -EPERM);
		if (!strstr(e.msg, cases[i].has))
			fail_msg("%s\nhas not: %s", e.msg, cases[i].has);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rows_have_their_time),
		cmocka_unit_test(what_is_over_fades),
		cmocka_unit_test(rows_have_a_bound),
		cmocka_unit_test(keys_sort),
		cmocka_unit_test(time_since_the_start_is_another_order),
		cmocka_unit_test(a_filter_is_typed),
		cmocka_unit_test(a_filter_selects_by_name),
		cmocka_unit_test(frozen_is_frozen_and_loses_nothing),
		cmocka_unit_test(the_selection_stays_with_its_row),
		cmocka_unit_test(enter_opens_callers_and_callees),
		cmocka_unit_test(enter_looks_at_one_process),
		cmocka_unit_test(idle_threads_are_left_out),
		cmocka_unit_test(no_order_of_keys_breaks_it),
		cmocka_unit_test(screens_of_all_sizes),
		cmocka_unit_test(what_is_missing_is_said),
		cmocka_unit_test(json_says_the_same),
		cmocka_unit_test(refusals_say_what_to_do),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
