#include "process/process.h"
#include "process/process_priv.h"

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

/* The numbers that are names of a folder. */
static int list_numbers(const char *folder, pid_vec *ret_pids)
{
	DIR *dir = opendir(folder);
	struct dirent *d;
	pid_vec pids = {};

	if (!dir)
		return gone(errno);
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

int process_list(pid_vec *ret_pids)
{
	return list_numbers("/proc", ret_pids);
}

int process_tids(pid_t pid, pid_vec *ret_tids)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/task", (int)pid);
	return list_numbers(path, ret_tids);
}

struct kin {
	pid_t pid, parent;
};
typedef VEC(struct kin) kin_vec;

static int by_parent(const void *x, const void *y)
{
	const struct kin *a = x, *b = y;

	return (a->parent > b->parent) - (a->parent < b->parent);
}

/* Who is whose child, by parent. */
static int read_kin(kin_vec *ret)
{
	cleanup(pids_fini) pid_vec all = {};
	cleanup_close int proc_fd = open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC);
	int r = proc_fd < 0 ? -errno : process_list(&all);

	for (size_t i = 0; !r && i < all.len; i++) {
		struct stat_line l;

		if (!stat_line_read(proc_fd, all.data[i], &l))
			vec_push(ret, (struct kin){.pid = all.data[i], .parent = l.parent});
	}
	if (ret->len)
		qsort(ret->data, ret->len, sizeof(*ret->data), by_parent);
	return r;
}

static size_t first_child(const kin_vec *all, pid_t parent)
{
	size_t low = 0, high = all->len;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (all->data[mid].parent < parent)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

static bool holds(const pid_vec *v, pid_t pid)
{
	for (size_t i = 0; i < v->len; i++)
		if (v->data[i] == pid)
			return true;
	return false;
}

int process_descendants(pid_vec *pids)
{
	kin_vec all = {};
	int r = read_kin(&all);

	/* The list grows while it is walked: children of children follow. */
	for (size_t i = 0; !r && i < pids->len; i++)
		for (size_t k = first_child(&all, pids->data[i]);
		     k < all.len && all.data[k].parent == pids->data[i]; k++)
			if (!holds(pids, all.data[k].pid))
				vec_push(pids, all.data[k].pid);
	vec_fini(&all);
	return r;
}
