/* OTLP as a file: the bytes of one ExportProfilesServiceRequest, as a collector takes it. */
#include "format/otlp.h"

#include "base/wire.h"

/* resource_profiles (1) and dictionary (2), and in the first of them a message with a field 1 or 2:
 * a plain pprof file, which begins with the same byte, goes on with a number. */
static bool otlp_detect(const void *data, size_t n)
{
	const uint8_t *p = data;
	struct wire_reader r = wire_reader(data, n);
	struct wire_field f;
	size_t fields = 0;

	for (; wire_next(&r, &f); fields++)
		if (f.type != WIRE_BYTES || f.number < 1 || f.number > 2)
			return false;
	if (!fields || r.error)
		return false;
	r = wire_reader(p, n);
	wire_next(&r, &f);
	r = wire_sub(&f);
	return !f.len || (wire_next(&r, &f) && f.type == WIRE_BYTES && f.number <= 2);
}

/* A file does not know of which service and host it is. */
static int otlp_write(const struct profile *p, struct buf *out, struct err *e)
{
	const struct otlp_resource nobody = {.scope_version = GLIM_VERSION};

	return otlp_write_profiles(&nobody, &p, 1, out, e);
}

static int otlp_read(const void *data, size_t n, profile_vec *ret_profiles, struct err *e)
{
	struct otlp_profiles v;
	size_t before = ret_profiles->len;
	int rc = otlp_read_profiles(data, n, &v, e);

	if (rc < 0)
		return rc;
	for (size_t i = 0; i < v.parts.len; i++)
		for (size_t k = 0; k < v.parts.data[i].profiles.len; k++)
			vec_push(ret_profiles, take_ptr(v.parts.data[i].profiles.data[k]));
	if (ret_profiles->len == before)
		rc = err_set(e, -EBADMSG, "OTLP: no profile that Glim knows%s%s",
			     *v.reason ? ": " : "", v.reason);
	otlp_profiles_fini(&v);
	return rc;
}

const struct format format_otlp = {
	.name = "otlp",
	.suffix = ".otlp",
	.mime = "application/x-protobuf",
	.binary = true,
	.detect = otlp_detect,
	.write = otlp_write,
	.read = otlp_read,
};
