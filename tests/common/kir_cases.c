/* Kernel-IR modules for comparing emitters. Every module reads two inputs (random bytes, and floats with all the special ones) and stores each result of
   interest to its output, one after the other. NaNs are stored as 0x7fc00000, their payloads being undefined. */
#include "tests/common/kir_cases.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { IN_BYTES = 4096, IN_FLOATS = 1024, OUT_BYTES = 1 << 17 };

struct kc {
	struct kir_module *m;
	struct kir_builder b;
	int32_t bytes, floats, out;
	int64_t at_byte, at_float, at_out;
};

static uint32_t next(uint32_t *s)
{
	*s ^= *s << 13;
	*s ^= *s >> 17;
	return *s ^= *s << 5;
}

/* ---- reading and storing ---- */

static kir_val ld(struct kc *k, enum kir_elem e, int lanes)
{
	struct kir_type t = KIR_T(e, lanes);
	int64_t n = kir_type_bytes(t);
	if (e == KIR_F32) {
		k->at_float = k->at_float + lanes > IN_FLOATS ? 0 : k->at_float;
		kir_val v = kb_load(&k->b, t, kb_addr(k->floats, k->at_float));
		k->at_float += lanes > 7 ? lanes - 1 : lanes; /* pairs of operands shift against each other */
		return v;
	}
	k->at_byte = k->at_byte + n > IN_BYTES ? 0 : k->at_byte;
	kir_val v = kb_load(&k->b, t, kb_addr(k->bytes, k->at_byte));
	k->at_byte += n;
	return v;
}

static void st_raw(struct kc *k, kir_val v)
{
	struct kir_type t = kb_type(&k->b, v);
	if (k->at_out + kir_type_bytes(t) > OUT_BYTES)
		IG_BUG("kernel-IR case: output too small");
	kb_store(&k->b, v, kb_addr(k->out, k->at_out));
	k->at_out += kir_type_bytes(t);
}

static void st(struct kc *k, kir_val v)
{
	struct kir_type t = kb_type(&k->b, v);
	if (t.elem == KIR_I1)
		v = kb_op1(&k->b, KIR_ZEXT, KIR_T(KIR_I8, t.lanes), v);
	if (t.elem == KIR_F64)
		v = kb_op1(&k->b, KIR_DTOF, KIR_T(KIR_F32, t.lanes), v);
	if (t.elem == KIR_F32 || t.elem == KIR_F64)
		v = kb_select(&k->b, kb_op2(&k->b, KIR_CMPEQ, v, v), v, kb_const_f(&k->b, t.lanes, NAN));
	st_raw(k, v);
}

/* Goes on in a new function: large straight code takes code generation long. */
static void fresh(struct kc *k)
{
	k->b.f = kir_func_add(k->m, "part", IG_NONODE);
}

/* ---- the cases ---- */

