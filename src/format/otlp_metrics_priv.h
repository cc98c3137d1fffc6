/* format/otlp_metrics_priv.h - the metrics that Glim has a name of its own for. */
#ifndef GLIM_FORMAT_OTLP_METRICS_PRIV_H
#define GLIM_FORMAT_OTLP_METRICS_PRIV_H

#include "format/otlp_priv.h"

enum metric_kind {
	METRIC_RATE,   /* a delta sum of seconds; Glim's value is seconds per second */
	METRIC_COUNT,  /* a delta sum; Glim's value is the sum */
	METRIC_MOMENT, /* a gauge */
};
struct metric_name {
	const char *metric; /* in Glim */
	const char *name;   /* in OTLP */
	const char *unit;
	enum metric_kind kind;
	const char *state_key; /* attribute that must have this value, NULL: none */
	const char *state;
};
enum { METRIC_NAMES = 9 };
extern const struct metric_name metric_names[METRIC_NAMES];

#endif
