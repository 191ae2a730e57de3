/* The kernel IR's interpreter: each instruction on edge values against an independent formula; loops, carried values, addresses. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "codegen/codegen.h"

#define N 16

/* A module with inputs x, y, z and output r of the given element types and counts. */
struct fixture {
	struct kir_module *m;
	struct kir_builder b;
	int32_t in[3], out;
};

static struct fixture make(enum kir_elem in, int n_in, enum kir_elem out, int n_out)
{
	struct fixture t = {.m = kir_module_new("t")};
	static const char *const names[] = {"x", "y", "z"};
	for (int i = 0; i < 3; i++) {
		t.in[i] = kir_buffer_add(t.m, names[i], KIR_IN, in, n_in);
		t.m->buf[t.in[i]].io = i;
	}
	t.out = kir_buffer_add(t.m, "r", KIR_OUT, out, n_out);
	t.m->buf[t.out].io = 0;
	t.m->n_inputs = 3;
	t.m->n_outputs = 1;
	t.b = (struct kir_builder){t.m, kir_func_add(t.m, "f", IG_NONODE)};
	return t;
}

static void run(struct fixture *t, const void *x, const void *y, const void *z, void *r)
{
	struct ig_diag *d = ig_diag_new(stderr, false);
	assert_true(ig_memplan(t->m, NULL, d));
	assert_true(kir_verify(t->m, d));
	struct kir_interp *it = kir_interp_new(t->m);
	void *arena = aligned_alloc(64, (size_t)t->m->arena_bytes + 64);
	memset(arena, 0xa5, (size_t)t->m->arena_bytes + 64);
	kir_interp_run(it, (const void *const[]){x, y, z}, (void *const[]){r}, arena);
	free(arena);
	kir_interp_free(it);
	kir_module_free(t->m);
	ig_diag_free(d);
}

static kir_val arg(struct fixture *t, int i, struct kir_type type)
{
	return kb_load(&t->b, type, kb_addr(t->in[i], 0));
}

static const int64_t ints[N] = {0, 1, -1, 2, 127, -128, 128, 255, 32767, -32768, INT32_MAX, INT32_MIN, INT64_MAX, INT64_MIN, 77, -1234567};

static int64_t wrap(int64_t v, int bits)
{
	return (int64_t)((uint64_t)v << (64 - bits)) >> (64 - bits);
}

static uint64_t low(int64_t v, int bits)
{
	return bits == 64 ? (uint64_t)v : (uint64_t)v & (((uint64_t)1 << bits) - 1);
}

static int64_t expect_int(enum kir_op op, int64_t a, int64_t b, int bits)
{
	switch (op) {
	case KIR_ADD: return wrap((int64_t)((uint64_t)a + (uint64_t)b), bits);
	case KIR_SUB: return wrap((int64_t)((uint64_t)a - (uint64_t)b), bits);
	case KIR_MUL: return wrap((int64_t)((uint64_t)a * (uint64_t)b), bits);
	case KIR_SMIN: return a < b ? a : b;
	case KIR_SMAX: return a < b ? b : a;
	case KIR_UMIN: return low(a, bits) < low(b, bits) ? a : b;
	case KIR_UMAX: return low(a, bits) < low(b, bits) ? b : a;
	case KIR_AND: return a & b;
	case KIR_OR: return a | b;
	case KIR_XOR: return a ^ b;
	case KIR_SHL: return wrap((int64_t)((uint64_t)a << 3), bits);
	case KIR_SHRU: return wrap((int64_t)(low(a, bits) >> 3), bits);
	case KIR_SHRS: return a >= 0 ? a / 8 : -((-(a + 1)) / 8) - 1;
	case KIR_CMPLT: return a < b ? 5 : 6;
	case KIR_CMPEQ: return a == b ? 5 : 6;
	default: abort();
	}
}

static void put(uint8_t *p, int64_t v, int bytes)
{
	for (int i = 0; i < bytes; i++)
		p[i] = (uint8_t)((uint64_t)v >> 8 * i);
}

