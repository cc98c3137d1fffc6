#include "format/format.h"

/* All formats, the ones that are hardest to mistake first: format_detect asks in this order. */
static const struct format *const formats[] = {
	&format_pprof, &format_otlp, &format_speedscope, &format_html, &format_folded,
};

void profile_vec_fini(profile_vec *v)
{
	for (size_t i = 0; i < v->len; i++)
		profile_free(v->data[i]);
	vec_fini(v);
}

const struct format *format_at(size_t i)
{
	return i < ARRAY_SIZE(formats) ? formats[i] : NULL;
}

const struct format *format_by_name(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(formats); i++)
		if (!strcmp(formats[i]->name, name))
			return formats[i];
	return NULL;
}

const struct format *format_by_file_name(const char *path)
{
	size_t len = strlen(path);

	for (size_t i = 0; i < ARRAY_SIZE(formats); i++) {
		size_t n = strlen(formats[i]->suffix);

		if (len > n && !strcmp(path + len - n, formats[i]->suffix))
			return formats[i];
	}
	return NULL;
}

const struct format *format_detect(const void *p, size_t n)
{
	for (size_t i = 0; i < ARRAY_SIZE(formats); i++)
		if (formats[i]->detect(p, n))
			return formats[i];
	return NULL;
}
