#include <link.h>

#include "unwind/native/table_store_priv.h"

/* For how long a mapping that looks the same is believed to be of the same file. */
#define VERIFIED_NS NSEC_PER_SEC

const char *const table_refusal_names[TABLE_REFUSED_COUNT] = {
	[TABLE_REFUSED_MAPPINGS] = "too many mappings",
	[TABLE_REFUSED_PUBLISH] = "too many processes",
	[TABLE_REFUSED_FILES] = "too many files",
	[TABLE_REFUSED_UNREADABLE] = "file cannot be opened",
	[TABLE_REFUSED_FORMAT] = "not ELF for x86-64",
	[TABLE_REFUSED_EMPTY] = "no call frame information",
	[TABLE_REFUSED_BROKEN] = "broken file",
	[TABLE_REFUSED_SIZE] = "table too large",
	[TABLE_REFUSED_ROOM] = "no room for rows",
	[TABLE_REFUSED_BUDGET] = "put off",
};

struct table_store *table_store_new(const struct table_space *space, size_t max_bytes)
{
	struct table_store *s = mem_calloc(1, sizeof(*s));

	CHECK(space->max_chunks <= UNWIND_MAX_CHUNKS);
	s->space = *space;
	s->max_bytes = max_bytes;
	places_init(&s->mappings, UNWIND_MAX_MAPPINGS);
	table_files_init(s);
	table_rows_init(s);
	return s;
}

void table_store_free(struct table_store *s)
{
	if (!s)
		return;
	table_queue_fini(s);
	table_rows_fini(s);
	table_files_fini(s);
	table_cache_close(s->cache);
	places_fini(&s->mappings);
	map64_fini(&s->processes);
	vec_fini(&s->runs);
	vec_fini(&s->free_runs);
	vec_fini(&s->scratch);
	vec_fini(&s->given);
	free(s);
}

/* The build id of this program, as a number. */
static int own_build_id(struct dl_phdr_info *info, size_t size, void *ret)
{
	for (int i = 0; i < info->dlpi_phnum; i++) {
		const ElfW(Phdr) *p = &info->dlpi_phdr[i];

		/* All notes of the segment: more than the build id, but no less. */
		if (p->p_type == PT_NOTE)
			*(uint64_t *)ret = hash_mix(
				*(uint64_t *)ret,
				hash_bytes((void *)(info->dlpi_addr + p->p_vaddr), p->p_filesz));
	}
	return 1; /* the first is the program */
}

int table_store_set_cache(struct table_store *s, const char *folder, uint64_t max_bytes,
			  struct err *e)
{
	struct table_cache *cache;
	int r = table_cache_open(folder, max_bytes, &cache, e);

	if (r)
		return r;
	table_cache_close(s->cache);
	s->cache = cache;
	s->builder = 0;
	dl_iterate_phdr(own_build_id, &s->builder);
	return 0;
}

/* --- what is given up --------------------------------------------------------------------------*/

void table_store_give(struct table_store *s, bool is_run, uint32_t first, uint32_t count,
		      int64_t now_ns)
{
	if (count)
		vec_push(&s->given, (struct table_given){now_ns, is_run, first, count});
}

static void drop_file(struct table_store *s, uint32_t file, int64_t now_ns)
{
	CHECK(s->files.data[file].refs);
	if (!--s->files.data[file].refs)
		s->files.data[file].unused_ns = now_ns;
}

static void drop_files(struct table_store *s, const struct unwind_mapping *m, size_t n,
		       int64_t now_ns)
{
	for (size_t i = 0; i < n; i++)
		drop_file(s, m[i].file, now_ns);
}

/* What was given up long enough ago is free. */
static void reclaim(struct table_store *s, int64_t now_ns)
{
	for (; s->given_done < s->given.len; s->given_done++) {
		const struct table_given *g = &s->given.data[s->given_done];

		if (now_ns - g->ns < TABLE_GRACE_NS)
			break;
		if (!g->is_run) {
			table_rows_reclaim(s, g->first, g->count);
			continue;
		}
		drop_files(s, s->space.mappings + g->first, g->count, now_ns);
		places_give(&s->mappings, g->first, g->count);
	}
	if (!s->given_done || s->given_done * 2 < s->given.len)
		return;
	s->given.len -= s->given_done;
	memmove(s->given.data, s->given.data + s->given_done,
		s->given.len * sizeof(*s->given.data));
	s->given_done = 0;
}

/* --- runs --------------------------------------------------------------------------------------*/

static struct table_run *run_of(const struct table_store *s, pid_t pid)
{
	const uint64_t *i = map64_get(&s->processes, (uint64_t)pid);

	return i ? &s->runs.data[*i] : NULL;
}

bool table_store_run(const struct table_store *s, pid_t pid, struct unwind_process *ret)
{
	const struct table_run *run = run_of(s, pid);

	if (run)
		*ret = run->place;
	return run;
}