static void one_int_op(enum kir_op op, enum kir_elem e, int turn)
{
	int bytes = kir_elem_bytes(e), bits = 8 * bytes;
	uint8_t x[8 * N], y[8 * N], r[8 * N], expected[8 * N];
	for (int i = 0; i < N; i++) {
		int64_t a = wrap(ints[i], bits), b = wrap(ints[(i + turn) % N], bits);
		put(x + bytes * i, a, bytes);
		put(y + bytes * i, b, bytes);
		put(expected + bytes * i, expect_int(op, a, b, bits), bytes);
	}
	struct fixture t = make(e, N, e, N);
	struct kir_type type = KIR_T(e, N);
	kir_val a = arg(&t, 0, type), b = arg(&t, 1, type), v;
	if (op == KIR_SHL || op == KIR_SHRU || op == KIR_SHRS)
		v = kb_shift(&t.b, op, a, 3);
	else
		v = kb_op2(&t.b, op, a, b);
	if (op == KIR_CMPLT || op == KIR_CMPEQ)
		v = kb_select(&t.b, v, kb_const_i(&t.b, type, 5), kb_const_i(&t.b, type, 6));
	kb_store(&t.b, v, kb_addr(t.out, 0));
	run(&t, x, y, x, r);
	if (memcmp(r, expected, (size_t)(bytes * N)))
		fail_msg("%s of %s, turn %d", kir_ops[op].name, kir_elem_names[e], turn);
}

static void integer_ops(void **state)
{
	(void)state;
	static const enum kir_op ops[] = {KIR_ADD, KIR_SUB, KIR_MUL, KIR_SMIN, KIR_SMAX, KIR_UMIN, KIR_UMAX, KIR_AND, KIR_OR, KIR_XOR, KIR_SHL, KIR_SHRU, KIR_SHRS,
	                                  KIR_CMPLT, KIR_CMPEQ};
	for (size_t o = 0; o < IG_COUNTOF(ops); o++)
		for (int e = KIR_I8; e <= KIR_I64; e++)
			for (int turn = 0; turn < N; turn++)
				one_int_op(ops[o], (enum kir_elem)e, turn);
}

static void widening(void **state)
{
	(void)state;
	for (int from = KIR_I8; from <= KIR_I64; from++)
		for (int to = KIR_I8; to <= KIR_I64; to++)
			for (int sign = 0; sign < 2 && from != to; sign++) {
				int fb = kir_elem_bytes((enum kir_elem)from), tb = kir_elem_bytes((enum kir_elem)to);
				uint8_t x[8 * N], r[8 * N], expected[8 * N];
				for (int i = 0; i < N; i++) {
					int64_t a = wrap(ints[i], 8 * fb);
					put(x + fb * i, a, fb);
					put(expected + tb * i, sign ? a : (int64_t)low(a, 8 * fb), tb);
				}
				struct fixture t = make((enum kir_elem)from, N, (enum kir_elem)to, N);
				enum kir_op op = from > to ? KIR_TRUNC : sign ? KIR_SEXT : KIR_ZEXT;
				kb_store(&t.b, kb_op1(&t.b, op, KIR_T(to, N), arg(&t, 0, KIR_T(from, N))), kb_addr(t.out, 0));
				run(&t, x, x, x, r);
				if (memcmp(r, expected, (size_t)(tb * N)))
					fail_msg("%s from %s to %s", kir_ops[op].name, kir_elem_names[from], kir_elem_names[to]);
			}
}

static const float floats[N] = {0.0f, -0.0f, 0.5f, 1.5f, 2.5f, -0.5f, -2.5f, 3.4e38f, 1e-45f, 16777217.0f, -127.5f, 1.0f / 3, 255.49999f, 1e9f, INFINITY, -INFINITY};

