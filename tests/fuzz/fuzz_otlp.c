/* Uploads, after decompression: profiles and metrics. What was read can be written and read again.
 */
#include "format/otlp.h"
#include "fuzz.h"

static void read_again(const struct otlp_profiles_part *part)
{
	struct otlp_resource resource = {part->service, part->host, NULL, "fuzz"};
	struct otlp_profiles again;
	struct buf out = {};

	if (part->profiles.len &&
	    otlp_write_profiles(&resource, (const struct profile *const *)part->profiles.data,
				part->profiles.len, &out, NULL) >= 0) {
		CHECK(otlp_read_profiles(out.data, out.len, &again, NULL) >= 0);
		otlp_profiles_fini(&again);
	}
	buf_fini(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct otlp_profiles profiles;
	struct otlp_metrics metrics;
	struct err e;

	if (otlp_read_profiles(data, size, &profiles, &e) >= 0) {
		for (size_t i = 0; i < MIN(profiles.parts.len, (size_t)4); i++)
			read_again(&profiles.parts.data[i]);
		otlp_profiles_fini(&profiles);
	}
	if (otlp_read_metrics(data, size, &metrics, &e) >= 0)
		otlp_metrics_fini(&metrics);
	return 0;
}
