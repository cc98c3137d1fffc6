// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* probe/codes.bpf.h - the code objects of Python that were sampled lately.
 *
 * The reader is woken for others: it reads their names, and some live for no longer than a module
 * takes to import. Included by sampler.bpf.c, behind unwind/walk.h. */
#ifndef GLIM_PROBE_CODES_BPF_H
#define GLIM_PROBE_CODES_BPF_H

enum { CODES_A_SAMPLE = 4 }; /* that are looked at */

struct code_object {
	uint64_t address;
	uint32_t check;
	uint32_t pid;
};

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, PROBE_MAX_CODES);
	__type(key, struct code_object);
	__type(value, uint32_t);
} codes SEC(".maps");

/* A code object that was not sampled before, or long ago; from now on it was. */
static __always_inline bool code_is_new(uint32_t pid, const struct unwind_entry *e)
{
	const struct code_object code = {.address = e->address, .check = e->tag >> 8, .pid = pid};
	const uint32_t one = 1;

	if ((e->tag & 0xff) > UNWIND_PYTHON_LAST)
		return false;
	if (bpf_map_lookup_elem(&codes, &code))
		return false;
	bpf_map_update_elem(&codes, &code, &one, BPF_ANY);
	return true;
}

#endif
