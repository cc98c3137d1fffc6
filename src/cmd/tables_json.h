/* cmd/tables_json.h - the figures of unwind tables, as an agent's state and `glim doctor` have
 * them.
 *
 * Threads: any. */
#ifndef GLIM_CMD_TABLES_JSON_H
#define GLIM_CMD_TABLES_JSON_H

#include "base/json.h"
#include "capture/capture.h"

/* Put the member "unwind_tables" into an object. */
void tables_json(struct json *j, const struct capture_tables *t,
		 const struct capture_refusal *refusals, size_t n);

#endif
