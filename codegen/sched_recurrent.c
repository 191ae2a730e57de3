/* Recurrent layers, float32: loops over time and samples; a step is the chains of its gates over inputs and state, vectors along the hidden units, and then
   the cell's arithmetic. */
#include "codegen/lower.h"

#include <string.h>

#define BLOCK 4 /* vectors of columns at a time */

struct rnn {
	struct ig_lower *L;
	struct kir_builder b;
	enum ig_op op;
	int64_t steps, batch, inputs, hidden, gates, dirs;
	bool split_hidden; /* gru with linear_before_reset: its last gate's two halves stay apart */
	int32_t state, cell, sums, reset, all; /* buffers: h and c [batch][hidden], gates [..][hidden], reset * h, y [t][dir][n][hidden] */
	/* of a direction */
	int32_t w, r, bias, peep;
	kir_iv time, sample;
};
/* What a chain reads beside the columns: elements of x or of the state, and their rows of weights. */
struct source {
	struct kir_addr at;
	int64_t step, count;
	int32_t weights;
};

static int32_t scratch(struct rnn *c, const char *name, int64_t count) { return ig_layout_buffer(c->L, name, KIR_SCRATCH, KIR_F32, count); }

static struct kir_addr state_at(const struct rnn *c, int32_t buf)
{
	struct kir_addr a = kb_addr(buf, 0);
	ig_vec_term(&a, c->sample, c->hidden);
	return a;
}

/* n vectors of columns from `column`: biases, then the sources' chains; stored at sums[to + ...]. */
static void chain_block(struct rnn *c, struct kir_addr bias, struct kir_addr to, struct kir_addr column, const struct source *s, int n_sources, int n, int lanes,
                        int active)
{
	struct kir_builder *b = &c->b;
	kir_val acc[BLOCK];
	int64_t row = c->gates * c->hidden;
	for (int i = 0; i < n; i++, bias.base += lanes)
		acc[i] = kb_load_n(b, KIR_T(KIR_F32, lanes), bias, active);
	for (int k = 0; k < n_sources; k++) {
		struct kir_addr x = s[k].at, w = column;
		w.buf = s[k].weights;
		kir_iv iv = ig_vec_loop(b, "k", s[k].count, acc, n);
		ig_vec_term(&x, iv, s[k].step);
		ig_vec_term(&w, iv, row);
		kir_val v = ig_vec_load_f(b, &x, lanes, 1, 0);
		for (int i = 0; i < n; i++, w.base += lanes)
			acc[i] = kb_fma(b, v, kb_load_n(b, KIR_T(KIR_F32, lanes), w, active), acc[i]);
		ig_vec_end(b, iv, acc, n);
	}
	for (int i = 0; i < n; i++, to.base += lanes)
		kb_store_n(b, acc[i], to, active);
}

/* Columns first .. first + count - 1 of the gates, biases from bias[from ...], into sums[to ...]. */
static void chains(struct rnn *c, int64_t first, int64_t count, int64_t from, int64_t to, const struct source *s, int n_sources)
{
	int lanes = c->L->lanes;
	int64_t wide = (int64_t)BLOCK * lanes, blocks = count / wide;
	if (blocks) {
		struct kir_addr bias = kb_addr(c->bias, from), out = kb_addr(c->sums, to), column = kb_addr(0, first);
		kir_iv iv = ig_vec_loop(&c->b, "j", blocks, NULL, 0);
		ig_vec_term(&bias, iv, wide);
		ig_vec_term(&out, iv, wide);
		ig_vec_term(&column, iv, wide);
		chain_block(c, bias, out, column, s, n_sources, BLOCK, lanes, lanes);
		ig_vec_end(&c->b, iv, NULL, 0);
	}
	for (int64_t at = blocks * wide; at < count; at += lanes) {
		int active = (int)(count - at < lanes ? count - at : lanes);
		chain_block(c, kb_addr(c->bias, from + at), kb_addr(c->sums, to + at), kb_addr(0, first + at), s, n_sources, 1, active < lanes ? ig_vec_pow2(active) : lanes,
		            active);
	}
}

/* ---- the cells' arithmetic: pieces of the hidden units ---- */

typedef void cell_body(struct rnn *c, int64_t at, kir_iv iv, int lanes, int active);

static void over_hidden(struct rnn *c, cell_body *body)
{
	int lanes = c->L->lanes;
	int64_t full = c->hidden / lanes, rest = c->hidden % lanes;
	if (full) {
		kir_iv iv = ig_vec_loop(&c->b, "j", full, NULL, 0);
		body(c, 0, iv, lanes, lanes);
		ig_vec_end(&c->b, iv, NULL, 0);
	}
	if (rest)
		body(c, full * lanes, -1, ig_vec_pow2(rest), (int)rest);
}

