/* Rows of .eh_frame: programs by hand, any bytes, damaged files. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <unistd.h>

#include <cmocka.h>

#include "unwind/native/row.h"

/* Numbers of DWARF, as assemblers write them. */
#define DEF_CFA(reg, offset)	0x0c, reg, offset
#define DEF_CFA_OFFSET(offset)	0x0e, offset
#define DEF_CFA_REGISTER(reg)	0x0d, reg
#define OFFSET(reg, factored)	0x80 + (reg), factored
#define RESTORE(reg)		0xc0 + (reg)
#define ADVANCE(n)		0x40 + (n)
#define REMEMBER		0x0a
#define RESTORE_STATE		0x0b
#define UNDEFINED(reg)		0x07, reg
#define EXPRESSION(reg, ...)	0x10, reg, __VA_ARGS__
#define DEF_CFA_EXPRESSION(...) 0x0f, __VA_ARGS__
enum { FP = 6, SP = 7, RA = 16, RBX = 3, R10 = 10 };

/* What gcc's CIEs say: CFA is sp + 8, the return address lies at CFA - 8. */
static const uint8_t cie[] = {DEF_CFA(SP, 8), OFFSET(RA, 1)};

static struct row row_at(const uint8_t *fde, size_t len, uint64_t address)
{
	struct row_program p = {.code_align = 1, .data_align = -8, .ra_register = RA};
	struct row_rules initial = {.cfa = CFA_OTHER}, rules;
	struct row row;

	p.data = cie;
	p.len = sizeof(cie);
	assert_true(row_run(&p, 0, UINT64_MAX, NULL, &initial));
	rules = initial;
	p.data = fde;
	p.len = len;
	if (!row_run(&p, 0x1000, address, &initial, &rules))
		return (struct row){.kind = ROW_OTHER};
	row_from_rules(&rules, address, &row);
	return row;
}

#define ROW(fde, at) row_at((fde), sizeof(fde), 0x1000 + (at))

static void check_sp(struct row r, int offset, bool saved)
{
	assert_int_equal(r.kind, ROW_SP);
	assert_int_equal(r.offset, offset);
	assert_int_equal(r.fp_saved, saved);
}

/* push rbp; mov rbp, rsp; ...; pop rbp; ret */
static void test_frame_pointer(void **state)
{
	static const uint8_t fde[] = {
		ADVANCE(1),	      DEF_CFA_OFFSET(16), OFFSET(FP, 2),  ADVANCE(3),
		DEF_CFA_REGISTER(FP), ADVANCE(20),	  DEF_CFA(SP, 8),
	};

	check_sp(ROW(fde, 0), 8, false);
	check_sp(ROW(fde, 1), 16, true);
	check_sp(ROW(fde, 3), 16, true);
	assert_int_equal(ROW(fde, 4).kind, ROW_FP);
	assert_int_equal(ROW(fde, 23).kind, ROW_FP);
	/* Popped: the rule is still there, its place is below the stack pointer. */
	check_sp(ROW(fde, 24), 8, false);
	check_sp(ROW(fde, 4000), 8, false);
}

/* push rbx; push rbp; sub rsp, 24; ...; a return in the middle */
static void test_no_frame_pointer(void **state)
{
	static const uint8_t fde[] = {
		ADVANCE(1),	    DEF_CFA_OFFSET(16), OFFSET(RBX, 2),	   ADVANCE(1),
		DEF_CFA_OFFSET(24), OFFSET(FP, 3),	ADVANCE(4),	   DEF_CFA_OFFSET(48),
		REMEMBER,	    ADVANCE(10),	DEF_CFA_OFFSET(8), ADVANCE(1),
		RESTORE_STATE,
	};

	check_sp(ROW(fde, 1), 16, false);
	check_sp(ROW(fde, 2), 24, true);
	check_sp(ROW(fde, 6), 48, true);
	assert_int_equal(ROW(fde, 6).fp_at, -24);
	check_sp(ROW(fde, 16), 8, false);
	check_sp(ROW(fde, 17), 48, true);
}

