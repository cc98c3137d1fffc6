// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* probe/sampler.bpf.c - takes a sample of whatever runs on a CPU when its perf event fires.
 *
 * events.bpf.h follows processes through exec, fork and exit, and CPUs as they come and go.
 *
 * A sample is made by `sample` (who is it, registers, thread state) and then by `follow`, which
 * walks the stack. Where the kernel has no bpf_loop (before 5.17), by `follow_native` and
 * `follow_python`, which call themselves and each other until that is done: one program may only be
 * so long for the verifier. All state is in the scratch record of the CPU. */
#include <stdbool.h>
#include <stddef.h>
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>

#include "probe/kernel.bpf.h"
#include "probe/probe_abi.h"

#define WALK_READ(dst, size, address)                                                              \
	bpf_probe_read_user((dst), (size), (const void *)(uintptr_t)(address))

/* ---- tables, written by user space; one value each holds the whole array ---- */

struct mapping_array {
	struct unwind_mapping all[UNWIND_MAX_MAPPINGS];
};
struct page_array {
	struct unwind_page all[UNWIND_MAX_PAGES];
};
struct rule_array {
	struct unwind_rule all[UNWIND_MAX_RULES];
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, uint32_t);
	__type(value, struct mapping_array);
} table_mappings SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, uint32_t);
	__type(value, struct page_array);
} table_pages SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, uint32_t);
	__type(value, struct rule_array);
} table_rules SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, UNWIND_MAX_FILES);
	__type(key, uint32_t);
	__type(value, struct unwind_file);
} table_files SEC(".maps");

struct row_chunk {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__uint(key_size, sizeof(uint32_t));
	__uint(value_size, UNWIND_CHUNK_ROWS * sizeof(unwind_row));
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, UNWIND_MAX_CHUNKS);
	__type(key, uint32_t);
	__array(values, struct row_chunk);
} table_chunks SEC(".maps");

static __always_inline void *first_value(void *map)
{
	uint32_t zero = 0;

	return bpf_map_lookup_elem(map, &zero);
}

static __always_inline const unwind_row *chunk_rows(uint32_t number)
{
	void *chunk = bpf_map_lookup_elem(&table_chunks, &number);

	return chunk ? first_value(chunk) : NULL;
}

static __always_inline struct unwind_file *table_file(uint32_t id)
{
	return bpf_map_lookup_elem(&table_files, &id);
}

#define TABLE_MAPPINGS() ((const struct unwind_mapping *)first_value(&table_mappings))
#define TABLE_PAGES()	 ((const struct unwind_page *)first_value(&table_pages))
#define TABLE_RULES()	 ((const struct unwind_rule *)first_value(&table_rules))
#define TABLE_FILE(id)	 table_file(id)
#define TABLE_CHUNK(i)	 chunk_rows(i)
#define TABLE_RECENT	 1024
#include "unwind/walk.h"

#define GO_READ(dst, size, address) WALK_READ(dst, size, address)
#include "unwind/native/go_labels_walk.h"
#include "unwind/native/go_stacks_walk.h"

#include "probe/codes.bpf.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

enum {
	PAGE_BYTES = 4096,
	LOOP_STEPS = 2 * UNWIND_MAX_ENTRIES,
	NATIVE_STEPS = 64, /* a program run, without bpf_loop */
	PYTHON_STEPS = 32,
	STEP_WAKE_NS = 10000000, /* from one to the next, on average */
	STEP_WAKES_AT_ONCE = 16,
	ROUNDS = 31, /* runs, and one to copy: the kernel allows 32 or 33 tail calls, by version */
	KERNEL_BYTES = PROBE_KERNEL_DEPTH * 8,
	FRAMES_BYTES = UNWIND_MAX_ENTRIES * sizeof(struct unwind_entry) + KERNEL_BYTES +
		       sizeof(struct probe_copied),
};

/* How far the copying of memory is. */
struct copying {
	uint32_t region;
	uint32_t done; /* bytes of the region */
	uint32_t at;   /* behind the first entry */
};

/* Sample, entries, kernel addresses, registers and memory lie behind each other, as they are sent.
 */