static kir_val load_at(struct rnn *c, struct kir_addr a, int64_t at, kir_iv iv, int lanes, int active)
{
	a.base += at;
	ig_vec_term(&a, iv, c->L->lanes);
	return kb_load_n(&c->b, KIR_T(KIR_F32, lanes), a, active);
}

static kir_val sum_of(struct rnn *c, int gate, int64_t at, kir_iv iv, int lanes, int active)
{
	return load_at(c, kb_addr(c->sums, gate * c->hidden), at, iv, lanes, active);
}

static void store_at(struct rnn *c, kir_val v, struct kir_addr a, int64_t at, kir_iv iv, int active)
{
	a.base += at;
	ig_vec_term(&a, iv, c->L->lanes);
	kb_store_n(&c->b, v, a, active);
}

static kir_val peephole(struct rnn *c, int which, kir_val cell, kir_val sum, int64_t at, kir_iv iv, int lanes, int active)
{
	if (c->peep < 0)
		return sum;
	return kb_fma(&c->b, load_at(c, kb_addr(c->peep, which * c->hidden), at, iv, lanes, active), cell, sum);
}

static void lstm_body(struct rnn *c, int64_t at, kir_iv iv, int lanes, int active)
{
	struct kir_builder *b = &c->b;
	kir_val g[4], old = load_at(c, state_at(c, c->cell), at, iv, lanes, active);
	for (int i = 0; i < 4; i++)
		g[i] = sum_of(c, i, at, iv, lanes, active);
	kir_val i = ig_math_sigmoid(b, peephole(c, 0, old, g[0], at, iv, lanes, active)), f = ig_math_sigmoid(b, peephole(c, 2, old, g[2], at, iv, lanes, active));
	kir_val cell = kb_fma(b, f, old, kb_op2(b, KIR_MUL, i, ig_math_tanh(b, g[3])));
	kir_val o = ig_math_sigmoid(b, peephole(c, 1, cell, g[1], at, iv, lanes, active));
	store_at(c, cell, state_at(c, c->cell), at, iv, active);
	store_at(c, kb_op2(b, KIR_MUL, o, ig_math_tanh(b, cell)), state_at(c, c->state), at, iv, active);
}

static void rnn_body(struct rnn *c, int64_t at, kir_iv iv, int lanes, int active)
{
	store_at(c, ig_math_tanh(&c->b, sum_of(c, 0, at, iv, lanes, active)), state_at(c, c->state), at, iv, active);
}

/* The reset gate; where it comes before the state's chain, reset * h. */
static void reset_body(struct rnn *c, int64_t at, kir_iv iv, int lanes, int active)
{
	kir_val r = ig_math_sigmoid(&c->b, sum_of(c, 1, at, iv, lanes, active));
	if (!c->split_hidden)
		r = kb_op2(&c->b, KIR_MUL, r, load_at(c, state_at(c, c->state), at, iv, lanes, active));
	store_at(c, r, kb_addr(c->reset, 0), at, iv, active);
}

static void gru_body(struct rnn *c, int64_t at, kir_iv iv, int lanes, int active)
{
	struct kir_builder *b = &c->b;
	kir_val z = ig_math_sigmoid(b, sum_of(c, 0, at, iv, lanes, active)), h = load_at(c, state_at(c, c->state), at, iv, lanes, active);
	kir_val v = sum_of(c, 2, at, iv, lanes, active);
	if (c->split_hidden)
		v = kb_fma(b, load_at(c, kb_addr(c->reset, 0), at, iv, lanes, active), sum_of(c, 3, at, iv, lanes, active), v);
	v = ig_math_tanh(b, v);
	kir_val rest = kb_op2(b, KIR_SUB, kb_const_f(b, lanes, 1.0f), z);
	store_at(c, kb_fma(b, z, h, kb_op2(b, KIR_MUL, rest, v)), state_at(c, c->state), at, iv, active);
}

static void gru_step(struct rnn *c, const struct source *s)
{
	int64_t n = c->hidden;
	struct source again = s[1];
	chains(c, 0, 2 * n, 0, 0, s, 2);
	over_hidden(c, reset_body);
	if (c->split_hidden) {
		chains(c, 2 * n, n, 2 * n, 2 * n, s, 1);
		chains(c, 2 * n, n, 3 * n, 3 * n, &s[1], 1);
	} else {
		again.at = kb_addr(c->reset, 0);
		chains(c, 2 * n, n, 2 * n, 2 * n, (struct source[]){s[0], again}, 2);
	}
	over_hidden(c, gru_body);
}

