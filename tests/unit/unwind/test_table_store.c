/* The store of unwind tables, with the mappings of real processes: this one, and children. */
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "native_tables.h"
#include "table_children.h"
#include "unwind/native/eh_frame.h"

/* Through the kernel: some of it may not be there. */
#define TABLE_READ(dst, size, address) process_read_memory(getpid(), (address), (dst), (size))
#include "unwind/native/table_walk.h"

#include "table_begin.h"

struct tables tables;

enum { PLENTY = 256 << 20, PAGE = 4096 };

/* --- walks -------------------------------------------------------------------------------------*/

/* From here up by tables; returns the number of frames. */
static __attribute__((noinline)) int walk_self(uint8_t *ret_end)
{
	struct table_walk w = {};
	int frames = 0;

	table_begin_here(&w);
	if (!tables_process(getpid(), &w.process)) {
		*ret_end = UNWIND_NATIVE_NO_MAPPING;
		return 0;
	}
	table_start(&w);
	for (; !w.end && frames < 1000; frames++)
		table_step(&w);
	*ret_end = w.end;
	return frames;
}

static __attribute__((noinline)) int walk_deeper(int depth, uint8_t *ret_end)
{
	int frames = depth ? walk_deeper(depth - 1, ret_end) : walk_self(ret_end);

	__asm__ volatile("" : "+r"(frames)); /* no tail call */
	return frames;
}

static uint8_t end_of_walk(void)
{
	uint8_t end;

	walk_self(&end);
	return end;
}

static void test_walk(void **state)
{
	struct process p;
	uint8_t end;

	tables_init(PLENTY, UNWIND_MAX_CHUNKS);
	read_process(getpid(), &p);
	assert_int_equal(end_of_walk(), UNWIND_NATIVE_NO_MAPPING);
	assert_int_equal(table_store_process(tables.store, &p, tables.now), 0);
	assert_int_equal(end_of_walk(), UNWIND_NATIVE_NOT_LOADED);
	tables_add_process(&p);
	assert_int_equal(end_of_walk(), UNWIND_NATIVE_COMPLETE);
	int few = walk_deeper(0, &end);

	assert_int_equal(walk_deeper(100, &end) - few, 100);
	assert_int_equal(end, UNWIND_NATIVE_COMPLETE);
	table_store_forget(tables.store, getpid(), tables.now);
	assert_int_equal(end_of_walk(), UNWIND_NATIVE_NO_MAPPING);
	process_fini(&p);
	tables_fini();
}

/* A child has the run of its parent, with all tables, without any work; a new process has the
 * tables of its files. */
static void test_fork(void **state)
{
	struct unwind_process own, its;
	struct process p, child;

	tables_init(PLENTY, UNWIND_MAX_CHUNKS);
	read_process(getpid(), &p);
	tables_add_process(&p);
	pid_t pid = start_child(NULL, 0);

	table_store_fork(tables.store, getpid(), pid, tables.now);
	assert_true(tables_process(getpid(), &own));
	assert_true(tables_process(pid, &its));
	assert_int_equal(own.first, its.first);
	assert_int_equal(own.count, its.count);
	assert_int_equal(stats().runs, 1);
	assert_int_equal(stats().processes, 2);
	/* Its mappings are the same: nothing changes when they are read. */
	read_process(pid, &child);
	assert_int_equal(table_store_process(tables.store, &child, tables.now), 0);
	assert_int_equal(stats().runs, 1);
	/* The run lives as long as one of them. */
	table_store_forget(tables.store, getpid(), tables.now);
	settle();
	assert_true(table_store_run(tables.store, pid, &its));
	assert_memory_equal(&own, &its, sizeof(own));
	table_store_forget(tables.store, pid, tables.now);
	settle();
	assert_int_equal(stats().mappings, 0);
	/* A fork of a process that is not known. */
	table_store_fork(tables.store, getpid(), pid, tables.now);
	assert_false(table_store_run(tables.store, pid, &its));
	stop_child(pid);
	uint64_t loaded = stats().loaded;

	tables_add_process(&p);
	assert_int_equal(stats().loaded, loaded);
	assert_int_equal(end_of_walk(), UNWIND_NATIVE_COMPLETE);
	process_fini(&child);
	process_fini(&p);
	tables_fini();
}

/* --- files -------------------------------------------------------------------------------------*/

