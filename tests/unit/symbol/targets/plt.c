/* Calls into the C library through tables that linkers make in several ways. A function of which
 * the address is taken, too, has its entry apart. _ZN4glim5thereEv is what C++ calls glim::there().
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#ifdef WITH_LIBRARY
int there(void) __asm__("_ZN4glim5thereEv");
#else
#define there() 0
#endif

int main(int argc, char **argv)
{
	int (*volatile say)(const char *) = puts;
	char *copy = malloc(strlen(argv[0]) + 1);

	strcpy(copy, argv[0]);
	puts(copy);
	say(getenv("HOME") ? copy : "none");
	printf("%ld %d\n", (long)time(NULL), there());
	free(copy);
	return strchr(argv[0], argc) != NULL;
}
