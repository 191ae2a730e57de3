/* From an ONNX file to a graph. The schema and its reader stay inside this folder. */
#ifndef IG_ONNX_H
#define IG_ONNX_H
#include "frontend/frontend.h"

/* A named dimension of the model's inputs made a number: --dim NAME=VALUE. A nameless one is called INPUT.AXIS. */
struct ig_onnx_dim {
	const char *name;
	int64_t value;
};
struct ig_onnx_options {
	const struct ig_onnx_dim *dim;
	int n_dims;
};
/* Reads, checks and imports a model; all nodes it cannot import are reported, each with its name, operator and what is supported. NULL when there was one.
   The first dimension of an input is the batch, 1 unless bound. `options` may be NULL. The result is released with ig_model_free. */
struct ig_model *ig_onnx_load(const char *path, const struct ig_onnx_options *options, struct ig_diag *d);
/* The same from memory; `path` names it in messages and gives the folder for external data. */
struct ig_model *ig_onnx_parse(const char *path, const void *data, size_t bytes, const struct ig_onnx_options *options, struct ig_diag *d);
/* Writes a graph of either stage: what is quantized as QuantizeLinear and DequantizeLinear around float operators. All operations that ONNX files do not get are
   reported; false when there was one, or the file cannot be written. */
bool ig_onnx_export(const struct ig_graph *g, const char *path, struct ig_diag *d);
#endif
