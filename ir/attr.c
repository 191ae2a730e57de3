/* Attributes of nodes: reading with defaults, setting, and the geometry and bounds that follow from them. */
#include "ir/graph.h"

#include <math.h>
#include <string.h>

const struct ig_attr *ig_attr(const struct ig_node *n, enum ig_attr_id id)
{
	for (int i = 0; i < n->n_attrs; i++)
		if (n->attr[i].id == id)
			return &n->attr[i];
	return NULL;
}

int64_t ig_attr_int(const struct ig_node *n, enum ig_attr_id id, int64_t dflt)
{
	const struct ig_attr *a = ig_attr(n, id);
	return a ? a->u.i : dflt;
}

double ig_attr_float(const struct ig_node *n, enum ig_attr_id id, double dflt)
{
	const struct ig_attr *a = ig_attr(n, id);
	return a ? a->u.f : dflt;
}

const char *ig_attr_str(const struct ig_node *n, enum ig_attr_id id, const char *dflt)
{
	const struct ig_attr *a = ig_attr(n, id);
	return a ? a->u.s : dflt;
}

void ig_attr_ints(const struct ig_node *n, enum ig_attr_id id, int64_t dflt, int64_t *out, int count)
{
	const struct ig_attr *a = ig_attr(n, id);
	for (int i = 0; i < count; i++) {
		if (!a || a->n == 0)
			out[i] = dflt;
		else
			out[i] = a->n == 1 ? a->u.ints[0] : (i < a->n ? a->u.ints[i] : dflt);
	}
}

/* The slot of an attribute, added when absent. Every node has room for all attributes its operation can have. */
static struct ig_attr *slot(struct ig_graph *g, struct ig_nid id, enum ig_attr_id a)
{
	struct ig_node *n = ig_node(g, id);
	for (int i = 0; i < n->n_attrs; i++)
		if (n->attr[i].id == a)
			return &n->attr[i];
	if (!ig_op_has_attr(n->op, a))
		IG_BUG("%s has no attribute %s", ig_ops[n->op].name, ig_attrs[a].name);
	if (!n->attr)
		n->attr = IG_NEWN(g->arena, struct ig_attr, IG_MAX_ATTRS);
	struct ig_attr *s = &n->attr[n->n_attrs++];
	memset(s, 0, sizeof *s);
	s->id = a;
	return s;
}

void ig_attr_set_int(struct ig_graph *g, struct ig_nid n, enum ig_attr_id id, int64_t v)
{
	enum ig_attr_kind k = ig_attrs[id].kind;
	if (k == IG_AK_INTS || k == IG_AK_PAD)
		ig_attr_set_ints(g, n, id, &v, 1);
	else if (k == IG_AK_FLOAT || k == IG_AK_FLOATS)
		ig_attr_set_float(g, n, id, (double)v);
	else if (k == IG_AK_STRING || k == IG_AK_WORD)
		IG_BUG("attribute %s is text", ig_attrs[id].name);
	else
		slot(g, n, id)->u.i = v;
}

void ig_attr_set_float(struct ig_graph *g, struct ig_nid n, enum ig_attr_id id, double v)
{
	if (ig_attrs[id].kind == IG_AK_FLOATS)
		ig_attr_set_floats(g, n, id, &v, 1);
	else if (ig_attrs[id].kind == IG_AK_FLOAT)
		slot(g, n, id)->u.f = v;
	else
		IG_BUG("attribute %s is no float", ig_attrs[id].name);
}

void ig_attr_set_ints(struct ig_graph *g, struct ig_nid n, enum ig_attr_id id, const int64_t *v, int count)
{
	if (ig_attrs[id].kind != IG_AK_INTS && ig_attrs[id].kind != IG_AK_PAD)
		IG_BUG("attribute %s is no list of integers", ig_attrs[id].name);
	int64_t *copy = IG_NEWN(g->arena, int64_t, count > 0 ? count : 1);
	if (count > 0)
		memcpy(copy, v, (size_t)count * sizeof *v);
	struct ig_attr *s = slot(g, n, id);
	s->n = count;
	s->u.ints = copy;
}

void ig_attr_set_floats(struct ig_graph *g, struct ig_nid n, enum ig_attr_id id, const double *v, int count)
{
	if (ig_attrs[id].kind != IG_AK_FLOATS)
		IG_BUG("attribute %s is no list of floats", ig_attrs[id].name);
	double *copy = IG_NEWN(g->arena, double, count > 0 ? count : 1);
	if (count > 0)
		memcpy(copy, v, (size_t)count * sizeof *v);
	struct ig_attr *s = slot(g, n, id);
	s->n = count;
	s->u.floats = copy;
}

void ig_attr_set_str(struct ig_graph *g, struct ig_nid n, enum ig_attr_id id, const char *text)
{
	enum ig_attr_kind k = ig_attrs[id].kind;
	if (k != IG_AK_STRING && k != IG_AK_WORD && k != IG_AK_PAD)
		IG_BUG("attribute %s is no text", ig_attrs[id].name);
	struct ig_attr *s = slot(g, n, id);
	s->n = 0; /* a pad's word: same, same_lower, valid; ig_infer_node makes four integers of it */
	s->u.s = ig_intern(g->names, text);
}

void ig_attr_unset(struct ig_graph *g, struct ig_nid id, enum ig_attr_id a)
{
	struct ig_node *n = ig_node(g, id);
	for (int i = 0; i < n->n_attrs; i++) {
		if (n->attr[i].id == a) {
			memmove(&n->attr[i], &n->attr[i + 1], (size_t)(n->n_attrs - i - 1) * sizeof n->attr[0]);
			n->n_attrs--;
			return;
		}
	}
}

