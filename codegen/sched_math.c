/* Elementwise operations beyond the quantized ones: arithmetic of float32 and whole numbers, comparisons, logic, selection and casts, with broadcasting.
   In registers a bool or byte is an i32. */
#include "codegen/lower.h"

#include <math.h>

struct math {
	const struct ig_node *n;
	enum ig_dtype in, out; /* in: of the operands, of where the second's */
};

/* Element types that code is generated for: with their register type, or KIR_I1 for none. */
static enum kir_elem register_of(enum ig_dtype dt)
{
	switch (dt) {
	case IG_DT_F32: return KIR_F32;
	case IG_DT_U8:
	case IG_DT_BOOL:
	case IG_DT_I32: return KIR_I32;
	case IG_DT_I64: return KIR_I64;
	default: return KIR_I1;
	}
}

static kir_val load(struct kir_builder *b, const struct ig_piece *p, int k, enum ig_dtype dt)
{
	enum kir_elem e = ig_layout_elem(dt), r = register_of(dt);
	struct kir_type t = KIR_T(e, p->lanes);
	kir_val v = p->step[k] ? kb_load_n(b, t, p->at[k], p->active) : ig_vec_splat(b, kb_load(b, KIR_T(e, 1), p->at[k]), p->lanes);
	return e == r ? v : kb_op1(b, KIR_ZEXT, KIR_T(r, p->lanes), v);
}

static void store(struct kir_builder *b, const struct ig_piece *p, kir_val v, enum ig_dtype dt)
{
	enum kir_elem e = ig_layout_elem(dt);
	if (e == KIR_F32)
		ig_vec_store_f(b, v, p->at[0], p->active);
	else
		kb_store_n(b, e == register_of(dt) ? v : kb_op1(b, KIR_TRUNC, KIR_T(e, p->lanes), v), p->at[0], p->active);
}

static kir_val number(struct kir_builder *b, kir_val like, int64_t v)
{
	struct kir_type t = kb_type(b, like);
	return t.elem == KIR_F32 ? kb_const_f(b, t.lanes, (float)v) : kb_const_i(b, t, v);
}

/* 1 where the condition holds, else 0. */
static kir_val truth(struct kir_builder *b, kir_val condition)
{
	struct kir_type t = KIR_T(KIR_I32, kb_type(b, condition).lanes);
	return kb_select(b, condition, kb_const_i(b, t, 1), kb_const_i(b, t, 0));
}

static kir_val arithmetic(struct kir_builder *b, const struct math *m, kir_val x, kir_val y)
{
	bool real = m->in == IG_DT_F32;
	switch (m->n->op) {
	case IG_OP_ADD: return kb_op2(b, KIR_ADD, x, y);
	case IG_OP_SUB: return kb_op2(b, KIR_SUB, x, y);
	case IG_OP_MUL: return kb_op2(b, KIR_MUL, x, y);
	case IG_OP_DIV: return kb_op2(b, KIR_DIV, x, y);
	case IG_OP_POW: return ig_math_pow(b, x, y);
	case IG_OP_MAXIMUM: return real ? ig_math_maximum(b, x, y) : kb_op2(b, KIR_SMAX, x, y);
	case IG_OP_MINIMUM: return real ? ig_math_minimum(b, x, y) : kb_op2(b, KIR_SMIN, x, y);
	case IG_OP_PRELU: return kb_select(b, kb_op2(b, KIR_CMPLT, number(b, x, 0), x), x, kb_op2(b, KIR_MUL, x, y));
	case IG_OP_EQUAL: return truth(b, kb_op2(b, KIR_CMPEQ, x, y));
	case IG_OP_LESS: return truth(b, kb_op2(b, KIR_CMPLT, x, y));
	case IG_OP_GREATER: return truth(b, kb_op2(b, KIR_CMPLT, y, x));
	case IG_OP_LESS_EQUAL: return truth(b, kb_op2(b, KIR_OR, kb_op2(b, KIR_CMPLT, x, y), kb_op2(b, KIR_CMPEQ, x, y)));
	case IG_OP_GREATER_EQUAL: return truth(b, kb_op2(b, KIR_OR, kb_op2(b, KIR_CMPLT, y, x), kb_op2(b, KIR_CMPEQ, x, y)));
	case IG_OP_LOGICAL_AND: return kb_op2(b, KIR_AND, x, y);
	case IG_OP_LOGICAL_OR: return kb_op2(b, KIR_OR, x, y);
	case IG_OP_LOGICAL_XOR: return kb_op2(b, KIR_XOR, x, y);
	default: IG_BUG("no code for %s", ig_ops[m->n->op].name);
	}
}

