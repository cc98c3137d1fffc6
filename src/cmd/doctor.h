/* cmd/doctor.h - what `glim doctor` looks at, a finding a line.
 *
 * Memory: findings belong to the caller. Threads: one. */
#ifndef GLIM_CMD_DOCTOR_H
#define GLIM_CMD_DOCTOR_H

#include "base/err.h"
#include "base/vec.h"
#include "capture/capture.h"

enum finding_mark { FINDING_OK, FINDING_WARN, FINDING_FAIL };
struct finding {
	enum finding_mark mark;
	char name[32];
	char detail[400];
	char cure[400]; /* "" where nothing is to be done */
};
typedef VEC(struct finding) finding_vec;

void finding_add(finding_vec *v, enum finding_mark mark, const char *name, const char *cure,
		 const char *fmt, ...) PRINTF_LIKE(5, 6);
/* The longest drains of a ring, with what unwind tables took of them. */
void finding_add_drains(finding_vec *v, const char *name, int64_t cpu_ns, int64_t ns,
			int64_t tables_cpu_ns, int64_t tables_ns);

/* What a second of sampling came to. */
struct doctor_samples {
	struct capture_stats stats;
	struct capture_refusal refusals[CAPTURE_MAX_REFUSALS];
	size_t nrefusals;
};
/* What the kernel offers, and a second of real sampling. ret is zero where none was possible. */
void doctor_capture(finding_vec *v, struct doctor_samples *ret);
/* Names of kernel functions; programs whose frames have names of their own. */
void doctor_names(finding_vec *v);
/* How many of the files that processes run can name their functions. */
void doctor_native_names(finding_vec *v);
/* Agents that run here, by what they left in state (NULL: the usual place). */
void doctor_agents(finding_vec *v, const char *state);
void doctor_clock(finding_vec *v);
/* Can this server be reached, trusted, and does it take the key? */
void doctor_server(finding_vec *v, const char *url, const char *ca_file, const char *key);

#endif
