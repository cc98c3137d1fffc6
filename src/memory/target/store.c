#include "memory/target/library.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { PAGE = 4096, FIRST_STEP = 256 << 10, LARGEST_STEP = 8 << 20, MAX_FILES = 10000 };

static struct memory_header_abi nowhere;
struct memory_header_abi *header = &nowhere;
int64_t store_pages;

static char path[MEMORY_MAX_TEXT + 64];
static char folder_of_run[MEMORY_MAX_TEXT];
static size_t reserved; /* bytes of addresses */
static size_t size;	/* bytes of the file, that may be touched */
static char lock;

/* Held for some instructions only, or for growing the file. */
static void acquire(void)
{
	while (__atomic_test_and_set(&lock, __ATOMIC_ACQUIRE))
		__builtin_ia32_pause();
}

static void release(void)
{
	__atomic_clear(&lock, __ATOMIC_RELEASE);
}

/* Blocks are taken now: on a full disk the program would die of the first touch later. */
static bool lengthen(int fd, size_t to)
{
	int code = posix_fallocate(fd, (off_t)size, (off_t)(to - size));

	return !code || (code == EOPNOTSUPP && !ftruncate(fd, (off_t)to));
}

/* The file is opened again by its name: a program may close all that it finds open. */
static bool grow(size_t need)
{
	size_t step = size < FIRST_STEP ? FIRST_STEP : size > LARGEST_STEP ? LARGEST_STEP : size;
	size_t to = (need + step - 1) / step * step;
	int fd;
	bool done;

	if (need > reserved)
		return false;
	if (to > reserved)
		to = reserved;
	fd = open(path, O_RDWR | O_CLOEXEC);
	done = fd >= 0 && lengthen(fd, to);
	if (fd >= 0)
		close(fd);
	if (done)
		size = to;
	return done;
}

/* A file that is not there yet: a process may have several, one for each program that it ran. */
static int create(void)
{
	int fd = -1;

	for (int i = 0; i < MAX_FILES && fd < 0; i++) {
		snprintf(path, sizeof(path), "%s/%d.%d" MEMORY_FILE_SUFFIX, folder_of_run,
			 (int)getpid(), i);
		fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
		if (fd < 0 && errno != EEXIST)
			break;
	}
	return fd;
}

static void *map(int fd)
{
	static const size_t sizes[] = {MEMORY_MAX_FILE, 64 << 20, 8 << 20, 1 << 20};
	void *p = MAP_FAILED;

	for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes) && p == MAP_FAILED; i++) {
		reserved = sizes[i];
		p = mmap(NULL, reserved, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, fd, 0);
	}
	return p == MAP_FAILED ? NULL : p;
}

static void count_pages(uint64_t before, uint64_t after)
{
	store_pages += (int64_t)((after + PAGE - 1) / PAGE - (before + PAGE - 1) / PAGE);
}

int store_open(const char *folder)
{
	void *p;
	int fd;

	if (strlen(folder) >= sizeof(folder_of_run))
		return -1;
	strcpy(folder_of_run, folder);
	fd = create();
	if (fd < 0)
		return -1;
	size = 0;
	p = lengthen(fd, FIRST_STEP) ? map(fd) : NULL;
	close(fd);
	if (!p)
		return -1;
	size = FIRST_STEP;
	header = p;
	header->magic = MEMORY_MAGIC;
	header->version = MEMORY_VERSION;
	header->used = (sizeof(*header) + 7) / 8 * 8;
	count_pages(0, header->used);
	return 0;
}

void *store_record(uint32_t kind, size_t bytes)
{
	struct memory_record_abi *r = NULL;
	uint64_t used;

	bytes = (bytes + 7) / 8 * 8;
	acquire();
	used = header->used;
	if (header != &nowhere && (used + bytes <= size || grow(used + bytes))) {
		r = (void *)((char *)header + used);
		r->kind = kind;
		r->bytes = (uint32_t)bytes;
		count_pages(used, used + bytes);
		__atomic_store_n(&header->used, used + bytes, __ATOMIC_RELEASE);
	}
	release();
	return r;
}

void *store_memory(size_t bytes)
{
	void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	return p == MAP_FAILED ? NULL : p;
}

/* ---- a child ---- */

static void forget_numbers(void)
{
	char *at = (char *)header + (sizeof(*header) + 7) / 8 * 8;
	char *end = (char *)header + header->used;

	while (at < end) {
		struct memory_function_abi *f = (void *)at;
		struct memory_line_abi *lines = (void *)(f + 1);

		for (uint32_t i = 0; f->record.kind == MEMORY_FUNCTION && i < f->nlines; i++)
			lines[i] = (struct memory_line_abi){.open = lines[i].open,
							    .start = lines[i].start};
		if (f->record.kind == MEMORY_FUNCTION)
			f->calls = 0;
		at += f->record.bytes;
	}
	header->peak = header->usage = 0;
	header->events = header->lost_frames = header->lost_lines = header->lost_blocks = 0;
	header->trace_taken = header->lost_peaks = 0;
}

static bool copy(int fd)
{
	const char *p = (const char *)header;
	size_t left = header->used;

	while (left) {
		ssize_t n = write(fd, p, left);

		if (n <= 0)
			return false;
		p += n;
		left -= (size_t)n;
	}
	return true;
}

void store_fork(void)
{
	int fd;
	void *p = NULL;

	release();
	if (header == &nowhere)
		return;
	fd = create();
	if (fd >= 0 && copy(fd)) {
		size_t before = size;

		size = header->used;
		if (size == before || lengthen(fd, before))
			p = mmap(header, reserved, PROT_READ | PROT_WRITE,
				 MAP_SHARED | MAP_NORESERVE | MAP_FIXED, fd, 0);
		size = before;
	}
	if (fd >= 0)
		close(fd);
	/* Numbers that would mix with those of the parent go into memory that nobody reads. */
	if (!p || p == MAP_FAILED) {
		mmap(header, reserved, PROT_READ | PROT_WRITE,
		     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0);
		header->used = size;
		reserved = size;
		config.flags = 0;
		return;
	}
	forget_numbers();
	header->parent = (int32_t)getppid();
	header->pid = (int32_t)getpid();
	header->start_ns = library_now();
	header->end_ns = 0;
}
