/* Kernel-IR modules for comparing emitters. Every module reads two inputs (random bytes, and floats with all the special ones) and stores each result of
   interest to its output, one after the other. NaNs are stored as 0x7fc00000, their payloads being undefined. */
#include "tests/common/kir_case_build.h"

#include <math.h>

/* Goes on in a new function: large straight code takes code generation long. */
static void fresh(struct kc *k)
{
	k->b.f = kir_func_add(k->m, "part", IG_NONODE);
}

static void integers(struct kc *k, enum kir_elem e)
{
	static const enum kir_op ops[] = {KIR_ADD, KIR_SUB, KIR_MUL, KIR_SMIN, KIR_SMAX, KIR_UMIN, KIR_UMAX, KIR_AND, KIR_OR, KIR_XOR};
	static const enum kir_op shifts[] = {KIR_SHL, KIR_SHRU, KIR_SHRS};
	for (int n = 1; n <= 64; n *= n == 1 ? 2 : 4) {
		fresh(k);
		kir_val a = kir_ld(k, e, n), b = kir_ld(k, e, n);
		for (size_t i = 0; i < IG_COUNTOF(ops); i++)
			kir_st(k, kb_op2(&k->b, ops[i], a, b));
		for (size_t i = 0; i < IG_COUNTOF(shifts); i++) {
			kir_st(k, kb_shift(&k->b, shifts[i], a, 0));
			kir_st(k, kb_shift(&k->b, shifts[i], a, 3));
			kir_st(k, kb_shift(&k->b, shifts[i], a, kir_elem_bits(e) - 1));
		}
		kir_val lt = kb_op2(&k->b, KIR_CMPLT, a, b), eq = kb_op2(&k->b, KIR_CMPEQ, a, kb_const_i(&k->b, KIR_T(e, n), -5));
		kir_st(k, kb_select(&k->b, lt, a, b));
		kir_st(k, lt);
		kir_st(k, eq);
		kir_st(k, kb_op2(&k->b, KIR_XOR, lt, eq));
	}
}
static void int8(struct kc *k) { integers(k, KIR_I8); }
static void int16(struct kc *k) { integers(k, KIR_I16); }
static void int32(struct kc *k) { integers(k, KIR_I32); }
static void int64(struct kc *k) { integers(k, KIR_I64); }

static void floats(struct kc *k)
{
	static const enum kir_op ops[] = {KIR_ADD, KIR_SUB, KIR_MUL, KIR_DIV, KIR_FMIN, KIR_FMAX};
	for (int n = 1; n <= 64; n *= 2) {
		fresh(k);
		kir_val a = kir_ld(k, KIR_F32, n), b = kir_ld(k, KIR_F32, n), c = kir_ld(k, KIR_F32, n);
		for (size_t i = 0; i < IG_COUNTOF(ops); i++) {
			kir_st(k, kb_op2(&k->b, ops[i], a, b));
			kir_st(k, kb_op2(&k->b, ops[i], b, a));
		}
		kir_st(k, kb_fma(&k->b, a, b, c));
		kir_st(k, kb_select(&k->b, kb_op2(&k->b, KIR_CMPLT, a, b), b, c));
		kir_st(k, kb_op2(&k->b, KIR_CMPEQ, a, b));
		/* what a contracting or re-associating emitter would change */
		kir_st(k, kb_op2(&k->b, KIR_ADD, kb_op2(&k->b, KIR_MUL, a, b), c));
		kir_st(k, kb_op2(&k->b, KIR_SUB, c, kb_op2(&k->b, KIR_MUL, a, b)));
		kir_st(k, kb_op2(&k->b, KIR_ADD, kb_op2(&k->b, KIR_ADD, a, kb_const_f(&k->b, n, 16777216.0f)), kb_const_f(&k->b, n, -16777216.0f)));
		kir_st(k, kb_op2(&k->b, KIR_DIV, a, kb_const_f(&k->b, n, 3.0f)));
		kir_st(k, kb_op2(&k->b, KIR_SUB, kb_const_f(&k->b, n, 0.0f), a));
		kir_st(k, kb_op2(&k->b, KIR_ADD, a, kb_const_f(&k->b, n, 0.0f)));
		kir_st(k, kb_op2(&k->b, KIR_FMAX, kb_const_f(&k->b, n, 0.0f), a));
		/* a zero and a NaN that only code generation finds to be constants */
		kir_val i = kir_ld(k, KIR_I32, n), zero = kb_op1(&k->b, KIR_ITOF, KIR_T(KIR_F32, n), kb_op2(&k->b, KIR_SUB, i, i));
		kir_val nan = kb_op2(&k->b, KIR_DIV, zero, zero);
		kir_st(k, kb_op2(&k->b, KIR_FMIN, zero, nan));
		kir_st(k, kb_op2(&k->b, KIR_FMAX, nan, zero));
		kir_st(k, kb_select(&k->b, kb_op2(&k->b, KIR_CMPLT, zero, nan), zero, nan));
		kir_st(k, kb_op2(&k->b, KIR_FMIN, kb_const_f(&k->b, n, 6.0f), kb_op2(&k->b, KIR_FMAX, kb_const_f(&k->b, n, 0.0f), a)));
	}
}

