/* Records the stack of a thread as a snapshot: snapshot PID TID FILE. Prints what it found. */
#include <fcntl.h>
#include <sys/ptrace.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#include "native_tables.h"
#include "registers.h"
#include "snapshot_format.h"
#include "unwind/unwind.h"

static pid_t target;
static VEC(struct snapshot_stretch) reads;

static int read_noted(void *dst, size_t size, uint64_t address);
#define WALK_READ(dst, size, address) read_noted((dst), (size), (address))
#include "unwind/walk.h"

struct tables tables;

static struct snapshot_header header = {.magic = SNAPSHOT_MAGIC};
static VEC(struct snapshot_page) pages;
static VEC(struct unwind_rule) rules;
static VEC(uint16_t) rule_numbers; /* of the rules, in the tables */
struct found_row {
	uint64_t origin;
	unwind_row row;
};
static VEC(struct found_row) rows;
static struct unwind_entry entries[UNWIND_MAX_ENTRIES];

/* Not the whole window of the stack: the walk then reads the words it needs, and only these are
 * recorded, nothing else that happens to lie there. */
static int read_noted(void *dst, size_t size, uint64_t address)
{
	struct snapshot_stretch s = {.address = address, .size = (uint32_t)size};

	if (size == sizeof(uint64_t) * TABLE_WINDOW ||
	    process_read_memory(target, address, dst, size) < 0)
		return -1;
	vec_push(&reads, s);
	return 0;
}

static uint16_t take_rule(uint16_t number)
{
	struct unwind_rule rule = tables.rules[number];
	uint16_t earlier;
	size_t at;

	for (at = 0; at < rule_numbers.len; at++)
		if (rule_numbers.data[at] == number)
			return (uint16_t)at;
	vec_push(&rule_numbers, number);
	vec_push(&rules, rule);
	/* Which may move the array. */
	earlier = rule.from ? take_rule(rule.earlier) : 0;
	rules.data[at].earlier = earlier;
	return (uint16_t)at;
}

static void take_row(uint64_t origin, unwind_row row)
{
	struct found_row r = {origin, (row & 0xffff0000) | take_rule((uint16_t)row)};

	for (size_t i = 0; i < rows.len; i++)
		if (rows.data[i].origin == origin && rows.data[i].row == r.row)
			return;
	vec_push(&rows, r);
}

/* What the step that was just made looked up for pc. */
static void take_step(struct table_walk *t, uint64_t pc)
{
	const struct unwind_mapping *m = &t->mapping;
	uint64_t number = (pc - m->origin) >> UNWIND_PAGE_SHIFT;
	struct snapshot_page p = {.origin = m->origin + (number << UNWIND_PAGE_SHIFT)};
	struct table_walk again = *t;
	bool known = false;

	if (pc < m->start || pc >= m->end)
		return;
	p.start = MAX(m->start, p.origin);
	p.end = MIN(m->end, p.origin + (1 << UNWIND_PAGE_SHIFT));
	p.state = tables.files[m->file].state;
	for (size_t i = 0; i < pages.len; i++)
		known |= pages.data[i].start == p.start;
	if (!known)
		vec_push(&pages, p);
	if (table_find_row(&again, pc) == UNWIND_NATIVE_NONE)
		take_row(p.origin, again.row_address << 16 | again.rule);
}

static void walk_noted(const struct python_process *py, struct walk *w)
{
	w->thread_base = header.thread_base;
	w->native.pc = header.pc;
	w->native.sp = header.registers[UNWIND_RSP];
	w->native.rbp = header.registers[UNWIND_RBP];
	w->native.rbx = header.registers[UNWIND_RBX];
	memcpy(w->native.registers, header.registers, sizeof(header.registers));
	walk_start(w, py);
	while (w->phase != WALK_DONE) {
		uint64_t pc = w->native.pc - !w->native.exact;
		bool native = w->phase == WALK_NATIVE;

		walk_step(w, py, entries);
		if (native)
			take_step(&w->native, pc);
	}
}

static int compare_pages(const void *a, const void *b)
{
	const struct snapshot_page *x = a, *y = b;

	return (x->start > y->start) - (x->start < y->start);
}

static int compare_rows(const void *a, const void *b)
{
	const struct found_row *x = a, *y = b;

	if (x->origin != y->origin)
		return x->origin > y->origin ? 1 : -1;
	return (x->row > y->row) - (x->row < y->row);
}

static int compare_stretches(const void *a, const void *b)
{
	const struct snapshot_stretch *x = a, *y = b;

	return (x->address > y->address) - (x->address < y->address);
}

