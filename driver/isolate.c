/* Three clones of graphs, each with its layers cut apart: an operand that another layer computes becomes an input of the graph, fed with the float model's
   value. One run of a clone then computes every layer on float operands; the results of a clone are found by the values of the original. */
#include "driver/isolate.h"

#include <stdlib.h>
#include <string.h>

#include "driver/quiet.h"
#include "ir/interp.h"
#include "ir/number.h"

struct fed { /* an input that was added */
	int tensor; /* of the float engine */
	size_t bytes;
};
struct cut {
	struct ig_graph *g;
	int given; /* inputs that the graph had */
	IG_VEC(struct fed) fed;
	struct ig_vid *source;  /* by value of the original: what stands for it; IG_NOVAL: not made yet */
	struct ig_vid *result;  /* by value of the quantized graph: where its layer's result is; IG_NOVAL: nowhere */
};
struct ig_isolated {
	const struct ig_session *s;
	const struct ig_engine *flt;
	bool *fixed, *fixed_flt; /* values of the quantized and of the float graph that are constant */
	struct cut cut[IG_ALONE_COUNT];
	/* The layers' clone as code: a session with that graph, and for each of the clone's values the engine's tensor, -1: none. */
	bool compiled;
	struct ig_session session;
	struct ig_machine machine;
	int *tensor;
};
struct ig_isolated_run {
	struct ig_isolated *k;
	struct ig_engine *native;
	void *raw; /* a tensor of the native engine */
	struct ig_interp *interp[IG_ALONE_COUNT];
	void **in[IG_ALONE_COUNT];
};

static struct ig_vid *no_values(int n)
{
	struct ig_vid *v = ig_xcalloc((size_t)n + 1, sizeof *v);
	for (int i = 0; i < n; i++)
		v[i] = IG_NOVAL;
	return v;
}

static bool is_conversion(enum ig_op op) { return op == IG_OP_QUANTIZE || op == IG_OP_DEQUANTIZE || op == IG_OP_REQUANTIZE; }

/* By value: whether it depends on the weights alone. */
static bool *constants_of(const struct ig_graph *g)
{
	bool *constant = ig_xcalloc((size_t)g->n_values + 1, sizeof *constant);
	for (struct ig_nid id = ig_first(g); id.i >= 0; id = ig_next(g, id)) {
		const struct ig_node *n = ig_node(g, id);
		bool all = n->op == IG_OP_CONSTANT || n->n_in > 0;
		for (int i = 0; i < n->n_in; i++)
			all = all && constant[n->in[i].i];
		for (int i = 0; i < n->n_out; i++)
			constant[n->out[i].i] = all;
	}
	return constant;
}

/* The float engine's tensor of that name, of these elements; -1. */
static int float_tensor(const struct ig_isolated *k, const char *name, const struct ig_type *like)
{
	for (int i = 0; i < ig_engine_tensors(k->flt); i++) {
		struct ig_type t;
		if (strcmp(ig_engine_tensor(k->flt, i, &t), name) == 0 && t.q.i < 0 && ig_type_same_shape(&t, like) &&
		    t.dtype == (like->q.i < 0 ? like->dtype : IG_DT_F32))
			return i;
	}
	return -1;
}

/* A conversion node; `before` IG_NONODE: at the end. */
static struct ig_vid convert(struct ig_graph *g, struct ig_nid before, enum ig_op op, struct ig_vid v, struct ig_qid q)
{
	struct ig_type t = *ig_vtype(g, v);
	t.q = op == IG_OP_QUANTIZE ? q : IG_NOQ;
	t.dtype = op == IG_OP_QUANTIZE ? ig_qparam(g, q)->dtype : IG_DT_F32;
	struct ig_nid id = ig_graph_add_before(g, before, op, "alone", IG_NOLOC, &v, 1);
	ig_value(g, ig_node(g, id)->out[0])->type = t;
	return ig_node(g, id)->out[0];
}

