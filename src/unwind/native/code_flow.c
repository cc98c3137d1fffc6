#include "unwind/native/code_flow.h"

#include "unwind/native/code_frame.h"

enum {
	MAX_CODE = 4 << 20, /* bytes in gaps */
	MAX_RELOCATIONS = 1 << 18,
	MAX_COVERED = 8 << 20, /* bytes around them that are searched for calls */
	FEWEST = 5,	       /* bytes of a gap: fewer are no function */
	ALIGN = 16,	       /* of functions */
	MANY_BYTES = 4096, /* in gaps: more than what the compiler itself brings to each program */
	SHORT_FUNCTION = 64, /* instructions of one that never returns */
};

struct piece {
	uint64_t start, end; /* addresses */
	size_t first;	     /* index of its first byte */
};
enum {
	MARK_SEEN = 1,
	MARK_ENTRY = 2,
	MARK_ADDRESS = 4,
	MARK_SIGNAL = 8,
	MARK_NO_RETURN = 16,
	MARK_RETURNS = 32,
	MARK_CLONE = 64,
};

struct flow {
	const struct elf_file *elf;
	VEC(struct piece) pieces;
	uint8_t *bytes, *marks;
	uint32_t *states_at; /* of each byte: index of its state, 0: none */
	size_t size;
	size_t code; /* bytes that are no padding */
	VEC(struct code_frame) states;
	VEC(uint64_t) entries; /* addresses */
	VEC(uint64_t) work;
	VEC(uint64_t) bad; /* in functions that are not what they seem */
};

static void flow_fini(struct flow *w)
{
	vec_fini(&w->pieces);
	free(w->bytes);
	free(w->marks);
	free(w->states_at);
	vec_fini(&w->states);
	vec_fini(&w->entries);
	vec_fini(&w->work);
	vec_fini(&w->bad);
}

/* --- the code ----------------------------------------------------------------------------------*/

/* The piece that has the address, or NULL. */
static const struct piece *find_piece(const struct flow *w, uint64_t address)
{
	size_t low = 0, high = w->pieces.len;

	while (low < high) {
		size_t middle = (low + high) / 2;

		if (w->pieces.data[middle].end <= address)
			low = middle + 1;
		else
			high = middle;
	}
	return low < w->pieces.len && w->pieces.data[low].start <= address ? &w->pieces.data[low]
									   : NULL;
}

static size_t index_of(const struct piece *p, uint64_t address)
{
	return p->first + (size_t)(address - p->start);
}

static int decode(const struct flow *w, const struct piece *p, uint64_t address,
		  struct x86_insn *ret)
{
	return x86_decode(w->bytes + index_of(p, address), (size_t)(p->end - address), address,
			  ret);
}

/* Pieces rise and do not touch, so that their rules do: segments and sections of strangers need
 * not. */
static void add_piece(struct flow *w, uint64_t start, uint64_t end)
{
	uint64_t last = w->pieces.len ? w->pieces.data[w->pieces.len - 1].end : 0;

	if (start < last || end <= start || end - start < FEWEST ||
	    end - start > MAX_CODE - w->size)
		return;
	vec_push(&w->pieces, (struct piece){start, end, w->size});
	w->size += (size_t)(end - start);
}

/* Only code: constants lie beside it in some files. Sections are in order of addresses. */
static void add_gap(struct flow *w, const struct code_range *gap)
{
	for (size_t i = 0; i < w->elf->sections.len; i++) {
		const Elf64_Shdr *h = &w->elf->sections.data[i];

		if (!(h->sh_flags & SHF_EXECINSTR) || h->sh_type != SHT_PROGBITS ||
		    h->sh_addr > UINT64_MAX - h->sh_size)
			continue;
		uint64_t start = MAX(gap->start, h->sh_addr);
		uint64_t end = MIN(gap->end, h->sh_addr + h->sh_size);

		add_piece(w, start, end);
	}
	if (!w->elf->sections.len)
		add_piece(w, gap->start, gap->end);
}

/* Linkers fill with zeroes, nops or int3. */
static bool is_padding(const uint8_t *bytes, size_t n)
{
	struct x86_insn insn;

	while (n) {
		if (!*bytes || *bytes == 0x90 || *bytes == 0xcc) {
			bytes++;
			n--;
			continue;
		}
		/* 66 ... 0f 1f: a nop of some length; 66 90 */
		size_t i = 0;

		while (i < n && (bytes[i] == 0x66 || bytes[i] == 0x2e))
			i++;
		if (i >= n ||
		    (bytes[i] != 0x90 && (n - i < 2 || bytes[i] != 0x0f || bytes[i + 1] != 0x1f)) ||
		    x86_decode(bytes, n, 0, &insn))
			return false;
		bytes += insn.size;
		n -= insn.size;
	}
	return true;
}