static void halves(struct kc *k)
{
	for (int n = 1; n <= 64; n *= 2) {
		struct kir_type t = KIR_T(KIR_I16, n), f = KIR_T(KIR_F32, n);
		fresh(k);
		kir_val h = kir_ld(k, KIR_I16, n), subnormal = kb_op2(&k->b, KIR_AND, h, kb_const_i(&k->b, t, (int16_t)0x83ff));
		kir_st(k, kb_op1(&k->b, KIR_HTOF, f, h));
		kir_st(k, kb_op1(&k->b, KIR_HTOF, f, subnormal));
		kir_st(k, kb_op1(&k->b, KIR_HTOF, f, kb_op2(&k->b, KIR_OR, h, kb_const_i(&k->b, t, 0x7c00)))); /* NaN */
		kir_st(k, kb_op1(&k->b, KIR_HTOF, f, kb_op2(&k->b, KIR_OR, kb_op2(&k->b, KIR_AND, h, kb_const_i(&k->b, t, INT16_MIN)), kb_const_i(&k->b, t, 0x7c00)))); /* infinities */
	}
}

static void conversions(struct kc *k)
{
	for (int n = 1; n <= 32; n *= 2) {
		fresh(k);
		kir_val i = kir_ld(k, KIR_I32, n), f = kir_ld(k, KIR_F32, n), g = kir_ld(k, KIR_F32, n);
		kir_st(k, kb_op1(&k->b, KIR_ITOF, KIR_T(KIR_F32, n), i));
		kir_val d = kb_op1(&k->b, KIR_FTOD, KIR_T(KIR_F64, n), f), e = kb_op1(&k->b, KIR_FTOD, KIR_T(KIR_F64, n), g);
		kir_st(k, kb_op2(&k->b, KIR_MUL, d, e));
		kir_st(k, kb_op2(&k->b, KIR_ADD, d, e));
		/* halves are exact ties: k / 2 for bytes k */
		kir_val h = kb_op1(&k->b, KIR_ITOF, KIR_T(KIR_F32, n), kb_op1(&k->b, KIR_SEXT, KIR_T(KIR_I32, n), kir_ld(k, KIR_I8, n)));
		kir_st(k, kb_op1(&k->b, KIR_RNE, KIR_T(KIR_I32, n), kb_op2(&k->b, KIR_MUL, h, kb_const_f(&k->b, n, 0.5f))));
		kir_val t = kb_op2(&k->b, KIR_FMIN, kb_op2(&k->b, KIR_FMAX, f, kb_const_f(&k->b, n, -2147483648.0f)), kb_const_f(&k->b, n, 2147483520.0f));
		kir_st(k, kb_op1(&k->b, KIR_RNE, KIR_T(KIR_I32, n), t));
	}
	for (enum kir_elem from = KIR_I1; from <= KIR_I32; from++)
		for (enum kir_elem to = from + 1; to <= KIR_I64; to++)
			for (int n = 1; n <= 64; n *= 4) {
				fresh(k);
				kir_val x = from == KIR_I1 ? kb_op2(&k->b, KIR_CMPLT, kir_ld(k, KIR_I16, n), kir_ld(k, KIR_I16, n)) : kir_ld(k, from, n);
				kir_st(k, kb_op1(&k->b, KIR_SEXT, KIR_T(to, n), x));
				kir_st(k, kb_op1(&k->b, KIR_ZEXT, KIR_T(to, n), x));
				if (from != KIR_I1)
					kir_st(k, kb_op1(&k->b, KIR_TRUNC, KIR_T(from, n), kir_ld(k, to, n)));
			}
}

