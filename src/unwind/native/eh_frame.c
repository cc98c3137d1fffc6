#include "unwind/native/eh_frame.h"

#include "base/compress.h"
#include "unwind/native/cfi.h"
#include "unwind/native/cfi_bytes.h"
#include "unwind/native/code_flow.h"
#include "unwind/native/eh_return.h"
#include "unwind/native/go_table.h"

enum {
	MAX_SECTION = 256 << 20,
	MAX_UNPACKED = 32 << 20,
	MAX_EH_RETURNS = 64,	/* there are four in a libgcc */
	CONTEXT_START_MIN = 20, /* bytes of code */
	CONTEXT_START_MAX = 48,
	NO_PROGRAM = 8, /* bytes of padding */
	CLONE_MIN = 10,
	CLONE_MAX = 14,
	COMPRESS_ZSTD = 2, /* ELFCOMPRESS_ZSTD, newer than some elf.h */
	CODE_ALIGN = 16,   /* of functions, by all compilers for x86-64; what is shorter than that
			      between two functions is padding */
};

static const struct unwind_rule no_rule = {.cfa = UNWIND_CFA_NONE};

/* --- one state becomes one rule ----------------------------------------------------------------*/

struct place {
	uint8_t kind;	/* enum unwind_place */
	int64_t offset; /* words */
};

/* False where the place cannot be expressed. */
static bool convert_place(const struct cfi_place *p, struct place *ret)
{
	struct cfi_value v;
	int64_t bytes = p->number;
	uint8_t kind = UNWIND_PLACE_CFA;

	switch (p->kind) {
	case CFI_SAME:
	case CFI_UNDEFINED:
		ret->kind = p->kind == CFI_SAME ? UNWIND_PLACE_SAME : UNWIND_PLACE_UNDEFINED;
		ret->offset = 0;
		return true;
	case CFI_AT_CFA:
		break;
	case CFI_EXPRESSION:
		if (cfi_evaluate(p->expression, true, &v))
			return false;
		bytes = v.offset;
		if (v.kind == CFI_VALUE_REGISTER && v.reg == UNWIND_RSP)
			kind = UNWIND_PLACE_RSP;
		else if (v.kind == CFI_VALUE_REGISTER && v.reg == UNWIND_RBP)
			kind = UNWIND_PLACE_RBP;
		else if (v.kind != CFI_VALUE_CFA)
			return false;
		break;
	default:
		return false;
	}
	if (bytes % 8 || bytes / 8 != (int16_t)(bytes / 8))
		return false;
	ret->kind = kind;
	ret->offset = bytes / 8;
	return true;
}

static int convert_cfa(const struct cfi_state *s, struct cfi_value *v, struct unwind_rule *ret)
{
	*v = (struct cfi_value){CFI_VALUE_REGISTER, (unsigned int)MIN(s->cfa_register, 255u),
				s->cfa_offset, 0};
	if (s->cfa_expression && cfi_evaluate(s->expression, false, v))
		return UNWIND_WHY_CFA_EXPRESSION;
	switch (v->kind) {
	case CFI_VALUE_REGISTER:
		ret->cfa = UNWIND_CFA_REGISTER;
		break;
	case CFI_VALUE_MEMORY:
		ret->cfa = UNWIND_CFA_MEMORY;
		break;
	case CFI_VALUE_PLT:
		ret->cfa = UNWIND_CFA_PLT;
		break;
	default:
		return UNWIND_WHY_CFA_EXPRESSION;
	}
	if (v->reg >= UNWIND_REGISTERS)
		return UNWIND_WHY_CFA_REGISTER;
	if (v->offset != (int32_t)v->offset || v->add != (int8_t)v->add)
		return UNWIND_WHY_RANGE;
	ret->base = v->reg & 15;
	ret->cfa_offset = (int32_t)v->offset;
	ret->cfa_add = (int8_t)v->add;
	return -1;
}

