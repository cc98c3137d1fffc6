#include "cmd/key.h"

#include <ctype.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/io.h"
#include "base/log.h"

enum { MAX_KEY = 1024 };

static int read_file(const char *path, struct buf *ret_key, struct err *e)
{
	cleanup_close int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat st;
	int r = fd < 0 || fstat(fd, &st) ? -errno : io_read_fd(fd, MAX_KEY, ret_key);

	if (r)
		return err_sys(e, r, "cannot read the key from %s", path);
	if (S_ISREG(st.st_mode) && st.st_mode & 077)
		log_warning("others may read the key in %s: chmod 600 would change that", path);
	return 0;
}

void key_fini(struct buf *key)
{
	if (key->data)
		explicit_bzero(key->data, key->cap);
	buf_fini(key);
}

int key_load(const char *file, struct buf *ret_key, struct err *e)
{
	char *env = getenv("GLIM_KEY");
	int r = 0;

	/* One piece of memory from the start: growing would leave copies behind. */
	buf_reserve(ret_key, 16384);
	if (file)
		r = read_file(file, ret_key, e);
	else if (env)
		buf_append(ret_key, env, MIN(strlen(env), MAX_KEY));
	else if (!access(KEY_DEFAULT_FILE, F_OK))
		r = read_file(KEY_DEFAULT_FILE, ret_key, e);
	if (env)
		explicit_bzero(env, strlen(env));
	unsetenv("GLIM_KEY");
	while (ret_key->len && isspace(ret_key->data[ret_key->len - 1]))
		ret_key->len--;
	buf_cstr(ret_key);
	return r;
}
