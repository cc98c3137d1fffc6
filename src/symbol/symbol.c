#include "symbol/symbol.h"

#include <sys/stat.h>
#include <unistd.h>

#include "symbol/symbol_priv.h"

enum {
	/* What is remembered of mappings and files without their tables; over it, all is forgotten
	 * and built again from what is in use. */
	MAX_PLACES = 1 << 16,
	MAX_FILES = 1 << 13,
	MAX_MODULE_NAMES = 1 << 14,
	/* Reading files: half a second at once, a quarter of all time after that. */
	LOAD_SHARE = 4,
	LOAD_BURST_NS = 500000000,
	JIT_SHARE = 4,	 /* one part in so many of the bound is for code made at run time */
	DEBUG_SHARE = 3, /* and for inlined functions and lines */
};

/* What a mapping is: a module name, and a file or HASH_NONE. Travels as one number. */
struct place {
	uint32_t file, module;
};

static uint64_t place_pack(struct place p)
{
	return (uint64_t)p.module << 32 | p.file;
}

static struct place place_unpack(uint64_t v)
{
	return (struct place){(uint32_t)v, (uint32_t)(v >> 32)};
}

int symbolizer_new(size_t max_bytes, struct symbolizer **ret, struct err *e)
{
	if (max_bytes < sizeof(struct table_symbol))
		return err_set(e, -EINVAL, "%zu bytes are too few for any symbol", max_bytes);
	struct symbolizer *s = mem_calloc(1, sizeof(*s));

	s->debug_folder = mem_strdup(DEBUG_FOLDER);
	s->max_bytes = max_bytes;
	s->jit = jit_new(max_bytes / JIT_SHARE);
	s->debug = debug_pool_new(max_bytes / DEBUG_SHARE);
	s->window = 1;
	*ret = s;
	return 0;
}

void symbolizer_set_fetch(struct symbolizer *s, const char *folder, symbol_fetch *ask, void *arg)
{
	free(s->fetched);
	s->fetched = mem_strdup(folder);
	s->ask = ask;
	s->ask_arg = arg;
}

void symbolizer_set_loader(struct symbolizer *s, uint64_t min_bytes)
{
	s->large = min_bytes;
}

void symbolizer_set_debug_folder(struct symbolizer *s, const char *folder)
{
	free(s->debug_folder);
	s->debug_folder = mem_strdup(folder);
}

/* Only the table: names that callers hold stay. */
static void drop_table(struct symbolizer *s, struct file *f)
{
	s->bytes -= names_bytes(&f->names) + pclntab_bytes(&f->go);
	names_fini(&f->names);
	pclntab_fini(&f->go);
	source_fini(&f->source);
	elf_file_close(f->elf);
	f->elf = NULL;
	f->loaded = f->awaited = false;
}

static void drop_texts(struct symbolizer *s, struct file *f)
{
	struct map64_slot *slot;

	for (size_t i = 0; (slot = map64_each(&f->texts, &i));)
		free((void *)(uintptr_t)slot->value);
	map64_fini(&f->texts);
	s->bytes -= f->text_bytes;
	f->text_bytes = 0;
}

static void forget_all(struct symbolizer *s)
{
	loader_fini(&s->loader);
	for (size_t i = 0; i < s->files.len; i++) {
		drop_table(s, s->files.data[i]);
		drop_texts(s, s->files.data[i]);
		free(s->files.data[i]);
	}
	vec_fini(&s->files);
	hash_index_fini(&s->index);
	map64_fini(&s->contents);
	map64_fini(&s->places);
	strtab_fini(&s->modules);
}

void symbolizer_free(struct symbolizer *s)
{
	if (!s)
		return;
	forget_all(s);
	jit_free(s->jit);
	debug_pool_free(s->debug);
	kallsyms_fini(&s->kernel);
	free(s->debug_folder);
	free(s->fetched);
	free(s);
}

static size_t used_bytes(const struct symbolizer *s)
{
	return s->bytes + jit_bytes(s->jit) + debug_pool_bytes(s->debug);
}

static int by_last_use(const void *x, const void *y)
{
	const struct file *const *a = x, *const *b = y;

	return (*a)->last_used < (*b)->last_used ? -1 : (*a)->last_used > (*b)->last_used;
}

