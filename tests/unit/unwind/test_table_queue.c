/* Tables that are made by the store's thread, beside whoever asked for them. */
#include <dirent.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/clock.h"
#include "native_tables.h"
#include "table_children.h"
#include "unwind/native/eh_frame.h"

#define TABLE_READ(dst, size, address) process_read_memory(getpid(), (address), (dst), (size))
#include "unwind/native/table_walk.h"

struct tables tables;

enum { PLENTY = 256 << 20, PAGE = 4096 };
#define LONG (60 * NSEC_PER_SEC)

/* --- a large file ------------------------------------------------------------------------------*/

enum {
	FUNCTIONS = 100000,
	FUNCTION = 16, /* bytes of code */
	PUSH = 1,      /* the CFA changes behind the first byte, */
	POP = 11,      /* and back behind the eleventh */
	CODE_START = 8 << 20,
};
/* Record formats of the Linux Standard Base, 10.6. */
struct __attribute__((packed)) cie {
	uint32_t length, id;
	uint8_t version, augmentation, code_align, data_align, ra;
	uint8_t program[7]; /* def_cfa rsp + 8; the return address is at CFA - 8 */
};
struct __attribute__((packed)) fde {
	uint32_t length, cie;
	uint64_t start, size;
	uint8_t program[8];
};
struct __attribute__((packed)) large_file {
	Elf64_Ehdr header;
	Elf64_Phdr segments[2];
	uint8_t eh_frame_hdr[4];
	uint32_t eh_frame;
	uint32_t padding;
	struct cie cie;
	struct fde fdes[FUNCTIONS];
	uint32_t end;
};
_Static_assert(sizeof(struct large_file) < CODE_START, "code lies behind it");

static int frame_of(int function)
{
	return 16 + 8 * (function % 8);
}

static void describe_functions(struct large_file *f)
{
	f->cie = (struct cie){.length = sizeof(f->cie) - 4,
			      .version = 1,
			      .code_align = 1,
			      .data_align = 0x78,
			      .ra = 16,
			      .program = {0x0c, 7, 8, 0x90, 1}};
	for (int i = 0; i < FUNCTIONS; i++)
		f->fdes[i] = (struct fde){
			.length = sizeof(f->fdes[i]) - 4,
			.cie = (uint32_t)(offsetof(struct large_file, fdes) +
					  (size_t)i * sizeof(f->fdes[i]) + 4 -
					  offsetof(struct large_file, cie)),
			.start = CODE_START + (uint64_t)i * FUNCTION,
			.size = FUNCTION,
			.program = {0x40 | PUSH, 0x0e, (uint8_t)frame_of(i), 0x40 | (POP - PUSH),
				    0x0e, 8},
		};
}

/* Maps it; the code itself is zeroes. */
static void *map_large_file(void)
{
	struct large_file *f = mem_calloc(1, sizeof(*f));
	const size_t size = CODE_START + (size_t)FUNCTIONS * FUNCTION;
	int fd = memfd_create("large", MFD_CLOEXEC);

	f->header = (Elf64_Ehdr){.e_ident = {ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS64,
					     ELFDATA2LSB, EV_CURRENT},
				 .e_type = ET_DYN,
				 .e_machine = EM_X86_64,
				 .e_version = EV_CURRENT,
				 .e_phoff = offsetof(struct large_file, segments),
				 .e_ehsize = sizeof(Elf64_Ehdr),
				 .e_phentsize = sizeof(Elf64_Phdr),
				 .e_phnum = 2};
	f->segments[0] = (Elf64_Phdr){.p_type = PT_LOAD,
				      .p_flags = PF_R | PF_X,
				      .p_filesz = size,
				      .p_memsz = size,
				      .p_align = PAGE};
	f->segments[1] = (Elf64_Phdr){.p_type = PT_GNU_EH_FRAME,
				      .p_vaddr = offsetof(struct large_file, eh_frame_hdr),
				      .p_filesz = 12};
	f->eh_frame_hdr[0] = 1;
	f->eh_frame_hdr[1] = 3; /* four bytes, as they are */
	f->eh_frame = offsetof(struct large_file, cie);
	describe_functions(f);
	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, size), 0);
	assert_int_equal(pwrite(fd, f, sizeof(*f), 0), sizeof(*f));
	void *at = mmap(NULL, size, PROT_READ | PROT_EXEC, MAP_PRIVATE, fd, 0);

	assert_true(at != MAP_FAILED);
	close(fd);
	free(f);
	return at;
}