static void integers(struct kc *k, enum kir_elem e)
{
	static const enum kir_op ops[] = {KIR_ADD, KIR_SUB, KIR_MUL, KIR_SMIN, KIR_SMAX, KIR_UMIN, KIR_UMAX, KIR_AND, KIR_OR, KIR_XOR};
	static const enum kir_op shifts[] = {KIR_SHL, KIR_SHRU, KIR_SHRS};
	for (int n = 1; n <= 64; n *= n == 1 ? 2 : 4) {
		fresh(k);
		kir_val a = ld(k, e, n), b = ld(k, e, n);
		for (size_t i = 0; i < IG_COUNTOF(ops); i++)
			st(k, kb_op2(&k->b, ops[i], a, b));
		for (size_t i = 0; i < IG_COUNTOF(shifts); i++) {
			st(k, kb_shift(&k->b, shifts[i], a, 0));
			st(k, kb_shift(&k->b, shifts[i], a, 3));
			st(k, kb_shift(&k->b, shifts[i], a, kir_elem_bits(e) - 1));
		}
		kir_val lt = kb_op2(&k->b, KIR_CMPLT, a, b), eq = kb_op2(&k->b, KIR_CMPEQ, a, kb_const_i(&k->b, KIR_T(e, n), -5));
		st(k, kb_select(&k->b, lt, a, b));
		st(k, lt);
		st(k, eq);
		st(k, kb_op2(&k->b, KIR_XOR, lt, eq));
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
		kir_val a = ld(k, KIR_F32, n), b = ld(k, KIR_F32, n), c = ld(k, KIR_F32, n);
		for (size_t i = 0; i < IG_COUNTOF(ops); i++) {
			st(k, kb_op2(&k->b, ops[i], a, b));
			st(k, kb_op2(&k->b, ops[i], b, a));
		}
		st(k, kb_fma(&k->b, a, b, c));
		st(k, kb_select(&k->b, kb_op2(&k->b, KIR_CMPLT, a, b), b, c));
		st(k, kb_op2(&k->b, KIR_CMPEQ, a, b));
		/* what a contracting or re-associating emitter would change */
		st(k, kb_op2(&k->b, KIR_ADD, kb_op2(&k->b, KIR_MUL, a, b), c));
		st(k, kb_op2(&k->b, KIR_SUB, c, kb_op2(&k->b, KIR_MUL, a, b)));
		st(k, kb_op2(&k->b, KIR_ADD, kb_op2(&k->b, KIR_ADD, a, kb_const_f(&k->b, n, 16777216.0f)), kb_const_f(&k->b, n, -16777216.0f)));
		st(k, kb_op2(&k->b, KIR_DIV, a, kb_const_f(&k->b, n, 3.0f)));
		st(k, kb_op2(&k->b, KIR_SUB, kb_const_f(&k->b, n, 0.0f), a));
		st(k, kb_op2(&k->b, KIR_ADD, a, kb_const_f(&k->b, n, 0.0f)));
		st(k, kb_op2(&k->b, KIR_FMAX, kb_const_f(&k->b, n, 0.0f), a));
		/* a zero and a NaN that only code generation finds to be constants */
		kir_val i = ld(k, KIR_I32, n), zero = kb_op1(&k->b, KIR_ITOF, KIR_T(KIR_F32, n), kb_op2(&k->b, KIR_SUB, i, i)), nan = kb_op2(&k->b, KIR_DIV, zero, zero);
		st(k, kb_op2(&k->b, KIR_FMIN, zero, nan));
		st(k, kb_op2(&k->b, KIR_FMAX, nan, zero));
		st(k, kb_select(&k->b, kb_op2(&k->b, KIR_CMPLT, zero, nan), zero, nan));
		st(k, kb_op2(&k->b, KIR_FMIN, kb_const_f(&k->b, n, 6.0f), kb_op2(&k->b, KIR_FMAX, kb_const_f(&k->b, n, 0.0f), a)));
	}
}

static void conversions(struct kc *k)
{
	for (int n = 1; n <= 32; n *= 2) {
		fresh(k);
		kir_val i = ld(k, KIR_I32, n), f = ld(k, KIR_F32, n), g = ld(k, KIR_F32, n);
		st(k, kb_op1(&k->b, KIR_ITOF, KIR_T(KIR_F32, n), i));
		kir_val d = kb_op1(&k->b, KIR_FTOD, KIR_T(KIR_F64, n), f), e = kb_op1(&k->b, KIR_FTOD, KIR_T(KIR_F64, n), g);
		st(k, kb_op2(&k->b, KIR_MUL, d, e));
		st(k, kb_op2(&k->b, KIR_ADD, d, e));
		/* halves are exact ties: k / 2 for bytes k */
		kir_val h = kb_op1(&k->b, KIR_ITOF, KIR_T(KIR_F32, n), kb_op1(&k->b, KIR_SEXT, KIR_T(KIR_I32, n), ld(k, KIR_I8, n)));
		st(k, kb_op1(&k->b, KIR_RNE, KIR_T(KIR_I32, n), kb_op2(&k->b, KIR_MUL, h, kb_const_f(&k->b, n, 0.5f))));
		kir_val t = kb_op2(&k->b, KIR_FMIN, kb_op2(&k->b, KIR_FMAX, f, kb_const_f(&k->b, n, -2147483648.0f)), kb_const_f(&k->b, n, 2147483520.0f));
		st(k, kb_op1(&k->b, KIR_RNE, KIR_T(KIR_I32, n), t));
	}
	for (enum kir_elem from = KIR_I1; from <= KIR_I32; from++)
		for (enum kir_elem to = from + 1; to <= KIR_I64; to++)
			for (int n = 1; n <= 64; n *= 4) {
				fresh(k);
				kir_val x = from == KIR_I1 ? kb_op2(&k->b, KIR_CMPLT, ld(k, KIR_I16, n), ld(k, KIR_I16, n)) : ld(k, from, n);
				st(k, kb_op1(&k->b, KIR_SEXT, KIR_T(to, n), x));
				st(k, kb_op1(&k->b, KIR_ZEXT, KIR_T(to, n), x));
				if (from != KIR_I1)
					st(k, kb_op1(&k->b, KIR_TRUNC, KIR_T(from, n), ld(k, to, n)));
			}
}

