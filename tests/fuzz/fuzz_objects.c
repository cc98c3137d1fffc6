/* Feeds memory that lies to the readers of Python's objects. */
#include "process/memory.h"
#include "unwind/python/asyncio.h"
#include "unwind/python/awaiters.h"
#include "unwind/python/coroutine.h"
#include "unwind/python/layout.h"
#include "unwind/python/qualname.h"
#include "unwind/python/repr.h"
#include "unwind/python/process_name.h"
#include "unwind/python/thread_names.h"

/* What the process has: the input, at this address. */
enum { BASE = 0x10000, MAX_FRAMES = 64, MAX_LIST = 64 };
struct input {
	struct memory memory;
	const uint8_t *data;
	size_t size;
};

static int input_read(const struct memory *m, uint64_t address, void *buf, size_t n)
{
	const struct input *in = m->owner;
	uint64_t at = address - BASE;

	if (at > in->size || n > in->size - at)
		return -EFAULT;
	memcpy(buf, in->data + at, n);
	return 0;
}

/* A code object is anywhere, the first interpreter at the beginning. */
static void name_code(const struct memory *m, uint8_t version)
{
	static const uint32_t versions[] = {0x02071200, 0x03060000, 0x03070000,
					    0x03080000, 0x03090000, 0x030a0000};
	struct python py = {.version = versions[version % ARRAY_SIZE(versions)],
			    .process.interpreters = BASE};
	struct python_qualnames *q = NULL;

	py.process.layout = *python_layout_of(py.version, false);
	for (uint64_t at = 0; at < 64; at += 8) {
		cleanup(python_code_fini) struct python_code c = {.name = mem_strdup("f"),
								  .file = mem_strdup("m.py")};

		python_qualname(&q, m, &py, BASE + at, &c);
	}
	python_qualnames_free(q);
}

/* Names, which are read of 2.7, too. */
static void read_names(const struct memory *m, uint32_t version)
{
	const struct python py = {.version = version, .process.interpreters = BASE};
	struct python_thread_names names = {};
	cleanup_buf struct buf name = {};
	struct python_objects o;

	CHECK(!python_text_objects_init(&o, m, version, false));
	python_thread_names_read(&names, &o, BASE);
	python_thread_names_fini(&names);
	python_process_name(m, &py, &name);
}

/* Of now, and of a step that lasts. */
static void read_awaiters(const struct python_objects *o)
{
	const struct python_layout *l = python_layout_of(o->version, false);
	const struct python_awaiters_thread thread = {BASE, BASE, BASE};
	struct python_step step = {.thread = BASE};
	struct python_awaiters awaiters = {};
	static struct memory_pages pages;

	python_awaiters_read(&awaiters, o, l, &thread, 1);
	if (!memory_read(o->memory, BASE + l->thread_context, &step.contexts, 16))
		python_awaiters_of_step(&awaiters, o, l, &step, &pages, 1);
	python_awaiters_fini(&awaiters);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct python_repr_limits limits = {
		.characters = 64, .elements = 20, .depth = 4, .bytes = 2000};
	static struct python_coroutine_frame frames[MAX_FRAMES];
	struct python_tasks tasks = {};
	uint64_t list[MAX_LIST];
	struct python_objects o;
	bool cut;
	struct input in = {{.read = input_read, .owner = &in}, data + 1, size - 1};

	if (size < 2)
		return 0;
	name_code(&in.memory, data[0]);
	if (python_objects_init(&o, &in.memory, 0x03080000U + (data[0] % 8 << 16)))
		return 0;
	for (uint64_t at = 0; at < 256; at += 8) {
		cleanup_buf struct buf out = {};
		uint64_t value;

		python_repr(&o, BASE + at, &limits, &out);
		/* What was written last may go over its bound by one text. */
		CHECK(out.len < 3000);
		python_attribute(&o, BASE + at, "a", &value);
		python_coroutine_frames(&o, python_layout_of(o.version, false), BASE + at, frames,
					MAX_FRAMES, &value);
	}
	read_awaiters(&o);
	CHECK(python_task_list(&o, BASE, list, MAX_LIST, &cut) <= MAX_LIST);
	python_tasks_read(&tasks, &o, python_layout_of(o.version, false), BASE);
	python_tasks_fini(&tasks);
	read_names(&in.memory, data[0] % 7 ? o.version : 0x02070000);
	return 0;
}
