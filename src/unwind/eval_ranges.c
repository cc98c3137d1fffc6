#include "unwind/eval_ranges.h"

#include "unwind/native/cfi.h"
#include "unwind/native/x86.h"
#include "unwind/unwind.h"

enum {
	MAX_SECTION = 64 << 20,
	MAX_PART = 1 << 20, /* bytes of code */
	DWARF_RSP = 7,
	ENTRY_CFA = 8, /* bytes above rsp where a function begins */
	/* A loop without its instructions: they are functions of their own. The smallest loop that
	 * has them is ten times as large. */
	MAX_WITHOUT_INSTRUCTIONS = 4096,
};

static int compare_fdes(const void *a, const void *b)
{
	const struct cfi_fde *x = a, *y = b;

	return (x->start > y->start) - (x->start < y->start);
}

static bool read_frames(const struct elf_file *f, struct cfi_section *s, uint8_t **ret_bytes)
{
	const Elf64_Shdr *section = elf_file_section(f, ".eh_frame");

	if (!section || !section->sh_size || section->sh_size > MAX_SECTION)
		return false;
	*ret_bytes = mem_calloc(section->sh_size, 1);
	if (elf_file_read(f, section->sh_offset, *ret_bytes, section->sh_size))
		return false;
	*s = (struct cfi_section){
		.data = *ret_bytes, .size = section->sh_size, .address = section->sh_addr};
	cfi_read(s);
	qsort(s->fdes.data, s->fdes.len, sizeof(s->fdes.data[0]), compare_fdes);
	return true;
}

static const struct cfi_fde *find_fde(const struct cfi_section *s, uint64_t address)
{
	size_t low = 0, high = s->fdes.len;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		const struct cfi_fde *f = &s->fdes.data[middle];

		if (address >= f->start && address < f->end)
			return f;
		if (address < f->start)
			high = middle;
		else
			low = middle + 1;
	}
	return NULL;
}

static int first_row(void *arg, uint64_t address, const struct cfi_state *state)
{
	bool *function = arg;

	*function = !state->cfa_expression && state->cfa_register == DWARF_RSP &&
		    state->cfa_offset == ENTRY_CFA;
	return 1;
}

/* A jump into the middle of code goes to a part of the same function, and so does one to code that
 * begins with a frame: who is called has none yet. */
static bool is_part(const struct cfi_section *s, const struct cfi_fde *fde, uint64_t target)
{
	bool function = true;

	if (target != fde->start)
		return true;
	cfi_run(s, fde, first_row, &function);
	return !function;
}

static bool is_known(const struct python_file *p, uint64_t address)
{
	for (int i = 0; i < PYTHON_EVAL_RANGES; i++)
		if (address >= p->eval_start[i] && address < p->eval_end[i])
			return true;
	return false;
}

static void add_part(struct python_file *p, const struct cfi_fde *fde)
{
	for (int i = 0; i < PYTHON_EVAL_RANGES; i++) {
		if (p->eval_start[i])
			continue;
		p->eval_start[i] = fde->start;
		p->eval_end[i] = fde->end;
		return;
	}
}

/* What the part jumps to becomes a part behind it. */
static void follow_part(const struct elf_file *f, const struct cfi_section *s,
			struct python_file *p, uint64_t start, uint64_t end)
{
	cleanup_free uint8_t *code = NULL;
	uint64_t size = end - start;
	struct x86_insn insn;

	if (size > MAX_PART)
		return;
	code = mem_calloc(size, 1);
	if (elf_file_read_address(f, start, code, size))
		return;
	for (uint64_t at = 0; at < size; at += insn.size) {
		const struct cfi_fde *fde;

		if (x86_decode(code + at, size - at, start + at, &insn)) {
			insn.size = 1;
			continue;
		}
		if ((insn.kind != X86_JUMP && insn.kind != X86_BRANCH) || !insn.address ||
		    is_known(p, insn.address))
			continue;
		fde = find_fde(s, insn.address);
		if (fde && is_part(s, fde, insn.address))
			add_part(p, fde);
	}
}

void eval_ranges_complete(const struct elf_file *f, struct python_file *p)
{
	cleanup_free uint8_t *bytes = NULL;
	struct cfi_section frames = {};
	uint64_t size = 0;

	if (!p->found || !p->eval_start[0])
		return;
	if (read_frames(f, &frames, &bytes))
		for (int i = 0; i < PYTHON_EVAL_RANGES && p->eval_start[i]; i++)
			follow_part(f, &frames, p, p->eval_start[i], p->eval_end[i]);
	for (int i = 0; i < PYTHON_EVAL_RANGES; i++)
		size += p->eval_end[i] - p->eval_start[i];
	p->eval_calls = p->version >= 0x030e0000 && size < MAX_WITHOUT_INSTRUCTIONS;
	cfi_fini(&frames);
}
