#include "base/perf_ring.h"

#include <linux/perf_event.h>
#include <sys/mman.h>
#include <unistd.h>

static size_t page_size(void)
{
	return (size_t)sysconf(_SC_PAGESIZE);
}

int perf_ring_open(int fd, size_t most, size_t least, struct perf_ring *ret)
{
	for (size_t bytes = most; bytes >= least; bytes /= 2) {
		void *p =
			mmap(NULL, page_size() + bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

		if (p != MAP_FAILED) {
			*ret = (struct perf_ring){.fd = fd, .page = p, .bytes = bytes};
			return 0;
		}
	}
	return -errno;
}

void perf_ring_close(struct perf_ring *r)
{
	munmap(r->page, page_size() + r->bytes);
	close(r->fd);
}

/* A record may go over the end of the ring. */
static void copy(const struct perf_ring *r, uint64_t at, void *ret, size_t n)
{
	const uint8_t *data = (const uint8_t *)r->page + page_size();
	size_t start = at & (r->bytes - 1), first = MIN(n, r->bytes - start);

	memcpy(ret, data + start, first);
	memcpy((uint8_t *)ret + first, data, n - first);
}

static uint64_t written(const struct perf_ring *r)
{
	return __atomic_load_n(&r->page->data_head, __ATOMIC_ACQUIRE);
}

/* What is before it may be overwritten. */
static void release(struct perf_ring *r, uint64_t tail)
{
	__atomic_store_n(&r->page->data_tail, tail, __ATOMIC_RELEASE);
}

ssize_t perf_ring_take(struct perf_ring *r, void *ret_record, size_t n)
{
	const uint64_t head = written(r);
	uint64_t tail = r->page->data_tail;

	while (tail < head) {
		struct perf_event_header h;

		copy(r, tail, &h, sizeof(h));
		if (h.size < sizeof(h) || h.size > head - tail) {
			release(r, head);
			return -EPROTO;
		}
		if (h.size <= n)
			copy(r, tail, ret_record, h.size);
		tail += h.size;
		release(r, tail);
		if (h.size <= n)
			return h.size;
	}
	return 0;
}

bool perf_ring_empty(const struct perf_ring *r)
{
	return r->page->data_tail == written(r);
}
