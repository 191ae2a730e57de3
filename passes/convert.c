/* Float graph and ranges to a quantized graph: parameters on values, weights in s8, quantize / dequantize / requantize nodes where precisions or
   parameters meet (one for each value and parameters, shared by its readers). What runs in int8 is decided in convert_plan.c. */
#include "passes/convert.h"
#include "ir/infer.h"
#include "passes/match.h"
#include "passes/rewrite.h"

#include <stdlib.h>

bool ig_convert_qparam(struct ig_convert *k, struct ig_vid v, const struct ig_qconfig *q, struct ig_loc loc, struct ig_qid *out)
{
	const char *name = ig_value(k->g, v)->name;
	const struct ig_stat *st = k->c->stats ? ig_stats_find(k->c->stats, name) : NULL;
	struct ig_qspec spec = ig_result_qspec(q, ig_def(k->g, v)->op);
	float lo = 0, hi = 0;
	if (spec.observer != IG_OBS_FIXED && (!st || !ig_range(st, &spec, &lo, &hi))) {
		if (!k->c->stats)
			ig_error(k->c->diag, loc, "`%s` needs a range: give calibration data or a state (--calibration), or `skip` the layer", name);
		else if (!st)
			ig_error(k->c->diag, loc, "the calibration state has nothing on `%s`: it was made from another model; calibrate again", name);
		else if (spec.observer == IG_OBS_MOVING_AVERAGE && !st->has_average)
			ig_error(k->c->diag, loc, "the calibration state has no moving average of `%s`: calibrate again with this quantize block", name);
		else
			ig_error(k->c->diag, loc, "`%s` was never seen with a finite value in calibration: it has no range", name);
		return false;
	}
	if (k->ranges && spec.observer != IG_OBS_FIXED && spec.dtype != IG_DT_S16) /* 16 bits leave nothing to choose */
		ig_output_ranges_of(k->ranges, name, &spec, &lo, &hi);
	*out = ig_activation_qparam(k->g, &spec, lo, hi);
	return true;
}

/* Parameters that the source gives to a value: it is quantized there, per tensor to u8. */
static struct ig_qid fixed_qparam(const struct ig_graph *g, struct ig_vid v)
{
	for (struct ig_nid id = ig_first(g); id.i >= 0; id = ig_next(g, id)) {
		const struct ig_node *n = ig_node(g, id);
		if (n->op != IG_OP_QUANTIZE || n->in[0].i != v.i)
			continue;
		const struct ig_type *t = ig_vtype(g, n->out[0]);
		const struct ig_qparam *q = ig_qparam(g, t->q);
		if (q && t->dtype == IG_DT_U8 && q->n == 1)
			return t->q;
	}
	return IG_NOQ;
}

/* The parameters of a value that its producer writes as u8. */
static bool own_qparam(struct ig_convert *k, struct ig_vid v, struct ig_qid *out)
{
	if (k->own[v.i].i < 0) {
		const struct ig_node *n = ig_def(k->g, v);
		struct ig_qid fixed = fixed_qparam(k->g, v);
		if (fixed.i >= 0)
			k->own[v.i] = fixed;
		else if (k->alias[v.i] >= 0) {
			if (!own_qparam(k, (struct ig_vid){k->alias[v.i]}, &k->own[v.i]))
				return false;
		} else if (!ig_convert_qparam(k, v, ig_node_qconfig(k->c->qconfig, n), n->loc, &k->own[v.i]))
			return false;
	}
	*out = k->own[v.i];
	return true;
}

