/* Operators that map onto one operation, and those that do nothing. */
#include "onnx/ops.h"

bool ig_onnx_unary(struct ig_onnx_node *n)
{
	struct ig_vid x = ig_onnx_in(n, 0);
	return ig_onnx_result(n, 0, ig_onnx_op(n, (enum ig_op)n->op->ir, NULL, &x, 1));
}

bool ig_onnx_identity(struct ig_onnx_node *n) { return ig_onnx_result_alias(n, 0, 0); }

bool ig_onnx_dropout(struct ig_onnx_node *n)
{
	ig_onnx_real(n, "ratio", 0.5);
	ig_onnx_int(n, "seed", 0);
	if (ig_onnx_wants(n, 1))
		return ig_onnx_fail(n, "the mask is not supported as a result");
	return ig_onnx_result_alias(n, 0, 0);
}
