#include "memory/memory_run.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/io.h"
#include "memory/memory_run_priv.h"

enum {
	MAX_FILES = 65536,
	OWN_BYTES =
		256 << 10, /* of the library: lines do not have it, who looks from outside does */
};

/* ---- bytes of a stranger ---- */

/* Text of n bytes, of which the last must be its end. */
static const char *text_at(const char *p, size_t n)
{
	return n && n <= MEMORY_MAX_TEXT && !p[n - 1] ? p : NULL;
}

/* The record at *at, which moves behind it; NULL at the end, or where it makes no sense. */
static const struct memory_record_abi *next_record(const struct memory_file *f, size_t *at)
{
	const struct memory_record_abi *r = (const void *)(f->data + *at);

	if (*at > f->size || f->size - *at < sizeof(*r))
		return NULL;
	if (r->bytes % 8 || r->bytes < sizeof(*r) || r->bytes > f->size - *at)
		return NULL;
	*at += r->bytes;
	return r;
}

/* ---- functions ---- */

static int add_function(struct memory_file *f, const struct memory_record_abi *r)
{
	const struct memory_function_abi *a = (const void *)r;
	struct memory_raw_function raw = {.abi = a, .number = (uint32_t)f->functions.len};
	size_t lines, text = (size_t)0;

	if (r->bytes < sizeof(*a) || a->nlines > MEMORY_MAX_LINES || !a->first_line ||
	    a->first_line > INT32_MAX || a->last_line < a->first_line)
		return -EBADMSG;
	lines = a->nlines * sizeof(struct memory_line_abi);
	text = (size_t)a->file_bytes + a->name_bytes;
	if (r->bytes - sizeof(*a) < lines || r->bytes - sizeof(*a) - lines < text)
		return -EBADMSG;
	raw.lines = (const void *)(a + 1);
	raw.file = text_at((const char *)(raw.lines + a->nlines), a->file_bytes);
	raw.name = text_at((const char *)(raw.lines + a->nlines) + a->file_bytes, a->name_bytes);
	if (!raw.file || !raw.name)
		return -EBADMSG;
	vec_push(&f->functions, raw);
	return 0;
}

static int add_stacks(struct memory_file *f, const struct memory_record_abi *r)
{
	const struct memory_stacks_abi *a = (const void *)r;

	if (r->bytes != sizeof(*a))
		return -EBADMSG;
	for (size_t i = 0; i < MEMORY_STACKS_IN_ONE && f->stacks.len < f->header->stacks; i++)
		vec_push(&f->stacks, &a->stacks[i]);
	return 0;
}

/* Functions of the same place are one. */
static int compare_places(const void *a, const void *b)
{
	const struct memory_raw_function *x = a, *y = b;
	int order = strcmp(x->file, y->file);

	if (!order)
		order = (x->abi->first_line > y->abi->first_line) -
			(x->abi->first_line < y->abi->first_line);
	return order ? order : strcmp(x->name, y->name);
}

static int compare_raws(const void *a, const void *b)
{
	const struct memory_raw_function *x = a, *y = b;
	int order = compare_places(a, b);

	return order ? order : (x->number > y->number) - (x->number < y->number);
}

/* The process ended, or is, within this line: it counts with what it added so far. */
static void add_open_line(struct memory_line *to, const struct memory_line_abi *l, int64_t usage)
{
	int64_t added;

	if (!l->open || __builtin_sub_overflow(usage, l->start, &added))
		return;
	to->usage = to->occurrences ? MAX(to->usage, usage) : usage;
	if (__builtin_add_overflow(to->occurrences, (uint64_t)l->open, &to->occurrences))
		to->occurrences = UINT64_MAX;
	to->increment = add_saturated(to->increment, added);
	to->peak = MAX(to->peak, added);
}

static void add_line(struct memory_line *to, const struct memory_line_abi *l)
{
	bool first = !to->occurrences;

	if (__builtin_add_overflow(to->occurrences, l->occurrences, &to->occurrences))
		to->occurrences = UINT64_MAX;
	to->usage = first ? l->usage : MAX(to->usage, l->usage);
	to->increment = add_saturated(to->increment, l->increment);
	to->own = add_saturated(to->own, l->own);
	to->peak = MAX(to->peak, l->peak);
}

