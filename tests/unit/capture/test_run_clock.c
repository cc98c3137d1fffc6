/* A machine whose scheduler is simulated: what samples stand for adds up to what threads ran. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "capture/run_clock.h"

enum { US = 1000, MS = 1000000, TICK_US = 4000, WHERES = 2, PATIENCE = 160 * MS };

/* A thread that goes on to its next phase when it ran long enough, or slept. */
struct phase {
	bool sleeps;
	int where; /* in the program, as a stack would tell */
	int us;
};
struct thread {
	const struct phase *phases;
	size_t count, at;
	int left_us;
	bool on_cpu;
	bool trusted; /* whoever samples it need not ask how often it left */
	int64_t run_us, told_us, ran_us[WHERES];
	uint64_t arrivals, left, sent_away;
	struct run_clock clock;
	int64_t counted_ns[WHERES];
	unsigned int samples, asked;
};

static bool is_ready(const struct thread *t)
{
	return !t->phases[t->at].sleeps;
}

static void leave_cpu(struct thread *t)
{
	t->told_us = t->run_us;
	t->on_cpu = false;
}

static void next_phase(struct thread *t)
{
	t->at = (t->at + 1) % t->count;
	t->left_us = t->phases[t->at].us;
	if (!t->on_cpu || is_ready(t))
		return;
	leave_cpu(t);
	t->left++;
}

/* One CPU: who is on it is sent away at a tick when others are ready. */
static void pass_us(struct thread *threads, size_t n, int64_t now_us, size_t *turn)
{
	struct thread *on = NULL;

	for (size_t i = 0; i < n; i++)
		if (threads[i].on_cpu)
			on = &threads[i];
	if (on && now_us % TICK_US == 0) {
		on->told_us = on->run_us;
		if (n > 1) {
			leave_cpu(on);
			on->sent_away++;
			on = NULL;
		}
	}
	for (size_t k = 0; !on && k < n; k++) {
		size_t i = (*turn + 1 + k) % n;

		if (!is_ready(&threads[i]))
			continue;
		*turn = i;
		on = &threads[i];
		on->on_cpu = true;
		on->arrivals++;
	}
	for (size_t i = 0; i < n; i++) {
		struct thread *t = &threads[i];

		if (t == on) {
			t->run_us++;
			t->ran_us[t->phases[t->at].where]++;
		}
		if ((t == on || !is_ready(t)) && --t->left_us <= 0)
			next_phase(t);
	}
}

static void sample(struct thread *t, int64_t now_us)
{
	int64_t value;
	enum run_news news =
		run_clock_look(&t->clock, t->told_us * US, t->arrivals, now_us * US, 0);

	if (news == RUN_IDLE)
		return;
	if (news == RUN_STAYS) {
		assert_true(t->on_cpu);
		assert_int_equal(t->clock.left, t->left);
		assert_int_equal(t->clock.sent_away, t->sent_away);
	}
	if (!is_ready(t)) {
		run_clock_rest(&t->clock);
		return;
	}
	if (news == RUN_GOES_ON && t->trusted)
		value = run_clock_trust(&t->clock);
	else
		value = run_clock_take(&t->clock, t->left, t->sent_away, now_us * US, PATIENCE);
	t->asked += news != RUN_STAYS && !t->clock.trusted;
	if (!value)
		return;
	t->counted_ns[t->phases[t->at].where] += value;
	t->samples++;
}

static void simulate(struct thread *threads, size_t n, int period_us, int seconds)
{
	uint64_t random = 88172645463325252ULL;
	int64_t due = 0;
	size_t turn = 0;

	for (size_t i = 0; i < n; i++)
		threads[i].left_us = threads[i].phases[0].us;
	for (int64_t now = 0; now < seconds * 1000000LL; now++) {
		pass_us(threads, n, now, &turn);
		if (now != due)
			continue;
		for (size_t i = 0; i < n; i++)
			sample(&threads[i], now);
		random ^= random << 13;
		random ^= random >> 7;
		random ^= random << 17;
		due = now + 1 + (int64_t)(random % (2 * (uint64_t)period_us));
	}
}

