#include "unwind/unwind.h"

#include "base/hash.h"
#include "unwind/eval_ranges.h"
#include "unwind/native/go_labels.h"
#include "unwind/python/layout.h"
#include "unwind/python/python_file.h"

enum {
	MAX_FILES = 8192,
	CHECKED_THREADS = 8, /* thread states that the thread key is tried on */
};

struct file_entry {
	uint64_t dev, inode;
	struct python_file python;
	bool has_go;
	struct go_layout go;
};
struct runtimes {
	VEC(struct file_entry) files;
	struct hash_index index;
};

struct runtimes *runtimes_new(void)
{
	return mem_calloc(1, sizeof(struct runtimes));
}

void runtimes_free(struct runtimes *r)
{
	if (!r)
		return;
	vec_fini(&r->files);
	hash_index_fini(&r->index);
	free(r);
}

static void close_elf(struct elf_file **f)
{
	if (*f)
		elf_file_close(*f);
}

/* 0 where the file was looked at (now or before); the entry lives until the next call. */
static int look_at(struct runtimes *r, const struct process *p, const struct mapping *m,
		   const struct file_entry **ret)
{
	uint64_t hash = hash_mix(m->dev, m->inode);
	struct file_entry new = {.dev = m->dev, .inode = m->inode};
	cleanup(close_elf) struct elf_file *f = NULL;
	struct hash_iter it;
	uint32_t i;
	int fd;

	for (i = hash_index_first(&r->index, hash, &it); i != HASH_NONE;
	     i = hash_index_next(&r->index, &it))
		if (r->files.data[i].dev == m->dev && r->files.data[i].inode == m->inode) {
			*ret = &r->files.data[i];
			return 0;
		}
	fd = process_open_mapping(p, m);
	if (fd < 0)
		return fd;
	if (!elf_file_open(fd, &f, NULL)) {
		python_file_read(f, &new.python);
		eval_ranges_complete(f, &new.python);
		new.has_go = !go_layout_read(f, &new.go);
	}
	if (r->files.len >= MAX_FILES) {
		vec_clear(&r->files);
		hash_index_clear(&r->index);
	}
	hash_index_add(&r->index, hash, r->files.len);
	vec_push(&r->files, new);
	*ret = &r->files.data[r->files.len - 1];
	return 0;
}

/* Where the file's virtual address 0 lies in the process. The mapping starts at a page border, the
 * segment perhaps behind it. */
static bool load_bias(const struct mapping *m, const struct python_file *f, uint64_t *ret)
{
	if (m->offset >= f->text_offset + f->text_size ||
	    m->offset + (m->end - m->start) <= f->text_offset)
		return false;
	*ret = m->start - m->offset + f->text_offset - f->text;
	return true;
}

static bool read_word(const struct memory *m, uint64_t address, uint64_t *ret)
{
	return memory_read(m, address, ret, sizeof(*ret)) >= 0;
}

/* The key that leads to a thread's state. False where it cannot be read, or is not made yet. */
static bool read_key(const struct memory *m, const struct python_process *py, uint32_t *ret)
{
	uint32_t words[2] = {}; /* Py_tss_t, or an int */

	if (!py->key || memory_read(m, py->key, words, py->key_is_int ? 4 : 8) < 0)
		return false;
	*ret = words[!py->key_is_int];
	return py->key_is_int ? *ret != UINT32_MAX : words[0];
}

/* Try the thread key on threads that are listed: does glibc's block hold their state? True where it
 * does, or where there is no thread to try it on yet. */
static bool key_works(const struct memory *m, const struct python_process *py)
{
	const struct python_layout *l = &py->layout;
	uint64_t interpreter, thread, base, at, value, seen = 0;
	uint32_t key;

	if (!read_key(m, py, &key) || !read_word(m, py->interpreters, &interpreter) ||
	    !interpreter || !read_word(m, interpreter + l->interpreter_threads, &thread))
		return true;
	for (int i = 0; i < CHECKED_THREADS && thread; i++) {
		if (!read_word(m, thread + l->thread_id, &base))
			break;
		at = base + GLIBC_TSD_FIRST + key * 16ULL;
		if (key >= UNWIND_TSD_FIRST_KEYS) {
			if (!read_word(m,
				       base + GLIBC_TSD_SECOND + key / UNWIND_TSD_FIRST_KEYS * 8ULL,
				       &at))
				break;
			at += key % UNWIND_TSD_FIRST_KEYS * 16;
		}
		if (base && read_word(m, at + 8, &value)) {
			if (value == thread)
				return true;
			seen++;
		}
		if (!read_word(m, thread + l->thread_next, &thread))
			break;
	}
	return !seen;
}

static uint64_t biased(uint64_t address, uint64_t bias)
{
	return address ? address + bias : 0;
}

static int make_python(const struct mapping *m, const struct memory *memory,
		       const struct python_file *f, struct python *ret)
{
	struct python py = {.version = f->version, .process.layout = f->layout};
	uint64_t bias;

	if (!load_bias(m, f, &bias))
		return 0;
	py.process.runtime = biased(f->runtime, bias);
	py.process.interpreters = biased(f->interpreters, bias);
	py.process.current = biased(f->current, bias);
	py.process.key = biased(f->key, bias);
	py.process.key_is_int = f->key_is_int;
	for (int i = 0; i < PYTHON_EVAL_RANGES && f->eval_start[i]; i++) {
		py.eval_start[i] = f->eval_start[i] + bias;
		py.eval_end[i] = f->eval_end[i] + bias;
	}
	py.eval_calls = f->eval_calls;
	if (f->layout.style != PYTHON_UNSUPPORTED)
		py.process.search_threads = !f->key || !key_works(memory, &py.process);
	*ret = py;
	return 1;
}

int runtimes_find_python(struct runtimes *r, const struct process *p, const struct memory *memory,
			 struct python *ret)
{
	const struct mapping *last = NULL;

	for (size_t i = 0; i < p->mappings.len; i++) {
		const struct mapping *m = &p->mappings.data[i];
		const struct file_entry *f;

		if (!m->inode || (last && last->inode == m->inode && last->dev == m->dev))
			continue;
		last = m;
		if (look_at(r, p, m, &f) || !f->python.found)
			continue;
		return make_python(m, memory, &f->python, ret);
	}
	return 0;
}

int runtimes_find_go(struct runtimes *r, const struct process *p, struct go_layout *ret)
{
	const struct file_entry *f;

	for (size_t i = 0; i < p->mappings.len; i++) {
		if (!p->mappings.data[i].inode || look_at(r, p, &p->mappings.data[i], &f) ||
		    !f->has_go)
			continue;
		*ret = f->go;
		return 1;
	}
	return 0;
}

bool runtimes_has_pypy(struct runtimes *r, const struct process *p)
{
	const struct file_entry *f;

	for (size_t i = 0; i < p->mappings.len; i++)
		if (p->mappings.data[i].inode && !look_at(r, p, &p->mappings.data[i], &f) &&
		    f->python.pypy)
			return true;
	return false;
}

bool runtimes_expect_python(struct runtimes *r, const struct process *p)
{
	const struct file_entry *f;

	for (size_t i = 0; i < p->mappings.len; i++)
		if (p->mappings.data[i].inode && !look_at(r, p, &p->mappings.data[i], &f) &&
		    f->python.needs_python)
			return true;
	return false;
}
