#include "symbol/jit.h"

#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "symbol/budget.h"
#include "symbol/demangle.h"
#include "symbol/jitdump.h"
#include "symbol/perf_map.h"

enum {
	MAX_PROCESSES = 4096,
	/* A look-up reads no more than this: some milliseconds of a sample's time. */
	SLICE_BYTES = 4 << 20,
	SLICE_RANGES = 1 << 16,
	MAX_NAME = DEMANGLE_MAX_OUT,
	MAX_FILE = 512,
	MAX_TEXT = 2 << 20, /* names of one process that were asked for */
	TAIL = 64,	    /* bytes by which a file is known again */
	ANSWER_BYTES = 64,  /* of one that is remembered, without its text */
	/* Of one range, while the vector grows and with the tables of a dump. */
	RANGE_BYTES = 32,
	DUMPED_BYTES = 192,
	LEAST_RANGES = 64, /* not worth a look for fewer */
};
/* How soon a file is looked at again: when it had the answer, when it had none, and when there is
 * no file at all. Reading may take one part in COST_SHARE of the time. */
static const int64_t after_hit_ns = 100000000, after_miss_ns = 5000000, after_none_ns = 1000000000;
enum { COST_SHARE = 50 };
/* All processes together: a tenth of a second at once, one part in ten of the time after that. */
enum { ALL_SHARE = 10, ALL_BURST_NS = 100000000 };

enum source_kind { PERF_MAP, JITDUMP, SOURCES };
struct source {
	int fd; /* -1 between windows */
	uint64_t dev, inode;
	uint64_t tail; /* hash of the bytes before what was read */
	bool refused;  /* it did not fit */
	struct perf_map perf_map;
	struct jitdump jitdump;
	struct code_map map;
};
struct answer {
	uint32_t name, file, line; /* texts */
};
struct made {
	pid_t pid;
	uint64_t start_time;
	bool known; /* user and inner */
	uid_t user;
	pid_t inner;
	struct source sources[SOURCES];
	int64_t looked_ns;  /* when the files were looked at last */
	int64_t not_before; /* when they may be again, at the soonest */
	bool more;	    /* what was read last was not all */
	struct map64 cache; /* address -> answer, HASH_NONE: no name */
	VEC(struct answer) answers;
	struct strtab texts;
	size_t text_bytes;
	uint64_t last_used;
};
struct jit {
	size_t max_bytes;
	struct map64 index; /* hash of pid and start -> struct made */
	struct budget reading;
	uint64_t clock, window_clock; /* counts look-ups; what it was when the window began */
	char buf[MAX(MAX_NAME, MAX_FILE) + 2];
};

struct jit *jit_new(size_t max_bytes)
{
	struct jit *j = mem_calloc(1, sizeof(*j));

	j->max_bytes = max_bytes;
	return j;
}

static void source_close(struct source *s)
{
	if (s->fd >= 0)
		close(s->fd);
	s->fd = -1;
}

static void source_reset(struct source *s)
{
	source_close(s);
	jitdump_fini(&s->jitdump);
	code_map_fini(&s->map);
	*s = (struct source){.fd = -1};
}

static void forget_answers(struct made *p)
{
	map64_fini(&p->cache);
	vec_fini(&p->answers);
	strtab_fini(&p->texts);
	p->text_bytes = 0;
}

static void made_free(struct made *p)
{
	for (int i = 0; i < SOURCES; i++)
		source_reset(&p->sources[i]);
	forget_answers(p);
	free(p);
}

static struct made *made_at(const struct map64_slot *slot)
{
	return (struct made *)(uintptr_t)slot->value;
}

void jit_free(struct jit *j)
{
	const struct map64_slot *slot;

	if (!j)
		return;
	for (size_t i = 0; (slot = map64_each(&j->index, &i));)
		made_free(made_at(slot));
	map64_fini(&j->index);
	free(j);
}

