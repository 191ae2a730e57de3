/* The fixed text of an emitted C file: what it demands of its compiler, and the functions its instructions call. */
#include "codegen/emit_c.h"

static const char *const demands =
	"#include <float.h>\n"
	"#include <stddef.h>\n"
	"#include <stdint.h>\n"
	"#if defined(__GNUC__)\n"
	"#define COPY __builtin_memcpy\n"
	"#define ALIGNED64 __attribute__((aligned(64)))\n"
	"#define FAR __attribute__((noinline, unused)) /* long, called often: inlined it would multiply the code */\n"
	"#else\n"
	"#include <string.h>\n"
	"#define COPY memcpy\n"
	"#define ALIGNED64\n"
	"#define FAR\n"
	"#endif\n"
	"\n"
	"/* The results are the same bits everywhere only in IEEE arithmetic with one rounding for each operation: nothing contracted, nothing wider. */\n"
	"#if defined(__FAST_MATH__)\n"
	"#error \"this file must not be compiled with -ffast-math\"\n"
	"#endif\n"
	"#if FLT_EVAL_METHOD != 0\n"
	"#error \"this file needs FLT_EVAL_METHOD 0 (on 32-bit x86: -msse2 -mfpmath=sse)\"\n"
	"#endif\n"
	"#if FLT_RADIX != 2 || FLT_MANT_DIG != 24 || FLT_MAX_EXP != 128 || DBL_MANT_DIG != 53\n"
	"#error \"this file needs IEEE binary32 and binary64\"\n"
	"#endif\n"
	"#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__\n"
	"#error \"this file is for little-endian machines\"\n"
	"#endif\n"
	"#if defined(__clang__)\n"
	"#pragma clang fp contract(off)\n"
	"#elif defined(__GNUC__)\n"
	/* gcc 12 may address an array from null plus an index, then takes that for a null pointer and drops the store and the call around it (gcc PR 110702). */
	"#pragma GCC optimize(\"fp-contract=off\", \"no-delete-null-pointer-checks\")\n"
	"#else\n"
	"#pragma STDC FP_CONTRACT OFF\n"
	"#endif\n";

#define DOT_TEXT(name, ta, tb)                                                                     \
	"\n/* d[i] = acc[i] + the g products of lane i */\n"                                             \
	"static inline void " name "(uint32_t *d, const uint32_t *acc, const " ta " *a, const " tb " *b, int n, int g)\n" \
	"{\n"                                                                                          \
	"\tfor (int i = 0; i < n; i++) {\n"                                                            \
	"\t\tuint32_t s = acc[i];\n"                                                                   \
	"\t\tfor (int k = 0; k < g; k++)\n"                                                            \
	"\t\t\ts += (uint32_t)((int32_t)a[g * i + k] * (int32_t)b[g * i + k]);\n"                      \
	"\t\td[i] = s;\n"                                                                              \
	"\t}\n"                                                                                        \
	"}\n"
#define MMLA_TEXT(name, ta)                                                                        \
	"\n/* in each 4 lanes: two rows of 8 bytes by two rows of 8 */\n"                                \
	"static inline void " name "(uint32_t *d, const uint32_t *acc, const " ta " *a, const int8_t *b, int n)\n" \
	"{\n"                                                                                          \
	"\tfor (int i = 0; i < n; i++) {\n"                                                            \
	"\t\tuint32_t s = acc[i];\n"                                                                   \
	"\t\tfor (int k = 0; k < 8; k++)\n"                                                            \
	"\t\t\ts += (uint32_t)((int32_t)a[i / 4 * 16 + i % 4 / 2 * 8 + k] * (int32_t)b[i / 4 * 16 + i % 2 * 8 + k]);\n" \
	"\t\td[i] = s;\n"                                                                              \
	"\t}\n"                                                                                        \
	"}\n"
#define TREE_TEXT(name, type, expr)                                                                \
	"\n/* the halves together, lane by lane, until one is left */\n"                                 \
	"static inline " type " " name "(const " type " *x, int n)\n"                                  \
	"{\n"                                                                                          \
	"\t" type " t[256];\n"                                                                         \
	"\tfor (int i = 0; i < n; i++)\n"                                                              \
	"\t\tt[i] = x[i];\n"                                                                           \
	"\tfor (n /= 2; n > 0; n /= 2)\n"                                                              \
	"\t\tfor (int i = 0; i < n; i++)\n"                                                            \
	"\t\t\tt[i] = " expr ";\n"                                                                     \
	"\treturn t[0];\n"                                                                             \
	"}\n"

