/* cmd/key.h - the API key, kept away from eyes. Threads: the main thread, at the start. */
#ifndef GLIM_CMD_KEY_H
#define GLIM_CMD_KEY_H

#include "base/buf.h"
#include "base/err.h"

#define KEY_DEFAULT_FILE "/etc/glim/key"

/* Find the key: in the file named by --key-file, then in GLIM_KEY, then in KEY_DEFAULT_FILE.
 * GLIM_KEY is wiped in any case, so that neither /proc/PID/environ nor a child shows it. ret_key is
 * terminated, and empty when there is none; wipe it with key_fini. */
int key_load(const char *file, struct buf *ret_key, struct err *e);
void key_fini(struct buf *key);
#define cleanup_key cleanup(key_fini)

#endif
