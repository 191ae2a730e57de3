/* Functions of one value: a 256-entry table between bytes, the float sequence between float32; normalize on raw bytes by a table per channel. */
#include "codegen/lower.h"
#include "ir/requant.h"
#include "ir/tables.h"

static void table_body(struct kir_builder *b, const struct ig_piece *p, void *ctx)
{
	const int32_t *table = ctx;
	kir_val x = kb_load_n(b, KIR_T(KIR_I8, p->lanes), p->at[1], p->active);
	kb_store_n(b, kb_lut(b, KIR_I8, x, kb_addr(*table, 0)), p->at[0], p->active);
}

void ig_sched_table(struct ig_lower *L, struct kir_builder *b, const struct kir_tensor *out, const struct kir_tensor *in, const uint8_t t[256], double a,
                    double c)
{
	struct ig_affine line = {.lanes = L->lanes, .pack = {255, 0, ig_qparam(L->g, out->type.q)->zero_point[0], false, false}};
	for (int i = 0; i < 256; i++) { /* an activation's bounds show in the table */
		line.pack.lo = t[i] < line.pack.lo ? t[i] : line.pack.lo;
		line.pack.hi = t[i] > line.pack.hi ? t[i] : line.pack.hi;
	}
	struct ig_nest nest;
	ig_nest_init(&nest, out->type.rank, out->type.dim);
	ig_nest_view(&nest, out);
	ig_nest_view(&nest, in);
	if (ig_affine_fit(t, a, c, &line)) {
		ig_nest_run(b, &nest, 4 * L->lanes, ig_affine_body, &line);
		return;
	}
	int32_t table = kir_buffer_const(L->m, ig_arena_printf(L->arena, "%s.table", b->f->layer), KIR_I8, 256, t);
	ig_nest_run(b, &nest, L->t->vector_bytes, table_body, &table);
}

static void unary_body(struct kir_builder *b, const struct ig_piece *p, void *ctx)
{
	kir_val x = ig_vec_load_f(b, &p->at[1], p->lanes, p->active, p->step[1]);
	ig_vec_store_f(b, ig_math_unary(b, ctx, x), p->at[0], p->active);
}

static bool lower_unary(struct ig_lower *L, struct ig_nid id)
{
	const struct ig_node *n = ig_node(L->g, id);
	const struct kir_tensor *in = ig_low_view(L, n->in[0]), *out = ig_low_view(L, n->out[0]);
	const struct ig_qparam *qi = ig_qparam(L->g, in->type.q), *qo = ig_qparam(L->g, out->type.q);
	if (ig_low_is_float(in) != ig_low_is_float(out) || (!ig_low_is_float(in) && (!qi || !qo)))
		return ig_low_refuse(L, id, "its operand and result must be both quantized or both float32");
	struct kir_builder b = ig_low_func(L, id);
	if (!ig_low_is_float(in)) {
		uint8_t t[256];
		if (n->op == IG_OP_REQUANTIZE)
			ig_table_requantize(qi, qo, t);
		else
			ig_table_unary(n, qi, qo, t);
		double a = (double)qi->scale[0] / (double)qo->scale[0]; /* relu and clip are lines between their bounds; the others will not fit */
		ig_sched_table(L, &b, out, in, t, a, -a * qi->zero_point[0]);
		return true;
	}
	struct ig_unary u = ig_unary_of(n);
	struct ig_nest nest;
	ig_nest_init(&nest, out->type.rank, out->type.dim);
	ig_nest_view(&nest, out);
	ig_nest_view(&nest, in);
	ig_nest_run(&b, &nest, L->lanes, unary_body, &u);
	return true;
}