/* Read the bytes, and leave out what is padding. */
static void read_pieces(struct flow *w)
{
	size_t kept = 0;

	w->bytes = mem_calloc(w->size, 1);
	for (size_t i = 0; i < w->pieces.len; i++) {
		const struct piece *p = &w->pieces.data[i];
		size_t n = (size_t)(p->end - p->start);

		if (!elf_file_read_address(w->elf, p->start, w->bytes + p->first, n) &&
		    !is_padding(w->bytes + p->first, n)) {
			w->code += n;
			w->pieces.data[kept++] = *p;
		}
	}
	w->pieces.len = kept;
}

/* --- where functions start ---------------------------------------------------------------------*/

static void add_entry(struct flow *w, uint64_t address)
{
	const struct piece *p = find_piece(w, address);

	if (!p || w->marks[index_of(p, address)] & MARK_ENTRY)
		return;
	w->marks[index_of(p, address)] |= MARK_ENTRY;
	vec_push(&w->entries, address);
	vec_push(&w->work, address);
}

/* Code whose address is taken: a function, unless it is seen to be a part of one. */
static void add_address(struct flow *w, uint64_t address)
{
	const struct piece *p = find_piece(w, address);

	if (p)
		w->marks[index_of(p, address)] |= MARK_ADDRESS;
}

static int take_raw_symbol(const Elf64_Sym *s, void *arg)
{
	if (ELF64_ST_TYPE(s->st_info) == STT_FUNC && s->st_value)
		add_entry(arg, s->st_value);
	return 0;
}

/* GCC gives names to parts of functions that it puts elsewhere, too. */
static int take_symbol(const struct elf_symbol *s, void *arg)
{
	size_t n = strlen(s->name);

	if (s->type == STT_FUNC && s->address && (n < 5 || strcmp(s->name + n - 5, ".cold") != 0))
		add_entry(arg, s->address);
	return 0;
}

static void add_symbols(struct flow *w)
{
	static const uint32_t types[] = {SHT_SYMTAB, SHT_DYNSYM};
	struct elf_symbol_table t;

	if (w->code > MANY_BYTES) {
		elf_file_each_symbol(w->elf, take_symbol, w, NULL);
		return;
	}
	for (size_t i = 0; i < ARRAY_SIZE(types); i++)
		if (!elf_file_symbol_table(w->elf, types[i], &t))
			elf_file_each_raw_symbol(w->elf, &t, take_raw_symbol, w);
}

/* Addresses of functions in data, which the loader must move (R_X86_64_RELATIVE). */
static void add_relocations(struct flow *w)
{
	for (size_t i = 0; i < w->elf->sections.len; i++) {
		const Elf64_Shdr *h = &w->elf->sections.data[i];
		Elf64_Rela part[256];
		uint64_t n = h->sh_size / sizeof(part[0]);

		if (h->sh_type != SHT_RELA || !(h->sh_flags & SHF_ALLOC) || n > MAX_RELOCATIONS)
			continue;
		for (uint64_t at = 0; at < n; at += ARRAY_SIZE(part)) {
			size_t len = (size_t)MIN(n - at, (uint64_t)ARRAY_SIZE(part));

			if (elf_file_read(w->elf, h->sh_offset + at * sizeof(part[0]), part,
					  len * sizeof(part[0])))
				break;
			for (size_t k = 0; k < len; k++)
				if (ELF64_R_TYPE(part[k].r_info) == R_X86_64_RELATIVE)
					add_address(w, (uint64_t)part[k].r_addend);
		}
	}
}

/* What code that is described by other means calls, or takes the address of. */
static void search_covered(struct flow *w, const struct code_range *range)
{
	size_t n = (size_t)(range->end - range->start);
	cleanup_free uint8_t *bytes = mem_calloc(n, 1);
	struct x86_insn insn;

	if (elf_file_read_address(w->elf, range->start, bytes, n))
		return;
	for (size_t at = 0; at < n; at += insn.size) {
		if (x86_decode(bytes + at, n - at, range->start + at, &insn))
			return;
		if (insn.kind == X86_CALL && insn.address)
			add_entry(w, insn.address);
		else if (insn.kind == X86_ADDRESS || insn.kind == X86_JUMP)
			add_address(w, insn.address);
	}
}

