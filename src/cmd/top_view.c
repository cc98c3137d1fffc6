#include "cmd/top_view.h"

#include "base/utf8.h"
#include "profile/top.h"
#include "sink/keys.h"

void top_view_init(struct top_view *v)
{
	*v = (struct top_view){.page = 1};
}

static void relatives_clear(struct top_relatives *r)
{
	for (size_t i = 0; i < r->len; i++) {
		free(r->list[i].name);
		free(r->list[i].file);
	}
	r->len = 0;
}

static void forget_windows(struct top_view *v)
{
	for (size_t i = 0; i < v->windows; i++)
		profile_free(v->history[i]);
	v->windows = 0;
}

static void focus_clear(struct top_view *v)
{
	free(v->focus_pid);
	free(v->focus_thread);
	free(v->focus_name);
	v->focus_pid = v->focus_thread = v->focus_name = NULL;
}

void top_view_fini(struct top_view *v)
{
	focus_clear(v);
	live_table_fini(&v->focused);
	live_table_fini(&v->all);
	forget_windows(v);
	profile_free(v->held);
	vec_fini(&v->lines);
	relatives_clear(&v->callers);
	relatives_clear(&v->callees);
}

static bool has_focus(const struct top_view *v)
{
	return v->focus_pid || v->running;
}

const struct live_table *top_view_table(const struct top_view *v)
{
	return has_focus(v) ? &v->focused : &v->all;
}

const struct live_row *top_view_row(const struct top_view *v, const struct top_line *line)
{
	return &top_view_table(v)->rows[v->kind].list.data[line->at];
}

/* ---- windows ---- */

static struct live_focus focus_of(const struct top_view *v)
{
	return (struct live_focus){v->focus_pid, v->focus_thread, v->running};
}

/* Another focus: its table starts with the last windows. */
static void refocus(struct top_view *v)
{
	const struct live_focus focus = focus_of(v);

	live_table_fini(&v->focused);
	for (size_t i = 0; has_focus(v) && i < v->windows; i++)
		live_table_add(&v->focused, v->history[i], &focus, NULL);
	v->open = v->chosen = false;
}

static void remember(struct top_view *v, struct profile *window)
{
	size_t bytes = profile_memory(window), drop = 0;

	for (size_t i = v->windows; i-- > 0;) {
		bytes += profile_memory(v->history[i]);
		if (bytes <= TOP_HISTORY_BYTES && v->windows - i < TOP_HISTORY)
			continue;
		drop = i + 1;
		break;
	}
	for (size_t i = 0; i < drop; i++)
		profile_free(v->history[i]);
	memmove(v->history, v->history + drop, (v->windows - drop) * sizeof(v->history[0]));
	v->windows -= drop;
	v->history[v->windows++] = window;
}

static int take(struct top_view *v, struct profile *window, struct err *e)
{
	const struct live_focus focus = focus_of(v);
	int r = live_table_add(&v->all, window, NULL, e);

	if (!r && has_focus(v))
		r = live_table_add(&v->focused, window, &focus, e);
	remember(v, window);
	return r;
}

static void hold(struct top_view *v, struct profile *window)
{
	if (!v->held) {
		v->held = window;
		return;
	}
	if (profile_memory(v->held) > TOP_HISTORY_BYTES ||
	    profile_merge(v->held, window, NULL, 0, NULL) < 0)
		v->missed++;
	profile_free(window);
}

static void freeze(struct top_view *v)
{
	v->frozen = !v->frozen;
	if (!v->frozen && v->held)
		take(v, take_ptr(v->held), NULL);
}

static void reset(struct top_view *v)
{
	live_table_fini(&v->all);
	live_table_fini(&v->focused);
	forget_windows(v);
	profile_free(take_ptr(v->held));
	v->frozen = v->open = v->chosen = false;
	v->missed = 0;
}

/* ---- order ---- */

static int compare_numbers(double a, double b)
{
	return (a < b) - (a > b);
}

static int compare_names(const struct live_table *t, const struct live_row *a,
			 const struct live_row *b)
{
	int c = strcmp(live_text(t, a->key.name), live_text(t, b->key.name));

	if (!c)
		c = strcmp(live_text(t, a->key.file), live_text(t, b->key.file));
	if (!c)
		c = (a->key.line > b->key.line) - (a->key.line < b->key.line);
	return c ? c : strcmp(live_text(t, a->key.pid), live_text(t, b->key.pid));
}

