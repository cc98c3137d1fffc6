/* server/local_key.c - a key for the agent of the server's own machine, which may run before
 * there is any account. */
#include "base/clock.h"
#include "base/io.h"
#include "server/server_priv.h"

enum { KEY_FILE_MAX = 4096 };

/* Does the file hold an ingest key that the store knows? */
static bool is_good(struct store *store, const char *path)
{
	cleanup_buf struct buf text = {};
	struct store_key key;
	uint8_t hash[32];

	if (io_read_file(path, KEY_FILE_MAX, &text) < 0)
		return false;
	while (text.len && (text.data[text.len - 1] == '\n' || text.data[text.len - 1] == '\r'))
		text.len--;
	if (text.len != SECRET_KEY_LEN)
		return false;
	secret_hash(buf_cstr(&text), hash);
	return !store_key_by_hash(store, hash, &key) && key.scope == KEY_INGEST;
}

int server_local_key(struct store *store, const char *path, struct err *e)
{
	struct store_key k = {.tenant = STORE_FIRST_TENANT,
			      .name = "this machine",
			      .scope = KEY_INGEST,
			      .created = clock_real_ns()};
	char secret[SECRET_KEY_LEN + 2];
	int r = secret_init(e);

	if (r < 0 || is_good(store, path))
		return r;
	secret_key(secret);
	memcpy(k.prefix, secret, SECRET_KEY_PREFIX_LEN);
	secret_hash(secret, k.hash);
	r = store_key_add(store, &k, e);
	if (r < 0)
		return r;
	secret[SECRET_KEY_LEN] = '\n';
	return io_write_file(path, secret, SECRET_KEY_LEN + 1, 0600, e);
}