/* Give back what was used longest ago, until the bound is kept or all that is left was used after
 * newest. Names go too when no caller holds any. */
static void shrink(struct symbolizer *s, uint64_t newest, bool texts)
{
	if (used_bytes(s) <= s->max_bytes)
		return;
	cleanup_free struct file **order = mem_reallocarray(NULL, s->files.len, sizeof(*order));

	memcpy(order, s->files.data, s->files.len * sizeof(*order));
	qsort(order, s->files.len, sizeof(*order), by_last_use);
	for (size_t i = 0; i < s->files.len && used_bytes(s) > s->max_bytes; i++) {
		if (order[i]->last_used > newest)
			return;
		drop_table(s, order[i]);
		if (texts)
			drop_texts(s, order[i]);
	}
}

/* What was fetched meanwhile replaces the tables of stripped files. */
static void take_fetched(struct symbolizer *s)
{
	for (size_t i = 0; s->ask && i < s->files.len; i++) {
		struct file *f = s->files.data[i];

		if (!f->awaited || !debug_file_fetched(s->fetched, &f->names.link.id))
			continue;
		drop_table(s, f);
		drop_texts(s, f);
	}
}

/* The files with debug information that was used longest ago lose it, until the rest has room. */
static void shrink_debug(struct symbolizer *s)
{
	while (debug_pool_full(s->debug)) {
		struct file *oldest = NULL;

		for (size_t i = 0; i < s->files.len; i++) {
			struct file *f = s->files.data[i];

			if (f->source.info && (!oldest || f->last_used < oldest->last_used))
				oldest = f;
		}
		if (!oldest)
			return;
		source_fini(&oldest->source);
	}
}

void symbolizer_trim(struct symbolizer *s)
{
	take_fetched(s);
	jit_trim(s->jit);
	debug_pool_trim(s->debug);
	shrink_debug(s);
	shrink(s, UINT64_MAX, true);
	s->window++;
	s->window_clock = s->clock;
	/* An open file would keep its file system busy: containers could not be removed. */
	for (size_t i = 0; i < s->files.len; i++)
		if (s->files.data[i]->key.dev) {
			names_close(&s->files.data[i]->names);
			source_close(&s->files.data[i]->source);
		}
	if (s->places.len > MAX_PLACES || s->files.len > MAX_FILES ||
	    strtab_count(&s->modules) > MAX_MODULE_NAMES)
		forget_all(s);
}

/* Every process has a copy of the vdso, in no file: its content is its identity. */
static int vdso_key(int fd, struct file_key *key)
{
	cleanup_free char *text = mem_calloc(key->size, 1);

	if (pread(fd, text, key->size, 0) != (ssize_t)key->size)
		return -EIO;
	*key = (struct file_key){.inode = hash_bytes(text, key->size), .size = key->size};
	return 0;
}

static int key_of(int fd, const struct mapping *m, struct file_key *ret)
{
	struct stat st;

	if (fstat(fd, &st))
		return -errno;
	*ret = (struct file_key){
		.dev = st.st_dev,
		.inode = st.st_ino,
		.size = (uint64_t)st.st_size,
		.mtime_ns =
			(uint64_t)st.st_mtim.tv_sec * NSEC_PER_SEC + (uint64_t)st.st_mtim.tv_nsec,
	};
	return m->inode ? 0 : vdso_key(fd, ret);
}

/* Number of the file with a key, HASH_NONE when it is not known. */
static uint32_t find_file(const struct symbolizer *s, const struct file_key *key)
{
	struct hash_iter it;

	for (uint32_t i = hash_index_first(&s->index, hash_bytes(key, sizeof(*key)), &it);
	     i != HASH_NONE; i = hash_index_next(&s->index, &it))
		if (!memcmp(&s->files.data[i]->key, key, sizeof(*key)))
			return i;
	return HASH_NONE;
}

