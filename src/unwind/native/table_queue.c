#include <unistd.h>

#include "unwind/native/table_store_priv.h"

enum {
	BUDGET_SHARE = 7, /* table_store.h */
	MAX_WISHES = 128, /* each has a descriptor */
	/* What was kept and is no larger is read in place: that takes less than a millisecond. */
	SMALL_IMAGE = 256 << 10,
};
#define BUDGET_BURST_NS NSEC_PER_SEC

/* --- what becomes of a table -------------------------------------------------------------------*/

static void have_none(struct table_store *s, uint32_t file, enum table_refusal why)
{
	s->space.files[file].state = UNWIND_FILE_NONE;
	s->stats.refused[why]++;
}

static enum table_refusal refusal_of(int r)
{
	return r == -ENOTSUP ? TABLE_REFUSED_FORMAT
	       : r == -EFBIG ? TABLE_REFUSED_SIZE
			     : TABLE_REFUSED_BROKEN;
}

/* Places are given up with every tick: then there may be room. */
static int have_no_room(struct table_store *s, uint32_t file, int64_t now_ns)
{
	s->stats.refused[TABLE_REFUSED_ROOM]++;
	s->files.data[file].retry_ns = now_ns + TABLE_GRACE_NS;
	return -ENOSPC;
}

/* Publish a table of so many rows, or say that there is none. -EBUSY: that takes long, and it was
 * to be done at once. */
static int take_table(struct table_store *s, uint32_t file, int rows, const struct unwind_table *t,
		      bool at_once, int64_t now_ns)
{
	int r = 0;

	if (rows > 0 && t->rows.len * sizeof(unwind_row) > s->max_bytes)
		rows = -EFBIG;
	if (rows > 0)
		r = table_rows_publish(s, file, t, at_once);
	if (r)
		return r == -EBUSY ? r : have_no_room(s, file, now_ns);
	s->stats.damaged += t->bad;
	for (int i = 0; i < UNWIND_WHY_COUNT; i++)
		s->stats.unsupported += t->unsupported[i];
	if (rows <= 0)
		have_none(s, file, rows ? refusal_of(rows) : TABLE_REFUSED_EMPTY);
	return 0;
}

static void spend(struct table_store *s, int64_t cpu_ns)
{
	budget_spend(&s->making, cpu_ns);
	s->stats.load_ns += cpu_ns;
}

static int take_order(struct table_store *s, uint32_t file, int64_t now_ns)
{
	struct table_order *o = &s->order;

	s->stats.cached += !o->from_file;
	s->stats.cache_failed += o->cache_failed;
	if (o->rows > 0 && o->rules != &s->rules &&
	    unwind_table_merge(&o->table, o->rules, s->common_rules, &s->rules))
		return have_no_room(s, file, now_ns);
	return take_table(s, file, o->rows, &o->table, false, now_ns);
}

/* --- orders ------------------------------------------------------------------------------------*/

/* Number and descriptor belong to the order from now on. */
static void begin(struct table_store *s, const struct table_wish *w)
{
	s->order = (struct table_order){
		.fd = w->fd,
		.pid = w->pid,
		.path = w->path,
		.cache = s->cache,
		.rules = s->background ? &s->order_rules : &s->rules,
	};
	table_files_key(s, w->file, &s->order.key);
}

static int make_here(struct table_store *s, const struct table_wish *w, int64_t now_ns)
{
	int64_t start = clock_thread_cpu_ns();

	begin(s, w);
	table_order_make(&s->order);
	int r = take_order(s, w->file, now_ns);

	table_order_fini(&s->order);
	spend(s, clock_thread_cpu_ns() - start);
	return r;
}

static void make(void *order)
{
	table_order_make(order);
}

static void make_beside(struct table_store *s, const struct table_wish *w)
{
	begin(s, w);
	s->order.space = &s->space;
	s->order.chunks = (uint32_t)s->stats.chunks;
	s->order.free_rows = table_rows_free(s);
	s->order.max_rows = s->max_bytes / sizeof(unwind_row);
	unwind_rules_copy(&s->order_rules, &s->rules);
	s->common_rules = s->rules.rules.len;
	s->made = *w;
	s->making_one = true;
	worker_start(&s->worker, make, &s->order);
}