static void float_op2(enum kir_op op, float (*f)(float, float))
{
	for (int turn = 0; turn < N; turn++) {
		float x[N], y[N], r[N];
		for (int i = 0; i < N; i++) {
			x[i] = floats[i];
			y[i] = i == 3 ? NAN : floats[(i + turn) % N];
		}
		struct fixture t = make(KIR_F32, N, KIR_F32, N);
		kb_store(&t.b, kb_op2(&t.b, op, arg(&t, 0, KIR_T(KIR_F32, N)), arg(&t, 1, KIR_T(KIR_F32, N))), kb_addr(t.out, 0));
		run(&t, x, y, x, r);
		for (int i = 0; i < N; i++) {
			float e = f(x[i], y[i]);
			if (!(isnan(e) && isnan(r[i])) && memcmp(&e, &r[i], 4))
				fail_msg("%s(%a, %a) = %a, not %a", kir_ops[op].name, (double)x[i], (double)y[i], (double)r[i], (double)e);
		}
	}
}
static float f_add(float a, float b) { return a + b; }
static float f_sub(float a, float b) { return a - b; }
static float f_mul(float a, float b) { return a * b; }
static float f_div(float a, float b) { return a / b; }
static float f_min(float a, float b) { return isless(a, b) ? a : b; }
static float f_max(float a, float b) { return isgreater(a, b) ? a : b; }

static void float_ops(void **state)
{
	(void)state;
	float_op2(KIR_ADD, f_add);
	float_op2(KIR_SUB, f_sub);
	float_op2(KIR_MUL, f_mul);
	float_op2(KIR_DIV, f_div);
	float_op2(KIR_FMIN, f_min);
	float_op2(KIR_FMAX, f_max);
}

/* One rounding: the product of 1 + 2^-12 with itself has a bit that two roundings lose. */
static void fused(void **state)
{
	(void)state;
	float x[8], y[8], z[8], r[8];
	for (int i = 0; i < 8; i++) {
		x[i] = y[i] = 1.0f + ldexpf(1.0f, -12 - i);
		z[i] = -1.0f;
	}
	struct fixture t = make(KIR_F32, 8, KIR_F32, 8);
	struct kir_type v = KIR_T(KIR_F32, 8);
	kb_store(&t.b, kb_fma(&t.b, arg(&t, 0, v), arg(&t, 1, v), arg(&t, 2, v)), kb_addr(t.out, 0));
	run(&t, x, y, z, r);
	for (int i = 0; i < 8; i++)
		assert_true((double)r[i] == (double)(float)((double)x[i] * y[i] - 1.0));
}

static int64_t round_even(double x)
{
	double f = floor(x), frac = x - f;
	int64_t i = (int64_t)f;
	return frac > 0.5 || (frac == 0.5 && (i & 1)) ? i + 1 : i;
}

static void rounding(void **state)
{
	(void)state;
	enum { COUNT = 256 };
	float x[COUNT];
	int32_t r[COUNT];
	for (int i = 0; i < COUNT; i++)
		x[i] = (float)(i - 128) * (i % 3 == 0 ? 0.5f : i % 3 == 1 ? 8388607.75f : 123456.5f);
	struct fixture t = make(KIR_F32, COUNT, KIR_I32, COUNT);
	kb_store(&t.b, kb_op1(&t.b, KIR_RNE, KIR_T(KIR_I32, COUNT), arg(&t, 0, KIR_T(KIR_F32, COUNT))), kb_addr(t.out, 0));
	run(&t, x, x, x, r);
	for (int i = 0; i < COUNT; i++)
		assert_int_equal(r[i], round_even(x[i]));
}

