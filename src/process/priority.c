#include "process/priority.h"

#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/base.h"

enum { NICE = -10, SLICE_NS = 100000 /* the least that the kernel takes */ };

/* Linux 6.12 to 6.18, include/uapi/linux/sched/types.h, struct sched_attr of version 0; of the
 * usual policy sched_runtime is the slice (kernel/sched/syscalls.c, __setparam_fair). */
struct attributes {
	uint32_t size, policy;
	uint64_t flags;
	int32_t nice;
	uint32_t priority;
	uint64_t runtime, deadline, period;
};
_Static_assert(sizeof(struct attributes) == 48, "as the kernel has it");

void priority_raise(void)
{
	struct attributes a = {.size = sizeof(a)};

	setpriority(PRIO_PROCESS, 0, NICE);
	if (syscall(SYS_sched_getattr, 0, &a, sizeof(a), 0) || a.policy)
		return; /* somebody gave it a policy of its own */
	a.runtime = SLICE_NS;
	syscall(SYS_sched_setattr, 0, &a, 0);
}