/* Rounding by adding a power of two: 2^23 leaves the integer of a number below 2^23, rounded half to even; larger ones are integers already.
   pack8 has numbers below 2^22 after its clamp, of either sign, and uses 1.5 * 2^23. */
static const char *const text[EC_HELPERS] = {
	[EC_BITS] =
		"\nstatic inline float f32_bits(uint32_t u)\n"
		"{\n"
		"\tfloat f;\n"
		"\tCOPY(&f, &u, 4);\n"
		"\treturn f;\n"
		"}\n",
	[EC_HALF] =
		"\n/* binary16 to float: the exponent's bias grows by 112, exactly so for subnormals; the largest exponent stays the largest */\n"
		"static inline float f32_half(uint16_t h)\n"
		"{\n"
		"\tuint32_t u = (uint32_t)(h & 0x7fffu) << 13;\n"
		"\tfloat f;\n"
		"\tCOPY(&f, &u, 4);\n"
		"\tf *= 5192296858534827628530496329220096.0f; /* 2^112 */\n"
		"\tCOPY(&u, &f, 4);\n"
		"\tif ((h & 0x7c00u) == 0x7c00u)\n"
		"\t\tu |= 0x7f800000u;\n"
		"\tu |= (uint32_t)(h & 0x8000u) << 16;\n"
		"\tCOPY(&f, &u, 4);\n"
		"\treturn f;\n"
		"}\n",
	[EC_FMIN] = "\nstatic inline float fmin32(float a, float b) { return a < b ? a : b; } /* b when either is NaN */\n",
	[EC_FMAX] = "\nstatic inline float fmax32(float a, float b) { return a > b ? a : b; } /* b when either is NaN */\n",
	[EC_FMA] =
		"\n/* a * b + c with one rounding. Without the instruction: the product is exact in double, the sum is rounded to odd,\n"
		"   so that rounding it to float is the only rounding that counts (Boldo and Melquiond, 2008). */\n"
		"#if defined(__FP_FAST_FMAF)\n"
		"#define fma32(a, b, c) __builtin_fmaf((a), (b), (c))\n"
		"#else\n"
		"FAR static float fma32(float a, float b, float c)\n"
		"{\n"
		"\tdouble p = (double)a * (double)b, z = (double)c, s = p + z, t, e;\n"
		"\tuint64_t u;\n"
		"\tif (!(s - s == 0.0))\n"
		"\t\treturn (float)s; /* infinity or NaN */\n"
		"\tt = s - p;\n"
		"\te = (p - (s - t)) + (z - t);\n"
		"\tCOPY(&u, &s, 8);\n"
		"\tif (e != 0.0 && (u & 1u) == 0)\n"
		"\t\tu += (e > 0.0) == (s > 0.0) ? (uint64_t)1 : ~(uint64_t)0;\n"
		"\tCOPY(&s, &u, 8);\n"
		"\treturn (float)s;\n"
		"}\n"
		"#endif\n",
	[EC_RNE] =
		"\n/* to the nearest integer, half to even; x is in the range of int32_t */\n"
		"static inline int32_t rne32(float x)\n"
		"{\n"
		"\tif (x >= 8388608.0f || x <= -8388608.0f)\n"
		"\t\treturn (int32_t)x;\n"
		"\treturn (int32_t)(x < 0.0f ? (x - 8388608.0f) + 8388608.0f : (x + 8388608.0f) - 8388608.0f);\n"
		"}\n",
	[EC_PACK] =
		"\n/* rne(clamp(x, lo, hi)) + zp; |lo|, |hi| < 2^22 */\n"
		"static inline uint8_t pack8(float x, float lo, float hi, int32_t zp)\n"
		"{\n"
		"\tuint32_t u;\n"
		"\tx = x > lo ? x : lo;\n"
		"\tx = x < hi ? x : hi;\n"
		"\tx += 12582912.0f;\n"
		"\tCOPY(&u, &x, 4);\n"
		"\treturn (uint8_t)(u - 0x4b400000u + (uint32_t)zp);\n"
		"}\n",
	[EC_PACK_NAN] = "\nstatic inline uint8_t pack8_nan(float x, float lo, float hi, int32_t zp) { return x == x ? pack8(x, lo, hi, zp) : (uint8_t)zp; }\n",
	[EC_DOT_U8] = DOT_TEXT("dot_u8", "uint8_t", "int8_t"),
	[EC_DOT_S8] = DOT_TEXT("dot_s8", "int8_t", "int8_t"),
	[EC_DOT_S16] = DOT_TEXT("dot_s16", "int16_t", "int16_t"),
	[EC_MMLA_U8] = MMLA_TEXT("mmla_u8", "uint8_t"),
	[EC_MMLA_S8] = MMLA_TEXT("mmla_s8", "int8_t"),
	[EC_TILE_LOAD] =
		"\n/* the first rows of a tile, `stride` bytes apart; the others are zero */\n"
		"FAR static void tile_load(uint32_t *d, const unsigned char *at, int64_t stride, int rows)\n"
		"{\n"
		"\tfor (int r = 0; r < rows; r++)\n"
		"\t\tCOPY(d + 16 * r, at + r * stride, 64);\n"
		"\tfor (int i = 16 * rows; i < 256; i++)\n"
		"\t\td[i] = 0;\n"
		"}\n",
	[EC_TILE_STORE] =
		"\nFAR static void tile_store(unsigned char *at, int64_t stride, const uint32_t *v, int rows)\n"
		"{\n"
		"\tfor (int r = 0; r < rows; r++)\n"
		"\t\tCOPY(at + r * stride, v + 16 * r, 64);\n"
		"}\n",
	[EC_TILE_DOT] =
		"\n/* tiles of 16 rows of 16 words: d[r][n] = acc[r][n] + the products of row r of a and column n of b, four bytes to a word */\n"
		"FAR static void tile_dot(uint32_t *d, const uint32_t *acc, const uint8_t *a, const int8_t *b)\n"
		"{\n"
		"\tfor (int r = 0; r < 16; r++) {\n"
		"\t\tuint32_t s[16];\n"
		"\t\tfor (int n = 0; n < 16; n++)\n"
		"\t\t\ts[n] = acc[16 * r + n];\n"
		"\t\tfor (int k = 0; k < 16; k++)\n"
		"\t\t\tfor (int n = 0; n < 16; n++)\n"
		"\t\t\t\tfor (int j = 0; j < 4; j++)\n"
		"\t\t\t\t\ts[n] += (uint32_t)((int32_t)a[64 * r + 4 * k + j] * (int32_t)b[64 * k + 4 * n + j]);\n"
		"\t\tfor (int n = 0; n < 16; n++)\n"
		"\t\t\td[16 * r + n] = s[n];\n"
		"\t}\n"
		"}\n",
	[EC_SUM_F32] = TREE_TEXT("sum_f32", "float", "t[i] + t[i + n]"),
	[EC_SUM_I32] = TREE_TEXT("sum_i32", "uint32_t", "t[i] + t[i + n]"),
	[EC_MAX_F32] = TREE_TEXT("max_f32", "float", "t[i] > t[i + n] ? t[i] : t[i + n]"),
	[EC_UMAX_8] = TREE_TEXT("max_u8", "uint8_t", "t[i] > t[i + n] ? t[i] : t[i + n]"),
	[EC_UMAX_16] = TREE_TEXT("max_u16", "uint16_t", "t[i] > t[i + n] ? t[i] : t[i + n]"),
	[EC_UMAX_32] = TREE_TEXT("max_u32", "uint32_t", "t[i] > t[i + n] ? t[i] : t[i + n]"),
	[EC_UMAX_64] = TREE_TEXT("max_u64", "uint64_t", "t[i] > t[i + n] ? t[i] : t[i + n]"),
};

void ig_ec_prelude(FILE *out, uint32_t helpers)
{
	if (helpers & 1u << EC_PACK_NAN)
		helpers |= 1u << EC_PACK;
	fputs(demands, out);
	for (int i = 0; i < EC_HELPERS; i++)
		if (helpers & 1u << i)
			fputs(text[i], out);
}
