#include "memory/target/library.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <time.h>
#include <unistd.h>

struct memory_config_abi config;

uint64_t library_now(void)
{
	struct timespec t = {};

	clock_gettime(CLOCK_REALTIME, &t);
	return (uint64_t)t.tv_sec * 1000000000U + (uint64_t)t.tv_nsec;
}

void library_problem(enum memory_problem problem)
{
	header->state = MEMORY_UNABLE;
	header->problem = problem;
}

static ssize_t read_file(const char *folder, const char *name, void *to, size_t n)
{
	char path[MEMORY_MAX_TEXT + 64];
	size_t length = strlen(folder), name_length = strlen(name);
	ssize_t got;
	int fd;

	if (length + name_length + 2 > sizeof(path))
		return -1;
	memcpy(path, folder, length);
	path[length] = '/';
	memcpy(path + length + 1, name, name_length + 1);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -1;
	got = read(fd, to, n);
	close(fd);
	return got;
}

static void describe(void)
{
	header->pid = (int32_t)getpid();
	header->parent = (int32_t)getppid();
	header->flags = config.flags;
	header->state = MEMORY_LOADED;
	header->start_ns = library_now();
	read_file("/proc/self", "cmdline", header->command, sizeof(header->command) - 1);
	if (!getcwd(header->folder, sizeof(header->folder)))
		header->folder[0] = 0;
}

static bool good_config(ssize_t n)
{
	return n == sizeof(config) && config.magic == MEMORY_MAGIC &&
	       config.version == MEMORY_VERSION && config.only_bytes <= sizeof(config.only) &&
	       (!config.only_bytes || !config.only[config.only_bytes - 1]);
}

__attribute__((constructor)) static void begin(void)
{
	const char *folder = getenv(MEMORY_FOLDER_VARIABLE);
	int error = errno;

	if (folder && python_find() &&
	    good_config(read_file(folder, MEMORY_CONFIG_FILE, &config, sizeof(config))) &&
	    !store_open(folder)) {
		describe();
		__atomic_store_n(&python_waiting, true, __ATOMIC_RELEASE);
	}
	errno = error;
}

/* A child of vfork that found no program to become shares all of this with its parent. */
__attribute__((destructor)) static void end(void)
{
	if (header->pid != (int32_t)getpid())
		return;
	header->end_ns = library_now();
	if (header->state == MEMORY_TRACING)
		header->state = MEMORY_ENDED;
}

/* os._exit, and with it every forked child of multiprocessing. */
__attribute__((visibility("default"))) void _exit(int status)
{
	void (*real)(int) = (void (*)(int))dlsym(RTLD_NEXT, "_exit");

	end();
	if (real)
		real(status);
	__builtin_trap();
}

/* A child that goes on as a copy: Python's os.fork and multiprocessing. One that only starts
 * another program calls vfork or posix_spawn and never comes here. */
__attribute__((visibility("default"))) pid_t fork(void)
{
	static pid_t (*real)(void);
	pid_t pid;

	if (!real)
		real = (pid_t(*)(void))dlsym(RTLD_NEXT, "fork");
	pid = real();
	if (!pid) {
		int error = errno;

		store_fork();
		allocator_fork();
		stacks_fork();
		lines_fork();
		errno = error;
	}
	return pid;
}
