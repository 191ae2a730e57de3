/* The import functions that ops.def names. */
#ifndef IG_ONNX_OPS_H
#define IG_ONNX_OPS_H
#include "onnx/import.h"
#define N(type, domain, first, last, fn, note) ig_onnx_fn ig_onnx_##fn;
#define U(type, domain, first, last, fn, ir, note) ig_onnx_fn ig_onnx_##fn;
#include "onnx/ops.def"
#undef N
#undef U
#endif