static bool is_wanted(const struct table_store *s, const struct table_wish *w)
{
	const struct table_file *f = &s->files.data[w->file];

	return f->generation == w->generation && f->refs &&
	       s->space.files[w->file].state == UNWIND_FILE_UNKNOWN;
}

/* The worker is done. Its table may be of no use any more. */
static void finish(struct table_store *s, int64_t now_ns)
{
	int64_t start = clock_thread_cpu_ns();

	s->making_one = false;
	s->stats.beside++;
	if (is_wanted(s, &s->made))
		take_order(s, s->made.file, now_ns);
	table_order_fini(&s->order);
	unwind_rules_fini(&s->order_rules);
	spend(s, s->worker.cpu_ns + clock_thread_cpu_ns() - start);
}

/* --- wishes ------------------------------------------------------------------------------------*/

/* How often it was looked up lately, with what walks have counted since the last tick. */
static uint64_t wanted(const struct table_store *s, uint32_t file)
{
	const struct table_file *f = &s->files.data[file];

	return f->recent + (s->space.files[file].hits - f->hits);
}

/* Is all that there is used more than this would be? */
static bool has_no_room(const struct table_store *s, uint32_t file)
{
	return table_rows_full(s) && s->least && wanted(s, file) <= s->least;
}

static bool may_make(struct table_store *s, int64_t now_ns)
{
	return budget_left(&s->making, now_ns, BUDGET_SHARE, BUDGET_BURST_NS);
}

static void wish_fini(struct table_wish *w)
{
	close(w->fd);
	free(w->path);
}

static void remove_wish(struct table_store *s, size_t i)
{
	s->wishes.data[i] = s->wishes.data[--s->wishes.len];
}

/* What nobody wants any more is forgotten, as is what finds no room. */
static void drop_wishes(struct table_store *s)
{
	for (size_t i = s->wishes.len; i-- > 0;) {
		struct table_wish *w = &s->wishes.data[i];
		bool full = has_no_room(s, w->file);

		if (!full && is_wanted(s, w))
			continue;
		s->stats.refused[TABLE_REFUSED_ROOM] += full;
		wish_fini(w);
		remove_wish(s, i);
	}
}

/* Begin with what is wanted most. */
static void begin_next(struct table_store *s, int64_t now_ns)
{
	size_t best = 0;

	drop_wishes(s);
	if (s->making_one || !s->wishes.len || !may_make(s, now_ns))
		return;
	for (size_t i = 1; i < s->wishes.len; i++)
		if (wanted(s, s->wishes.data[i].file) > wanted(s, s->wishes.data[best].file))
			best = i;
	struct table_wish w = s->wishes.data[best];

	remove_wish(s, best);
	make_beside(s, &w);
}

bool table_queue_has(const struct table_store *s, uint32_t file)
{
	if (s->making_one && s->made.file == file &&
	    s->made.generation == s->files.data[file].generation)
		return true;
	for (size_t i = 0; i < s->wishes.len; i++)
		if (s->wishes.data[i].file == file &&
		    s->wishes.data[i].generation == s->files.data[file].generation)
			return true;
	return false;
}

static int open_wish(struct table_store *s, const struct process *p, const struct mapping *m,
		     uint32_t file, struct table_wish *ret)
{
	int fd = table_files_open(s, p, m, file);

	if (fd < 0)
		return fd;
	*ret = (struct table_wish){
		.file = file,
		.generation = s->files.data[file].generation,
		.fd = fd,
		.pid = process_tid(p),
		.path = m->path[0] == '/' ? mem_strdup(m->path) : NULL,
	};
	return 0;
}

/* --- asking ------------------------------------------------------------------------------------*/