struct ig_vid ig_convert_copy(struct ig_convert *k, enum ig_op op, enum ig_part part, struct ig_vid v, struct ig_qid q, struct ig_nid user)
{
	static const char *const parts[] = {NULL, "high", "low"};
	struct ig_graph *g = k->g;
	for (int i = 0; i < k->copies.n; i++) {
		const struct ig_copy *c = &k->copies.v[i];
		if (c->op == op && c->part == part && c->from.i == v.i && ig_qparam_equal(ig_qparam(g, ig_vtype(g, c->to)->q), ig_qparam(g, q)))
			return c->to;
	}
	const char *name = ig_arena_printf(g->arena, "%s.%s", ig_value(g, v)->name, part ? parts[part] : ig_ops[op].name);
	struct ig_loc loc = ig_def(g, v)->loc;
	struct ig_nid id = ig_graph_add_before(g, user, op, name, loc, &v, 1);
	struct ig_copy c = {op, part, v, ig_node(g, id)->out[0]};
	struct ig_type type = *ig_vtype(g, v);
	type.dtype = q.i < 0 ? IG_DT_F32 : ig_qparam(g, q)->dtype;
	type.q = q;
	ig_value(g, c.to)->type = type;
	if (part)
		ig_attr_set_str(g, id, IG_A_PART, parts[part]);
	ig_vec_push(&k->copies, c);
	return c.to;
}

static struct ig_vid as_f32(struct ig_convert *k, struct ig_vid v, struct ig_nid user)
{
	return v.i < k->n_values && k->is_u8[v.i] ? ig_convert_copy(k, IG_OP_DEQUANTIZE, IG_PART_WHOLE, v, IG_NOQ, user) : v;
}

/* The u8 form of an operand, with parameters `want` (IG_NOQ: whatever it has or its statistics give). */
static bool as_u8(struct ig_convert *k, struct ig_vid v, struct ig_qid want, struct ig_nid user, struct ig_vid *out)
{
	struct ig_graph *g = k->g;
	const struct ig_node *def = ig_def(g, v), *n = ig_node(g, user);
	const struct ig_qparam *given = def->op == IG_OP_DEQUANTIZE ? ig_qparam(g, ig_vtype(g, def->in[0])->q) : NULL;
	if (given && given->dtype == IG_DT_U8 && given->n == 1)
		v = def->in[0]; /* dequantized in the source: its parameters are law */
	struct ig_qid has = ig_vtype(g, v)->q;
	if (has.i >= 0) {
		bool same = want.i < 0 || ig_qparam_equal(ig_qparam(g, has), ig_qparam(g, want));
		*out = same ? v : ig_convert_copy(k, IG_OP_REQUANTIZE, IG_PART_WHOLE, v, want, user);
		return true;
	}
	const struct ig_qconfig *q = ig_node_qconfig(k->c->qconfig, n);
	if (want.i < 0) {
		bool ok = def->op == IG_OP_CONSTANT ? ig_convert_constant_qparam(k, v, q, n->loc, &want) : ig_convert_qparam(k, v, q, n->loc, &want);
		if (!ok)
			return false;
	}
	*out = ig_convert_copy(k, IG_OP_QUANTIZE, IG_PART_WHOLE, v, want, user);
	return true;
}

static void set_u8(struct ig_convert *k, struct ig_vid v, struct ig_qid q)
{
	struct ig_type *t = &ig_value(k->g, v)->type;
	t->dtype = ig_qparam(k->g, q)->dtype;
	t->q = q;
}

static bool is_integer(const struct ig_graph *g, struct ig_vid v) { return ig_vtype(g, v)->q.i >= 0 || ig_def(g, v)->op == IG_OP_DEQUANTIZE; }

static bool convert_compute(struct ig_convert *k, struct ig_nid id)
{
	struct ig_graph *g = k->g;
	struct ig_vid x, r;
	if (!as_u8(k, ig_node(g, id)->in[0], IG_NOQ, id, &x))
		return false;
	ig_node(g, id)->in[0] = x;
	if (ig_node(g, id)->n_in > 3 && (k->is_u8[ig_node(g, id)->out[0].i] || is_integer(g, ig_node(g, id)->in[3]))) {
		if (!as_u8(k, ig_node(g, id)->in[3], IG_NOQ, id, &r))
			return false;
		ig_node(g, id)->in[3] = r;
	}
	const struct ig_qparam *q = ig_qparam(g, ig_vtype(g, x)->q);
	return ig_convert_weights(k, id, q->scale[0], q->zero_point[0], ig_node_qconfig(k->c->qconfig, ig_node(g, id)));
}