static void lanes(struct kc *k)
{
	static const enum kir_elem elems[] = {KIR_I8, KIR_I16, KIR_I32, KIR_I64, KIR_F32};
	for (size_t e = 0; e < IG_COUNTOF(elems); e++)
		for (int n = 1; n <= 64; n *= 2) {
			fresh(k);
			kir_val a = ld(k, elems[e], n), b = ld(k, elems[e], n);
			st(k, kb_op2(&k->b, KIR_CONCAT, a, b));
			st(k, kb_op2(&k->b, KIR_INTERLEAVE, a, b));
			if (elems[e] != KIR_F32 && n * kir_elem_bytes(elems[e]) % 16 == 0) {
				st(k, kb_op2(&k->b, KIR_ZIPLO, a, b));
				st(k, kb_op2(&k->b, KIR_ZIPHI, a, b));
			}
			if (elems[e] == KIR_I32 && n % 4 == 0)
				st(k, kb_op1(&k->b, KIR_TRANSPOSE4, KIR_T(KIR_I32, n), a));
			for (int w = 1; w <= n; w *= 2) {
				st(k, kb_extract(&k->b, a, 0, w));
				st(k, kb_extract(&k->b, b, n - w, w));
				st(k, kb_extract(&k->b, a, (n - w) / 3, w));
			}
			st(k, kb_op1(&k->b, KIR_SPLAT, KIR_T(elems[e], n), kb_extract(&k->b, a, n / 2, 1)));
		}
	for (int n = 8; n <= 64; n *= 2) {
		kir_val x = ld(k, KIR_I8, n);
		st(k, kb_op2(&k->b, KIR_ADD, kb_op1(&k->b, KIR_BITCAST, KIR_T(KIR_I64, n / 8), x), kb_const_i(&k->b, KIR_T(KIR_I64, n / 8), 0x0123456789abcdef)));
		st(k, kb_op2(&k->b, KIR_ADD, kb_op1(&k->b, KIR_BITCAST, KIR_T(KIR_I16, n / 2), x), kb_const_i(&k->b, KIR_T(KIR_I16, n / 2), 0x1234)));
	}
}