/* A new input that is fed with the float value that v, of the original graph, stands for; quantized when v is. IG_NOVAL: the float engine does not have it. */
static struct ig_vid source_of(const struct ig_isolated *k, struct cut *c, struct ig_vid v)
{
	struct ig_graph *g = c->g;
	struct ig_type t = *ig_vtype(g, v);
	if (c->source[v.i].i >= 0)
		return c->source[v.i];
	int tensor = float_tensor(k, ig_value(g, v)->name, &t);
	if (tensor < 0)
		return IG_NOVAL;
	struct ig_qid q = t.q;
	struct ig_nid first = ig_first(g);
	struct ig_nid id = ig_graph_add_before(g, first, IG_OP_INPUT, ig_value(g, v)->name, IG_NOLOC, NULL, 0);
	struct ig_vid in = ig_node(g, id)->out[0];
	if (q.i >= 0)
		t.dtype = IG_DT_F32;
	t.q = IG_NOQ;
	ig_value(g, in)->type = t;
	ig_graph_mark_input(g, in);
	ig_vec_push(&c->fed, ((struct fed){tensor, ig_type_size(&t)}));
	c->source[v.i] = q.i >= 0 ? convert(g, first, IG_OP_QUANTIZE, in, q) : in;
	return c->source[v.i];
}

static void cut_begin(struct cut *c, const struct ig_graph *from, int quantized_values)
{
	c->g = ig_graph_clone(from);
	c->given = from->n_inputs;
	c->source = no_values(from->n_values);
	c->result = no_values(quantized_values);
}

/* ---- the layers as they are quantized ---- */

static void cut_layers(struct ig_isolated *k, struct cut *c)
{
	const struct ig_graph *q = k->s->quant;
	bool *whole = ig_xcalloc((size_t)q->n_values + 1, sizeof *whole); /* a value that comes of float values alone */
	cut_begin(c, q, q->n_values);
	for (struct ig_nid id = ig_first(q); id.i >= 0; id = ig_next(q, id)) {
		const struct ig_node *n = ig_node(q, id);
		bool all = true;
		for (int i = 0; i < n->n_in; i++) {
			const struct ig_node *def = ig_def(q, n->in[i]);
			if (k->fixed[n->in[i].i] || def->op == IG_OP_INPUT)
				continue;
			if (is_conversion(def->op) || ig_reads_high_bytes(q, def)) { /* its own operands were cut off */
				all = all && whole[n->in[i].i];
				continue;
			}
			struct ig_vid v = source_of(k, c, n->in[i]);
			all = all && v.i >= 0;
			if (v.i >= 0)
				ig_node(c->g, id)->in[i] = v;
		}
		for (int i = 0; i < n->n_out; i++) {
			whole[n->out[i].i] = all;
			if (all && n->op != IG_OP_CONSTANT && n->op != IG_OP_INPUT)
				c->result[n->out[i].i] = n->out[i];
		}
	}
	free(whole);
}

/* ---- float layers with one side of the quantized ones ---- */

/* The weights that a quantized constant stands for, as a constant of graph g. */
static struct ig_vid dequantized(struct ig_graph *g, const struct ig_graph *q, struct ig_vid v)
{
	const struct ig_tensor *t = ig_const_data(q, v);
	struct ig_type type = t->type;
	type.dtype = IG_DT_F32;
	type.q = IG_NOQ;
	struct ig_tensor *f = ig_tensor_new(g->arena, &type);
	ig_tensor_floats(q, &t->type, t->data, f->data);
	return ig_graph_constant(g, IG_NONODE, "alone", IG_NOLOC, f);
}