/* Map the code of an ELF file as its loader would. */
static void *map_code(int fd, size_t *ret_size)
{
	struct unwind_code code;
	struct elf_file *f;

	assert_int_equal(elf_file_open(dup(fd), &f, NULL), 0);
	unwind_code_read(f, &code);
	elf_file_close(f);
	assert_int_equal(code.len, 1);
	uint64_t skipped = code.segments[0].offset % PAGE;

	*ret_size = code.segments[0].size + skipped;
	void *at = mmap(NULL, *ret_size, PROT_READ | PROT_EXEC, MAP_PRIVATE, fd,
			(off_t)(code.segments[0].offset - skipped));

	assert_true(at != MAP_FAILED);
	return at;
}

/* Two copies of one file have one table; the same file changed in place is another. */
static void test_copies(void **state)
{
	size_t size, other_size;
	struct process p;
	int fd = open_copy(), other = open_copy();
	void *at = map_code(fd, &size), *there = map_code(other, &other_size);

	tables_init(PLENTY, UNWIND_MAX_CHUNKS);
	read_process(getpid(), &p);
	assert_int_equal(table_store_process(tables.store, &p, tables.now), 0);
	uint32_t own = element_of(getpid(), (const void *)(uintptr_t)test_copies)->file;

	assert_true(own > 0);
	assert_int_equal(element_of(getpid(), at)->file, own);
	assert_int_equal(element_of(getpid(), there)->file, own);
	/* The same code is as far behind the origin in all of them. */
	uint64_t origin = element_of(getpid(), (const void *)(uintptr_t)test_copies)->origin;
	const struct mapping *m = process_find_mapping(&p, (uint64_t)(uintptr_t)test_copies);
	uint64_t offset = (uint64_t)(uintptr_t)test_copies - m->start;

	assert_int_equal((uint64_t)(uintptr_t)test_copies - origin,
			 (uint64_t)(uintptr_t)at + offset - element_of(getpid(), at)->origin);
	assert_memory_equal((char *)at + offset, (const void *)(uintptr_t)test_copies, 16);

	/* One byte less at the end. */
	struct stat st;

	assert_int_equal(fstat(fd, &st), 0);
	assert_int_equal(ftruncate(fd, st.st_size - 1), 0);
	tables.now += 2 * NSEC_PER_SEC;
	assert_int_equal(table_store_process(tables.store, &p, tables.now), 0);
	assert_true(element_of(getpid(), at)->file != own);
	assert_int_equal(element_of(getpid(), there)->file, own);
	munmap(at, size);
	munmap(there, other_size);
	close(fd);
	close(other);
	process_fini(&p);
	tables_fini();
}

static void *map_bytes(const void *bytes, size_t n)
{
	int fd = memfd_create("bytes", MFD_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, PAGE), 0);
	assert_int_equal(pwrite(fd, bytes, n, 0), n);
	void *at = mmap(NULL, PAGE, PROT_READ | PROT_EXEC, MAP_PRIVATE, fd, 0);

	assert_true(at != MAP_FAILED);
	close(fd);
	return at;
}

/* An ELF file of one page, whose code is all of it, told from others by a number. */
struct small_file {
	Elf64_Ehdr header;
	Elf64_Phdr segment;
	uint64_t number;
};
static struct small_file small_file(uint64_t number)
{
	return (struct small_file){
		.header = {.e_ident = {ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS64, ELFDATA2LSB,
				       EV_CURRENT},
			   .e_type = ET_DYN,
			   .e_machine = EM_X86_64,
			   .e_version = EV_CURRENT,
			   .e_phoff = offsetof(struct small_file, segment),
			   .e_ehsize = sizeof(Elf64_Ehdr),
			   .e_phentsize = sizeof(Elf64_Phdr),
			   .e_phnum = 1},
		.segment = {.p_type = PT_LOAD,
			    .p_flags = PF_R | PF_X,
			    .p_filesz = PAGE,
			    .p_memsz = PAGE,
			    .p_align = PAGE},
		.number = number,
	};
}

static int load_at(const struct process *p, const void *at)
{
	return tables_load(p, process_find_mapping(p, (uint64_t)(uintptr_t)at));
}