/* The caller's stack pointer must be the CFA; a signal frame says it in other words. */
static bool rsp_is_cfa(const struct cfi_place *p, const struct cfi_value *cfa)
{
	struct cfi_value v;

	if (p->kind == CFI_SAME || (p->kind == CFI_IS_CFA && !p->number))
		return true;
	return p->kind == CFI_EXPRESSION && cfa->kind == CFI_VALUE_MEMORY && !cfa->add &&
	       !cfi_evaluate(p->expression, false, &v) && v.kind == CFI_VALUE_REGISTER &&
	       v.reg == cfa->reg && v.offset == cfa->offset;
}

static bool convert_return(const struct cfi_place *p, struct unwind_rule *ret)
{
	struct place place;

	if (p->kind == CFI_REGISTER && p->number < UNWIND_REGISTERS) {
		ret->ra = UNWIND_PLACE_REGISTER;
		ret->ra_offset = (int8_t)p->number;
		return true;
	}
	if (p->kind == CFI_SAME || !convert_place(p, &place) ||
	    place.offset != (int8_t)place.offset)
		return false;
	ret->ra = place.kind;
	ret->ra_offset = (int8_t)place.offset;
	return true;
}

static void lose(struct place *place)
{
	*place = (struct place){.kind = UNWIND_PLACE_UNDEFINED};
}

/* Registers whose place cannot be expressed are lost, which matters only to a caller that needs
 * them; without CFA or return address there is no rule at all. */
static void convert(const struct cfi_cie *cie, const struct cfi_state *s, struct unwind_table *t,
		    struct unwind_rule *ret)
{
	struct unwind_rule rule = {};
	struct place rbp, rbx;
	struct cfi_value cfa;

	*ret = rule;
	if (s->slots[CFI_RA].kind == CFI_UNDEFINED) {
		ret->base = UNWIND_RSP;
		ret->ra = UNWIND_PLACE_UNDEFINED;
		return;
	}
	ret->cfa = UNWIND_CFA_UNSUPPORTED;
	int why = convert_cfa(s, &cfa, &rule);

	if (why < 0 && !rsp_is_cfa(&s->slots[CFI_RSP], &cfa))
		why = UNWIND_WHY_RSP;
	if (why < 0 && !convert_return(&s->slots[CFI_RA], &rule))
		why = UNWIND_WHY_RETURN;
	if (why >= 0) {
		t->unsupported[why]++;
		return;
	}
	if (!convert_place(&s->slots[CFI_RBP], &rbp)) {
		t->unsupported[UNWIND_WHY_RBP]++;
		lose(&rbp);
	}
	if (!convert_place(&s->slots[CFI_RBX], &rbx)) {
		t->unsupported[UNWIND_WHY_RBX]++;
		lose(&rbx);
	}
	rule.rbp = rbp.kind & 15;
	rule.rbp_offset = (int16_t)rbp.offset;
	rule.rbx = rbx.kind & 15;
	rule.rbx_offset = (int16_t)rbx.offset;
	if (cie->signal)
		rule.ra |= UNWIND_SIGNAL;
	*ret = rule;
}

/* --- sections ----------------------------------------------------------------------------------*/

static int load(const struct elf_file *f, uint64_t offset, uint64_t size, struct buf *ret)
{
	if (size > MAX_SECTION)
		return -EFBIG;
	buf_reserve(ret, size + 1);
	int r = elf_file_read(f, offset, ret->data, size);

	if (!r)
		ret->len = size;
	return r;
}

/* A header says how it is packed, and its size (gABI, SHF_COMPRESSED). */
static int unpack(const struct buf *packed, struct buf *ret)
{
	const uint8_t *data = packed->data + sizeof(Elf64_Chdr);
	Elf64_Chdr h;

	if (packed->len < sizeof(h))
		return -EBADMSG;
	memcpy(&h, packed->data, sizeof(h));
	if (h.ch_size > MAX_UNPACKED)
		return -EFBIG;
	if (h.ch_type == ELFCOMPRESS_ZLIB)
		return decompress_zlib(data, packed->len - sizeof(h), h.ch_size, ret, NULL);
	if (h.ch_type == COMPRESS_ZSTD)
		return decompress_zstd(data, packed->len - sizeof(h), h.ch_size, ret, NULL);
	return -ENOENT;
}

/* The records of a section; its bytes belong to it. */
static void take_bytes(struct cfi_section *s, struct buf *data)
{
	s->data = data->data;
	s->size = data->len;
	*data = (struct buf){};
	cfi_read(s);
}

