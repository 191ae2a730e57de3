/* The tables that stand for functions of one byte: built here only, read by the interpreter and by lowering.
   A table is indexed by the byte in memory ((uint8_t)q: s8 values by their two's complement) and holds bytes in memory. */
#ifndef IG_IR_TABLES_H
#define IG_IR_TABLES_H
#include "ir/graph.h"

/* quantize(fn(dequantize(q))) of a node of the class TABLE; fn in double, rounded once to float32. */
void ig_table_unary(const struct ig_node *n, const struct ig_qparam *in, const struct ig_qparam *out, uint8_t t[256]);
/* quantize(dequantize(q)): requantize nodes and concat's inputs. */
void ig_table_requantize(const struct ig_qparam *in, const struct ig_qparam *out, uint8_t t[256]);
/* T[k] = (float)exp(-k * (double)scale), k = max - q. */
void ig_table_softmax(float scale, float t[256]);
/* A normalize node on raw u8, channel c: the float32 value of each byte, and the same quantized. */
void ig_table_normalize_float(const struct ig_node *n, int64_t c, float t[256]);
void ig_table_normalize(const struct ig_node *n, int64_t c, const struct ig_qparam *out, uint8_t t[256]);
/* normalize's constants of channel c, as float32. */
void ig_normalize_constants(const struct ig_node *n, int64_t c, float *scale, float *mean, float *std);
#endif
