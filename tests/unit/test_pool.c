/* The runtime's pool: each part once, whatever sleeps, whoever is late, however many threads there are. Built again under the thread sanitizer
   (tests/threads). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <pthread.h>

#include <cmocka.h>

#include "runtime/ig_runtime.h"

enum { MOST = 100 };

struct job {
	int done[MOST]; /* not atomic: the pool alone orders a part's writes before what follows the call */
	int sum;
};

static void once(void *ctx, int i)
{
	struct job *j = ctx;
	j->done[i]++;
}

static void check(struct ig_pool *p, int n)
{
	struct job j = {.sum = 0};
	ig_pool_for(p, once, &j, n);
	for (int i = 0; i < MOST; i++)
		if (j.done[i] != (i < n))
			fail_msg("part %d of %d ran %d times", i, n, j.done[i]);
}

static void nap(long microseconds)
{
	struct timespec t = {.tv_nsec = microseconds * 1000};
	nanosleep(&t, NULL);
}

static void each_part_once(void **state)
{
	(void)state;
	for (int threads = 1; threads <= 5; threads++) {
		struct ig_pool *p = ig_pool_new(threads);
		assert_non_null(p);
		for (int n = 0; n <= MOST; n++)
			check(p, n);
		ig_pool_free(p);
	}
}

static void no_pool(void **state)
{
	(void)state;
	check(NULL, 7);
	ig_pool_free(NULL);
	struct ig_pool *p = ig_pool_new(-3);
	check(p, 7);
	ig_pool_free(p);
}

/* The second job reads what the first wrote on other threads. */
static void add_up(void *ctx, int i)
{
	struct job *j = ctx;
	int sum = 0;
	for (int k = 0; k < 8; k++)
		sum += j->done[k];
	j->done[8 + i] = sum;
}

static void jobs_in_order(void **state)
{
	(void)state;
	struct ig_pool *p = ig_pool_new(3);
	struct job j = {.sum = 0};
	for (int round = 1; round <= 3000; round++) {
		ig_pool_for(p, once, &j, 8);
		ig_pool_for(p, add_up, &j, 5);
		for (int i = 0; i < 5; i++)
			assert_int_equal(j.done[8 + i], 8 * round);
	}
	ig_pool_free(p);
}

/* Workers that have gone to sleep are woken, or not needed. */
static void after_sleep(void **state)
{
	(void)state;
	struct ig_pool *p = ig_pool_new(4);
	for (int i = 0; i < 20; i++) {
		nap(i % 4 * 3000L);
		check(p, 4);
	}
	ig_pool_free(p);
	for (int i = 0; i < 20; i++) { /* a pool that never worked, awake or asleep */
		p = ig_pool_new(3);
		nap(i % 2 * 3000L);
		ig_pool_free(p);
	}
}

static void slow_first(void *ctx, int i)
{
	struct job *j = ctx;
	if (i == 0)
		nap(2000);
	j->done[i]++;
}

/* One slow part holds up no other; the call waits for it. */
static void uneven(void **state)
{
	(void)state;
	struct ig_pool *p = ig_pool_new(2);
	for (int round = 0; round < 10; round++) {
		struct job j = {.sum = 0};
		ig_pool_for(p, slow_first, &j, 12);
		for (int i = 0; i < 12; i++)
			assert_int_equal(j.done[i], 1);
	}
	ig_pool_free(p);
}

/* Far more threads than CPUs. */
static void oversubscribed(void **state)
{
	(void)state;
	struct ig_pool *p = ig_pool_new(32);
	for (int i = 0; i < 200; i++)
		check(p, 1 + i % 64);
	ig_pool_free(p);
}

static void *own_pool(void *arg)
{
	(void)arg;
	struct ig_pool *p = ig_pool_new(3);
	for (int i = 0; i < 300; i++)
		check(p, 1 + i % 9);
	ig_pool_free(p);
	return NULL;
}

static void pools_at_once(void **state)
{
	(void)state;
	pthread_t t[3];
	for (int i = 0; i < 3; i++)
		assert_int_equal(pthread_create(&t[i], NULL, own_pool, NULL), 0);
	for (int i = 0; i < 3; i++)
		pthread_join(t[i], NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_part_once), cmocka_unit_test(no_pool),        cmocka_unit_test(jobs_in_order), cmocka_unit_test(after_sleep),
		cmocka_unit_test(uneven),         cmocka_unit_test(oversubscribed), cmocka_unit_test(pools_at_once),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
