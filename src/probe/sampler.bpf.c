// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* probe/sampler.bpf.c - takes a sample of whatever runs on a CPU when its perf event fires, and
 * follows processes through exec, fork and exit.
 *
 * A sample is made by `sample` (who is it, registers, thread state) and then by `follow`, which
 * calls itself until the stack is walked: one program may only be so long for the verifier of old
 * kernels. All state is in the scratch record of the CPU. */
#include <stdbool.h>
#include <stddef.h>
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>

#include "probe/kernel.bpf.h"
#include "probe/probe_abi.h"

#define WALK_READ(dst, size, address)                                                              \
	bpf_probe_read_user((dst), (size), (const void *)(uintptr_t)(address))
#include "unwind/walk.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

enum {
	PAGE_BYTES = 4096,
	STACK_BYTES = PROBE_STACK_WORDS * 8,
	STACK_PAGES = STACK_BYTES / PAGE_BYTES + 1,
	STEPS = 32,  /* a program run */
	ROUNDS = 31, /* runs: the kernel allows 32 or 33 tail calls, by version */
	KERNEL_BYTES = PROBE_KERNEL_DEPTH * 8,
	FRAMES_BYTES = UNWIND_MAX_ENTRIES * sizeof(struct unwind_entry) + KERNEL_BYTES,
};

/* Sample, entries, kernel addresses and stack lie behind each other, as they are sent. */
struct scratch {
	struct probe_sample sample;
	struct unwind_entry entries[UNWIND_MAX_ENTRIES];
	/* Behind a full table of entries; the verifier wants room for one page more. */
	uint8_t room[KERNEL_BYTES + STACK_BYTES + PAGE_BYTES];
	struct python_process python;
	struct walk walk;
	uint32_t has_python;
	uint32_t in_kernel;
	uint32_t rounds;
	uint32_t busy;
	uint32_t wake; /* the reader, whatever waits in the ring */
};
_Static_assert(sizeof(struct scratch) <= 32768, "limit of a per-CPU map");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 1 << 20); /* set by the loader */
} ring SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, uint32_t);
	__type(value, struct scratch);
} scratches SEC(".maps");

/* Processes that were sampled; who is not in here gets the reader's attention. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, PROBE_MAX_PROCESSES);
	__type(key, uint32_t);
	__type(value, uint32_t);
} processes SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, PROBE_MAX_PYTHON);
	__type(key, uint32_t);
	__type(value, struct python_process);
} pythons SEC(".maps");

/* Programs without Python, by file. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, PROBE_MAX_PROGRAMS);
	__type(key, struct probe_program);
	__type(value, uint32_t);
} plain_programs SEC(".maps");

int follow(struct perf_context *ctx);
struct {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);
	__uint(max_entries, 1);
	__uint(key_size, sizeof(uint32_t));
	__array(values, int(void *));
} programs SEC(".maps") = {
	.values = {(void *)&follow},
};

const volatile struct probe_config config;
struct probe_counters counters;

#define COUNT(field, n) __sync_fetch_and_add(&counters.field, (n))

static __always_inline struct scratch *scratch_get(void)
{
	uint32_t zero = 0;

	return bpf_map_lookup_elem(&scratches, &zero);
}

/* The top of the user's stack behind `at` bytes of what is there already, page by page: the next
 * one may not be there. What lies above the base of the stack is not of interest. Returns the
 * bytes. */
static __always_inline uint32_t copy_stack(struct scratch *s, uint32_t at)
{
	struct probe_sample *out = &s->sample;
	uint32_t done = 0, n, want = STACK_BYTES;
	int i;

	if (!out->sp || (out->sp & 7))
		return 0;
	if (out->stack_base > out->sp && out->stack_base - out->sp < STACK_BYTES)
		want = (out->stack_base - out->sp + 7) & ~7U;
	n = PAGE_BYTES - (out->sp & (PAGE_BYTES - 1));
	for (i = 0; i < STACK_PAGES; i++) {
		if (done >= want)
			break;
		if (n > want - done)
			n = want - done;
		if (n > PAGE_BYTES || done > STACK_BYTES || at > FRAMES_BYTES)
			break;
		if (bpf_probe_read_user((uint8_t *)s->entries + at + done, n,
					(const void *)(uintptr_t)(out->sp + done)))
			break;
		done += n;
		n = PAGE_BYTES;
	}
	return done;
}

