#include "unwind/native/go_labels.h"

#include "base/utf8.h"
#include "process/process.h"
#include "unwind/native/go_table.h"
#include "unwind/native/go_labels_walk.h"
#include "unwind/native/unwind_table_abi.h"

enum {
	FIRST_MINOR = 18,
	LAST_MAP = 23, /* labels are a map up to here, then a slice */
	MAX_SEARCH = 1 << 20,
	MAX_BUCKETS = 64, /* of a map: a bucket has room for 8 */
	BUCKET_ROOM = 8,
	MIN_TOP_HASH = 5, /* runtime/map.go: below, the place is empty or was moved */
};

/* Offset of labels in struct g, by minor version: runtime/runtime2.go, as DWARF of programs built
 * with go1.18.10, 1.19.13, 1.20.14, 1.21.13, 1.22.12, 1.23.12, 1.24.9, 1.25.5, 1.26.8, 1.27.1 has
 * it. */
static const uint16_t labels_offsets[] = {360, 360, 360, 344, 344, 352, 352, 344, 352, 352};

/* --- versions ----------------------------------------------------------------------------------*/

/* debug/buildinfo: the magic, the size of pointers, flags; when these say so, text with its length
 * 32 bytes from the start: "go1.22.12" first. */
static int parse_version(const uint8_t *info, size_t n)
{
	static const char magic[] = "\xff Go buildinf:";
	char *end;
	char text[16] = "";

	if (n < 48 || memcmp(info, magic, sizeof(magic) - 1) != 0)
		return -ENOENT;
	if (!(info[15] & 2) || info[32] < 6 || info[32] > 127 || memcmp(info + 33, "go1.", 4) != 0)
		return -ENOTSUP;
	memcpy(text, info + 37, MIN((size_t)info[32] - 4, sizeof(text) - 5));
	unsigned long minor = strtoul(text, &end, 10);

	return end == text || minor > UINT8_MAX ? -ENOTSUP : (int)minor;
}

static int search_version(const struct elf_file *f, const Elf64_Phdr *p)
{
	size_t n = MIN(MIN(p->p_filesz, (uint64_t)MAX_SEARCH), f->size);
	cleanup_free uint8_t *data = mem_calloc(n + 1, 1);
	int r = -ENOENT;

	if (elf_file_read(f, p->p_offset, data, n))
		return -ENOENT;
	for (size_t at = 0; r == -ENOENT && at < n; at += 16)
		r = data[at] == 0xff ? parse_version(data + at, n - at) : r;
	return r;
}

int go_version(const struct elf_file *f)
{
	const Elf64_Shdr *s = elf_file_section(f, ".go.buildinfo");
	uint8_t info[64];
	int r = -ENOENT;

	if (s)
		return elf_file_read(f, s->sh_offset, info, sizeof(info))
			       ? -ENOENT
			       : parse_version(info, sizeof(info));
	for (size_t i = 0; r == -ENOENT && i < f->segments.len; i++)
		if (f->segments.data[i].p_type == PT_LOAD && (f->segments.data[i].p_flags & PF_W))
			r = search_version(f, &f->segments.data[i]);
	return r;
}

int go_layout_read(const struct elf_file *f, struct go_layout *ret)
{
	int minor = go_version(f);
	struct go_runtime runtime;
	struct go_table *t;

	if (minor < 0)
		return minor;
	if (minor < FIRST_MINOR || minor >= FIRST_MINOR + (int)ARRAY_SIZE(labels_offsets))
		return -ENOTSUP;
	int r = go_table_open(f, &t);

	if (r)
		return r;
	runtime = *go_table_runtime(t);
	go_table_close(t);
	if (!runtime.known)
		return -ENOTSUP;
	*ret = (struct go_layout){
		.g = runtime.g * 8,
		.m = UNWIND_GO_M,
		.curg = (uint16_t)(runtime.curg * 8),
		.labels = labels_offsets[minor - FIRST_MINOR],
		.minor = (uint8_t)minor,
	};
	return 0;
}

/* --- sets of labels ----------------------------------------------------------------------------*/

struct go_string {
	uint64_t text, len;
};
struct set {
	pid_t pid;
	struct go_label *labels;
	size_t len;
};