/* ---- packing ---- */

/* w[gate rows][k] of a direction as [k][columns]. */
static int32_t pack(struct rnn *c, const struct ig_node *n, const struct ig_tensor *t, const char *what, int64_t dir, int64_t k)
{
	int64_t rows = c->gates * c->hidden;
	const float *from = (const float *)t->data + dir * rows * k;
	float *to = IG_NEWN(c->L->arena, float, rows * k);
	for (int64_t r = 0; r < rows; r++)
		for (int64_t i = 0; i < k; i++)
			to[i * rows + r] = from[r * k + i];
	return kir_buffer_const(c->L->m, ig_arena_printf(c->L->arena, "%s.%s%lld", n->name, what, (long long)dir), KIR_F32, rows * k, to);
}

/* Both biases added; those of gru's last gate apart where it needs them so: then there are four. */
static int32_t pack_bias(struct rnn *c, const struct ig_node *n, const struct ig_tensor *t, int64_t dir)
{
	int64_t rows = c->gates * c->hidden, apart = 2 * c->hidden;
	const float *w = t ? (const float *)t->data + dir * 2 * rows : NULL;
	float *to = IG_NEWN(c->L->arena, float, rows + c->hidden);
	for (int64_t i = 0; w && i < rows; i++) {
		bool split = c->split_hidden && i >= apart;
		to[i] = split ? w[i] : w[i] + w[rows + i];
		if (split)
			to[i + c->hidden] = w[rows + i];
	}
	return kir_buffer_const(c->L->m, ig_arena_printf(c->L->arena, "%s.bias%lld", n->name, (long long)dir), KIR_F32, rows + c->hidden, to);
}

/* ---- the layer ---- */

/* The state of a direction as a tensor [batch][hidden], and the same part of a [dirs][batch][hidden] one. */
static struct kir_tensor state_view(const struct rnn *c, int32_t buf)
{
	struct kir_tensor t = {.name = "state", .type = ig_type_make(IG_DT_F32, 2, (int64_t[]){c->batch, c->hidden}), .buf = buf, .stride = {c->hidden, 1}};
	return t;
}

static struct kir_tensor part_view(const struct kir_tensor *whole, int64_t dir)
{
	struct kir_tensor t = *whole;
	t.type = ig_type_make(IG_DT_F32, 2, &whole->type.dim[1]);
	t.base += dir * whole->stride[0];
	t.stride[0] = whole->stride[1];
	t.stride[1] = whole->stride[2];
	return t;
}

static void begin_state(struct rnn *c, const struct ig_node *n, int32_t buf, int operand, int64_t dir)
{
	struct kir_tensor to = state_view(c, buf);
	if (n->n_in > operand) {
		struct kir_tensor from = part_view(ig_low_view(c->L, n->in[operand]), dir);
		ig_low_copy(c->L, &c->b, &to, &from);
		return;
	}
	struct ig_nest nest;
	ig_nest_init(&nest, 2, to.type.dim);
	ig_nest_view(&nest, &to);
	ig_nest_fill(&c->b, &nest, c->L->lanes, KIR_F32, 0);
}

static void end_state(struct rnn *c, const struct ig_node *n, int32_t buf, int result, int64_t dir)
{
	struct kir_tensor to = part_view(ig_low_view(c->L, n->out[result]), dir), from = state_view(c, buf);
	ig_low_copy(c->L, &c->b, &to, &from);
}

static void keep_body(struct rnn *c, int64_t at, kir_iv iv, int lanes, int active)
{
	struct kir_addr a = kb_addr(c->all, 0);
	ig_vec_term(&a, c->time, c->batch * c->hidden);
	ig_vec_term(&a, c->sample, c->hidden);
	store_at(c, load_at(c, state_at(c, c->state), at, iv, lanes, active), a, at, iv, active);
}

/* Steps in the order of time; `all` holds them in the order they are computed. */
static void steps(struct rnn *c, const struct kir_tensor *x, bool backwards)
{
	struct source s[2] = {{kb_addr(x->buf, x->base + (backwards ? (c->steps - 1) * x->stride[0] : 0)), x->stride[2], c->inputs, c->w},
	                      {kb_addr(c->state, 0), 1, c->hidden, c->r}};
	c->time = ig_vec_loop(&c->b, "t", c->steps, NULL, 0);
	c->sample = ig_vec_loop(&c->b, "n", c->batch, NULL, 0);
	ig_vec_term(&s[0].at, c->time, backwards ? -x->stride[0] : x->stride[0]);
	ig_vec_term(&s[0].at, c->sample, x->stride[1]);
	ig_vec_term(&s[1].at, c->sample, c->hidden);
	if (c->op == IG_OP_GRU) {
		gru_step(c, s);
	} else {
		chains(c, 0, c->gates * c->hidden, 0, 0, s, 2);
		over_hidden(c, c->op == IG_OP_LSTM ? lstm_body : rnn_body);
	}
	over_hidden(c, keep_body);
	ig_vec_end(&c->b, c->sample, NULL, 0);
	ig_vec_end(&c->b, c->time, NULL, 0);
}