static void packing(void **state)
{
	(void)state;
	static const struct { int lo, hi, zp; } cases[] = {{0, 255, 0}, {0, 255, 128}, {-128, 127, 0}, {10, 200, 77}, {0, 127, 3}, {0, 0, 0}, {255, 255, 255}};
	enum { COUNT = 128 };
	for (size_t c = 0; c < IG_COUNTOF(cases); c++) {
		float x[COUNT];
		uint8_t r[COUNT];
		for (int i = 0; i < COUNT; i++)
			x[i] = i < N ? floats[i] : (float)(i - 64) * 2.5f;
		x[20] = NAN;
		struct fixture t = make(KIR_F32, COUNT, KIR_I8, COUNT);
		kir_val v = arg(&t, 0, KIR_T(KIR_F32, COUNT));
		kb_store(&t.b, kb_fpack(&t.b, v, cases[c].lo, cases[c].hi, cases[c].zp, true), kb_addr(t.out, 0));
		run(&t, x, x, x, r);
		for (int i = 0; i < COUNT; i++) {
			double q = isnan(x[i]) ? 0 : fmin(fmax(x[i], -1e6), 1e6); /* far outside anyway */
			int64_t e = round_even(q) + cases[c].zp;
			e = e < cases[c].lo ? cases[c].lo : e > cases[c].hi ? cases[c].hi : e;
			e = isnan(x[i]) ? cases[c].zp : e;
			if (r[i] != (uint8_t)e)
				fail_msg("fpack case %zu of %g: %d, not %d", c, (double)x[i], r[i], (int)(uint8_t)e);
		}
	}
}

static void dots(void **state)
{
	(void)state;
	static const struct { enum kir_elem e; int group; bool u; } cases[] = {{KIR_I8, 4, true}, {KIR_I8, 4, false}, {KIR_I8, 1, true}, {KIR_I8, 1, false},
	                                                                        {KIR_I8, 2, true}, {KIR_I16, 2, false}, {KIR_I16, 1, false}, {KIR_I16, 4, false}};
	for (size_t c = 0; c < IG_COUNTOF(cases); c++) {
		int g = cases[c].group, count = 16 * g, bytes = kir_elem_bytes(cases[c].e);
		uint8_t x[256], y[256];
		int32_t r[16];
		for (int i = 0; i < 256; i++) {
			x[i] = (uint8_t)(i < 8 ? 255 : i * 37 + 11);
			y[i] = (uint8_t)(i < 8 ? 128 : i * 91 + 5);
		}
		struct fixture t = make(cases[c].e, count, KIR_I32, 16);
		kir_val acc = kb_const_i(&t.b, KIR_T(KIR_I32, 16), INT32_MAX - 40000); /* wraps in some lanes */
		kir_val a = arg(&t, 0, KIR_T(cases[c].e, count)), b = arg(&t, 1, KIR_T(cases[c].e, count));
		kb_store(&t.b, kb_dot(&t.b, acc, a, b, cases[c].u), kb_addr(t.out, 0));
		run(&t, x, y, x, r);
		for (int i = 0; i < 16; i++) {
			int64_t s = INT32_MAX - 40000;
			for (int k = g * i; k < g * (i + 1); k++) {
				int64_t p = x[bytes * k] | (bytes == 2 ? x[2 * k + 1] << 8 : 0), q = y[bytes * k] | (bytes == 2 ? y[2 * k + 1] << 8 : 0);
				s += (cases[c].u ? p : wrap(p, 8 * bytes)) * wrap(q, 8 * bytes);
			}
			assert_int_equal(r[i], wrap(s, 32));
		}
	}
}

static void lanes_moved(void **state)
{
	(void)state;
	int16_t x[8] = {10, 11, 12, 13, 14, 15, 16, 17}, y[8] = {20, 21, 22, 23, 24, 25, 26, 27}, r[48];
	static const int16_t expected[48] = {10, 20, 11, 21, 12, 22, 13, 23, 14, 24, 15, 25, 16, 26, 17, 27, 10, 11, 12, 13, 14, 15, 16, 17,
	                                     20, 21, 22, 23, 24, 25, 26, 27, 12, 13, 0,  0,  14, 14, 14, 14, 10, 11, 12, 0,  99, 99, 99, 99};
	struct fixture t = make(KIR_I16, 8, KIR_I16, 48);
	struct kir_type v8 = KIR_T(KIR_I16, 8);
	kir_val a = arg(&t, 0, v8), b = arg(&t, 1, v8);
	kb_store(&t.b, kb_op2(&t.b, KIR_INTERLEAVE, a, b), kb_addr(t.out, 0));
	kb_store(&t.b, kb_op2(&t.b, KIR_CONCAT, a, b), kb_addr(t.out, 16));
	/* 2 lanes extracted, as one i32, zero-extended to i64, back to four i16 */
	kir_val two = kb_op1(&t.b, KIR_BITCAST, KIR_T(KIR_I32, 1), kb_extract(&t.b, a, 2, 2));
	kb_store(&t.b, kb_op1(&t.b, KIR_BITCAST, KIR_T(KIR_I16, 4), kb_op1(&t.b, KIR_ZEXT, KIR_T(KIR_I64, 1), two)), kb_addr(t.out, 32));
	kb_store(&t.b, kb_op1(&t.b, KIR_SPLAT, KIR_T(KIR_I16, 4), kb_extract(&t.b, a, 4, 1)), kb_addr(t.out, 36));
	kb_store(&t.b, kb_load_n(&t.b, KIR_T(KIR_I16, 4), kb_addr(t.in[0], 0), 3), kb_addr(t.out, 40));
	for (int i = 0; i < 48; i++)
		r[i] = 99;
	run(&t, x, y, x, r);
	assert_memory_equal(r, expected, sizeof r);
}