static void test_restore(void **state)
{
	static const uint8_t fde[] = {DEF_CFA_OFFSET(16), OFFSET(FP, 2), ADVANCE(1), RESTORE(FP)};

	check_sp(ROW(fde, 0), 16, true);
	check_sp(ROW(fde, 1), 16, false);
}

static void test_start_of_a_thread(void **state)
{
	static const uint8_t fde[] = {UNDEFINED(RA)};

	assert_int_equal(ROW(fde, 0).kind, ROW_END);
}

/* gcc's prologue of a function that aligns its stack: fp is kept, said by expressions. */
static void test_aligned_stack(void **state)
{
	static const uint8_t fde[] = {
		DEF_CFA(R10, 0),
		ADVANCE(1),
		EXPRESSION(FP, 2, 0x76, 0),
		DEF_CFA_EXPRESSION(3, 0x76, 0x78, 0x06),
	};

	assert_int_equal(ROW(fde, 0).kind, ROW_OTHER);
	assert_int_equal(ROW(fde, 1).kind, ROW_FP);
}

/* The jump tables of dynamic linking: how much is pushed depends on the place in a slot. */
static void test_jump_table(void **state)
{
	static const uint8_t fde[] = {
		DEF_CFA_EXPRESSION(11, 0x77, 8, 0x80, 0, 0x3f, 0x1a, 0x3b, 0x2a, 0x33, 0x24, 0x22),
	};
	static const uint8_t other[] = {DEF_CFA_EXPRESSION(3, 0x77, 8, 0x06)};

	check_sp(ROW(fde, 0), 8, false);
	check_sp(ROW(fde, 10), 8, false);
	check_sp(ROW(fde, 11), 16, false);
	check_sp(ROW(fde, 15), 16, false);
	check_sp(ROW(fde, 16), 8, false);
	assert_int_equal(ROW(other, 0).kind, ROW_OTHER);
}

