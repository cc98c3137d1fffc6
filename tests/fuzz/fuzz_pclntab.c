/* Function tables of anybody's Go programs: every lookup must end, inside its bounds. */
#include "fuzz.h"
#include "symbol/pclntab.h"
#include "unwind/native/go_labels.h"
#include "unwind/native/go_labels_walk.h"

static void look_up(const struct pclntab *t, int fd, uint64_t address)
{
	struct pclntab_frame frames[32];
	int n = pclntab_find(t, fd, address, frames, ARRAY_SIZE(frames));

	CHECK(n == -ENOENT || n == -EBADMSG || (n > 0 && n <= (int)ARRAY_SIZE(frames)));
	for (int i = 0; i < n; i++) {
		char *text;

		if (!pclntab_text(&t->names, fd, frames[i].name, &text))
			free(text);
		if (frames[i].file != UINT32_MAX &&
		    !pclntab_text(&t->files, fd, frames[i].file, &text))
			free(text);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct go_layout layout;
	struct elf_file *f;
	struct pclntab t;

	if (elf_file_open(fuzz_file(data, size), &f, NULL) < 0)
		return 0;
	if (!pclntab_open(f, &t)) {
		uint64_t step = (t.text_end - t.text) / 64 + 1;

		CHECK(t.text < t.text_end);
		for (uint64_t a = t.text; a < t.text_end && a >= t.text; a += step)
			look_up(&t, f->fd, a);
		look_up(&t, f->fd, t.text_end);
		pclntab_fini(&t);
	}
	go_layout_read(f, &layout);
	elf_file_close(f);
	return 0;
}