/* A function seldom ends with a call, but when what it calls never returns. */
static bool ends_behind(const struct flow *w, const struct piece *p, uint64_t address)
{
	uint64_t aligned = MIN((address + ALIGN - 1) & ~(uint64_t)(ALIGN - 1), p->end);

	return address >= p->end ||
	       (aligned > address &&
		is_padding(w->bytes + index_of(p, address), (size_t)(aligned - address)));
}

/* Follow the flow of what was added, to find calls. */
static void discover(struct flow *w)
{
	struct x86_insn insn;

	while (w->work.len) {
		uint64_t at = w->work.data[--w->work.len];
		const struct piece *p = find_piece(w, at);

		for (; p && at < p->end; at += insn.size) {
			uint8_t *mark = &w->marks[index_of(p, at)];

			if (*mark & MARK_SEEN || decode(w, p, at, &insn))
				break;
			*mark |= MARK_SEEN;
			if (insn.kind == X86_ADDRESS)
				add_address(w, insn.address);
			if (insn.kind == X86_BRANCH || insn.kind == X86_JUMP)
				vec_push(&w->work, insn.address);
			if (insn.kind == X86_CALL && insn.address != at + insn.size)
				add_entry(w, insn.address);
			if (insn.kind == X86_JUMP || insn.kind == X86_RETURN ||
			    insn.kind == X86_STOP ||
			    (insn.kind == X86_CALL && ends_behind(w, p, at + insn.size)))
				break;
		}
	}
}

static bool is_frame_prologue(const uint8_t *b, size_t n)
{
	static const uint8_t endbr[] = {0xf3, 0x0f, 0x1e, 0xfa};

	if (n >= sizeof(endbr) && !memcmp(b, endbr, sizeof(endbr))) {
		b += sizeof(endbr);
		n -= sizeof(endbr);
	}
	return n >= 4 && b[0] == 0x55 && b[1] == 0x48 &&
	       ((b[2] == 0x89 && b[3] == 0xe5) || (b[2] == 0x8b && b[3] == 0xec));
}

/* Of functions that nobody is seen to call: their address is taken, or they begin like one. */
static void add_unseen(struct flow *w, uint8_t marks)
{
	for (size_t i = 0; i < w->pieces.len; i++) {
		const struct piece *p = &w->pieces.data[i];

		for (uint64_t at = p->start; at < p->end; at++) {
			size_t index = index_of(p, at);
			bool begins = !marks && (at == p->start || at % ALIGN == 0) &&
				      is_frame_prologue(w->bytes + index, (size_t)(p->end - at));

			if (w->marks[index] & MARK_SEEN || !(w->marks[index] & marks || begins))
				continue;
			add_entry(w, at);
			discover(w);
		}
	}
}

static void find_entries(struct flow *w, const code_ranges *covered)
{
	uint64_t searched = 0;

	if (w->elf->header.e_entry)
		add_entry(w, w->elf->header.e_entry);
	add_symbols(w);
	for (size_t i = 0; w->code > MANY_BYTES && i < covered->len; i++) {
		searched += covered->data[i].end - covered->data[i].start;
		if (searched > MAX_COVERED)
			break;
		search_covered(w, &covered->data[i]);
	}
	if (w->code > MANY_BYTES)
		add_relocations(w);
	discover(w);
	add_unseen(w, MARK_ADDRESS);
	add_unseen(w, 0);
}

/* --- the flow of frames ------------------------------------------------------------------------*/

/* The flow comes to an address with a state: go on from there when that is news. The start of a
 * function has the state of one, however the flow came there. Returns false where the stack has
 * another height than on other ways there: something was not understood. */
static bool arrive(struct flow *w, uint64_t address, const struct code_frame *s)
{
	const struct piece *p = find_piece(w, address);

	if (!p)
		return true;
	bool is_entry = w->marks[index_of(p, address)] & MARK_ENTRY;
	uint32_t *at = &w->states_at[index_of(p, address)];

	if (!*at) {
		*at = (uint32_t)w->states.len;
		vec_push(&w->states, is_entry ? code_frame_at_entry : *s);
		vec_push(&w->work, address);
	} else if (!is_entry) {
		const struct code_frame known = w->states.data[*at];
		struct code_frame both = code_frame_meet(&w->states.data[*at], s);

		if (!code_frame_equal(&both, &w->states.data[*at])) {
			w->states.data[*at] = both;
			vec_push(&w->work, address);
		}
		return both.height || !known.height || !s->height;
	}
	return true;
}

