#include "driver/peak.h"

#include <math.h>
#include <stdlib.h>
#include <time.h>

#define CHAINS 12        /* independent accumulators: more than latency needs, fewer than registers */
#define TURNS 4000       /* of the loop over them */
#define STREAMS 8        /* vectors loaded in a turn */
#define RUNS 12          /* the best counts: others on the machine only slow */

static const int64_t sizes[IG_PEAK_LEVELS] = {16 << 10, 384 << 10, 8 << 20, 128 << 20};
static const int64_t repeats[IG_PEAK_LEVELS] = {400, 24, 6, 1};
enum { DOT, FMA, READ, KERNELS = READ + IG_PEAK_LEVELS };

double ig_peak_clock(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

/* The sum of the chains goes to memory: nothing is dead. */
static void keep(struct kir_builder *b, kir_val *v, int n, int32_t to, bool is_float)
{
	for (int i = 1; i < n; i++)
		v[0] = kb_op2(b, is_float ? KIR_ADD : KIR_XOR, v[0], v[i]);
	kb_store(b, v[0], kb_addr(to, 0));
}

/* Operands are loaded, so that nothing about them is known at compile time. */
static void build_dot(struct kir_module *m, const struct ig_target *t, int32_t from, int32_t to)
{
	struct kir_builder b = {m, kir_func_add(m, "dot", (struct ig_nid){-1})};
	int lanes = t->vector_bytes / 4, group = t->dot.group;
	kir_val acc[CHAINS], x, y;
	struct kir_type type = KIR_T(t->dot.elem == 16 ? KIR_I16 : KIR_I8, lanes * group);
	if (group == 1)
		type = KIR_T(KIR_I32, lanes);
	x = kb_load(&b, type, kb_addr(from, 0));
	y = kb_load(&b, type, kb_addr(from, t->vector_bytes));
	acc[0] = kb_load(&b, KIR_T(KIR_I32, lanes), kb_addr(from, 0));
	for (int i = 1; i < CHAINS; i++)
		acc[i] = acc[0];
	kb_loop(&b, "turn", TURNS, acc, CHAINS);
	for (int i = 0; i < CHAINS; i++)
		acc[i] = group == 1 ? kb_op2(&b, KIR_ADD, acc[i], kb_op2(&b, KIR_MUL, x, y)) : kb_dot(&b, acc[i], x, y, !t->dot.a_signed);
	kb_end(&b, acc, CHAINS);
	keep(&b, acc, CHAINS, to, false);
}

static void build_fma(struct kir_module *m, const struct ig_target *t, int32_t from, int32_t to)
{
	struct kir_builder b = {m, kir_func_add(m, "fma", (struct ig_nid){-1})};
	struct kir_type type = KIR_T(KIR_F32, t->vector_bytes / 4);
	kir_val acc[CHAINS], x = kb_load(&b, type, kb_addr(from, 0)), y = kb_load(&b, type, kb_addr(from, t->vector_bytes));
	for (int i = 0; i < CHAINS; i++)
		acc[i] = x;
	kb_loop(&b, "turn", TURNS, acc, CHAINS);
	for (int i = 0; i < CHAINS; i++)
		acc[i] = kb_fma(&b, x, y, acc[i]);
	kb_end(&b, acc, CHAINS);
	keep(&b, acc, CHAINS, to, true);
}

static void build_read(struct kir_module *m, const struct ig_target *t, int level, int32_t from, int32_t to)
{
	struct kir_builder b = {m, kir_func_add(m, "read", (struct ig_nid){-1})};
	struct kir_type type = KIR_T(KIR_I32, t->vector_bytes / 4);
	int64_t step = (int64_t)STREAMS * t->vector_bytes;
	kir_val acc[STREAMS];
	for (int i = 0; i < STREAMS; i++)
		acc[i] = kb_load(&b, type, kb_addr(from, (int64_t)i * t->vector_bytes));
	kb_loop(&b, "again", repeats[level], acc, STREAMS);
	kir_iv iv = kb_loop(&b, "at", sizes[level] / step, acc, STREAMS);
	for (int i = 0; i < STREAMS; i++) {
		struct kir_addr a = kb_addr(from, (int64_t)i * t->vector_bytes);
		kb_addr_add(&a, iv, step);
		acc[i] = kb_op2(&b, KIR_XOR, acc[i], kb_load(&b, type, a));
	}
	kb_end(&b, acc, STREAMS);
	kb_end(&b, acc, STREAMS);
	keep(&b, acc, STREAMS, to, false);
}

struct marks {
	double at[KERNELS + 1], best[KERNELS];
};

static void mark(void *self, int kernel, void *arena)
{
	(void)arena;
	struct marks *k = self;
	k->at[kernel] = ig_peak_clock();
	if (kernel > 0 && k->at[kernel] - k->at[kernel - 1] < k->best[kernel - 1])
		k->best[kernel - 1] = k->at[kernel] - k->at[kernel - 1];
}

static bool run(const struct kir_module *m, const struct ig_target *t, struct marks *k, struct ig_diag *d)
{
	struct ig_program p = {.name = "peak", .module = m, .target = t, .hook = mark, .hook_self = k};
	struct ig_native *n = ig_native_new(&p, d);
	if (!n)
		return false;
	size_t bytes = (size_t)m->arena_bytes;
	uint8_t *arena = aligned_alloc(64, bytes);
	for (int i = 0; i < KERNELS; i++)
		k->best[i] = HUGE_VAL;
	for (size_t i = 0; arena && i < bytes; i++)
		arena[i] = i % 4 == 3 ? 0 : (uint8_t)i; /* as floats: small ordinary numbers */
	const void *const none[1] = {arena};
	void *const nowhere[1] = {arena};
	for (int i = 0; arena && i < RUNS; i++)
		if (ig_native_run(n, none, nowhere, arena) != 0)
			IG_BUG("the compiled object refused its own engine's call");
	ig_native_free(n);
	free(arena);
	if (!arena)
		ig_error(d, IG_NOLOC, "not enough memory for measuring the CPU's limits (%zu bytes)", bytes);
	return arena != NULL;
}

bool ig_peak_measure(struct ig_peak *p, const struct ig_target *t, struct ig_diag *d)
{
	struct kir_module *m = kir_module_new("peak");
	struct marks k;
	int32_t from = kir_buffer_add(m, "from", KIR_ARENA, KIR_I8, sizes[IG_PEAK_LEVELS - 1]), to = kir_buffer_add(m, "to", KIR_ARENA, KIR_I8, t->vector_bytes);
	build_dot(m, t, from, to);
	build_fma(m, t, from, to);
	for (int i = 0; i < IG_PEAK_LEVELS; i++)
		build_read(m, t, i, from, to);
	bool ok = ig_memplan(m, NULL, d) && kir_verify(m, d) && run(m, t, &k, d);
	kir_module_free(m);
	if (!ok)
		return false;
	double lanes = t->vector_bytes / 4, turns = (double)CHAINS * TURNS;
	p->dot = turns * lanes * t->dot.group / k.best[DOT];
	p->fma = turns * lanes / k.best[FMA];
	for (int i = 0; i < IG_PEAK_LEVELS; i++) {
		p->level[i].bytes = sizes[i];
		p->level[i].bandwidth = (double)sizes[i] * (double)repeats[i] / k.best[READ + i];
	}
	return true;
}

double ig_peak_bandwidth(const struct ig_peak *p, int64_t bytes)
{
	for (int i = 0; i + 1 < IG_PEAK_LEVELS; i++)
		if (bytes <= p->level[i].bytes)
			return p->level[i].bandwidth;
	return p->level[IG_PEAK_LEVELS - 1].bandwidth;
}