static void unmap_large_file(void *at)
{
	munmap(at, CODE_START + (size_t)FUNCTIONS * FUNCTION);
}

static const struct unwind_rule *rule_at(struct unwind_process run, uint64_t pc)
{
	struct table_walk w = {.process = run};

	assert_true(table_find_mapping(&w, pc));
	assert_int_equal(table_find_row(&w, pc), 0);
	return table_find_rule(&w, pc);
}

/* All that was published of it is right. */
static void check_large_file(const void *at)
{
	struct unwind_process run;

	assert_true(tables_process(getpid(), &run));
	for (int i = 0; i < FUNCTIONS; i += 7) {
		uint64_t start = (uintptr_t)at + CODE_START + (uint64_t)i * FUNCTION;

		assert_int_equal(rule_at(run, start)->cfa_offset, 8);
		assert_int_equal(rule_at(run, start + PUSH)->cfa_offset, frame_of(i));
		assert_int_equal(rule_at(run, start + POP - 1)->cfa_offset, frame_of(i));
		assert_int_equal(rule_at(run, start + POP)->cfa_offset, 8);
	}
}

/* --- asking ------------------------------------------------------------------------------------*/

static int fd;

static void init(struct process *p)
{
	tables_init(PLENTY, UNWIND_MAX_CHUNKS);
	fd = table_store_set_background(tables.store);
	assert_true(fd >= 0);
	read_process(getpid(), p);
	assert_int_equal(table_store_process(tables.store, p, tables.now), 0);
}

static void fini(struct process *p)
{
	process_fini(p);
	tables_fini();
}

static const struct mapping *mapping_at(const struct process *p, const void *at)
{
	const struct mapping *m = process_find_mapping(p, (uint64_t)(uintptr_t)at);

	assert_non_null(m);
	return m;
}

static uint32_t file_at(const void *at)
{
	return element_of(getpid(), at)->file;
}

static uint32_t state_of(const void *at)
{
	return tables.files[file_at(at)].state;
}

/* Wait until the thread is done with a table. */
static void await(void)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};

	assert_int_equal(poll(&p, 1, -1), 1);
}

static void collect_all(void)
{
	while (stats().waiting) {
		await();
		table_store_collect(tables.store, tables.now);
	}
}

/* A file takes its time, and the store answers meanwhile; then its table is there. */
static void test_large_file(void **state)
{
	void *at = map_large_file();
	struct process p;

	init(&p);
	const struct mapping *m = mapping_at(&p, at),
			     *own = mapping_at(&p, (const void *)(uintptr_t)test_large_file);
	struct unwind_process run;

	assert_true(tables_process(getpid(), &run));
	assert_false(table_store_awaits(tables.store, &run, m));
	assert_int_equal(tables_ask(&p, m, 0), -EINPROGRESS);
	assert_int_equal(tables_ask(&p, m, LONG), -EINPROGRESS); /* only who began waits */
	assert_int_equal(tables_ask(&p, own, LONG), -EINPROGRESS);
	assert_true(table_store_awaits(tables.store, &run, m));
	assert_true(table_store_awaits(tables.store, &run, own));
	assert_int_equal(stats().waiting, 2);
	assert_int_equal(state_of(at), UNWIND_FILE_UNKNOWN);
	collect_all();
	assert_false(table_store_wait(tables.store, LONG));
	assert_false(table_store_awaits(tables.store, &run, m));
	assert_int_equal(state_of(at), UNWIND_FILE_READY);
	assert_int_equal(tables_ask(&p, m, 0), 0);
	assert_int_equal(stats().beside, 2);
	assert_int_equal(stats().loaded, 2);
	assert_true(stats().load_ns > 0);
	check_large_file(at);
	fini(&p);
	unmap_large_file(at);
}

/* Who has the patience gets it at once. */
static void test_patience(void **state)
{
	struct process p;
	struct unwind_process run;
	int64_t patience = LONG;

	init(&p);
	const struct mapping *m = mapping_at(&p, (const void *)(uintptr_t)test_patience);

	assert_true(tables_process(getpid(), &run));
	assert_int_equal(table_store_load(tables.store, &run, &p, m, tables.now, &patience), 0);
	assert_true(patience < LONG);
	assert_int_equal(state_of((const void *)(uintptr_t)test_patience), UNWIND_FILE_READY);
	assert_int_equal(stats().beside, 1);
	assert_int_equal(stats().waiting, 0);
	fini(&p);
}

