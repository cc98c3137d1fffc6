/* process/process_priv.h - what the files of this folder share. */
#ifndef GLIM_PROCESS_PRIV_H
#define GLIM_PROCESS_PRIV_H

#include "process/process.h"

/* What Glim wants of one /proc/PID/stat line. */
struct stat_line {
	char comm[16];
	char state;
	pid_t parent;
	uint64_t faults;    /* pages that it touched for the first time, without reading a disk */
	uint64_t cpu_ticks; /* user and system, of all threads, dead ones too */
	uint64_t start_time;
	uint64_t rss_pages;
};

/* Parse the n bytes of a stat line; -EBADMSG when it is none. */
int stat_line_parse(const char *s, size_t n, struct stat_line *ret);
/* Read /proc/PID/stat below the descriptor of /proc; -ESRCH when the process is gone. */
int stat_line_read(int proc_fd, pid_t pid, struct stat_line *ret);

enum {
	/* Far more than vm.max_map_count lets a process have by default (65,530 of all kinds). */
	MAX_EXECUTABLE_MAPPINGS = 1 << 16,
};

/* Append the executable mappings of an open maps file to p; what was read before a failure stays
 * there. The kernel is asked for each, which skips all others and needs Linux 6.11; else the text
 * is read. */
int maps_read(int fd, struct process *p);
/* The two ways; -ENOTTY where the kernel cannot be asked. */
int maps_query(int fd, struct process *p);
int maps_read_text(int fd, struct process *p);
/* Append a mapping, or count it as dropped; its path belongs to p then. */
void maps_add(struct process *p, struct mapping *m);
/* Does the path of n bytes end in " (deleted)"? Then n is made shorter. */
bool maps_cut_deleted(const char *path, size_t *n);
void maps_free(struct process *p);

/* "No such file" below /proc/PID and "no such process" are the same thing to us. */
static inline int gone(int error)
{
	return error == ENOENT ? -ESRCH : -error;
}

#endif
