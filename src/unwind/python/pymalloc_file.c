#include "unwind/python/pymalloc_file.h"

#include "symbol/elf_file.h"

enum { MAX_CODE = 1024, MAX_FUNCTIONS = 2 };

struct search {
	struct pymalloc_places named;
	struct {
		uint64_t address, size;
	} functions[MAX_FUNCTIONS]; /* that read them */
	size_t nfunctions;
};

static void add(uint64_t places[PYMALLOC_PLACES], size_t *n, uint64_t address)
{
	for (size_t i = 0; i < *n; i++)
		if (places[i] == address)
			return;
	if (*n < PYMALLOC_PLACES)
		places[(*n)++] = address;
}

/* "arenas" and, as link-time optimization renames it, "arenas.lto_priv.0". */
static bool is_called(const char *name, const char *want)
{
	size_t n = strlen(want);

	return !strncmp(name, want, n) && (!name[n] || name[n] == '.');
}

/* CPython Objects/obmalloc.c: arenas, maxarenas; _Py_GetAllocatedBlocks walks them from 3.8 on,
 * _PyObject_DebugMallocStats in all versions. */
static int on_symbol(const struct elf_symbol *s, void *arg)
{
	struct search *search = arg;
	struct pymalloc_places *p = &search->named;

	if (s->type == STT_OBJECT && is_called(s->name, "arenas"))
		add(p->arenas, &p->narenas, s->address);
	else if (s->type == STT_OBJECT && is_called(s->name, "maxarenas"))
		add(p->counts, &p->ncounts, s->address);
	else if (s->type == STT_FUNC && search->nfunctions < MAX_FUNCTIONS &&
		 (!strcmp(s->name, "_Py_GetAllocatedBlocks") ||
		  !strcmp(s->name, "_PyObject_DebugMallocStats"))) {
		search->functions[search->nfunctions].address = s->address;
		search->functions[search->nfunctions++].size = s->size;
	}
	return 0;
}

/* The variables that a function reads into registers or compares with them, relative to the next
 * instruction: of 8 bytes with the prefix that says so, else of 4. Instructions are not told apart
 * from what only looks like one: the places are tried. */
static void read_function(const struct elf_file *f, uint64_t address, uint64_t size,
			  struct pymalloc_places *ret)
{
	enum { MOV_LOAD = 0x8b, CMP_LOAD = 0x3b, CMP_STORE = 0x39, ADD_LOAD = 0x03 };
	uint8_t code[MAX_CODE];
	size_t n = MIN(size, sizeof(code));

	if (elf_file_read_address(f, address, code, n))
		return;
	for (size_t i = 1; i + 6 <= n; i++) {
		bool wide = (code[i - 1] & 0xf8) == 0x48; /* REX.W */
		int32_t distance;
		uint64_t at;

		if ((code[i] != MOV_LOAD && code[i] != CMP_LOAD && code[i] != CMP_STORE &&
		     code[i] != ADD_LOAD) ||
		    (code[i + 1] & 0xc7) != 0x05)
			continue;
		memcpy(&distance, code + i + 2, sizeof(distance));
		at = address + i + 6 + (uint64_t)(int64_t)distance;
		if (wide)
			add(ret->arenas, &ret->narenas, at);
		else
			add(ret->counts, &ret->ncounts, at);
	}
}

/* Where the file's virtual address 0 lies in the process. */
static bool load_bias(const struct elf_file *f, const struct mapping *m, uint64_t *ret)
{
	for (size_t i = 0; i < f->segments.len; i++) {
		const Elf64_Phdr *s = &f->segments.data[i];

		if (s->p_type != PT_LOAD || !(s->p_flags & PF_X) ||
		    m->offset >= s->p_offset + s->p_filesz ||
		    m->offset + (m->end - m->start) <= s->p_offset)
			continue;
		*ret = m->start - m->offset + s->p_offset - s->p_vaddr;
		return true;
	}
	return false;
}

static void close_elf(struct elf_file **f)
{
	if (*f)
		elf_file_close(*f);
}

void pymalloc_file_read(const struct process *p, uint64_t code, struct pymalloc_places *ret)
{
	const struct mapping *m = process_find_mapping(p, code);
	cleanup(close_elf) struct elf_file *f = NULL;
	int fd = m ? process_open_mapping(p, m) : -1;
	struct search search = {};
	uint64_t bias;

	*ret = (struct pymalloc_places){};
	if (fd < 0 || elf_file_open(fd, &f, NULL) || !load_bias(f, m, &bias))
		return;
	elf_file_each_symbol(f, on_symbol, &search, NULL);
	if (!search.named.narenas || !search.named.ncounts) {
		search.named = (struct pymalloc_places){};
		for (size_t i = 0; i < search.nfunctions; i++)
			read_function(f, search.functions[i].address, search.functions[i].size,
				      &search.named);
	}
	*ret = search.named;
	for (size_t i = 0; i < ret->narenas; i++)
		ret->arenas[i] += bias;
	for (size_t i = 0; i < ret->ncounts; i++)
		ret->counts[i] += bias;
}
