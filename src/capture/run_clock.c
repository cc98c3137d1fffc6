#include "capture/run_clock.h"

/* A thread that was just sent away, likely by who samples it, stands where it ran; but some places
 * are left more often than others. So it has to wait for its sample, too, but a part as long. */
enum { SENT_AWAY_PART = 4 };

enum run_news run_clock_look(struct run_clock *c, int64_t run_ns, uint64_t arrivals, int64_t now_ns,
			     int64_t first_ns)
{
	bool first = !c->started, ran = run_ns != c->run_ns, arrived = arrivals != c->arrivals;
	/* Where looks are so rare that there is a tick between any two. */
	bool goes_on = ran && c->ran && !arrived && c->on_cpu;

	if (first)
		c->given_ns = run_ns - MIN(run_ns, first_ns);
	if (ran || arrived)
		c->changed_ns = now_ns;
	c->started = true;
	c->run_ns = run_ns;
	c->arrivals = arrivals;
	c->ran = ran;
	if (!first && ran)
		return goes_on ? RUN_GOES_ON : RUN_RAN;
	if (first || arrived || (c->on_cpu && c->trusted))
		return RUN_UNKNOWN;
	return c->on_cpu ? RUN_STAYS : RUN_IDLE;
}

void run_clock_rest(struct run_clock *c)
{
	c->on_cpu = c->trusted = false;
}

int64_t run_clock_trust(struct run_clock *c)
{
	int64_t value = MAX(c->run_ns - c->given_ns, 0);

	c->trusted = true;
	c->given_ns += value;
	return value;
}

void run_clock_give_back(struct run_clock *c, int64_t value)
{
	c->given_ns -= value;
}

int64_t run_clock_take(struct run_clock *c, uint64_t left, uint64_t sent_away, int64_t now_ns,
		       int64_t patience_ns)
{
	bool on_cpu = c->arrivals == left + sent_away + 1;
	bool just_sent_away =
		c->changed_ns == now_ns && left == c->left && sent_away != c->sent_away;
	/* It was there all the time since. */
	int64_t value = c->run_ns + (on_cpu ? now_ns - c->changed_ns : 0) - c->given_ns;

	c->on_cpu = on_cpu;
	c->trusted = false;
	c->left = left;
	c->sent_away = sent_away;
	if (just_sent_away)
		patience_ns /= SENT_AWAY_PART;
	if (value <= 0 || (!on_cpu && value < patience_ns))
		return 0;
	c->given_ns += value;
	return value;
}