/* Files that have no table say so, and why is counted. */
static void test_no_tables(void **state)
{
	struct small_file small = small_file(1), arm = small;
	struct process p;

	arm.header.e_machine = EM_AARCH64;
	void *at = map_bytes(&small, sizeof(small)), *other = map_bytes(&arm, sizeof(arm)),
	     *text = map_bytes("text", 4),
	     *none = mmap(NULL, PAGE, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	tables_init(PLENTY, UNWIND_MAX_CHUNKS);
	read_process(getpid(), &p);
	assert_int_equal(table_store_process(tables.store, &p, tables.now), 0);
	assert_int_equal(stats().refused[TABLE_REFUSED_FORMAT], 2);
	assert_int_equal(tables.files[element_of(getpid(), other)->file].state, UNWIND_FILE_NONE);
	assert_int_equal(tables.files[element_of(getpid(), text)->file].state, UNWIND_FILE_NONE);
	assert_int_equal(tables.files[element_of(getpid(), none)->file].state, UNWIND_FILE_NONE);
	uint32_t file = element_of(getpid(), at)->file;

	assert_int_equal(tables.files[file].state, UNWIND_FILE_UNKNOWN);
	assert_int_equal(load_at(&p, at), 0);
	assert_int_equal(tables.files[file].state, UNWIND_FILE_NONE);
	assert_int_equal(stats().refused[TABLE_REFUSED_EMPTY], 1);
	assert_int_equal(load_at(&p, text), 0);
	munmap(at, PAGE);
	munmap(other, PAGE);
	munmap(text, PAGE);
	munmap(none, PAGE);
	process_fini(&p);
	tables_fini();
}

/* --- bounds ------------------------------------------------------------------------------------*/

/* Over the bound the files that are used least go, and come back when they are asked for. */
static void test_eviction(void **state)
{
	struct process p;
	size_t all;

	tables_init(PLENTY, UNWIND_MAX_CHUNKS);
	read_process(getpid(), &p);
	tables_add_process(&p);
	all = stats().bytes;
	tables_fini();

	tables_init(all - 4, UNWIND_MAX_CHUNKS);
	tables_add_process(&p);
	assert_int_equal(stats().bytes, all);
	for (int i = 0; i < 100; i++)
		assert_int_equal(end_of_walk(), UNWIND_NATIVE_COMPLETE);
	table_store_tick(tables.store, tables.now);
	assert_true(stats().evicted > 0);
	assert_true(stats().bytes < all);
	/* What walks need was kept. */
	assert_int_equal(end_of_walk(), UNWIND_NATIVE_COMPLETE);
	/* Nobody asked for the others: they do not push out what is used. */
	for (size_t i = 0; i < p.mappings.len; i++) {
		tables_ask(&p, &p.mappings.data[i], 0);
		assert_int_equal(end_of_walk(), UNWIND_NATIVE_COMPLETE);
	}
	settle();
	assert_int_equal(end_of_walk(), UNWIND_NATIVE_COMPLETE);
	assert_true(stats().bytes <= all - 4);
	/* Until they are used more. */
	for (uint32_t i = 0; i < UNWIND_MAX_FILES; i++)
		if (tables.files[i].state == UNWIND_FILE_UNKNOWN)
			tables.files[i].hits += 1000;
	uint64_t loaded = stats().loaded;

	for (size_t i = 0; i < p.mappings.len; i++)
		tables_load(&p, &p.mappings.data[i]);
	assert_true(stats().loaded > loaded);
	settle();
	assert_true(stats().bytes <= all - 4);
	process_fini(&p);
	tables_fini();
}

/* Rows that do not fit into the chunks are refused, and nothing of them stays. */
static void test_few_chunks(void **state)
{
	struct process p;
	size_t rows;

	tables_init(PLENTY, 1);
	read_process(getpid(), &p);
	assert_int_equal(table_store_process(tables.store, &p, tables.now), 0);
	for (size_t i = 0; i < p.mappings.len; i++)
		if (p.mappings.data[i].inode)
			tables_load(&p, &p.mappings.data[i]);
	rows = stats().rows;
	assert_true(rows > 0 && rows <= UNWIND_CHUNK_ROWS);
	assert_int_equal(stats().chunks, 1);
	process_fini(&p);
	tables_fini();

	tables_init(PLENTY, 0);
	read_process(getpid(), &p);
	assert_int_equal(table_store_process(tables.store, &p, tables.now), 0);
	assert_int_equal(load_at(&p, (const void *)(uintptr_t)test_few_chunks), -ENOSPC);
	assert_int_equal(stats().refused[TABLE_REFUSED_ROOM], 1);
	assert_int_equal(stats().rows + stats().pages + stats().chunks, 0);
	process_fini(&p);
	tables_fini();
}

static void map_small_files(int n)
{
	for (int i = 0; i < n; i++) {
		struct small_file small = small_file((uint64_t)i);

		map_bytes(&small, sizeof(small));
	}
}

/* More files than there are numbers; numbers come back when no process needs them. */
static void test_many_files(void **state)
{
	pid_t first = start_child(map_small_files, UNWIND_MAX_FILES + 10);
	pid_t second = start_child(map_small_files, 100);
	struct process p, other;

	tables_init(PLENTY, UNWIND_MAX_CHUNKS);
	read_process(first, &p);
	read_process(second, &other);
	assert_int_equal(table_store_process(tables.store, &p, tables.now), 0);
	assert_int_equal(stats().files, UNWIND_MAX_FILES - 1);
	uint64_t refused = stats().refused[TABLE_REFUSED_FILES];

	assert_true(refused > 10);
	assert_int_equal(table_store_process(tables.store, &other, tables.now), 0);
	assert_true(stats().refused[TABLE_REFUSED_FILES] >= refused + 100);
	table_store_forget(tables.store, first, tables.now);
	table_store_forget(tables.store, second, tables.now);
	/* Walks may still be looking. */
	refused = stats().refused[TABLE_REFUSED_FILES];
	tables.now += TABLE_GRACE_NS / 2;
	assert_int_equal(table_store_process(tables.store, &other, tables.now), 0);
	assert_true(stats().refused[TABLE_REFUSED_FILES] > refused);
	table_store_forget(tables.store, second, tables.now);
	settle();
	refused = stats().refused[TABLE_REFUSED_FILES];
	assert_int_equal(table_store_process(tables.store, &other, tables.now), 0);
	assert_int_equal(table_store_process(tables.store, &p, tables.now), 0);
	settle();
	process_fini(&other);
	process_fini(&p);
	stop_child(first);
	stop_child(second);
	tables_fini();
}

/* 20,000 mappings of a process; the fourth such process does not fit. */
static void test_full_mappings(void **state)
{
	struct process p[4];
	pid_t pids[4];

	tables_init(PLENTY, UNWIND_MAX_CHUNKS);
	for (int i = 0; i < 4; i++) {
		pids[i] = start_child(map_often, 20000);
		read_process(pids[i], &p[i]);
		assert_true(p[i].mappings.len > 20000);
	}
	int64_t start = clock_cpu_ns();

	for (int i = 0; i < 3; i++)
		assert_int_equal(table_store_process(tables.store, &p[i], tables.now), 0);
	print_message("%.1f us a mapping, never seen before\n",
		      (double)(clock_cpu_ns() - start) / 60000 / 1000);
	start = clock_cpu_ns();
	assert_int_equal(table_store_process(tables.store, &p[0], tables.now), 0);
	print_message("%.3f us a mapping, again\n",
		      (double)(clock_cpu_ns() - start) / 20000 / 1000);
	assert_int_equal(table_store_process(tables.store, &p[3], tables.now), -ENOSPC);
	assert_int_equal(stats().refused[TABLE_REFUSED_MAPPINGS], 1);
	assert_false(map64_get(&tables.processes, (uint64_t)pids[3]));
	/* A process that changes when there is no room for both runs is not known any more. */
	struct mapping last = p[0].mappings.data[--p[0].mappings.len];

	assert_int_equal(table_store_process(tables.store, &p[0], tables.now), -ENOSPC);
	assert_false(map64_get(&tables.processes, (uint64_t)pids[0]));
	settle();
	assert_int_equal(table_store_process(tables.store, &p[3], tables.now), 0);
	free(last.path);
	for (int i = 0; i < 4; i++) {
		table_store_forget(tables.store, pids[i], tables.now);
		process_fini(&p[i]);
		stop_child(pids[i]);
	}
	settle();
	assert_int_equal(stats().mappings, 0);
	tables_fini();
}

/* Processes that cannot be published, or are gone. */
static void test_refused(void **state)
{
	struct process p;
	pid_t pid = start_child(NULL, 0);

	tables_init(PLENTY, UNWIND_MAX_CHUNKS);
	tables.max_processes = 0;
	read_process(pid, &p);
	assert_int_equal(table_store_process(tables.store, &p, tables.now), -E2BIG);
	assert_int_equal(stats().refused[TABLE_REFUSED_PUBLISH], 1);
	assert_int_equal(stats().processes + stats().runs, 0);
	assert_int_equal(tables_ask(&p, &p.mappings.data[0], 0), -ENOENT);
	settle();
	assert_int_equal(stats().mappings, 0);
	tables.max_processes = 1;
	assert_int_equal(table_store_process(tables.store, &p, tables.now), 0);
	stop_child(pid);
	tables.now += 2 * NSEC_PER_SEC;
	/* Its files are still found by their names. */
	assert_int_equal(table_store_process(tables.store, &p, tables.now), 0);
	assert_true(tables_ask(&p, &p.mappings.data[0], 0) <= 0);
	process_fini(&p);
	tables_fini();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_walk),	   cmocka_unit_test(test_fork),
		cmocka_unit_test(test_copies),	   cmocka_unit_test(test_no_tables),
		cmocka_unit_test(test_eviction),   cmocka_unit_test(test_few_chunks),
		cmocka_unit_test(test_many_files), cmocka_unit_test(test_full_mappings),
		cmocka_unit_test(test_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