/* The lines of n raw functions of one place, those that ran. */
static void join_lines(struct memory_run *run, int64_t usage,
		       const struct memory_raw_function *raws, size_t n, struct memory_function *to)
{
	uint32_t most = 0;
	cleanup_free struct memory_line *all = NULL;

	for (size_t i = 0; i < n; i++)
		most = MAX(most, raws[i].abi->nlines);
	all = mem_calloc((size_t)most + 1, sizeof(*all));
	for (size_t i = 0; i < n; i++)
		for (uint32_t j = 0; j < raws[i].abi->nlines; j++) {
			const struct memory_line_abi *l = &raws[i].lines[j];

			if (l->occurrences || l->own)
				add_line(&all[j], l);
			add_open_line(&all[j], l, usage);
		}
	for (uint32_t j = 0; j < most; j++)
		to->nlines += all[j].occurrences || all[j].own;
	to->lines = arena_array(&run->memory, struct memory_line, to->nlines + 1);
	to->nlines = 0;
	for (uint32_t j = 0; j < most; j++) {
		if (!all[j].occurrences && !all[j].own)
			continue;
		all[j].line = to->first_line + j;
		to->lines[to->nlines++] = all[j];
	}
}

static const char *full_path(struct memory_run *run, const struct memory_file *f, const char *file)
{
	if (*file == '/' || *file == '<' || !*f->header->folder)
		return file;
	return arena_printf(&run->memory, "%s/%s", f->header->folder, file);
}

static void join(struct memory_run *run, const struct memory_file *f,
		 const struct memory_raw_function *raws, size_t n, struct memory_function *to)
{
	const struct memory_function_abi *first = raws->abi;

	to->file = arena_strdup(&run->memory, raws->file);
	to->path = full_path(run, f, to->file);
	to->name = arena_strdup(&run->memory, raws->name);
	to->first_line = first->first_line;
	for (size_t i = 0; i < n; i++) {
		const struct memory_function_abi *a = raws[i].abi;

		to->last_line = MAX(to->last_line, a->last_line);
		to->decorated |= a->flags & MEMORY_DECORATED;
		if (a->calls && !to->calls)
			to->entered = a->entered;
		if (__builtin_add_overflow(to->calls, a->calls, &to->calls))
			to->calls = UINT64_MAX;
	}
	join_lines(run, f->header->usage, raws, n, to);
}

/* All functions that ran, and which each of the file's became. */
static void join_functions(struct memory_run *run, struct memory_file *f, struct memory_process *to)
{
	size_t n = f->functions.len;
	const struct memory_raw_function *raws = f->functions.data;

	if (!n)
		return;
	qsort(f->functions.data, n, sizeof(*f->functions.data), compare_raws);
	to->functions = arena_array(&run->memory, struct memory_function, n);
	for (size_t i = 0, end; i < n; i = end) {
		struct memory_function *function = &to->functions[to->nfunctions];

		for (end = i + 1; end < n && !compare_places(&raws[i], &raws[end]);)
			end++;
		join(run, f, &raws[i], end - i, function);
		for (size_t j = i; j < end; j++)
			if (raws[j].number == f->header->peak_function && f->header->peak_line)
				to->peak.function = function;
		if (function->calls || function->nlines || function->decorated)
			to->nfunctions++;
		else
			*function = (struct memory_function){};
	}
}

/* ---- a file ---- */

static const char *problem_text(uint32_t problem)
{
	switch (problem) {
#define X(name, number, text)                                                                      \
	case number:                                                                               \
		return text;
		MEMORY_PROBLEMS(X)
#undef X
	default:
		return NULL;
	}
}

static const char *command_text(struct memory_run *run, const char *arguments, size_t n)
{
	char *text;

	while (n && !arguments[n - 1])
		n--;
	text = arena_alloc(&run->memory, n + 1, 1);
	memcpy(text, arguments, n);
	for (size_t i = 0; i < n; i++)
		if (!text[i])
			text[i] = ' ';
	return text;
}

