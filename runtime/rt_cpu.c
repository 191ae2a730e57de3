/* The features of the CPU this runs on (IG_CPU_*). x86-64 asks CPUID, and XGETBV whether the operating system saves the registers: a feature whose state
   is not saved must not be used. AArch64 asks the kernel (the ID registers are privileged), where there is one to ask. Needs no library on x86-64. */
#include "runtime/ig_runtime.h"

#if defined(__x86_64__) && defined(__GNUC__)
struct leaf {
	uint32_t eax, ebx, ecx, edx;
};

static struct leaf cpuid(uint32_t leaf, uint32_t sub)
{
	struct leaf r;
	__asm__ volatile("cpuid" : "=a"(r.eax), "=b"(r.ebx), "=c"(r.ecx), "=d"(r.edx) : "a"(leaf), "c"(sub));
	return r;
}

static uint64_t xcr0(void)
{
	uint32_t lo, hi;
	__asm__ volatile("xgetbv" : "=a"(lo), "=d"(hi) : "c"(0));
	return (uint64_t)hi << 32 | lo;
}

/* All bits of mask are set in v. */
static int has(uint64_t v, uint64_t mask)
{
	return (v & mask) == mask;
}

#define BIT(n) (1u << (n))
enum {
	XSTATE_YMM = 0x6,      /* SSE, AVX */
	XSTATE_ZMM = 0xe6,     /* and opmask, upper halves of zmm0-15, zmm16-31 */
	XSTATE_TILE = 0x60000, /* tile configuration and data */
};

uint64_t ig_cpu_features(void)
{
	uint64_t f = 0;
	uint32_t max = cpuid(0, 0).eax;
	if (max < 7)
		return 0;
	struct leaf l1 = cpuid(1, 0), l7 = cpuid(7, 0), x1 = {0, 0, 0, 0};
	if (cpuid(0x80000000u, 0).eax >= 0x80000001u)
		x1 = cpuid(0x80000001u, 0);
	uint32_t l7_1 = l7.eax >= 1 ? cpuid(7, 1).eax : 0;
	uint64_t xs = l1.ecx & BIT(27) ? xcr0() : 0; /* OSXSAVE */

	if (has(l7.ebx, BIT(3) | BIT(8)) && has(l1.ecx, BIT(22) | BIT(23)) && x1.ecx & BIT(5)) /* BMI1 BMI2; MOVBE POPCNT; LZCNT */
		f |= IG_CPU_BMI;
	if (!has(xs, XSTATE_YMM) || !(l1.ecx & BIT(28)))
		return f;
	f |= l7.ebx & BIT(5) ? IG_CPU_AVX2 : 0;
	f |= l1.ecx & BIT(12) ? IG_CPU_FMA : 0;
	f |= l1.ecx & BIT(29) ? IG_CPU_F16C : 0;
	f |= l7_1 & BIT(4) ? IG_CPU_AVXVNNI : 0;
	if (has(xs, XSTATE_ZMM) && has(l7.ebx, BIT(16) | BIT(17) | BIT(28) | BIT(30) | BIT(31))) { /* F DQ CD BW VL */
		f |= IG_CPU_AVX512;
		f |= l7.ecx & BIT(11) ? IG_CPU_AVX512VNNI : 0;
		f |= l7.ecx & BIT(1) ? IG_CPU_AVX512VBMI : 0;
	}
	if (has(xs, XSTATE_TILE) && has(l7.edx, BIT(24) | BIT(25)))
		f |= IG_CPU_AMX_INT8;
	return f;
}

/* arch_prctl, without a library; it can be asked for again and again. */
int ig_cpu_permit(uint64_t features)
{
#if defined(__linux__)
	enum { SYS_ARCH_PRCTL = 158, ARCH_REQ_XCOMP_PERM = 0x1023, XFEATURE_XTILEDATA = 18 };
	long r = SYS_ARCH_PRCTL;
	if (!(features & IG_CPU_AMX_INT8))
		return 1;
	if (!(ig_cpu_features() & IG_CPU_AMX_INT8))
		return 0;
	__asm__ volatile("syscall" : "+a"(r) : "D"((long)ARCH_REQ_XCOMP_PERM), "S"((long)XFEATURE_XTILEDATA) : "rcx", "r11", "memory");
	return r == 0;
#else
	return !(features & IG_CPU_AMX_INT8) || (ig_cpu_features() & IG_CPU_AMX_INT8) != 0;
#endif
}

#elif defined(__aarch64__)
#if defined(__linux__)
#include <sys/auxv.h>
enum { CAP_ASIMD = 1 << 1, CAP_ASIMDDP = 1 << 20, CAP2_I8MM = 1 << 13 };

uint64_t ig_cpu_features(void)
{
	unsigned long cap = getauxval(AT_HWCAP), cap2 = getauxval(AT_HWCAP2);
	uint64_t f = 0;
	f |= cap & CAP_ASIMD ? IG_CPU_NEON : 0;
	f |= cap & CAP_ASIMDDP ? IG_CPU_DOTPROD : 0;
	f |= cap2 & CAP2_I8MM ? IG_CPU_I8MM : 0;
	return f;
}
#else
/* Without a kernel to ask: what the compiler was told of the CPU. */
uint64_t ig_cpu_features(void)
{
	uint64_t f = IG_CPU_NEON;
#ifdef __ARM_FEATURE_DOTPROD
	f |= IG_CPU_DOTPROD;
#endif
#ifdef __ARM_FEATURE_MATMUL_INT8
	f |= IG_CPU_I8MM;
#endif
	return f;
}
#endif

#else
uint64_t ig_cpu_features(void)
{
	return 0;
}
#endif

#if !(defined(__x86_64__) && defined(__GNUC__))
int ig_cpu_permit(uint64_t features)
{
	(void)features;
	return 1;
}
#endif
