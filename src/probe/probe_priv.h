/* probe/probe_priv.h - what the files of this folder share. */
#ifndef GLIM_PROBE_PRIV_H
#define GLIM_PROBE_PRIV_H

#include <bpf/libbpf.h>
#include <stdatomic.h>

#include "base/vec.h"
#include "probe/probe.h"
#include "probe/sampler.skel.h"

enum { PROBE_CHUNK_BYTES = UNWIND_CHUNK_ROWS * sizeof(unwind_row) };

/* A CPU that is followed. */
struct probe_cpu {
	unsigned int number;
	int event; /* that runs the sampler; -1 before probe_start */
};
struct probe {
	struct sampler_bpf *skeleton;
	struct ring_buffer *ring;
	struct mapping_events *mappings;
	unsigned int hz;
	VEC(struct probe_cpu) cpus;
	size_t unsampled; /* CPUs that are online, but could not be followed */
	bool samples;	  /* probe_start was called */
	VEC(struct bpf_link *) links;
	probe_record_fn cb; /* while draining */
	void *arg;
	unsigned int room; /* records that this drain may still take */
	size_t ring_bytes;
	struct probe_tables tables;
	struct {
		unwind_row *rows;
		int fd;
	} chunks[UNWIND_MAX_CHUNKS];
	atomic_uint nchunks; /* made so far */
};

/* CPUs that are online; ret_cpus has room for PROBE_MAX_CPUS. Returns how many there are. */
int probe_online_cpus(unsigned int *ret_cpus, struct err *e);
/* Follow those that are online and not followed yet. The last error that is not -ENODEV. */
int probe_add_cpus(struct probe *p, struct err *e);
void probe_remove_cpus(struct probe *p);

/* The tables of a loaded skeleton into our address space. */
int probe_map_tables(struct probe *p, struct err *e);
void probe_unmap_tables(struct probe *p);

#endif