static void lanes(struct kc *k)
{
	static const enum kir_elem elems[] = {KIR_I8, KIR_I16, KIR_I32, KIR_I64, KIR_F32};
	for (size_t e = 0; e < IG_COUNTOF(elems); e++)
		for (int n = 1; n <= 64; n *= 2) {
			fresh(k);
			kir_val a = kir_ld(k, elems[e], n), b = kir_ld(k, elems[e], n);
			kir_st(k, kb_op2(&k->b, KIR_CONCAT, a, b));
			kir_st(k, kb_op2(&k->b, KIR_INTERLEAVE, a, b));
			if (elems[e] != KIR_F32 && n * kir_elem_bytes(elems[e]) % 16 == 0) {
				kir_st(k, kb_op2(&k->b, KIR_ZIPLO, a, b));
				kir_st(k, kb_op2(&k->b, KIR_ZIPHI, a, b));
			}
			if (elems[e] == KIR_I32 && n % 4 == 0)
				kir_st(k, kb_op1(&k->b, KIR_TRANSPOSE4, KIR_T(KIR_I32, n), a));
			for (int w = 1; w <= n; w *= 2) {
				kir_st(k, kb_extract(&k->b, a, 0, w));
				kir_st(k, kb_extract(&k->b, b, n - w, w));
				kir_st(k, kb_extract(&k->b, a, (n - w) / 3, w));
			}
			kir_st(k, kb_op1(&k->b, KIR_SPLAT, KIR_T(elems[e], n), kb_extract(&k->b, a, n / 2, 1)));
		}
	for (int n = 8; n <= 64; n *= 2) {
		kir_val x = kir_ld(k, KIR_I8, n);
		kir_st(k, kb_op2(&k->b, KIR_ADD, kb_op1(&k->b, KIR_BITCAST, KIR_T(KIR_I64, n / 8), x), kb_const_i(&k->b, KIR_T(KIR_I64, n / 8), 0x0123456789abcdef)));
		kir_st(k, kb_op2(&k->b, KIR_ADD, kb_op1(&k->b, KIR_BITCAST, KIR_T(KIR_I16, n / 2), x), kb_const_i(&k->b, KIR_T(KIR_I16, n / 2), 0x1234)));
	}
}

static void dots(struct kc *k, enum kir_elem e, bool a_unsigned)
{
	for (int n = 1; n <= 32; n *= 2)
		for (int g = 1; g <= 8 && n * g <= 128; g *= 2) {
			fresh(k);
			kir_val acc = kir_ld(k, KIR_I32, n), a = kir_ld(k, e, n * g), b = kir_ld(k, e, n * g);
			kir_st(k, kb_dot(&k->b, acc, a, b, a_unsigned));
			/* the extremes */
			a = kb_const_i(&k->b, KIR_T(e, n * g), a_unsigned ? -1 : e == KIR_I8 ? -128 : -32768);
			b = kb_const_i(&k->b, KIR_T(e, n * g), e == KIR_I8 ? -128 : -32768);
			kir_st(k, kb_dot(&k->b, acc, a, b, a_unsigned));
			/* one activation for all lanes */
			if (g * kir_elem_bytes(e) == 4) {
				a = kb_op1(&k->b, KIR_BITCAST, KIR_T(e, n * g), kb_op1(&k->b, KIR_SPLAT, KIR_T(KIR_I32, n), kir_ld(k, KIR_I32, 1)));
				kir_st(k, kb_dot(&k->b, acc, a, kir_ld(k, e, n * g), a_unsigned));
			}
		}
}
static void mmla(struct kc *k)
{
	for (int n = 4; n <= 32; n *= 2)
		for (int u = 0; u < 2; u++) {
			fresh(k);
			kir_st(k, kb_mmla(&k->b, kir_ld(k, KIR_I32, n), kir_ld(k, KIR_I8, 4 * n), kir_ld(k, KIR_I8, 4 * n), u));
			kir_val least = kb_const_i(&k->b, KIR_T(KIR_I8, 4 * n), -128), most = kb_const_i(&k->b, KIR_T(KIR_I8, 4 * n), u ? -1 : -128);
			kir_st(k, kb_mmla(&k->b, kir_ld(k, KIR_I32, n), most, least, u));
		}
}
static void dot_u8s8(struct kc *k) { dots(k, KIR_I8, true); }
static void dot_s8s8(struct kc *k) { dots(k, KIR_I8, false); }
static void dot_s16(struct kc *k) { dots(k, KIR_I16, false); }

