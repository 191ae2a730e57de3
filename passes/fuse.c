/* Fusion by the table of patterns in fuse.def. It happens before observers are inserted: what is fused has one rounding and nothing is observed between.
   The fused node stands where its last member stood, has the main operation's layer name and the last member's value. */
#include "passes/pass.h"
#include "passes/rewrite.h"

#include <math.h>

static const struct pattern {
	enum ig_op main, second, fused;
	bool act;
} patterns[] = {
#define ADD(m, s, f) {IG_OP_##m, IG_OP_##s, IG_OP_##f, false},
#define ACT(m, s) {IG_OP_##m, IG_OP_##s, IG_OP_##m, true},
#include "passes/fuse.def"
#undef ADD
#undef ACT
};

static const struct pattern *find(enum ig_op main, enum ig_op second)
{
	for (size_t i = 0; i < IG_COUNTOF(patterns); i++)
		if (patterns[i].main == main && patterns[i].second == second)
			return &patterns[i];
	return NULL;
}

/* The pattern by which `second` can swallow the producer of its operand i, or NULL. */
static const struct pattern *match(const struct ig_graph *g, const struct ig_node *second, int i)
{
	struct ig_vid v = second->in[i];
	const struct ig_node *m = ig_def(g, v);
	const struct pattern *p = find(m->op, second->op);
	if (!p || ig_graph_only_user(g, v).i < 0)
		return NULL;
	if (p->act)
		return p;
	/* the addition comes before the activation */
	if (ig_attr(m, IG_A_MIN) || ig_attr(m, IG_A_MAX) || !ig_type_same_shape(ig_vtype(g, second->in[0]), ig_vtype(g, second->in[1])))
		return NULL;
	if (m->n_in > 2 && !ig_is_given(g, m->in[2]))
		return NULL;
	return p;
}

static void fuse_act(struct ig_graph *g, struct ig_nid second)
{
	struct ig_nid main = ig_value(g, ig_node(g, second)->in[0])->def;
	double lo1, hi1, lo2, hi2;
	ig_act_bounds(ig_node(g, main), &lo1, &hi1);
	ig_act_bounds(ig_node(g, second), &lo2, &hi2);
	/* min(hi2, max(lo2, min(hi1, max(lo1, x)))) as one clamp */
	double lo = fmin(fmax(lo1, lo2), hi2), hi = fmin(fmax(hi1, lo2), hi2);
	ig_take_over(g, second, main);
	if (!isinf(lo))
		ig_attr_set_float(g, second, IG_A_MIN, lo);
	if (!isinf(hi))
		ig_attr_set_float(g, second, IG_A_MAX, hi);
}

static int32_t position(const struct ig_graph *g, struct ig_vid v)
{
	int32_t at = 0;
	for (struct ig_nid id = ig_first(g); id.i != ig_value(g, v)->def.i; id = ig_next(g, id))
		at++;
	return at;
}

/* With two candidates the larger is the main operation, whose sums are added before they are rounded (on resnet8 this agrees better with float than
   the other choice); of equal ones the later. */
static int main_operand(const struct ig_graph *g, const struct ig_node *n)
{
	int64_t macs[2] = {ig_node_macs(g, ig_def(g, n->in[0])), ig_node_macs(g, ig_def(g, n->in[1]))};
	if (macs[0] != macs[1])
		return macs[0] > macs[1] ? 0 : 1;
	return position(g, n->in[0]) > position(g, n->in[1]) ? 0 : 1;
}

static void fuse_add(struct ig_graph *g, struct ig_nid second)
{
	const struct ig_node *n = ig_node(g, second);
	const struct pattern *p[2] = {match(g, n, 0), match(g, n, 1)};
	if (!p[0] && !p[1])
		return;
	int i = p[0] && p[1] ? main_operand(g, n) : p[0] ? 0 : 1;
	struct ig_vid residual = n->in[1 - i];
	double lo, hi;
	ig_act_bounds(n, &lo, &hi);
	struct ig_nid main = ig_value(g, n->in[i])->def;
	ig_take_over(g, second, main);
	ig_need_bias(g, second);
	ig_add_operand(g, second, residual);
	ig_set_op(g, second, p[i]->fused);
	if (!isinf(lo))
		ig_attr_set_float(g, second, IG_A_MIN, lo);
	if (!isinf(hi))
		ig_attr_set_float(g, second, IG_A_MAX, hi);
}

bool ig_pass_fuse(struct ig_graph *g, struct ig_context *c)
{
	(void)c;
	for (struct ig_nid id = ig_first(g); id.i >= 0; id = ig_next(g, id)) {
		const struct ig_node *n = ig_node(g, id);
		if (n->op == IG_OP_ADD)
			fuse_add(g, id);
		else if (n->n_in == 1) {
			const struct pattern *p = match(g, n, 0);
			if (p && p->act)
				fuse_act(g, id);
		}
	}
	return true;
}
