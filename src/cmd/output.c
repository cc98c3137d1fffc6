#include "cmd/output.h"

#include <unistd.h>

#include "sink/file.h"

const char *output_formats(struct arena *a)
{
	cleanup_buf struct buf b = {};
	const char *names[16];
	size_t n = 0;

	for (size_t i = 0; format_at(i); i++) {
		CHECK(i < ARRAY_SIZE(names));
		if (format_at(i)->write)
			names[n++] = format_at(i)->name;
	}
	for (size_t i = 0; i < n; i++)
		buf_printf(&b, "%s%s", !i ? "" : i + 1 < n ? ", " : " or ", names[i]);
	return arena_strdup(a, buf_cstr(&b));
}

static int no_format(const char *name, const char *path, struct err *e)
{
	struct arena a = {};
	const char *formats = output_formats(&a);

	if (name)
		err_set(e, -EINVAL, "there is no format \"%.40s\": use %s", name, formats);
	else
		err_set(e, -EINVAL,
			"the name %.200s does not tell the format: add -f and one of %s", path,
			formats);
	arena_fini(&a);
	return -EINVAL;
}

int output_format(const char *name, const char *path, const struct format **ret_format,
		  struct err *e)
{
	const struct format *f = name ? format_by_name(name) : format_by_file_name(path);

	if (!f)
		return no_format(name, path, e);
	if (!f->write)
		return err_set(e, -EINVAL, "the format %s cannot be written", f->name);
	*ret_format = f;
	return 0;
}

int output_check(const struct format *f, const char *path, struct err *e)
{
	if (f->binary && !strcmp(path, "-") && isatty(STDOUT_FILENO))
		return err_set(e, -EINVAL, "a %s file is no text for a terminal: use -o FILE",
			       f->name);
	return file_check(path, e);
}