static void fpack(struct kc *k)
{
	static const int32_t range[][3] = {{0, 255, 0}, {0, 255, 255}, {0, 255, 131}, {-128, 127, 0}, {-128, 127, -128}, {-128, 127, 127}, {3, 255, 3}, {17, 200, 40},
	                                   {-100, 99, -3}, {0, 127, 5}, {-128, 255, 1}, {20, 30, 10}, {5, 5, 5}};
	for (int n = 1; n <= 256; n *= 2)
		for (size_t i = 0; i < IG_COUNTOF(range); i += n > 16 ? 2 : 1) {
			fresh(k);
			int have = n > 64 ? 64 : n;
			kir_val x = kir_ld(k, KIR_F32, have), ord = kb_op2(&k->b, KIR_CMPEQ, x, x), y = kb_select(&k->b, ord, x, kb_const_f(&k->b, have, 1.5f));
			while (kb_type(&k->b, x).lanes < n) {
				x = kb_op2(&k->b, KIR_CONCAT, x, x);
				y = kb_op2(&k->b, KIR_CONCAT, y, y);
			}
			kir_st(k, kb_fpack(&k->b, x, range[i][0], range[i][1], range[i][2], true));
			kir_st(k, kb_fpack(&k->b, y, range[i][0], range[i][1], range[i][2], false));
			if (n > 128)
				continue;
			/* values near the bounds, with ties */
			kir_val h = kb_op1(&k->b, KIR_ITOF, KIR_T(KIR_F32, n), kb_op1(&k->b, KIR_SEXT, KIR_T(KIR_I32, n), kir_ld(k, KIR_I16, n)));
			h = kb_op2(&k->b, KIR_MUL, h, kb_const_f(&k->b, n, 1.0f / 64));
			kir_st(k, kb_fpack(&k->b, h, range[i][0], range[i][1], range[i][2], false));
			kir_st(k, kb_fpack_small(&k->b, h, range[i][0], range[i][1], range[i][2]));
			h = kb_op2(&k->b, KIR_MUL, h, kb_const_f(&k->b, n, 2097151)); /* nearly 2^30 */
			kir_st(k, kb_fpack_small(&k->b, h, range[i][0], range[i][1], range[i][2]));
		}
}

static void partial(struct kc *k, enum kir_elem e)
{
	for (int n = 1; n <= 128 / kir_elem_bytes(e) && n <= 64; n *= 2)
		for (int active = 1; active <= n; active++) {
			if (active % 4 == 1)
				fresh(k);
			struct kir_type t = KIR_T(e, n);
			int64_t bytes = (int64_t)active * kir_elem_bytes(e);
			/* at the very end of the buffer: one byte more would be outside */
			kir_val v = kb_load_n(&k->b, t, kb_addr(k->bytes, IN_BYTES - bytes), active);
			if (active == n / 2 + 1 || active == n - 1)
				kir_st(k, v);
			k->at_out += 3;
			kb_store_n(&k->b, v, kb_addr(k->out, k->at_out), active);
			k->at_out += bytes;
		}
}
static void partial8(struct kc *k) { partial(k, KIR_I8); }
static void partial16(struct kc *k) { partial(k, KIR_I16); }
static void partial32(struct kc *k) { partial(k, KIR_I32); }
static void partial64(struct kc *k) { partial(k, KIR_I64); }

