/* Elementary functions (runtime/qfunc.h, ir/detfunc.c), elements of any type (ir/number.h), and the interpreter on models written as text. */
#include "frontend_util.h"

#include <math.h>

#include "ir/detmath.h"
#include "ir/interp.h"
#include "ir/number.h"
#include "runtime/qfunc.h"

/* Distance in units of the last place of the float nearest to `want`. */
static double ulps(float got, double want)
{
	float w = (float)want;
	if (isnan(want) || isnan(got))
		return isnan(want) && isnan(got) ? 0 : 1e9;
	if (isinf(w) || isinf(got))
		return got == w ? 0 : 1e9;
	double unit = fabsf(w) < IG_FLOAT_MIN ? ldexp(1, -149) : (double)nextafterf(fabsf(w), INFINITY) - (double)fabsf(w);
	return fabs((double)got - want) / unit;
}

static double log1p_exp(double x) { return log1p(exp(-fabs(x))) + fmax(x, 0); }
static double mish(double x) { return x * tanh(log1p_exp(x)); }
static double gelu(double x) { return 0.5 * x * erfc(-x * sqrt(0.5)); }
static double root(double x) { return sqrt(x); }

static void accuracy(void **state)
{
	(void)state;
	static const struct {
		float (*f)(float);
		double (*want)(double);
		double lo, hi, limit;
	} t[] = {
		{ig_logf, log, 0, 10, 0.9},        {ig_logf, log, 1e-44, 2e-38, 0.9}, {ig_log1pf, log1p, 0, 1, 1.4},  {ig_expm1f, expm1, -20, 0, 1.7},
		{ig_softplusf, log1p_exp, -20, 20, 2.5}, {ig_mishf, mish, -20, 30, 4.5}, {ig_erff, erf, -6, 6, 1.2},  {ig_geluf, gelu, 0, 6, 2},
		{ig_sinf, sin, -10, 10, 1.7},      {ig_cosf, cos, -10, 10, 1.7},    {ig_sqrtf, root, 0, 1e10, 0.5001}, {ig_sqrtf, root, 0, 2e-38, 0.5001},
	};
	uint32_t s = 1;
	for (size_t k = 0; k < IG_COUNTOF(t); k++)
		for (int i = 0; i < 100000; i++) {
			s = s * 1664525u + 1013904223u;
			float x = (float)(t[k].lo + (t[k].hi - t[k].lo) * (double)s / 4294967296.0);
			double u = ulps(t[k].f(x), t[k].want((double)x));
			if (u > t[k].limit)
				fail_msg("function %zu at %.9g: %g units of the last place", k, (double)x, u);
		}
}

static void special_values(void **state)
{
	(void)state;
	static const float v[] = {0, -0.0f, 1, -1, 2, -2, 3, -3, 0.5f, -0.5f, INFINITY, -INFINITY, NAN, 1e30f, -1e30f, 1e-42f, -1e-42f, 16777215, -16777215, 1e10f, 300, -301, 2.5f, -1.5f};
	for (size_t i = 0; i < IG_COUNTOF(v); i++) {
		for (size_t j = 0; j < IG_COUNTOF(v); j++) {
			double want = pow((double)v[i], (double)v[j]), got = ig_det_pow((double)v[i], (double)v[j]);
			float p = ig_powf(v[i], v[j]);
			if (ulps(p, want) > 1.5 || (!isnan(want) && !signbit(p) != !signbit(want)))
				fail_msg("pow(%g, %g) = %g", (double)v[i], (double)v[j], (double)p);
			if (isnan(want) ? !isnan(got) : isinf(want) || want == 0 ? got != want : fabs(got - want) > fabs(want) * 1e-12)
				fail_msg("double pow(%g, %g) = %g", (double)v[i], (double)v[j], got);
			want = fmod((double)v[i], (double)v[j]);
			got = ig_det_fmod((double)v[i], (double)v[j]);
			assert_true(isnan(want) ? isnan(got) : got == want && !signbit(got) == !signbit(want));
		}
		assert_true(ulps(ig_rintf(v[i]), rint((double)v[i])) == 0 && ulps(ig_floorf(v[i]), floor((double)v[i])) == 0);
		assert_true(ulps(ig_ceilf(v[i]), ceil((double)v[i])) == 0 && ulps(ig_truncf(v[i]), trunc((double)v[i])) == 0);
		assert_true(ulps(ig_erff(v[i]), erf((double)v[i])) < 1.2 && ulps(ig_sqrtf(v[i]), sqrt((double)v[i])) <= 0.5);
		assert_true(ulps(ig_logf(v[i]), log((double)v[i])) < 1);
	}
	assert_true(isnan(ig_sinf(INFINITY)) && isnan(ig_cosf(-INFINITY)) && isnan(ig_maximumf(1, NAN)) && isnan(ig_minimumf(NAN, 1)));
}

