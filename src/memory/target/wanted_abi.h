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

/* The code that starts a program and its modules, which has a main, too. below: what follows the
 * folder of Python's own modules in the name of the file; NULL: it is elsewhere. */
static inline bool wanted_starts_programs(const char *file, const char *below)
{
	static const char *const files[] = {"site.py", "runpy.py", "importlib/"};

	if (!strncmp(file, "<frozen ", strlen("<frozen ")))
		return true;
	for (size_t i = 0; below && i < sizeof(files) / sizeof(*files); i++)
		if (!strncmp(below, files[i], strlen(files[i])))
			return true;
	return false;
}

/* Does a pattern ask for a function by its file or its name? Names of those that start programs are
 * meant by nobody, nor are their frozen files, but by patterns of such. */
static inline bool wanted_by_pattern(const char *pattern, const char *file, const char *name,
				     bool starts_programs)
{
	bool frozen = starts_programs && *file == '<';

	return ((!frozen || *pattern == '<') && wanted_fits(pattern, file, '/')) ||
	       (!starts_programs && wanted_fits(pattern, name, '.'));
}

#endif
