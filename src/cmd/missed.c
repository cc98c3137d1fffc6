#include "cmd/missed.h"

static const double min_seconds = 0.05, min_share = 0.01;

uint64_t missed_samples(const struct capture_stats *s)
{
	return s->lost_ring + s->lost_scratch + s->missed;
}

double missed_cpu(const struct capture_stats *s, double seconds)
{
	double cpu = (double)s->unsampled_ns / NSEC_PER_SEC;

	return cpu < min_seconds || cpu <= min_share * seconds ? 0 : cpu;
}
