/* Private to the C emitter and the header emitter. */
#ifndef IG_CODEGEN_EMIT_C_H
#define IG_CODEGEN_EMIT_C_H
#include "codegen/codegen.h"

/* Functions of the emitted file, printed only when used (compilers warn of unused ones). */
enum ec_helper {
	EC_BITS, /* float of its bits: infinities, NaN */
	EC_HALF,
	EC_FMIN, EC_FMAX, EC_FMA, EC_RNE, EC_PACK, EC_PACK_NAN, EC_DOT_U8, EC_DOT_S8, EC_DOT_S16, EC_MMLA_U8, EC_MMLA_S8, EC_TILE_LOAD, EC_TILE_STORE, EC_TILE_DOT, EC_SUM_F32, EC_SUM_I32, EC_MAX_F32,
	EC_UMAX_8, EC_UMAX_16, EC_UMAX_32, EC_UMAX_64,
	EC_HELPERS
};
/* emit_c_prelude.c: compile-time checks, contraction off, and the helpers of the mask. */
void ig_ec_prelude(FILE *out, uint32_t helpers);
/* One function being printed. */
struct ec_printer {
	FILE *out;
	const struct ig_program *p;
	const struct kir_module *m;
	const struct kir_func *f;
	struct ig_arena *arena;
	int depth;
	kir_val *rep;        /* the C variable that holds a value: END's results live in the carried variables, accumulators in one */
	kir_iv *scope;       /* innermost loop around a value's definition */
	const int32_t *def;  /* defining instruction of each value */
	int *lane_uses, *pointer_uses;
	const char **iv_name, **buf_name;
};
/* emit_c_inst.c */
void ig_ec_inst(struct ec_printer *pr, const struct kir_inst *in);
bool ig_ec_is_unused(const struct ec_printer *pr, const struct kir_inst *in); /* without effect but a result that nothing reads */
void ig_ec_line(const struct ec_printer *pr, const char *fmt, ...) IG_PRINTF(2, 3);
/* emit_c_func.c */
uint32_t ig_ec_helpers_used(const struct kir_module *m);
void ig_ec_function(FILE *out, const struct ig_program *p, const struct kir_func *f);
void ig_ec_float(float v, char *out, size_t size); /* a literal of the very value; finite */
/* Inputs (or outputs) whose buffers the function touches, by io index. */
bool ig_ec_touches(const struct kir_module *m, const struct kir_func *f, enum kir_space space, int io);
/* emit_header.c: the types of runtime/ig_runtime.h, under its include guard. */
extern const char *const ig_ec_runtime_types[];
const char *ig_ec_ctype(enum ig_dtype dt); /* C's element type of an input or output; NULL: not possible */
void ig_ec_upper(const char *s, char *out, size_t size);
/* "float32[1][3][32][32]" into a buffer. */
void ig_ec_shape(const struct ig_type *t, char *out, size_t size);
bool ig_ec_interface_ok(const struct ig_program *p, struct ig_diag *d);
void ig_ec_run_prototype(FILE *out, const struct ig_program *p);
#endif