static void tables(void **state)
{
	(void)state;
	int32_t table[300], r[N];
	uint8_t x[N] = {0, 1, 255, 128, 127, 3};
	for (int i = 0; i < 300; i++)
		table[i] = 1000 * i;
	struct fixture t = make(KIR_I8, N, KIR_I32, N);
	int32_t lut = kir_buffer_const(t.m, "t", KIR_I32, 300, table);
	kb_store(&t.b, kb_lut(&t.b, KIR_I32, arg(&t, 0, KIR_T(KIR_I8, N)), kb_addr(lut, 44)), kb_addr(t.out, 0));
	run(&t, x, x, x, r);
	for (int i = 0; i < N; i++)
		assert_int_equal(r[i], 1000 * (44 + x[i]));
}

static void reductions(void **state)
{
	(void)state;
	float x[16], r[2];
	for (int i = 0; i < 16; i++)
		x[i] = i == 3 ? 1e8f : i == 9 ? -1e8f : 1.0f + (float)i * 0.37f;
	struct fixture t = make(KIR_F32, 16, KIR_F32, 2);
	kir_val v = arg(&t, 0, KIR_T(KIR_F32, 16));
	kb_store(&t.b, kb_op1(&t.b, KIR_REDUCE_ADD, KIR_T(KIR_F32, 1), v), kb_addr(t.out, 0));
	kb_store(&t.b, kb_op1(&t.b, KIR_REDUCE_FMAX, KIR_T(KIR_F32, 1), v), kb_addr(t.out, 1));
	run(&t, x, x, x, r);
	float a[4];
	for (int i = 0; i < 4; i++)
		a[i] = (x[i] + x[i + 8]) + (x[i + 4] + x[i + 12]);
	assert_true(r[0] == (a[0] + a[2]) + (a[1] + a[3]));
	assert_true(r[1] == 1e8f);
	uint8_t u[8] = {3, 200, 7, 127, 128, 0, 1, 2}, best;
	t = make(KIR_I8, 8, KIR_I8, 1);
	kb_store(&t.b, kb_op1(&t.b, KIR_REDUCE_UMAX, KIR_T(KIR_I8, 1), arg(&t, 0, KIR_T(KIR_I8, 8))), kb_addr(t.out, 0));
	run(&t, u, u, u, &best);
	assert_int_equal(best, 200);
}