static void dots(struct kc *k, enum kir_elem e, bool a_unsigned)
{
	for (int n = 1; n <= 32; n *= 2)
		for (int g = 1; g <= 8 && n * g <= 128; g *= 2) {
			fresh(k);
			kir_val acc = ld(k, KIR_I32, n), a = ld(k, e, n * g), b = ld(k, e, n * g);
			st(k, kb_dot(&k->b, acc, a, b, a_unsigned));
			/* the extremes */
			a = kb_const_i(&k->b, KIR_T(e, n * g), a_unsigned ? -1 : e == KIR_I8 ? -128 : -32768);
			b = kb_const_i(&k->b, KIR_T(e, n * g), e == KIR_I8 ? -128 : -32768);
			st(k, kb_dot(&k->b, acc, a, b, a_unsigned));
			/* one activation for all lanes */
			if (g * kir_elem_bytes(e) == 4) {
				a = kb_op1(&k->b, KIR_BITCAST, KIR_T(e, n * g), kb_op1(&k->b, KIR_SPLAT, KIR_T(KIR_I32, n), ld(k, KIR_I32, 1)));
				st(k, kb_dot(&k->b, acc, a, ld(k, e, n * g), a_unsigned));
			}
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
			kir_val x = ld(k, KIR_F32, n > 64 ? 64 : n), ord = kb_op2(&k->b, KIR_CMPEQ, x, x), y = kb_select(&k->b, ord, x, kb_const_f(&k->b, n > 64 ? 64 : n, 1.5f));
			while (kb_type(&k->b, x).lanes < n) {
				x = kb_op2(&k->b, KIR_CONCAT, x, x);
				y = kb_op2(&k->b, KIR_CONCAT, y, y);
			}
			st(k, kb_fpack(&k->b, x, range[i][0], range[i][1], range[i][2], true));
			st(k, kb_fpack(&k->b, y, range[i][0], range[i][1], range[i][2], false));
			if (n > 128)
				continue;
			/* values near the bounds, with ties */
			kir_val h = kb_op1(&k->b, KIR_ITOF, KIR_T(KIR_F32, n), kb_op1(&k->b, KIR_SEXT, KIR_T(KIR_I32, n), ld(k, KIR_I16, n)));
			h = kb_op2(&k->b, KIR_MUL, h, kb_const_f(&k->b, n, 1.0f / 64));
			st(k, kb_fpack(&k->b, h, range[i][0], range[i][1], range[i][2], false));
			st(k, kb_fpack_small(&k->b, h, range[i][0], range[i][1], range[i][2]));
			h = kb_op2(&k->b, KIR_MUL, h, kb_const_f(&k->b, n, 2097151)); /* nearly 2^30 */
			st(k, kb_fpack_small(&k->b, h, range[i][0], range[i][1], range[i][2]));
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
				st(k, v);
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
		kir_val x = ld(k, KIR_I8, n);
		st(k, kb_lut(&k->b, KIR_I8, x, kb_addr(b8, 0)));
		st(k, kb_lut(&k->b, KIR_I8, x, kb_addr(b8, 256)));
		st(k, kb_lut(&k->b, KIR_I32, x, kb_addr(b32, 0)));
		st(k, kb_lut(&k->b, KIR_F32, x, kb_addr(bf, 44)));
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
		st(k, kb_op1(&k->b, KIR_REDUCE_ADD, KIR_T(KIR_I32, 1), ld(k, KIR_I32, n)));
		st(k, kb_op1(&k->b, KIR_REDUCE_UMAX, KIR_T(KIR_I8, 1), ld(k, KIR_I8, n)));
		st(k, kb_op1(&k->b, KIR_REDUCE_UMAX, KIR_T(KIR_I32, 1), ld(k, KIR_I32, n)));
		st(k, kb_op1(&k->b, KIR_REDUCE_FMAX, KIR_T(KIR_F32, 1), ld(k, KIR_F32, n)));
	}
	for (int i = 0; i < 40; i++)
		st(k, kb_op1(&k->b, KIR_REDUCE_ADD, KIR_T(KIR_F32, 1), ld(k, KIR_F32, 16)));
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
	st(k, next[0]);
	st(k, next[1]);
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
	st(k, acc[0]);
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
		st(k, acc[i]);
	for (int i = 0; i < 16; i++)
		kb_store(b, kb_const_i(b, KIR_T(KIR_I32, 1), i * 77), kb_addr(tmp, 4 * i));
	kir_val sum = kb_load(b, KIR_T(KIR_I32, 1), kb_addr(tmp, 8));
	for (int i = 0; i < 8; i++) {
		kir_val x = kb_load(b, KIR_T(KIR_I32, 1), kb_addr(tmp, 4 * i + 4));
		sum = kb_op2(b, KIR_ADD, kb_op2(b, KIR_MUL, sum, kb_const_i(b, KIR_T(KIR_I32, 1), 3)), x);
		if (i % 5 == 2)
			kb_store(b, sum, kb_addr(tmp, 4 * i + 8));
	}
	st(k, sum);
}

static const struct {
	const char *name;
	void (*build)(struct kc *);
} cases[] = {
	{"int8", int8}, {"int16", int16}, {"int32", int32}, {"int64", int64}, {"floats", floats}, {"conversions", conversions}, {"lanes", lanes},
	{"dot_u8s8", dot_u8s8}, {"dot_s8s8", dot_s8s8}, {"dot_s16", dot_s16}, {"fpack", fpack}, {"partial8", partial8}, {"partial16", partial16},
	{"partial32", partial32}, {"partial64", partial64}, {"luts", luts}, {"reductions", reductions}, {"loops", loops},
	{"broadcasts", broadcasts},
};