/* By what is asked for, then by what else is large, so that rows of equal numbers stay in place. */
static int compare_lines(const void *x, const void *y, void *arg)
{
	const struct top_view *v = arg;
	const struct live_table *t = top_view_table(v);
	const struct live_row *a = top_view_row(v, x), *b = top_view_row(v, y);
	bool wall = v->kind > LIVE_LINES && t->all.running < t->all.total;
	const int by[TOP_SORTS] = {
		[TOP_SORT_SELF] = compare_numbers(a->self, b->self),
		[TOP_SORT_TOTAL] = wall ? compare_numbers(a->running, b->running)
					: compare_numbers(a->total, b->total),
		[TOP_SORT_TIME] = compare_numbers((double)a->self_sum, (double)b->self_sum),
	};
	int c = by[v->sort];

	if (v->sort == TOP_SORT_NAME)
		c = compare_names(t, a, b);
	for (size_t i = 0; i < TOP_SORTS && !c; i++)
		c = by[i];
	if (!c)
		c = compare_names(t, a, b);
	return v->reverse ? -c : c;
}

static bool matches(const struct live_table *t, const struct live_row *row, const char *filter)
{
	const uint32_t texts[] = {row->key.name, row->key.file, row->key.module, row->key.pid};

	for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
		if (strcasestr(live_text(t, texts[i]), filter))
			return true;
	return false;
}

static bool same_key(const struct live_key *a, const struct live_key *b)
{
	return !memcmp(a, b, sizeof(*a));
}

/* ---- callers and callees ---- */

/* All windows of the last seconds as one. */
static struct profile *last_seconds(const struct top_view *v)
{
	const struct profile *first = v->history[0];
	struct profile *p = profile_new(first->type, first->unit, first->period);

	for (size_t i = 0; i < v->windows; i++)
		profile_merge(p, v->history[i], NULL, 0, NULL);
	return p;
}

/* Is it the function of the row that is opened? Lines belong to their function. */
static bool is_open(const struct top_view *v, const struct functions *f, uint32_t function)
{
	const struct live_table *t = top_view_table(v);
	const struct profile_function *pf = &f->list.data[function].f;

	return pf->kind == v->open_key.kind &&
	       (v->kind == LIVE_LINES || pf->start_line == v->open_key.line) &&
	       !strcmp(functions_name(f, function), live_text(t, v->open_key.name)) &&
	       !strcmp(profile_text(f->profile, pf->file), live_text(t, v->open_key.file)) &&
	       !strcmp(profile_text(f->profile, pf->module), live_text(t, v->open_key.module));
}

static void put_relatives(const struct functions *f, top_rows *rows, double total,
			  struct top_relatives *ret)
{
	const struct profile *p = f->profile;

	top_sort(f, TOP_BY_TOTAL, rows);
	for (size_t i = 0; i < rows->len && ret->len < TOP_RELATIVES; i++) {
		const struct top_row *r = &rows->data[i];
		const struct profile_function *pf;
		struct top_relative *to = &ret->list[ret->len++];

		*to = (struct top_relative){.share = total > 0 ? (double)r->total / total : 0};
		if (r->function == TOP_OUTERMOST) {
			to->name = mem_strdup("(nobody)");
			to->file = mem_strdup("");
			to->kind = FRAME_MARK;
			continue;
		}
		pf = &f->list.data[r->function].f;
		to->name = mem_strdup(functions_name(f, r->function));
		to->file = mem_strdup(profile_text(p, pf->file ? pf->file : pf->module));
		to->line = pf->file ? pf->start_line : 0;
		to->kind = pf->kind;
	}
}

static void find_relatives(struct top_view *v)
{
	const struct live_focus focus = focus_of(v);
	cleanup(functions_fini) struct functions f = {};
	cleanup_profile struct profile *p = last_seconds(v);
	cleanup_free bool *keep = mem_calloc(p->samples.len + 1, sizeof(*keep));
	cleanup_free bool *chosen = NULL;
	top_rows callers = {}, callees = {};
	double total = 0;

	functions_init(&f, p);
	chosen = mem_calloc(f.list.len + 1, sizeof(*chosen));
	live_focus_samples(&focus, p, keep);
	for (size_t i = 0; i < p->samples.len; i++)
		total += keep[i] ? (double)p->samples.data[i].value : 0;
	for (uint32_t i = 0; i < f.list.len; i++)
		chosen[i] = is_open(v, &f, i);
	if (top_callers(&f, chosen, keep, &callers, NULL) >= 0)
		put_relatives(&f, &callers, total, &v->callers);
	if (top_callees(&f, chosen, keep, &callees, NULL) >= 0)
		put_relatives(&f, &callees, total, &v->callees);
	vec_fini(&callers);
	vec_fini(&callees);
}

/* ---- lines ---- */

