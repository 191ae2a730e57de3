/* A transposed convolution becomes a convolution with the kernel's phases as filters, depth_to_space and a slice (ir/transposed.h): the same chains, and
   everything behind this pass, quantization included, knows what to do with these. */
#include "ir/fold.h"
#include "ir/infer.h"
#include "ir/transposed.h"
#include "passes/pass.h"
#include "passes/rewrite.h"

static int64_t larger(int64_t a, int64_t b) { return a > b ? a : b; }

/* [filter, phase row, phase column][channel of its group][row][column] */
static struct ig_tensor *phase_weights(struct ig_graph *g, const struct ig_transposed *t, const float *w)
{
	int64_t ocg = t->oc / t->groups, icg = t->ic / t->groups, phases = t->sh * t->sw;
	struct ig_tensor *r = ig_new_f32(g, 4, (int64_t[]){t->oc * phases, icg, t->th, t->tw});
	float *to = r->data;
	for (int64_t o = 0; o < t->oc; o++)
		for (int64_t p = 0; p < phases; p++)
			for (int64_t c = 0; c < icg; c++)
				for (int64_t k = 0; k < t->th * t->tw; k++)
					*to++ = ig_transposed_weight(t, w, o / ocg * icg + c, o % ocg, p / t->sw, p % t->sw, k / t->tw, k % t->tw);
	return r;
}

static struct ig_tensor *phase_bias(struct ig_graph *g, const struct ig_transposed *t, const float *bias)
{
	int64_t phases = t->sh * t->sw, n = t->oc * phases;
	struct ig_tensor *r = ig_new_f32(g, 1, &n);
	for (int64_t i = 0; i < n; i++)
		((float *)r->data)[i] = bias[i / phases];
	return r;
}

/* Fits the products of extents that the packed weights need? */
static bool weights_fit(const struct ig_graph *g, const struct ig_node *n, const struct ig_transposed *t, struct ig_diag *d)
{
	int64_t count = t->oc, by[] = {t->sh, t->sw, t->ic / t->groups, t->th, t->tw};
	for (size_t i = 0; i < IG_COUNTOF(by); i++)
		if (!ig_mul_i64(count, by[i], &count) || count > INT32_MAX) {
			ig_error(d, n->loc, "conv_transpose2d '%s': with stride %lld x %lld the kernels of its phases are too large (weight %s)", n->name, (long long)t->sh,
			         (long long)t->sw, ig_type_str(g->arena, ig_vtype(g, n->in[1])));
			return false;
		}
	return true;
}

static struct ig_nid add(struct ig_graph *g, struct ig_nid before, enum ig_op op, const char *name, const char *suffix, struct ig_vid x)
{
	return ig_graph_add_before(g, before, op, ig_arena_printf(g->arena, "%s.%s", name, suffix), ig_node(g, before)->loc, &x, 1);
}

static struct ig_vid constant(struct ig_graph *g, struct ig_nid before, const char *suffix, const struct ig_tensor *t)
{
	const struct ig_node *n = ig_node(g, before);
	return ig_graph_constant(g, before, ig_arena_printf(g->arena, "%s.%s", n->name, suffix), n->loc, t);
}

/* Convolution and depth_to_space go before the node, which becomes the slice and so keeps its name. */
static bool expand(struct ig_graph *g, struct ig_nid id, struct ig_diag *d)
{
	const struct ig_node *n = ig_node(g, id);
	struct ig_transposed t = ig_transposed_of(g, n);
	const char *name = n->name;
	for (int i = 1; i < n->n_in; i++)
		if (!ig_const_data(g, n->in[i]) && !ig_fold_node(g, ig_value(g, n->in[i])->def, d))
			return false;
	if (!weights_fit(g, n, &t, d))
		return false;
	int64_t qy = (t.pt + t.oh - 1) / t.sh, qx = (t.pl + t.ow - 1) / t.sw; /* last pixel of the phases that is wanted */
	int64_t pad[4] = {t.th - 1, t.tw - 1, larger(qy + 1 - t.ih, 0), larger(qx + 1 - t.iw, 0)};
	struct ig_vid in[3] = {n->in[0]};
	in[1] = constant(g, id, "weight", phase_weights(g, &t, ig_const_data(g, n->in[1])->data));
	n = ig_node(g, id);
	if (n->n_in > 2)
		in[2] = constant(g, id, "bias", phase_bias(g, &t, ig_const_data(g, n->in[2])->data));
	struct ig_nid conv = ig_graph_add_before(g, id, IG_OP_CONV2D, ig_arena_printf(g->arena, "%s.conv", name), ig_node(g, id)->loc, in, ig_node(g, id)->n_in);
	ig_attr_set_ints(g, conv, IG_A_PAD, pad, 4);
	ig_attr_set_int(g, conv, IG_A_GROUPS, t.groups);
	struct ig_nid space = add(g, id, IG_OP_DEPTH_TO_SPACE, name, "space", ig_node(g, conv)->out[0]);
	ig_attr_set_ints(g, space, IG_A_BLOCK, (int64_t[]){t.sh, t.sw}, 2);
	ig_attr_set_str(g, space, IG_A_MODE, "crd");
	ig_set_op(g, id, IG_OP_SLICE);
	ig_node(g, id)->in[0] = ig_node(g, space)->out[0];
	ig_node(g, id)->n_in = 1;
	ig_attr_set_ints(g, id, IG_A_STARTS, (int64_t[]){t.pt, t.pl}, 2);
	ig_attr_set_ints(g, id, IG_A_ENDS, (int64_t[]){t.pt + t.oh, t.pl + t.ow}, 2);
	ig_attr_set_ints(g, id, IG_A_AXES, (int64_t[]){2, 3}, 2);
	return ig_infer_node(g, conv, d) && ig_infer_node(g, space, d) && ig_infer_node(g, id, d);
}

bool ig_pass_expand_transposed(struct ig_graph *g, struct ig_context *c)
{
	for (struct ig_nid id = ig_first(g), next; id.i >= 0; id = next) {
		next = ig_next(g, id);
		if (ig_node(g, id)->op == IG_OP_CONV_TRANSPOSE2D && !expand(g, id, c->diag))
			return false;
	}
	return true;
}
