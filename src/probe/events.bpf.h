// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* probe/events.bpf.h - what happens to processes (exec, fork, exit) and to CPUs.
 *
 * Included by sampler.bpf.c, behind its maps. */
#ifndef GLIM_PROBE_EVENTS_BPF_H
#define GLIM_PROBE_EVENTS_BPF_H

static __always_inline bool send_event(uint32_t type, uint32_t pid, uint32_t parent,
				       const struct probe_program *program, uint64_t flags)
{
	struct probe_process_event *e = bpf_ringbuf_reserve(&ring, sizeof(*e), 0);

	if (!e) {
		COUNT(lost_events, 1);
		return false;
	}
	e->record.type = type;
	e->record.size = sizeof(*e);
	e->pid = pid;
	e->parent = parent;
	e->dev = program ? program->dev : 0;
	e->inode = program ? program->inode : 0;
	bpf_ringbuf_submit(e, flags);
	return true;
}

/* A process becomes another program: what was known of it is forgotten on both sides. */
SEC("raw_tp/sched_process_exec")
int on_exec(struct bpf_raw_tracepoint_args *ctx)
{
	struct linux_binprm *bprm = (struct linux_binprm *)ctx->args[2];
	struct inode *inode = BPF_CORE_READ(bprm, file, f_inode);
	uint32_t pid = current_number();
	struct probe_program program;
	bool known, python, go;

	if (!pid || pid == config.self || !is_chosen(pid))
		return 0;
	known = !bpf_map_delete_elem(&processes, &pid);
	python = !bpf_map_delete_elem(&pythons, &pid);
	go = !bpf_map_delete_elem(&gos, &pid);
	program.dev = BPF_CORE_READ(inode, i_sb, s_dev);
	program.inode = BPF_CORE_READ(inode, i_ino);
	if (!bpf_map_lookup_elem(&plain_programs, &program))
		send_event(PROBE_EXEC, pid, 0, &program, BPF_RB_FORCE_WAKEUP);
	else if (known || python || go)
		send_event(PROBE_EXEC_PLAIN, pid, 0, &program, BPF_RB_NO_WAKEUP);
	return 0;
}

/* A child has its parent's mappings and Python: it is walked from its first moment. Its copy of the
 * run must be known to the reader, which gives runs free. */
SEC("raw_tp/sched_process_fork")
int on_fork(struct bpf_raw_tracepoint_args *ctx)
{
	struct task_struct *child = (struct task_struct *)ctx->args[1];
	uint32_t from = current_number(), to = process_number(child);
	struct probe_process *known;
	struct python_process *py;
	struct go_layout *go;
	uint32_t inherits;

	if (!to || from == to || !choose_child(from, to))
		return 0;
	known = bpf_map_lookup_elem(&processes, &from);
	py = bpf_map_lookup_elem(&pythons, &from);
	go = bpf_map_lookup_elem(&gos, &from);
	inherits = (known && known->run.count) || py;
	FORGET(inherits); /* else the compiler joins two pointers to see whether both are none */
	if (!inherits && !go)
		return 0;
	if (!send_event(PROBE_FORK, to, from, NULL, BPF_RB_NO_WAKEUP))
		return 0;
	if (known)
		bpf_map_update_elem(&processes, &to, known, BPF_ANY);
	if (py)
		bpf_map_update_elem(&pythons, &to, py, BPF_ANY);
	if (go)
		bpf_map_update_elem(&gos, &to, go, BPF_ANY);
	return 0;
}

/* The last thread of a process ends. */
SEC("raw_tp/sched_process_exit")
int on_exit(struct bpf_raw_tracepoint_args *ctx)
{
	struct task_struct *task = (struct task_struct *)ctx->args[0];
	const uint32_t choice = PROBE_ENDS;
	uint32_t pid = current_number();
	bool known, python, go;

	if (!pid || !is_chosen(pid) || BPF_CORE_READ(task, signal, live.counter))
		return 0;
	known = !bpf_map_delete_elem(&processes, &pid);
	python = !bpf_map_delete_elem(&pythons, &pid);
	go = !bpf_map_delete_elem(&gos, &pid);
	/* Giving its memory back comes after this, and is its own work. */
	if (config.choosy)
		bpf_map_update_elem(&chosen, &pid, &choice, BPF_EXIST);
	if (known || python || go || config.choosy)
		send_event(PROBE_EXIT, pid, 0, NULL, BPF_RB_NO_WAKEUP);
	return 0;
}

/* A step on a CPU's way online or offline is done. On the way down the kernel takes the perf events
 * off the CPU, also when the whole machine sleeps, and does not bring them back. */
SEC("raw_tp/cpuhp_exit")
int on_cpu(struct bpf_raw_tracepoint_args *ctx)
{
	uint32_t cpu = (uint32_t)ctx->args[0];

	if (cpu >= PROBE_MAX_CPUS)
		return 0;
	cpus.changed[cpu] = 1;
	cpus.any_changed = 1; /* last: the reader takes it back first */
	return 0;
}

#endif
