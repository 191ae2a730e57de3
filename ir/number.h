/* Numbers of any element type: reading, writing and converting single elements, for constants and for what the interpreter evaluates in types that
   code generation has no use for. */
#ifndef IG_IR_NUMBER_H
#define IG_IR_NUMBER_H
#include "ir/graph.h"

/* Sets of element types. */
#define IG_TYPE_BIT(dt) (1u << (dt))
#define IG_TYPES_FLOAT (IG_TYPE_BIT(IG_DT_F32) | IG_TYPE_BIT(IG_DT_F64) | IG_TYPE_BIT(IG_DT_F16) | IG_TYPE_BIT(IG_DT_BF16))
#define IG_TYPES_SIGNED (IG_TYPE_BIT(IG_DT_S8) | IG_TYPE_BIT(IG_DT_S16) | IG_TYPE_BIT(IG_DT_I32) | IG_TYPE_BIT(IG_DT_I64))
#define IG_TYPES_UNSIGNED (IG_TYPE_BIT(IG_DT_U8) | IG_TYPE_BIT(IG_DT_U16) | IG_TYPE_BIT(IG_DT_U32) | IG_TYPE_BIT(IG_DT_U64))
#define IG_TYPES_INT (IG_TYPES_SIGNED | IG_TYPES_UNSIGNED)
#define IG_TYPES_NUMBER (IG_TYPES_FLOAT | IG_TYPES_INT)
#define IG_TYPES_BOOL IG_TYPE_BIT(IG_DT_BOOL)
#define IG_TYPES_ANY (IG_TYPES_NUMBER | IG_TYPES_BOOL)
#define IG_TYPES_NIBBLE (IG_TYPE_BIT(IG_DT_S4) | IG_TYPE_BIT(IG_DT_U4))

/* What a type is computed in: f32, f16 and bf16 in float, f64 in double, integers and bool in 64 bits that wrap. */
enum ig_number_kind { IG_NUM_FLOAT, IG_NUM_DOUBLE, IG_NUM_SIGNED, IG_NUM_UNSIGNED };
enum ig_number_kind ig_number_kind(enum ig_dtype dt);

/* Halves: exact one way, to nearest even the other. */
float ig_half_to_float(uint16_t h);
uint16_t ig_float_to_half(float f);
float ig_bfloat_to_float(uint16_t h);
uint16_t ig_float_to_bfloat(float f);

/* Element i of a tensor of a type of that kind; integers sign- or zero-extended. Writing rounds to nearest even or keeps the low bits. */
float ig_get_float(const struct ig_tensor *t, int64_t i);
double ig_get_double(const struct ig_tensor *t, int64_t i); /* of any type */
int64_t ig_get_int(const struct ig_tensor *t, int64_t i);
void ig_put_float(struct ig_tensor *t, int64_t i, float v);
void ig_put_int(struct ig_tensor *t, int64_t i, int64_t v);

/* to[k] = from[i] converted: between integers the low bits; to bool whether it is not zero; from floats toward zero, at the limits of the type
   saturated, NaN 0; to floats to nearest even, to halves in one rounding from double (integers of more than 53 bits are rounded to that first). */
void ig_number_convert(struct ig_tensor *to, int64_t k, const struct ig_tensor *from, int64_t i);
#endif