static int load_section(const struct elf_file *f, const char *name, struct cfi_section *s)
{
	const Elf64_Shdr *h = elf_file_section(f, name);
	cleanup_buf struct buf data = {}, unpacked = {};

	/* A file of debug information only has an empty .eh_frame. */
	if (!h || h->sh_type == SHT_NOBITS || !h->sh_size)
		return -ENOENT;
	s->address = h->sh_addr;
	int r = load(f, h->sh_offset, h->sh_size, &data);

	if (!r && h->sh_flags & SHF_COMPRESSED) {
		r = unpack(&data, &unpacked);
		if (!r)
			take_bytes(s, &unpacked);
	} else if (!r) {
		take_bytes(s, &data);
	}
	return r;
}

/* .eh_frame_hdr: version, three encodings, then the address of .eh_frame (LSB). */
static int load_by_segment(const struct elf_file *f, struct cfi_section *s)
{
	const Elf64_Phdr *h = NULL;
	uint8_t start[12];
	uint64_t address;

	for (size_t i = 0; i < f->segments.len; i++)
		if (f->segments.data[i].p_type == PT_GNU_EH_FRAME)
			h = &f->segments.data[i];
	if (!h || elf_file_read_address(f, h->p_vaddr, start, sizeof(start)) || start[0] != 1)
		return -ENOENT;
	struct byte_reader r = {start + 4, start + sizeof(start), false};

	if (!cfi_pointer(&r, start[1], h->p_vaddr + 4, &address))
		return -EBADMSG;
	for (size_t i = 0; i < f->segments.len; i++) {
		const Elf64_Phdr *p = &f->segments.data[i];

		if (p->p_type != PT_LOAD || address < p->p_vaddr ||
		    address - p->p_vaddr >= p->p_filesz || p->p_offset > f->size ||
		    address - p->p_vaddr >= f->size - p->p_offset)
			continue;
		uint64_t skipped = address - p->p_vaddr, offset = p->p_offset + skipped;

		cleanup_buf struct buf data = {};
		int error = load(f, offset, MIN(p->p_filesz - skipped, f->size - offset), &data);

		s->address = address;
		s->terminated = true;
		if (!error)
			take_bytes(s, &data);
		return error;
	}
	return -EBADMSG;
}

static void section_fini(struct cfi_section *s)
{
	cfi_fini(s);
	free((void *)s->data);
}

/* --- all FDEs become one table -----------------------------------------------------------------*/

struct function {
	uint64_t start, end;
	uint32_t section, fde;
};
struct builder {
	/* Where several describe some code the first wins; the last is the linker's jump tables. */
	struct cfi_section sections[2];
	struct go_table *go; /* or NULL */
	VEC(struct function) functions;
	struct code_flow flow; /* of what lies between them */
	size_t flow_done;
	struct unwind_code code;
	struct unwind_table *table;
	struct unwind_writer writer;
	const atomic_bool *stop; /* or NULL */
	/* Of the function that is run. */
	const struct cfi_cie *cie;
	uint64_t floor, end;
	struct eh_return eh_return;
	size_t eh_returns;		/* functions that were looked at for it */
	struct unwind_rule eh_rules[2]; /* of eh_return */
};

static void builder_fini(struct builder *b)
{
	section_fini(&b->sections[0]);
	section_fini(&b->sections[1]);
	go_table_close(b->go);
	vec_fini(&b->functions);
	code_flow_fini(&b->flow);
	unwind_writer_fini(&b->writer);
}

static bool is_code(const struct builder *b, uint64_t start, uint64_t end)
{
	for (uint32_t i = 0; i < b->code.len; i++) {
		uint64_t address = b->code.segments[i].address, size = b->code.segments[i].size;

		if (start >= address && start - address < size &&
		    end - start <= size - (start - address))
			return true;
	}
	return false;
}

static int compare_functions(const void *a, const void *b)
{
	const struct function *x = a, *y = b;

	if (x->start != y->start)
		return x->start < y->start ? -1 : 1;
	if (x->section != y->section)
		return x->section < y->section ? -1 : 1;
	return (x->fde > y->fde) - (x->fde < y->fde);
}