static void put_lines_of_open(struct top_view *v, uint32_t row)
{
	if (!v->open ||
	    !same_key(&top_view_table(v)->rows[v->kind].list.data[row].key, &v->open_key))
		return;
	for (uint32_t i = 0; i < v->callers.len; i++)
		vec_push(&v->lines, (struct top_line){TOP_CALLER, i});
	for (uint32_t i = 0; i < v->callees.len; i++)
		vec_push(&v->lines, (struct top_line){TOP_CALLEE, i});
}

/* Who types a filter means a name: many more may have it in the folder of their file. */
static size_t first_named(const struct top_view *v)
{
	for (size_t i = 0; i < v->lines.len; i++)
		if (v->lines.data[i].kind == TOP_ROW &&
		    strcasestr(live_text(top_view_table(v),
					 top_view_row(v, &v->lines.data[i])->key.name),
			       v->filter))
			return i;
	return 0;
}

/* The line of the selected row; of a row that is gone, what stands in its place. */
static void find_selected(struct top_view *v)
{
	if (v->editing && !v->chosen)
		v->selected = first_named(v);
	for (size_t i = 0; v->chosen && i < v->lines.len; i++)
		if (v->lines.data[i].kind == TOP_ROW &&
		    same_key(&top_view_row(v, &v->lines.data[i])->key, &v->selected_key)) {
			v->selected = i;
			return;
		}
	v->selected = v->lines.len ? MIN(v->selected, v->lines.len - 1) : 0;
	while (v->selected && v->lines.data[v->selected].kind != TOP_ROW)
		v->selected--;
}

static void scroll_to_selected(struct top_view *v)
{
	if (v->selected < v->first)
		v->first = v->selected;
	if (v->selected >= v->first + v->page)
		v->first = v->selected - v->page + 1;
	if (v->first + v->page > v->lines.len)
		v->first = v->lines.len > v->page ? v->lines.len - v->page : 0;
}

/* Lines in order, after windows or keys changed something. */
static void update(struct top_view *v)
{
	const struct live_table *t = top_view_table(v);
	const struct live_rows *rows = &t->rows[v->kind];
	VEC(struct top_line) sorted = {};

	relatives_clear(&v->callers);
	relatives_clear(&v->callees);
	if (v->open && v->kind <= LIVE_LINES && v->windows)
		find_relatives(v);
	for (uint32_t i = 0; i < rows->list.len; i++)
		if (!v->filter[0] || matches(t, &rows->list.data[i], v->filter))
			vec_push(&sorted, (struct top_line){TOP_ROW, i});
	if (sorted.len)
		qsort_r(sorted.data, sorted.len, sizeof(sorted.data[0]), compare_lines, v);
	vec_clear(&v->lines);
	for (size_t i = 0; i < sorted.len; i++) {
		vec_push(&v->lines, sorted.data[i]);
		put_lines_of_open(v, sorted.data[i].at);
	}
	vec_fini(&sorted);
	find_selected(v);
	scroll_to_selected(v);
}

int top_view_add(struct top_view *v, struct profile *window, struct err *e)
{
	int r = 0;

	if (v->frozen)
		hold(v, window);
	else
		r = take(v, window, e);
	update(v);
	return r;
}

void top_view_page(struct top_view *v, size_t lines)
{
	v->page = MAX(lines, 1);
	scroll_to_selected(v);
}

/* ---- keys ---- */

static void select_line(struct top_view *v, size_t line)
{
	v->selected = line;
	v->selected_key = top_view_row(v, &v->lines.data[line])->key;
	v->chosen = true;
}

/* Up or down by so many rows; what stands between rows is passed over. */
static void move(struct top_view *v, long by)
{
	size_t at = v->selected;

	for (long n = labs(by); n && v->lines.len; n--) {
		size_t next = at;

		do
			next += by < 0 ? -1 : 1;
		while (next < v->lines.len && v->lines.data[next].kind != TOP_ROW);
		if (next >= v->lines.len)
			break;
		at = next;
	}
	if (at < v->lines.len)
		select_line(v, at);
}

static void show_kind(struct top_view *v, enum live_kind kind)
{
	v->kind = kind;
	v->open = v->chosen = false;
	v->selected = v->first = 0;
}

static void focus_on(struct top_view *v, const struct live_row *row)
{
	const struct live_table *t = top_view_table(v);
	char *pid = mem_strdup(live_text(t, row->key.pid));
	char *name = mem_strdup(live_text(t, row->key.name));
	char *thread = v->kind == LIVE_THREADS ? mem_strdup(name) : NULL;

	focus_clear(v);
	v->focus_pid = pid;
	v->focus_thread = thread;
	v->focus_name = name;
	v->came_from = v->kind;
	refocus(v);
	v->filter[0] = 0;
	show_kind(v, LIVE_FUNCTIONS);
}

