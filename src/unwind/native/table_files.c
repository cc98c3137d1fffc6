#include <sys/stat.h>
#include <unistd.h>

#include "unwind/native/table_store_priv.h"

enum {
	MAX_KNOWN = 4 * UNWIND_MAX_FILES, /* over it, all is forgotten and found again */
	VDSO_BYTES = 4096,
};

void table_files_init(struct table_store *s)
{
	vec_push(&s->files, (struct table_file){});
	s->space.files[TABLE_FILE_NONE].state = UNWIND_FILE_NONE;
}

void table_files_fini(struct table_store *s)
{
	vec_fini(&s->files);
	hash_index_fini(&s->file_index);
	vec_fini(&s->known);
	hash_index_fini(&s->known_index);
}

/* --- identities --------------------------------------------------------------------------------*/

static bool is_vdso(const struct mapping *m)
{
	return !m->inode && !strcmp(m->path, "[vdso]");
}

static struct table_identity identity_of(const struct mapping *m, const struct stat *st)
{
	return (struct table_identity){
		.map_dev = m->dev,
		.map_inode = m->inode,
		.dev = st->st_dev,
		.inode = st->st_ino,
		.size = (uint64_t)st->st_size,
		.changed =
			(uint64_t)st->st_mtim.tv_sec * NSEC_PER_SEC + (uint64_t)st->st_mtim.tv_nsec,
	};
}

/* Without opening it. Programs of 32 bits have another [vdso] than those of 64. */
static int identify(const struct process *p, const struct mapping *m, struct table_identity *ret)
{
	char name[80];
	struct stat st;

	if (is_vdso(m)) {
		uint8_t start[VDSO_BYTES];
		int r = process_read_vdso(p, m, start, sizeof(start));

		if (!r)
			*ret = (struct table_identity){.size = m->end - m->start,
						       .changed = hash_bytes(start, sizeof(start))};
		return r;
	}
	snprintf(name, sizeof(name), "/proc/%d/map_files/%lx-%lx", (int)process_tid(p),
		 (unsigned long)m->start, (unsigned long)m->end);
	if (stat(name, &st))
		return -errno;
	*ret = identity_of(m, &st);
	return 0;
}

static bool is_current(const struct table_store *s, const struct table_known *k)
{
	return s->files.data[k->file].generation == k->generation;
}

/* Index in s->known, or HASH_NONE. */
static uint32_t find_known(const struct table_store *s, const struct table_identity *identity)
{
	uint64_t hash = hash_bytes(identity, sizeof(*identity));
	struct hash_iter it;
	uint32_t i;

	for (i = hash_index_first(&s->known_index, hash, &it); i != HASH_NONE;
	     i = hash_index_next(&s->known_index, &it))
		if (!memcmp(&s->known.data[i].identity, identity, sizeof(*identity)) &&
		    is_current(s, &s->known.data[i]))
			return i;
	return HASH_NONE;
}

static uint32_t add_known(struct table_store *s, const struct table_identity *identity,
			  uint32_t file)
{
	if (s->known.len >= MAX_KNOWN) {
		vec_clear(&s->known);
		hash_index_clear(&s->known_index);
	}
	hash_index_add(&s->known_index, hash_bytes(identity, sizeof(*identity)),
		       (uint32_t)s->known.len);
	vec_push(&s->known, (struct table_known){*identity, file, s->files.data[file].generation});
	return (uint32_t)s->known.len - 1;
}

/* --- numbers of files --------------------------------------------------------------------------*/

static uint64_t file_hash(const struct table_file *f)
{
	if (f->id.len)
		return hash_mix(hash_bytes(f->id.bytes, sizeof(f->id.bytes)), f->identity.size);
	return hash_bytes(&f->identity, sizeof(f->identity));
}

static bool same_file(const struct table_file *a, const struct table_file *b)
{
	if (a->id.len != b->id.len || a->identity.size != b->identity.size ||
	    a->code.base != b->code.base || a->code.len != b->code.len)
		return false;
	if (memcmp(a->code.segments, b->code.segments, a->code.len * sizeof(a->code.segments[0])) !=
	    0)
		return false;
	return a->id.len ? !memcmp(a->id.bytes, b->id.bytes, sizeof(a->id.bytes))
			 : !memcmp(&a->identity, &b->identity, sizeof(a->identity));
}

static uint32_t find_file(const struct table_store *s, const struct table_file *wanted)
{
	struct hash_iter it;
	uint32_t i;

	/* The index may still say what a number stood for before. */
	for (i = hash_index_first(&s->file_index, file_hash(wanted), &it); i != HASH_NONE;
	     i = hash_index_next(&s->file_index, &it))
		if (same_file(&s->files.data[i], wanted))
			return i;
	return HASH_NONE;
}

/* A number that nobody needs, or the next one; HASH_NONE when all are in use. */
static uint32_t free_number(struct table_store *s, int64_t now_ns)
{
	uint32_t best = HASH_NONE;

	if (s->files.len < UNWIND_MAX_FILES) {
		vec_push(&s->files, (struct table_file){});
		return (uint32_t)s->files.len - 1;
	}
	for (uint32_t i = TABLE_FILE_NONE + 1; i < s->files.len; i++) {
		const struct table_file *f = &s->files.data[i];

		if (!f->refs && (best == HASH_NONE || f->unused_ns < s->files.data[best].unused_ns))
			best = i;
	}
	if (best != HASH_NONE)
		table_rows_evict(s, best, now_ns);
	return best;
}