static void binary_body(struct kir_builder *b, const struct ig_piece *p, void *ctx)
{
	const struct math *m = ctx;
	kir_val v = arithmetic(b, m, load(b, p, 1, m->in), load(b, p, 2, m->in));
	store(b, p, v, m->out);
}

static void where_body(struct kir_builder *b, const struct ig_piece *p, void *ctx)
{
	const struct math *m = ctx;
	kir_val c = load(b, p, 1, IG_DT_BOOL);
	store(b, p, kb_select(b, kb_op2(b, KIR_CMPEQ, c, number(b, c, 0)), load(b, p, 3, m->in), load(b, p, 2, m->in)), m->out);
}

/* Toward zero, saturated at the limits; NaN gives 0. `top` is the first number that is too large. */
static kir_val to_int(struct kir_builder *b, kir_val x, int64_t lo, int64_t hi, float top)
{
	int lanes = kb_type(b, x).lanes;
	struct kir_type t = KIR_T(KIR_I32, lanes);
	float most = top > 16777216.0f ? 2147483520.0f : (float)hi;
	kir_val c = ig_math_trunc(b, x);
	c = kb_op2(b, KIR_FMAX, kb_op2(b, KIR_FMIN, c, kb_const_f(b, lanes, most)), kb_const_f(b, lanes, (float)lo));
	kir_val n = kb_op1(b, KIR_RNE, t, c);
	n = kb_select(b, kb_op2(b, KIR_CMPLT, x, kb_const_f(b, lanes, top)), n, kb_const_i(b, t, hi));
	return kb_select(b, kb_op2(b, KIR_CMPEQ, x, x), n, kb_const_i(b, t, 0));
}

static kir_val cast(struct kir_builder *b, kir_val x, enum ig_dtype from, enum ig_dtype to)
{
	enum kir_elem r = register_of(to), e = (enum kir_elem)kb_type(b, x).elem;
	struct kir_type t = KIR_T(r, kb_type(b, x).lanes), i32 = KIR_T(KIR_I32, t.lanes);
	if (to == IG_DT_BOOL)
		return kb_select(b, kb_op2(b, KIR_CMPEQ, x, number(b, x, 0)), kb_const_i(b, i32, 0), kb_const_i(b, i32, 1));
	if (from == IG_DT_F32)
		return to == IG_DT_F32 ? x : to == IG_DT_U8 ? to_int(b, x, 0, 255, 256.0f) : to_int(b, x, INT32_MIN, INT32_MAX, 2147483648.0f);
	if (e == r)
		return x;
	return kb_op1(b, r == KIR_F32 ? KIR_ITOF : r == KIR_I32 ? KIR_TRUNC : KIR_SEXT, t, x);
}

static void unary_body(struct kir_builder *b, const struct ig_piece *p, void *ctx)
{
	const struct math *m = ctx;
	kir_val x = load(b, p, 1, m->in), y = -1;
	int lanes = p->lanes;
	switch (m->n->op) {
	case IG_OP_LOGICAL_NOT: y = kb_op2(b, KIR_XOR, x, number(b, x, 1)); break;
	case IG_OP_IS_NAN: y = kb_op2(b, KIR_XOR, truth(b, kb_op2(b, KIR_CMPEQ, x, x)), kb_const_i(b, KIR_T(KIR_I32, lanes), 1)); break;
	case IG_OP_IS_INF: {
		kir_val no = kb_const_i(b, KIR_T(KIR_I32, lanes), 0);
		kir_val up = ig_attr_int(m->n, IG_A_POSITIVE, 1) ? truth(b, kb_op2(b, KIR_CMPEQ, x, kb_const_f(b, lanes, INFINITY))) : no;
		kir_val down = ig_attr_int(m->n, IG_A_NEGATIVE, 1) ? truth(b, kb_op2(b, KIR_CMPEQ, x, kb_const_f(b, lanes, -INFINITY))) : no;
		y = kb_op2(b, KIR_OR, up, down);
		break;
	}
	default: y = cast(b, x, m->in, m->out); break;
	}
	store(b, p, y, m->out);
}

