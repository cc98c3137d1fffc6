#include "symbol/names.h"

#include <unistd.h>

#include "symbol/mini_debug.h"

/* What packed symbols may be when they are unpacked; those of Fedora's largest programs are below
 * 4 MiB. */
enum { MAX_UNPACKED = 16 << 20 };

/* The file that has the full table: itself, its debug file, or the one packed into it. NULL: there
 * is none. */
static struct elf_file *open_full(const struct elf_file *f, const struct debug_search *where,
				  size_t max_bytes, struct names *n)
{
	struct elf_symbol_table own;
	struct elf_file *full;

	if (elf_file_symbol_table(f, SHT_SYMTAB, &own) != -ENOENT)
		return NULL;
	n->stripped = true;
	debug_link_read(f, &n->link);
	if (!debug_file_open(where, &n->link, &full)) {
		n->origin = NAMES_DEBUG_FILE;
		return full;
	}
	if (!mini_debug_open(f, MIN(max_bytes / 2, (size_t)MAX_UNPACKED), &full)) {
		n->origin = NAMES_MINI_DEBUG;
		n->unpacked = full->size;
		return full;
	}
	return NULL;
}

bool names_are_large(const struct elf_file *f, const struct debug_search *where, uint64_t bytes)
{
	struct elf_symbol_table own;
	struct elf_file *debug;
	struct debug_link link;
	bool large = f->size >= bytes;

	if (large || elf_file_symbol_table(f, SHT_SYMTAB, &own) != -ENOENT)
		return large;
	debug_link_read(f, &link);
	/* Only its checksum would tell whether it is the right one: to know that is to read it. */
	if (link.name && !link.id.len) {
		large = true;
	} else if (!debug_file_open(where, &link, &debug)) {
		large = debug->size >= bytes;
		elf_file_close(debug);
	}
	debug_link_fini(&link);
	return large;
}

void names_load(const struct elf_file *f, const struct debug_search *where, size_t max_bytes,
		struct names *ret)
{
	struct names n = {.fds = {-1, -1}};
	struct elf_file *full = open_full(f, where, max_bytes, &n);
	size_t max = (max_bytes - MIN(n.unpacked, max_bytes)) / sizeof(*n.table.symbols);

	if (full && !symbol_table_read(f, full, max, &n.table, NULL)) {
		n.fds[SYMBOL_FULL] = take_fd(&full->fd);
	} else {
		n.origin = NAMES_OWN;
		n.unpacked = 0;
		symbol_table_read(f, f, max, &n.table, NULL);
	}
	elf_file_close(full);
	*ret = n;
}

static void close_one(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

void names_close(struct names *n)
{
	close_one(&n->fds[SYMBOL_DYNAMIC]);
	if (n->origin != NAMES_MINI_DEBUG)
		close_one(&n->fds[SYMBOL_FULL]);
}

void names_fini(struct names *n)
{
	symbol_table_fini(&n->table);
	debug_link_fini(&n->link);
	close_one(&n->fds[SYMBOL_DYNAMIC]);
	close_one(&n->fds[SYMBOL_FULL]);
	*n = (struct names){.fds = {-1, -1}};
}

size_t names_bytes(const struct names *n)
{
	return n->table.len * sizeof(*n->table.symbols) + n->unpacked;
}

bool names_want_own(const struct names *n, const struct table_symbol *s)
{
	return n->fds[SYMBOL_DYNAMIC] < 0 && (n->origin == NAMES_OWN || s->dynamic);
}

/* The debug file again, which may have been replaced by a newer one: then its names are elsewhere,
 * and nothing is read. */
static void open_debug_again(struct names *n, const struct debug_search *where)
{
	struct elf_symbol_table now;
	struct elf_file *f;

	if (debug_file_open(where, &n->link, &f))
		return;
	if (!elf_file_symbol_table(f, SHT_SYMTAB, &now) &&
	    now.strings_offset == n->table.strings[SYMBOL_FULL].offset &&
	    now.strings_size == n->table.strings[SYMBOL_FULL].size)
		n->fds[SYMBOL_FULL] = take_fd(&f->fd);
	elf_file_close(f);
}

int names_read(struct names *n, const struct table_symbol *s, const struct debug_search *where,
	       char **ret)
{
	int fds[2] = {n->fds[SYMBOL_FULL], n->fds[SYMBOL_DYNAMIC]};

	if (n->origin == NAMES_OWN) {
		fds[SYMBOL_FULL] = n->fds[SYMBOL_DYNAMIC];
	} else if (fds[SYMBOL_FULL] < 0 && !s->dynamic) {
		open_debug_again(n, where);
		fds[SYMBOL_FULL] = n->fds[SYMBOL_FULL];
	}
	return fds[s->dynamic] < 0 ? -ENOENT : symbol_table_name(&n->table, s, fds, ret);
}