/* The bias that layer n of the quantized graph adds, as a constant of graph g: integers are at the scale of the sums (docs/numerics.md). */
static struct ig_vid dequantized_bias(struct ig_graph *g, const struct ig_graph *q, const struct ig_node *n)
{
	const struct ig_tensor *t = ig_const_data(q, n->in[2]);
	const struct ig_qparam *x = ig_qparam(q, ig_vtype(q, n->in[0])->q), *w = ig_qparam(q, ig_vtype(q, n->in[1])->q);
	struct ig_type type = t->type;
	type.dtype = IG_DT_F32;
	struct ig_tensor *f = ig_tensor_new(g->arena, &type);
	for (int64_t c = 0, count = ig_elems(&type); c < count; c++) {
		double scale = t->type.dtype == IG_DT_I32 ? (double)x->scale[0] * (double)w->scale[w->n > 1 ? c : 0] : 1;
		((float *)f->data)[c] = (float)(ig_get_double(t, c) * scale);
	}
	return ig_graph_constant(g, IG_NONODE, "alone", IG_NOLOC, f);
}

static bool has_bias(const struct ig_graph *q, const struct ig_node *n, const struct ig_type *like)
{
	const struct ig_tensor *t = ig_ops[n->op].quant == IG_QC_COMPUTE && n->n_in > 2 ? ig_const_data(q, n->in[2]) : NULL;
	const struct ig_qparam *x = ig_qparam(q, ig_vtype(q, n->in[0])->q), *w = ig_qparam(q, ig_vtype(q, n->in[1])->q);
	return t && x && x->n == 1 && w && (w->n == 1 || w->n == ig_elems(&t->type)) && ig_type_same_shape(&t->type, like) && t->type.q.i < 0 &&
	       (t->type.dtype == IG_DT_I32 || t->type.dtype == IG_DT_F32);
}

/* The layer of the float graph that a quantized one is made from; none when it has another form. */
static struct ig_nid float_layer(const struct ig_graph *f, const struct ig_graph *q, struct ig_nid id)
{
	const struct ig_node *n = ig_node(q, id);
	struct ig_nid found = ig_graph_find(f, n->name);
	if (found.i < 0)
		return found;
	const struct ig_node *m = ig_node(f, found);
	bool same = m->op == n->op && m->n_in == n->n_in && m->n_out == 1 && strcmp(m->name, n->name) == 0 && ig_vtype(f, m->out[0])->dtype == IG_DT_F32;
	return same ? found : IG_NONODE;
}

/* The parameters that a layer gets its operand in; those before a conversion to float too. */
static struct ig_qid operand_params(const struct ig_graph *q, struct ig_vid v)
{
	const struct ig_node *def = ig_def(q, v);
	return ig_vtype(q, def->op == IG_OP_DEQUANTIZE ? def->in[0] : v)->q;
}

/* Operands of float layer `to`: computed ones are fed; side by `which`. False when that cannot be, or nothing of the side is quantized. */
static bool cut_operands(struct ig_isolated *k, struct cut *c, struct ig_nid to, const struct ig_node *n, enum ig_alone which)
{
	const struct ig_graph *q = k->s->quant, *f = k->s->flt;
	const struct ig_node *m = ig_node(f, to);
	bool rounded = which == IG_ALONE_ACTIVATIONS && ig_vtype(q, n->out[0])->q.i >= 0;
	for (int i = 0; i < n->n_in; i++) {
		struct ig_qid has = operand_params(q, n->in[i]);
		struct ig_vid v = m->in[i];
		if (k->fixed_flt[v.i]) {
			bool swap = which == IG_ALONE_WEIGHTS && has.i >= 0 && ig_qparam(q, has)->group == 0 && ig_const_data(q, n->in[i]) &&
			            ig_type_same_shape(ig_vtype(q, n->in[i]), ig_vtype(f, v));
			rounded = rounded || swap;
			if (swap)
				v = dequantized(c->g, q, n->in[i]);
			else if (which == IG_ALONE_WEIGHTS && i == 2 && has_bias(q, n, ig_vtype(f, v)))
				v = dequantized_bias(c->g, q, n);
		} else if (ig_def(f, v)->op != IG_OP_INPUT || has.i >= 0) {
			v = source_of(k, c, v);
			if (v.i < 0)
				return false;
			if (which == IG_ALONE_ACTIVATIONS && has.i >= 0) {
				struct ig_vid u = convert(c->g, to, IG_OP_QUANTIZE, v, ig_graph_qparam(c->g, ig_qparam(q, has)));
				v = convert(c->g, to, IG_OP_DEQUANTIZE, u, IG_NOQ);
				rounded = true;
			}
		}
		ig_node(c->g, to)->in[i] = v;
	}
	return rounded;
}

