/* process/priority.h - a thread that looks at others comes before them when it wants a CPU: what it
 * looks at late has gone on. */
#ifndef GLIM_PROCESS_PRIORITY_H
#define GLIM_PROCESS_PRIORITY_H

/* Of the calling thread, and of those that it starts from now on, as far as it is allowed: a better
 * nice value wants CAP_SYS_NICE; a short slice, with which it waits less for one that runs, wants
 * Linux 6.12 and no right. */
void priority_raise(void);

#endif
