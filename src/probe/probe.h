/* probe/probe.h - loads the BPF programs and hands over what they write.
 *
 * One perf event a CPU that is online (software cpu-clock, so that no hardware counter is needed),
 * one ring for all. Memory: a probe owns its maps and events; a record handed to the callback lives
 * until the callback returns. Threads: one at a time. */
#ifndef GLIM_PROBE_H
#define GLIM_PROBE_H

#include <sys/types.h>

#include "base/err.h"
#include "probe/mappings.h"
#include "probe/probe_abi.h"

/* Records a drain: some tens of milliseconds of naming. */
enum { PROBE_DRAIN_MAX = 16384 };

struct go_layout;
struct probe; /* opaque */
struct probe_open_config {
	unsigned int hz; /* samples a second and CPU */
	pid_t self;	 /* never sampled; 0: nobody */
	bool kernel_stacks;
	bool choosy;	    /* only processes given to probe_choose are sampled and followed */
	bool with_children; /* and those that they start from then on; choosy */
};

/* -EPERM: privileges; -ENOTSUP: this kernel lacks something; e says what and how to mend it. */
int probe_open(const struct probe_open_config *cfg, struct probe **ret, struct err *e);
void probe_close(struct probe *p);
/* Between two samples of a CPU, a little less than was asked for: else samples would keep step with
 * the scheduler's ticks (docs/decisions/sample-weight.md). */
int64_t probe_period_ns(unsigned int hz);
/* Start sampling. Before this only exec, fork and exit are followed, so that the caller can tell
 * the programs of the processes that run already. */
int probe_start(struct probe *p, struct err *e);
/* Sample CPUs that came online since the last call, in the place of those that went. Costs nothing
 * while none did. */
void probe_follow_cpus(struct probe *p);
/* Of a choosy probe: sample this process, too. -E2BIG: there is no room for more. */
int probe_choose(struct probe *p, pid_t pid);
/* Is a process among them? */
bool probe_is_chosen(struct probe *p, pid_t pid);
/* A PROBE_EXIT came: its number may be another's soon. */
void probe_chosen_ended(struct probe *p, pid_t pid);
/* Readable when the programs want to be read at once; read at least every 250 ms anyway. */
int probe_fd(const struct probe *p);
/* Hand waiting records to cb, a bounded number, so that a busy ring does not keep the caller from
 * everything else; returns how many. The size of every record was checked. */
typedef void (*probe_record_fn)(const struct probe_record *r, void *arg);
int probe_drain(struct probe *p, probe_record_fn cb, void *arg);

/* What the programs know of Python: by process, and which programs have none. */
int probe_set_python(struct probe *p, pid_t pid, const struct python_process *py);
/* Where the programs find the labels of goroutines. -E2BIG: too many processes have them. */
int probe_set_go(struct probe *p, pid_t pid, const struct go_layout *layout);
void probe_forget_go(struct probe *p, pid_t pid);
void probe_set_plain(struct probe *p, uint64_t dev, uint64_t inode);

/* The unwind tables that the programs read (unwind_table_abi.h), shared memory of the probe. */
struct probe_tables {
	struct unwind_mapping *mappings; /* [UNWIND_MAX_MAPPINGS] */
	struct unwind_page *pages;	 /* [UNWIND_MAX_PAGES] */
	struct unwind_rule *rules;	 /* [UNWIND_MAX_RULES] */
	struct unwind_file *files;	 /* [UNWIND_MAX_FILES] */
};
const struct probe_tables *probe_tables(const struct probe *p);
/* The rows of a chunk, made at the first call, zeroed; NULL: no memory for it. Making one takes
 * some tens of milliseconds, and may be done in another thread, of which only one does so. */
unwind_row *probe_table_chunk(struct probe *p, uint32_t number);
/* The mappings of a process. -ENOENT: it ended, called exec or was forgotten since it was sampled,
 * so that what was read of it is old. */
int probe_set_process(struct probe *p, pid_t pid, const struct probe_process *is);
/* The programs will call it a new process when they meet it again. */
void probe_forget_process(struct probe *p, pid_t pid);

/* Hand over what processes mapped since the last call; see mapping_events_drain(). Read it before
 * the samples that may lie in these mappings. */
uint64_t probe_drain_mappings(struct probe *p, mapping_event_fn cb, void *arg);

struct probe_stats {
	struct probe_counters counters;
	uint64_t run_ns, runs; /* of all programs; 0 while kernel.bpf_stats_enabled is 0 */
	uint64_t map_bytes;
	uint64_t cpus;		 /* that are sampled */
	uint64_t cpus_unsampled; /* online, but refused */
};
void probe_stats(const struct probe *p, struct probe_stats *ret);

/* CPUs that are online, counted from text like "0-3,8"; -EINVAL for anything else. ret_cpus has
 * room for max numbers; returns how many there are. */
int probe_parse_cpus(const char *text, unsigned int *ret_cpus, size_t max);

#endif