static void doubles(void **state)
{
	(void)state;
	for (double x = -8; x < 8; x += 0.00371) {
		assert_true(fabs(ig_det_erf(x) - erf(x)) < 1e-14 && fabs(ig_det_sin(x) - sin(x)) < 1e-15 && fabs(ig_det_cos(x) - cos(x)) < 1e-15);
		assert_true(fabs(ig_det_expm1(x) - expm1(x)) <= fabs(expm1(x)) * 1e-14 && ig_det_floor(x) == floor(x));
		assert_true(x < -0.9 || fabs(ig_det_log1p(x) - log1p(x)) <= fabs(log1p(x)) * 1e-14);
	}
}

static void halves(void **state)
{
	(void)state;
	for (uint32_t h = 0; h < 65536; h++) {
		float f = ig_half_to_float((uint16_t)h), g = ig_bfloat_to_float((uint16_t)h);
		if (f == f) {
			assert_int_equal(ig_float_to_half(f), h);
			float up = ig_half_to_float((uint16_t)(h + 1));
			if ((h & 0x7fff) < 0x7bff) { /* ties go to the even neighbour, what is beyond them to the nearer */
				float middle = (f + up) / 2;
				assert_int_equal(ig_float_to_half(middle), h & 1 ? h + 1 : h);
				assert_int_equal(ig_float_to_half(nextafterf(middle, f)), h);
				assert_int_equal(ig_float_to_half(nextafterf(middle, up)), h + 1);
			}
		}
		if (g == g)
			assert_int_equal(ig_float_to_bfloat(g), h);
	}
	assert_int_equal(ig_float_to_half(65520), 0x7c00);
	assert_int_equal(ig_float_to_half(65519.996f), 0x7bff);
	assert_true((ig_float_to_half(NAN) & 0x7fff) > 0x7c00 && (ig_float_to_bfloat(NAN) & 0x7fff) > 0x7f80);
}

/* The outputs of a model's body as text: type and elements of each. */
static void expect(const char *outputs, const char *body, const char *want)
{
	struct bench *b = bench_new();
	char text[4000], got[4000] = "";
	snprintf(text, sizeof text, "model m(x: f32[4]) -> (%s) {\n%s\n}\n", outputs, body);
	struct ig_model *m = bench_parse(b, text);
	struct ig_interp *it = ig_interp_new(m->graph, b->diag);
	if (!it)
		fail_msg("%s", bench_said(b));
	const float in[4] = {-1.5f, 0, 2.5f, NAN};
	ig_interp_run(it, (const void *const[]){in});
	for (int i = 0; i < m->graph->n_outputs; i++) {
		const struct ig_tensor *t = ig_interp_value(it, m->graph->output[i]);
		size_t n = strlen(got);
		n += (size_t)snprintf(got + n, sizeof got - n, "%s%s:", i ? "; " : "", ig_dtypes[t->type.dtype].name);
		for (int64_t k = 0; k < ig_elems(&t->type); k++)
			n += (size_t)snprintf(got + n, sizeof got - n, " %.6g", ig_get_double(t, k));
	}
	assert_string_equal(got, want);
	ig_interp_free(it);
	ig_model_free(m);
	bench_free(b);
}

static void whole_numbers(void **state)
{
	(void)state;
	expect("y: s8[3], z: s8[3], v: s8[3], w: s8[3], u: s8[3]",
	       "a: s8[3] = constant(values: [100, -7, 7])\nb: s8[3] = constant(values: [100, 2, -2])\ny = add(a, b)\nz = div(a, b)\nv = mod(a, b)\nw = mod(a, b, fmod: true)\nu = mul(a, b)",
	       "s8: -56 -5 5; s8: 1 -3 -3; s8: 0 1 -1; s8: 0 -1 1; s8: 16 -14 -14");
	expect("y: u8[2], z: bool[2], v: u64[2], w: i32[3]",
	       "a: u8[2] = constant(values: [200, 3])\nb: u8[2] = constant(values: [100, 5])\ny = sub(a, b)\nz = greater(a, b)\nc: u64[2] = constant(values: [-1, 3])\nd: u64[2] = constant(values: [2, 2])\n"
	       "v = div(c, d)\ne: i32[3] = constant(values: [2, -1, 3])\nf: i32[3] = constant(values: [10, 3, -1])\nw = pow(e, f)",
	       "u8: 100 254; bool: 1 0; u64: 9.22337e+18 1; i32: 1024 -1 0");
}