int kir_case_count(void)
{
	return (int)IG_COUNTOF(cases);
}

/* ---- modules, programs, data ---- */

static int32_t io_buffer(struct kir_module *m, const char *name, enum kir_space space, enum kir_elem elem, int64_t n, int io)
{
	int32_t b = kir_buffer_add(m, name, space, elem, n);
	m->buf[b].io = io;
	return b;
}

static struct ig_io_info io_info(const char *name, enum ig_dtype dt, int64_t n)
{
	return (struct ig_io_info){.name = name, .type = {.dtype = dt, .rank = 1, .dim = {n}, .q = IG_NOQ}};
}

static struct kc begin(const char *name)
{
	struct kc k = {.m = kir_module_new(name)};
	k.bytes = io_buffer(k.m, "bytes", KIR_IN, KIR_I8, IN_BYTES, 0);
	k.floats = io_buffer(k.m, "floats", KIR_IN, KIR_F32, IN_FLOATS, 1);
	k.out = io_buffer(k.m, "out", KIR_OUT, KIR_I8, OUT_BYTES, 0);
	k.m->n_inputs = 2;
	k.m->n_outputs = 1;
	k.b = (struct kir_builder){k.m, kir_func_add(k.m, "first", IG_NONODE)};
	return k;
}

static void finish(struct kir_case *c, struct kc *k, const char *name, const struct ig_target *t)
{
	k->m->buf[k->out].count = k->at_out;
	*c = (struct kir_case){.name = name, .m = k->m};
	c->in[0] = io_info("bytes", IG_DT_U8, IN_BYTES);
	c->in[1] = io_info("floats", IG_DT_F32, IN_FLOATS);
	c->out[0] = io_info("out", IG_DT_U8, k->at_out);
	c->p = (struct ig_program){.name = name, .module = k->m, .target = t, .in = c->in, .out = c->out, .n_in = 2, .n_out = 1, .hash = 1234567890123u};
	struct ig_diag *d = ig_diag_new(stderr, false);
	if (!ig_memplan(k->m, NULL, d) || !kir_verify(k->m, d))
		IG_BUG("kernel-IR case %s does not verify", name);
	ig_diag_free(d);
}

void kir_case_build(struct kir_case *c, int i, const struct ig_target *t)
{
	struct kc k = begin(cases[i].name);
	cases[i].build(&k);
	finish(c, &k, cases[i].name, t);
}

/* ---- random programs ---- */

enum { POOL = 24, STEPS = 120 };
struct pool {
	struct kc *k;
	uint32_t s;
	kir_val v[POOL];
};

static struct kir_type type_at(struct pool *p, int i)
{
	return kb_type(&p->k->b, p->v[i]);
}

/* Some value that `ok` likes, -1: none. */
static int pick(struct pool *p, bool (*ok)(struct kir_type t, struct kir_type like), struct kir_type like)
{
	for (int tries = 0, i = (int)(next(&p->s) % POOL); tries < POOL; tries++, i = (i + 1) % POOL)
		if (ok(type_at(p, i), like))
			return i;
	return -1;
}

static bool same(struct kir_type t, struct kir_type like) { return t.elem == like.elem && t.lanes == like.lanes; }
static bool flags_for(struct kir_type t, struct kir_type like) { return t.elem == KIR_I1 && t.lanes == like.lanes; }

/* A clamp that keeps rounding to i32 defined, NaN included. */
static kir_val in_range(struct kir_builder *b, kir_val x)
{
	int n = kb_type(b, x).lanes;
	return kb_op2(b, KIR_FMIN, kb_op2(b, KIR_FMAX, x, kb_const_f(b, n, -2147483648.0f)), kb_const_f(b, n, 2147483520.0f));
}

