#include "unwind/python/process_name.h"

#include "unwind/python/object.h"

enum {
	MAX_INTERPRETERS = 64,
	MAX_NAME = 256, /* characters */
};

/* Lib/multiprocessing/process.py of 2.7 to 3.15: _current_process has its name in _name. */
static int name_in(const struct python_objects *o, uint64_t interpreter, struct buf *out)
{
	size_t before = out->len;
	uint64_t module, process;
	int r = python_module_dict(o, interpreter, "multiprocessing.process", &module);

	if (!r)
		r = python_dict_find(o, module, "_current_process", &process);
	if (!r)
		r = python_text_attribute(o, process, "_name", MAX_NAME, out);
	/* What any process is called that was not started by it. */
	if (!r && !strcmp(buf_cstr(out) + before, "MainProcess"))
		r = -ENOENT;
	if (r < 0)
		out->len = before;
	return r;
}

int python_process_name(const struct memory *m, const struct python *py, struct buf *out)
{
	const struct python_process *p = &py->process;
	struct python_objects o;
	uint64_t interpreter;
	int r;

	r = python_objects_of(&o, m, py);
	if (!r)
		r = memory_read(m, p->interpreters, &interpreter, sizeof(interpreter));
	/* The first interpreter stands last. */
	for (int i = 0; !r && interpreter && i < MAX_INTERPRETERS; i++) {
		if (!name_in(&o, interpreter, out))
			return 0;
		r = memory_read(m, interpreter + p->layout.interpreter_next, &interpreter,
				sizeof(interpreter));
	}
	return r < 0 ? r : -ENOENT;
}