static void check_thread(const struct thread *t)
{
	int64_t counted = t->counted_ns[0] + t->counted_ns[1], run = t->run_us * US;

	print_message("ran %.3f s, counted %.3f s in %u samples, of the first part %.3f of %.3f\n",
		      (double)run / 1e9, (double)counted / 1e9, t->samples,
		      (double)t->counted_ns[0] / (double)counted,
		      (double)t->ran_us[0] / (double)t->run_us);
	assert_true(counted > run - 100 * MS && counted < run + 100 * MS);
	assert_float_equal((double)t->counted_ns[0] / (double)counted,
			   (double)t->ran_us[0] / (double)t->run_us, 1.5 / sqrt(t->samples));
}

static const struct phase busy[] = {{false, 0, 701}, {false, 1, 302}};
/* A fifth of a CPU in short turns. */
static const struct phase server[] = {{false, 0, 151}, {false, 1, 53}, {true, 0, 797}};

static void test_alone(void **state)
{
	static const int periods_us[] = {200, 1000, 10000};

	for (size_t i = 0; i < ARRAY_SIZE(periods_us); i++) {
		struct thread t = {.phases = busy, .count = ARRAY_SIZE(busy)};

		simulate(&t, 1, periods_us[i], 20);
		check_thread(&t);
		/* However seldom the kernel tells, it has its samples. */
		assert_true(t.samples > 0.95 * 20 * 1000000 / periods_us[i]);
	}
}

/* One that goes on and on is not asked how often it left its CPU, where looks are rare. */
static void test_trusted(void **state)
{
	struct thread alone = {.phases = busy, .count = ARRAY_SIZE(busy), .trusted = true};
	struct thread threads[] = {
		{.phases = server, .count = ARRAY_SIZE(server)},
		alone,
		alone,
	};

	simulate(&alone, 1, 10000, 20);
	check_thread(&alone);
	assert_true(alone.asked < alone.samples / 2);
	simulate(threads, ARRAY_SIZE(threads), 10000, 60);
	for (size_t k = 0; k < ARRAY_SIZE(threads); k++)
		check_thread(&threads[k]);
}

/* A sample on trust is given back: it counts in the next one, or in none. */
static void test_given_back(void **state)
{
	struct run_clock c = {};

	run_clock_look(&c, 0, 1, 0, 0);
	run_clock_take(&c, 0, 0, 0, PATIENCE);
	assert_int_equal(run_clock_look(&c, 10 * MS, 1, 10 * MS, 0), RUN_RAN);
	assert_int_equal(run_clock_take(&c, 0, 0, 10 * MS, PATIENCE), 10 * MS);
	assert_int_equal(run_clock_look(&c, 20 * MS, 1, 20 * MS, 0), RUN_GOES_ON);
	assert_int_equal(run_clock_trust(&c), 10 * MS);
	assert_int_equal(run_clock_look(&c, 28 * MS, 1, 30 * MS, 0), RUN_GOES_ON);
	assert_int_equal(run_clock_trust(&c), 8 * MS);
	run_clock_give_back(&c, 8 * MS);
	run_clock_rest(&c);
	assert_int_equal(run_clock_left(&c), 8 * MS);
	/* What was taken on trust is asked for once nothing tells that it ran. */
	assert_int_equal(run_clock_look(&c, 38 * MS, 2, 40 * MS, 0), RUN_RAN);
	assert_int_equal(run_clock_take(&c, 1, 0, 40 * MS, PATIENCE), 18 * MS);
	assert_int_equal(run_clock_look(&c, 40 * MS, 2, 50 * MS, 0), RUN_GOES_ON);
	assert_int_equal(run_clock_trust(&c), 2 * MS);
	assert_int_equal(run_clock_look(&c, 40 * MS, 2, 60 * MS, 0), RUN_UNKNOWN);
	run_clock_rest(&c);
	assert_int_equal(run_clock_look(&c, 40 * MS, 2, 70 * MS, 0), RUN_IDLE);
}

static void test_who_waits_for_a_cpu_does_not_run(void **state)
{
	static const int periods_us[] = {1000, 10000};

	for (size_t i = 0; i < ARRAY_SIZE(periods_us); i++) {
		struct thread threads[] = {
			{.phases = server, .count = ARRAY_SIZE(server)},
			{.phases = busy, .count = ARRAY_SIZE(busy)},
			{.phases = busy, .count = ARRAY_SIZE(busy)},
		};

		simulate(threads, ARRAY_SIZE(threads), periods_us[i], 60);
		for (size_t k = 0; k < ARRAY_SIZE(threads); k++)
			check_thread(&threads[k]);
	}
}