void table_store_let_go(struct table_store *s, uint32_t i, int64_t now_ns)
{
	if (i == HASH_NONE)
		return;
	struct table_run *run = &s->runs.data[i];

	if (--run->refs)
		return;
	table_store_give(s, true, run->place.first, run->place.count, now_ns);
	vec_push(&s->free_runs, i);
}

uint32_t table_store_hold(struct table_store *s, pid_t pid)
{
	const uint64_t *i = map64_get(&s->processes, (uint64_t)pid);

	if (!i)
		return HASH_NONE;
	s->runs.data[*i].refs++;
	return (uint32_t)*i;
}

void table_store_held(const struct table_store *s, uint32_t run, struct unwind_process *ret)
{
	*ret = run == HASH_NONE ? (struct unwind_process){} : s->runs.data[run].place;
}

static uint32_t add_run(struct table_store *s, const struct unwind_process *place,
			int64_t verified_ns)
{
	struct table_run run = {.place = *place, .verified_ns = verified_ns};

	if (!s->free_runs.len) {
		vec_push(&s->runs, run);
		return (uint32_t)s->runs.len - 1;
	}
	uint32_t i = s->free_runs.data[--s->free_runs.len];

	s->runs.data[i] = run;
	return i;
}

/* From now on the process has that run; the one before is given up when nobody else has it. */
static int set_run(struct table_store *s, pid_t pid, uint32_t i, int64_t now_ns)
{
	struct table_run *run = &s->runs.data[i];
	const uint64_t *old = map64_get(&s->processes, (uint64_t)pid);
	uint64_t old_run = old ? *old : HASH_NONE;
	int r = s->space.publish(s->space.arg, pid, &run->place);

	run->refs++;
	if (r < 0) {
		s->stats.refused[TABLE_REFUSED_PUBLISH]++;
		table_store_let_go(s, i, now_ns);
		return r;
	}
	map64_set(&s->processes, (uint64_t)pid, i);
	if (old_run != HASH_NONE)
		table_store_let_go(s, (uint32_t)old_run, now_ns);
	s->stats.published++;
	return 0;
}

void table_store_forget(struct table_store *s, pid_t pid, int64_t now_ns)
{
	const uint64_t *found = map64_get(&s->processes, (uint64_t)pid);

	if (!found)
		return;
	uint32_t i = (uint32_t)*found;

	s->space.publish(s->space.arg, pid, NULL);
	map64_remove(&s->processes, (uint64_t)pid);
	table_store_let_go(s, i, now_ns);
}

void table_store_fork(struct table_store *s, pid_t parent, pid_t child, int64_t now_ns)
{
	const uint64_t *found = map64_get(&s->processes, (uint64_t)parent);

	if (found && parent != child)
		set_run(s, child, (uint32_t)*found, now_ns);
}

/* --- mappings ----------------------------------------------------------------------------------*/

/* The element of a run that holds an address, or NULL. */
static const struct unwind_mapping *find_mapping(const struct table_store *s,
						 const struct unwind_process *run, uint64_t address)
{
	const struct unwind_mapping *all = s->space.mappings + run->first;
	uint32_t low = 0, high = run->count;

	while (low < high) {
		uint32_t middle = (low + high) / 2;

		if (all[middle].end <= address)
			low = middle + 1;
		else
			high = middle;
	}
	return low < run->count && all[low].start <= address ? &all[low] : NULL;
}

/* The number of its file. The mapping before may be of the same file, which nothing else can be at
 * the same time; and what the last run has is believed, when it was found just now. */
static int file_of(struct table_store *s, const struct process *p, const struct mapping *m,
		   const struct table_run *last, int64_t now_ns, uint32_t *ret_identity)
{
	const struct unwind_mapping *like[] = {
		s->scratch.len ? &s->scratch.data[s->scratch.len - 1] : NULL,
		last ? find_mapping(s, &last->place, m->start) : NULL,
	};

	for (size_t i = 0; i < ARRAY_SIZE(like); i++) {
		int file = like[i] ? table_files_again(s, m, like[i]->identity) : -ENOENT;

		if (file >= 0) {
			*ret_identity = like[i]->identity;
			return file;
		}
	}
	return table_files_find(s, p, m, now_ns, ret_identity);
}

/* Only memory with a file, and the [vdso], can have a table. Other code is known to have none. */
static bool can_have_table(const struct mapping *m)
{
	return m->inode || !strcmp(m->path, "[vdso]");
}

