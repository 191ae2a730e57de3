/* A recursive matcher that reads the pattern's text as it goes. Either order of a commutative operation is tried where it stands: what is bound by then
   decides, and a pattern's x stands in each operand of a product, so that no wider search is needed. */
#include "passes/pattern.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define TOLERANCE 1e-6

static bool match(struct ig_match *m, const char *p, struct ig_vid v);

/* Behind the pattern that begins at p. */
static const char *skip(const char *p)
{
	for (int depth = 0; *p && (depth || !strchr(",|)}", *p)); p++)
		depth += (*p == '(' || *p == '{') - (*p == ')' || *p == '}');
	return p;
}

bool ig_scalar(const struct ig_graph *g, struct ig_vid v, double *value)
{
	const struct ig_tensor *t = ig_const_data(g, v);
	if (!t || t->type.q.i >= 0 || ig_elems(&t->type) != 1)
		return false;
	switch (t->type.dtype) {
	case IG_DT_F32:
		*value = (double)*(const float *)t->data;
		return true;
	case IG_DT_I32:
		*value = *(const int32_t *)t->data;
		return true;
	case IG_DT_I64:
		*value = (double)*(const int64_t *)t->data;
		return true;
	default:
		return false;
	}
}

static bool close_to(double a, double b) { return fabs(a - b) <= TOLERANCE * fabs(b); }

static bool bind(struct ig_vid *slot, struct ig_vid v)
{
	if (slot->i >= 0)
		return slot->i == v.i;
	*slot = v;
	return true;
}

static bool match_letter(struct ig_match *m, char c, struct ig_vid v)
{
	double e;
	if (c == 'x')
		return bind(&m->x, v);
	if (c == 'e') {
		if (!ig_scalar(m->g, v, &e) || !(e > 0) || (m->e > 0 && m->e != e))
			return false;
		m->e = e;
		return true;
	}
	const struct ig_tensor *t = ig_const_data(m->g, v);
	return t && t->type.dtype == IG_DT_F32 && t->type.q.i < 0 && bind(c == 'w' ? &m->w : &m->b, v);
}

/* How many last axes the node takes the mean over and keeps; 0: others. */
static int last_axes(const struct ig_graph *g, const struct ig_node *n)
{
	if (n->op == IG_OP_GLOBAL_AVG_POOL)
		return ig_vtype(g, n->in[0])->rank - 2;
	const struct ig_attr *a = ig_attr(n, IG_A_AXES);
	int rank = ig_vtype(g, n->in[0])->rank, count = a ? a->n : 0;
	unsigned mask = 0;
	if (!ig_attr_int(n, IG_A_KEEPDIMS, 1) || count < 1 || count > rank)
		return 0;
	for (int i = 0; i < count; i++)
		mask |= 1u << (a->u.ints[i] + (a->u.ints[i] < 0 ? rank : 0));
	return mask == (1u << rank) - (1u << (rank - count)) ? count : 0;
}

/* Whether the node is the operation of this name in the sense of the patterns. */
static bool match_node(struct ig_match *m, const struct ig_node *n, const char *name, size_t length)
{
	const char *is = ig_ops[n->op].name;
	double lo, hi;
	switch (n->op) {
	case IG_OP_RELU6:
	case IG_OP_CLIP:
		ig_act_bounds(n, &lo, &hi);
		is = "relu6";
		if (lo != 0 || hi != 6)
			return false;
		break;
	case IG_OP_HARD_SIGMOID:
		if (!close_to(ig_attr_float(n, IG_A_ALPHA, 0.2), 1.0 / 6) || ig_attr_float(n, IG_A_BETA, 0.5) != 0.5)
			return false;
		break;
	case IG_OP_REDUCE_MEAN:
	case IG_OP_GLOBAL_AVG_POOL: { /* what canonicalize makes of it */
		is = "reduce_mean";
		int axes = last_axes(m->g, n);
		if (!axes || (m->axes && m->axes != axes))
			return false;
		m->axes = axes;
		break;
	}
	default:
		if (n->n_attrs)
			return false;
	}
	return strlen(is) == length && memcmp(is, name, length) == 0;
}

static bool note(struct ig_match *m, struct ig_nid id)
{
	for (int i = 0; i < m->n; i++)
		if (m->node[i].i == id.i)
			return true;
	if (m->n == IG_MAX_MATCH)
		return false;
	m->node[m->n++] = id;
	return true;
}

static bool commutes(enum ig_op op) { return op == IG_OP_ADD || op == IG_OP_MUL || op == IG_OP_MINIMUM || op == IG_OP_MAXIMUM; }

static bool match_op(struct ig_match *m, const char *p, struct ig_vid v)
{
	const struct ig_node *n = ig_def(m->g, v);
	const char *open = strchr(p, '('), *end = skip(open + 1), *second = *end == ',' ? end + 1 : NULL;
	if (n->n_out != 1 || n->n_in != (second ? 2 : 1) || !match_node(m, n, p, (size_t)(open - p)) || !note(m, ig_value(m->g, v)->def))
		return false;
	struct ig_match before = *m;
	if (match(m, open + 1, n->in[0]) && (!second || match(m, second, n->in[1])))
		return true;
	*m = before;
	return second && commutes(n->op) && match(m, open + 1, n->in[1]) && match(m, second, n->in[0]);
}

static bool match(struct ig_match *m, const char *p, struct ig_vid v)
{
	struct ig_match before = *m;
	double value;
	if (*p == '{') {
		do {
			*m = before;
			if (match(m, p + 1, v))
				return true;
			p = skip(p + 1);
		} while (*p == '|');
		return false;
	}
	if (strchr("0123456789-", *p))
		return ig_scalar(m->g, v, &value) && close_to(value, strtod(p, NULL));
	return skip(p) == p + 1 ? match_letter(m, *p, v) : match_op(m, p, v);
}

/* Nothing outside reads a value inside. */
static bool closed(const struct ig_match *m)
{
	for (int i = 1; i < m->n; i++) {
		struct ig_vid v = ig_node(m->g, m->node[i])->out[0];
		int inside = 0;
		for (int j = 0; j < m->n; j++)
			for (int k = 0; k < ig_node(m->g, m->node[j])->n_in; k++)
				inside += ig_node(m->g, m->node[j])->in[k].i == v.i;
		if (inside != ig_graph_uses(m->g, v))
			return false;
	}
	return true;
}

bool ig_pattern_match(const struct ig_graph *g, const char *pattern, struct ig_nid root, struct ig_match *m)
{
	*m = (struct ig_match){.g = g, .x = IG_NOVAL, .w = IG_NOVAL, .b = IG_NOVAL};
	const struct ig_node *n = ig_node(g, root);
	if (n->n_out != 1 || !match(m, pattern, n->out[0]) || !closed(m))
		return false;
	const struct ig_type *x = ig_vtype(g, m->x), *y = ig_vtype(g, n->out[0]);
	return x->dtype == IG_DT_F32 && ig_type_same_shape(x, y);
}
