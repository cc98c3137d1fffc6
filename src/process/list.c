#include "process/process.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <unistd.h>

/* The pid that a name in /proc stands for, 0 when it is none. */
static pid_t pid_of_name(const char *s)
{
	int64_t v = 0;

	for (; *s; s++) {
		if (*s < '0' || *s > '9' || v > INT_MAX / 10)
			return 0;
		v = v * 10 + (*s - '0');
	}
	return v <= INT_MAX ? (pid_t)v : 0;
}

int process_list(pid_vec *ret_pids)
{
	DIR *dir = opendir("/proc");
	struct dirent *d;
	pid_vec pids = {};

	if (!dir)
		return -errno;
	for (errno = 0; (d = readdir(dir)); errno = 0) {
		pid_t pid = pid_of_name(d->d_name);

		if (pid > 0)
			vec_push(&pids, pid);
	}
	int r = -errno;

	closedir(dir);
	if (r) {
		vec_fini(&pids);
		return r;
	}
	vec_fini(ret_pids);
	*ret_pids = pids;
	return 0;
}
