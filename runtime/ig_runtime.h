/* What a compiled model shows its caller, and the small freestanding runtime. Emitted objects need none of the functions below: they are conveniences. */
#ifndef IG_RUNTIME_H
#define IG_RUNTIME_H
#include <stddef.h>
#include <stdint.h>
#ifdef __cplusplus
extern "C" {
#endif

#define IG_MODEL_VERSION 1u

enum { /* ig_io.dtype */ IG_RT_F32, IG_RT_U8, IG_RT_S8, IG_RT_I32, IG_RT_I64, IG_RT_BOOL /* a byte, 0 or 1 */ };
enum { /* results of NAME_run and NAME_call */
	IG_OK = 0,
	IG_ERR_VERSION = 1, /* ig_call of an unknown size or version */
	IG_ERR_NULL = 2,    /* a needed pointer is null */
	IG_ERR_ARENA = 3,   /* arena too small or misaligned */
	IG_ERR_COUNT = 4,   /* wrong number of inputs or outputs */
	IG_ERR_ARITHMETIC = 5 /* C output only: the CPU's mode or the compiler's options do not give IEEE arithmetic */
};
/* CPU features (ig_model_desc.cpu_features, ig_cpu_features). */
#define IG_CPU_AVX2 (1ull << 0)
#define IG_CPU_FMA (1ull << 1)
#define IG_CPU_F16C (1ull << 2)
#define IG_CPU_AVXVNNI (1ull << 3)
#define IG_CPU_AVX512 (1ull << 4) /* F, BW, DQ, VL, CD */
#define IG_CPU_AVX512VNNI (1ull << 5)
#define IG_CPU_AMX_INT8 (1ull << 6)
#define IG_CPU_AVX512VBMI (1ull << 7)
#define IG_CPU_BMI (1ull << 8) /* BMI1, BMI2, LZCNT, MOVBE, POPCNT */
#define IG_CPU_NEON (1ull << 32)
#define IG_CPU_DOTPROD (1ull << 33)
#define IG_CPU_I8MM (1ull << 34)

struct ig_io { /* an input or output */
	const char *name;
	uint32_t dtype;
	uint32_t rank;
	int64_t dim[6];
	uint32_t nhwc; /* 1: bytes in memory are nhwc */
	uint32_t bytes;
	float scale; /* 0: plain numbers */
	int32_t zero_point;
};
struct ig_model_desc {
	uint32_t size; /* of this struct */
	uint32_t version;
	const char *name, *target;
	uint64_t cpu_features; /* needed */
	uint64_t hash;         /* of the compiled program */
	uint64_t arena_bytes;
	uint32_t arena_align;
	uint32_t n_inputs, n_outputs;
	const struct ig_io *inputs, *outputs;
	int (*call)(const void *ig_call);
};
/* Calls part(ctx, i) once for each i from 0 to n - 1, on any threads and in any order, and returns when all have returned. */
typedef void (*ig_parallel_for)(void *pool, void (*part)(void *ctx, int i), void *ctx, int n);
struct ig_call {
	uint32_t size; /* sizeof(struct ig_call) of the caller */
	uint32_t version;
	uint32_t n_inputs, n_outputs;
	const void *const *inputs;
	void *const *outputs;
	void *arena;
	uint64_t arena_bytes;
	const void *weights; /* NULL: embedded */
	void *state;
	ig_parallel_for parallel_for; /* NULL: serial; used by programs compiled for several threads */
	void *pool;
};
uint64_t ig_cpu_features(void);                                /* rt_cpu.c: of the CPU it runs on */
int ig_model_supported(const struct ig_model_desc *m);         /* 1: this CPU has what the object needs */
/* rt_pool.c: threads for ig_call (parallel_for = ig_pool_for, pool = the pool). They spin for some microseconds after a call, then sleep. One call at a time:
   concurrent calls of a model need a pool each. `threads` includes the caller's, up to 32; where no more can be started the pool has fewer. NULL: no memory. */
struct ig_pool *ig_pool_new(int threads);
void ig_pool_free(struct ig_pool *pool);
void ig_pool_for(void *pool, void (*part)(void *ctx, int i), void *ctx, int n);
/* AMX tiles are used by permission: on Linux a process must ask once (arch_prctl), before a model that needs IG_CPU_AMX_INT8 runs; all its threads have it then.
   ig_cpu_permit asks for those of `features` that need it; ig_model_prepare is ig_model_supported, and asks for what the model needs. 1: all may be used. */
int ig_cpu_permit(uint64_t features);
int ig_model_prepare(const struct ig_model_desc *m);
#ifdef __cplusplus
}
#endif
#endif