static void test_who_sleeps_is_not_looked_at(void **state)
{
	struct run_clock c = {};

	assert_int_equal(run_clock_look(&c, 500 * MS, 9, 0, 0), RUN_UNKNOWN);
	run_clock_rest(&c);
	for (int i = 1; i < 100; i++)
		assert_int_equal(run_clock_look(&c, 500 * MS, 9, i * MS, 0), RUN_IDLE);
	/* Woken, not told yet how long it runs. */
	assert_int_equal(run_clock_look(&c, 500 * MS, 10, 100 * MS, 0), RUN_UNKNOWN);
	assert_int_equal(run_clock_take(&c, 9, 0, 100 * MS, PATIENCE), 0);
	/* It is there still, or it had run longer. */
	assert_int_equal(run_clock_look(&c, 500 * MS, 10, 101 * MS, 0), RUN_STAYS);
	assert_int_equal(run_clock_take(&c, 9, 0, 101 * MS, PATIENCE), 1 * MS);
	assert_int_equal(run_clock_look(&c, 503 * MS, 10, 103 * MS, 0), RUN_RAN);
	assert_int_equal(run_clock_take(&c, 9, 0, 103 * MS, PATIENCE), 2 * MS);
	/* What it ran before it went to sleep is left for its next sample. */
	assert_int_equal(run_clock_look(&c, 507 * MS, 10, 108 * MS, 0), RUN_GOES_ON);
	run_clock_rest(&c);
	assert_int_equal(run_clock_left(&c), 4 * MS);
}

static void test_who_waits_for_a_cpu(void **state)
{
	struct run_clock c = {};

	run_clock_look(&c, 0, 1, 0, 0);
	assert_int_equal(run_clock_take(&c, 0, 0, 0, PATIENCE), 0);
	/* Sent away since the last look: it stands where it ran. */
	assert_int_equal(run_clock_look(&c, 3 * MS, 1, 10 * MS, 0), RUN_RAN);
	assert_int_equal(run_clock_take(&c, 0, 1, 10 * MS, PATIENCE), 0);
	assert_int_equal(run_clock_look(&c, 3 * MS, 1, 20 * MS, 0), RUN_IDLE);
	assert_int_equal(run_clock_look(&c, 43 * MS, 2, 100 * MS, 0), RUN_RAN);
	assert_int_equal(run_clock_take(&c, 0, 2, 100 * MS, PATIENCE), 43 * MS);
	/* It slept, and was woken: it stands where it slept. */
	assert_int_equal(run_clock_look(&c, 143 * MS, 4, 300 * MS, 0), RUN_RAN);
	assert_int_equal(run_clock_take(&c, 1, 3, 300 * MS, PATIENCE), 0);
	/* Nor was it met otherwise. */
	assert_int_equal(run_clock_look(&c, 243 * MS, 50, 500 * MS, 0), RUN_RAN);
	assert_int_equal(run_clock_take(&c, 25, 25, 500 * MS, PATIENCE), 200 * MS);
}

static void test_what_ran_before_the_first_look(void **state)
{
	static const struct {
		int64_t run_ns, first_ns, expected;
	} cases[] = {{900 * MS, 0, 0}, {900 * MS, 10 * MS, 10 * MS}, {3 * MS, 10 * MS, 3 * MS}};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct run_clock c = {};

		run_clock_look(&c, cases[i].run_ns, 5, 0, cases[i].first_ns);
		assert_int_equal(run_clock_take(&c, 4, 0, 0, PATIENCE), cases[i].expected);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_alone),
		cmocka_unit_test(test_trusted),
		cmocka_unit_test(test_given_back),
		cmocka_unit_test(test_who_waits_for_a_cpu_does_not_run),
		cmocka_unit_test(test_who_sleeps_is_not_looked_at),
		cmocka_unit_test(test_who_waits_for_a_cpu),
		cmocka_unit_test(test_what_ran_before_the_first_look),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
