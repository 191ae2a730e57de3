/* The reference interpreter's driver: one tensor for each value, kept; nodes evaluated in the graph's order. */
#include "ir/interp.h"

#include "ir/eval.h"
#include "ir/infer.h"
#include "runtime/qmath.h"

#include <stdlib.h>
#include <string.h>

struct ig_interp {
	const struct ig_graph *g;
	struct ig_arena *arena;
	struct ig_tensor **value; /* by value id */
	struct ig_eval *step;
	int n_steps;
};

static ig_eval_fn *const table[IG_OP_COUNT] = {
#define O(e, text, ...) ig_eval_##text,
#include "ir/ops.def"
#undef O
};

struct ig_axis_view ig_axis_view(const struct ig_type *t, int64_t axis)
{
	struct ig_axis_view v = {1, t->rank ? t->dim[axis] : 1, 1};
	for (int i = 0; i < t->rank; i++) {
		if (i < axis)
			v.outer *= t->dim[i];
		if (i > axis)
			v.inner *= t->dim[i];
	}
	return v;
}

void ig_eval_strides(const struct ig_type *t, int64_t stride[IG_MAX_RANK])
{
	int64_t s = 1;
	for (int i = t->rank - 1; i >= 0; i--) {
		stride[i] = s;
		s *= t->dim[i];
	}
}

bool ig_eval_prepare(struct ig_eval *e, const struct ig_graph *g, const struct ig_node *n, struct ig_tensor **value, struct ig_arena *a, struct ig_diag *d)
{
	*e = (struct ig_eval){.g = g, .n = n, .arena = a};
	e->in = IG_NEWN(a, const struct ig_tensor *, n->n_in ? n->n_in : 1);
	for (int i = 0; i < n->n_in; i++)
		e->in[i] = value[n->in[i].i];
	if (n->op == IG_OP_CONSTANT)
		value[n->out[0].i] = n->data;
	e->outs = IG_NEWN(a, struct ig_tensor *, n->n_out);
	for (int i = 0; i < n->n_out; i++) {
		if (!value[n->out[i].i])
			value[n->out[i].i] = ig_tensor_new(a, ig_vtype(g, n->out[i]));
		e->outs[i] = value[n->out[i].i];
	}
	e->out = value[n->out[0].i];
	e->qy = ig_qparam(g, ig_vtype(g, n->out[0])->q);
	if (n->n_in == 0 || ig_vtype(g, n->in[0])->q.i < 0)
		return true;
	if (ig_ops[n->op].quant == IG_QC_COMPUTE)
		return ig_requant_of(g, n, a, &e->requant, d);
	if (ig_ops[n->op].quant == IG_QC_ELTWISE)
		return ig_eltwise_of(g, n, &e->eltwise, d);
	return true;
}

void ig_eval_run(struct ig_eval *e) { table[e->n->op](e); }

bool ig_interp_check(const struct ig_graph *g, struct ig_diag *d)
{
	for (struct ig_nid id = ig_first(g); id.i >= 0; id = ig_next(g, id)) {
		const struct ig_node *n = ig_node(g, id);
		const char *why = ig_check_types(g, n);
		if (why) {
			ig_error(d, n->loc, "layer '%s' (%s): %s", n->name, ig_ops[n->op].name, why);
			return false;
		}
	}
	return ig_verify(g, "preparing the interpreter", d);
}

struct ig_interp *ig_interp_new(const struct ig_graph *g, struct ig_diag *d)
{
	if (!ig_interp_check(g, d))
		return NULL;
	struct ig_interp *it = ig_xcalloc(1, sizeof *it);
	it->g = g;
	it->arena = ig_arena_new();
	it->value = IG_NEWN(it->arena, struct ig_tensor *, g->n_values ? g->n_values : 1);
	it->step = IG_NEWN(it->arena, struct ig_eval, g->n_nodes ? g->n_nodes : 1);
	for (struct ig_nid id = ig_first(g); id.i >= 0; id = ig_next(g, id)) {
		if (!ig_eval_prepare(&it->step[it->n_steps++], g, ig_node(g, id), it->value, it->arena, d)) {
			ig_interp_free(it);
			return NULL;
		}
	}
	return it;
}

void ig_interp_free(struct ig_interp *it)
{
	if (!it)
		return;
	ig_arena_free(it->arena);
	free(it);
}

/* Bytes in nhwc order become the logical order. */
static void nhwc_to_nchw(struct ig_tensor *t, const void *data)
{
	const int64_t *s = t->type.dim;
	size_t w = ig_eval_width(&t->type);
	const unsigned char *from = data;
	unsigned char *to = t->data;
	for (int64_t b = 0; b < s[0]; b++)
		for (int64_t p = 0; p < s[2] * s[3]; p++)
			for (int64_t c = 0; c < s[1]; c++, from += w)
				memcpy(to + (size_t)((b * s[1] + c) * s[2] * s[3] + p) * w, from, w);
}

void ig_interp_input(struct ig_tensor *t, const struct ig_node *input, const void *data)
{
	if (strcmp(ig_attr_str(input, IG_A_LAYOUT, "nchw"), "nhwc") == 0)
		nhwc_to_nchw(t, data);
	else
		memcpy(t->data, data, t->bytes);
}

static void canonical_nans(struct ig_tensor *t)
{
	float *f = t->data;
	int64_t n = ig_elems(&t->type);
	for (int64_t i = 0; i < n; i++)
		f[i] = ig_canonical_nan(f[i]);
}

void ig_interp_run(struct ig_interp *it, const void *const *in)
{
	const struct ig_graph *g = it->g;
	for (int i = 0; i < g->n_inputs; i++)
		ig_interp_input(it->value[g->input[i].i], ig_def(g, g->input[i]), in[i]);
	for (int i = 0; i < it->n_steps; i++)
		ig_eval_run(&it->step[i]);
	for (int i = 0; i < g->n_outputs; i++) {
		struct ig_tensor *t = it->value[g->output[i].i];
		if (t->type.dtype == IG_DT_F32 && ig_def(g, g->output[i])->op != IG_OP_CONSTANT)
			canonical_nans(t);
	}
}

const struct ig_tensor *ig_interp_value(const struct ig_interp *it, struct ig_vid v) { return it->value[v.i]; }