/* NULL at the last. */
static const char *next_word(const char *word, const char *end)
{
	word += strlen(word) + 1;
	return word < end && *word ? word : NULL;
}

/* What people call it. arguments: each with its end. */
static const char *short_name(struct memory_run *run, const char *arguments, size_t n)
{
	char *text = arena_alloc(&run->memory, n + 1, 1);
	const char *end = text + n, *program, *word;

	memcpy(text, arguments, n);
	text[n] = 0;
	program = path_last(text);
	if (strncmp(program, "python", strlen("python")))
		return program;
	for (word = next_word(text, end); word; word = next_word(word, end)) {
		bool value = !strcmp(word, "-m") || !strcmp(word, "-X") || !strcmp(word, "-W");

		if (*word != '-')
			return path_last(word);
		if (!strncmp(word, "-c", 2) || (value && !next_word(word, end)))
			break;
		if (!strcmp(word, "-m"))
			return next_word(word, end);
		if (value)
			word = next_word(word, end);
	}
	return program;
}

static void take_header(struct memory_run *run, const struct memory_header_abi *h,
			struct memory_process *to)
{
	*to = (struct memory_process){
		.pid = h->pid,
		.parent = h->parent,
		.command = command_text(run, h->command, sizeof(h->command)),
		.name = short_name(run, h->command, sizeof(h->command)),
		.python = (int)(h->python & 0xffff),
		.allocated = h->flags & MEMORY_ALLOCATED,
		.start_ns = h->start_ns,
		.end_ns = h->end_ns,
		.events = h->events,
		.peak = {.bytes = h->peak, .time_ns = h->peak_ns, .line = h->peak_line},
		.peak_resident = -1,
		.lost_functions = h->lost_functions,
		.lost_frames = h->lost_frames,
		.lost_lines = h->lost_lines,
		.lost_blocks = h->lost_blocks,
		.lost_peaks = h->lost_peaks,
		.trace_taken = h->trace_taken,
		.problem = problem_text(h->problem),
	};
}

static void file_fini(struct memory_file *f)
{
	vec_fini(&f->functions);
	vec_fini(&f->stacks);
}

int memory_run_add(struct memory_run *run, const void *p, size_t n, struct err *e)
{
	cleanup(file_fini) struct memory_file f = {.header = p, .data = p};
	const struct memory_header_abi *h = p;
	const struct memory_record_abi *r;
	size_t at = (sizeof(*h) + 7) / 8 * 8;
	struct memory_process process;

	if (n < at || h->magic != MEMORY_MAGIC || h->version != MEMORY_VERSION || h->used > n ||
	    h->used < at || strnlen(h->folder, sizeof(h->folder)) == sizeof(h->folder))
		return err_set(e, -EBADMSG, "this is no file of the memory library");
	f.size = h->used;
	while ((r = next_record(&f, &at)))
		if ((r->kind == MEMORY_FUNCTION && add_function(&f, r)) ||
		    (r->kind == MEMORY_STACKS && add_stacks(&f, r)))
			return err_set(e, -EBADMSG, "a function or a stack in it makes no sense");
	if (at != f.size)
		return err_set(e, -EBADMSG, "a record in it makes no sense");
	take_header(run, h, &process);
	if (h->flags & MEMORY_BLOCKS && memory_run_stacks(run, &f, &process))
		return err_set(e, -EBADMSG, "a stack in it makes no sense");
	join_functions(run, &f, &process);
	vec_push(&run->processes, process);
	return 0;
}

/* ---- a folder ---- */

static int compare_starts(const void *a, const void *b)
{
	const struct memory_process *x = a, *y = b;

	return (x->start_ns > y->start_ns) - (x->start_ns < y->start_ns);
}

static uint64_t since(const struct memory_run *run, uint64_t ns)
{
	return ns > run->start_ns ? ns - run->start_ns : 0;
}