struct scratch {
	struct probe_sample sample;
	struct unwind_entry entries[UNWIND_MAX_ENTRIES];
	/* Behind a full table of entries; the verifier wants room for one page more. */
	uint8_t room[FRAMES_BYTES + PROBE_COPIED_BYTES + PAGE_BYTES -
		     UNWIND_MAX_ENTRIES * sizeof(struct unwind_entry)];
	struct probe_copied copied;
	struct copying copying;
	struct go_stacks go;
	struct python_process python;
	struct walk walk;
	uint32_t has_python;
	uint32_t in_kernel;
	uint32_t no_stack; /* PROBE_NO_STACK */
	uint32_t rounds;
	uint32_t frames_bytes; /* of entries and kernel addresses */
	uint32_t busy;
	uint32_t wake;			/* the reader, whatever waits in the ring */
	struct go_labelled last_labels; /* that were sampled here */
};

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 1 << 20); /* set by the loader */
} ring SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);  /* one a CPU: too large for a per-CPU map */
	__uint(map_flags, BPF_F_MMAPABLE); /* not to map it: its memory begins with a page */
	__uint(max_entries, 1);		   /* set by the loader */
	__type(key, uint32_t);
	__type(value, struct scratch);
} scratches SEC(".maps");

/* Processes that were sampled; who is not in here gets the reader's attention. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, PROBE_MAX_PROCESSES);
	__type(key, uint32_t);
	__type(value, struct probe_process);
} processes SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, PROBE_MAX_PYTHON);
	__type(key, uint32_t);
	__type(value, struct python_process);
} pythons SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, PROBE_MAX_GO);
	__type(key, uint32_t);
	__type(value, struct go_layout);
} gos SEC(".maps");

/* Programs without Python, by file. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, PROBE_MAX_PROGRAMS);
	__type(key, struct probe_program);
	__type(value, uint32_t);
} plain_programs SEC(".maps");

/* Where config.choosy: who is sampled. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, PROBE_MAX_CHOSEN); /* 1 where nobody chooses more */
	__type(key, uint32_t);
	__type(value, uint32_t); /* enum probe_choice */
} chosen SEC(".maps");

/* What follows `sample`, set by the loader. */
struct {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);
	__uint(max_entries, PROBE_FOLLOWERS);
	__uint(key_size, sizeof(uint32_t));
	__uint(value_size, sizeof(uint32_t));
} followers SEC(".maps");

const volatile struct probe_config config;
struct probe_counters counters;
struct probe_cpus cpus;
uint64_t next_step_wake_ns; /* when the reader may be woken for a step, on average */

#define COUNT(field, n) __sync_fetch_and_add(&counters.field, (n))

static __always_inline struct scratch *scratch_get(void)
{
	uint32_t cpu = bpf_get_smp_processor_id();

	return bpf_map_lookup_elem(&scratches, &cpu);
}

/* Does the kernel let programs look into a task by plain loads (since 5.15, with all that is used
 * here)? Each read is a call where it does not. */
static __always_inline bool tasks_are_typed(void)
{
	return bpf_core_enum_value_exists(enum bpf_func_id___probe,
					  BPF_FUNC_task_pt_regs___probe) &&
	       bpf_core_enum_value_exists(enum bpf_func_id___probe,
					  BPF_FUNC_get_current_task_btf___probe);
}

/* Of a task that current_task() led to. */
#define TASK_READ(task, field) (tasks_are_typed() ? (task)->field : BPF_CORE_READ((task), field))

static __always_inline struct task_struct *current_task(void)
{
	if (tasks_are_typed())
		return (struct task_struct *)bpf_get_current_task_btf();
	return (struct task_struct *)bpf_get_current_task();
}

static __always_inline void task_comm(char *ret, const struct task_struct *task)
{
	if (tasks_are_typed())
		__builtin_memcpy(ret, task->comm, PROBE_COMM);
	else
		BPF_CORE_READ_INTO((char(*)[PROBE_COMM])ret, task, comm);
}

/* The number of a task in the reader's pid namespace; 0 where it cannot be seen from there. */
static __always_inline uint32_t task_number(struct task_struct *task)
{
	const struct pid *pid;
	uint32_t level, i;

	if (!config.pid_namespace)
		return BPF_CORE_READ(task, pid);
	pid = BPF_CORE_READ(task, thread_pid);
	level = BPF_CORE_READ(pid, level);
	for (i = 0; i < MAX_PID_LEVEL && i <= level; i++) {
		const struct upid *number =
			(const void *)((const char *)pid +
				       bpf_core_field_offset(struct pid, numbers) +
				       i * bpf_core_type_size(struct upid));

		if (BPF_CORE_READ(number, ns, ns.inum) == config.pid_namespace)
			return BPF_CORE_READ(number, nr);
	}
	return 0;
}