static size_t made_bytes(const struct made *p)
{
	size_t n = sizeof(*p) + p->text_bytes + p->answers.len * ANSWER_BYTES;

	for (int i = 0; i < SOURCES; i++)
		n += p->sources[i].map.ranges.cap * sizeof(struct code_range) +
		     jitdump_bytes(&p->sources[i].jitdump);
	return n;
}

size_t jit_bytes(const struct jit *j)
{
	const struct map64_slot *slot;
	size_t n = 0;

	for (size_t i = 0; (slot = map64_each(&j->index, &i));)
		n += made_bytes(made_at(slot));
	return n;
}

bool jit_is_made(const struct mapping *m)
{
	static const char *const files[] = {"/memfd:", "/dev/zero", "/anon_hugepage", "/SYSV"};

	if (!m->inode)
		return strncmp(m->path, "[v", 2) != 0; /* [vdso], [vsyscall] */
	for (size_t i = 0; i < ARRAY_SIZE(files); i++)
		if (!strncmp(m->path, files[i], strlen(files[i])))
			return true;
	return false;
}

static struct made *made_of(struct jit *j, const struct process *p)
{
	uint64_t key = hash_mix((uint64_t)p->pid, p->start_time);
	const uint64_t *known = map64_get(&j->index, key);

	if (known)
		return (struct made *)(uintptr_t)*known;
	struct made *m = mem_calloc(1, sizeof(*m));

	m->pid = p->pid;
	m->start_time = p->start_time;
	for (int i = 0; i < SOURCES; i++)
		m->sources[i].fd = -1;
	map64_set(&j->index, key, (uintptr_t)m);
	return m;
}

/* ---- files ---- */

/* "jit-PID.dump", mapped so that profilers find it. */
static int open_jitdump(const struct process *p)
{
	for (size_t i = 0; i < p->mappings.len; i++) {
		const struct mapping *m = &p->mappings.data[i];
		const char *slash = strrchr(m->path, '/');
		size_t n = slash ? strlen(slash) : 0;

		if (m->inode && n > 10 && !strncmp(slash, "/jit-", 5) &&
		    !strcmp(slash + n - 5, ".dump"))
			return process_open_mapping(p, m);
	}
	return -ENOENT;
}

static int open_kind(const struct made *m, const struct process *p, enum source_kind kind)
{
	char path[40];

	if (kind == JITDUMP)
		return open_jitdump(p);
	snprintf(path, sizeof(path), "/tmp/perf-%d.map", (int)m->inner);
	return process_open_path(process_tid(p), path, false);
}

/* Hash of the last bytes that were read: another file may have taken the place of this one. */
static uint64_t tail_of(const struct source *s, uint64_t at)
{
	char text[TAIL];
	size_t n = MIN(at, (uint64_t)TAIL);

	return pread(s->fd, text, n, (off_t)(at - n)) == (ssize_t)n ? hash_bytes(text, n) : 0;
}

static uint64_t place_of(const struct source *s)
{
	return MAX(s->perf_map.at, s->jitdump.at);
}

/* Nothing that a file says is of a process that started after its last change: pids are used again,
 * and the files stay. */
static bool older_than(const struct stat *st, const struct process *p)
{
	struct timespec now, boot;

	clock_gettime(CLOCK_REALTIME, &now);
	clock_gettime(CLOCK_BOOTTIME, &boot);
	int64_t start = (int64_t)p->start_time / sysconf(_SC_CLK_TCK) + now.tv_sec - boot.tv_sec;

	return st->st_mtim.tv_sec < start - 2; /* seconds were cut three times */
}

static int check_owner(struct made *m, const struct process *p, const struct stat *st)
{
	if (st->st_uid == m->user || st->st_uid == 0)
		return older_than(st, p) ? -ESTALE : 0;
	m->known = false; /* maybe the process has become another user */
	return -EPERM;
}

/* Have the file open and be sure that it is the one that was read before; else begin anew. */
static int source_open(struct made *m, const struct process *p, enum source_kind kind,
		       struct source *s)
{
	struct stat st;

	if (s->fd < 0)
		s->fd = open_kind(m, p, kind);
	if (s->fd < 0)
		return s->fd;
	int r = fstat(s->fd, &st) ? -errno : check_owner(m, p, &st);