/* -EAGAIN: it is not kept, or takes longer. */
static int read_kept(struct table_store *s, uint32_t file, int64_t now_ns, int64_t *patience_ns)
{
	struct unwind_table table = {};
	struct table_image_key key;
	int64_t start = clock_mono_ns(), cpu = clock_thread_cpu_ns();

	if (!s->cache || *patience_ns <= 0 || !may_make(s, now_ns))
		return -EAGAIN;
	table_files_key(s, file, &key);
	int rows = table_cache_load(s->cache, &key, SMALL_IMAGE, &s->rules, &table), r = -EAGAIN;

	if (rows >= 0) {
		r = take_table(s, file, rows, &table, true, now_ns);
		s->stats.cached += r != -EBUSY;
	}
	unwind_table_fini(&table);
	spend(s, clock_thread_cpu_ns() - cpu);
	*patience_ns -= clock_mono_ns() - start;
	return r == -EBUSY ? -EAGAIN : r;
}

static int ask_worker(struct table_store *s, const struct process *p, const struct mapping *m,
		      uint32_t file, int64_t now_ns, int64_t *patience_ns)
{
	int64_t start = clock_mono_ns();
	struct table_wish w;
	int r = s->wishes.len < MAX_WISHES ? open_wish(s, p, m, file, &w) : -EAGAIN;

	if (r) {
		s->stats.refused[TABLE_REFUSED_BUDGET] += r == -EAGAIN;
		return r;
	}
	vec_push(&s->wishes, w);
	s->stats.refused[TABLE_REFUSED_BUDGET] += !may_make(s, now_ns);
	begin_next(s, now_ns);
	/* Most files take a millisecond: nothing need be put aside for those. */
	if (s->making_one && s->made.file == file && worker_wait(&s->worker, *patience_ns)) {
		finish(s, now_ns);
		begin_next(s, now_ns);
	}
	*patience_ns -= clock_mono_ns() - start;
	if (s->space.files[file].state != UNWIND_FILE_UNKNOWN)
		return 0;
	return table_queue_has(s, file) ? -EINPROGRESS : -ENOSPC;
}

static int ask_here(struct table_store *s, const struct process *p, const struct mapping *m,
		    uint32_t file, int64_t now_ns)
{
	struct table_wish w;

	if (!may_make(s, now_ns)) {
		s->stats.refused[TABLE_REFUSED_BUDGET]++;
		return -EAGAIN;
	}
	int r = open_wish(s, p, m, file, &w);

	return r ? r : make_here(s, &w, now_ns);
}

int table_queue_ask(struct table_store *s, const struct process *p, const struct mapping *m,
		    uint32_t file, int64_t now_ns, int64_t *patience_ns)
{
	if (table_queue_has(s, file))
		return -EINPROGRESS;
	if (now_ns < s->files.data[file].retry_ns) {
		s->stats.refused[TABLE_REFUSED_BUDGET]++;
		return -EAGAIN;
	}
	if (has_no_room(s, file)) {
		s->stats.refused[TABLE_REFUSED_ROOM]++;
		return -ENOSPC;
	}
	if (!s->background)
		return ask_here(s, p, m, file, now_ns);
	int r = read_kept(s, file, now_ns, patience_ns);

	return r == -EAGAIN ? ask_worker(s, p, m, file, now_ns, patience_ns) : r;
}

/* --- the worker --------------------------------------------------------------------------------*/

int table_store_set_background(struct table_store *s)
{
	s->background = true;
	return worker_fd(&s->worker);
}

bool table_store_wait(struct table_store *s, int64_t wait_ns)
{
	if (s->making_one)
		worker_wait(&s->worker, wait_ns);
	return s->making_one;
}

bool table_store_collect(struct table_store *s, int64_t now_ns)
{
	size_t before = s->wishes.len + s->making_one;

	if (s->making_one && worker_wait(&s->worker, 0))
		finish(s, now_ns);
	begin_next(s, now_ns);
	return s->wishes.len + s->making_one < before;
}

void table_queue_fini(struct table_store *s)
{
	atomic_store(&s->order.stop, true);
	worker_fini(&s->worker);
	if (s->making_one) {
		table_order_fini(&s->order);
		unwind_rules_fini(&s->order_rules);
	}
	for (size_t i = 0; i < s->wishes.len; i++)
		wish_fini(&s->wishes.data[i]);
	vec_fini(&s->wishes);
}
