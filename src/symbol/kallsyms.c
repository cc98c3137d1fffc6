#include "symbol/kallsyms.h"

enum {
	MAX_SYMBOLS = 4 << 20,
	/* Nothing tells where the last function before a hole ends: it is given this much. */
	MAX_FUNCTION = 1 << 20,
	READ_SIZE = 1 << 16, /* stdio would read 1 KiB at a time, as stat advises for /proc */
};

struct line {
	uint64_t address;
	char type;
	const char *name;
	size_t name_len;
	const char *module; /* "[ext4]", NULL for the kernel itself */
};

/* "ffffffff81000000 T _text" and for modules "\t[name]" behind it. */
static bool parse_line(char *s, struct line *ret)
{
	char *end;
	struct line l = {.address = strtoull(s, &end, 16)};

	if (end == s || end[0] != ' ' || !end[1] || end[2] != ' ')
		return false;
	l.type = end[1];
	l.name = end + 3;
	l.name_len = strcspn(l.name, "\t\n");
	char *rest = end + 3 + l.name_len;

	if (*rest == '\t') {
		l.module = rest + 1;
		rest[1 + strcspn(l.module, "\n")] = '\0';
	}
	*ret = l;
	return l.name_len > 0;
}

/* Code, and no mark that a compiler put before each function (Linux 6.1 scripts/kallsyms.c lists
 * the others that the kernel itself leaves out). */
static bool wanted(const struct line *l)
{
	return memchr("tTwW", l->type, 4) && strncmp(l->name, "__pfx_", 6) &&
	       strncmp(l->name, "__cfi_", 6);
}

struct item {
	uint64_t address;
	uint32_t name; /* goes up with the order in the file */
	uint32_t module;
};
typedef VEC(struct item) item_vec;

static int by_address(const void *x, const void *y)
{
	const struct item *a = x, *b = y;

	if (a->address != b->address)
		return a->address < b->address ? -1 : 1;
	/* The first of several at one address stays. */
	return a->name < b->name ? -1 : 1;
}

static int read_items(FILE *f, struct kallsyms *k, item_vec *items, bool *ret_hidden)
{
	cleanup_free char *text = NULL;
	size_t cap = 0, zeros = 0;
	struct line l;

	while (getline(&text, &cap, f) > 0) {
		if (!parse_line(text, &l) || !wanted(&l))
			continue;
		zeros += !l.address;
		if (items->len == MAX_SYMBOLS || k->names.len > UINT32_MAX / 2)
			return -EFBIG;
		struct item it = {l.address, (uint32_t)k->names.len,
				  strtab_puts(&k->module_names, l.module ? l.module : "[kernel]")};

		vec_push(items, it);
		buf_append(&k->names, l.name, l.name_len);
		buf_putc(&k->names, '\0');
	}
	*ret_hidden = items->len && zeros == items->len;
	return ferror(f) ? -EIO : 0;
}

static void build(struct kallsyms *k, item_vec *items)
{
	qsort(items->data, items->len, sizeof(*items->data), by_address);
	vec_reserve(&k->symbols, items->len);
	k->base = items->data[0].address;
	for (size_t i = 0; i < items->len; i++) {
		const struct item *it = &items->data[i];

		if (it->address - k->base > UINT32_MAX)
			break; /* no code of the kernel lies that far from the rest */
		if (i && items->data[i - 1].address == it->address)
			continue;
		if (!k->modules.len || k->modules.data[k->modules.len - 1].name != it->module)
			vec_push(&k->modules,
				 (struct kallsyms_module){(uint32_t)k->symbols.len, it->module});
		vec_push(&k->symbols,
			 (struct kallsyms_symbol){(uint32_t)(it->address - k->base), it->name});
	}
	k->symbols.data =
		mem_reallocarray(k->symbols.data, k->symbols.len, sizeof(*k->symbols.data));
	k->symbols.cap = k->symbols.len;
	k->names.data = mem_reallocarray(k->names.data, k->names.len, 1);
	k->names.cap = k->names.len;
}

int kallsyms_read(const char *path, struct kallsyms *ret, struct err *e)
{
	cleanup_fclose FILE *f = fopen(path, "re");
	struct kallsyms k = {};
	item_vec items = {};
	bool hidden = false;

	if (!f)
		return err_sys(e, -errno, "cannot read %s", path);
	setvbuf(f, NULL, _IOFBF, READ_SIZE);
	int r = read_items(f, &k, &items, &hidden);

	if (r)
		err_sys(e, r, "cannot read %s", path);
	else if (hidden)
		r = err_set(e, -EPERM,
			    "the kernel hides its addresses in %s: run as root, with the sysctl "
			    "kernel.kptr_restrict at 0 or 1",
			    path);
	else if (!items.len)
		r = err_set(e, -ENOENT, "%s names no functions", path);
	if (!r) {
		build(&k, &items);
		*ret = k;
	} else {
		kallsyms_fini(&k);
	}
	vec_fini(&items);
	return r;
}

void kallsyms_fini(struct kallsyms *k)
{
	vec_fini(&k->symbols);
	vec_fini(&k->modules);
	buf_fini(&k->names);
	strtab_fini(&k->module_names);
	*k = (struct kallsyms){};
}

/* How many elements of an array sorted by its first uint32_t are at or below x. */
static size_t count_up_to(const void *array, size_t len, uint32_t x)
{
	const uint32_t(*a)[2] = array;
	size_t low = 0, high = len;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (a[mid][0] <= x)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}
_Static_assert(sizeof(struct kallsyms_symbol) == 8 && sizeof(struct kallsyms_module) == 8,
	       "count_up_to steps over pairs");

bool kallsyms_find(const struct kallsyms *k, uint64_t address, const char **ret_name,
		   const char **ret_module)
{
	uint64_t at = address - k->base;

	if (address < k->base || at > UINT32_MAX)
		return false;
	size_t n = count_up_to(k->symbols.data, k->symbols.len, (uint32_t)at);

	if (!n || at - k->symbols.data[n - 1].start >= MAX_FUNCTION)
		return false;
	size_t m = count_up_to(k->modules.data, k->modules.len, (uint32_t)(n - 1));

	*ret_name = (const char *)k->names.data + k->symbols.data[n - 1].name;
	*ret_module = strtab_get(&k->module_names, k->modules.data[m - 1].name);
	return true;
}

size_t kallsyms_bytes(const struct kallsyms *k)
{
	return k->symbols.cap * sizeof(*k->symbols.data) + k->names.cap +
	       k->modules.cap * sizeof(*k->modules.data) + k->module_names.text.total;
}
