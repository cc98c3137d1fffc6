/* Children that are copies of their parent, and children of those. */
#include <sys/wait.h>
#include <unistd.h>

#include "truth.h"

static const struct truth_place PLACES[] = {
	{"main starts child_work leaf", 20000},
	{"main starts child_work starts grandchild_work leaf", 10000},
	{"main parent_work leaf", 10000},
	{"starts ...", 0},
};

KEPT void leaf(int place)
{
	BURN(place);
}

KEPT void starts(void (*work)(void))
{
	pid_t pid = fork();

	if (pid < 0)
		abort();
	if (!pid) {
		work();
		_exit(0);
	}
	waitpid(pid, NULL, 0);
	HERE();
}

KEPT void grandchild_work(void)
{
	leaf(1);
	HERE();
}

KEPT void child_work(void)
{
	leaf(0);
	starts(grandchild_work);
	HERE();
}

KEPT void parent_work(void)
{
	leaf(2);
	HERE();
}

int main(void)
{
	TRUTH_INIT(PLACES);
	while (truth_goes_on()) {
		starts(child_work);
		parent_work();
	}
	truth_print();
	return 0;
}