static void cut_side(struct ig_isolated *k, struct cut *c, enum ig_alone which)
{
	const struct ig_graph *q = k->s->quant, *f = k->s->flt;
	cut_begin(c, f, q->n_values);
	for (struct ig_nid id = ig_first(q); id.i >= 0; id = ig_next(q, id)) {
		const struct ig_node *n = ig_node(q, id);
		struct ig_nid to = n->op == IG_OP_CONSTANT || n->op == IG_OP_INPUT || is_conversion(n->op) ? IG_NONODE : float_layer(f, q, id);
		if (to.i < 0 || !cut_operands(k, c, to, n, which))
			continue;
		struct ig_vid y = ig_node(c->g, to)->out[0];
		struct ig_qid has = ig_vtype(q, n->out[0])->q;
		if (which == IG_ALONE_ACTIVATIONS && has.i >= 0) {
			y = convert(c->g, IG_NONODE, IG_OP_QUANTIZE, y, ig_graph_qparam(c->g, ig_qparam(q, has)));
			y = convert(c->g, IG_NONODE, IG_OP_DEQUANTIZE, y, IG_NOQ);
		}
		c->result[n->out[0].i] = y;
	}
}

/* ---- running ---- */

static struct ig_isolated *begin(const struct ig_session *s, const struct ig_engine *flt)
{
	struct ig_isolated *k = ig_xcalloc(1, sizeof *k);
	k->s = s;
	k->flt = flt;
	if (s->given) /* the float graph rounds as the model does: there is nothing to take apart */
		return k;
	k->fixed = constants_of(s->quant);
	k->fixed_flt = constants_of(s->flt);
	cut_layers(k, &k->cut[IG_ALONE_LAYER]);
	return k;
}

/* As code; where that cannot be, for whatever reason, it is interpreted. */
static void compile_layers(struct ig_isolated *k)
{
	static const bool native[IG_ENGINE_COUNT] = {[IG_ENGINE_NATIVE] = true};
	struct ig_quiet quiet;
	k->session = *k->s;
	k->session.quant = k->cut[IG_ALONE_LAYER].g;
	k->session.diag = ig_quiet_begin(&quiet);
	k->session.rows = IG_ROWS_NEVER;
	k->compiled = k->s->target->triple && ig_machine_begin(&k->machine, &k->session, native, true, IG_NEVER);
	if (!k->compiled)
		ig_machine_end(&k->machine);
	k->session.diag = k->s->diag;
	free(ig_quiet_end(&quiet));
	if (!k->compiled)
		return;
	const struct kir_module *m = k->machine.quant.module;
	k->tensor = ig_xcalloc((size_t)k->session.quant->n_values + 1, sizeof *k->tensor);
	for (int i = 0; i < k->session.quant->n_values; i++)
		k->tensor[i] = -1;
	for (int i = 0; i < m->n_tensors; i++)
		k->tensor[m->tensor[i].value.i] = i;
}

struct ig_isolated *ig_isolated_layers_new(const struct ig_session *s, const struct ig_engine *flt)
{
	struct ig_isolated *k = begin(s, flt);
	if (k->cut[IG_ALONE_LAYER].g)
		compile_layers(k);
	return k;
}

struct ig_isolated *ig_isolated_new(const struct ig_session *s, const struct ig_engine *flt)
{
	struct ig_isolated *k = begin(s, flt);
	if (s->given)
		return k;
	cut_side(k, &k->cut[IG_ALONE_WEIGHTS], IG_ALONE_WEIGHTS);
	cut_side(k, &k->cut[IG_ALONE_ACTIVATIONS], IG_ALONE_ACTIVATIONS);
	return k;
}

