/* Leaves that burn known CPU time, and the truth about it at the program's end.
 *
 * A program has places: the stack that leads to one (names with a space between them, root first;
 * "..." is any number of functions that are not the program's own, "down*200" is 200 of them in a
 * row), and how much CPU time, more or less, one BURN of it takes. BURN is a macro with its own
 * system call, so that the time is spent in the very function that it stands in. Counters are
 * shared with forked children.
 *
 * The first part of a run is a warm-up in truth_warm, whose samples nobody judges: a profiler may
 * need a moment for a file that it has never seen.
 *
 * env TRUTH_CPU_MS: CPU time to burn in all (1000); TRUTH_WARM_MS: the warm-up (300);
 * TRUTH_COMM: a name that the process gives itself.
 */
#ifndef TRUTH_H
#define TRUTH_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <time.h>

#define KEPT   __attribute__((noinline, noclone, used))
#define INLINE static inline __attribute__((always_inline))
/* Behind a call: what follows is not the last thing of the function, so it is no tail call. */
#define HERE() __asm__ volatile("" ::: "memory")
#ifdef __clang__
#undef KEPT
#define KEPT __attribute__((noinline, used))
#endif

struct truth_place {
	const char *stack;
	uint64_t us;	     /* of one BURN; 0: it burns nothing, the stack only tells calls */
	const char *outcome; /* what must become of it, when it is not "complete" */
	uint64_t ns, seed;
};

/* Of the calling thread, with no function between. */
#define TRUTH_CLOCK()                                                                              \
	({                                                                                         \
		struct timespec time_;                                                             \
		long ret_;                                                                         \
		__asm__ volatile("syscall"                                                         \
				 : "=a"(ret_)                                                      \
				 : "0"((long)SYS_clock_gettime),                                   \
				   "D"((long)CLOCK_THREAD_CPUTIME_ID), "S"(&time_)                 \
				 : "rcx", "r11", "memory");                                        \
		(uint64_t) time_.tv_sec * 1000000000u + (uint64_t)time_.tv_nsec;                   \
	})

/* Slices vary, as the time between two decays does, so that they never fall in step with the
 * sampler: the logarithm of a random number, by its leading zeroes and the ten digits that follow.
 */
#define TRUTH_SLICE(p)                                                                             \
	({                                                                                         \
		uint64_t random_ = (p)->seed * 6364136223846793005u + 1442695040888963407u;        \
		(p)->seed = random_;                                                               \
		random_ |= 1u << 20;                                                               \
		int zeroes_ = __builtin_clzll(random_);                                            \
		(p)->us * 693 * (1024u * (zeroes_ + 1u) - (((random_ << zeroes_) >> 53) & 1023)) / \
			1024;                                                                      \
	})

#define BURN_PLACE(p)                                                                              \
	do {                                                                                       \
		uint64_t burn_start_ = TRUTH_CLOCK(), burn_end_ = burn_start_ + TRUTH_SLICE(p);    \
		uint64_t burn_now_ = burn_start_;                                                  \
		while (burn_now_ < burn_end_) {                                                    \
			for (int burn_i_ = 0; burn_i_ < 20000; burn_i_++)                          \
				__asm__ volatile("");                                              \
			burn_now_ = TRUTH_CLOCK();                                                 \
		}                                                                                  \
		__atomic_fetch_add(&(p)->ns, burn_now_ - burn_start_, __ATOMIC_RELAXED);           \
	} while (0)

#define BURN(i) BURN_PLACE(&truth_places[i])

static struct truth_place *truth_places;
static size_t truth_count;

static inline uint64_t truth_number(const char *name, uint64_t otherwise)
{
	const char *text = getenv(name);

	return text ? strtoull(text, NULL, 10) : otherwise;
}

static KEPT void truth_warm(uint64_t ms)
{
	uint64_t end = TRUTH_CLOCK() + ms * 1000000u;

	while (TRUTH_CLOCK() < end)
		for (int i = 0; i < 20000; i++)
			HERE();
}

/* The places, in memory that children share. */
static inline void truth_init(const struct truth_place *places, size_t n)
{
	void *memory = mmap(NULL, n * sizeof(*places), PROT_READ | PROT_WRITE,
			    MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (memory == MAP_FAILED)
		abort();
	memcpy(memory, places, n * sizeof(*places));
	truth_places = (struct truth_place *)memory;
	truth_count = n;
	if (getenv("TRUTH_COMM"))
		prctl(PR_SET_NAME, getenv("TRUTH_COMM"));
}

#define TRUTH_INIT(places)                                                                         \
	do {                                                                                       \
		truth_init(places, sizeof(places) / sizeof((places)[0]));                          \
		truth_warm(truth_number("TRUTH_WARM_MS", 300));                                    \
	} while (0)

static inline uint64_t truth_burnt(void)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < truth_count; i++)
		sum += __atomic_load_n(&truth_places[i].ns, __ATOMIC_RELAXED);
	return sum;
}

/* Until the time to burn is burnt. */
static inline int truth_goes_on(void)
{
	return truth_burnt() < truth_number("TRUTH_CPU_MS", 1000) * 1000000u;
}

/* A line of JSON a place. */
static inline void truth_print(void)
{
	for (size_t i = 0; i < truth_count; i++) {
		const struct truth_place *p = &truth_places[i];

		printf("{\"stack\": \"%s\", \"cpu_ns\": %llu, \"outcome\": \"%s\"}\n", p->stack,
		       (unsigned long long)p->ns, p->outcome ? p->outcome : "complete");
	}
	fflush(stdout);
}

#endif