static void casts_and_logic(void **state)
{
	(void)state;
	expect("a: i32[4], b: bool[4], c: f16[4], d: u8[4], e: bool[4], f: f64[4], g: f32[4]",
	       "a = cast(x, to: i32)\nb = cast(x, to: bool)\nc = cast(x, to: f16)\nd = cast(x, to: u8)\nk = constant(values: [0.5])\ne = logical_or(is_nan(x), less(x, k))\n"
	       "f = exp(cast(x, to: f64))\ng = where(e, k, x)",
	       "i32: -1 0 2 0; bool: 1 0 1 1; f16: -1.5 0 2.5 nan; u8: 0 0 2 0; bool: 1 1 0 1; f64: 0.22313 1 12.1825 nan; f32: 0.5 0.5 2.5 0.5");
}

static void reductions(void **state)
{
	(void)state;
	const char *c = "t: f32[2, 3] = constant(values: [1.0, 5.0, 5.0, 4.0, -2.0, 4.0])\n";
	char body[600];
	snprintf(body, sizeof body, "%sa = reduce_sum(t, axes: [0], keepdims: false)\nb = reduce_mean(t, axes: [-1])\nc = argmax(t, axis: 1)\nd = argmax(t, axis: 1, last: true, keepdims: false)\n"
	                            "e = reduce_max(t, keepdims: false)\nf = reduce_prod(t)\ng = matmul(t, transpose(t))", c);
	expect("a: f32[3], b: f32[2, 1], c: i64[2, 1], d: i64[2], e: f32[], f: f32[1, 1], g: f32[2, 2]", body,
	       "f32: 5 3 9; f32: 3.66667 2; i64: 1 0; i64: 2 2; f32: 5; f32: -800; f32: 51 14 14 36");
	expect("y: i32[2, 2]",
	       "a: u8[2, 2] = constant(values: [1, 2, 3, 4])\nb: s8[2, 2] = constant(values: [1, -1, 2, -2])\nz: u8[1] = constant(values: [1])\nw: s8[2] = constant(values: [1, -1])\ny = matmul_integer(a, b, z, w)",
	       "i32: 1 -1 3 -3");
}

static void refuse(const char *body, const char *want)
{
	struct bench *b = bench_new();
	char text[1000];
	snprintf(text, sizeof text, "model m(x: f32[2, 3], i: i32[2, 3], c: bool[3]) -> (y: f32[2, 3]) {\n%s\n}\n", body);
	bench_refuse(b, text, want);
	bench_free(b);
}

static void refusals(void **state)
{
	(void)state;
	refuse("y = gelu(i)", "needs an f32 operand, but 'i' is i32[2, 3]; cast(..., to: f32)");
	refuse("y = logical_not(x)", "takes bool, but 'x' is f32[2, 3]");
	refuse("y = add(x, i)", "its operands are f32[2, 3] and i32[2, 3]; cast one of them");
	refuse("y = where(x, x, x)", "takes bool");
	refuse("y = matmul(x, x)", "cannot be multiplied");
	refuse("y = reduce_sum(x, axes: [2])", "axis 2 is outside of the rank 2");
	refuse("y = reduce_sum(x, axes: [1, -1])", "given twice");
	refuse("y = layer_norm(x, reshape(x, shape: [6]))", "the weight 'reshape' is f32[6], expected f32[3]");
	refuse("y = group_norm(x, reduce_sum(x, axes: [0], keepdims: false), reduce_sum(x, axes: [0], keepdims: false), groups: 2)", "2 groups do not divide 3 channels");
	refuse("y = cast(x)", "needs to: and an element type");
	refuse("y = cast(x, to: f31)", "did you mean 'f32'");
	refuse("y = gelu(x, approximate: sometimes)", "none or tanh");
	refuse("y = celu(x, alpha: 0)", "alpha must not be 0");
	refuse("y = lrn(x)", "size: of 1 to");
	refuse("y = add(i, i, max: 3.0)", "bounds are for f32");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(accuracy), cmocka_unit_test(special_values), cmocka_unit_test(doubles), cmocka_unit_test(halves),
		cmocka_unit_test(whole_numbers), cmocka_unit_test(casts_and_logic), cmocka_unit_test(reductions), cmocka_unit_test(refusals),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