static int read_text(pid_t pid, const struct go_string *s, char *ret, size_t size)
{
	size_t n = MIN(s->len, (uint64_t)size - 1);

	if (s->len > INT32_MAX || (n && process_read_memory(pid, s->text, ret, n)))
		return -EBADMSG;
	ret[n] = '\0';
	if (n < s->len) { /* no half of a character */
		size_t at = 0, step;

		while (at < n && (step = utf8_len(ret + at, n - at)))
			at += step;
		ret[n - at < 4 ? at : n] = '\0';
	}
	return 0;
}

static int add(struct set *set, const struct go_string *key, const struct go_string *value)
{
	struct go_label *l = &set->labels[set->len];
	int r;

	if (set->len == GO_LABELS_MAX)
		return 0;
	r = read_text(set->pid, key, l->key, sizeof(l->key));
	if (!r)
		r = read_text(set->pid, value, l->value, sizeof(l->value));
	set->len += !r;
	return r;
}

/* From 1.24 on: the slice of a LabelSet, each a key and a value. */
static int read_slice(struct set *set, uint64_t address)
{
	struct {
		uint64_t data, len, cap;
	} slice;
	struct go_string pair[2];

	if (process_read_memory(set->pid, address, &slice, sizeof(slice)) ||
	    slice.len > slice.cap || slice.cap > INT32_MAX)
		return -EBADMSG;
	for (uint64_t i = 0; i < MIN(slice.len, (uint64_t)GO_LABELS_MAX); i++) {
		if (process_read_memory(set->pid, slice.data + i * sizeof(pair), pair,
					sizeof(pair)) ||
		    add(set, &pair[0], &pair[1]))
			return -EBADMSG;
	}
	return 0;
}

/* struct bmap of runtime/map.go, with keys and values of a map[string]string. */
struct bucket {
	uint8_t top[BUCKET_ROOM];
	struct go_string keys[BUCKET_ROOM], values[BUCKET_ROOM];
	uint64_t overflow;
};

static int read_buckets(struct set *set, uint64_t address, uint64_t count)
{
	struct bucket b;
	size_t left = MAX_BUCKETS;

	for (uint64_t i = 0; address && i < count; i++) {
		uint64_t at = address + i * sizeof(b);

		for (; at; at = b.overflow) {
			if (!left-- || process_read_memory(set->pid, at, &b, sizeof(b)))
				return -EBADMSG;
			for (size_t k = 0; k < BUCKET_ROOM; k++)
				if (b.top[k] >= MIN_TOP_HASH && add(set, &b.keys[k], &b.values[k]))
					return -EBADMSG;
		}
	}
	return 0;
}

/* struct hmap of runtime/map.go. While it grows some are still in the old half. */
static int read_map(struct set *set, uint64_t address)
{
	struct {
		uint64_t count;
		uint8_t flags, log_buckets;
		uint16_t overflow;
		uint32_t seed;
		uint64_t buckets, old;
	} map;

	if (process_read_memory(set->pid, address, &address, sizeof(address)))
		return -EBADMSG;
	if (!address)
		return 0;
	if (process_read_memory(set->pid, address, &map, sizeof(map)) || map.log_buckets > 6)
		return -EBADMSG;
	int r = read_buckets(set, map.buckets, 1ULL << map.log_buckets);

	/* As many as now when the map only gets rid of its overflow, else half of them: flag 8. */
	if (!r && map.old)
		r = read_buckets(set, map.old,
				 1ULL << (map.log_buckets - !(map.flags & 8 || !map.log_buckets)));
	return r ? r : set->len == MIN(map.count, (uint64_t)GO_LABELS_MAX) ? 0 : -EBADMSG;
}

static bool has_still(pid_t pid, const struct go_layout *l, const struct go_labelled *from)
{
	uint64_t now;

	return !process_read_memory(pid, from->goroutine + l->labels, &now, sizeof(now)) &&
	       now == from->labels;
}

int go_labels_read(pid_t pid, const struct go_layout *l, const struct go_labelled *from,
		   struct go_label ret[GO_LABELS_MAX])
{
	struct set set = {pid, ret, 0};

	if (!from->goroutine || !from->labels)
		return 0;
	if (!has_still(pid, l, from))
		return -ESTALE;
	int r = l->minor <= LAST_MAP ? read_map(&set, from->labels)
				     : read_slice(&set, from->labels);

	if (!has_still(pid, l, from))
		return -ESTALE;
	return r ? r : (int)set.len;
}
