/* Private to the export: what the operations' functions (export_ops.c) write nodes with. */
#ifndef IG_ONNX_EXPORT_H
#define IG_ONNX_EXPORT_H
#include "frontend/symtab.h"
#include "ir/graph.h"

#include <onnx.pb-c.h>

struct ig_onnx_export {
	const struct ig_graph *g;
	struct ig_diag *diag;
	struct ig_arena *arena;
	struct ig_strtab *names;
	struct symtab taken;
	const char **number;  /* value: the tensor of float32 (or of plain integers); NULL: not written yet */
	const char **integer; /* quantized value: the tensor of integers; NULL likewise */
	struct ig_ox_integers { const char *name[3]; } *dynamic; /* value: its integers made at run time, their scale and zero point; NULL likewise */
	IG_VEC(Onnx__NodeProto *) node;
	IG_VEC(Onnx__TensorProto *) init;
	bool ok;
};

const char *ig_ox_name(struct ig_onnx_export *x, const char *base, const char *suffix); /* not used before */
const char *ig_ox_init(struct ig_onnx_export *x, const char *base, enum ig_dtype dt, int rank, const int64_t *dim, const void *data); /* data is not copied */
const char *ig_ox_ints(struct ig_onnx_export *x, const char *base, const int64_t *v, int n);
const char *ig_ox_float(struct ig_onnx_export *x, const char *base, double v);
/* A node of one result; `out` NULL: a new name. Returns the result's name. Attributes are added to the last node. */
const char *ig_ox_node(struct ig_onnx_export *x, const char *op, const char *name, const char *const *in, int n_in, const char *out);
void ig_ox_attr_int(struct ig_onnx_export *x, const char *name, int64_t v);
void ig_ox_attr_float(struct ig_onnx_export *x, const char *name, double v);
void ig_ox_attr_ints(struct ig_onnx_export *x, const char *name, const int64_t *v, int n);
/* Operand i of a node as float32 (dequantized where it is quantized), or as it is when it is plain. */
const char *ig_ox_in(struct ig_onnx_export *x, const struct ig_node *n, int i);
/* The node's result: `number` is float32; quantized when the graph's value is. */
void ig_ox_result(struct ig_onnx_export *x, const struct ig_node *n, const char *number);
/* export_dynamic.c: a layer that quantizes its input at run time, without residual and activation. */
const char *ig_ox_dynamic(struct ig_onnx_export *x, const struct ig_node *n);
/* The attributes of a convolution or pool, of the last node. */
void ig_ox_window(struct ig_onnx_export *x, const struct ig_node *n, const int64_t kernel[2]);
int64_t ig_ox_groups(const struct ig_onnx_export *x, const struct ig_node *n);
/* export_ops.c: a node of the graph; false after a diagnostic. */
bool ig_ox_op(struct ig_onnx_export *x, const struct ig_node *n);
#endif
