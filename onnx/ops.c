/* The table of operators. */
#include "onnx/ops.h"

#include <string.h>

static const struct ig_onnx_op table[] = {
#define N(type, domain, first, last, fn, note) {type, domain, first, last, ig_onnx_##fn, -1, note},
#define U(type, domain, first, last, fn, ir, note) {type, domain, first, last, ig_onnx_##fn, IG_OP_##ir, note},
#include "onnx/ops.def"
#undef N
#undef U
};

const struct ig_onnx_op *ig_onnx_ops(int *n)
{
	*n = (int)IG_COUNTOF(table);
	return table;
}

const struct ig_onnx_op *ig_onnx_op_find(const char *domain, const char *type, int64_t version, const struct ig_onnx_op **nearest)
{
	*nearest = NULL;
	for (size_t i = 0; i < IG_COUNTOF(table); i++) {
		const struct ig_onnx_op *op = &table[i];
		if (strcmp(op->type, type) != 0 || strcmp(op->domain, domain) != 0)
			continue;
		if (version >= op->first && version <= op->last)
			return op;
		*nearest = op;
	}
	return NULL;
}