static bool is_depthwise(enum ig_op op) { return op == IG_OP_DEPTHWISE_CONV2D || op == IG_OP_DEPTHWISE_CONV2D_ADD; }
static bool is_linear(enum ig_op op) { return op == IG_OP_LINEAR || op == IG_OP_LINEAR_ADD; }

/* Output extent; the rule with ceil_mode is PyTorch's and ONNX's: the last window begins inside the input or its leading padding. */
static int64_t extent(int64_t in, int64_t before, int64_t after, int64_t k, int64_t s, int64_t d, bool ceil_mode)
{
	int64_t room = in + before + after - d * (k - 1) - 1;
	if (room < 0)
		return 0;
	int64_t n = (room + (ceil_mode ? s - 1 : 0)) / s + 1;
	if (ceil_mode && (n - 1) * s >= in + before)
		n--;
	return n;
}

static void linear_geometry(const struct ig_graph *g, const struct ig_node *n, struct ig_conv_geom *o)
{
	const struct ig_type *x = ig_vtype(g, n->in[0]), *w = ig_vtype(g, n->in[1]);
	*o = (struct ig_conv_geom){.n = 1, .ih = 1, .iw = 1, .oh = 1, .ow = 1, .kh = 1, .kw = 1, .sh = 1, .sw = 1, .dh = 1, .dw = 1, .groups = 1};
	for (int i = 0; i < x->rank - 1; i++)
		o->n *= x->dim[i];
	o->ic = x->rank ? x->dim[x->rank - 1] : 0;
	o->oc = w->dim[0];
}

void ig_conv_geometry(const struct ig_graph *g, const struct ig_node *n, struct ig_conv_geom *o)
{
	if (is_linear(n->op)) {
		linear_geometry(g, n, o);
		return;
	}
	const struct ig_type *x = ig_vtype(g, n->in[0]);
	int64_t k[2], s[2], d[2], p[4];
	*o = (struct ig_conv_geom){.n = x->dim[0], .ic = x->dim[1], .ih = x->dim[2], .iw = x->dim[3], .groups = 1};
	o->oc = o->ic;
	ig_attr_ints(n, IG_A_STRIDE, 1, s, 2);
	ig_attr_ints(n, IG_A_DILATION, 1, d, 2);
	ig_attr_ints(n, IG_A_PAD, 0, p, 4);
	if (n->op == IG_OP_GLOBAL_AVG_POOL || n->op == IG_OP_GLOBAL_MAX_POOL) {
		k[0] = o->ih;
		k[1] = o->iw;
	} else if (ig_ops[n->op].quant == IG_QC_COMPUTE) {
		const struct ig_type *w = ig_vtype(g, n->in[1]);
		k[0] = w->dim[2];
		k[1] = w->dim[3];
		o->oc = w->dim[0];
		o->groups = is_depthwise(n->op) ? o->ic : ig_attr_int(n, IG_A_GROUPS, 1);
	} else {
		ig_attr_ints(n, IG_A_KERNEL, 1, k, 2);
	}
	o->kh = k[0], o->kw = k[1], o->sh = s[0], o->sw = s[1], o->dh = d[0], o->dw = d[1];
	o->pt = p[0], o->pl = p[1], o->pb = p[2], o->pr = p[3];
	bool ceil_mode = ig_attr_int(n, IG_A_CEIL_MODE, 0) != 0;
	o->oh = extent(o->ih, o->pt, o->pb, o->kh, o->sh, o->dh, ceil_mode);
	o->ow = extent(o->iw, o->pl, o->pr, o->kw, o->sw, o->dw, ceil_mode);
}

void ig_act_bounds(const struct ig_node *n, double *lo, double *hi)
{
	double dlo = -(double)INFINITY, dhi = (double)INFINITY;
	if (n->op == IG_OP_RELU || n->op == IG_OP_RELU6)
		dlo = 0;
	if (n->op == IG_OP_RELU6)
		dhi = 6;
	*lo = ig_attr_float(n, IG_A_MIN, dlo);
	*hi = ig_attr_float(n, IG_A_MAX, dhi);
}

int64_t ig_node_macs(const struct ig_graph *g, const struct ig_node *n)
{
	if (!ig_ops[n->op].macs)
		return 0;
	if (n->op == IG_OP_MATMUL || n->op == IG_OP_MATMUL_INTEGER) {
		const struct ig_type *a = ig_vtype(g, n->in[0]);
		return ig_elems(ig_vtype(g, n->out[0])) * a->dim[a->rank - 1];
	}
	struct ig_conv_geom c;
	ig_conv_geometry(g, n, &c);
	return c.n * c.oc * c.oh * c.ow * c.kh * c.kw * (c.ic / c.groups);
}

enum ig_part ig_quantize_part(const struct ig_node *n)
{
	const char *part = ig_attr_str(n, IG_A_PART, "");
	return strcmp(part, "high") == 0 ? IG_PART_HIGH : strcmp(part, "low") == 0 ? IG_PART_LOW : IG_PART_WHOLE;
}

bool ig_reads_high_bytes(const struct ig_graph *g, const struct ig_node *n)
{
	const struct ig_node *from = n->n_in ? ig_def(g, n->in[0]) : n;
	return ig_ops[n->op].quant == IG_QC_COMPUTE && from->op == IG_OP_QUANTIZE && ig_quantize_part(from) == IG_PART_HIGH;
}