/* What walks asked for most often comes first, but for the one that was begun already. */
static void test_order(void **state)
{
	void *at = map_large_file();
	struct process p;
	uint32_t last = 0, hits = 0;
	size_t files = 0;

	init(&p);
	assert_int_equal(tables_ask(&p, mapping_at(&p, at), 0), -EINPROGRESS);
	for (size_t i = 0; i < p.mappings.len; i++) {
		const struct mapping *m = &p.mappings.data[i];

		if (m->path[0] != '/' || tables_ask(&p, m, 0) != -EINPROGRESS)
			continue;
		tables.files[file_at((void *)m->start)].hits = ++hits * 7 % 10;
		files++;
	}
	assert_true(files > 2);
	last = UINT32_MAX;
	while (stats().waiting) {
		uint32_t found = 0;
		uint8_t before[UNWIND_MAX_FILES];

		for (uint32_t i = 0; i < UNWIND_MAX_FILES; i++)
			before[i] = (uint8_t)tables.files[i].state;
		await();
		assert_true(table_store_collect(tables.store, tables.now));
		for (uint32_t i = 1; i < UNWIND_MAX_FILES; i++)
			if (before[i] != tables.files[i].state)
				found = i;
		assert_true(found); /* and no other: one at a time */
		if (found == file_at(at))
			continue;
		assert_true(tables.files[found].hits <= last);
		last = tables.files[found].hits;
	}
	fini(&p);
	unmap_large_file(at);
}

/* --- what happens meanwhile --------------------------------------------------------------------*/

static void remove_folder(const char *path)
{
	DIR *dir = opendir(path);
	const struct dirent *d;

	assert_non_null(dir);
	while ((d = readdir(dir)))
		if (d->d_name[0] != '.')
			assert_int_equal(unlinkat(dirfd(dir), d->d_name, 0), 0);
	closedir(dir);
	assert_int_equal(rmdir(path), 0);
}

/* Other tables bring rules of their own: numbers that the thread gave are given again. */
static void test_rules(void **state)
{
	char folder[] = "/tmp/glim-tables-XXXXXX";
	void *at = map_large_file();
	struct process p;

	assert_non_null(mkdtemp(folder));
	for (int round = 0; round < 2; round++) {
		const void *own = (const void *)(uintptr_t)test_rules;
		const void *first = (const void *)(uintptr_t)_cmocka_run_group_tests;

		init(&p);
		assert_int_equal(table_store_set_cache(tables.store, folder, 1 << 20, NULL), 0);
		/* The first makes room; this file is too large for the folder. */
		tables_ask(&p, mapping_at(&p, first), LONG);
		assert_int_equal(state_of(first), UNWIND_FILE_READY);
		assert_int_equal(tables_ask(&p, mapping_at(&p, at), 0), -EINPROGRESS);
		size_t rules = stats().rules;
		int r = tables_ask(&p, mapping_at(&p, own), LONG);

		if (round) { /* it was kept: no need of the thread */
			assert_int_equal(r, 0);
			assert_int_equal(stats().cached, 2);
			assert_true(stats().rules > rules);
		} else {
			assert_int_equal(r, -EINPROGRESS);
		}
		collect_all();
		assert_int_equal(state_of(own), UNWIND_FILE_READY);
		check_large_file(at);
		fini(&p);
	}
	unmap_large_file(at);
	remove_folder(folder);
}

static void map_for_child(int arg)
{
	map_large_file();
}

/* The process ends while its file is read: of use to those who hold its mappings. */
static void test_process_ends(void **state)
{
	struct unwind_process run = {}, held;
	struct process p, child;
	/* Before there is any thread: a child of a fork might wait for what another thread held. */
	pid_t pids[] = {start_child(map_for_child, 0), start_child(map_for_child, 0)};

	for (int hold = 0; hold < 2; hold++) {
		pid_t pid = pids[hold];
		const struct mapping *m = NULL;

		init(&p);
		read_process(pid, &child);
		assert_int_equal(table_store_process(tables.store, &child, tables.now), 0);
		for (size_t i = 0; i < child.mappings.len; i++)
			if (strstr(child.mappings.data[i].path, "memfd:large"))
				m = &child.mappings.data[i];
		assert_non_null(m);
		assert_true(tables_process(pid, &run));
		assert_int_equal(tables_ask(&child, m, 0), -EINPROGRESS);
		uint32_t file = element_of(pid, (void *)m->start)->file;
		uint32_t kept = hold ? table_store_hold(tables.store, pid) : HASH_NONE;

		stop_child(pid);
		table_store_forget(tables.store, pid, tables.now);
		settle();
		settle();
		table_store_held(tables.store, kept, &held);
		assert_int_equal(held.count, hold ? run.count : 0);
		await();
		assert_true(table_store_collect(tables.store, tables.now));
		assert_int_equal(tables.files[file].state,
				 hold ? UNWIND_FILE_READY : UNWIND_FILE_UNKNOWN);
		table_store_let_go(tables.store, kept, tables.now);
		settle();
		assert_int_equal(stats().processes, 1);
		assert_int_equal(stats().runs, 1);
		process_fini(&child);
		fini(&p);
	}
}