/* Linkers mostly leave them in order. */
static void sort_functions(struct builder *b)
{
	for (size_t i = 1; i < b->functions.len; i++)
		if (compare_functions(&b->functions.data[i - 1], &b->functions.data[i]) > 0) {
			qsort(b->functions.data, b->functions.len, sizeof(*b->functions.data),
			      compare_functions);
			return;
		}
}

/* Linkers write no call frame information for the jump tables of static programs, and some for none
 * at all. Entries of .plt and .iplt jump with their first 6 bytes or, to bind lazily, push 5 bytes
 * later (System V ABI, figure 5.2); the other two only jump. */
static const struct {
	const char *section;
	struct unwind_rule rule;
} jump_tables[] = {
	{".plt", {.cfa = UNWIND_CFA_PLT, .cfa_add = 11}},
	{".iplt", {.cfa = UNWIND_CFA_PLT, .cfa_add = 11}},
	{".plt.sec", {.cfa = UNWIND_CFA_REGISTER}},
	{".plt.got", {.cfa = UNWIND_CFA_REGISTER}},
};
/* "section" of a struct function; fde is the index above, or of a run of Go code. */
enum { JUMP_TABLES = 2, GO_CODE = 3, OUTERMOST = 4, CLONE = 5 };

static void collect_jump_tables(struct builder *b, const struct elf_file *f)
{
	for (uint32_t i = 0; i < ARRAY_SIZE(jump_tables); i++) {
		const Elf64_Shdr *h = elf_file_section(f, jump_tables[i].section);

		if (h && h->sh_type == SHT_PROGBITS && h->sh_size &&
		    h->sh_addr <= UINT64_MAX - h->sh_size &&
		    is_code(b, h->sh_addr, h->sh_addr + h->sh_size))
			vec_push(&b->functions,
				 (struct function){h->sh_addr, h->sh_addr + h->sh_size, JUMP_TABLES,
						   i});
	}
}

/* What Go unwinds by itself is better than what it writes for debuggers. */
static void collect_go(struct builder *b)
{
	for (uint32_t i = 0; b->go && i < go_table_runs(b->go); i++) {
		struct function f = {.section = GO_CODE, .fde = i};

		go_table_run(b->go, i, &f.start, &f.end);
		vec_push(&b->functions, f);
	}
}

static void collect(struct builder *b, const struct elf_file *f)
{
	for (uint32_t s = 0; s < ARRAY_SIZE(b->sections); s++) {
		const struct cfi_section *section = &b->sections[s];

		b->table->bad += section->bad;
		vec_reserve(&b->functions, section->fdes.len);
		for (uint32_t i = 0; i < section->fdes.len; i++) {
			const struct cfi_fde *fde = &section->fdes.data[i];

			if (b->go && go_table_covers(b->go, fde->start))
				continue;
			if (is_code(b, fde->start, fde->end))
				vec_push(&b->functions,
					 (struct function){fde->start, fde->end, s, i});
			else if (fde->start) /* 0: the linker dropped the function */
				b->table->bad++;
		}
	}
	collect_jump_tables(b, f);
	collect_go(b);
	sort_functions(b);
}

/* Rules that are true where the call frame information is not. */
static int add_eh_return(struct builder *b)
{
	const struct eh_return *e = &b->eh_return;
	int r = unwind_writer_add(&b->writer, MAX(e->install, b->floor), &b->eh_rules[0]);

	return r ? r : unwind_writer_add(&b->writer, MAX(e->installed, b->floor), &b->eh_rules[1]);
}

/* A file may be large, and nobody may want its table any more. */
static bool is_stopped(const struct builder *b)
{
	return b->stop && atomic_load_explicit(b->stop, memory_order_relaxed);
}

static int take_state(void *arg, uint64_t address, const struct cfi_state *state)
{
	struct builder *b = arg;
	struct unwind_rule rule;
	int r = 0;

	if (is_stopped(b))
		return -ECANCELED;
	if (address >= b->end)
		return 0;
	convert(b->cie, state, b->table, &rule);
	if (b->eh_return.install && address >= b->eh_return.install) {
		if (address < b->eh_return.leaves)
			return 0;
		if (address == b->eh_return.leaves)
			r = add_eh_return(b);
		if (r)
			return r;
		/* The handler's registers are in place, and it was not called. */
		if (state->cfa_register != UNWIND_RBP && rule.cfa == UNWIND_CFA_REGISTER) {
			rule.rbx = UNWIND_PLACE_SAME;
			rule.rbx_offset = 0;
			rule.ra |= UNWIND_SIGNAL;
		}
	}
	return unwind_writer_add(&b->writer, MAX(address, b->floor), &rule);
}