/* A node in int8: operands as u8 (concat's with its own parameters), weights, the result's parameters. */
static bool convert_node(struct ig_convert *k, struct ig_nid id)
{
	struct ig_graph *g = k->g;
	enum ig_quant_class class = ig_ops[ig_node(g, id)->op].quant;
	struct ig_vid y = ig_node(g, id)->out[0];
	struct ig_qid q = IG_NOQ;
	bool keeps = ig_convert_keeps_params(ig_node(g, id)->op);
	if (k->is_u8[y.i] && !keeps && !own_qparam(k, y, &q))
		return false;
	if (class == IG_QC_COMPUTE) {
		if (!convert_compute(k, id))
			return false;
	} else if (class != IG_QC_NORM) { /* normalize reads the input's bytes as they are */
		for (int i = 0; i < ig_node(g, id)->n_in; i++) {
			struct ig_vid u;
			if (!ig_convert_is_activation(ig_node(g, id), i))
				continue;
			if (!as_u8(k, ig_node(g, id)->in[i], class == IG_QC_CONCAT ? q : IG_NOQ, id, &u))
				return false;
			ig_node(g, id)->in[i] = u;
		}
	}
	if (keeps)
		q = ig_vtype(g, ig_node(g, id)->in[0])->q;
	for (int i = 0; i < ig_node(g, id)->n_out && k->is_u8[y.i]; i++)
		set_u8(k, ig_node(g, id)->out[i], q);
	return true;
}

/* A quantize node of the source whose operand now has those very parameters changes nothing. */
static void drop_quantize(struct ig_graph *g, struct ig_nid id)
{
	const struct ig_node *n = ig_node(g, id);
	const struct ig_qparam *has = ig_qparam(g, ig_vtype(g, n->in[0])->q), *want = ig_qparam(g, ig_vtype(g, n->out[0])->q);
	if (has && want && ig_qparam_equal(has, want)) {
		ig_graph_replace_uses(g, n->out[0], n->in[0]);
		ig_graph_remove(g, id);
	} else if (has) {
		ig_node(g, id)->op = IG_OP_REQUANTIZE;
	}
}

/* The stub of the source becomes the conversion itself. */
static bool convert_quant(struct ig_convert *k, struct ig_nid id)
{
	struct ig_graph *g = k->g;
	struct ig_vid y = ig_node(g, id)->out[0];
	struct ig_qid q;
	if (!own_qparam(k, y, &q))
		return false;
	ig_set_op(g, id, ig_vtype(g, ig_node(g, id)->in[0])->q.i >= 0 ? IG_OP_REQUANTIZE : IG_OP_QUANTIZE);
	set_u8(k, y, q);
	return true;
}

/* At the end, since what int8 layers read through a dequantize node of the source they read before it. */
static void convert_dequants(struct ig_graph *g)
{
	for (struct ig_nid id = ig_first(g); id.i >= 0; id = ig_next(g, id))
		if (ig_node(g, id)->op == IG_OP_DEQUANT && ig_vtype(g, ig_node(g, id)->in[0])->q.i >= 0)
			ig_set_op(g, id, IG_OP_DEQUANTIZE);
}

