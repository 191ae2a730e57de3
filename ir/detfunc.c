/* More deterministic double-precision functions (detmath.h): what tables and f64 constants need beyond exp, log, tanh. */
#include "ir/detmath.h"

#include <math.h>
#include <stdbool.h>
#include <stdint.h>

static double magnitude(double x) { return fabs(x); }

/* Small arguments by the series, which keeps their digits. */
double ig_det_expm1(double x)
{
	if (magnitude(x) > 0.5 || x != x)
		return ig_det_exp(x) - 1.0;
	double s = 1.0;
	for (double n = 18.0; n > 1.0; n -= 1.0)
		s = 1.0 + s * x / n;
	return x * s;
}

/* log(u) with what the addition 1 + x lost put back as a factor. */
double ig_det_log1p(double x)
{
	double u = 1.0 + x;
	if (u == 1.0)
		return x;
	return u - 1.0 == u ? ig_det_log(u) : ig_det_log(u) * (x / (u - 1.0));
}

/* 2 / sqrt(pi) * exp(-x^2) * sum of 2^n x^(2n+1) / (1 * 3 * ... * (2n+1)): all terms have one sign. */
double ig_det_erf(double x)
{
	double a = magnitude(x), term = a, sum = a;
	if (x != x)
		return x;
	if (a > 6.0)
		return x < 0 ? -1.0 : 1.0;
	for (double n = 1.0; term > sum * 1e-17; n += 1.0) {
		term *= 2.0 * a * a / (2.0 * n + 1.0);
		sum += term;
	}
	double y = 1.12837916709551257390 * ig_det_exp(-a * a) * sum;
	return x < 0 ? -y : y;
}

/* Quarter 0: sin, 1: cos. Arguments in steps of pi / 2, taken off in three parts (fdlibm); kernels on [-pi/4, pi/4]. Accurate below 2^20 steps. */
static double trig(double x, int quarter)
{
	static const double part[3] = {1.57079632673412561417e+00, 6.07710050630396597660e-11, 2.02226624879595063154e-21};
	static const double s[6] = {-1.66666666666666324348e-01, 8.33333333332248946124e-03, -1.98412698298579493134e-04,
	                            2.75573137070700676789e-06, -2.50507602534068634195e-08, 1.58969099521155010221e-10};
	static const double c[6] = {4.16666666666666019037e-02, -1.38888888888741095749e-03, 2.48015872894767294178e-05,
	                            -2.75573143513906633035e-07, 2.08757232129817482790e-09, -1.13596475577881948265e-11};
	if (!(magnitude(x) < 9007199254740992.0))
		return x - x == 0 ? 0.0 : (double)NAN;
	double n = ig_det_rint(x * 6.36619772367581382433e-01);
	double r = ((x - n * part[0]) - n * part[1]) - n * part[2], z = r * r, p = s[5], q = c[5];
	for (int i = 4; i >= 0; i--) {
		p = p * z + s[i];
		q = q * z + c[i];
	}
	int64_t k = (int64_t)n + quarter;
	double y = (k & 1) == 0 ? r + r * z * p : 1.0 - (0.5 * z - z * z * q);
	return (k & 2) != 0 ? -y : y;
}

double ig_det_sin(double x) { return trig(x, 0); }
double ig_det_cos(double x) { return trig(x, 1); }

double ig_det_floor(double x)
{
	double r = ig_det_rint(x);
	return r > x ? r - 1.0 : r;
}

/* Powers of whole exponents by squaring; others by exp and log. */
double ig_det_pow(double x, double y)
{
	if (y == 0 || x == 1)
		return 1.0;
	if (x != x || y != y)
		return x + y;
	bool whole = ig_det_rint(y) == y, odd = whole && ig_det_rint(0.5 * y) != 0.5 * y;
	double a = magnitude(x), r;
	if (whole && magnitude(y) <= 1024.0) {
		double base = y < 0 ? 1.0 / a : a;
		r = 1.0;
		for (int n = (int)magnitude(y); n > 0; n >>= 1, base *= base)
			r = n & 1 ? r * base : r;
	} else if (a == 0 || a == (double)INFINITY) {
		r = (a == 0) == (y < 0) ? (double)INFINITY : 0.0;
	} else if (a == 1) {
		r = 1.0;
	} else {
		r = ig_det_exp(y * ig_det_log(a));
	}
	if (!signbit(x))
		return r;
	if (!whole && a != 0 && a != (double)INFINITY)
		return (double)NAN;
	return odd ? -r : r;
}

/* The exact remainder with the dividend's sign: long division by bits. */
double ig_det_fmod(double x, double y)
{
	double a = magnitude(x), b = magnitude(y);
	if (x != x || y != y || a == (double)INFINITY || b == 0)
		return (double)NAN;
	if (b == (double)INFINITY)
		return x;
	while (a >= b) {
		double t = b;
		while (t <= 0.5 * a)
			t *= 2.0;
		a -= t; /* exact: t <= a < 2 t */
	}
	return signbit(x) ? -a : a;
}