bool ig_lower_relu(struct ig_lower *L, struct ig_nid n) { return lower_unary(L, n); }
bool ig_lower_relu6(struct ig_lower *L, struct ig_nid n) { return lower_unary(L, n); }
bool ig_lower_clip(struct ig_lower *L, struct ig_nid n) { return lower_unary(L, n); }
bool ig_lower_leaky_relu(struct ig_lower *L, struct ig_nid n) { return lower_unary(L, n); }
bool ig_lower_sigmoid(struct ig_lower *L, struct ig_nid n) { return lower_unary(L, n); }
bool ig_lower_tanh(struct ig_lower *L, struct ig_nid n) { return lower_unary(L, n); }
bool ig_lower_hard_swish(struct ig_lower *L, struct ig_nid n) { return lower_unary(L, n); }
bool ig_lower_hard_sigmoid(struct ig_lower *L, struct ig_nid n) { return lower_unary(L, n); }
bool ig_lower_elu(struct ig_lower *L, struct ig_nid n) { return lower_unary(L, n); }
bool ig_lower_selu(struct ig_lower *L, struct ig_nid n) { return lower_unary(L, n); }
bool ig_lower_celu(struct ig_lower *L, struct ig_nid n) { return lower_unary(L, n); }
bool ig_lower_softplus(struct ig_lower *L, struct ig_nid n) { return lower_unary(L, n); }
bool ig_lower_softsign(struct ig_lower *L, struct ig_nid n) { return lower_unary(L, n); }
bool ig_lower_thresholded_relu(struct ig_lower *L, struct ig_nid n) { return lower_unary(L, n); }
bool ig_lower_mish(struct ig_lower *L, struct ig_nid n) { return lower_unary(L, n); }
bool ig_lower_gelu(struct ig_lower *L, struct ig_nid n) { return lower_unary(L, n); }
bool ig_lower_erf(struct ig_lower *L, struct ig_nid n) { return lower_unary(L, n); }
bool ig_lower_exp(struct ig_lower *L, struct ig_nid n) { return lower_unary(L, n); }
bool ig_lower_log(struct ig_lower *L, struct ig_nid n) { return lower_unary(L, n); }
bool ig_lower_sqrt(struct ig_lower *L, struct ig_nid n) { return lower_unary(L, n); }
bool ig_lower_reciprocal(struct ig_lower *L, struct ig_nid n) { return lower_unary(L, n); }
bool ig_lower_abs(struct ig_lower *L, struct ig_nid n) { return lower_unary(L, n); }
bool ig_lower_neg(struct ig_lower *L, struct ig_nid n) { return lower_unary(L, n); }
bool ig_lower_sign(struct ig_lower *L, struct ig_nid n) { return lower_unary(L, n); }
bool ig_lower_floor(struct ig_lower *L, struct ig_nid n) { return lower_unary(L, n); }
bool ig_lower_ceil(struct ig_lower *L, struct ig_nid n) { return lower_unary(L, n); }
bool ig_lower_round(struct ig_lower *L, struct ig_nid n) { return lower_unary(L, n); }
bool ig_lower_sin(struct ig_lower *L, struct ig_nid n) { return lower_unary(L, n); }
bool ig_lower_cos(struct ig_lower *L, struct ig_nid n) { return lower_unary(L, n); }
bool ig_lower_requantize(struct ig_lower *L, struct ig_nid n) { return lower_unary(L, n); }

/* ---- normalize ---- */
struct normalize {
	int64_t channels;
	int32_t table; /* bytes: 256 entries a channel */
	bool quantized;
	float scale;
};

static void normalize_table_body(struct kir_builder *b, const struct ig_piece *p, void *ctx)
{
	const struct normalize *z = ctx;
	for (int64_t c = 0; c < z->channels; c++) {
		struct kir_addr x = p->at[1], y = p->at[0], t = kb_addr(z->table, 256 * c);
		x.base += p->at[2].base * c;
		y.base += p->at[3].base * c;
		kir_val q = kb_load(b, KIR_T(KIR_I8, 1), x);
		if (z->quantized)
			kb_store(b, kb_lut(b, KIR_I8, q, t), y);
		else
			ig_vec_store_f(b, kb_lut(b, KIR_F32, q, t), y, 1);
	}
}

/* Lines of all channels, repeated so that a period is whole vectors: a row of pixels is `period` elements time after time, and a rest. False when a table is
   no line or memory is no row of pixels. */
static bool normalize_lines(struct ig_lower *L, struct ig_nid id, const struct kir_tensor *out, const struct kir_tensor *in, const uint8_t *t)
{
	const struct ig_node *n = ig_node(L->g, id);
	const struct ig_qparam *q = ig_qparam(L->g, out->type.q);
	int64_t channels = out->type.dim[1], row = out->type.dim[3] * channels, period = channels * 4 * L->lanes;
	struct ig_affine f = {.per_channel = true, .lanes = L->lanes, .pack = {q->qmin, q->qmax, q->zero_point[0], false, false}};
	if (out->type.rank != 4 || channels > 16 || out->stride[3] != channels || in->stride[3] != channels || (channels > 1 && (out->stride[1] != 1 || in->stride[1] != 1)))
		return false;
	float *ab = IG_NEWN(L->arena, float, 2 * period);
	for (int64_t c = 0; c < channels; c++) {
		float scale, mean, std;
		ig_normalize_constants(n, c, &scale, &mean, &std);
		double s = (double)std * (double)q->scale[0];
		if (!ig_affine_fit(t + 256 * c, 1 / ((double)scale * s), -(double)mean / s, &f))
			return false;
		for (int64_t k = c; k < period; k += channels) {
			ab[k] = f.a;
			ab[period + k] = f.b;
		}
	}
	int32_t buf = kir_buffer_const(L->m, ig_arena_printf(L->arena, "%s.lines", n->name), KIR_F32, 2 * period, ab);
	struct kir_builder b = ig_low_func(L, id);
	for (int rest = 0; rest < 2; rest++) {
		int64_t blocks = rest ? 1 : row / period, width = rest ? row % period : period, at = rest ? row / period * period : 0;
		int64_t extent[4] = {out->type.dim[0], out->type.dim[2], blocks, width};
		int64_t so[4] = {out->stride[0], out->stride[2], period, 1}, si[4] = {in->stride[0], in->stride[2], period, 1}, sk[4] = {0, 0, 0, 1};
		struct ig_nest nest;
		ig_nest_init(&nest, 4, extent);
		ig_nest_operand(&nest, out->buf, out->base + at, so);
		ig_nest_operand(&nest, in->buf, in->base + at, si);
		ig_nest_operand(&nest, buf, 0, sk);
		ig_nest_operand(&nest, buf, period, sk);
		if (blocks && width)
			ig_nest_run(&b, &nest, 4 * L->lanes, ig_affine_body, &f);
	}
	return true;
}

