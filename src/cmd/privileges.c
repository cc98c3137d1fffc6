#include "cmd/privileges.h"

#include <linux/capability.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Numbers from Linux 6.1, include/uapi/linux/capability.h, for older headers. */
enum {
	KEEP_DAC_READ_SEARCH = 2,     /* programs and libraries in folders of other users */
	KEEP_SYS_PTRACE = 19,	      /* /proc/PID/root, memory of other processes */
	KEEP_SYSLOG = 34,	      /* addresses in /proc/kallsyms */
	KEEP_PERFMON = 38,	      /* perf events of CPUs that come online */
	KEEP_BPF = 39,		      /* new entries in the maps */
	KEEP_CHECKPOINT_RESTORE = 40, /* /proc/PID/map_files: programs that were replaced */
	LAST_CAPABILITY = 63,
};

static uint64_t wanted(void)
{
	return 1ULL << KEEP_DAC_READ_SEARCH | 1ULL << KEEP_SYS_PTRACE | 1ULL << KEEP_SYSLOG |
	       1ULL << KEEP_PERFMON | 1ULL << KEEP_BPF | 1ULL << KEEP_CHECKPOINT_RESTORE;
}

int privileges_drop(struct err *e)
{
	struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct data[2];
	uint64_t have;

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
		return err_sys(e, -errno, "cannot give up new privileges");
	/* Beyond the last capability of this kernel, and without the right to, this fails: what
	 * counts is set below. */
	for (unsigned int i = 0; i <= LAST_CAPABILITY; i++)
		if (!(wanted() >> i & 1))
			prctl(PR_CAPBSET_DROP, i, 0, 0, 0);
	prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
	if (syscall(SYS_capget, &head, data))
		return err_sys(e, -errno, "cannot read capabilities");
	have = (data[0].permitted | (uint64_t)data[1].permitted << 32) & wanted();
	for (int i = 0; i < 2; i++) {
		data[i].effective = data[i].permitted = (uint32_t)(have >> (32 * i));
		data[i].inheritable = 0;
	}
	if (syscall(SYS_capset, &head, data))
		return err_sys(e, -errno, "cannot give up capabilities");
	return 0;
}