/* Jumps that leave a function leave its frame too. */
static bool leaves_badly(const struct flow *w, const struct x86_insn *insn,
			 const struct code_frame *s)
{
	const struct piece *p;

	if (insn->kind == X86_RETURN)
		return !code_frame_may_return(s);
	if ((insn->kind != X86_JUMP && insn->kind != X86_BRANCH) || !insn->address)
		return false;
	p = find_piece(w, insn->address);
	return (!p || w->marks[index_of(p, insn->address)] & MARK_ENTRY) &&
	       !code_frame_may_return(s);
}

/* Does the flow go on with the next instruction? */
static bool goes_on(const struct flow *w, const struct piece *p, const struct x86_insn *insn,
		    uint64_t next)
{
	const struct piece *called;

	if (insn->kind == X86_JUMP || insn->kind == X86_RETURN || insn->kind == X86_STOP)
		return false;
	if (insn->kind != X86_CALL)
		return true;
	called = find_piece(w, insn->address);
	if (called && w->marks[index_of(called, insn->address)] & MARK_NO_RETURN)
		return false;
	if (called && w->marks[index_of(called, insn->address)] & MARK_RETURNS)
		return true;
	return !ends_behind(w, p, next);
}

static void step(struct flow *w, uint64_t at)
{
	const struct piece *p = find_piece(w, at);
	struct code_frame s = w->states.data[w->states_at[index_of(p, at)]];
	struct x86_insn insn;

	if (decode(w, p, at, &insn)) {
		vec_push(&w->bad, at);
		return;
	}
	if (leaves_badly(w, &insn, &s)) {
		vec_push(&w->bad, at);
		if (insn.address && find_piece(w, insn.address))
			vec_push(&w->bad, insn.address);
	}
	if (s.kind == CODE_FRAME)
		code_frame_apply(&s, &insn);
	if (insn.kind == X86_CALL && insn.address == at + insn.size)
		code_frame_push(&s, X86_NO_REGISTER); /* it takes its own address */
	bool agreed = true;

	if ((insn.kind == X86_JUMP || insn.kind == X86_BRANCH) && insn.address)
		agreed = arrive(w, insn.address, &s);
	if (goes_on(w, p, &insn, at + insn.size))
		agreed &= arrive(w, at + insn.size, &s);
	if (!agreed)
		vec_push(&w->bad, at);
}

static void run(struct flow *w)
{
	while (w->work.len)
		step(w, w->work.data[--w->work.len]);
}

