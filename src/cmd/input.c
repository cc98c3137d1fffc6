#include "cmd/input.h"

#include <unistd.h>

#include "base/io.h"
#include "base/utf8.h"
#include "format/format.h"

enum { MAX_FILE = 1 << 30 };

/* As a message may show it. */
static const char *shown(const char *path, struct buf *b)
{
	if (!strcmp(path, "-"))
		return "standard input";
	utf8_put_printable(b, path, strlen(path));
	return buf_cstr(b);
}

static int no_such_type(const profile_vec *v, const char *type, const char *name, struct err *e)
{
	cleanup_buf struct buf b = {};

	for (size_t i = 0; i < v->len; i++)
		if (!memmem(b.data, b.len, v->data[i]->type, strlen(v->data[i]->type)))
			buf_printf(&b, "%s%s", b.len ? ", " : "", v->data[i]->type);
	return err_set(e, -EINVAL, "%s has no profile of the type \"%.15s\", but of %s", name, type,
		       buf_cstr(&b));
}

static int choose(profile_vec *v, const char *type, const char *name, struct profile **ret_p,
		  struct err *e)
{
	struct profile *p = NULL;
	int r;

	for (size_t i = 0; i < v->len; i++) {
		struct profile *one = v->data[i];

		if (!p && (!type || !strcmp(type, one->type)))
			p = take_ptr(v->data[i]);
		else if (p && !strcmp(p->type, one->type) && !strcmp(p->unit, one->unit)) {
			r = profile_merge(p, one, NULL, 0, e);
			if (r < 0) {
				profile_free(p);
				return r;
			}
		}
	}
	if (!p)
		return no_such_type(v, type, name, e);
	*ret_p = p;
	return 0;
}

int input_read(const char *path, const char *type, struct profile **ret_p, struct err *e)
{
	cleanup(profile_vec_fini) profile_vec v = {};
	cleanup_buf struct buf data = {}, printable = {};
	const char *name = shown(path, &printable);
	const struct format *f;
	int r = strcmp(path, "-") ? io_read_file(path, MAX_FILE, &data)
				  : io_read_fd(STDIN_FILENO, MAX_FILE, &data);

	if (r == -EFBIG)
		return err_set(e, r, "%s has more than a gigabyte", name);
	if (r < 0)
		return err_sys(e, r, "cannot read %s", name);
	f = format_detect(data.data, data.len);
	if (!f || !f->read)
		return err_set(e, -EBADMSG, "%s is no profile that Glim knows%s", name,
			       data.len ? "" : ": it is empty");
	r = f->read(data.data, data.len, &v, e);
	if (r < 0)
		return err_prefix(e, "%s", name);
	return choose(&v, type, name, ret_p, e);
}