static void enter(struct top_view *v)
{
	const struct live_row *row;

	if (!v->lines.len)
		return;
	row = top_view_row(v, &v->lines.data[v->selected]);
	if (v->kind > LIVE_LINES) {
		focus_on(v, row);
		return;
	}
	v->open = !(v->open && same_key(&v->open_key, &row->key));
	v->open_key = row->key;
	select_line(v, v->selected);
}

/* One step out of where one got into. */
static void back(struct top_view *v)
{
	if (v->open) {
		v->open = false;
	} else if (v->focus_pid) {
		focus_clear(v);
		refocus(v);
		show_kind(v, v->came_from);
	} else {
		v->filter[0] = 0;
	}
}

static enum top_key edit_filter(struct top_view *v, uint32_t key)
{
	size_t n = strlen(v->filter);

	if (key == KEY_ENTER) {
		v->editing = false;
		if (v->lines.len)
			select_line(v, v->selected);
		return TOP_KEY_CHANGED;
	}
	if (key == KEY_ESCAPE || key == KEY_CTRL_U) {
		v->filter[0] = 0;
		v->editing = key == KEY_CTRL_U;
	} else if (key == KEY_BACKSPACE) {
		while (n && ((uint8_t)v->filter[--n] & 0xc0) == 0x80)
			;
		v->filter[n] = 0;
	} else if (key >= ' ' && key < KEY_UP) {
		cleanup_buf struct buf b = {};

		utf8_put_character(&b, key);
		if (n + b.len <= TOP_FILTER)
			memcpy(v->filter + n, buf_cstr(&b), b.len + 1);
	} else {
		return TOP_KEY_NOTHING;
	}
	v->selected = v->first = 0;
	v->chosen = false;
	return TOP_KEY_CHANGED;
}

static void sort_by(struct top_view *v, enum top_sort sort)
{
	v->sort = sort;
	v->reverse = false;
	v->first = 0;
}

static void toggle_idle(struct top_view *v)
{
	v->running = !v->running;
	refocus(v);
}

static bool move_by_key(struct top_view *v, uint32_t key)
{
	switch (key) {
	case KEY_UP:
	case 'k':
		move(v, -1);
		return true;
	case KEY_DOWN:
	case 'j':
		move(v, 1);
		return true;
	case KEY_PAGE_UP:
		move(v, -(long)v->page);
		return true;
	case KEY_PAGE_DOWN:
		move(v, (long)v->page);
		return true;
	case KEY_HOME:
	case 'g':
		v->selected = v->first = 0;
		v->chosen = false;
		return true;
	case KEY_END:
	case 'G':
		move(v, (long)v->lines.len);
		return true;
	default:
		return false;
	}
}

static enum top_key change_by_key(struct top_view *v, uint32_t key)
{
	static const char kinds[] = "flpt", sorts[] = "1234";
	const char *found;

	if (key < 0x80 && key && (found = strchr(kinds, (int)key)))
		show_kind(v, (enum live_kind)(found - kinds));
	else if (key < 0x80 && key && (found = strchr(sorts, (int)key)))
		sort_by(v, (enum top_sort)(found - sorts));
	else if (key == KEY_TAB)
		show_kind(v, (v->kind + 1) % LIVE_KINDS);
	else if (key == ' ')
		freeze(v);
	else if (key == '/')
		v->editing = true;
	else if (key == 'r')
		v->reverse = !v->reverse;
	else if (key == 'i')
		toggle_idle(v);
	else if (key == 'z')
		reset(v);
	else if (key == KEY_ENTER)
		enter(v);
	else if (key == KEY_ESCAPE || key == KEY_BACKSPACE)
		back(v);
	else if (key == '?' || key == 'h')
		v->help = true;
	else
		return TOP_KEY_NOTHING;
	return TOP_KEY_CHANGED;
}

static enum top_key take_key(struct top_view *v, uint32_t key)
{
	if (key == KEY_CTRL_C)
		return TOP_KEY_QUIT;
	if (key == KEY_CTRL_L)
		return TOP_KEY_REPAINT;
	if (v->editing)
		return edit_filter(v, key);
	if (v->help) {
		v->help = false;
		return TOP_KEY_CHANGED;
	}
	if (key == 'q')
		return TOP_KEY_QUIT;
	if (move_by_key(v, key))
		return TOP_KEY_CHANGED;
	return change_by_key(v, key);
}

enum top_key top_view_key(struct top_view *v, uint32_t key)
{
	enum top_key r = take_key(v, key);

	if (r == TOP_KEY_CHANGED)
		update(v);
	return r;
}
