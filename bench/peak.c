/* This CPU's peak of int8 multiply-accumulates, one thread: for each instruction that it has, as many independent chains as hide its latency, operands in
   registers. Prints one JSON object: GMAC/s, and MACs per core cycle (the clock is measured by a chain of dependent additions in the same moment).
   Build: cc -O2 -o peak bench/peak.c */
#define _POSIX_C_SOURCE 200809L
#include <cpuid.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define REPEATS 200  /* the best of so many short runs: a busy machine only slows */
#define LOOPS 20000L /* of 12 instructions each, about 0.1 ms */

static double seconds(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

#define TWELVE(line) line("0") line("1") line("2") line("3") line("4") line("5") line("6") line("7") line("8") line("9") line("10") line("11")
#define VNNI512(i) "vpdpbusd %%zmm13, %%zmm12, %%zmm" i "\n\t"
#define VNNI256_EVEX(i) "%{evex%} vpdpbusd %%ymm13, %%ymm12, %%ymm" i "\n\t"
#define VNNI256_VEX(i) "%{vex%} vpdpbusd %%ymm13, %%ymm12, %%ymm" i "\n\t"
/* The exact path without VNNI: a 16-bit multiply-add, then the addition to the accumulator. */
#define MADD256(i) "vpmaddwd %%ymm13, %%ymm12, %%ymm14\n\tvpaddd %%ymm14, %%ymm" i ", %%ymm" i "\n\t"
#define CLOBBERS                                                                                                                              \
	"xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9", "xmm10", "xmm11", "xmm12", "xmm13", "xmm14", "cc"
#define LOOP(name, body)                                                                                                                      \
	static void name(long n)                                                                                                                  \
	{                                                                                                                                         \
		__asm__ volatile(".p2align 5\n1:\n\t" TWELVE(body) "dec %0\n\tjnz 1b\n\tvzeroupper" : "+r"(n) : : CLOBBERS);                          \
	}
LOOP(vnni512, VNNI512)
LOOP(vnni256_evex, VNNI256_EVEX)
LOOP(vnni256_vex, VNNI256_VEX)
LOOP(madd256, MADD256)

static void additions(long n)
{
	uint64_t x = 0;
	__asm__ volatile("1:\n\tadd $1, %1\n\tadd $1, %1\n\tadd $1, %1\n\tadd $1, %1\n\tadd $1, %1\n\tadd $1, %1\n\tadd $1, %1\n\tadd $1, %1\n\tdec %0\n\tjnz 1b"
	                 : "+r"(n), "+r"(x)
	                 :
	                 : "cc");
}

static double best_seconds(void (*run)(long), long n)
{
	double best = 1e9;
	for (int i = 0; i < REPEATS; i++) {
		double start = seconds();
		run(n);
		double t = seconds() - start;
		if (t < best)
			best = t;
	}
	return best;
}

struct features {
	int avx2, avxvnni, avx512vnni, avx512vl;
};

static struct features detect(void)
{
	struct features f = {0};
	unsigned a, b, c, d, lo, hi;
	if (!__get_cpuid(1, &a, &b, &c, &d) || !(c & bit_OSXSAVE))
		return f;
	__asm__ volatile("xgetbv" : "=a"(lo), "=d"(hi) : "c"(0)); /* what the system saves */
	if ((lo & 6) != 6 || !__get_cpuid_count(7, 0, &a, &b, &c, &d))
		return f;
	int zmm = (lo & 0xe6) == 0xe6;
	f.avx2 = !!(b & bit_AVX2);
	f.avx512vnni = zmm && (b & bit_AVX512F) && (c & bit_AVX512VNNI);
	f.avx512vl = f.avx512vnni && (b & bit_AVX512VL);
	if (a >= 1 && __get_cpuid_count(7, 1, &a, &b, &c, &d))
		f.avxvnni = f.avx2 && (a >> 4 & 1);
	return f;
}

static void cpu_name(char name[49])
{
	unsigned *r = (unsigned *)(void *)name;
	name[48] = 0;
	for (unsigned i = 0; i < 3; i++)
		if (!__get_cpuid(0x80000002 + i, &r[4 * i], &r[4 * i + 1], &r[4 * i + 2], &r[4 * i + 3]))
			name[0] = 0;
}

int main(void)
{
	_Alignas(8) char name[49];
	struct features f = detect();
	const struct {
		const char *name;
		int there;
		void (*run)(long);
		int macs; /* of one instruction */
	} kinds[] = {{"avx512vnni", f.avx512vnni, vnni512, 64},
	             {"avx512vnni_ymm", f.avx512vl, vnni256_evex, 32},
	             {"avxvnni", f.avxvnni, vnni256_vex, 32},
	             {"avx2", f.avx2, madd256, 16}};
	cpu_name(name);
	best_seconds(additions, LOOPS); /* wakes the clock up */
	double ghz = 8.0 * LOOPS / best_seconds(additions, LOOPS) * 1e-9;
	printf("{\"cpu\": \"%s\", \"ghz\": %.3f, \"peaks\": {", name, ghz);
	const char *comma = "";
	for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
		if (!kinds[i].there)
			continue;
		double gmacs = 12.0 * kinds[i].macs * LOOPS / best_seconds(kinds[i].run, LOOPS) * 1e-9;
		printf("%s\"%s\": {\"gmacs\": %.1f, \"macs_per_cycle\": %.1f}", comma, kinds[i].name, gmacs, gmacs / ghz);
		comma = ", ";
	}
	printf("}}\n");
	return 0;
}