/* Send what the scratch holds, and give it free. */
static __always_inline void submit(void *ctx, struct scratch *s)
{
	struct probe_sample *out = &s->sample;
	uint32_t n = s->walk.count, bytes, stack;
	long kernel = 0;

	if (n > UNWIND_MAX_ENTRIES)
		n = UNWIND_MAX_ENTRIES;
	bytes = n * sizeof(struct unwind_entry);
	if (config.kernel_stacks && s->in_kernel)
		kernel = bpf_get_stack(ctx, (uint8_t *)s->entries + bytes, KERNEL_BYTES, 0);
	if (kernel < 0)
		kernel = 0;
	if (kernel > KERNEL_BYTES)
		kernel = KERNEL_BYTES;
	bytes += (uint32_t)kernel;
	stack = copy_stack(s, bytes);
	out->entries = n;
	out->native_entries = s->walk.native_count;
	out->kernel_frames = (uint32_t)kernel / 8;
	out->stack_words = stack / 8;
	out->native_end = s->walk.native_end;
	out->python_end = s->walk.python_end;
	bytes += sizeof(*out) + stack;
	if (bytes > sizeof(*out) + FRAMES_BYTES + STACK_BYTES)
		bytes = sizeof(*out) + FRAMES_BYTES + STACK_BYTES;
	out->record.type = PROBE_SAMPLE;
	out->record.size = bytes;
	if (!s->wake && bpf_ringbuf_query(&ring, BPF_RB_AVAIL_DATA) > config.wake_bytes)
		s->wake = 1;
	if (bpf_ringbuf_output(&ring, out, bytes, s->wake ? BPF_RB_FORCE_WAKEUP : BPF_RB_NO_WAKEUP))
		COUNT(lost_ring, 1);
	else
		COUNT(samples, 1);
	s->busy = 0;
}

/* The user's registers, when they are saved on the kernel's stack. */
static __always_inline long saved_registers(struct task_struct *task, struct user_registers *ret)
{
	const void *regs;

	if (bpf_core_enum_value_exists(enum bpf_func_id___probe, BPF_FUNC_task_pt_regs___probe) &&
	    bpf_core_enum_value_exists(enum bpf_func_id___probe,
				       BPF_FUNC_get_current_task_btf___probe))
		regs = (const void *)bpf_task_pt_regs((void *)bpf_get_current_task_btf());
	else
		regs = (const char *)BPF_CORE_READ(task, stack) + KERNEL_STACK_SIZE - sizeof(*ret);
	return bpf_probe_read_kernel(ret, sizeof(*ret), regs);
}

/* Who runs here: ids, names, when it started. */
static __always_inline void identify(struct probe_sample *out, struct task_struct *task)
{
	struct task_struct *leader = BPF_CORE_READ(task, group_leader);
	uint64_t id = bpf_get_current_pid_tgid();

	out->time_ns = bpf_ktime_get_ns();
	out->pid = id >> 32;
	out->tid = (uint32_t)id;
	out->cpu = bpf_get_smp_processor_id();
	out->process_start = BPF_CORE_READ(leader, start_boottime);
	bpf_get_current_comm(out->thread_comm, sizeof(out->thread_comm));
	BPF_CORE_READ_INTO(&out->process_comm, leader, comm);
}

/* Registers of user code into the walk; false where user frames cannot be taken. */
static __always_inline bool user_state(struct perf_context *ctx, struct scratch *s,
				       struct task_struct *task)
{
	struct probe_sample *out = &s->sample;
	struct mm_struct *mm = BPF_CORE_READ(task, mm);
	struct walk *w = &s->walk;
	uint64_t cs;

	if (!mm || (BPF_CORE_READ(task, flags) & TASK_IS_KERNEL_THREAD)) {
		out->flags |= PROBE_KERNEL_THREAD;
		return false;
	}
	if (!s->in_kernel) {
		cs = ctx->regs.cs;
		w->pc = ctx->regs.ip;
		w->sp = ctx->regs.sp;
		w->fp = ctx->regs.bp;
	} else {
		struct user_registers regs;

		if (saved_registers(task, &regs)) {
			out->flags |= PROBE_NO_REGISTERS;
			return false;
		}
		out->flags |= PROBE_IN_SYSCALL;
		cs = regs.cs;
		w->pc = regs.ip;
		w->sp = regs.sp;
		w->fp = regs.bp;
	}
	if ((uint16_t)cs != USER_CODE_SEGMENT) {
		out->flags |= PROBE_COMPAT;
		return false;
	}
	w->thread_base = BPF_CORE_READ(task, thread.fsbase);
	out->stack_base = out->pid == out->tid ? BPF_CORE_READ(mm, start_stack) : w->thread_base;
	out->sp = w->sp;
	out->fp = w->fp;
	return true;
}

/* Does the reader know this process? Remember that it will. */
static __always_inline void meet_process(struct scratch *s)
{
	struct probe_sample *out = &s->sample;
	uint32_t pid = out->pid, one = 1;
	struct python_process *py;

	if (!bpf_map_lookup_elem(&processes, &pid)) {
		bpf_map_update_elem(&processes, &pid, &one, BPF_ANY);
		out->flags |= PROBE_NEW_PROCESS;
		s->wake = 1;
	}
	py = bpf_map_lookup_elem(&pythons, &pid);
	if (!py)
		return;
	s->python = *py;
	s->has_python = 1;
	out->flags |= PROBE_PYTHON;
	if (bpf_ktime_get_boot_ns() - out->process_start < config.young_ns)
		s->wake = 1;
}

