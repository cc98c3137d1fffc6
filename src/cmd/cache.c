#include "cmd/cache.h"

#include <sys/stat.h>
#include <unistd.h>

static char *root(void)
{
	const char *cache = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");

	/* A relative path there is to be ignored (XDG Base Directory Specification). */
	if (cache && *cache == '/')
		return mem_asprintf("%s/glim", cache);
	if (geteuid() && home && *home == '/')
		return mem_asprintf("%s/.cache/glim", home);
	return mem_strdup("/var/cache/glim");
}

char *cache_folder(const char *name)
{
	cleanup_free char *top = root();

	/* Who makes the last one finds out whether these could be made. */
	for (char *s = strchr(top + 1, '/'); s; s = strchr(s + 1, '/')) {
		*s = '\0';
		mkdir(top, 0755);
		*s = '/';
	}
	mkdir(top, 0700);
	return mem_asprintf("%s/%s", top, name);
}
