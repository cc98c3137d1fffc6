/* capture/run_clock.h - how much of a thread's time on a CPU a sample of it stands for.
 *
 * The kernel tells how long a thread ran, and how often it came to a CPU and left it. The first
 * grows only now and then while the thread runs (Linux: at the tick of its CPU, 100 to 1000 times a
 * second, and when it leaves the CPU), the others at once. A sample is taken while the thread is on
 * a CPU: one that was woken and waits for a CPU still stands where it slept, and would count that
 * place too high. A sample stands for all run time since the last one, so that the samples of a
 * thread add up to its run time, however late they are taken. Between two ticks of the CPU what a
 * thread on it has run is reckoned by the time that passed, and settled by the next samples.
 *
 * Memory: none. Threads: one at a time a clock. */
#ifndef GLIM_CAPTURE_RUN_CLOCK_H
#define GLIM_CAPTURE_RUN_CLOCK_H

#include "base/base.h"

struct run_clock {
	int64_t run_ns;		  /* as the kernel told last */
	uint64_t arrivals;	  /* on a CPU, likewise */
	uint64_t left, sent_away; /* how often it left the CPU, at the last reading of that */
	int64_t changed_ns;	  /* when run_ns or arrivals was seen to have changed */
	int64_t given_ns; /* of run_ns, what samples stand for; more when they reckoned too much */
	bool started;	  /* looked at before */
	bool on_cpu;	  /* when it was looked at last */
	bool trusted;	  /* that it was, because it was ready to run */
	bool ran;	  /* until the last look, since the one before */
};

enum run_news {
	RUN_IDLE,  /* it was on no CPU since the last look */
	RUN_STAYS, /* it was on a CPU at the last look, and did not leave it, or it had run longer;
		    * left and sent_away hold still */
	RUN_UNKNOWN, /* it may be on a CPU */
	RUN_RAN,     /* it was on one, and may be still */
	RUN_GOES_ON, /* the same; it was on one at the last look, too, and came to none since: it is
		      * there still, or left it just once */
};
/* What the kernel tells now. Of what a thread ran before the first look, first_ns count at most. */
enum run_news run_clock_look(struct run_clock *c, int64_t run_ns, uint64_t arrivals, int64_t now_ns,
			     int64_t first_ns);
/* After a look that had news: the thread sleeps. */
void run_clock_rest(struct run_clock *c);
/* After a look that had news: it is ready to run; how often it left a CPU by itself, and how often
 * it had to. Returns what a sample stands for; 0: there is none to be taken. A thread that is never
 * met on a CPU, such as the only one of a machine, has a sample when patience_ns are due. */
int64_t run_clock_take(struct run_clock *c, uint64_t left, uint64_t sent_away, int64_t now_ns,
		       int64_t patience_ns);
/* After a look that said that it goes on, where it is ready to run and has reasons to be on a CPU:
 * what a sample stands for, on trust, without asking how often it left. */
int64_t run_clock_trust(struct run_clock *c);
/* It had none: the value of the sample is to be taken again, by run_clock_take. */
void run_clock_give_back(struct run_clock *c, int64_t value);
/* What no sample stands for. */
static inline int64_t run_clock_left(const struct run_clock *c)
{
	return MAX(c->run_ns - c->given_ns, 0);
}

#endif
