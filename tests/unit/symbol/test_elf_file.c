/* The ELF reader on real programs, whole and damaged. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/io.h"
#include "symbol/table.h"

static const char *folder;

static struct elf_file *open_target(const char *name)
{
	cleanup_free char *path = mem_asprintf("%s/names_%s", folder, name);
	struct elf_file *f = NULL;
	struct err e;
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	assert_true(fd >= 0);
	if (elf_file_open(fd, &f, &e))
		fail_msg("%s: %s", path, e.msg);
	return f;
}

/* What readelf prints of a target, as the truth. */
static void readelf(const char *name, const char *option, struct buf *out)
{
	cleanup_free char *command =
		mem_asprintf("LC_ALL=C readelf -W %s %s/names_%s", option, folder, name);
	FILE *f = popen(command, "r");

	assert_non_null(f);
	assert_int_equal(io_read_fd(fileno(f), 64 << 20, out), 0);
	assert_int_equal(pclose(f), 0);
}

struct seen {
	size_t count;
	uint64_t main_address;
};

static int count_symbol(const struct elf_symbol *s, void *arg)
{
	struct seen *seen = arg;

	seen->count++;
	if (!strcmp(s->name, "main") && s->type == STT_FUNC)
		seen->main_address = s->address;
	return 0;
}

static size_t defined_symbols(const char *text)
{
	size_t n = 0;

	/* "   Num:    Value  Size Type    Bind   Vis      Ndx Name" */
	for (const char *s = text; (s = strchr(s, '\n')); s++) {
		unsigned int num;
		char ndx[16];

		if (sscanf(s, "\n %u: %*s %*s %*s %*s %*s %15s", &num, ndx) == 2)
			n += strcmp(ndx, "UND") != 0;
	}
	return n;
}

static void test_symbols(void **state)
{
	static const char *const names[] = {"pie",	 "nopie",    "static",
					    "staticpie", "stripped", "cxx"};

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		cleanup_buf struct buf text = {};
		struct elf_file *f = open_target(names[i]);
		struct seen seen = {};
		uint64_t address = 0, size = 0;
		struct err e;
		uint8_t code[4];

		assert_int_equal(elf_file_each_symbol(f, count_symbol, &seen, &e), 0);
		readelf(names[i], "-s", &text);
		assert_int_equal(seen.count, defined_symbols(buf_cstr(&text)));
		assert_int_equal(elf_file_find_symbol(f, "main", &address, &size), 0);
		assert_true(address == seen.main_address && size > 4);
		assert_int_equal(elf_file_read_address(f, address, code, sizeof(code)), 0);
		assert_int_equal(elf_file_find_symbol(f, "no such thing", &address, &size),
				 -ENOENT);
		elf_file_close(f);
	}
}

static void test_segments(void **state)
{
	struct elf_file *f = open_target("pie");
	const Elf64_Shdr *text = elf_file_section(f, ".text"), *bss = elf_file_section(f, ".bss");
	uint64_t address;
	uint8_t a[16], b[16];

	assert_non_null(text);
	assert_non_null(bss);
	assert_null(elf_file_section(f, ".nothing"));
	assert_int_equal(elf_file_offset_to_address(f, text->sh_offset + 5, &address), 0);
	assert_true(address == text->sh_addr + 5);
	assert_int_equal(elf_file_read_address(f, address, a, sizeof(a)), 0);
	assert_int_equal(pread(f->fd, b, sizeof(b), (off_t)text->sh_offset + 5), sizeof(b));
	assert_memory_equal(a, b, sizeof(a));
	assert_int_equal(elf_file_read_address(f, bss->sh_addr, a, 8), -ENOENT);
	assert_int_equal(elf_file_read_address(f, UINT64_MAX - 3, a, 8), -ENOENT);
	assert_int_equal(elf_file_read_address(f, text->sh_addr, a, SIZE_MAX), -ENOENT);
	assert_int_equal(elf_file_offset_to_address(f, f->size, &address), -ENOENT);
	assert_int_equal(elf_file_offset_to_address(f, UINT64_MAX, &address), -ENOENT);
	elf_file_close(f);
}

static void test_build_id(void **state)
{
	cleanup_buf struct buf text = {};
	struct elf_file *f = open_target("pie");
	uint8_t id[20];
	char hex[41] = "";

	assert_int_equal(elf_file_build_id(f, id), 20);
	for (int i = 0; i < 20; i++)
		sprintf(hex + 2 * i, "%02x", id[i]);
	readelf("pie", "-n", &text);
	assert_non_null(strstr(buf_cstr(&text), hex));
	elf_file_close(f);
}

