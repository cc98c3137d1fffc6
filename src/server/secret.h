/* server/secret.h - passwords, session secrets and API keys.
 *
 * Passwords are stored as argon2id (libsodium's INTERACTIVE limits, 64 MiB). Session secrets and
 * keys are long random text, so that one plain hash (BLAKE2b, 256 bits) is enough to store.
 * Threads: any, after secret_init. */
#ifndef GLIM_SERVER_SECRET_H
#define GLIM_SERVER_SECRET_H

#include "base/base.h"
#include "base/err.h"
#include "store/store.h"

enum {
	SECRET_SESSION_LEN = 43,   /* base62: 256 bits */
	SECRET_KEY_LEN = 5 + 32,   /* "glim_" and 190 bits */
	SECRET_KEY_PREFIX_LEN = 9, /* "glim_Ab3d" */
	SECRET_PASSWORD_MIN = 10,
	SECRET_PASSWORD_MAX = 1024,
};

int secret_init(struct err *e);
/* n random characters of 0-9A-Za-z, all equally likely, and a NUL byte behind them. */
void secret_random(char *ret, size_t n);
void secret_key(char ret[SECRET_KEY_LEN + 1]);
void secret_hash(const char *secret, uint8_t ret[32]);
void secret_hex(const uint8_t hash[32], char ret[65]);
/* Same bytes? Takes as long whatever the answer is. */
bool secret_equal(const void *a, const void *b, size_t n);

/* -ENOMEM when there are no 64 MiB to work in. */
int password_hash(const char *password, char ret[STORE_HASH_MAX], struct err *e);
bool password_ok(const char *hash, const char *password);

#endif