/* The store goes while its thread works, and what waits is closed. */
static void test_end(void **state)
{
	void *at = map_large_file();
	struct unwind_table table;
	struct unwind_rules rules;
	atomic_bool stop = true;
	struct process p;
	struct elf_file *f;

	init(&p);
	assert_int_equal(elf_file_open(process_open_mapping(&p, mapping_at(&p, at)), &f, NULL), 0);
	unwind_rules_init(&rules);
	assert_int_equal(unwind_table_build(f, NULL, &stop, &rules, &table, NULL), -ECANCELED);
	unwind_rules_fini(&rules);
	elf_file_close(f);
	assert_int_equal(tables_ask(&p, mapping_at(&p, at), 0), -EINPROGRESS);
	assert_int_equal(tables_ask(&p, mapping_at(&p, (void *)(uintptr_t)test_end), 0),
			 -EINPROGRESS);
	fini(&p);
	unmap_large_file(at);
}

/* --- the share of CPU time ---------------------------------------------------------------------*/

/* A burst, and then as much as comes back. */
static void test_budget(void **state)
{
	struct process p;
	int64_t used, loads = 0;

	tables_init(PLENTY, UNWIND_MAX_CHUNKS);
	read_process(getpid(), &p);
	const struct mapping *m = process_find_mapping(&p, (uint64_t)(uintptr_t)test_budget);

	assert_int_equal(table_store_process(tables.store, &p, tables.now), 0);
	/* The same table again and again, at one moment. */
	while (!tables_ask(&p, m, 0)) {
		struct unwind_process run;

		assert_true(tables_process(getpid(), &run));
		tables.files[element_of(getpid(), (void *)m->start)->file].state =
			UNWIND_FILE_UNKNOWN;
		loads++;
	}
	used = stats().load_ns;
	assert_true(loads > 1);
	assert_true(used >= NSEC_PER_SEC && used < 3 * NSEC_PER_SEC);
	assert_int_equal(tables_ask(&p, m, 0), -EAGAIN);
	tables.now += used * 7;
	assert_int_equal(tables_ask(&p, m, 0), 0);
	process_fini(&p);
	tables_fini();
}

/* The thread rests, too: what waits is begun when time has come back. */
static void test_budget_beside(void **state)
{
	const void *own = (const void *)(uintptr_t)test_budget_beside;
	struct process p;
	int r;

	init(&p);
	while (!(r = tables_ask(&p, mapping_at(&p, own), LONG)))
		tables.files[file_at(own)].state = UNWIND_FILE_UNKNOWN;
	assert_int_equal(r, -EINPROGRESS);
	assert_int_equal(stats().refused[TABLE_REFUSED_BUDGET], 1);
	assert_int_equal(stats().waiting, 1);
	assert_false(table_store_collect(tables.store, tables.now));
	assert_false(table_store_wait(tables.store, LONG));
	assert_true(stats().load_ns >= NSEC_PER_SEC);
	tables.now += stats().load_ns * 7;
	table_store_collect(tables.store, tables.now);
	assert_true(table_store_wait(tables.store, LONG));
	assert_true(table_store_collect(tables.store, tables.now));
	assert_int_equal(state_of(own), UNWIND_FILE_READY);
	fini(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_process_ends), /* the first */

		cmocka_unit_test(test_large_file),    cmocka_unit_test(test_patience),
		cmocka_unit_test(test_order),	      cmocka_unit_test(test_rules),
		cmocka_unit_test(test_end),	      cmocka_unit_test(test_budget),
		cmocka_unit_test(test_budget_beside),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
