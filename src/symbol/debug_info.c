#include "symbol/debug_info.h"

#include "symbol/debug_unit.h"
#include "symbol/dwarf_format.h"

enum {
	LOOKUP_WORK = 6 << 20,	/* some 20 ms */
	SLICE_WORK = 3 << 20,	/* some 10 ms */
	WINDOW_WORK = 64 << 20, /* some 0.2 s, once, for what is new */
	MAX_SPILLED = 512 << 20,
	MAX_CANDIDATES = 4,
	MAX_CHAIN = 256,
};
/* In this time it comes back. */
static const int64_t window_ns = 10 * NSEC_PER_SEC;

/* --- the pool
 * -----------------------------------------------------------------------------------*/

struct debug_pool *debug_pool_new(size_t max_bytes)
{
	struct debug_pool *p = mem_calloc(1, sizeof(*p));

	p->max_bytes = max_bytes;
	p->dwarf.max_spilled = MAX_SPILLED;
	debug_pool_set_work(p, LOOKUP_WORK, SLICE_WORK, WINDOW_WORK);
	return p;
}

void debug_pool_set_work(struct debug_pool *p, int64_t lookup, int64_t slice, int64_t window)
{
	p->lookup_work = lookup;
	p->slice_work = slice;
	p->slice_left = INT64_MAX;
	p->window_work = p->window_left = window;
}

void debug_pool_slice(struct debug_pool *p, int64_t now_ns)
{
	int64_t passed = p->slice_ns ? MIN(now_ns - p->slice_ns, window_ns) : 0;
	double back = (double)p->window_work * (double)passed / (double)window_ns;

	p->window_left = MIN(p->window_left + (int64_t)back, p->window_work);
	p->slice_left = p->slice_work;
	p->slice_ns = now_ns;
}

bool debug_pool_goes_on(const struct debug_pool *p)
{
	return p->slice_ns && !debug_pool_full(p);
}

bool debug_pool_has_work(const struct debug_pool *p)
{
	return debug_pool_goes_on(p) && p->window_left > 0;
}

void debug_pool_free(struct debug_pool *p)
{
	if (!p)
		return;
	CHECK(!p->units.len);
	vec_fini(&p->units);
	strtab_fini(&p->text);
	map64_fini(&p->names);
	dwarf_pool_fini(&p->dwarf);
	free(p);
}

static size_t text_bytes(const struct debug_pool *p)
{
	return p->text.text.total + p->text.entries.cap * sizeof(*p->text.entries.data) +
	       p->text.index.cap * sizeof(*p->text.index.slots) +
	       p->names.cap * sizeof(*p->names.slots);
}

size_t debug_pool_bytes(const struct debug_pool *p)
{
	return p->bytes + text_bytes(p) + p->dwarf.entries.cap + p->dwarf.names.cap +
	       p->dwarf.lists.cap + p->dwarf.tables.cap + p->dwarf.lines.cap;
}

bool debug_pool_full(const struct debug_pool *p)
{
	return p->bytes > p->max_bytes;
}

void debug_pool_trim(struct debug_pool *p)
{
	if (!p->slice_ns)
		p->window_left = p->window_work;
	debug_pool_make_room(p);
	if (text_bytes(p) > p->max_bytes / 2) {
		strtab_fini(&p->text);
		map64_fini(&p->names);
		p->generation++;
	}
}

void debug_pool_stats(const struct debug_pool *p, struct debug_pool_stats *ret)
{
	*ret = p->stats;
}

/* --- a file
 * -------------------------------------------------------------------------------------*/

static void extend(struct dwarf_code *c, uint64_t start, uint64_t size)
{
	uint64_t end;

	if (!size || __builtin_add_overflow(start, size, &end))
		return;
	c->base = MIN(c->base, start);
	c->end = MAX(c->end, end);
}

static struct dwarf_code find_code(const struct elf_file *elf)
{
	struct dwarf_code c = {UINT64_MAX, 0};

	for (size_t i = 0; i < elf->sections.len; i++) {
		const Elf64_Shdr *s = &elf->sections.data[i];

		if ((s->sh_flags & (SHF_ALLOC | SHF_EXECINSTR)) == (SHF_ALLOC | SHF_EXECINSTR))
			extend(&c, s->sh_addr, s->sh_size);
	}
	for (size_t i = 0; !c.end && i < elf->segments.len; i++) {
		const Elf64_Phdr *s = &elf->segments.data[i];

		if (s->p_type == PT_LOAD && s->p_flags & PF_X)
			extend(&c, s->p_vaddr, s->p_memsz);
	}
	return c;
}