	if (r) {
		source_close(s);
		return r;
	}
	if (s->inode == st.st_ino && s->dev == st.st_dev && (uint64_t)st.st_size >= place_of(s) &&
	    tail_of(s, place_of(s)) == s->tail)
		return 0;
	int fd = take_fd(&s->fd);

	source_reset(s);
	map64_fini(&m->cache);
	vec_clear(&m->answers);
	s->fd = fd;
	s->dev = st.st_dev;
	s->inode = st.st_ino;
	s->tail = hash_bytes("", 0);
	return 0;
}

/* Read a slice of what is new, as far as there is room. Returns 1 when there is more. */
static int source_read(struct source *s, enum source_kind kind, size_t room, bool *ret_changed)
{
	size_t max =
		MIN(room / (kind == JITDUMP ? DUMPED_BYTES : RANGE_BYTES), (size_t)SLICE_RANGES);
	code_range_vec batch = {};
	uint64_t before = place_of(s);

	s->refused = max < LEAST_RANGES;
	if (s->refused)
		return 0;
	int r = kind == JITDUMP ? jitdump_read(&s->jitdump, s->fd, max, &batch)
				: perf_map_read(&s->perf_map, s->fd, SLICE_BYTES, max, &batch);

	*ret_changed |= batch.len > 0;
	code_map_put(&s->map, &batch);
	vec_fini(&batch);
	if (place_of(s) != before)
		s->tail = tail_of(s, place_of(s));
	return r;
}

static void look_at_files(struct jit *j, struct made *m, const struct process *p, int64_t now)
{
	size_t used = jit_bytes(j);
	bool changed = false, any = false;

	if (!budget_left(&j->reading, now, ALL_SHARE, ALL_BURST_NS))
		return;
	m->more = false;
	m->looked_ns = now;
	if (!m->known && process_identity(p->pid, &m->user, &m->inner))
		return;
	m->known = true;
	for (enum source_kind kind = 0; kind < SOURCES; kind++) {
		struct source *s = &m->sources[kind];

		if (source_open(m, p, kind, s))
			continue;
		any = true;
		m->more |=
			source_read(s, kind, j->max_bytes - MIN(used, j->max_bytes), &changed) == 1;
	}
	if (changed) {
		map64_fini(&m->cache);
		vec_clear(&m->answers);
	}
	int64_t cost = clock_mono_ns() - now;

	budget_spend(&j->reading, cost);
	m->not_before = now + (any ? MAX(cost * COST_SHARE, after_miss_ns) : after_none_ns);
}

/* ---- look-ups ---- */

static uint32_t text_put(struct made *m, const char *s)
{
	size_t before = strtab_count(&m->texts);
	uint32_t id = strtab_puts(&m->texts, s);

	if (strtab_count(&m->texts) != before)
		m->text_bytes += strlen(s) + ANSWER_BYTES;
	return id;
}

static bool find_in(struct jit *j, struct made *m, const struct process *p, enum source_kind kind,
		    uint64_t address, struct answer *ret)
{
	struct source *s = &m->sources[kind];
	const struct code_range *r = code_map_find(&s->map, address);
	struct answer a = {};

	if (!r || m->text_bytes > MAX_TEXT || (s->fd < 0 && source_open(m, p, kind, s)))
		return false;
	/* It may have been another file: then there is nothing yet. */
	r = code_map_find(&s->map, address);
	if (!r)
		return false;
	int failed = kind == JITDUMP ? jitdump_name(s->fd, r->value, j->buf, MAX_NAME + 2)
				     : perf_map_name(s->fd, r->value, j->buf, MAX_NAME + 2);

	if (failed || !*j->buf)
		return false;
	cleanup_free char *shown = demangle(j->buf);

	a.name = text_put(m, shown);
	if (kind == JITDUMP && !jitdump_line(&s->jitdump, s->fd, r->value, r->start, address,
					     j->buf, MAX_FILE, &a.line))
		a.file = text_put(m, j->buf);
	*ret = a;
	return true;
}

