/* What user space tells the programs: unwind tables, processes, interpreters. */
#include "probe/probe_priv.h"

#include <bpf/bpf.h>
#include <sys/mman.h>
#include <unistd.h>

enum {
	MAPPINGS_BYTES = UNWIND_MAX_MAPPINGS * sizeof(struct unwind_mapping),
	PAGES_BYTES = UNWIND_MAX_PAGES * sizeof(struct unwind_page),
	RULES_BYTES = UNWIND_MAX_RULES * sizeof(struct unwind_rule),
	FILES_BYTES = UNWIND_MAX_FILES * sizeof(struct unwind_file),
};

static void *map_array(const struct bpf_map *map, size_t bytes)
{
	void *m = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, bpf_map__fd(map), 0);

	return m == MAP_FAILED ? NULL : m;
}

int probe_map_tables(struct probe *p, struct err *e)
{
	const struct probe_tables t = {
		.mappings = map_array(p->skeleton->maps.table_mappings, MAPPINGS_BYTES),
		.pages = map_array(p->skeleton->maps.table_pages, PAGES_BYTES),
		.rules = map_array(p->skeleton->maps.table_rules, RULES_BYTES),
		.files = map_array(p->skeleton->maps.table_files, FILES_BYTES),
	};

	p->tables = t;
	if (!t.mappings || !t.pages || !t.rules || !t.files)
		return err_sys(e, -errno, "cannot map the unwind tables");
	return 0;
}

void probe_unmap_tables(struct probe *p)
{
	const struct probe_tables *t = &p->tables;
	const struct {
		void *at;
		size_t bytes;
	} maps[] = {
		{t->mappings, MAPPINGS_BYTES},
		{t->pages, PAGES_BYTES},
		{t->rules, RULES_BYTES},
		{t->files, FILES_BYTES},
	};

	for (size_t i = 0; i < ARRAY_SIZE(maps); i++)
		if (maps[i].at)
			munmap(maps[i].at, maps[i].bytes);
	for (size_t i = 0; i < UNWIND_MAX_CHUNKS; i++)
		if (p->chunks[i].rows) {
			munmap(p->chunks[i].rows, PROBE_CHUNK_BYTES);
			close(p->chunks[i].fd);
		}
}

const struct probe_tables *probe_tables(const struct probe *p)
{
	return &p->tables;
}

unwind_row *probe_table_chunk(struct probe *p, uint32_t number)
{
	LIBBPF_OPTS(bpf_map_create_opts, opts, .map_flags = BPF_F_MMAPABLE);
	cleanup_close int fd = -1;

	CHECK(number < UNWIND_MAX_CHUNKS);
	if (p->chunks[number].rows)
		return p->chunks[number].rows;
	fd = bpf_map_create(BPF_MAP_TYPE_ARRAY, "table_rows", sizeof(uint32_t), PROBE_CHUNK_BYTES,
			    1, &opts);
	if (fd < 0)
		return NULL;
	void *rows = mmap(NULL, PROBE_CHUNK_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	if (rows == MAP_FAILED)
		return NULL;
	/* Here the kernel waits until no program runs that was started before (Linux,
	 * kernel/bpf/syscall.c, maybe_wait_bpf_programs): some tens of milliseconds. */
	if (bpf_map_update_elem(bpf_map__fd(p->skeleton->maps.table_chunks), &number, &fd,
				BPF_ANY)) {
		munmap(rows, PROBE_CHUNK_BYTES);
		return NULL;
	}
	p->chunks[number].rows = rows;
	p->chunks[number].fd = take_fd(&fd);
	atomic_fetch_add(&p->nchunks, 1);
	return rows;
}

static int set_entry(const struct bpf_map *map, pid_t pid, const void *value, uint64_t flags)
{
	uint32_t key = pid;

	return bpf_map_update_elem(bpf_map__fd(map), &key, value, flags) ? -errno : 0;
}

static void forget_entry(const struct bpf_map *map, pid_t pid)
{
	uint32_t key = pid;

	bpf_map_delete_elem(bpf_map__fd(map), &key);
}

int probe_set_process(struct probe *p, pid_t pid, const struct probe_process *is)
{
	return set_entry(p->skeleton->maps.processes, pid, is, BPF_EXIST);
}

void probe_forget_process(struct probe *p, pid_t pid)
{
	forget_entry(p->skeleton->maps.processes, pid);
}

int probe_set_python(struct probe *p, pid_t pid, const struct python_process *py)
{
	return set_entry(p->skeleton->maps.pythons, pid, py, BPF_ANY);
}

int probe_set_go(struct probe *p, pid_t pid, const struct go_layout *layout)
{
	return set_entry(p->skeleton->maps.gos, pid, layout, BPF_ANY);
}

void probe_forget_go(struct probe *p, pid_t pid)
{
	forget_entry(p->skeleton->maps.gos, pid);
}

int probe_choose(struct probe *p, pid_t pid)
{
	const uint32_t choice = PROBE_CHOSEN;

	return set_entry(p->skeleton->maps.chosen, pid, &choice, BPF_ANY);
}

static uint32_t choice_of(struct probe *p, pid_t pid)
{
	uint32_t key = (uint32_t)pid, choice = 0;

	bpf_map_lookup_elem(bpf_map__fd(p->skeleton->maps.chosen), &key, &choice);
	return choice;
}

bool probe_is_chosen(struct probe *p, pid_t pid)
{
	return choice_of(p, pid);
}

void probe_chosen_ended(struct probe *p, pid_t pid)
{
	if (choice_of(p, pid) == PROBE_ENDS)
		forget_entry(p->skeleton->maps.chosen, pid);
}

void probe_set_plain(struct probe *p, uint64_t dev, uint64_t inode)
{
	struct probe_program key = {.dev = dev, .inode = inode};
	uint32_t one = 1;

	bpf_map_update_elem(bpf_map__fd(p->skeleton->maps.plain_programs), &key, &one, BPF_ANY);
}