/* In their order, with times that count from the first. */
static void put_in_order(struct memory_run *run)
{
	size_t n = run->processes.len;

	if (!n)
		return;
	qsort(run->processes.data, n, sizeof(*run->processes.data), compare_starts);
	run->start_ns = run->processes.data[0].start_ns;
	for (size_t i = 0; i < n; i++) {
		struct memory_process *p = &run->processes.data[i];

		p->start_ns = since(run, p->start_ns);
		p->end_ns = since(run, p->end_ns);
		p->peak.time_ns = since(run, p->peak.time_ns);
	}
}

static int read_one(int folder, const char *name, struct memory_run *run)
{
	cleanup_buf struct buf b = {};
	cleanup_close int fd = openat(folder, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) || !S_ISREG(st.st_mode))
		return -EBADMSG;
	if (io_read_fd(fd, MEMORY_MAX_FILE, &b))
		return -EBADMSG;
	return memory_run_add(run, b.data, b.len, NULL);
}

static bool is_ours(const char *name)
{
	size_t n = strlen(name), suffix = strlen(MEMORY_FILE_SUFFIX);

	return n > suffix && !strcmp(name + n - suffix, MEMORY_FILE_SUFFIX);
}

int memory_run_read(const char *folder, struct memory_run *ret, struct err *e)
{
	struct memory_run run = {};
	DIR *d = opendir(folder);
	struct dirent *entry;
	size_t n = 0;

	if (!d)
		return err_sys(e, -errno, "cannot read %s", folder);
	while ((entry = readdir(d)) && n < MAX_FILES)
		if (is_ours(entry->d_name)) {
			n++;
			run.damaged += read_one(dirfd(d), entry->d_name, &run) < 0;
		}
	closedir(d);
	if (!n)
		return err_set(e, -ENOENT,
			       "nothing was measured: no Python began that Glim could be "
			       "loaded into (not into a static program, nor one of another "
			       "architecture)");
	put_in_order(&run);
	*ret = run;
	return 0;
}

void memory_run_watched(struct memory_run *run, pid_t pid, const char *command, size_t n,
			uint64_t start_ns)
{
	struct memory_process p = {.pid = pid, .peak_resident = -1, .watched = true};

	p.command = command_text(run, command, n);
	p.name = short_name(run, command, n);
	run->start_ns = start_ns;
	vec_push(&run->processes, p);
}

void memory_run_fini(struct memory_run *run)
{
	for (size_t i = 0; i < run->processes.len; i++) {
		struct memory_process *p = &run->processes.data[i];

		vec_fini(&p->timeline);
		profile_free(p->at_peak);
		profile_free(p->leaks);
		profile_free(p->growth);
		vec_fini(&p->remarks);
	}
	vec_fini(&run->processes);
	arena_fini(&run->memory);
}

/* ---- the timeline ---- */

/* A peak that lines saw has a line: it stands unless clearly more was seen from outside. */
static bool is_higher(const struct memory_peak *peak, int64_t resident)
{
	int64_t slack = peak->function ? MAX((int64_t)OWN_BYTES, peak->bytes / 100) : 0;

	return resident > add_saturated(peak->bytes, slack);
}

void memory_run_point(struct memory_run *run, pid_t pid, uint64_t realtime_ns, int64_t resident,
		      int64_t allocated)
{
	struct memory_process *to = NULL;
	uint64_t time_ns = since(run, realtime_ns);

	/* The last that had begun: a pid may have run several programs. */
	for (size_t i = 0; i < run->processes.len; i++) {
		struct memory_process *p = &run->processes.data[i];

		if (p->pid == pid && (p->start_ns <= time_ns || !to))
			to = p;
	}
	if (!to)
		return;
	vec_push(&to->timeline, (struct memory_point){time_ns, resident, allocated});
	to->peak_resident = MAX(to->peak_resident, resident);
	if (to->allocated || !is_higher(&to->peak, resident))
		return;
	to->peak.bytes = resident;
	to->peak.time_ns = time_ns;
	to->peak.function = NULL;
	to->peak.line = 0;
}
