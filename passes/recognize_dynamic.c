/* What exporters write for dynamic quantization becomes the one layer that it is, with the same bytes:

     q, s, z = dynamic_quantize(x)
     cast(matmul_integer(q, w, z, zw)) * (s * s_w) + b      linear(x, w - zw, b, dynamic: 255)
     cast(conv2d(cast(q) - cast(z), w)) * (s * s_w) + b     conv2d, depthwise_conv2d

   with constant weights whose integers less their zero points fit in s8. Others stay as they are written. */
#include "ir/dynamic.h"
#include "ir/infer.h"
#include "ir/number.h"
#include "passes/pass.h"
#include "passes/rewrite.h"

#include <math.h>

struct found {
	struct ig_nid product; /* matmul_integer or the convolution */
	struct ig_vid x;
	const struct ig_tensor *scale; /* of the weights */
	int64_t oc;
};

static const struct ig_node *through(const struct ig_graph *g, struct ig_vid *v, enum ig_op op)
{
	const struct ig_node *n = ig_def(g, *v);
	while (n->op == op) {
		*v = n->in[0];
		n = ig_def(g, *v);
	}
	return n;
}

/* The node that made this result number `result` of a dynamic_quantize; NULL: none did. */
static const struct ig_node *quantizer(const struct ig_graph *g, struct ig_vid v, int result)
{
	const struct ig_node *n = ig_def(g, v);
	return n->op == IG_OP_DYNAMIC_QUANTIZE && n->out[result].i == v.i ? n : NULL;
}

/* s * s_w: the quantizer whose scale it is. */
static const struct ig_node *find_scales(const struct ig_graph *g, struct ig_vid v, struct found *f)
{
	const struct ig_node *n = ig_def(g, v), *q = NULL;
	for (int i = 0; i < 2 && n->op == IG_OP_MUL && !n->n_attrs && !q; i++) {
		q = quantizer(g, n->in[i], 1);
		f->scale = ig_const_data(g, n->in[1 - i]);
	}
	return q && f->scale && f->scale->type.dtype == IG_DT_F32 ? q : NULL;
}

/* The product behind casts, and whether it is of the quantizer's integers less their zero point. */
static bool find_product(const struct ig_graph *g, struct ig_vid v, const struct ig_node *q, struct found *f)
{
	const struct ig_node *n = through(g, &v, IG_OP_CAST);
	f->product = ig_value(g, v)->def;
	f->x = q->in[0];
	if (n->op == IG_OP_MATMUL_INTEGER) {
		const struct ig_tensor *w = ig_const_data(g, n->in[1]);
		f->oc = w && w->type.rank == 2 ? w->type.dim[1] : 0;
		return f->oc && n->in[0].i == q->out[0].i && n->n_in > 2 && n->in[2].i == q->out[2].i && (n->n_in < 4 || ig_const_data(g, n->in[3]));
	}
	if ((n->op != IG_OP_CONV2D && n->op != IG_OP_DEPTHWISE_CONV2D) || n->n_in != 2 || !ig_const_data(g, n->in[1]))
		return false;
	const struct ig_node *centred = ig_def(g, n->in[0]);
	struct ig_vid a = centred->in[0], z = centred->n_in > 1 ? centred->in[1] : IG_NOVAL;
	if (centred->op != IG_OP_SUB || ig_const_data(g, z))
		return false;
	through(g, &a, IG_OP_CAST);
	through(g, &z, IG_OP_CAST);
	f->oc = ig_vtype(g, n->in[1])->dim[0];
	return a.i == q->out[0].i && z.i == q->out[2].i;
}

/* Weight number i of output channel c, less its zero point. */
static double weight_at(const struct ig_graph *g, const struct found *f, int64_t c, int64_t i)
{
	const struct ig_node *n = ig_node(g, f->product);
	const struct ig_tensor *w = ig_const_data(g, n->in[1]), *z = n->n_in > 3 ? ig_const_data(g, n->in[3]) : NULL;
	if (n->op != IG_OP_MATMUL_INTEGER)
		return (double)((const float *)w->data)[c * (ig_elems(&w->type) / f->oc) + i];
	return (double)(ig_get_int(w, i * f->oc + c) - (z ? ig_get_int(z, ig_elems(&z->type) == 1 ? 0 : c) : 0));
}

/* The weights in s8, NULL: they do not fit, or their sums might not. */
static struct ig_tensor *weights(struct ig_graph *g, const struct found *f)
{
	const struct ig_node *n = ig_node(g, f->product);
	const struct ig_type *old = ig_vtype(g, n->in[1]);
	struct ig_type t = n->op == IG_OP_MATMUL_INTEGER ? ig_type_make(IG_DT_S8, 2, (int64_t[]){f->oc, old->dim[0]}) : *old;
	t.dtype = IG_DT_S8;
	t.q = IG_NOQ;
	struct ig_tensor *w = ig_tensor_new(g->arena, &t);
	int64_t per = ig_elems(&t) / f->oc;
	for (int64_t c = 0; c < f->oc; c++)
		for (int64_t i = 0; i < per; i++) {
			double v = weight_at(g, f, c, i);
			if (!(v >= -128 && v <= 127) || v != floor(v) || per > INT32_MAX / (128 * 255))
				return NULL;
			((int8_t *)w->data)[c * per + i] = (int8_t)v;
		}
	return w;
}

