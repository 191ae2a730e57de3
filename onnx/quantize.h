/* Quantized tensors on their way into the graph: shared by op_quantize.c and op_qlinear.c. */
#ifndef IG_ONNX_QUANTIZE_H
#define IG_ONNX_QUANTIZE_H
#include "onnx/ops.h"

/* The parameters that operands `scale` and `zero` (absent: 0; -1: there is none) give to a tensor of this type; `axis` of a list of scales. The element type
   is `dtype`, which a zero point must have. The arrays are the import's. False after a diagnostic. */
bool ig_onnx_qparam(struct ig_onnx_node *n, int scale, int zero, const struct ig_type *t, enum ig_dtype dtype, int64_t axis, struct ig_qparam *q);
/* A tensor of integers as float32: operand i itself, an input or a constant with these parameters from now on, behind a dequantize node. */
struct ig_vid ig_onnx_dequantize(struct ig_onnx_node *n, int i, const struct ig_qparam *q, const char *suffix);
/* A float32 value as integers. */
struct ig_vid ig_onnx_quantize(struct ig_onnx_node *n, struct ig_vid x, const struct ig_qparam *q, const char *suffix);
#endif