/* The parts of a gap that are mapped as code. */
static void add_gap(const struct builder *b, uint64_t from, uint64_t to, code_ranges *gaps)
{
	for (uint32_t i = 0; i < b->code.len; i++) {
		uint64_t start = b->code.segments[i].address;
		uint64_t end = start + MIN(b->code.segments[i].size, UINT64_MAX - start);

		start = MAX(start, from);
		end = MIN(end, to);
		if (start < end && end - start >= CODE_ALIGN)
			vec_push(gaps, (struct code_range){start, end});
	}
}

/* Find the rules of the code that has none. */
static void find_flow(struct builder *b, const struct elf_file *f)
{
	code_ranges gaps = {}, covered = {};
	uint64_t done = 0, start = 0;

	for (size_t i = 0; i < b->functions.len; i++) {
		const struct function *function = &b->functions.data[i];

		if (function->start > done && function->start - done >= CODE_ALIGN) {
			add_gap(b, done, function->start, &gaps);
			if (done > start)
				vec_push(&covered, (struct code_range){start, done});
			start = function->start;
		}
		done = MAX(done, function->end);
	}
	if (done > start)
		vec_push(&covered, (struct code_range){start, done});
	add_gap(b, done, UINT64_MAX, &gaps);
	code_flow_find(f, &gaps, &covered, &b->flow);
	vec_fini(&gaps);
	vec_fini(&covered);
}

/* What lies between two functions is padding when no function could start there. Nothing runs
 * there, so that the rule before may go on: fewer rows. Or it is code whose rules were found. */
static int close_gap(struct builder *b, uint64_t from, uint64_t to)
{
	uint64_t function = (from + CODE_ALIGN - 1) & ~(uint64_t)(CODE_ALIGN - 1);
	int r = function < to ? unwind_writer_add(&b->writer, from, &no_rule) : 0;

	for (; !r && b->flow_done < b->flow.rules.len; b->flow_done++) {
		const struct code_rule *rule = &b->flow.rules.data[b->flow_done];

		if (rule->address >= to)
			break;
		/* The last gap ends where its next function starts. */
		if (rule->address >= from)
			r = unwind_writer_add(&b->writer, rule->address, &rule->rule);
	}
	return r;
}

static int run_jump_table(struct builder *b, const struct function *f)
{
	struct unwind_rule rule = jump_tables[f->fde].rule;

	rule.base = UNWIND_RSP;
	rule.cfa_offset = 8;
	rule.ra = UNWIND_PLACE_CFA;
	rule.ra_offset = -1;
	return unwind_writer_add(&b->writer, b->floor, &rule);
}

/* Functions of makecontext() return to the start of glibc's __start_context (2.36
 * sysdeps/unix/sysv/linux/x86_64/__start_context.S), of which the call frame information says that
 * it was called. Nobody called it, and it is looked up by the byte before. */
static void find_context_start(struct builder *b, const struct elf_file *elf)
{
	/* mov %rbx,%rsp; mov (%rsp),%rdi; test %rdi,%rdi; je */
	static const uint8_t code[] = {0x48, 0x89, 0xdc, 0x48, 0x8b, 0x3c,
				       0x24, 0x48, 0x85, 0xff, 0x74};

	for (size_t i = 0; i < b->functions.len; i++) {
		struct function *f = &b->functions.data[i];
		uint8_t bytes[sizeof(code)];
		uint64_t size = f->end - f->start;
		bool apart = !i || b->functions.data[i - 1].end < f->start;

		if (!f->section && apart && size >= CONTEXT_START_MIN &&
		    size <= CONTEXT_START_MAX &&
		    b->sections[0].fdes.data[f->fde].program_size <= NO_PROGRAM &&
		    !elf_file_read_address(elf, f->start, bytes, sizeof(bytes)) &&
		    !memcmp(bytes, code, sizeof(code))) {
			f->section = OUTERMOST;
			f->start--;
		}
	}
}