/* The same; it is known afterwards. */
static uint32_t file_by_key(struct symbolizer *s, const struct file_key *key)
{
	uint32_t known = find_file(s, key);

	if (known != HASH_NONE)
		return known;
	struct file *f = mem_calloc(1, sizeof(*f));

	f->key = *key;
	f->twin = HASH_NONE;
	f->names.fds[0] = f->names.fds[1] = -1;
	f->number = (uint32_t)s->files.len;
	hash_index_add(&s->index, hash_bytes(key, sizeof(*key)), f->number);
	vec_push(&s->files, f);
	return f->number;
}

static struct file *table_of(const struct symbolizer *s, struct file *f)
{
	return f->twin == HASH_NONE ? f : s->files.data[f->twin];
}

/* Open the file behind a mapping if it is f, or a copy that has its table there. */
static int open_copy(const struct symbolizer *s, const struct file *f, const struct process *p,
		     const struct mapping *m)
{
	cleanup_close int fd = process_open_mapping(p, m);
	struct file_key now;

	if (fd < 0)
		return fd;
	int r = key_of(fd, m, &now);
	uint32_t i = r ? HASH_NONE : find_file(s, &now);

	if (i == HASH_NONE || table_of(s, s->files.data[i]) != f)
		return r ? r : -ESTALE;
	return take_fd(&fd);
}

int symbol_open_own(const struct symbolizer *s, struct file *f, const struct process *p,
		    const struct mapping *m)
{
	int *fd = &f->names.fds[SYMBOL_DYNAMIC];

	if (*fd < 0)
		*fd = MAX(open_copy(s, f, p, m), -1);
	return *fd;
}

/* Give the segments of an ELF file to f and its descriptor away. A symbolizer may have hundreds. */
static int keep_segments(struct file *f, struct elf_file *elf)
{
	int fd = take_fd(&elf->fd);

	vec_fini(&elf->sections);
	free(elf->section_names);
	elf->section_names = NULL;
	elf->section_names_size = 0;
	f->elf = elf;
	return fd;
}

struct debug_search symbol_debug_search(const struct symbolizer *s, const struct process *p,
					const struct mapping *m)
{
	return (struct debug_search){
		.pid = process_tid(p),
		.path = m->path,
		.folder = s->debug_folder,
		.fetched = s->fetched,
	};
}

/* What two copies of a file have in common: the build id, all headers, and the owner, because who
 * can write one file must not name the functions of another's. 0: nothing to go by. */
static uint64_t content_of(const struct elf_file *f)
{
	uint8_t id[20] = {};
	struct stat st;

	if (elf_file_build_id(f, id) < 0 || fstat(f->fd, &st))
		return 0;
	uint64_t hash = hash_mix(hash_bytes(id, sizeof(id)), hash_mix(f->size, st.st_uid));

	hash = hash_mix(hash, hash_bytes(&f->header, sizeof(f->header)));
	hash = hash_mix(hash,
			hash_bytes(f->segments.data, f->segments.len * sizeof(*f->segments.data)));
	return hash_mix(hash,
			hash_bytes(f->sections.data, f->sections.len * sizeof(*f->sections.data)));
}

/* Containers have copies of the same files: the first of them keeps the table for all. */
static struct file *first_copy(struct symbolizer *s, struct file *f, const struct elf_file *elf)
{
	uint64_t content = content_of(elf);
	const uint64_t *known = content ? map64_get(&s->contents, content) : NULL;

	if (known && s->files.data[*known] != f)
		f->twin = (uint32_t)*known;
	else if (content && !known)
		map64_set(&s->contents, content, f->number);
	return table_of(s, f);
}

/* Symbols that are packed into the file name functions, but no lines: a debug file is better. */
static void await_debug_file(struct symbolizer *s, struct file *f)
{
	const struct build_id *id = &f->names.link.id;

	if (!s->ask || !f->names.stripped || f->names.origin == NAMES_DEBUG_FILE || id->len < 2)
		return;
	if (!f->asked)
		s->ask(s->ask_arg, id);
	f->asked = f->awaited = true;
}