static int compare_addresses(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

/* The end of the function that has the address: where the next one starts. */
static uint64_t end_of_function(const struct flow *w, uint64_t address)
{
	size_t low = 0, high = w->entries.len;

	while (low < high) {
		size_t middle = (low + high) / 2;

		if (w->entries.data[middle] <= address)
			low = middle + 1;
		else
			high = middle;
	}
	uint64_t piece_end = find_piece(w, address)->end;

	return low < w->entries.len ? MIN(w->entries.data[low], piece_end) : piece_end;
}

/* Follow a function through its branches: does it return? If there is no way out, it ends the
 * program or goes on forever. Returns the mark to set; 0 when that is not known, as of functions
 * that are long. */
static uint8_t find_return(const struct flow *w, uint64_t start)
{
	uint64_t seen[SHORT_FUNCTION] = {start};
	size_t len = 1;

	for (size_t i = 0; i < len; i++) {
		const struct piece *p = find_piece(w, seen[i]);
		struct x86_insn insn;
		uint64_t next[2];
		size_t n = 0;

		if (!p || decode(w, p, seen[i], &insn) || (insn.kind == X86_JUMP && !insn.address))
			return 0;
		if (insn.kind == X86_RETURN)
			return MARK_RETURNS;
		if (insn.kind == X86_JUMP || insn.kind == X86_BRANCH)
			next[n++] = insn.address;
		if (goes_on(w, p, &insn, seen[i] + insn.size))
			next[n++] = seen[i] + insn.size;
		for (size_t k = 0; k < n; k++) {
			size_t known = 0;

			while (known < len && seen[known] != next[k])
				known++;
			if (known < len)
				continue;
			if (len == SHORT_FUNCTION)
				return 0;
			seen[len++] = next[k];
		}
	}
	return MARK_NO_RETURN;
}

/* Twice, for those that call others. */
static void find_returns(struct flow *w)
{
	for (size_t i = 0; i < 2 * w->entries.len; i++) {
		uint64_t start = w->entries.data[i % w->entries.len];

		w->marks[index_of(find_piece(w, start), start)] |= find_return(w, start);
	}
}

/* --- known by their bytes ----------------------------------------------------------------------*/

/* Nobody called this code: it starts a program or a thread. */
static void put_outermost(struct flow *w, uint64_t address)
{
	size_t index = index_of(find_piece(w, address), address);

	w->marks[index] |= MARK_ENTRY;
	w->states_at[index] = (uint32_t)w->states.len;
	vec_push(&w->states, (struct code_frame){.kind = CODE_OUTERMOST});
	vec_push(&w->work, address);
	run(w);
}

/* Programs start with xor %ebp,%ebp, as the System V ABI (3.4.1) has it; glibc's loader with mov
 * %rsp,%rdi; call (glibc 2.36 sysdeps/x86_64/dl-machine.h). Linkers name a place in libraries too,
 * where nothing starts. */
static void find_start(struct flow *w)
{
	const struct piece *p = find_piece(w, w->elf->header.e_entry);

	if (!p)
		return;
	size_t index = index_of(p, w->elf->header.e_entry);
	const uint8_t *b = w->bytes + index, *end = w->bytes + p->first + (p->end - p->start);

	if (end - b >= 4 && !memcmp(b, "\xf3\x0f\x1e\xfa", 4)) /* endbr64 */
		b += 4;
	bool loader = end - b >= 4 && !memcmp(b, "\x48\x89\xe7\xe8", 4);

	if (b < end && *b == 0x48)
		b++;
	if (loader || (end - b >= 2 && b[0] == 0x31 && b[1] == 0xed))
		put_outermost(w, w->elf->header.e_entry);
}

/* A thread starts with what clone put on its stack: xor %ebp,%ebp; pop ...; call *... (glibc 2.36
 * sysdeps/unix/sysv/linux/x86_64/clone.S, musl 1.2.3 src/thread/x86_64/clone.s) */
static bool is_thread_start(const uint8_t *b, size_t n)
{
	size_t i = 2;

	if (n < 8 || b[0] != 0x31 || b[1] != 0xed)
		return false;
	while (i < 4 && (b[i] & 0xf8) == 0x58)
		i++;
	if (i == 2)
		return false;
	if (b[i] == 0x41)
		i++;
	return b[i] == 0xff && (b[i + 1] & 0xf8) == 0xd0;
}

/* Both threads come back from the system call before: syscall; test %eax,%eax or %rax; jnz; then
 * the start of the new one. The bytes before that, 0 where it is something else. */
static size_t clone_size(const uint8_t *b, size_t n)
{
	size_t i = 2;

	if (n < 8 || b[0] != 0x0f || b[1] != 0x05)
		return 0;
	if (b[i] == 0x48)
		i++;
	if (b[i] != 0x85 || b[i + 1] != 0xc0 || b[i + 2] != 0x75)
		return 0;
	i += 4;
	return is_thread_start(b + i, n - i) ? i : 0;
}

/* Return from a signal handler: mov $15,%eax or %rax; syscall. */
static size_t signal_return_size(const uint8_t *b, size_t n)
{
	static const uint8_t wide[] = {0x48, 0xc7, 0xc0, 15, 0, 0, 0, 0x0f, 0x05};
	static const uint8_t narrow[] = {0xb8, 15, 0, 0, 0, 0x0f, 0x05};

	if (n >= sizeof(wide) && !memcmp(b, wide, sizeof(wide)))
		return sizeof(wide);
	return n >= sizeof(narrow) && !memcmp(b, narrow, sizeof(narrow)) ? sizeof(narrow) : 0;
}

static void put_signal(struct flow *w, size_t index)
{
	w->states_at[index] = (uint32_t)w->states.len;
	vec_push(&w->states, (struct code_frame){.kind = CODE_SIGNAL});
}

/* Before any flow comes there. */
static void find_known(struct flow *w)
{
	for (size_t i = 0; i < w->pieces.len; i++) {
		const struct piece *p = &w->pieces.data[i];

		for (uint64_t at = p->start; at < p->end; at++) {
			size_t index = index_of(p, at), n = (size_t)(p->end - at);
			size_t size = signal_return_size(w->bytes + index, n);

			for (size_t k = 0; k < size; k++) {
				w->marks[index + k] |= k ? 0 : MARK_ENTRY | MARK_SIGNAL;
				put_signal(w, index + k);
			}
			if (is_thread_start(w->bytes + index, n))
				put_outermost(w, at);
			size = clone_size(w->bytes + index, n);
			for (size_t k = 0; k < size; k++)
				w->marks[index + k] |= MARK_CLONE;
		}
	}
}

/* A handler returns to the first byte, but return addresses are looked up as the byte before. */
static void widen_signal_returns(struct flow *w)
{
	for (size_t i = 0; i < w->pieces.len; i++) {
		const struct piece *p = &w->pieces.data[i];

		for (uint64_t at = p->start + 1; at < p->end; at++)
			if (w->marks[index_of(p, at)] & MARK_SIGNAL)
				put_signal(w, index_of(p, at) - 1);
	}
}

/* --- rules -------------------------------------------------------------------------------------*/

static void put(struct code_flow *out, uint64_t address, const struct unwind_rule *rule)
{
	struct code_rule *last = out->rules.len ? &out->rules.data[out->rules.len - 1] : NULL;

	if (!last && rule->cfa == UNWIND_CFA_NONE)
		return;			      /* before the first there is none */
	if (last && last->address == address) /* the end of a piece, and the next one */
		last->rule = *rule;
	else if (!last || memcmp(&last->rule, rule, sizeof(*rule)) != 0)
		vec_push(&out->rules, (struct code_rule){address, *rule});
}

/* Functions that are not what they seem have no rules. */
static void drop_bad(struct flow *w)
{
	for (size_t i = 0; i < w->bad.len; i++) {
		uint64_t bad = w->bad.data[i], end = end_of_function(w, bad);
		const struct piece *p = find_piece(w, bad);
		uint64_t at = bad;

		if (!w->states_at[index_of(p, bad)])
			continue; /* dropped already */
		while (at > p->start && !(w->marks[index_of(p, at)] & MARK_ENTRY))
			at--;
		for (; at < end; at++)
			w->states_at[index_of(p, at)] = 0;
	}
}

static void put_rules(const struct flow *w, struct code_flow *out)
{
	const struct unwind_rule none = {.cfa = UNWIND_CFA_NONE};
	struct x86_insn insn;

	for (size_t i = 0; i < w->pieces.len; i++) {
		const struct piece *p = &w->pieces.data[i];
		uint64_t known = p->start; /* up to here */

		for (uint64_t at = p->start; at < p->end; at++) {
			uint32_t state = w->states_at[index_of(p, at)];

			if (!state)
				continue;
			struct unwind_rule rule = code_frame_rule(&w->states.data[state]);

			if (w->marks[index_of(p, at)] & MARK_CLONE &&
			    rule.cfa == UNWIND_CFA_REGISTER)
				rule.cfa = UNWIND_CFA_CLONE;
			if (at >= known + ALIGN || (known == p->start && at > known))
				put(out, known, &none);
			put(out, at, &rule);
			known = at + (decode(w, p, at, &insn) ? 1 : insn.size);
		}
		put(out, known, &none);
	}
}

void code_flow_find(const struct elf_file *f, const code_ranges *gaps, const code_ranges *covered,
		    struct code_flow *ret)
{
	cleanup(flow_fini) struct flow w = {.elf = f};

	*ret = (struct code_flow){};
	for (size_t i = 0; i < gaps->len; i++)
		add_gap(&w, &gaps->data[i]);
	if (!w.size)
		return;
	read_pieces(&w);
	if (!w.pieces.len)
		return;
	w.marks = mem_calloc(w.size, 1);
	w.states_at = mem_calloc(w.size, sizeof(*w.states_at));
	vec_push(&w.states, (struct code_frame){});
	find_entries(&w, covered);
	if (w.entries.len)
		qsort(w.entries.data, w.entries.len, sizeof(*w.entries.data), compare_addresses);
	find_returns(&w);
	find_known(&w);
	find_start(&w);
	for (size_t i = 0; i < w.entries.len; i++) {
		arrive(&w, w.entries.data[i], &code_frame_at_entry);
		run(&w);
	}
	drop_bad(&w);
	widen_signal_returns(&w);
	put_rules(&w, ret);
}

void code_flow_fini(struct code_flow *flow)
{
	vec_fini(&flow->rules);
}