/* What has no instruction: division of integers, and conversions between 64 bits and float. */
static bool has_code(const struct math *m)
{
	bool real = m->in == IG_DT_F32;
	if (register_of(m->in) == KIR_I1 || register_of(m->out) == KIR_I1)
		return false;
	switch (m->n->op) {
	case IG_OP_MOD: return false;
	case IG_OP_DIV:
	case IG_OP_POW: return real;
	case IG_OP_ADD:
	case IG_OP_SUB:
	case IG_OP_MUL:
	case IG_OP_MAXIMUM:
	case IG_OP_MINIMUM:
	case IG_OP_PRELU: return m->in != IG_DT_U8; /* bytes would have to wrap in their own width */
	case IG_OP_CAST: return !(real && m->out == IG_DT_I64) && !(m->in == IG_DT_I64 && (m->out == IG_DT_F32 || m->out == IG_DT_U8)) && !(m->in == IG_DT_I32 && m->out == IG_DT_U8);
	default: return true;
	}
}

bool ig_sched_math(struct ig_lower *L, struct ig_nid id)
{
	const struct ig_node *n = ig_node(L->g, id);
	struct math m = {.n = n, .in = ig_vtype(L->g, n->in[n->op == IG_OP_WHERE ? 1 : 0])->dtype, .out = ig_vtype(L->g, n->out[0])->dtype};
	const struct kir_tensor *out = ig_low_view(L, n->out[0]);
	for (int i = 0; i < n->n_in; i++)
		if (ig_vtype(L->g, n->in[i])->q.i >= 0)
			return ig_low_refuse(L, id, "its operands must not be quantized");
	if (!has_code(&m))
		return ig_low_refuse(L, id, "code is not generated for it on %s%s%s; the interpreter runs it (--engine float, reference)", ig_dtypes[m.in].name,
		                     m.in == m.out ? "" : " to ", m.in == m.out ? "" : ig_dtypes[m.out].name);
	struct kir_builder b = ig_low_func(L, id);
	struct ig_nest nest;
	ig_nest_init(&nest, out->type.rank, out->type.dim);
	ig_nest_view(&nest, out);
	for (int i = 0; i < n->n_in; i++)
		ig_nest_view(&nest, ig_low_view(L, n->in[i]));
	ig_nest_run(&b, &nest, L->lanes, n->n_in == 1 ? unary_body : n->n_in == 2 ? binary_body : where_body, &m);
	return true;
}

bool ig_lower_div(struct ig_lower *L, struct ig_nid n) { return ig_sched_math(L, n); }
bool ig_lower_pow(struct ig_lower *L, struct ig_nid n) { return ig_sched_math(L, n); }
bool ig_lower_mod(struct ig_lower *L, struct ig_nid n) { return ig_sched_math(L, n); }
bool ig_lower_minimum(struct ig_lower *L, struct ig_nid n) { return ig_sched_math(L, n); }
bool ig_lower_maximum(struct ig_lower *L, struct ig_nid n) { return ig_sched_math(L, n); }
bool ig_lower_prelu(struct ig_lower *L, struct ig_nid n) { return ig_sched_math(L, n); }
bool ig_lower_equal(struct ig_lower *L, struct ig_nid n) { return ig_sched_math(L, n); }
bool ig_lower_less(struct ig_lower *L, struct ig_nid n) { return ig_sched_math(L, n); }
bool ig_lower_greater(struct ig_lower *L, struct ig_nid n) { return ig_sched_math(L, n); }
bool ig_lower_less_equal(struct ig_lower *L, struct ig_nid n) { return ig_sched_math(L, n); }
bool ig_lower_greater_equal(struct ig_lower *L, struct ig_nid n) { return ig_sched_math(L, n); }
bool ig_lower_logical_and(struct ig_lower *L, struct ig_nid n) { return ig_sched_math(L, n); }
bool ig_lower_logical_or(struct ig_lower *L, struct ig_nid n) { return ig_sched_math(L, n); }
bool ig_lower_logical_xor(struct ig_lower *L, struct ig_nid n) { return ig_sched_math(L, n); }
bool ig_lower_logical_not(struct ig_lower *L, struct ig_nid n) { return ig_sched_math(L, n); }
bool ig_lower_is_nan(struct ig_lower *L, struct ig_nid n) { return ig_sched_math(L, n); }
bool ig_lower_is_inf(struct ig_lower *L, struct ig_nid n) { return ig_sched_math(L, n); }
bool ig_lower_where(struct ig_lower *L, struct ig_nid n) { return ig_sched_math(L, n); }
bool ig_lower_cast(struct ig_lower *L, struct ig_nid n) { return ig_sched_math(L, n); }
