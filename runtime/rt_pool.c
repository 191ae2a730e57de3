/* A small pool of threads for ig_call.parallel_for. A job is published as one word, its number and which of its parts are taken; threads take parts by setting
   bits. Each part has a thread that prefers it, so that a part finds its data in its core's cache, but whoever has nothing to do takes any that is left: a
   thread that sleeps, or is not given a CPU, costs no waiting. Threads look for a job for some microseconds, then sleep. */
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>

#include "runtime/ig_runtime.h"

#define MAX_PARTS 32  /* of a job; more are several jobs */
#define SPINS 4000    /* looks for a job before sleeping: fifty microseconds or more */
#define WAITS 2000    /* looks for the end of a job before the CPU is offered to others */

#if defined(__x86_64__)
#define PAUSE() __builtin_ia32_pause()
#elif defined(__aarch64__)
#define PAUSE() __asm__ volatile("yield")
#else
#define PAUSE() ((void)0)
#endif

typedef void ig_part(void *ctx, int i);
struct worker {
	struct ig_pool *pool;
	int index;
	pthread_t thread;
};
struct ig_pool {
	/* The job: its number in the high half, one bit for each part taken in the low half. The fields below belong to it while a part is not taken. */
	_Alignas(64) _Atomic uint64_t job;
	_Atomic(ig_part *) part;
	_Atomic(void *) ctx;
	atomic_int first, n; /* of all that ig_pool_for was given */
	_Alignas(64) atomic_int left; /* parts, but the caller's first, that have not ended */
	_Alignas(64) atomic_int sleepers;
	atomic_int ends;
	pthread_mutex_t lock;
	pthread_cond_t wake;
	int n_threads; /* the caller's and n_threads - 1 workers */
	struct worker worker[];
};

static uint32_t number(uint64_t job) { return (uint32_t)(job >> 32); }
static uint32_t all_parts(int n) { return (uint32_t)(((uint64_t)1 << n) - 1); }

/* Takes a part of the job with this number, first one that the thread prefers, and runs it. 0: there is none left. */
static int run_one(struct ig_pool *p, uint32_t job, int thread)
{
	uint64_t now = atomic_load_explicit(&p->job, memory_order_acquire);
	while (number(now) == job) {
		ig_part *part = atomic_load_explicit(&p->part, memory_order_relaxed);
		void *ctx = atomic_load_explicit(&p->ctx, memory_order_relaxed);
		int first = atomic_load_explicit(&p->first, memory_order_relaxed);
		int n = atomic_load_explicit(&p->n, memory_order_relaxed), i = thread;
		uint32_t open = all_parts(n) & ~(uint32_t)now;
		if (!open)
			return 0;
		while (i < n && !(open >> i & 1))
			i += p->n_threads;
		if (i >= n)
			i = __builtin_ctz(open);
		/* Success proves that the job was this one while its fields were read. */
		if (!atomic_compare_exchange_weak_explicit(&p->job, &now, now | (uint64_t)1 << i, memory_order_acq_rel, memory_order_acquire))
			continue;
		part(ctx, first + i);
		atomic_fetch_sub_explicit(&p->left, 1, memory_order_release);
		return 1;
	}
	return 0;
}

/* Waits for a job other than the one seen last. */
static uint32_t next_job(struct ig_pool *p, uint32_t seen)
{
	for (int i = 0; i < SPINS; i++) {
		if (number(atomic_load_explicit(&p->job, memory_order_relaxed)) != seen)
			return number(atomic_load(&p->job));
		PAUSE();
	}
	pthread_mutex_lock(&p->lock);
	atomic_fetch_add(&p->sleepers, 1);
	while (number(atomic_load(&p->job)) == seen)
		pthread_cond_wait(&p->wake, &p->lock);
	atomic_fetch_sub(&p->sleepers, 1);
	pthread_mutex_unlock(&p->lock);
	return number(atomic_load(&p->job));
}

/* The word comes last; who then sleeps has seen it, or is counted and will be woken. Of a job with parts the first is the caller's own. */
static uint32_t publish(struct ig_pool *p, ig_part *part, void *ctx, int first, int n)
{
	uint32_t job = number(atomic_load_explicit(&p->job, memory_order_relaxed)) + 1;
	atomic_store_explicit(&p->part, part, memory_order_relaxed);
	atomic_store_explicit(&p->ctx, ctx, memory_order_relaxed);
	atomic_store_explicit(&p->first, first, memory_order_relaxed);
	atomic_store_explicit(&p->n, n, memory_order_relaxed);
	atomic_store_explicit(&p->left, n - 1, memory_order_relaxed);
	atomic_store(&p->job, (uint64_t)job << 32 | (n > 0));
	if (atomic_load(&p->sleepers)) {
		pthread_mutex_lock(&p->lock);
		pthread_cond_broadcast(&p->wake);
		pthread_mutex_unlock(&p->lock);
	}
	return job;
}

static void *work(void *arg)
{
	struct worker *w = arg;
	uint32_t job = 0;
	for (;;) {
		job = next_job(w->pool, job);
		if (atomic_load(&w->pool->ends))
			return NULL;
		while (run_one(w->pool, job, w->index))
			;
	}
}

static void run_job(struct ig_pool *p, ig_part *part, void *ctx, int first, int n)
{
	uint32_t job = publish(p, part, ctx, first, n);
	part(ctx, first);
	while (run_one(p, job, 0))
		;
	for (int i = 0; atomic_load_explicit(&p->left, memory_order_acquire) > 0; i++)
		if (i < WAITS)
			PAUSE();
		else
			sched_yield();
}

void ig_pool_for(void *pool, void (*part)(void *ctx, int i), void *ctx, int n)
{
	struct ig_pool *p = pool;
	for (int i = 0; (!p || p->n_threads < 2) && i < n; i++)
		part(ctx, i);
	for (int i = 0; p && p->n_threads > 1 && i < n; i += MAX_PARTS)
		run_job(p, part, ctx, i, n - i < MAX_PARTS ? n - i : MAX_PARTS);
}

void ig_pool_free(struct ig_pool *p)
{
	if (!p)
		return;
	atomic_store(&p->ends, 1);
	publish(p, NULL, NULL, 0, 0);
	for (int i = 1; i < p->n_threads; i++)
		pthread_join(p->worker[i].thread, NULL);
	pthread_cond_destroy(&p->wake);
	pthread_mutex_destroy(&p->lock);
	free(p);
}

struct ig_pool *ig_pool_new(int threads)
{
	int n = threads < 1 ? 1 : threads > MAX_PARTS ? MAX_PARTS : threads;
	size_t bytes = sizeof(struct ig_pool) + (size_t)n * sizeof(struct worker);
	struct ig_pool *p = aligned_alloc(64, (bytes + 63) / 64 * 64);
	if (!p)
		return NULL;
	atomic_init(&p->job, 0);
	atomic_init(&p->part, NULL);
	atomic_init(&p->ctx, NULL);
	atomic_init(&p->first, 0);
	atomic_init(&p->n, 0);
	atomic_init(&p->left, 0);
	atomic_init(&p->sleepers, 0);
	atomic_init(&p->ends, 0);
	pthread_mutex_init(&p->lock, NULL);
	pthread_cond_init(&p->wake, NULL);
	p->n_threads = n;
	for (int i = 1; i < n; i++) {
		p->worker[i] = (struct worker){.pool = p, .index = i};
		if (pthread_create(&p->worker[i].thread, NULL, work, &p->worker[i]) != 0) {
			p->n_threads = i;
			break;
		}
	}
	return p;
}