/* The file that dwz moved to what several have: a path, and its build id (gnu_debugaltlink). */
static void find_alt(struct debug_info *d, const struct elf_file *elf)
{
	const Elf64_Shdr *s = elf_file_section(elf, ".gnu_debugaltlink");
	char text[4096 + sizeof(d->alt_id)] = "";

	if (!s || s->sh_type == SHT_NOBITS || s->sh_size >= sizeof(text) ||
	    elf_file_read(elf, s->sh_offset, text, s->sh_size))
		return;
	size_t n = strlen(text);

	if (!n || n + 1 >= s->sh_size)
		return;
	d->alt_id_len = MIN(s->sh_size - n - 1, sizeof(d->alt_id));
	memcpy(d->alt_id, text + n + 1, d->alt_id_len);
	d->alt_path = mem_strdup(text);
}

int debug_info_open(struct debug_pool *p, struct elf_file *elf, struct debug_info **ret)
{
	struct debug_info *d = mem_calloc(1, sizeof(*d));

	d->pool = p;
	d->index.code = find_code(elf);
	find_alt(d, elf);
	int r = dwarf_file_init(elf, &p->dwarf, false, &d->file);

	if (r < 0) {
		free(d->alt_path);
		free(d);
		return r;
	}
	*ret = d;
	return 0;
}

void debug_info_close(struct debug_info *d)
{
	if (!d)
		return;
	debug_info_close(d->alt);
	debug_units_drop(d);
	debug_side_close(d->package);
	dwarf_file_fini(&d->file);
	d->pool->bytes -= d->index_bytes;
	dwarf_index_fini(&d->index);
	map64_fini(&d->loaded);
	free(d->alt_path);
	free(d);
}

void debug_info_pause(struct debug_info *d)
{
	const struct debug_pool *p = d->pool;

	dwarf_file_close(&d->file);
	if (d->package)
		dwarf_file_close(&d->package->file);
	if (d->alt)
		debug_info_pause(d->alt);
	for (size_t i = 0; i < p->units.len; i++)
		if (p->units.data[i]->owner == d && p->units.data[i]->side)
			dwarf_file_close(&p->units.data[i]->side->file);
}

bool debug_info_paused(const struct debug_info *d)
{
	return d->file.fd < 0;
}

void debug_info_resume(struct debug_info *d, int fd)
{
	dwarf_file_reopen(&d->file, fd);
}

/* --- looking up
 * ---------------------------------------------------------------------------------*/

struct lookup {
	struct debug_info *info;
	const struct debug_opener *opener;
	uint32_t at; /* behind the code's base */
	struct debug_function *ret;
	size_t max, n;
};

static const char *text_of(const struct lookup *l, uint32_t text)
{
	return strtab_get(&l->info->pool->text, text);
}

static const char *file_text(struct lookup *l, struct debug_unit *u, uint32_t file)
{
	const uint64_t *known = map64_get(&u->files, file);
	cleanup_free char *path = NULL;

	if (known)
		return text_of(l, (uint32_t)*known);
	if (debug_pool_exhausted(l->info->pool))
		return "";
	if (dwarf_lines_file(&u->lines, &u->main, file, &path) < 0)
		path = NULL;
	uint32_t text = path ? strtab_puts(&l->info->pool->text, path) : 0;

	map64_set(&u->files, file, text);
	return text_of(l, text);
}

/* Where in a function: the place is its own, or where the one before it was called. */
static void add(struct lookup *l, struct debug_unit *u, uint64_t entry, bool alt, uint32_t file,
		uint32_t line)
{
	uint32_t name = 0, start_line = 0;

	if (l->n == l->max)
		return;
	if (entry)
		debug_name(u, entry, alt, l->opener, &name, &start_line);
	l->ret[l->n++] = (struct debug_function){
		.name = text_of(l, name),
		.file = line ? file_text(l, u, file) : "",
		.line = line,
		.start_line = start_line,
	};
}

static void add_chain(struct lookup *l, struct debug_unit *u, struct dwarf_function *f)
{
	const struct dwarf_unit *entries = debug_unit_entries(u);
	uint32_t chain[MAX_CHAIN], file = 0, line = 0;
	const struct dwarf_body *b;
	size_t n = 0;

	if (dwarf_lines_find(&u->lines, &u->main, &l->info->index.code, l->at, &file, &line) < 0)
		file = line = 0;
	if (f && !dwarf_functions_body(&u->functions, entries, &l->info->index.code, f, &b)) {
		n = dwarf_body_find(b, l->at, chain, MAX_CHAIN);
		l->info->pool->dwarf.work -= (int64_t)b->inlined.len / 4;
	}
	while (n-- > 0) {
		const struct dwarf_inlined *x = &b->inlined.data[chain[n]];

		add(l, u, x->origin, x->alt, file, line);
		file = x->call_file;
		line = x->call_line;
	}
	if (f || line)
		add(l, u, f ? entries->head.offset + f->entry : 0, false, file, line);
}