static int open_bytes(const void *p, size_t n, struct elf_file **ret, struct err *e)
{
	int fd = memfd_create("test", MFD_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(io_write_all(fd, p, n), 0);
	return elf_file_open(fd, ret, e);
}

static void test_refused(void **state)
{
	Elf64_Ehdr h = {.e_ident = {0x7f, 'E', 'L', 'F', ELFCLASS32, ELFDATA2LSB}};
	struct elf_file *f = NULL;
	struct err e;
	int pipes[2];

	assert_int_equal(open_bytes("", 0, &f, &e), -EBADMSG);
	assert_int_equal(
		open_bytes("#!/bin/sh\necho this is a script and quite a long one too\n\n\n", 60,
			   &f, &e),
		-EBADMSG);
	assert_int_equal(open_bytes(&h, sizeof(h), &f, &e), -ENOTSUP);
	h.e_ident[EI_CLASS] = ELFCLASS64;
	h.e_ident[EI_DATA] = ELFDATA2MSB;
	assert_int_equal(open_bytes(&h, sizeof(h), &f, &e), -ENOTSUP);
	assert_int_equal(pipe(pipes), 0);
	assert_int_equal(elf_file_open(pipes[0], &f, &e), -EINVAL);
	close(pipes[1]);
	assert_null(f);
	/* Nothing but a header is a file without anything. */
	h.e_ident[EI_DATA] = ELFDATA2LSB;
	assert_int_equal(open_bytes(&h, sizeof(h), &f, &e), 0);
	assert_int_equal(f->segments.len + f->sections.len, 0);
	elf_file_close(f);
}

/* More sections than the header can count: section 0 has the numbers. */
static void test_extended_numbers(void **state)
{
	enum { COUNT = 70000, NAMES = 69999 };
	size_t size = sizeof(Elf64_Ehdr) + COUNT * sizeof(Elf64_Shdr) + 16;
	cleanup_free char *bytes = mem_calloc(size, 1);
	Elf64_Ehdr h = {.e_ident = {0x7f, 'E', 'L', 'F', ELFCLASS64, ELFDATA2LSB},
			.e_shoff = sizeof(h),
			.e_shentsize = sizeof(Elf64_Shdr),
			.e_shstrndx = SHN_XINDEX};
	Elf64_Shdr first = {.sh_size = COUNT, .sh_link = NAMES};
	Elf64_Shdr last = {
		.sh_name = 1, .sh_type = SHT_STRTAB, .sh_offset = size - 16, .sh_size = 16};
	struct elf_file *f;
	struct err e;

	memcpy(bytes, &h, sizeof(h));
	memcpy(bytes + sizeof(h), &first, sizeof(first));
	memcpy(bytes + sizeof(h) + NAMES * sizeof(last), &last, sizeof(last));
	memcpy(bytes + size - 16, "\0.shstrtab", 11);
	assert_int_equal(open_bytes(bytes, size, &f, &e), 0);
	assert_int_equal(f->sections.len, COUNT);
	assert_ptr_equal(elf_file_section(f, ".shstrtab"), &f->sections.data[NAMES]);
	elf_file_close(f);
}

/* Do everything that Glim does with a file; any answer is right, no crash is. */
static void use(const void *p, size_t n)
{
	struct elf_file *f = NULL;
	struct symbol_table t;
	struct seen seen = {};
	uint8_t id[20];
	uint64_t address = 0x1000, size;

	if (open_bytes(p, n, &f, NULL))
		return;
	elf_file_build_id(f, id);
	elf_file_each_symbol(f, count_symbol, &seen, NULL);
	elf_file_find_symbol(f, "main", &address, &size);
	elf_file_read_address(f, address, id, sizeof(id));
	elf_file_offset_to_address(f, 0x1100, &address);
	if (!symbol_table_read(f, f, 1 << 20, &t, NULL)) {
		for (size_t i = 0; i < t.len; i += 7) {
			cleanup_free char *name = NULL;
			const struct table_symbol *s =
				symbol_table_find(&t, t.base + t.symbols[i].start);

			if (s)
				symbol_table_name(&t, s, (int[]){f->fd, f->fd}, &name);
		}
		symbol_table_fini(&t);
	}
	elf_file_close(f);
}

static void read_target(const char *name, struct buf *out)
{
	cleanup_free char *path = mem_asprintf("%s/names_%s", folder, name);

	assert_int_equal(io_read_file(path, 64 << 20, out), 0);
}

static void test_truncated(void **state)
{
	cleanup_buf struct buf b = {};

	read_target("pie", &b);
	for (size_t n = 0; n < b.len; n += n < 1200 ? 1 : 61)
		use(b.data, n);
}

static void flip(struct buf *b, size_t from, size_t n, size_t step)
{
	static const uint8_t to[] = {0, 1, 0x7f, 0x80, 0xff};

	for (size_t i = from; i < from + n && i < b->len; i += step) {
		uint8_t was = b->data[i];

		for (size_t k = 0; k < sizeof(to); k++) {
			b->data[i] = to[k];
			use(b->data, b->len);
		}
		b->data[i] = was;
	}
}

static void test_flipped(void **state)
{
	cleanup_buf struct buf b = {};
	struct elf_file *f = open_target("stripped");
	Elf64_Ehdr h = f->header;
	uint64_t dynsym = elf_file_section(f, ".dynsym")->sh_offset;

	elf_file_close(f);
	read_target("stripped", &b);
	flip(&b, 0, sizeof(h), 1);
	flip(&b, h.e_phoff, h.e_phnum * sizeof(Elf64_Phdr), 3);
	flip(&b, h.e_shoff, h.e_shnum * sizeof(Elf64_Shdr), 3);
	flip(&b, dynsym, 20 * sizeof(Elf64_Sym), 3);
}

/* A file that gets shorter while it is in use. */
static void test_shrinks(void **state)
{
	cleanup_buf struct buf b = {};
	struct elf_file *f = NULL;
	struct symbol_table t;
	struct err e;
	char *name = NULL;

	read_target("pie", &b);
	assert_int_equal(open_bytes(b.data, b.len, &f, &e), 0);
	assert_int_equal(symbol_table_read(f, f, 1 << 20, &t, &e), 0);
	assert_int_equal(ftruncate(f->fd, 4096), 0);
	assert_int_equal(symbol_table_name(&t, &t.symbols[0], (int[]){f->fd, f->fd}, &name),
			 -EBADMSG);
	assert_null(name);
	symbol_table_fini(&t);
	assert_int_equal(symbol_table_read(f, f, 1 << 20, &t, &e), -EBADMSG);
	elf_file_close(f);
}

/* A version behind a name is not a part of it. No linker needed: the text is as long as before. */
static void test_version(void **state)
{
	cleanup_buf struct buf b = {};
	struct elf_file *f = open_target("pie");
	uint64_t strings = elf_file_section(f, ".strtab")->sh_offset, address, size;
	cleanup_free char *name = NULL;
	struct symbol_table t;

	assert_int_equal(elf_file_find_symbol(f, "pretty_alias", &address, &size), 0);
	elf_file_close(f);
	read_target("pie", &b);
	char *text = memmem(b.data + strings, b.len - strings, "pretty_alias", 12);

	assert_non_null(text);
	memcpy(text, "pretty@@GL_1", 12);
	assert_int_equal(open_bytes(b.data, b.len, &f, NULL), 0);
	assert_int_equal(symbol_table_read(f, f, 1 << 20, &t, NULL), 0);
	assert_int_equal(symbol_table_name(&t, symbol_table_find(&t, address + 1),
					   (int[]){f->fd, f->fd}, &name),
			 0);
	assert_string_equal(name, "pretty");
	symbol_table_fini(&t);
	elf_file_close(f);
}

static void test_table_bounds(void **state)
{
	struct elf_file *f = open_target("pie");
	struct symbol_table t;
	struct err e;

	assert_int_equal(symbol_table_read(f, f, 5, &t, &e), -EFBIG);
	assert_int_equal(symbol_table_read(f, f, 1 << 20, &t, &e), 0);
	assert_null(symbol_table_find(&t, 0));
	assert_null(symbol_table_find(&t, t.base - 1));
	assert_null(symbol_table_find(&t, UINT64_MAX));
	for (size_t i = 1; i < t.len; i++)
		assert_true(t.symbols[i - 1].start <= t.symbols[i].start);
	symbol_table_fini(&t);
	elf_file_close(f);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_symbols),		 cmocka_unit_test(test_segments),
		cmocka_unit_test(test_build_id),	 cmocka_unit_test(test_refused),
		cmocka_unit_test(test_extended_numbers), cmocka_unit_test(test_truncated),
		cmocka_unit_test(test_flipped),		 cmocka_unit_test(test_shrinks),
		cmocka_unit_test(test_version),		 cmocka_unit_test(test_table_bounds),
	};

	CHECK(argc == 2);
	folder = argv[1];
	return cmocka_run_group_tests(tests, NULL, NULL);
}