/* All channels of one pixel at a time: each has its own table. Operands 2 and 3 carry the channel strides in their base. */
static void normalize_bytes(struct ig_lower *L, struct ig_nid id, const struct kir_tensor *out, const struct kir_tensor *in)
{
	const struct ig_node *n = ig_node(L->g, id);
	const struct ig_qparam *qo = ig_qparam(L->g, out->type.q);
	struct normalize z = {.channels = out->type.dim[1], .quantized = !ig_low_is_float(out)};
	const char *name = ig_arena_printf(L->arena, "%s.tables", n->name);
	if (z.quantized) {
		uint8_t *t = IG_NEWN(L->arena, uint8_t, 256 * z.channels);
		for (int64_t c = 0; c < z.channels; c++)
			ig_table_normalize(n, c, qo, t + 256 * c);
		if (normalize_lines(L, id, out, in, t))
			return;
		z.table = kir_buffer_const(L->m, name, KIR_I8, 256 * z.channels, t);
	} else {
		float *t = IG_NEWN(L->arena, float, 256 * z.channels);
		for (int64_t c = 0; c < z.channels; c++)
			ig_table_normalize_float(n, c, t + 256 * c);
		z.table = kir_buffer_const(L->m, name, KIR_F32, 256 * z.channels, t);
	}
	struct kir_builder b = ig_low_func(L, id);
	struct ig_nest nest;
	struct kir_tensor o = *out, i = *in;
	int64_t none[IG_MAX_RANK] = {0};
	o.type.dim[1] = i.type.dim[1] = 1;
	ig_nest_init(&nest, out->type.rank, o.type.dim);
	ig_nest_view(&nest, &o);
	ig_nest_view(&nest, &i);
	ig_nest_operand(&nest, in->buf, in->stride[1], none);
	ig_nest_operand(&nest, out->buf, out->stride[1], none);
	ig_nest_run(&b, &nest, 1, normalize_table_body, &z);
}

static void normalize_float_body(struct kir_builder *b, const struct ig_piece *p, void *ctx)
{
	const struct normalize *z = ctx;
	kir_val x = ig_vec_load_f(b, &p->at[1], p->lanes, p->active, p->step[1]);
	kir_val mean = ig_vec_load_f(b, &p->at[2], p->lanes, p->active, p->step[2]), std = ig_vec_load_f(b, &p->at[3], p->lanes, p->active, p->step[3]);
	x = kb_op2(b, KIR_DIV, x, kb_const_f(b, p->lanes, z->scale));
	ig_vec_store_f(b, kb_op2(b, KIR_DIV, kb_op2(b, KIR_SUB, x, mean), std), p->at[0], p->active);
}

bool ig_lower_normalize(struct ig_lower *L, struct ig_nid id)
{
	const struct ig_node *n = ig_node(L->g, id);
	const struct kir_tensor *in = ig_low_view(L, n->in[0]), *out = ig_low_view(L, n->out[0]);
	int64_t channels = out->type.rank > 1 ? out->type.dim[1] : 1, stride[IG_MAX_RANK] = {0};
	if (out->type.rank < 2)
		return ig_low_refuse(L, id, "it needs an input with a channel axis");
	if (!ig_low_is_float(in)) {
		normalize_bytes(L, id, out, in);
		return true;
	}
	if (!ig_low_is_float(out))
		return ig_low_refuse(L, id, "a quantized result needs bytes as its input");
	struct normalize z = {.channels = channels};
	float *par = IG_NEWN(L->arena, float, 2 * channels);
	for (int64_t c = 0; c < channels; c++)
		ig_normalize_constants(n, c, &z.scale, &par[c], &par[channels + c]);
	int32_t buf = kir_buffer_const(L->m, ig_arena_printf(L->arena, "%s.constants", n->name), KIR_F32, 2 * channels, par);
	struct kir_builder b = ig_low_func(L, id);
	struct ig_nest nest;
	stride[1] = 1;
	ig_nest_init(&nest, out->type.rank, out->type.dim);
	ig_nest_view(&nest, out);
	ig_nest_view(&nest, in);
	ig_nest_operand(&nest, buf, 0, stride);
	ig_nest_operand(&nest, buf, channels, stride);
	ig_nest_run(&b, &nest, L->lanes, normalize_float_body, &z);
	return true;
}
