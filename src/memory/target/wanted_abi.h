/* memory/target/wanted_abi.h - which files and functions are shown: rules that hold in a target and
 * for who looks at one from outside.
 *
 * Threads: any. */
#ifndef GLIM_MEMORY_WANTED_ABI_H
#define GLIM_MEMORY_WANTED_ABI_H

#include <fnmatch.h>
#include <stdbool.h>
#include <string.h>

/* A pattern fits all of text, or what stands behind one of its separators: app/x.py is any folder's
 * app, and work is C.work, too. */
static inline bool wanted_fits(const char *pattern, const char *text, char separator)
{
	for (; text; text = strchr(text, separator), text += text != NULL)
		if (!fnmatch(pattern, text, 0))
			return true;
	return false;
}

/* Code that has no file of its own, or is of a package that was installed. */
static inline bool wanted_is_installed(const char *file)
{
	return *file == '<' || strstr(file, "/site-packages/") || strstr(file, "/dist-packages/");
}

#endif