/* Carried values that change places, nested loops, a count of one, negative strides, memory written and read again through the arena. */
static void loops(void **state)
{
	(void)state;
	int32_t x[6] = {1, 2, 3, 4, 5, 6}, r[8] = {0};
	struct fixture t = make(KIR_I32, 6, KIR_I32, 8);
	struct kir_type s = KIR_T(KIR_I32, 1);
	int32_t scratch = kir_buffer_add(t.m, "s", KIR_SCRATCH, KIR_I32, 6);
	kir_iv i = kb_loop(&t.b, "i", 6, NULL, 0); /* reverses x into scratch */
	struct kir_addr from = kb_addr(t.in[0], 5), to = kb_addr(scratch, 0);
	kb_addr_add(&from, i, -1);
	kb_addr_add(&to, i, 1);
	kb_store(&t.b, kb_load(&t.b, s, from), to);
	kb_end(&t.b, NULL, 0);
	kir_val v[3] = {kb_const_i(&t.b, s, 0), kb_const_i(&t.b, s, 1), kb_const_i(&t.b, s, 0)}; /* Fibonacci and a sum of scratch */
	kir_iv y = kb_loop(&t.b, "y", 3, v, 3);
	kir_iv z = kb_loop(&t.b, "z", 2, v, 3);
	struct kir_addr at = kb_addr(scratch, 0);
	kb_addr_add(&at, y, 2);
	kb_addr_add(&at, z, 1);
	kir_val next[3] = {v[1], kb_op2(&t.b, KIR_ADD, v[0], v[1]), kb_op2(&t.b, KIR_ADD, kb_op2(&t.b, KIR_MUL, v[2], kb_const_i(&t.b, s, 10)), kb_load(&t.b, s, at))};
	kb_end(&t.b, next, 3);
	kb_end(&t.b, next, 3);
	kb_loop(&t.b, "once", 1, next, 1);
	kb_end(&t.b, next, 1);
	for (int k = 0; k < 3; k++)
		kb_store(&t.b, next[k], kb_addr(t.out, k));
	run(&t, x, x, x, r);
	assert_int_equal(r[0], 8);
	assert_int_equal(r[1], 13);
	assert_int_equal(r[2], 654321);
}

static void doubles(void **state)
{
	(void)state;
	float x[4] = {1.0f / 3, 16777216.0f, -7.25f, 1e-30f}, y[4] = {3.0f, 1.0f, 0.1f, 1e-20f}, r[4];
	struct fixture t = make(KIR_F32, 4, KIR_F32, 4);
	struct kir_type d = KIR_T(KIR_F64, 4);
	kir_val a = kb_op1(&t.b, KIR_FTOD, d, arg(&t, 0, KIR_T(KIR_F32, 4))), b = kb_op1(&t.b, KIR_FTOD, d, arg(&t, 1, KIR_T(KIR_F32, 4)));
	kb_store(&t.b, kb_op1(&t.b, KIR_DTOF, KIR_T(KIR_F32, 4), kb_op2(&t.b, KIR_ADD, kb_op2(&t.b, KIR_MUL, a, b), b)), kb_addr(t.out, 0));
	run(&t, x, y, x, r);
	for (int i = 0; i < 4; i++)
		assert_true(r[i] == (float)((double)x[i] * y[i] + y[i]));
}

static void reads_tensors(void **state)
{
	(void)state;
	struct kir_module *m = kir_module_new("r");
	int32_t buf = kir_buffer_add(m, "a", KIR_ARENA, KIR_I8, 40);
	m->buf[buf].offset = 64;
	uint8_t arena[128], out[12];
	for (int i = 0; i < 128; i++)
		arena[i] = (uint8_t)i;
	/* logical [1, 2, 2, 3] stored nhwc with rows of 4 pixels of 3 bytes, from byte 5 on */
	struct kir_tensor t = {.name = "v", .type = {.dtype = IG_DT_U8, .rank = 4, .dim = {1, 2, 2, 3}}, .buf = buf, .base = 5, .stride = {0, 1, 12, 3}};
	kir_tensor_read(m, &t, NULL, NULL, arena, out);
	for (int c = 0; c < 2; c++)
		for (int y = 0; y < 2; y++)
			for (int x = 0; x < 3; x++)
				assert_int_equal(out[6 * c + 3 * y + x], 64 + 5 + c + 12 * y + 3 * x);
	kir_module_free(m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(integer_ops), cmocka_unit_test(widening), cmocka_unit_test(float_ops), cmocka_unit_test(fused), cmocka_unit_test(rounding),
		cmocka_unit_test(packing), cmocka_unit_test(dots), cmocka_unit_test(lanes_moved), cmocka_unit_test(tables), cmocka_unit_test(reductions),
		cmocka_unit_test(loops), cmocka_unit_test(doubles), cmocka_unit_test(reads_tensors),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