void ig_isolated_free(struct ig_isolated *k)
{
	if (!k)
		return;
	if (k->compiled)
		ig_machine_end(&k->machine);
	free(k->tensor);
	for (int i = 0; i < IG_ALONE_COUNT; i++) {
		if (k->cut[i].g)
			ig_graph_free(k->cut[i].g);
		ig_vec_free(&k->cut[i].fed);
		free(k->cut[i].source);
		free(k->cut[i].result);
	}
	free(k->fixed);
	free(k->fixed_flt);
	free(k);
}

bool ig_isolated_has(const struct ig_isolated *k, enum ig_alone which, struct ig_vid v)
{
	const struct cut *c = &k->cut[which];
	return c->g && c->result[v.i].i >= 0 && (!k->compiled || k->tensor[c->result[v.i].i] >= 0);
}

/* The engine of the layers' code, and room for its largest tensor. */
static bool begin_native(struct ig_isolated_run *r)
{
	size_t most = 1;
	r->native = ig_engine_new(&r->k->machine, IG_ENGINE_NATIVE);
	for (int i = 0; r->native && i < ig_engine_tensors(r->native); i++) {
		struct ig_type t;
		ig_engine_tensor(r->native, i, &t);
		most = ig_type_size(&t) > most ? ig_type_size(&t) : most;
	}
	r->raw = ig_xcalloc(most, 1);
	return r->native != NULL;
}

struct ig_isolated_run *ig_isolated_run_new(struct ig_isolated *k)
{
	struct ig_isolated_run *r = ig_xcalloc(1, sizeof *r);
	r->k = k;
	for (int i = 0; i < IG_ALONE_COUNT; i++) {
		const struct cut *c = &k->cut[i];
		if (!c->g)
			continue;
		if (!k->compiled)
			r->interp[i] = ig_interp_new(c->g, k->s->diag);
		if (k->compiled ? !begin_native(r) : !r->interp[i]) {
			ig_isolated_run_free(r);
			return NULL;
		}
		r->in[i] = ig_xcalloc((size_t)c->g->n_inputs + 1, sizeof *r->in[i]);
		for (int f = 0; f < c->fed.n; f++)
			r->in[i][c->given + f] = ig_xcalloc(c->fed.v[f].bytes + 1, 1);
	}
	return r;
}

void ig_isolated_run_free(struct ig_isolated_run *r)
{
	if (!r)
		return;
	for (int i = 0; i < IG_ALONE_COUNT; i++) {
		for (int f = 0; r->in[i] && f < r->k->cut[i].fed.n; f++)
			free(r->in[i][r->k->cut[i].given + f]);
		free(r->in[i]);
		if (r->interp[i])
			ig_interp_free(r->interp[i]);
	}
	ig_engine_free(r->native);
	free(r->raw);
	free(r);
}

void ig_isolated_run(struct ig_isolated_run *r, const struct ig_engine *flt, const void *const *in)
{
	for (int i = 0; i < IG_ALONE_COUNT; i++) {
		const struct cut *c = &r->k->cut[i];
		if (!c->g)
			continue;
		for (int f = 0; f < c->given; f++)
			r->in[i][f] = (void *)(uintptr_t)in[f];
		for (int f = 0; f < c->fed.n; f++)
			ig_engine_tensor_read(flt, c->fed.v[f].tensor, r->in[i][c->given + f]);
		if (r->native)
			ig_engine_run(r->native, (const void *const *)r->in[i]);
		else
			ig_interp_run(r->interp[i], (const void *const *)r->in[i]);
	}
}

void ig_isolated_floats(const struct ig_isolated_run *r, enum ig_alone which, struct ig_vid v, float *out)
{
	const struct cut *c = &r->k->cut[which];
	if (r->native) {
		struct ig_type type;
		int i = r->k->tensor[c->result[v.i].i];
		ig_engine_tensor(r->native, i, &type);
		ig_engine_tensor_read(r->native, i, r->raw);
		ig_tensor_floats(c->g, &type, r->raw, out);
		return;
	}
	const struct ig_tensor *t = ig_interp_value(r->interp[which], c->result[v.i]);
	ig_tensor_floats(c->g, &t->type, t->data, out);
}
