/* Names of symbols in those files. */
#include "fuzz.h"
#include "symbol/demangle.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *name = strndup((const char *)data, size);
	char *text = demangle(name);

	CHECK(strlen(text) <= DEMANGLE_MAX_OUT || strlen(name) > DEMANGLE_MAX_IN);
	free(text);
	free(name);
	return 0;
}
