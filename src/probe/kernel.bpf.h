/* probe/kernel.bpf.h - the few kernel structures that the BPF programs look into.
 *
 * Only the fields that are used: libbpf moves each access to where the running kernel has the field
 * (CO-RE), so order and size here mean nothing. */
#ifndef GLIM_PROBE_KERNEL_BPF_H
#define GLIM_PROBE_KERNEL_BPF_H

#include <stdint.h>

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

typedef struct {
	int counter;
} atomic_t;

struct super_block {
	uint32_t s_dev;
};
struct inode {
	uint64_t i_ino;
	struct super_block *i_sb;
};
struct file {
	struct inode *f_inode;
};
struct mm_struct;
struct ns_common {
	unsigned int inum;
};
struct pid_namespace {
	struct ns_common ns;
};
struct upid {
	int nr;
	struct pid_namespace *ns;
};
struct pid {
	unsigned int level; /* the last of its numbers */
	struct upid numbers[1];
};
struct signal_struct {
	atomic_t live; /* threads that have not ended */
};
struct thread_struct {
	uint64_t fsbase;
};
struct task_struct {
	void *stack;
	unsigned int flags;
	unsigned int in_execve : 1;
	struct mm_struct *mm;
	int pid;
	int tgid;
	struct task_struct *group_leader;
	struct pid *thread_pid;
	uint64_t start_boottime;
	char comm[16];
	struct signal_struct *signal;
	struct thread_struct thread;
};
struct linux_binprm {
	struct file *file;
};

#pragma clang attribute pop

/* Linux, include/linux/sched.h: PF_KTHREAD. */
#define TASK_IS_KERNEL_THREAD 0x00200000

/* Linux, include/linux/pid_namespace.h: MAX_PID_NS_LEVEL. */
#define MAX_PID_LEVEL 32

/* Registers as Linux saves them on x86-64 (arch/x86/include/asm/ptrace.h); an ABI. */
struct user_registers {
	uint64_t r15, r14, r13, r12, bp, bx, r11, r10, r9, r8, ax, cx, dx, si, di, orig_ax, ip, cs,
		flags, sp, ss;
};
_Static_assert(sizeof(struct user_registers) == 21 * 8, "fixed by Linux");

/* Linux, include/uapi/linux/bpf_perf_event.h: struct bpf_perf_event_data. */
struct perf_context {
	struct user_registers regs;
	uint64_t sample_period;
	uint64_t addr;
};

/* Linux, arch/x86/include/asm/segment.h: the code segment of 64-bit programs. */
#define USER_CODE_SEGMENT 0x33
/* Linux, arch/x86/include/asm/page_64_types.h: THREAD_SIZE without KASAN. Only used where the
 * kernel is too old to have bpf_task_pt_regs (before 5.15). */
#define KERNEL_STACK_SIZE 16384

/* Kept from being dropped by CO-RE: does the running kernel have these helpers? */
enum bpf_func_id___probe {
	BPF_FUNC_task_pt_regs___probe = 175,
	BPF_FUNC_get_current_task_btf___probe = 158,
};

#endif
