#include "symbol/loader.h"

#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <time.h>

#include "base/clock.h"

/* Each holds a descriptor, and no other memory until its turn comes. */
enum { MAX_WAITING = 16 };

struct loader_job {
	struct load load;
	struct debug_search where;
	char *path, *folder, *fetched; /* what where points to */
	size_t max_bytes;
	bool threaded; /* false: it is read already, and there is no thread to join */
	pthread_t thread;
	sem_t done;
};

static void job_free(struct loader_job *j)
{
	sem_destroy(&j->done);
	free(j->path);
	free(j->folder);
	free(j->fetched);
	free(j);
}

static void load_fini(struct load *l)
{
	names_fini(&l->names);
	pclntab_fini(&l->go);
	elf_file_close(l->elf);
}

static void read_names(struct loader_job *j)
{
	struct load *l = &j->load;

	names_load(l->elf, &j->where, j->max_bytes, &l->names);
	pclntab_open(l->elf, &l->go);
}

static void *run(void *arg)
{
	struct loader_job *j = arg;
	struct timespec used;

	read_names(j);
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &used);
	j->load.cpu_ns = (int64_t)used.tv_sec * NSEC_PER_SEC + used.tv_nsec;
	sem_post(&j->done);
	return NULL;
}

/* Where there is no thread to be had, names are worth the time. */
static void start(struct loader_job *j)
{
	sigset_t all, old;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	j->threaded = !pthread_create(&j->thread, NULL, run, j);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	if (j->threaded)
		return;
	int64_t begin = clock_mono_ns();

	read_names(j);
	j->load.cpu_ns = clock_mono_ns() - begin;
	sem_post(&j->done);
}

bool loader_put(struct loader *l, uint32_t file, struct elf_file *elf,
		const struct debug_search *where, size_t max_bytes)
{
	if (l->queue.len >= MAX_WAITING)
		return false;
	struct loader_job *j = mem_calloc(1, sizeof(*j));

	j->load.file = file;
	j->load.elf = elf;
	j->load.names = (struct names){.fds = {-1, -1}};
	j->path = mem_strdup(where->path);
	j->folder = mem_strdup(where->folder);
	j->fetched = where->fetched ? mem_strdup(where->fetched) : NULL;
	j->where = (struct debug_search){where->pid, j->path, j->folder, j->fetched};
	j->max_bytes = max_bytes;
	sem_init(&j->done, 0, 0);
	vec_push(&l->queue, j);
	if (l->queue.len == 1)
		start(j);
	return true;
}

static bool is_done(struct loader_job *j, int64_t wait_ns)
{
	int64_t until = clock_mono_ns() + wait_ns;
	struct timespec at = {until / NSEC_PER_SEC, until % NSEC_PER_SEC};
	int r;

	do
		r = wait_ns ? sem_clockwait(&j->done, CLOCK_MONOTONIC, &at) : sem_trywait(&j->done);
	while (r && errno == EINTR);
	return !r;
}

bool loader_take(struct loader *l, int64_t wait_ns, struct load *ret)
{
	if (!l->queue.len || !is_done(l->queue.data[0], wait_ns))
		return false;
	struct loader_job *j = l->queue.data[0];

	if (j->threaded)
		pthread_join(j->thread, NULL);
	l->queue.len--;
	memmove(l->queue.data, l->queue.data + 1, l->queue.len * sizeof(*l->queue.data));
	*ret = j->load;
	job_free(j);
	if (l->queue.len)
		start(l->queue.data[0]);
	return true;
}

void loader_fini(struct loader *l)
{
	if (l->queue.len && l->queue.data[0]->threaded)
		pthread_join(l->queue.data[0]->thread, NULL);
	for (size_t i = 0; i < l->queue.len; i++) {
		load_fini(&l->queue.data[i]->load);
		job_free(l->queue.data[i]);
	}
	vec_fini(&l->queue);
}