/* Join what overlaps or touches. */
static void join_reads(void)
{
	size_t n = 0;

	qsort(reads.data, reads.len, sizeof(reads.data[0]), compare_stretches);
	for (size_t i = 0; i < reads.len; i++) {
		struct snapshot_stretch *last = n ? &reads.data[n - 1] : NULL, s = reads.data[i];

		if (last && s.address <= last->address + last->size)
			last->size =
				(uint32_t)(MAX(last->address + last->size, s.address + s.size) -
					   last->address);
		else
			reads.data[n++] = s;
	}
	reads.len = n;
}

static void write_file(const char *path)
{
	FILE *f = fopen(path, "we");

	CHECK(f);
	qsort(pages.data, pages.len, sizeof(pages.data[0]), compare_pages);
	qsort(rows.data, rows.len, sizeof(rows.data[0]), compare_rows);
	for (size_t i = 0; i < pages.len; i++)
		for (size_t k = 0; k < rows.len; k++)
			pages.data[i].rows += rows.data[k].origin == pages.data[i].origin;
	header.pages = (uint32_t)pages.len;
	header.rules = (uint32_t)rules.len;
	header.stretches = (uint32_t)reads.len;
	for (size_t i = 0; i < reads.len; i++)
		header.bytes += reads.data[i].size;
	for (size_t i = 0; i < pages.len; i++)
		header.rows += pages.data[i].rows;
	fwrite(&header, sizeof(header), 1, f);
	fwrite(pages.data, sizeof(pages.data[0]), pages.len, f);
	fwrite(rules.data, sizeof(rules.data[0]), rules.len, f);
	for (size_t i = 0; i < pages.len; i++)
		for (size_t k = 0; k < rows.len; k++)
			if (rows.data[k].origin == pages.data[i].origin)
				fwrite(&rows.data[k].row, sizeof(unwind_row), 1, f);
	fwrite(reads.data, sizeof(reads.data[0]), reads.len, f);
	for (size_t i = 0; i < reads.len; i++) {
		cleanup_free void *bytes = mem_calloc(1, reads.data[i].size);

		CHECK(process_read_memory(target, reads.data[i].address, bytes,
					  reads.data[i].size) >= 0);
		fwrite(bytes, 1, reads.data[i].size, f);
	}
	fwrite(entries, sizeof(entries[0]), header.entries, f);
	CHECK(!fclose(f));
}

static void stop_thread(pid_t tid)
{
	struct user_regs_struct r;
	int status;

	CHECK(!ptrace(PTRACE_SEIZE, tid, NULL, NULL));
	CHECK(!ptrace(PTRACE_INTERRUPT, tid, NULL, NULL));
	CHECK(waitpid(tid, &status, __WALL) == tid);
	CHECK(!ptrace(PTRACE_GETREGS, tid, NULL, &r));
	dwarf_registers(&r, header.registers);
	header.pc = r.rip;
	header.thread_base = r.fs_base;
}

int main(int argc, char **argv)
{
	struct runtimes *runtimes = runtimes_new();
	struct python python = {};
	struct memory memory;
	struct process p;
	struct walk w = {};

	if (argc != 4) {
		fprintf(stderr, "usage: snapshot PID TID FILE\n");
		return 2;
	}
	target = atoi(argv[1]);
	stop_thread(atoi(argv[2]));
	CHECK(!process_read(target, &p, NULL));
	memory = memory_of_process(target);
	header.has_python = runtimes_find_python(runtimes, &p, &memory, &python) == 1;
	if (header.has_python)
		header.python = python.process;
	tables_init(256 << 20, UNWIND_MAX_CHUNKS);
	CHECK(!table_store_process(tables.store, &p, tables.now));
	for (size_t i = 0; i < p.mappings.len; i++) {
		const struct mapping *m = &p.mappings.data[i];

		if (m->path[0] == '/' || !strcmp(m->path, "[vdso]"))
			CHECK(!tables_load(&p, m));
	}
	CHECK(tables_process(target, &w.native.process));
	walk_noted(header.has_python ? &header.python : NULL, &w);
	header.entries = w.count;
	header.native_count = w.native_count;
	header.native_end = w.native_end;
	header.python_end = w.python_end;
	for (uint32_t i = 0; i < w.count; i++) {
		const struct mapping *m = process_find_mapping(&p, entries[i].address);

		printf("%#lx %#x %s+%#lx\n", entries[i].address, entries[i].tag, m ? m->path : "?",
		       m ? entries[i].address - m->start + m->offset : 0);
	}
	printf("native end %d, Python end %d\n", w.native_end, w.python_end);
	join_reads();
	write_file(argv[3]);
	ptrace(PTRACE_DETACH, atoi(argv[2]), NULL, NULL);
	process_fini(&p);
	runtimes_free(runtimes);
	tables_fini();
	vec_fini(&reads);
	vec_fini(&pages);
	vec_fini(&rules);
	vec_fini(&rule_numbers);
	vec_fini(&rows);
	return 0;
}