static void direction(struct rnn *c, const struct ig_node *n, int64_t dir, bool backwards)
{
	struct ig_lower *L = c->L;
	const struct ig_tensor *bias = n->n_in > 3 ? ig_const_data(L->g, n->in[3]) : NULL, *peep = n->n_in > 6 ? ig_const_data(L->g, n->in[6]) : NULL;
	c->w = pack(c, n, ig_const_data(L->g, n->in[1]), "w", dir, c->inputs);
	c->r = pack(c, n, ig_const_data(L->g, n->in[2]), "r", dir, c->hidden);
	c->bias = pack_bias(c, n, bias, dir);
	c->peep = -1;
	if (peep)
		c->peep = kir_buffer_const(L->m, ig_arena_printf(L->arena, "%s.p%lld", n->name, (long long)dir), KIR_F32, 3 * c->hidden,
		                           (const float *)peep->data + dir * 3 * c->hidden);
	begin_state(c, n, c->state, 4, dir);
	if (c->op == IG_OP_LSTM)
		begin_state(c, n, c->cell, 5, dir);
	steps(c, ig_low_view(L, n->in[0]), backwards);
	/* y [t][dir][n][hidden] from the steps' order */
	struct kir_tensor y = *ig_low_view(L, n->out[0]), from = {.name = "steps", .buf = c->all};
	int64_t step = c->batch * c->hidden;
	y.base += dir * y.stride[1];
	y.type.dim[1] = 1;
	from.type = y.type;
	from.base = backwards ? (c->steps - 1) * step : 0;
	from.stride[0] = backwards ? -step : step;
	from.stride[2] = c->hidden;
	from.stride[3] = 1;
	ig_low_copy(L, &c->b, &y, &from);
	end_state(c, n, c->state, 1, dir);
	if (c->op == IG_OP_LSTM)
		end_state(c, n, c->cell, 2, dir);
}

static bool lower_recurrent(struct ig_lower *L, struct ig_nid id)
{
	const struct ig_node *n = ig_node(L->g, id);
	const struct ig_type *x = ig_vtype(L->g, n->in[0]), *w = ig_vtype(L->g, n->in[1]), *r = ig_vtype(L->g, n->in[2]);
	struct rnn c = {.L = L, .op = n->op, .steps = x->dim[0], .batch = x->dim[1], .inputs = x->dim[2], .hidden = r->dim[2], .dirs = w->dim[0]};
	c.gates = w->dim[1] / c.hidden;
	c.split_hidden = n->op == IG_OP_GRU && ig_attr_int(n, IG_A_LINEAR_BEFORE_RESET, 0);
	for (int i = 1; i < n->n_in; i++)
		if (i != 4 && i != 5 && !ig_const_data(L->g, n->in[i]))
			return ig_low_refuse(L, id, "code is generated for float32 weights that are constants");
	for (int i = 4; i < n->n_in && i < 6; i++)
		ig_low_view(L, n->in[i]);
	c.b = ig_low_func(L, id);
	c.state = scratch(&c, "h", c.batch * c.hidden);
	c.cell = c.op == IG_OP_LSTM ? scratch(&c, "c", c.batch * c.hidden) : -1;
	c.sums = scratch(&c, "gates", (c.gates + 1) * c.hidden);
	c.reset = c.op == IG_OP_GRU ? scratch(&c, "reset", c.hidden) : -1;
	c.all = scratch(&c, "steps", c.steps * c.batch * c.hidden);
	bool reverse = strcmp(ig_attr_str(n, IG_A_DIRECTION, "forward"), "reverse") == 0;
	for (int64_t dir = 0; dir < c.dirs; dir++)
		direction(&c, n, dir, reverse || dir == 1);
	return true;
}

bool ig_lower_lstm(struct ig_lower *L, struct ig_nid n) { return lower_recurrent(L, n); }
bool ig_lower_gru(struct ig_lower *L, struct ig_nid n) { return lower_recurrent(L, n); }
bool ig_lower_rnn(struct ig_lower *L, struct ig_nid n) { return lower_recurrent(L, n); }