static void luts(struct kc *k)
{
	unsigned char table8[512];
	float table_f[300];
	int32_t table32[256];
	for (int i = 0; i < 512; i++)
		table8[i] = (unsigned char)(i * 37 + i / 256);
	for (int i = 0; i < 300; i++)
		table_f[i] = (float)i * 0.37f - 20;
	for (int i = 0; i < 256; i++)
		table32[i] = i * i * i - 77777;
	int32_t b8 = kir_buffer_const(k->m, "t8", KIR_I8, 512, table8), bf = kir_buffer_const(k->m, "tf", KIR_F32, 300, table_f);
	int32_t b32 = kir_buffer_const(k->m, "t32", KIR_I32, 256, table32);
	for (int n = 1; n <= 128; n *= 2) {
		kir_val x = kir_ld(k, KIR_I8, n);
		kir_st(k, kb_lut(&k->b, KIR_I8, x, kb_addr(b8, 0)));
		kir_st(k, kb_lut(&k->b, KIR_I8, x, kb_addr(b8, 256)));
		kir_st(k, kb_lut(&k->b, KIR_I32, x, kb_addr(b32, 0)));
		kir_st(k, kb_lut(&k->b, KIR_F32, x, kb_addr(bf, 44)));
	}
	/* a table for each iteration; results stored in part */
	kir_iv c = kb_loop(&k->b, "c", 2, NULL, 0);
	struct kir_addr t = kb_addr(b8, 0), from = kb_addr(k->bytes, 5), to = kb_addr(k->out, k->at_out);
	kb_addr_add(&t, c, 256);
	kb_addr_add(&from, c, 9);
	kb_addr_add(&to, c, 9);
	kb_store_n(&k->b, kb_lut(&k->b, KIR_I8, kb_load_n(&k->b, KIR_T(KIR_I8, 16), from, 9), t), to, 9);
	kb_end(&k->b, NULL, 0);
	k->at_out += 18;
}

static void reductions(struct kc *k)
{
	for (int n = 2; n <= 64; n *= 2) {
		kir_st(k, kb_op1(&k->b, KIR_REDUCE_ADD, KIR_T(KIR_I32, 1), kir_ld(k, KIR_I32, n)));
		kir_st(k, kb_op1(&k->b, KIR_REDUCE_UMAX, KIR_T(KIR_I8, 1), kir_ld(k, KIR_I8, n)));
		kir_st(k, kb_op1(&k->b, KIR_REDUCE_UMAX, KIR_T(KIR_I32, 1), kir_ld(k, KIR_I32, n)));
		kir_st(k, kb_op1(&k->b, KIR_REDUCE_FMAX, KIR_T(KIR_F32, 1), kir_ld(k, KIR_F32, n)));
	}
	for (int i = 0; i < 40; i++)
		kir_st(k, kb_op1(&k->b, KIR_REDUCE_ADD, KIR_T(KIR_F32, 1), kir_ld(k, KIR_F32, 16)));
}

/* Nested loops with carried values, negative and zero strides, one-iteration loops, values wider than the buffer's elements, scratch memory, two functions. */
static void loops(struct kc *k)
{
	struct kir_builder *b = &k->b;
	int32_t tmp = kir_buffer_add(k->m, "tmp", KIR_SCRATCH, KIR_I16, 4096), kept = kir_buffer_add(k->m, "kept", KIR_ARENA, KIR_I32, 700);
	kir_val sum[2] = {kb_const_i(b, KIR_T(KIR_I32, 4), 1), kb_const_i(b, KIR_T(KIR_I32, 1), -3)};
	kir_iv y = kb_loop(b, "y", 7, sum, 2);
	kir_val inner[1] = {kb_op2(b, KIR_ADD, sum[0], sum[0])};
	kir_iv x = kb_loop(b, "x", 5, inner, 1), one = kb_loop(b, "one", 1, inner, 1);
	struct kir_addr from = kb_addr(k->bytes, 100 + 4 * 11), to = kb_addr(tmp, 6 * 40), keep = kb_addr(kept, 0);
	kb_addr_add(&from, x, -11);
	kb_addr_add(&from, y, 101);
	kb_addr_add(&from, one, 1000);
	kb_addr_add(&to, y, -40);
	kb_addr_add(&to, x, 8);
	kb_addr_add(&keep, y, 20);
	kb_addr_add(&keep, x, 4);
	kir_val v = kb_load(b, KIR_T(KIR_I32, 4), from);
	kb_store(b, v, to);
	kb_store(b, kb_op2(b, KIR_XOR, v, inner[0]), keep);
	inner[0] = kb_op2(b, KIR_ADD, kb_op2(b, KIR_MUL, inner[0], kb_const_i(b, KIR_T(KIR_I32, 4), 31)), v);
	kb_end(b, inner, 1);
	kb_end(b, inner, 1);
	kir_val next[2] = {inner[0], kb_op2(b, KIR_SUB, sum[1], kb_extract(b, inner[0], 2, 1))};
	kb_end(b, next, 2);
	kir_st(k, next[0]);
	kir_st(k, next[1]);
	/* the scratch memory again, transposed, and a prefetch far outside */
	x = kb_loop(b, "x", 40, NULL, 0);
	y = kb_loop(b, "y", 7, NULL, 0);
	from = kb_addr(tmp, 0);
	kb_addr_add(&from, y, 40);
	kb_addr_add(&from, x, 1);
	to = kb_addr(k->out, k->at_out);
	kb_addr_add(&to, x, 14);
	kb_addr_add(&to, y, 2);
	kb_store(b, kb_load(b, KIR_T(KIR_I16, 1), from), to);
	kb_addr_add(&from, y, 100000);
	kb_prefetch(b, from);
	kb_end(b, NULL, 0);
	kb_end(b, NULL, 0);
	k->at_out += 560;
	b->f = kir_func_add(k->m, "second", IG_NONODE);
	kir_val acc[1] = {kb_const_i(b, KIR_T(KIR_I32, 16), 0)};
	x = kb_loop(b, "x", 8, acc, 1);
	from = kb_addr(kept, 7);
	kb_addr_add(&from, x, 3);
	acc[0] = kb_op2(b, KIR_SUB, kb_load(b, KIR_T(KIR_I32, 16), from), acc[0]);
	kb_end(b, acc, 1);
	kir_st(k, acc[0]);
}

