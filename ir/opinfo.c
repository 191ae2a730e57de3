/* The constant tables of element types, attributes and operations, generated from the .def files, and look-up by name. */
#include "ir/graph.h"

#include <string.h>

const char *const ig_precision_names[IG_PREC_COUNT] = {"unset", "float", "int8", "stored", "dynamic", "w8a16"};

const struct ig_dtype_info ig_dtypes[IG_DT_COUNT] = {
#define D(e, text, bits, is_float, is_signed) {text, bits, is_float, is_signed},
#include "ir/dtype.def"
#undef D
};

const struct ig_attr_info ig_attrs[IG_A_COUNT] = {
#define A(e, text, kind) {text, IG_AK_##kind},
#include "ir/attrs.def"
#undef A
};

/* The rest of an operation's row is (macs, attribute...): counted, and each attribute's name turned into its enum constant. */
#define COUNT(...) COUNT_(__VA_ARGS__, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0, 0)
#define COUNT_(a, b, c, d, e, f, g, h, i, j, k, l, m, n, count, ...) count
#define E1(a) IG_A_##a
#define E2(a, ...) IG_A_##a, E1(__VA_ARGS__)
#define E3(a, ...) IG_A_##a, E2(__VA_ARGS__)
#define E4(a, ...) IG_A_##a, E3(__VA_ARGS__)
#define E5(a, ...) IG_A_##a, E4(__VA_ARGS__)
#define E6(a, ...) IG_A_##a, E5(__VA_ARGS__)
#define E7(a, ...) IG_A_##a, E6(__VA_ARGS__)
#define E8(a, ...) IG_A_##a, E7(__VA_ARGS__)
#define E9(a, ...) IG_A_##a, E8(__VA_ARGS__)
#define E10(a, ...) IG_A_##a, E9(__VA_ARGS__)
#define E11(a, ...) IG_A_##a, E10(__VA_ARGS__)
#define E12(a, ...) IG_A_##a, E11(__VA_ARGS__)
#define E13(a, ...) IG_A_##a, E12(__VA_ARGS__)
#define REST(n, ...) REST_(n, __VA_ARGS__)
#define REST_(n, ...) REST##n(n, __VA_ARGS__)
#define REST0(n, m) m, 0, {0}
#define RESTN(n, m, ...) m, n, {E##n(__VA_ARGS__)}
#define REST1(n, m, ...) RESTN(1, m, __VA_ARGS__)
#define REST2(n, m, ...) RESTN(2, m, __VA_ARGS__)
#define REST3(n, m, ...) RESTN(3, m, __VA_ARGS__)
#define REST4(n, m, ...) RESTN(4, m, __VA_ARGS__)
#define REST5(n, m, ...) RESTN(5, m, __VA_ARGS__)
#define REST6(n, m, ...) RESTN(6, m, __VA_ARGS__)
#define REST7(n, m, ...) RESTN(7, m, __VA_ARGS__)
#define REST8(n, m, ...) RESTN(8, m, __VA_ARGS__)
#define REST9(n, m, ...) RESTN(9, m, __VA_ARGS__)
#define REST10(n, m, ...) RESTN(10, m, __VA_ARGS__)
#define REST11(n, m, ...) RESTN(11, m, __VA_ARGS__)
#define REST12(n, m, ...) RESTN(12, m, __VA_ARGS__)
#define REST13(n, m, ...) RESTN(13, m, __VA_ARGS__)

const struct ig_op_info ig_ops[IG_OP_COUNT] = {
#define O(e, text, min_in, max_in, quant, ...) {#text, min_in, max_in, IG_QC_##quant, REST(COUNT(__VA_ARGS__), __VA_ARGS__)},
#include "ir/ops.def"
#undef O
};

bool ig_op_find(const char *name, enum ig_op *op)
{
	for (int i = 0; i < IG_OP_COUNT; i++) {
		if (strcmp(name, ig_ops[i].name) == 0) {
			*op = (enum ig_op)i;
			return true;
		}
	}
	return false;
}

bool ig_dtype_find(const char *name, enum ig_dtype *dt)
{
	for (int i = 0; i < IG_DT_COUNT; i++) {
		if (strcmp(name, ig_dtypes[i].name) == 0) {
			*dt = (enum ig_dtype)i;
			return true;
		}
	}
	return false;
}

bool ig_attr_find(const char *name, enum ig_attr_id *a)
{
	for (int i = 0; i < IG_A_COUNT; i++) {
		if (strcmp(name, ig_attrs[i].name) == 0) {
			*a = (enum ig_attr_id)i;
			return true;
		}
	}
	return false;
}

int ig_op_results(enum ig_op op)
{
	switch (op) {
	case IG_OP_SPLIT: return 0;
	case IG_OP_DYNAMIC_QUANTIZE:
	case IG_OP_LSTM: return 3;
	case IG_OP_GRU:
	case IG_OP_RNN: return 2;
	default: return 1;
	}
}

bool ig_op_has_attr(enum ig_op op, enum ig_attr_id a)
{
	for (int i = 0; i < ig_ops[op].n_attrs; i++)
		if (ig_ops[op].attrs[i] == a)
			return true;
	return false;
}