static __always_inline void scratch_reset(struct scratch *s)
{
	struct probe_sample *out = &s->sample;

	out->flags = 0;
	out->sp = out->fp = out->stack_base = 0;
	__builtin_memset(&s->walk, 0, offsetof(struct walk, pair));
	s->has_python = 0;
	s->rounds = 0;
	s->wake = 0;
}

SEC("perf_event")
int sample(struct perf_context *ctx)
{
	uint32_t pid = bpf_get_current_pid_tgid() >> 32;
	struct task_struct *task;
	struct scratch *s;

	/* Nobody runs, or the reader itself does. */
	if (!pid || pid == config.self)
		return 0;
	s = scratch_get();
	if (!s)
		return 0;
	if (s->busy) {
		COUNT(lost_scratch, 1);
		return 0;
	}
	s->busy = 1;
	scratch_reset(s);
	task = (struct task_struct *)bpf_get_current_task();
	s->in_kernel = (ctx->regs.cs & 3) == 0;
	identify(&s->sample, task);
	if (user_state(ctx, s, task)) {
		meet_process(s);
		walk_start(&s->walk, s->has_python ? &s->python : NULL);
		bpf_tail_call(ctx, &programs, 0);
		walk_give_up(&s->walk);
	}
	submit(ctx, s);
	return 0;
}

SEC("perf_event")
int follow(struct perf_context *ctx)
{
	struct scratch *s = scratch_get();
	int i;

	if (!s)
		return 0;
	for (i = 0; i < STEPS; i++) {
		if (s->walk.phase == WALK_DONE)
			break;
		walk_step(&s->walk, &s->python, s->entries);
	}
	if (s->walk.phase != WALK_DONE && ++s->rounds < ROUNDS)
		bpf_tail_call(ctx, &programs, 0);
	walk_give_up(&s->walk);
	submit(ctx, s);
	return 0;
}

static __always_inline void send_event(uint32_t type, uint32_t pid, uint32_t parent,
				       const struct probe_program *program, uint64_t flags)
{
	struct probe_process_event *e = bpf_ringbuf_reserve(&ring, sizeof(*e), 0);

	if (!e) {
		COUNT(lost_events, 1);
		return;
	}
	e->record.type = type;
	e->record.size = sizeof(*e);
	e->pid = pid;
	e->parent = parent;
	e->dev = program ? program->dev : 0;
	e->inode = program ? program->inode : 0;
	bpf_ringbuf_submit(e, flags);
}

/* A process becomes another program: what was known of it is forgotten on both sides. */
SEC("raw_tp/sched_process_exec")
int on_exec(struct bpf_raw_tracepoint_args *ctx)
{
	struct linux_binprm *bprm = (struct linux_binprm *)ctx->args[2];
	uint32_t pid = bpf_get_current_pid_tgid() >> 32;
	struct inode *inode = BPF_CORE_READ(bprm, file, f_inode);
	struct probe_program program;
	bool known = !bpf_map_delete_elem(&processes, &pid);
	bool python = !bpf_map_delete_elem(&pythons, &pid);

	program.dev = BPF_CORE_READ(inode, i_sb, s_dev);
	program.inode = BPF_CORE_READ(inode, i_ino);
	if (pid == config.self)
		return 0;
	if (!bpf_map_lookup_elem(&plain_programs, &program))
		send_event(PROBE_EXEC, pid, 0, &program, BPF_RB_FORCE_WAKEUP);
	else if (known || python)
		send_event(PROBE_EXEC_PLAIN, pid, 0, &program, BPF_RB_NO_WAKEUP);
	return 0;
}

/* A child that runs Python is walked from its first moment. */
SEC("raw_tp/sched_process_fork")
int on_fork(struct bpf_raw_tracepoint_args *ctx)
{
	struct task_struct *parent = (struct task_struct *)ctx->args[0];
	struct task_struct *child = (struct task_struct *)ctx->args[1];
	uint32_t from = BPF_CORE_READ(parent, tgid), to = BPF_CORE_READ(child, tgid);
	struct python_process *py;

	if (from == to)
		return 0;
	py = bpf_map_lookup_elem(&pythons, &from);
	if (!py)
		return 0;
	bpf_map_update_elem(&pythons, &to, py, BPF_ANY);
	send_event(PROBE_FORK, to, from, NULL, BPF_RB_NO_WAKEUP);
	return 0;
}

/* The last thread of a process ends. */
SEC("raw_tp/sched_process_exit")
int on_exit(struct bpf_raw_tracepoint_args *ctx)
{
	struct task_struct *task = (struct task_struct *)ctx->args[0];
	uint32_t pid = BPF_CORE_READ(task, tgid);
	bool known, python;

	if (BPF_CORE_READ(task, signal, live.counter))
		return 0;
	known = !bpf_map_delete_elem(&processes, &pid);
	python = !bpf_map_delete_elem(&pythons, &pid);
	if (known || python)
		send_event(PROBE_EXIT, pid, 0, NULL, BPF_RB_NO_WAKEUP);
	return 0;
}