/* The number of the answer for an address, HASH_NONE when there is none. */
static uint32_t look_up(struct jit *j, struct made *m, const struct process *p, uint64_t address)
{
	const uint64_t *known = map64_get(&m->cache, address);
	struct answer a;
	uint32_t id = HASH_NONE;

	if (known)
		return (uint32_t)*known;
	/* The dump first: it has lines. */
	if (find_in(j, m, p, JITDUMP, address, &a) || find_in(j, m, p, PERF_MAP, address, &a)) {
		id = (uint32_t)m->answers.len;
		vec_push(&m->answers, a);
		map64_set(&m->cache, address, id);
	}
	return id;
}

bool jit_find(struct jit *j, const struct process *p, uint64_t address, struct jit_name *ret)
{
	struct made *m = made_of(j, p);
	int64_t now = clock_mono_ns();
	uint32_t id;

	m->last_used = ++j->clock;
	if (now >= m->not_before && (m->more || now - m->looked_ns >= after_hit_ns))
		look_at_files(j, m, p, now);
	id = look_up(j, m, p, address);
	/* Made a moment ago? */
	if (id == HASH_NONE && now >= m->not_before) {
		look_at_files(j, m, p, now);
		id = look_up(j, m, p, address);
	}
	if (id == HASH_NONE)
		return false;
	const struct answer *a = &m->answers.data[id];

	*ret = (struct jit_name){strtab_get(&m->texts, a->name), strtab_get(&m->texts, a->file),
				 a->line};
	return true;
}

/* ---- bounds ---- */

static int by_last_use(const void *x, const void *y)
{
	const struct made *const *a = x, *const *b = y;

	return (*a)->last_used < (*b)->last_used ? -1 : (*a)->last_used > (*b)->last_used;
}

/* Those of this window stay, unless they are too many. */
static void forget_oldest(struct jit *j, size_t bytes)
{
	cleanup_free struct made **order = mem_reallocarray(NULL, j->index.len + 1, sizeof(*order));
	const struct map64_slot *slot;
	size_t n = 0;

	for (size_t i = 0; (slot = map64_each(&j->index, &i));)
		order[n++] = made_at(slot);
	qsort(order, n, sizeof(*order), by_last_use);
	for (size_t i = 0; i < n; i++) {
		bool wanted = order[i]->last_used > j->window_clock && bytes <= j->max_bytes;

		if (n - i <= MAX_PROCESSES && (wanted || bytes <= j->max_bytes / 2))
			return;
		bytes -= MIN(bytes, made_bytes(order[i]));
		map64_remove(&j->index, hash_mix((uint64_t)order[i]->pid, order[i]->start_time));
		made_free(order[i]);
	}
}

void jit_trim(struct jit *j)
{
	const struct map64_slot *slot;

	for (size_t i = 0; (slot = map64_each(&j->index, &i));) {
		struct made *m = made_at(slot);

		for (int k = 0; k < SOURCES; k++)
			source_close(&m->sources[k]);
		if (m->text_bytes > MAX_TEXT / 2)
			forget_answers(m);
	}
	size_t bytes = jit_bytes(j);

	/* Half of the bound is for those who come. */
	if (bytes > j->max_bytes / 2 || j->index.len > MAX_PROCESSES)
		forget_oldest(j, bytes);
	j->window_clock = j->clock;
}

void jit_stats(const struct jit *j, struct jit_stats *ret)
{
	const struct map64_slot *slot;
	struct jit_stats st = {};

	for (size_t i = 0; (slot = map64_each(&j->index, &i));) {
		const struct made *m = made_at(slot);
		size_t ranges = st.ranges;

		for (int k = 0; k < SOURCES; k++) {
			st.ranges += m->sources[k].map.ranges.len;
			st.ignored +=
				m->sources[k].perf_map.ignored + m->sources[k].jitdump.ignored;
			st.left_out += m->sources[k].refused;
		}
		st.processes += st.ranges > ranges;
	}
	*ret = st;
}