static bool convert_all(struct ig_convert *k)
{
	struct ig_graph *g = k->g;
	for (struct ig_nid id = ig_first(g), next; id.i >= 0; id = next) {
		next = ig_next(g, id);
		struct ig_node *n = ig_node(g, id);
		if (k->node_q[id.i]) {
			if (!(n->op == IG_OP_QUANT ? convert_quant(k, id) : convert_node(k, id)))
				return false;
			continue;
		}
		if (n->op == IG_OP_QUANTIZE) {
			drop_quantize(g, id);
			continue;
		}
		bool stub = n->op == IG_OP_DEQUANT && n->precision == IG_PREC_INT8 && k->is_u8[n->in[0].i];
		if (k->done[id.i] || stub)
			continue;
		bool weights = ig_ops[n->op].quant == IG_QC_COMPUTE && ig_convert_has_weights(g, n);
		bool stored = (n->precision == IG_PREC_STORED || n->precision == IG_PREC_DYNAMIC) && weights, wide = n->precision == IG_PREC_W8A16 && weights;
		struct ig_vid x = n->n_in ? n->in[0] : IG_NOVAL;
		if (ig_is_layer(n) && !stored && !wide)
			n->precision = IG_PREC_FLOAT;
		for (int i = 0; n->op != IG_OP_DEQUANTIZE && i < n->n_in; i++) {
			struct ig_vid v = as_f32(k, ig_node(g, id)->in[i], id);
			n = ig_node(g, id);
			n->in[i] = v;
		}
		if ((stored && !ig_convert_stored(k, id)) || (wide && !ig_convert_wide(k, id, x)))
			return false;
	}
	for (int i = 0; i < g->n_outputs; i++)
		g->output[i] = as_f32(k, g->output[i], IG_NONODE);
	convert_dequants(g);
	return true;
}

bool ig_convert_with(struct ig_graph *g, struct ig_context *c, struct ig_output_ranges *ranges)
{
	struct ig_convert k = {.g = g, .c = c, .n_values = g->n_values, .ranges = ranges};
	size_t values = (size_t)g->n_values + 1;
	k.node_q = ig_xcalloc((size_t)g->n_nodes + 1, sizeof *k.node_q);
	k.done = ig_xcalloc((size_t)g->n_nodes + 1, sizeof *k.done);
	k.wants_q = ig_xcalloc(values, sizeof *k.wants_q);
	k.wants_f = ig_xcalloc(values, sizeof *k.wants_f);
	k.is_u8 = ig_xcalloc(values, sizeof *k.is_u8);
	k.alias = ig_xcalloc(values, sizeof *k.alias);
	k.own = ig_xcalloc(values, sizeof *k.own);
	for (int i = 0; i < g->n_values; i++) {
		k.alias[i] = -1;
		k.own[i] = IG_NOQ;
	}
	ig_convert_plan(&k);
	bool ok = convert_all(&k);
	if (ok)
		g->stage = IG_STAGE_QUANTIZED;
	free(k.node_q);
	free(k.done);
	free(k.wants_q);
	free(k.wants_f);
	free(k.is_u8);
	free(k.alias);
	free(k.own);
	ig_vec_free(&k.copies);
	return ok;
}

/* With `recover output_ranges` a first conversion tells which ranges are asked for. */
bool ig_pass_convert(struct ig_graph *g, struct ig_context *c)
{
	if (c->stats && c->stats->weights_hash != g->weights_hash) {
		ig_error(c->diag, IG_NOLOC, "the calibration state belongs to other weights (%016llx, the model has %016llx): calibrate again",
		         (unsigned long long)c->stats->weights_hash, (unsigned long long)g->weights_hash);
		return false;
	}
	if (!c->replay || !c->stats || !c->qconfig || !c->qconfig->recover[IG_RECOVER_RANGES])
		return ig_convert_with(g, c, NULL);
	struct ig_output_ranges *r = ig_output_ranges_new();
	struct ig_graph *trial = ig_graph_clone(g);
	bool ok = ig_convert_with(trial, c, r) && ig_output_ranges_choose(r, g, trial, c) && ig_convert_with(g, c, r);
	ig_graph_free(trial);
	ig_output_ranges_free(r);
	return ok;
}