static __always_inline uint32_t process_number(struct task_struct *task)
{
	return task_number(BPF_CORE_READ(task, group_leader));
}

/* Of the process that runs here. */
static __always_inline uint32_t current_number(void)
{
	if (!config.pid_namespace)
		return bpf_get_current_pid_tgid() >> 32;
	return process_number((struct task_struct *)bpf_get_current_task());
}

static __always_inline bool is_chosen(uint32_t pid)
{
	return !config.choosy || bpf_map_lookup_elem(&chosen, &pid);
}

/* Whether a child is sampled is known before it runs. Its number may be that of one that ended. */
static __always_inline bool choose_child(uint32_t parent, uint32_t child)
{
	const uint32_t choice = PROBE_CHOSEN;

	if (!config.choosy)
		return true;
	if (!config.with_children || !bpf_map_lookup_elem(&chosen, &parent)) {
		bpf_map_delete_elem(&chosen, &child);
		return false;
	}
	if (bpf_map_update_elem(&chosen, &child, &choice, BPF_ANY)) {
		COUNT(lost_choices, 1);
		return false;
	}
	return true;
}

/* The verifier of old kernels forgets what it knew of a number that was put aside: check it where
 * it is used, and let the compiler not believe that it knows better. */
#define FORGET(number) __asm__ volatile("" : "+r"(number))

#include "probe/copy.bpf.h"

/* Did the walk end where user space has yet to say what is there? Then it gets all it needs to go
 * on. */
static __always_inline bool wants_copy(const struct scratch *s)
{
	uint8_t end = s->walk.native_end;

	return end == UNWIND_NATIVE_NOT_LOADED || (end == UNWIND_NATIVE_NO_MAPPING && !s->no_stack);
}

