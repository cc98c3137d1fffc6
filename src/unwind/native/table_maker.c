#include "unwind/native/table_maker.h"

#include <unistd.h>

#include "symbol/debug_file.h"
#include "unwind/native/eh_frame.h"

/* The debug file, which may describe what the file itself does not; NULL where there is none. */
static struct elf_file *open_debug(const struct table_order *o, const struct elf_file *f)
{
	struct debug_search where = {.pid = o->pid, .path = o->path, .folder = DEBUG_FOLDER};
	struct elf_file *debug = NULL;
	struct debug_link link;

	if (!o->path || elf_file_section(f, ".debug_frame"))
		return NULL;
	debug_link_read(f, &link);
	if (debug_file_open(&where, &link, &debug) < 0)
		debug = NULL;
	debug_link_fini(&link);
	return debug;
}

static int build(struct table_order *o)
{
	struct elf_file *f, *debug;
	int r = elf_file_open(o->fd, &f, NULL);

	o->fd = -1;
	if (r < 0)
		return r;
	debug = open_debug(o, f);
	r = unwind_table_build(f, debug, &o->stop, o->rules, &o->table, NULL);
	if (debug)
		elf_file_close(debug);
	elf_file_close(f);
	return r;
}

/* Until all rows have room, in as many pieces as they come. */
static void make_chunks(const struct table_order *o)
{
	size_t room = o->free_rows, rows = o->table.rows.len;

	if (!o->space || rows > o->max_rows)
		return;
	for (uint32_t i = o->chunks; room < rows && i < o->space->max_chunks; i++) {
		if (!o->space->chunk(o->space->arg, i))
			return;
		room += UNWIND_CHUNK_ROWS;
	}
}

void table_order_make(struct table_order *o)
{
	o->rows = -ENOENT;
	if (o->cache)
		o->rows = table_cache_load(o->cache, &o->key, UINT64_MAX, o->rules, &o->table);
	if (o->rows < 0) {
		o->cache_failed = o->rows != -ENOENT;
		o->from_file = true;
		o->rows = build(o);
	}
	make_chunks(o);
	if (o->from_file && o->rows >= 0 && o->cache &&
	    table_cache_save(o->cache, &o->key, &o->table, o->rules))
		o->cache_failed = true;
}

void table_order_fini(struct table_order *o)
{
	if (o->fd >= 0)
		close(o->fd);
	free(o->path);
	unwind_table_fini(&o->table);
}
