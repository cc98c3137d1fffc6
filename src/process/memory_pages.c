#include "process/memory_pages.h"

#include "base/hash.h"

static bool pay(struct memory_pages *p, uint32_t cost)
{
	p->left -= MIN(p->left, cost);
	return p->left;
}

/* The page with this number; NULL: ret_code says why not. */
static const uint8_t *page(struct memory_pages *p, uint64_t number, int *ret_code)
{
	size_t i = hash_mix(0, number) % MEMORY_PAGES;

	*ret_code = 0;
	if (p->numbers[i] == number && number)
		return p->bytes[i];
	if (!pay(p, MEMORY_PAGE_COST)) {
		*ret_code = -E2BIG;
		return NULL;
	}
	/* What is there is overwritten, even in part. */
	p->numbers[i] = 0;
	*ret_code = memory_read(p->from, number * MEMORY_PAGE, p->bytes[i], MEMORY_PAGE);
	if (*ret_code)
		return NULL;
	p->numbers[i] = number;
	return p->bytes[i];
}

static int read_pages(const struct memory *m, uint64_t address, void *buf, size_t n)
{
	struct memory_pages *p = (void *)(uintptr_t)m->owner;
	uint8_t *out = buf;

	if (!pay(p, 1 + n / MEMORY_PAGE * MEMORY_PAGE_COST))
		return -E2BIG;
	if (n > MEMORY_PAGE || address > UINT64_MAX - n)
		return memory_read(p->from, address, buf, n);
	while (n) {
		size_t at = address % MEMORY_PAGE, part = MIN(n, MEMORY_PAGE - at);
		int code;
		const uint8_t *bytes = page(p, address / MEMORY_PAGE, &code);

		if (!bytes)
			return code;
		memcpy(out, bytes + at, part);
		out += part;
		address += part;
		n -= part;
	}
	return 0;
}

void memory_pages_start(struct memory_pages *p, const struct memory *from, uint32_t left)
{
	p->memory = (struct memory){.read = read_pages, .pid = from->pid, .owner = p};
	p->from = from;
	p->left = left;
	memset(p->numbers, 0, sizeof(p->numbers));
}