static kir_val fresh_value(struct pool *p)
{
	static const enum kir_elem elems[] = {KIR_I8, KIR_I8, KIR_I16, KIR_I32, KIR_I32, KIR_I64, KIR_F32, KIR_F32};
	enum kir_elem e = elems[next(&p->s) % IG_COUNTOF(elems)];
	int lanes = 1 << next(&p->s) % 7;
	struct kir_type t = KIR_T(e, lanes);
	if (next(&p->s) % 4 == 0)
		return e == KIR_F32 ? kb_const_f(&p->k->b, lanes, (float)(int)(next(&p->s) % 512) * 0.37f - 90) : kb_const_i(&p->k->b, t, (int)next(&p->s) >> next(&p->s) % 31);
	if (e != KIR_F32 && next(&p->s) % 3 == 0)
		return kb_load_n(&p->k->b, t, kb_addr(p->k->bytes, next(&p->s) % 3000), 1 + (int)(next(&p->s) % (uint32_t)lanes));
	return ld(p->k, e, lanes);
}

static kir_val integer_step(struct pool *p, kir_val x, int other)
{
	static const enum kir_op ops[] = {KIR_ADD, KIR_SUB, KIR_MUL, KIR_SMIN, KIR_SMAX, KIR_UMIN, KIR_UMAX, KIR_AND, KIR_OR, KIR_XOR, KIR_CMPLT, KIR_CMPEQ};
	static const enum kir_op shifts[] = {KIR_SHL, KIR_SHRU, KIR_SHRS};
	struct kir_builder *b = &p->k->b;
	struct kir_type t = kb_type(b, x);
	uint32_t r = next(&p->s);
	int bits = kir_elem_bits((enum kir_elem)t.elem);
	switch (r % 8) {
	case 0: return kb_shift(b, shifts[r / 8 % 3], x, (int)(r / 64 % (uint32_t)bits));
	case 1: return t.elem < KIR_I64 ? kb_op1(b, r & 64 ? KIR_SEXT : KIR_ZEXT, KIR_T(t.elem + 1 + (t.elem < KIR_I32 && r & 128), t.lanes), x) : x;
	case 2: return t.elem > KIR_I8 ? kb_op1(b, KIR_TRUNC, KIR_T(t.elem - 1 - (t.elem > KIR_I16 && r & 128), t.lanes), x) : x;
	case 3: return t.elem == KIR_I32 ? kb_op1(b, KIR_ITOF, KIR_T(KIR_F32, t.lanes), x) : t.elem == KIR_I8 ? kb_lut(b, KIR_I8, x, kb_addr(p->k->bytes, r % 3000)) : x;
	default: return kb_op2(b, ops[r / 8 % IG_COUNTOF(ops)], x, p->v[other]);
	}
}

static kir_val float_step(struct pool *p, kir_val x, int other)
{
	static const enum kir_op ops[] = {KIR_ADD, KIR_SUB, KIR_MUL, KIR_DIV, KIR_FMIN, KIR_FMAX, KIR_CMPLT, KIR_CMPEQ};
	struct kir_builder *b = &p->k->b;
	struct kir_type t = kb_type(b, x);
	uint32_t r = next(&p->s);
	int32_t zp = (int32_t)(r / 64 % 256), lo = (int32_t)(r / 16384 % 100), hi = 255 - (int32_t)(r >> 26);
	switch (r % 8) {
	case 0: return kb_op1(b, KIR_RNE, KIR_T(KIR_I32, t.lanes), in_range(b, x));
	case 1: return kb_fpack(b, x, lo, hi, zp, true);
	case 2: return kb_fpack(b, x, lo - 128, hi - 128, zp - 128, true);
	case 4:
		if (r & 64)
			return kb_fpack_small(b, kb_op2(b, KIR_FMIN, kb_op2(b, KIR_FMAX, x, kb_const_f(b, t.lanes, -1e9f)), kb_const_f(b, t.lanes, 1e9f)), lo, hi, zp);
		return kb_op2(b, KIR_SUB, x, p->v[other]);
	case 3: return kb_fma(b, x, p->v[other], x);
	default: return kb_op2(b, ops[r / 8 % IG_COUNTOF(ops)], x, p->v[other]);
	}
}