static void test_broken(void **state)
{
	static const uint8_t cut[] = {DEF_CFA_OFFSET(0x80)};
	static const uint8_t unknown[] = {0x3f};
	static const uint8_t no_state[] = {RESTORE_STATE};
	static const uint8_t long_block[] = {0x0f, 0xff, 0xff, 0xff, 0x7f};
	static const uint8_t endless[] = {0x0e, 0xff, 0xff, 0xff, 0xff, 0xff,
					  0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
	static const uint8_t huge[] = {0x0e, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f};
	static const uint8_t below[] = {DEF_CFA_OFFSET(0)};
	uint8_t deep[64];

	memset(deep, REMEMBER, sizeof(deep));
	assert_int_equal(ROW(cut, 0).kind, ROW_OTHER);
	assert_int_equal(ROW(unknown, 0).kind, ROW_OTHER);
	assert_int_equal(ROW(no_state, 0).kind, ROW_OTHER);
	assert_int_equal(ROW(long_block, 0).kind, ROW_OTHER);
	assert_int_equal(ROW(endless, 0).kind, ROW_OTHER);
	assert_int_equal(ROW(huge, 0).kind, ROW_OTHER);
	assert_int_equal(ROW(below, 0).kind, ROW_OTHER);
	assert_int_equal(ROW(deep, 0).kind, ROW_OTHER);
}

static void test_any_bytes(void **state)
{
	uint32_t seed = 4711;

	for (int round = 0; round < 100000; round++) {
		size_t len = 1 + round % 24;
		uint8_t *program = malloc(len);
		struct row row;

		for (size_t i = 0; i < len; i++) {
			seed = seed * 1664525 + 1013904223;
			program[i] = seed >> 24;
		}
		row = row_at(program, len, 0x1000 + (seed & 63));
		if (row.kind == ROW_SP)
			assert_true(row.offset >= 8 && row.offset + row.fp_at >= 0);
		free(program);
	}
}

/* Our own program, damaged at many places: rows or none, never a crash. */
static void test_damaged_file(void **state)
{
	char path[] = "/tmp/test_row_XXXXXX";
	int from = open("/proc/self/exe", O_RDONLY | O_CLOEXEC), to = mkstemp(path);
	struct row_table none, unsorted;
	struct elf_file *f;
	uint64_t tables = 0, size = 0, text = 0, text_size = 0;
	uint32_t seed = 1, kinds[5] = {};
	uint8_t block[4096];
	struct row row;
	size_t eh = 0;

	assert_true(from >= 0 && to >= 0);
	for (ssize_t n; (n = read(from, block, sizeof(block))) > 0;)
		assert_int_equal(write(to, block, n), n);
	assert_int_equal(elf_file_open(dup(to), &f, NULL), 0);
	for (size_t i = 0; i < f->segments.len; i++) {
		const Elf64_Phdr *s = &f->segments.data[i];

		if (s->p_type == PT_GNU_EH_FRAME)
			tables = s->p_offset;
		if (s->p_type == PT_LOAD && (s->p_flags & PF_X)) {
			text = s->p_vaddr;
			text_size = s->p_filesz;
		}
	}
	assert_true(tables && text_size);
	/* .eh_frame follows its header. */
	size = elf_file_section(f, ".eh_frame_hdr")->sh_size +
	       elf_file_section(f, ".eh_frame")->sh_size;
	row_table_init(&none, f);
	assert_int_equal(none.places.len, 0);
	/* The same without the sorted table, as static programs come. */
	for (size_t i = 0; i < f->segments.len; i++)
		if (f->segments.data[i].p_type == PT_GNU_EH_FRAME)
			f->segments.data[eh = i].p_type = PT_NULL;
	row_table_init(&unsorted, f);
	assert_true(unsorted.places.len > 10);
	for (uint64_t at = text; at < text + text_size; at += 7) {
		struct row other;

		f->segments.data[eh].p_type = PT_NULL;
		row_find(f, &unsorted, at, &other);
		f->segments.data[eh].p_type = PT_GNU_EH_FRAME;
		row_find(f, &none, at, &row);
		kinds[row.kind]++;
		assert_memory_equal(&row, &other, sizeof(row));
	}
	row_table_fini(&unsorted);
	assert_true(kinds[ROW_SP] > 100 && kinds[ROW_END] > 0);
	for (int round = 0; round < 3000; round++) {
		uint8_t old, new;
		off_t at;

		seed = seed * 1664525 + 1013904223;
		at = tables + (round < 200 ? (uint32_t)round : seed % size);
		assert_int_equal(pread(to, &old, 1, at), 1);
		new = old ^ (1 + (seed >> 24) % 255);
		assert_int_equal(pwrite(to, &new, 1, at), 1);
		row_find(f, &none, text + seed % text_size, &row);
		assert_true(row.kind <= ROW_OTHER);
		if (round % 16 == 0) {
			f->segments.data[eh].p_type = PT_NULL;
			row_table_init(&unsorted, f);
			row_find(f, &unsorted, text + seed % text_size, &row);
			row_table_fini(&unsorted);
			f->segments.data[eh].p_type = PT_GNU_EH_FRAME;
		}
		assert_int_equal(pwrite(to, &old, 1, at), 1);
	}
	/* Outside of all code. */
	row_find(f, &none, 0, &row);
	assert_int_equal(row.kind, ROW_NONE);
	row_find(f, &none, UINT64_MAX, &row);
	assert_int_equal(row.kind, ROW_NONE);
	elf_file_close(f);
	unlink(path);
	close(from);
	close(to);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_frame_pointer), cmocka_unit_test(test_no_frame_pointer),
		cmocka_unit_test(test_restore),	      cmocka_unit_test(test_start_of_a_thread),
		cmocka_unit_test(test_aligned_stack), cmocka_unit_test(test_jump_table),
		cmocka_unit_test(test_broken),	      cmocka_unit_test(test_any_bytes),
		cmocka_unit_test(test_damaged_file),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