/* The names of f are there, and found to be useful or not. */
static void take_names(struct symbolizer *s, struct file *f, struct elf_file *elf)
{
	/* What a container says of its files is for its processes alone. */
	f->common = content_of(elf) != 0 && !f->names.link.theirs;
	if (f->names.link.theirs)
		map64_remove(&s->contents, content_of(elf));
	s->bytes += names_bytes(&f->names) + pclntab_bytes(&f->go);
	/* A file without symbols still turns offsets into addresses. */
	f->names.fds[SYMBOL_DYNAMIC] = keep_segments(f, elf);
	await_debug_file(s, f);
	f->last_used = ++s->clock;
	shrink(s, s->window_clock, false);
	if (used_bytes(s) > s->max_bytes) {
		/* What this window needs does not fit. To drop a table that it uses would be to
		 * read it again for the next sample: those that came first stay. */
		drop_table(s, f);
		f->refused_in = s->window;
	}
}

/* Take what the loader has read. */
static void take_loaded(struct symbolizer *s, int64_t wait_ns)
{
	struct load l;

	for (; loader_take(&s->loader, wait_ns, &l); wait_ns = 0) {
		struct file *f = s->files.data[l.file];

		f->reading = false;
		f->loaded = true;
		f->names = l.names;
		f->go = l.go;
		budget_spend(&s->loading, l.cpu_ns);
		take_names(s, f, l.elf);
	}
}

void symbolizer_slice(struct symbolizer *s)
{
	debug_pool_slice(s->debug, clock_mono_ns());
}

bool symbolizer_reads(const struct symbolizer *s)
{
	return s->loader.queue.len || debug_pool_has_work(s->debug);
}

void symbolizer_wait(struct symbolizer *s, int64_t max_ns)
{
	take_loaded(s, max_ns);
}

static void load_now(struct symbolizer *s, struct file *own, int fd, const struct process *p,
		     const struct mapping *m)
{
	struct debug_search where = symbol_debug_search(s, p, m);
	struct elf_file *elf;

	own->loaded = true;
	if (elf_file_open(fd, &elf, NULL))
		return;
	struct file *f = first_copy(s, own, elf);

	if (f != own && (f->loaded || f->reading)) {
		elf_file_close(elf);
		return;
	}
	f->loaded = true;
	names_fini(&f->names);
	f->reading = s->large && names_are_large(elf, &where, s->large) &&
		     loader_put(&s->loader, f->number, elf, &where, s->max_bytes);
	if (f->reading)
		return;
	names_load(elf, &where, s->max_bytes, &f->names);
	pclntab_open(elf, &f->go);
	take_names(s, f, elf);
}

/* Takes fd over. */
static void load(struct symbolizer *s, struct file *own, int fd, const struct process *p,
		 const struct mapping *m)
{
	int64_t start = clock_mono_ns();

	load_now(s, own, fd, p, m);
	budget_spend(&s->loading, clock_mono_ns() - start);
}

/* May a file be read now? Samples wait meanwhile; those of files that have to wait get no names. */
static bool may_load(struct symbolizer *s, const struct file *f)
{
	if (f->loaded || f->reading || f->refused_in == s->window)
		return false;
	if (budget_left(&s->loading, clock_mono_ns(), LOAD_SHARE, LOAD_BURST_NS))
		return true;
	s->postponed++;
	return false;
}

static const char *module_of(const struct mapping *m)
{
	const char *slash = strrchr(m->path, '/');

	if (!m->path[0])
		return "[anon]";
	return m->path[0] == '/' && slash[1] ? slash + 1 : m->path;
}

static struct place find_place(struct symbolizer *s, const struct process *p,
			       const struct mapping *m)
{
	/* A mapping holds its inode, so that it stays one file for as long as it is there. */
	const uint64_t id[] = {
		(uint64_t)p->pid,
		p->start_time,
		m->start,
		m->offset,
		m->dev,
		m->inode,
		m->inode ? 0 : hash_bytes(m->path, strlen(m->path)),
	};
	uint64_t hash = hash_bytes(id, sizeof(id));
	const uint64_t *known = map64_get(&s->places, hash);

	if (known)
		return place_unpack(*known);
	struct place place = {HASH_NONE, strtab_puts(&s->modules, module_of(m))};
	cleanup_close int fd = process_open_mapping(p, m);
	struct file_key key;

	if (fd >= 0 && !key_of(fd, m, &key)) {
		place.file = file_by_key(s, &key);
		struct file *f = s->files.data[place.file];

		if (may_load(s, f))
			load(s, f, take_fd(&fd), p, m);
	}
	/* When it is our limit of open files that was in the way, the next time may be better. */
	if (fd != -EMFILE && fd != -ENFILE)
		map64_set(&s->places, hash, place_pack(place));
	return place;
}

