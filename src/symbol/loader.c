#include "symbol/loader.h"

/* Each holds a descriptor, and no other memory until its turn comes. */
enum { MAX_WAITING = 16 };

struct loader_job {
	struct load load;
	struct debug_search where;
	char *path, *folder, *fetched; /* what where points to */
	size_t max_bytes;
};

static void job_free(struct loader_job *j)
{
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

static void read_names(void *arg)
{
	struct loader_job *j = arg;
	struct load *l = &j->load;

	names_load(l->elf, &j->where, j->max_bytes, &l->names);
	pclntab_open(l->elf, &l->go);
}

static void start_next(struct loader *l)
{
	if (l->queue.len)
		worker_start(&l->worker, read_names, l->queue.data[0]);
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
	vec_push(&l->queue, j);
	if (l->queue.len == 1)
		start_next(l);
	return true;
}

bool loader_take(struct loader *l, int64_t wait_ns, struct load *ret)
{
	if (!l->queue.len || !worker_wait(&l->worker, wait_ns))
		return false;
	struct loader_job *j = l->queue.data[0];

	l->queue.len--;
	memmove(l->queue.data, l->queue.data + 1, l->queue.len * sizeof(*l->queue.data));
	*ret = j->load;
	ret->cpu_ns = l->worker.cpu_ns;
	job_free(j);
	start_next(l);
	return true;
}

void loader_fini(struct loader *l)
{
	worker_fini(&l->worker);
	for (size_t i = 0; i < l->queue.len; i++) {
		load_fini(&l->queue.data[i]->load);
		job_free(l->queue.data[i]);
	}
	vec_fini(&l->queue);
}
