/* Messages of the kernel about threads that ended (taskstats), attributes within attributes. The
 * seeds are answers of Linux 6.18. */
#include "fuzz.h"
#include "process/exits_priv.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	thread_accounts list = {};
	int family = exits_family(data, size);

	CHECK(family <= UINT16_MAX);
	exits_message(data, size, &list);
	/* Each takes a process number that stands behind the rest. */
	CHECK(list.len <= size / 64);
	for (size_t i = 0; i < list.len; i++) {
		const struct thread_account *a = &list.data[i];

		CHECK(a->run_queue_ns >= 0 && a->disk_ns >= 0 && a->peak_rss >= 0);
	}
	vec_fini(&list);
	return 0;
}