/* The file that has the table for the file of a place, with the table in memory, or NULL. */
static struct file *loaded_file(struct symbolizer *s, struct place place, const struct process *p,
				const struct mapping *m)
{
	if (place.file == HASH_NONE)
		return NULL;
	struct file *own = s->files.data[place.file], *f = table_of(s, own);

	f->last_used = ++s->clock;
	if (may_load(s, f)) {
		int fd = open_copy(s, f, p, m);

		if (fd < 0)
			return NULL;
		load(s, own, fd, p, m);
		f = table_of(s, own);
	}
	return f->elf ? f : NULL;
}

static bool is_read(const struct symbolizer *s, struct place place)
{
	return place.file != HASH_NONE && table_of(s, s->files.data[place.file])->reading;
}

/* Code that the program made while it runs. */
static void name_made(struct symbolizer *s, const struct process *p, uint64_t address,
		      struct symbol *found)
{
	struct jit_name name;

	if (!jit_find(s->jit, p, address, &name))
		return;
	found->name = name.name;
	found->module = "[jit]";
	found->file = name.file;
	found->line = name.line;
}

size_t symbolizer_user(struct symbolizer *s, const struct process *p, const struct mapping *m,
		       uint64_t address, struct symbol ret[SYMBOL_MAX_INLINED])
{
	struct symbol found = {"", "[anon]", address, "", 0, 0, false};

	take_loaded(s, 0);
	if (m) {
		struct place place = find_place(s, p, m);
		struct file *f = loaded_file(s, place, p, m);

		found.module = strtab_get(&s->modules, place.module);
		if (m->inode)
			found.address = address - m->start + m->offset;
		found.later = is_read(s, place);
		if (f && !elf_file_offset_to_address(f->elf, address - m->start + m->offset,
						     &found.address)) {
			size_t n = symbol_functions(s, f, p, m, &found, ret);

			if (n) {
				s->hits++;
				return n;
			}
		}
	}
	if (m && !*found.name && jit_is_made(m))
		name_made(s, p, address, &found);
	if (!found.later) {
		s->hits += *found.name != '\0';
		s->misses += *found.name == '\0';
	}
	ret[0] = found;
	return 1;
}

static void read_kernel(struct symbolizer *s)
{
	if (s->kernel_read)
		return;
	s->kernel_read = true;
	s->kernel_status = kallsyms_read("/proc/kallsyms", &s->kernel, &s->kernel_err);
}

int symbolizer_kernel_status(struct symbolizer *s, struct err *e)
{
	read_kernel(s);
	return s->kernel_status ? err_set(e, s->kernel_status, "%s", s->kernel_err.msg) : 0;
}

void symbolizer_kernel(struct symbolizer *s, uint64_t address, struct symbol *ret)
{
	struct symbol found = {"", "[kernel]", address, "", 0, 0, false};

	read_kernel(s);
	if (!s->kernel_status && kallsyms_find(&s->kernel, address, &found.name, &found.module))
		s->hits++;
	else
		s->misses++;
	*ret = found;
}

void symbolizer_stats(const struct symbolizer *s, struct symbolizer_stats *ret)
{
	struct symbolizer_stats st = {
		.bytes = used_bytes(s) + kallsyms_bytes(&s->kernel),
		.symbols = s->kernel.symbols.len,
		.hits = s->hits,
		.misses = s->misses,
		.postponed = s->postponed,
	};

	for (size_t i = 0; i < s->files.len; i++) {
		st.files += s->files.data[i]->loaded && s->files.data[i]->twin == HASH_NONE;
		st.refused += s->files.data[i]->refused_in == s->window;
		st.stripped += s->files.data[i]->elf && names_stripped(&s->files.data[i]->names);
		st.awaited += s->files.data[i]->awaited;
		st.symbols += s->files.data[i]->names.table.len;
	}
	jit_stats(s->jit, &st.jit);
	debug_pool_stats(s->debug, &st.debug);
	*ret = st;
}
