/* Deterministic double-precision functions for what is computed at compile time (tables, folded constants): only + - * / and bit operations in a
   fixed order, so that every build machine gives the same bits; within 1 ulp or so of the true value. Never the build machine's libm. */
#ifndef IG_IR_DETMATH_H
#define IG_IR_DETMATH_H
double ig_det_exp(double x);
double ig_det_log(double x);
double ig_det_tanh(double x);
double ig_det_sigmoid(double x);
double ig_det_sqrt(double x); /* correctly rounded */
double ig_det_rint(double x); /* half to even, independent of the rounding mode setting */
/* detfunc.c */
double ig_det_expm1(double x);
double ig_det_log1p(double x);
double ig_det_erf(double x);
double ig_det_sin(double x); /* beyond 2^20 quarters of the circle less and less accurate */
double ig_det_cos(double x);
double ig_det_floor(double x);
double ig_det_pow(double x, double y); /* IEEE's special cases; within some hundred ulp for large results */
double ig_det_fmod(double x, double y); /* exact */
#endif