/* Changes of shape, which any element allows. */
static kir_val lane_step(struct pool *p, kir_val x, int other)
{
	struct kir_builder *b = &p->k->b;
	struct kir_type t = kb_type(b, x);
	uint32_t r = next(&p->s);
	int part = 1 << r / 16 % 7;
	if (r % 4 < 2 && t.lanes <= 64)
		return kb_op2(b, r & 1 ? KIR_CONCAT : KIR_INTERLEAVE, x, p->v[other]);
	if (r % 4 == 2 && t.lanes == 1)
		return kb_op1(b, KIR_SPLAT, KIR_T(t.elem, part), x);
	part = part > t.lanes ? t.lanes : part;
	return kb_extract(b, x, (int)(r / 1024 % (uint32_t)(t.lanes - part + 1)), part);
}

static kir_val random_step(struct pool *p)
{
	struct kir_builder *b = &p->k->b;
	uint32_t r = next(&p->s);
	kir_val x = p->v[r % POOL];
	struct kir_type t = kb_type(b, x);
	int other = pick(p, same, t), flags = pick(p, flags_for, t);
	if (r / 32 % 8 == 0)
		return fresh_value(p);
	if (t.elem == KIR_I1)
		return r & 256 ? kb_op1(b, r & 512 ? KIR_SEXT : KIR_ZEXT, KIR_T(1 + r / 1024 % 4, t.lanes), x) : kb_op2(b, r & 512 ? KIR_AND : KIR_XOR, x, p->v[other]);
	if (flags >= 0 && r / 32 % 8 < 3)
		return kb_select(b, p->v[flags], x, p->v[other]);
	if (r / 32 % 8 == 3)
		return lane_step(p, x, other);
	return t.elem == KIR_F32 ? float_step(p, x, other) : integer_step(p, x, other);
}

void kir_case_random(struct kir_case *c, uint32_t seed, const struct ig_target *t)
{
	struct kc k = begin("random");
	struct pool p = {.k = &k, .s = seed * 2654435761u + 1};
	for (int i = 0; i < POOL; i++)
		p.v[i] = fresh_value(&p);
	for (int i = 0; i < STEPS; i++) {
		kir_val v = random_step(&p);
		p.v[next(&p.s) % POOL] = v;
		if (i % 5 == 4)
			st(&k, v);
	}
	for (int i = 0; i < POOL; i++)
		st(&k, p.v[i]);
	finish(c, &k, ig_arena_printf(k.m->arena, "random%u", (unsigned)seed), t);
}

void kir_case_free(struct kir_case *c)
{
	kir_module_free(c->m);
}

size_t kir_case_in_bytes(const struct kir_case *c)
{
	(void)c;
	return IN_BYTES + 4 * IN_FLOATS;
}

size_t kir_case_out_bytes(const struct kir_case *c)
{
	return (size_t)c->out[0].type.dim[0];
}

void kir_case_fill(const struct kir_case *c, unsigned seed, unsigned char *data)
{
	static const uint32_t special[] = {0, 0x80000000, 0x3f800000, 0xbf800000, 0x7f800000, 0xff800000, 0x7fc00000, 0x7fa00001, 0x00000001, 0x80000001, 0x007fffff,
	                                   0x00800000, 0x7f7fffff, 0xff7fffff, 0x3f000000, 0x4b000001, 0x4b800000, 0x4f000000, 0xcf000000, 0x4effffff, 0x437f0000};
	uint32_t s = 2463534242u + seed * 7919u;
	(void)c;
	for (int i = 0; i < IN_BYTES; i++)
		data[i] = (unsigned char)(next(&s) >> 11);
	for (int i = 0; i < IN_FLOATS; i++) {
		uint32_t r = next(&s), v = r;
		if (r % 8 == 0)
			v = special[next(&s) % IG_COUNTOF(special)];
		else if (r % 8 < 6) /* magnitudes around those of bytes */
			v = (r & 0x807fffff) | (119 + next(&s) % 18) << 23;
		memcpy(data + IN_BYTES + 4 * i, &v, 4);
	}
}

void kir_case_expect(const struct kir_case *c, const unsigned char *in, unsigned char *out)
{
	struct kir_interp *it = kir_interp_new(c->m);
	size_t n = ((size_t)c->m->arena_bytes + 127) / 64 * 64;
	void *arena = aligned_alloc(64, n);
	const void *inputs[2] = {in, in + IN_BYTES};
	void *outputs[1] = {out};
	memset(arena, 0xa5, n);
	kir_interp_run(it, inputs, outputs, arena);
	free(arena);
	kir_interp_free(it);
}