static void reindex(struct table_store *s)
{
	hash_index_clear(&s->file_index);
	for (uint32_t i = TABLE_FILE_NONE + 1; i < s->files.len; i++)
		hash_index_add(&s->file_index, file_hash(&s->files.data[i]), i);
}

static uint32_t add_file(struct table_store *s, const struct table_file *new, int64_t now_ns)
{
	uint32_t i = free_number(s, now_ns);

	if (i == HASH_NONE)
		return i;
	uint32_t generation = s->files.data[i].generation;

	s->files.data[i] = *new;
	s->files.data[i].generation = generation + 1;
	s->files.data[i].hits = s->space.files[i].hits;
	s->files.data[i].unused_ns = now_ns;
	s->space.files[i].state = UNWIND_FILE_UNKNOWN;
	if (s->file_index.len >= 2 * UNWIND_MAX_FILES)
		reindex(s);
	else
		hash_index_add(&s->file_index, file_hash(new), i);
	return i;
}

/* --- from a mapping to a file ------------------------------------------------------------------*/

/* Takes fd over. HASH_NONE: there are too many files for now. */
static uint32_t read_file(struct table_store *s, int fd, const struct table_identity *identity,
			  int64_t now_ns)
{
	struct table_file new = {.identity = *identity};
	struct elf_file *f;

	if (elf_file_open(fd, &f, NULL) < 0) {
		s->stats.refused[TABLE_REFUSED_FORMAT]++;
		return TABLE_FILE_NONE;
	}
	bool usable = f->header.e_machine == EM_X86_64 &&
		      (f->header.e_type == ET_DYN || f->header.e_type == ET_EXEC);

	unwind_code_read(f, &new.code);
	new.id.len = MAX(elf_file_build_id(f, new.id.bytes), 0);
	elf_file_close(f);
	if (!usable || !new.code.len) {
		s->stats.refused[usable ? TABLE_REFUSED_EMPTY : TABLE_REFUSED_FORMAT]++;
		return TABLE_FILE_NONE;
	}
	uint32_t i = find_file(s, &new);

	return i == HASH_NONE ? add_file(s, &new, now_ns) : i;
}

/* Opens it; the identity is that of what was opened. */
static int open_mapping(const struct process *p, const struct mapping *m,
			struct table_identity *ret)
{
	int fd = process_open_mapping(p, m);
	struct stat st;

	if (fd < 0)
		return fd;
	if (is_vdso(m)) {
		int r = identify(p, m, ret);

		if (r) {
			close(fd);
			return r;
		}
	} else if (fstat(fd, &st)) {
		int r = -errno;

		close(fd);
		return r;
	} else {
		*ret = identity_of(m, &st);
	}
	return fd;
}

/* The index of how a file is known that was opened; takes fd over. */
static uint32_t know(struct table_store *s, int fd, const struct table_identity *identity,
		     int64_t now_ns)
{
	uint32_t known = find_known(s, identity), file;

	if (known != HASH_NONE) {
		close(fd);
		return known;
	}
	file = read_file(s, fd, identity, now_ns);
	if (file != HASH_NONE)
		return add_known(s, identity, file);
	s->stats.refused[TABLE_REFUSED_FILES]++;
	return HASH_NONE;
}

int table_files_find(struct table_store *s, const struct process *p, const struct mapping *m,
		     int64_t now_ns, uint32_t *ret_identity)
{
	struct table_identity identity;
	int r = identify(p, m, &identity);
	uint32_t known = r ? HASH_NONE : find_known(s, &identity);

	/* Of a process that ended, and whose mappings were told, the path is left. */
	if (known == HASH_NONE) {
		int fd = open_mapping(p, m, &identity);

		if (fd < 0)
			s->stats.refused[TABLE_REFUSED_UNREADABLE]++;
		else
			known = know(s, fd, &identity, now_ns);
	}
	*ret_identity = known;
	return known == HASH_NONE ? TABLE_FILE_NONE : (int)s->known.data[known].file;
}

int table_files_again(const struct table_store *s, const struct mapping *m, uint32_t identity)
{
	if (identity >= s->known.len)
		return -ENOENT;
	const struct table_known *k = &s->known.data[identity];

	if (k->identity.map_dev != m->dev || k->identity.map_inode != m->inode || !is_current(s, k))
		return -ENOENT;
	return (int)k->file;
}

int table_files_open(struct table_store *s, const struct process *p, const struct mapping *m,
		     uint32_t file)
{
	struct table_identity identity;
	int fd = open_mapping(p, m, &identity);

	if (fd < 0)
		return fd;
	uint32_t known = find_known(s, &identity);

	if (known == HASH_NONE || s->known.data[known].file != file) {
		close(fd);
		return -ESTALE;
	}
	return fd;
}

void table_files_key(const struct table_store *s, uint32_t file, struct table_image_key *ret)
{
	const struct table_file *f = &s->files.data[file];
	struct table_image_key key = {
		.size = f->identity.size, .code = f->code.base, .builder = s->builder};

	if (f->id.len) {
		memcpy(key.build_id, f->id.bytes, sizeof(key.build_id));
		key.build_id_len = (uint32_t)f->id.len;
	} else {
		key.dev = f->identity.dev;
		key.inode = f->identity.inode;
		key.changed = f->identity.changed;
	}
	key.code = hash_mix(key.code, hash_bytes(f->code.segments,
						 f->code.len * sizeof(f->code.segments[0])));
	*ret = key;
}