/* Neighbouring scalars, each in all lanes of a dot product (an emitter may load them together), and such loads around a store that changes them. */
static void broadcasts(struct kc *k)
{
	struct kir_builder *b = &k->b;
	int32_t tmp = kir_buffer_add(k->m, "tmp", KIR_SCRATCH, KIR_I8, 4 * 64);
	kir_val acc[4];
	for (int i = 0; i < 4; i++)
		acc[i] = kb_const_i(b, KIR_T(KIR_I32, 4), i);
	kir_iv r = kb_loop(b, "r", 11, acc, 4);
	for (int u = 0; u < 6; u++)
		for (int p = 0; p < 4; p++) {
			struct kir_addr at = kb_addr(k->bytes, p * 100 + u * 4);
			kb_addr_add(&at, r, 24);
			kir_val x = kb_op1(b, KIR_BITCAST, KIR_T(KIR_I8, 16), kb_op1(b, KIR_SPLAT, KIR_T(KIR_I32, 4), kb_load(b, KIR_T(KIR_I32, 1), at)));
			acc[p] = kb_dot(b, acc[p], x, kb_load(b, KIR_T(KIR_I8, 16), kb_addr(k->bytes, 1000 + u * 16)), false);
		}
	kb_end(b, acc, 4);
	for (int i = 0; i < 4; i++)
		kir_st(k, acc[i]);
	for (int i = 0; i < 16; i++)
		kb_store(b, kb_const_i(b, KIR_T(KIR_I32, 1), i * 77), kb_addr(tmp, 4 * i));
	kir_val sum = kb_load(b, KIR_T(KIR_I32, 1), kb_addr(tmp, 8));
	for (int i = 0; i < 8; i++) {
		kir_val x = kb_load(b, KIR_T(KIR_I32, 1), kb_addr(tmp, 4 * i + 4));
		sum = kb_op2(b, KIR_ADD, kb_op2(b, KIR_MUL, sum, kb_const_i(b, KIR_T(KIR_I32, 1), 3)), x);
		if (i % 5 == 2)
			kb_store(b, sum, kb_addr(tmp, 4 * i + 8));
	}
	kir_st(k, sum);
}

static const struct {
	const char *name;
	void (*build)(struct kc *);
} cases[] = {
	{"int8", int8}, {"int16", int16}, {"int32", int32}, {"int64", int64}, {"floats", floats}, {"conversions", conversions}, {"halves", halves}, {"lanes", lanes},
	{"dot_u8s8", dot_u8s8}, {"dot_s8s8", dot_s8s8}, {"dot_s16", dot_s16}, {"mmla", mmla}, {"fpack", fpack}, {"partial8", partial8}, {"partial16", partial16},
	{"partial32", partial32}, {"partial64", partial64}, {"luts", luts}, {"reductions", reductions}, {"loops", loops},
	{"broadcasts", broadcasts},
};

int kir_case_count(void)
{
	return (int)IG_COUNTOF(cases);
}

void kir_case_build(struct kir_case *c, int i, const struct ig_target *t)
{
	struct kc k = kir_case_begin(cases[i].name);
	cases[i].build(&k);
	kir_case_finish(c, &k, cases[i].name, t);
}