/* Append a mapping to the run that is being made, or make its last one longer. */
static int add_mapping(struct table_store *s, const struct process *p, const struct mapping *m,
		       const struct table_run *last, int64_t now_ns)
{
	struct unwind_mapping new = {.start = m->start, .end = m->end, .origin = m->start};
	struct unwind_mapping *before =
		s->scratch.len ? &s->scratch.data[s->scratch.len - 1] : NULL;
	int file = TABLE_FILE_NONE;

	/* The [vsyscall] page, which the searches could not bear, and in which nobody stays. */
	if (m->start >= TABLE_USER_END)
		return 0;
	if (!can_have_table(m))
		new.origin = 0;
	else
		file = file_of(s, p, m, last, now_ns, &new.identity);
	if (file < 0)
		return file;
	/* A part of the file that is not code has no rows. */
	if (file != TABLE_FILE_NONE && !unwind_code_origin(&s->files.data[file].code, m->start,
							   m->end, m->offset, &new.origin))
		new.file = (uint32_t)file;
	if (before && before->end == new.start && before->file == new.file &&
	    before->origin == new.origin) {
		before->end = new.end;
		return 0;
	}
	s->files.data[new.file].refs++;
	vec_push(&s->scratch, new);
	return 0;
}

static int make_run(struct table_store *s, const struct process *p, const struct table_run *last,
		    int64_t now_ns)
{
	vec_clear(&s->scratch);
	for (size_t i = 0; i < p->mappings.len; i++) {
		const struct mapping *m = &p->mappings.data[i];
		int r = add_mapping(s, p, m, last, now_ns);

		if (r < 0) {
			drop_files(s, s->scratch.data, s->scratch.len, now_ns);
			return r;
		}
	}
	return 0;
}

/* The references of the scratch to files are the run's from now on. */
static int publish_run(struct table_store *s, pid_t pid, int64_t verified_ns, int64_t now_ns)
{
	struct unwind_process place = {
		.count = (uint32_t)s->scratch.len,
		.number = ++s->last_number,
	};

	if (place.count && places_take(&s->mappings, place.count, &place.first)) {
		drop_files(s, s->scratch.data, s->scratch.len, now_ns);
		s->stats.refused[TABLE_REFUSED_MAPPINGS]++;
		return -ENOSPC;
	}
	if (place.count)
		memcpy(s->space.mappings + place.first, s->scratch.data,
		       place.count * sizeof(*s->scratch.data));
	/* The elements are there before anybody is pointed at them. */
	__atomic_thread_fence(__ATOMIC_RELEASE);
	return set_run(s, pid, add_run(s, &place, verified_ns), now_ns);
}

int table_store_process(struct table_store *s, const struct process *p, int64_t now_ns)
{
	struct table_run *last = run_of(s, p->pid);
	bool fresh = last && now_ns - last->verified_ns < VERIFIED_NS;
	int64_t verified_ns = fresh ? last->verified_ns : now_ns;

	reclaim(s, now_ns);
	int r = make_run(s, p, fresh ? last : NULL, now_ns);

	if (r)
		return r;
	if (last && last->place.count == s->scratch.len &&
	    (!s->scratch.len || !memcmp(s->space.mappings + last->place.first, s->scratch.data,
					s->scratch.len * sizeof(*s->scratch.data)))) {
		drop_files(s, s->scratch.data, s->scratch.len, now_ns);
		last->verified_ns = verified_ns;
		return 0;
	}
	r = publish_run(s, p->pid, verified_ns, now_ns);
	if (r) /* better no mappings than old ones */
		table_store_forget(s, p->pid, now_ns);
	return r;
}

/* --- tables ------------------------------------------------------------------------------------*/

int table_store_load(struct table_store *s, const struct unwind_process *run,
		     const struct process *p, const struct mapping *m, int64_t now_ns,
		     int64_t *patience_ns)
{
	const struct unwind_mapping *at = find_mapping(s, run, m->start);

	if (!at)
		return -ENOENT;
	return s->space.files[at->file].state == UNWIND_FILE_UNKNOWN
		       ? table_queue_ask(s, p, m, at->file, now_ns, patience_ns)
		       : 0;
}

bool table_store_awaits(const struct table_store *s, const struct unwind_process *run,
			const struct mapping *m)
{
	const struct unwind_mapping *at = find_mapping(s, run, m->start);

	return at && table_queue_has(s, at->file);
}

static void read_hits(struct table_store *s)
{
	for (uint32_t i = 0; i < s->files.len; i++) {
		uint32_t hits = s->space.files[i].hits;
		struct table_file *f = &s->files.data[i];

		f->recent = f->recent / 2 + (hits - f->hits);
		f->hits = hits;
	}
}

void table_store_tick(struct table_store *s, int64_t now_ns)
{
	reclaim(s, now_ns);
	read_hits(s);
	table_rows_trim(s, now_ns);
}

void table_store_get_stats(const struct table_store *s, struct table_store_stats *ret)
{
	*ret = s->stats;
	ret->processes = s->processes.len;
	ret->runs = s->runs.len - s->free_runs.len;
	ret->mappings = UNWIND_MAX_MAPPINGS - s->mappings.left;
	ret->files = s->files.len - 1;
	ret->bytes = s->stats.rows * sizeof(unwind_row);
	ret->pages = UNWIND_MAX_PAGES - s->pages.left;
	ret->rules = s->rules.rules.len;
	ret->waiting = s->wishes.len + s->making_one;
}
