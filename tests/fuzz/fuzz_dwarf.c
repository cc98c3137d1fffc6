/* Debug information of anybody's files: look-ups must end, within the work and memory allowed,
 * whatever it says. The file is also its own other half, and what it shares with others. */
#include "fuzz.h"
#include "symbol/debug_info.h"

enum { ADDRESSES = 48, MAX = 8, POOL = 256 << 10 };

struct input {
	const uint8_t *data;
	size_t size;
};

static int open_same(void *arg, const char *path)
{
	const struct input *in = arg;

	CHECK(strlen(path) < 1 << 20);
	return fuzz_file(in->data, in->size);
}

static void code_of(const struct elf_file *elf, uint64_t *ret_start, uint64_t *ret_size)
{
	*ret_start = *ret_size = 0;
	for (size_t i = 0; i < elf->sections.len; i++)
		if (elf->sections.data[i].sh_flags & SHF_EXECINSTR &&
		    elf->sections.data[i].sh_size >= *ret_size) {
			*ret_start = elf->sections.data[i].sh_addr;
			*ret_size = elf->sections.data[i].sh_size;
		}
}

static void ask(struct debug_info *d, const struct debug_opener *o, uint64_t address)
{
	struct debug_function f[MAX];
	int n = debug_info_lookup(d, address, o, f, MAX);

	CHECK(n == -EAGAIN || (n >= 0 && n <= MAX));
	for (int i = 0; i < n; i++)
		CHECK(strlen(f[i].name) < 1 << 20 && strlen(f[i].file) < 1 << 20);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = {data, size};
	const struct debug_opener o = {open_same, &in, "/folder/program"};
	uint64_t start, length;
	struct debug_info *d;
	struct elf_file *elf;

	if (elf_file_open(fuzz_file(data, size), &elf, NULL) < 0)
		return 0;
	struct debug_pool *pool = debug_pool_new(POOL);

	debug_pool_set_work(pool, 1 << 20, 4 << 20, 4 << 20);
	code_of(elf, &start, &length);
	int r = debug_info_open(pool, elf, &d);

	elf_file_close(elf);
	for (uint64_t i = 0; !r && i < ADDRESSES; i++) {
		ask(d, &o, start + length / ADDRESSES * i + i % 5);
		if (i == ADDRESSES / 2) {
			debug_info_pause(d);
			debug_info_resume(d, fuzz_file(data, size));
			debug_pool_trim(pool);
		}
	}
	if (!r)
		debug_info_close(d);
	debug_pool_free(pool);
	return 0;
}