/* Is that the code where clone() comes back, in both threads? syscall; test %rax,%rax; jl or js to
 * the error; je to the new thread, which begins behind the end; ret. */
static bool is_clone(const uint8_t *code, size_t n)
{
	static const uint8_t begin[] = {0x0f, 0x05, 0x48, 0x85, 0xc0};
	size_t at = sizeof(begin);

	if (n < CLONE_MIN || memcmp(code, begin, sizeof(begin)) != 0)
		return false;
	if (code[at] == 0x7c || code[at] == 0x78)
		at += 2;
	else if (code[at] == 0x0f && (code[at + 1] == 0x8c || code[at + 1] == 0x88))
		at += 6;
	return n == at + 3 && code[at] == 0x74 && code[at + 1] == 1 && code[at + 2] == 0xc3;
}

/* glibc ends its call frame information before the system call of clone and clone3, because it
 * could not be right for both threads (2.36 sysdeps/unix/sysv/linux/x86_64/clone.S, clone3.S). Then
 * comes the start of the thread, of which it says first that the return address is undefined. */
static void collect_clones(struct builder *b, const struct elf_file *elf)
{
	static const uint8_t undefined[] = {0x07, UNWIND_RIP}; /* DW_CFA_undefined */
	size_t n = b->functions.len;

	for (size_t i = 1; i < n; i++) {
		const struct function *f = &b->functions.data[i];
		uint64_t from = b->functions.data[i - 1].end, size = f->start - from;
		uint8_t code[CLONE_MAX];

		if (f->section > 1 || f->start < from || size < CLONE_MIN || size > CLONE_MAX)
			continue;
		const struct cfi_fde *fde = &b->sections[f->section].fdes.data[f->fde];

		if (fde->program_size >= sizeof(undefined) &&
		    !memcmp(fde->program, undefined, sizeof(undefined)) &&
		    !elf_file_read_address(elf, from, code, size) && is_clone(code, size))
			vec_push(&b->functions, (struct function){from, f->start, CLONE, 0});
	}
	sort_functions(b);
}

static int run_clone(struct builder *b)
{
	const struct unwind_rule rule = {
		.cfa = UNWIND_CFA_CLONE,
		.base = UNWIND_RSP,
		.cfa_offset = 8,
		.ra = UNWIND_PLACE_CFA | UNWIND_DERIVED,
		.ra_offset = -1,
	};

	return unwind_writer_add(&b->writer, b->floor, &rule);
}

static int run_function(struct builder *b, const struct elf_file *elf, const struct function *f)
{
	if (f->section == JUMP_TABLES)
		return run_jump_table(b, f);
	if (f->section == CLONE)
		return run_clone(b);
	if (f->section == OUTERMOST) {
		const struct unwind_rule outermost = {.ra = UNWIND_PLACE_UNDEFINED};

		return unwind_writer_add(&b->writer, b->floor, &outermost);
	}
	if (f->section == GO_CODE)
		return go_table_write(b->go, f->fde, b->floor, &b->writer);

	const struct cfi_section *s = &b->sections[f->section];
	const struct cfi_fde *fde = &s->fdes.data[f->fde];

	b->cie = &s->cies.data[fde->cie];
	b->end = f->end;
	b->eh_return = (struct eh_return){};
	if (eh_return_possible(fde) && b->eh_returns++ < MAX_EH_RETURNS)
		eh_return_find(elf, s, fde, &b->eh_return, b->eh_rules);
	int r = cfi_run(s, fde, take_state, b);

	if (r == -EBADMSG) { /* what follows in this function is not known */
		b->table->bad++;
		r = unwind_writer_add(&b->writer, MAX(b->writer.start, b->floor), &no_rule);
	}
	return r;
}

