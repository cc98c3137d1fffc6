/* probe/probe_priv.h - what the files of this folder share. */
#ifndef GLIM_PROBE_PRIV_H
#define GLIM_PROBE_PRIV_H

#include <bpf/libbpf.h>

#include "base/vec.h"
#include "probe/probe.h"
#include "probe/sampler.skel.h"

enum { PROBE_CHUNK_BYTES = UNWIND_CHUNK_ROWS * sizeof(unwind_row) };

struct probe {
	struct sampler_bpf *skeleton;
	struct ring_buffer *ring;
	struct mapping_events *mappings;
	unsigned int hz;
	VEC(unsigned int) cpus; /* online when opened */
	VEC(int) events;
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
};

/* The tables of a loaded skeleton into our address space. */
int probe_map_tables(struct probe *p, struct err *e);
void probe_unmap_tables(struct probe *p);

#endif
