/* format/otlp.h - OpenTelemetry profiles and metrics, the wire between agent and server.
 *
 * Written: opentelemetry-proto 1.10 and later (profiles/v1development, metrics/v1). Read: that and
 * the 1.8/1.9 field numbers of Sample and Profile, told apart once a request. Resource attributes
 * become labels of every sample (host.name -> host, container.id -> container), sample attributes
 * too (process.pid -> pid, process.executable.name -> process, thread.name -> thread,
 * thread.id -> tid); others keep their name. service.name names the service.
 *
 * Memory: what is read is freed with the _fini functions. Threads: any. */
#ifndef GLIM_FORMAT_OTLP_H
#define GLIM_FORMAT_OTLP_H

#include "format/format.h"

/* Who sends: becomes the resource of a request. */
struct otlp_resource {
	const char *service;
	const char *host;
	const char *host_id;	   /* /etc/machine-id or NULL */
	const char *scope_version; /* version of glim */
};

/* One service's part of a request. */
struct otlp_profiles_part {
	char *service; /* "" where the request names none */
	char *host;
	profile_vec profiles;
};
struct otlp_profiles {
	VEC(struct otlp_profiles_part) parts;
	uint64_t rejected; /* profiles left out, e.g. with a sample type that Glim does not know */
	char reason[256];  /* why, "" when none */
	bool old_layout;   /* the request had the field numbers of 1.8/1.9 */
};

int otlp_write_profiles(const struct otlp_resource *r, const struct profile *const *profiles,
			size_t n, struct buf *out, struct err *e);
int otlp_read_profiles(const void *p, size_t n, struct otlp_profiles *ret, struct err *e);
void otlp_profiles_fini(struct otlp_profiles *v);

/* A number at a time. Rates are already per second: `interval_ns` before time_ns is what it covers
 * (0: a moment). */
struct otlp_label {
	const char *key;
	const char *value;
};
struct otlp_point {
	/* Glim's own names: cpu, cpu.capacity, memory, memory.capacity, process.cpu,
	 * process.memory, samples, remarks, lost; others as OTLP named them. */
	const char *metric;
	const struct otlp_label *labels;
	size_t nlabels;
	int64_t time_ns;
	int64_t interval_ns;
	/* cpu, process.cpu: cores; memory: bytes; samples, remarks, lost: samples within the
	 * interval. */
	double value;
};
struct otlp_metrics_part {
	const char *service;
	const char *host;
	VEC(struct otlp_point) points;
};
struct otlp_metrics {
	struct arena arena; /* all text below */
	VEC(struct otlp_metrics_part) parts;
	uint64_t rejected;
	char reason[256];
};

/* cpu and process.cpu are written as delta sums system.cpu.time and process.cpu.time (s, attribute
 * cpu.mode "busy" for the host's), cpu.capacity as system.cpu.logical.count, memory as
 * system.memory.usage (state used), memory.capacity as system.memory.limit, process.memory as
 * process.memory.usage, samples, remarks and lost as delta sums glim.samples, glim.remarks and
 * glim.lost. */
int otlp_write_metrics(const struct otlp_resource *r, const struct otlp_point *points, size_t n,
		       struct buf *out, struct err *e);
int otlp_read_metrics(const void *p, size_t n, struct otlp_metrics *ret, struct err *e);
void otlp_metrics_fini(struct otlp_metrics *m);

/* Body of the response: empty, or partial_success with what was rejected and why. */
void otlp_write_response(uint64_t rejected, const char *reason, struct buf *out);

#endif