/* Send that many bytes behind the sample, and give the scratch free. */
static __always_inline void send(struct scratch *s, uint32_t bytes)
{
	struct probe_sample *out = &s->sample;

	bytes += sizeof(*out);
	FORGET(bytes);
	if (bytes > sizeof(*out) + FRAMES_BYTES + PROBE_COPIED_BYTES)
		bytes = sizeof(*out) + FRAMES_BYTES + PROBE_COPIED_BYTES;
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

/* Only the frames next to the leaf are looked at: who called them was there before. */
static __always_inline void meet_codes(struct scratch *s)
{
	for (uint32_t i = 0; i < CODES_A_SAMPLE; i++) {
		uint32_t at = s->walk.native_count + i;

		FORGET(at);
		if (at >= s->walk.count || at >= UNWIND_MAX_ENTRIES)
			return;
		if (code_is_new(s->sample.pid, &s->entries[at]))
			s->wake = 1;
	}
}

/* Who awaits the task that runs can be read while its step lasts. All CPUs together may wake the
 * reader so often for that; two that meet here count as one. */
static __always_inline bool may_wake_for_step(uint64_t now)
{
	uint64_t next = next_step_wake_ns;

	if (next > now)
		return false;
	if (next + STEP_WAKES_AT_ONCE * STEP_WAKE_NS < now)
		next = now - STEP_WAKES_AT_ONCE * STEP_WAKE_NS;
	next_step_wake_ns = next + STEP_WAKE_NS;
	return true;
}

static __always_inline void take_step(struct scratch *s)
{
	s->sample.step = s->walk.step;
	if (s->walk.step.number && may_wake_for_step(s->sample.time_ns))
		s->wake = 1;
}

/* The walk is done: send what the scratch holds. */
static __always_inline void submit(void *ctx, struct scratch *s)
{
	struct probe_sample *out = &s->sample;
	uint32_t n = s->walk.count, bytes;
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
	out->entries = n;
	out->native_entries = s->walk.native_count;
	out->kernel_frames = (uint32_t)kernel / 8;
	out->native_end = s->walk.native_end;
	out->python_end = s->walk.python_end;
	if (s->walk.several)
		out->flags |= PROBE_SEVERAL;
	if (s->has_python)
		meet_codes(s);
	take_step(s);
	if (wants_copy(s)) {
		s->frames_bytes = bytes;
		bpf_tail_call(ctx, &followers, PROBE_HAND_OVER);
	}
	send(s, bytes);
}

/* The user's registers, when they are saved on the kernel's stack. */
static __always_inline long saved_registers(struct task_struct *task, struct user_registers *ret)
{
	const void *regs;

	if (tasks_are_typed())
		regs = (const void *)bpf_task_pt_regs((void *)task);
	else
		regs = (const char *)BPF_CORE_READ(task, stack) + KERNEL_STACK_SIZE - sizeof(*ret);
	return bpf_probe_read_kernel(ret, sizeof(*ret), regs);
}

/* Who runs here: ids, names, when it started. */
static __always_inline void identify(struct probe_sample *out, struct task_struct *task,
				     uint32_t pid)
{
	struct task_struct *leader = TASK_READ(task, group_leader);

	out->time_ns = bpf_ktime_get_ns();
	out->pid = pid;
	out->tid = config.pid_namespace ? task_number(task) : (uint32_t)bpf_get_current_pid_tgid();
	out->cpu = bpf_get_smp_processor_id();
	out->process_start = TASK_READ(leader, start_boottime);
	task_comm(out->thread_comm, task);
	task_comm(out->process_comm, leader);
}

/* Registers as DWARF numbers them, into the record and the walk. */
static __always_inline void take_registers(struct scratch *s, const struct user_registers *r)
{
	struct probe_copied *out = &s->copied;
	struct table_walk *w = &s->walk.native;

	out->pc = w->pc = r->ip;
	out->general[0] = r->ax;
	out->general[1] = r->dx;
	out->general[2] = r->cx;
	out->general[UNWIND_RBX] = w->rbx = r->bx;
	out->general[4] = r->si;
	out->general[5] = r->di;
	out->general[UNWIND_RBP] = w->rbp = r->bp;
	out->general[UNWIND_RSP] = w->sp = r->sp;
	out->general[8] = r->r8;
	out->general[9] = r->r9;
	out->general[10] = r->r10;
	out->general[11] = r->r11;
	out->general[12] = r->r12;
	out->general[13] = r->r13;
	out->general[14] = r->r14;
	out->general[15] = r->r15;
	__builtin_memcpy(w->registers, out->general, sizeof(w->registers));
}

/* Registers of user code into the walk; false where user frames cannot be taken. */
static __always_inline bool user_state(struct perf_context *ctx, struct scratch *s,
				       struct task_struct *task)
{
	struct probe_sample *out = &s->sample;
	struct user_registers regs;

	if (!TASK_READ(task, mm) || (TASK_READ(task, flags) & TASK_IS_KERNEL_THREAD)) {
		out->flags |= PROBE_KERNEL_THREAD;
		return false;
	}
	if (s->in_kernel) {
		/* The registers are of the old program, the memory may be of the new one. */
		if (bpf_core_field_exists(task->in_execve) &&
		    BPF_CORE_READ_BITFIELD_PROBED(task, in_execve)) {
			out->flags |= PROBE_IN_EXEC;
			return false;
		}
		if (saved_registers(task, &regs)) {
			out->flags |= PROBE_NO_REGISTERS;
			return false;
		}
		out->flags |= PROBE_IN_SYSCALL;
		s->walk.in_kernel = 1;
	} else {
		regs = ctx->regs;
	}
	if ((uint16_t)regs.cs != USER_CODE_SEGMENT) {
		out->flags |= PROBE_COMPAT;
		return false;
	}
	take_registers(s, &regs);
	s->walk.thread_base = TASK_READ(task, thread.fsbase);
	s->copied.thread_base = out->thread_base = s->walk.thread_base;
	return true;
}

/* Does the reader know this process? Remember that it will. */
static __always_inline void meet_process(struct scratch *s)
{
	struct probe_sample *out = &s->sample;
	const struct probe_process *known;
	struct python_process *py;
	uint32_t pid = out->pid;

	known = bpf_map_lookup_elem(&processes, &pid);
	if (known) {
		s->walk.native.process = known->run;
		s->no_stack = known->flags & PROBE_NO_STACK;
	} else {
		const struct probe_process none = {};

		bpf_map_update_elem(&processes, &pid, &none, BPF_ANY);
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

/* Which labels the goroutine has. They may be gone soon: new ones are read at once. */
static __always_inline void find_labels(struct scratch *s)
{
	struct probe_sample *out = &s->sample;
	const struct go_layout *layout;
	struct go_labelled found;
	uint32_t pid = out->pid;

	layout = bpf_map_lookup_elem(&gos, &pid);
	if (!layout)
		return;
	go_labels_find(layout, s->walk.thread_base, &found);
	out->goroutine = found.goroutine;
	out->goroutine_labels = found.labels;
	if (!found.labels ||
	    (found.labels == s->last_labels.labels && found.goroutine == s->last_labels.goroutine))
		return;
	s->last_labels = found;
	s->wake = 1;
}

static __always_inline void scratch_reset(struct scratch *s)
{
	struct probe_sample *out = &s->sample;

	out->flags = 0;
	out->goroutine = out->goroutine_labels = out->thread_base = 0;
	__builtin_memset(&s->walk, 0, WALK_ZEROES);
	s->no_stack = 0;
	s->has_python = 0;
	s->rounds = 0;
	s->wake = 0;
}

/* Continue in the program that the walk needs next; returns when it is done, or may not go on. */
static __always_inline void go_on(void *ctx, struct scratch *s)
{
	if (s->walk.phase == WALK_DONE || s->rounds++ >= ROUNDS)
		return;
	bpf_tail_call(ctx, &followers,
		      s->walk.phase == WALK_NATIVE ? PROBE_FOLLOW_NATIVE : PROBE_FOLLOW_PYTHON);
}

SEC("perf_event")
int sample(struct perf_context *ctx)
{
	uint32_t pid = current_number();
	struct task_struct *task;
	struct scratch *s;

	/* Nobody runs, or the reader itself does. */
	if (!pid || pid == config.self || !is_chosen(pid))
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
	task = current_task();
	s->in_kernel = (ctx->regs.cs & 3) == 0;
	identify(&s->sample, task, pid);
	if (user_state(ctx, s, task)) {
		meet_process(s);
		find_labels(s);
		walk_start(&s->walk, s->has_python ? &s->python : NULL);
		go_on(ctx, s);
		walk_give_up(&s->walk);
	}
	submit(ctx, s);
	return 0;
}

struct follow_context {
	struct scratch *scratch;
};

static long follow_step(uint32_t i, void *arg)
{
	struct scratch *s = ((struct follow_context *)arg)->scratch;

	walk_step(&s->walk, &s->python, s->entries);
	return s->walk.phase == WALK_DONE;
}

SEC("perf_event")
int follow(struct perf_context *ctx)
{
	struct follow_context c = {.scratch = scratch_get()};

	if (!c.scratch)
		return 0;
	bpf_loop(LOOP_STEPS, follow_step, &c, 0);
	walk_give_up(&c.scratch->walk);
	submit(ctx, c.scratch);
	return 0;
}

SEC("perf_event")
int follow_native(struct perf_context *ctx)
{
	struct scratch *s = scratch_get();
	int i;

	if (!s)
		return 0;
	for (i = 0; i < NATIVE_STEPS; i++) {
		if (s->walk.phase != WALK_NATIVE)
			break;
		walk_native(&s->walk, s->entries);
	}
	go_on(ctx, s);
	walk_give_up(&s->walk);
	submit(ctx, s);
	return 0;
}

SEC("perf_event")
int follow_python(struct perf_context *ctx)
{
	struct scratch *s = scratch_get();
	int i;

	if (!s)
		return 0;
	for (i = 0; i < PYTHON_STEPS; i++) {
		if (s->walk.phase == WALK_PYTHON)
			python_step(&s->walk, &s->python, s->entries);
		else if (s->walk.phase == WALK_FIND_THREAD)
			python_find_thread(&s->walk, &s->python, s->entries);
		else
			break;
	}
	go_on(ctx, s);
	walk_give_up(&s->walk);
	submit(ctx, s);
	return 0;
}

/* Registers and memory behind the frames, so that user space can walk again. */
SEC("perf_event")
int hand_over(struct perf_context *ctx)
{
	struct scratch *s = scratch_get();
	void *to;
	int i;

	if (!s)
		return 0;
	s->wake = 1;
	to = behind(s, s->frames_bytes);
	if (to) {
		choose_regions(s);
		s->copying.region = s->copying.done = 0;
		s->copying.at = s->frames_bytes + sizeof(s->copied);
		for (i = 0; i < COPY_PARTS && s->copying.region < PROBE_REGIONS; i++)
			copy_part(s);
		bpf_probe_read_kernel(to, sizeof(s->copied), &s->copied);
		s->sample.flags |= PROBE_COPIED;
		s->frames_bytes = s->copying.at;
	}
	send(s, s->frames_bytes);
	return 0;
}

#include "probe/events.bpf.h"