/* All that is needed of a unit. -EAGAIN when the work ran out. */
static int prepare_unit(struct lookup *l, struct debug_unit *u)
{
	struct debug_info *d = l->info;
	size_t max = d->pool->max_bytes / 4;
	int r = dwarf_functions_scan(&u->functions, debug_unit_entries(u), &d->index.code, max);

	if (!r)
		r = dwarf_lines_scan(&u->lines, &u->main, &d->index.code, max);
	debug_unit_weigh(u);
	return r;
}

/* The function in one of the units that claim the address. */
static int find_function(struct lookup *l, const uint32_t *units, size_t n,
			 struct debug_unit **ret_unit, struct dwarf_function **ret)
{
	for (size_t i = 0; i < n; i++) {
		struct debug_unit *u = debug_unit_get(l->info, units[i], l->opener);
		int r = u ? prepare_unit(l, u) : 0;

		if (r < 0)
			return r;
		if (!u)
			continue;
		if (!*ret_unit)
			*ret_unit = u;
		*ret = dwarf_functions_find(&u->functions, l->at);
		if (*ret) {
			*ret_unit = u;
			return 0;
		}
	}
	return 0;
}

static int look(struct lookup *l, uint64_t address)
{
	struct debug_info *d = l->info;
	uint32_t units[MAX_CANDIDATES];
	struct debug_unit *u = NULL;
	struct dwarf_function *f = NULL;
	size_t n = dwarf_index_find(&d->index, address, units, MAX_CANDIDATES);
	int r = find_function(l, units, n, &u, &f);

	if (!r && u && !f && !u->functions.thorough) {
		/* A function in a function? They are rare, and looking for them is slow. */
		dwarf_functions_again(&u->functions);
		r = find_function(l, units, n, &u, &f);
	}
	if (r < 0)
		return r;
	if (u) {
		add_chain(l, u, f);
		debug_unit_weigh(u);
	}
	return (int)l->n;
}

/* The file that dwz moved things to, if it is the right one. */
static int open_alt_elf(const struct debug_info *d, const struct debug_opener *o,
			struct elf_file **ret)
{
	const char *slash = o && o->path ? strrchr(o->path, '/') : NULL;
	int folder = d->alt_path[0] != '/' && slash ? (int)(slash + 1 - o->path) : 0;
	cleanup_free char *path =
		mem_asprintf("%.*s%s", folder, folder ? o->path : "", d->alt_path);
	int fd = o && o->open ? o->open(o->arg, path) : -ENOENT;
	struct elf_file *elf;
	uint8_t id[20];

	if (fd < 0)
		return fd;
	int r = elf_file_open(fd, &elf, NULL);

	if (r < 0)
		return r;
	if (elf_file_build_id(elf, id) == (int)d->alt_id_len &&
	    !memcmp(id, d->alt_id, d->alt_id_len)) {
		*ret = elf;
		return 0;
	}
	elf_file_close(elf);
	return -ESTALE;
}

static void open_alt(struct debug_info *d, const struct debug_opener *o)
{
	struct elf_file *elf;

	if (!d->alt_path || (d->alt_tried && !(d->alt && debug_info_paused(d->alt))))
		return;
	d->alt_tried = true;
	if (open_alt_elf(d, o, &elf) < 0)
		return;
	if (d->alt)
		debug_info_resume(d->alt, take_fd(&elf->fd));
	else if (debug_info_open(d->pool, elf, &d->alt) < 0)
		d->alt = NULL;
	elf_file_close(elf);
}

/* Unpack, and find all units. -EAGAIN when the work ran out. */
static int prepare(struct debug_info *d)
{
	int r = dwarf_file_unpack(&d->file);

	if (r < 0 || d->index.done)
		return r;
	if (debug_pool_full(d->pool))
		return -EAGAIN;
	r = dwarf_index_scan(&d->index, &d->file, d->pool->max_bytes / 4);
	d->pool->bytes += dwarf_index_bytes(&d->index) - d->index_bytes;
	d->index_bytes = dwarf_index_bytes(&d->index);
	return r;
}

int debug_info_lookup(struct debug_info *d, uint64_t address, const struct debug_opener *o,
		      struct debug_function *ret, size_t max)
{
	struct debug_pool *p = d->pool;
	struct lookup l = {.info = d, .opener = o, .ret = ret, .max = max};
	int64_t allowed = MIN(MIN(p->lookup_work, p->slice_left), p->window_left);
	int r = 0;

	p->stats.lookups++;
	if (address < d->index.code.base || address - d->index.code.base > UINT32_MAX)
		return 0;
	l.at = (uint32_t)(address - d->index.code.base);
	debug_pool_make_room(p);
	p->dwarf.work = allowed;
	open_alt(d, o);
	if (d->alt)
		r = prepare(d->alt);
	if (!r)
		r = prepare(d);
	if (!r)
		r = look(&l, address);
	p->window_left -= allowed - p->dwarf.work;
	p->slice_left -= allowed - p->dwarf.work;
	p->stats.unfinished += r == -EAGAIN;
	return r;
}
