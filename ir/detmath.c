/* Deterministic double-precision functions: + - * /, comparisons and bit operations in a fixed order (fdlibm's methods), so that tables and folded
   constants have the same bits wherever they are computed. */
#include "ir/detmath.h"

#include <stdint.h>
#include <string.h>

static uint64_t bits(double x)
{
	uint64_t u;
	memcpy(&u, &x, sizeof u);
	return u;
}

static double of_bits(uint64_t u)
{
	double x;
	memcpy(&x, &u, sizeof x);
	return x;
}

/* 2^n for a normal result. */
static double pow2(int n) { return of_bits((uint64_t)(n + 1023) << 52); }

double ig_det_rint(double x)
{
	if (!(x < 4503599627370496.0 && x > -4503599627370496.0))
		return x; /* integral already, infinite or NaN */
	uint64_t sign = bits(x) & 0x8000000000000000u;
	double a = of_bits(bits(x) & 0x7fffffffffffffffu);
	uint64_t whole = (uint64_t)a;
	double rest = a - (double)whole; /* exact */
	if (rest > 0.5 || (rest == 0.5 && (whole & 1)))
		whole++;
	return of_bits(bits((double)whole) | sign);
}

static const double ln2_hi = 6.93147180369123816490e-01, ln2_lo = 1.90821492927058770002e-10;

double ig_det_exp(double x)
{
	if (x != x)
		return x;
	if (x > 709.782712893383973096)
		return of_bits(0x7ff0000000000000u);
	if (x < -745.13321910194110842)
		return 0.0;
	double k = ig_det_rint(x * 1.44269504088896338700);
	double hi = x - k * ln2_hi, lo = k * ln2_lo, r = hi - lo, t = r * r;
	double p = 4.13813679705723846039e-08;
	p = p * t + -1.65339022054652515390e-06;
	p = p * t + 6.61375632143793436117e-05;
	p = p * t + -2.77777777770155933842e-03;
	p = p * t + 1.66666666666666019037e-01;
	double c = r - t * p;
	double y = 1.0 - ((lo - (r * c) / (2.0 - c)) - hi);
	int n = (int)k, h = n / 2;
	return y * pow2(h) * pow2(n - h);
}

double ig_det_log(double x)
{
	if (x != x || x == of_bits(0x7ff0000000000000u))
		return x;
	if (x == 0.0)
		return of_bits(0xfff0000000000000u);
	if (x < 0.0)
		return of_bits(0x7ff8000000000000u);
	int k = 0;
	if (x < 2.2250738585072014e-308) {
		x *= 18014398509481984.0; /* 2^54 */
		k -= 54;
	}
	k += (int)(bits(x) >> 52) - 1023;
	double m = of_bits((bits(x) & 0xfffffffffffffu) | 0x3ff0000000000000u);
	if (m > 1.41421356237309504880) {
		m *= 0.5;
		k++;
	}
	double f = m - 1.0, s = f / (2.0 + f), z = s * s, w = z * z, dk = (double)k;
	double t1 = w * (3.999999999940941908e-01 + w * (2.222219843214978396e-01 + w * 1.531383769920937332e-01));
	double t2 = z * (6.666666666666735130e-01 + w * (2.857142874366239149e-01 + w * (1.818357216161805012e-01 + w * 1.479819860511658591e-01)));
	double r = t1 + t2, hfsq = 0.5 * f * f;
	return dk * ln2_hi - ((hfsq - (s * (hfsq + r) + dk * ln2_lo)) - f);
}

/* Odd in x; the series serves where 1 - 2 / (e + 1) would lose digits. */
double ig_det_tanh(double x)
{
	if (x != x)
		return x;
	double a = x < 0 ? -x : x, y;
	if (a < 0.25) {
		/* continued fraction of tanh: x / (1 + x^2 / (3 + x^2 / (5 + ...))) */
		double z = x * x, d = 17.0;
		for (double n = 15.0; n > 0.0; n -= 2.0)
			d = n + z / d;
		return x / d;
	}
	y = a > 22.0 ? 1.0 : 1.0 - 2.0 / (ig_det_exp(2.0 * a) + 1.0);
	return x < 0 ? -y : y;
}

double ig_det_sigmoid(double x)
{
	if (x != x)
		return x;
	if (x >= 0)
		return 1.0 / (1.0 + ig_det_exp(-x));
	double e = ig_det_exp(x);
	return e / (1.0 + e);
}

/* Bit by bit over the integer square root of the significand: slow, exact, rounded to nearest even. */
double ig_det_sqrt(double x)
{
	if (x != x || x == 0.0 || x == of_bits(0x7ff0000000000000u))
		return x;
	if (x < 0.0)
		return of_bits(0x7ff8000000000000u);
	int e = 0;
	if (x < 2.2250738585072014e-308) {
		x *= 18014398509481984.0;
		e = -54;
	}
	e += (int)(bits(x) >> 52) - 1023;
	uint64_t m = (bits(x) & 0xfffffffffffffu) | 0x10000000000000u; /* x = m * 2^(e - 52) */
	if (e & 1) {
		m <<= 1;
		e--;
	}
	/* root = floor(sqrt(m * 2^54)): 54 bits, one more than the result needs */
	uint64_t root = 0, rest = 0;
	for (int i = 53; i >= 0; i--) {
		uint64_t two = i >= 27 ? (m >> (2 * (i - 27))) & 3u : 0;
		rest = rest << 2 | two;
		uint64_t trial = root << 2 | 1u;
		root <<= 1;
		if (rest >= trial) {
			rest -= trial;
			root |= 1u;
		}
	}
	/* a remainder makes it more than half; a root of 54 bits cannot be a tie without one */
	uint64_t q = root >> 1;
	if ((root & 1u) && (rest != 0 || (q & 1u)))
		q++;
	return (double)q * pow2(e / 2 - 52);
}