static int run_functions(struct builder *b, const struct elf_file *elf)
{
	uint64_t done = b->code.base;
	int r = 0;

	unwind_writer_init(&b->writer, b->table, b->writer.rules, b->code.base);
	if (b->functions.len && !b->flow.rules.len)
		done = b->functions.data[0].start;
	for (size_t i = 0; !r && i < b->functions.len; i++) {
		const struct function *f = &b->functions.data[i];

		if (f->end <= done || f->start < done) {
			/* .debug_frame repeats what .eh_frame says. */
			b->table->bad += !f->section;
			if (f->end <= done)
				continue;
		}
		b->floor = MAX(f->start, done);
		if (f->start > done)
			r = close_gap(b, done, f->start);
		if (!r)
			r = run_function(b, elf, f);
		b->table->functions++;
		b->table->code_bytes += f->end - b->floor;
		done = f->end;
	}
	if (!r && b->flow_done < b->flow.rules.len) {
		r = close_gap(b, done, UINT64_MAX);
		/* Which ends what lies in front of the last function, or what lies behind it. */
		done = MAX(done, b->flow.rules.data[b->flow.rules.len - 1].address);
	}
	return r || !b->writer.open ? r : unwind_writer_finish(&b->writer, done);
}

static int load_sections(struct builder *b, const struct elf_file *f, const struct elf_file *debug)
{
	int r = load_section(f, ".eh_frame", &b->sections[0]);

	if (r == -ENOENT)
		r = load_by_segment(f, &b->sections[0]);
	if (r && r != -ENOENT)
		return r;
	b->sections[1].debug_frame = true;
	r = load_section(f, ".debug_frame", &b->sections[1]);
	if (r == -ENOENT && debug)
		r = load_section(debug, ".debug_frame", &b->sections[1]);
	return r == -ENOENT ? 0 : r;
}

int unwind_table_build(const struct elf_file *f, const struct elf_file *debug,
		       const atomic_bool *stop, struct unwind_rules *rules,
		       struct unwind_table *ret, struct err *e)
{
	struct unwind_table table = {};
	cleanup(builder_fini) struct builder b = {
		.table = &table, .writer.rules = rules, .stop = stop};

	if (f->header.e_machine != EM_X86_64 ||
	    (f->header.e_type != ET_DYN && f->header.e_type != ET_EXEC))
		return err_set(e, -ENOTSUP, "no program or library for x86-64");
	int r = load_sections(&b, f, debug);

	if (r)
		return err_sys(e, r, "cannot read the call frame information");
	r = go_table_open(f, &b.go);
	if (r && r != -ENOENT)
		return err_sys(e, r, "cannot read Go's function table");
	unwind_code_read(f, &b.code);
	collect(&b, f);
	find_context_start(&b, f);
	collect_clones(&b, f);
	if (!is_stopped(&b))
		find_flow(&b, f);
	r = run_functions(&b, f);
	if (r) {
		unwind_table_fini(&table);
		return err_sys(e, r, "cannot make an unwind table");
	}
	*ret = table;
	return (int)table.rows.len;
}

void unwind_code_read(const struct elf_file *f, struct unwind_code *ret)
{
	struct unwind_code c = {.base = UINT64_MAX};

	for (size_t i = 0; i < f->segments.len && c.len < UNWIND_CODE_SEGMENTS; i++) {
		const Elf64_Phdr *p = &f->segments.data[i];

		if (p->p_type != PT_LOAD || !(p->p_flags & PF_X) || !p->p_filesz)
			continue;
		c.segments[c.len].offset = p->p_offset;
		c.segments[c.len].size = p->p_filesz;
		c.segments[c.len++].address = p->p_vaddr;
		c.base = MIN(c.base, p->p_vaddr & ~(uint64_t)((1 << UNWIND_PAGE_SHIFT) - 1));
	}
	if (!c.len)
		c.base = 0;
	*ret = c;
}

/* A mapping starts at a page border, the segment perhaps behind it, and segments may share pages.
 */
int unwind_code_origin(const struct unwind_code *c, uint64_t start, uint64_t end, uint64_t offset,
		       uint64_t *ret)
{
	for (uint32_t i = 0; i < c->len; i++) {
		uint64_t its = c->segments[i].offset;

		if (its < offset ? offset - its < c->segments[i].size
				 : its - offset < end - start) {
			*ret = start - offset + its - c->segments[i].address + c->base;
			return 0;
		}
	}
	return -ENOENT;
}