/* One scale, or one for each channel, which is the last axis of a matrix product and the second of an image. */
static bool set_scales(struct ig_graph *g, struct ig_tensor *w, const struct found *f, const struct ig_type *result)
{
	int64_t n = ig_elems(&f->scale->type);
	int channel = ig_node(g, f->product)->op == IG_OP_MATMUL_INTEGER ? 1 : 3, rank = f->scale->type.rank;
	const float *s = f->scale->data;
	if (n != 1 && (n != f->oc || rank < channel || rank > result->rank || f->scale->type.dim[rank - channel] != n))
		return false;
	for (int64_t i = 0; i < n; i++)
		if (!(s[i] > 0) || isinf(s[i]))
			return false;
	struct ig_qparam q = {.dtype = IG_DT_S8, .axis = n == 1 ? -1 : 0, .n = n, .scale = s, .zero_point = IG_NEWN(g->arena, int32_t, n), .qmin = -128, .qmax = 127,
	                      .fixed = true};
	w->type.q = ig_graph_qparam(g, &q);
	return true;
}

/* The addition of one number for each channel behind the product, or IG_NONODE; its constant in *bias. */
static struct ig_nid find_bias(const struct ig_graph *g, struct ig_nid root, const struct found *f, const struct ig_tensor **bias)
{
	struct ig_vid v = ig_node(g, root)->out[0];
	struct ig_nid id = ig_graph_only_user(g, v);
	const struct ig_node *n = id.i >= 0 ? ig_node(g, id) : NULL;
	int channel = ig_node(g, f->product)->op == IG_OP_MATMUL_INTEGER ? 1 : 3;
	if (!n || n->op != IG_OP_ADD || n->n_attrs || !ig_type_same_shape(ig_vtype(g, v), ig_vtype(g, n->out[0])))
		return IG_NONODE;
	*bias = ig_const_data(g, n->in[n->in[0].i == v.i ? 1 : 0]);
	if (!*bias || (*bias)->type.dtype != IG_DT_F32 || ig_elems(&(*bias)->type) != f->oc || (*bias)->type.rank < channel ||
	    (*bias)->type.dim[(*bias)->type.rank - channel] != f->oc)
		return IG_NONODE;
	return id;
}

/* The multiplication (and the addition behind it) becomes the layer, which has the product's name and attributes. */
static bool rewrite(struct ig_graph *g, struct ig_nid root, const struct found *f, const struct ig_tensor *w, struct ig_diag *d)
{
	const struct ig_tensor *bias = NULL;
	struct ig_nid add = find_bias(g, root, f, &bias), last = add.i >= 0 ? add : root;
	const struct ig_node *p = ig_node(g, f->product);
	enum ig_op op = p->op == IG_OP_MATMUL_INTEGER ? IG_OP_LINEAR : p->op;
	struct ig_nid id = ig_graph_add_before(g, last, op, p->name, p->loc, (struct ig_vid[]){f->x, p->in[1]}, 2);
	p = ig_node(g, f->product);
	const char *name = ig_node(g, id)->name; /* the product, which goes if nothing else reads it, takes the name that the layer was given */
	ig_node(g, id)->name = p->name;
	ig_node(g, f->product)->name = name;
	for (int i = 0; op != IG_OP_LINEAR && i < p->n_attrs; i++) {
		struct ig_attr a = ig_node(g, f->product)->attr[i];
		if (a.id == IG_A_GROUPS)
			ig_attr_set_int(g, id, a.id, a.u.i);
		else if (a.id != IG_A_MIN && a.id != IG_A_MAX)
			ig_attr_set_ints(g, id, a.id, a.u.ints, a.n);
	}
	ig_attr_set_int(g, id, IG_A_DYNAMIC, 255);
	struct ig_vid weight = ig_graph_constant(g, id, ig_arena_printf(g->arena, "%s.weight", ig_node(g, id)->name), ig_node(g, id)->loc, w);
	ig_node(g, id)->in[1] = weight;
	if (bias) {
		struct ig_tensor *b = ig_new_f32(g, 1, &f->oc);
		b->data = bias->data;
		ig_set_constant(g, id, 2, "bias", b);
	}
	if (!ig_infer_node(g, id, d))
		return false;
	ig_graph_replace_uses(g, ig_node(g, last)->out[0], ig_node(g, id)->out[0]);
	return true;
}

static bool try_root(struct ig_graph *g, struct ig_nid root, struct ig_diag *d)
{
	const struct ig_node *n = ig_node(g, root);
	for (int i = 0; i < 2; i++) {
		struct found f;
		const struct ig_node *q = find_scales(g, n->in[1 - i], &f);
		if (!q || ig_def(g, n->in[i])->op != IG_OP_CAST || !find_product(g, n->in[i], q, &f))
			continue;
		const struct ig_node *p = ig_node(g, f.product);
		if (ig_attr(p, IG_A_MIN) || ig_attr(p, IG_A_MAX) || !ig_type_same_shape(ig_vtype(g, p->out[0]), ig_vtype(g, n->out[0])))
			continue;
		struct ig_tensor *w = weights(g, &f);
		if (w && set_scales(g, w, &f, ig_vtype(g, n->out[0])))
			return rewrite(g, root, &f, w, d);
	}
	return true;
}

bool ig_pass_recognize_dynamic(struct ig_graph *g, struct ig_context *c)
{
	for (struct ig_nid id = ig_first(g), next; id.i >= 0; id = next) {
		next = ig_next(g, id);
		const struct ig_node *n = ig_node(g, id);
		if (n->op == IG_OP_MUL && !n->n_attrs && !try_root(g, id, c->diag))
			return false;
	}
	return true;
}
