#include "server/secret.h"

#include <sodium.h>

_Static_assert(STORE_HASH_MAX >= crypto_pwhash_STRBYTES, "a password's hash fits its field");

int secret_init(struct err *e)
{
	if (sodium_init() < 0)
		return err_set(e, -EIO, "libsodium cannot start: no source of randomness");
	return 0;
}

void secret_random(char *ret, size_t n)
{
	static const char letters[] =
		"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

	/* randombytes_uniform draws again where a remainder would favour some letters. */
	for (size_t i = 0; i < n; i++)
		ret[i] = letters[randombytes_uniform(sizeof(letters) - 1)];
	ret[n] = '\0';
}

void secret_key(char ret[SECRET_KEY_LEN + 1])
{
	memcpy(ret, "glim_", 5);
	secret_random(ret + 5, SECRET_KEY_LEN - 5);
}

void secret_hash(const char *secret, uint8_t ret[32])
{
	crypto_generichash(ret, 32, (const unsigned char *)secret, strlen(secret), NULL, 0);
}

void secret_hex(const uint8_t hash[32], char ret[65])
{
	sodium_bin2hex(ret, 65, hash, 32);
}

bool secret_equal(const void *a, const void *b, size_t n)
{
	return !sodium_memcmp(a, b, n);
}

int password_hash(const char *password, char ret[STORE_HASH_MAX], struct err *e)
{
	char out[crypto_pwhash_STRBYTES];

	if (crypto_pwhash_str(out, password, strlen(password), crypto_pwhash_OPSLIMIT_INTERACTIVE,
			      crypto_pwhash_MEMLIMIT_INTERACTIVE))
		return err_set(e, -ENOMEM, "not enough memory to hash a password");
	memcpy(ret, out, sizeof(out));
	return 0;
}

bool password_ok(const char *hash, const char *password)
{
	return !crypto_pwhash_str_verify(hash, password, strlen(password));
}
