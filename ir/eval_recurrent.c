/* Transposed convolutions and recurrent layers, float32: each sum is one chain of fused multiply-adds from the bias. */
#include "ir/eval.h"
#include "ir/transposed.h"
#include "runtime/qmath.h"

#include <string.h>

/* ---- transposed convolution: its phases (ir/transposed.h), each a convolution over (row, column, input channel) with zeros around the input ---- */

static float transposed_at(const struct ig_transposed *t, const float *x, const float *w, float bias, int64_t group, int64_t filter, int64_t fy, int64_t fx)
{
	int64_t icg = t->ic / t->groups, qy = fy / t->sh - (t->th - 1), qx = fx / t->sw - (t->tw - 1);
	float acc = bias;
	for (int64_t ty = 0; ty < t->th; ty++)
		for (int64_t tx = 0; tx < t->tw; tx++)
			for (int64_t c = 0; c < icg; c++) {
				int64_t iy = qy + ty, ix = qx + tx, channel = group * icg + c;
				bool inside = iy >= 0 && iy < t->ih && ix >= 0 && ix < t->iw;
				float v = inside ? x[(channel * t->ih + iy) * t->iw + ix] : 0.0f;
				acc = ig_fmaf(v, ig_transposed_weight(t, w, channel, filter, fy % t->sh, fx % t->sw, ty, tx), acc);
			}
	return acc;
}

void ig_eval_conv_transpose2d(struct ig_eval *e)
{
	struct ig_transposed t = ig_transposed_of(e->g, e->n);
	const float *bias = e->n->n_in > 2 ? e->in[2]->data : NULL;
	float *y = e->out->data;
	int64_t ocg = t.oc / t.groups;
	for (int64_t n = 0; n < t.n; n++)
		for (int64_t o = 0; o < t.oc; o++)
			for (int64_t oy = 0; oy < t.oh; oy++)
				for (int64_t ox = 0; ox < t.ow; ox++)
					*y++ = transposed_at(&t, (const float *)e->in[0]->data + n * t.ic * t.ih * t.iw, e->in[1]->data, bias ? bias[o] : 0.0f, o / ocg, o % ocg,
					                     oy + t.pt, ox + t.pl);
}

/* ---- recurrent layers ---- */

/* acc + the chain of a[k] * b[k]. */
IG_CLONES static float chain(float acc, const float *a, const float *b, int64_t n)
{
	for (int64_t k = 0; k < n; k++)
		acc = ig_fmaf(a[k], b[k], acc);
	return acc;
}

/* One direction at work: the weights of it, and one sample's state. */
struct cell {
	const float *w, *r, *b, *p; /* [gates * hidden][inputs], [..][hidden], [2 * gates * hidden] or NULL, [3 * hidden] or NULL */
	int64_t inputs, hidden, gates;
	const float *x;
	float *h, *c; /* state, changed by a step */
	float *next, *cell_next, *part;
};

static float bias_w(const struct cell *l, int64_t row) { return l->b ? l->b[row] : 0.0f; }
static float bias_r(const struct cell *l, int64_t row) { return l->b ? l->b[l->gates * l->hidden + row] : 0.0f; }

/* Row of a gate: both biases, then the input, then the state. */
static float gate(const struct cell *l, int64_t row, const float *h)
{
	float acc = chain(bias_w(l, row) + bias_r(l, row), l->x, l->w + row * l->inputs, l->inputs);
	return chain(acc, h, l->r + row * l->hidden, l->hidden);
}

static void lstm_step(struct cell *l)
{
	int64_t n = l->hidden;
	for (int64_t j = 0; j < n; j++) { /* gates in ONNX's order: input, output, forget, cell */
		float i = gate(l, j, l->h), o = gate(l, n + j, l->h), f = gate(l, 2 * n + j, l->h), c = gate(l, 3 * n + j, l->h);
		if (l->p) {
			i = ig_fmaf(l->p[j], l->c[j], i);
			f = ig_fmaf(l->p[2 * n + j], l->c[j], f);
		}
		l->cell_next[j] = ig_fmaf(ig_sigmoidf(f), l->c[j], ig_sigmoidf(i) * ig_tanhf(c));
		if (l->p)
			o = ig_fmaf(l->p[n + j], l->cell_next[j], o);
		l->next[j] = ig_sigmoidf(o) * ig_tanhf(l->cell_next[j]);
	}
	memcpy(l->c, l->cell_next, (size_t)n * sizeof *l->c);
}

static void gru_step(struct cell *l, bool linear_before_reset)
{
	int64_t n = l->hidden;
	for (int64_t j = 0; j < n; j++) /* gates: update, reset, hidden */
		l->part[j] = ig_sigmoidf(gate(l, n + j, l->h));
	for (int64_t j = 0; j < n && !linear_before_reset; j++)
		l->cell_next[j] = l->part[j] * l->h[j];
	for (int64_t j = 0; j < n; j++) {
		float z = ig_sigmoidf(gate(l, j, l->h)), v;
		int64_t row = 2 * n + j;
		if (linear_before_reset) {
			float a = chain(bias_w(l, row), l->x, l->w + row * l->inputs, l->inputs), b = chain(bias_r(l, row), l->h, l->r + row * n, n);
			v = ig_fmaf(l->part[j], b, a);
		} else {
			v = gate(l, row, l->cell_next);
		}
		v = ig_tanhf(v);
		float rest = 1.0f - z;
		l->next[j] = ig_fmaf(z, l->h[j], rest * v);
	}
}

static void step(const struct ig_eval *e, struct cell *l)
{
	if (e->n->op == IG_OP_LSTM)
		lstm_step(l);
	else if (e->n->op == IG_OP_GRU)
		gru_step(l, ig_attr_int(e->n, IG_A_LINEAR_BEFORE_RESET, 0) != 0);
	for (int64_t j = 0; e->n->op == IG_OP_RNN && j < l->hidden; j++)
		l->next[j] = ig_tanhf(gate(l, j, l->h));
	memcpy(l->h, l->next, (size_t)l->hidden * sizeof *l->h);
}

static const float *part_of(const struct ig_eval *e, int operand, int64_t at) { return e->n->n_in > operand ? (const float *)e->in[operand]->data + at : NULL; }

/* One direction of one sample. */
static void run(struct ig_eval *e, struct cell *l, int64_t dir, int64_t sample, bool backwards)
{
	const int64_t *x = e->in[0]->type.dim, *y = e->outs[0]->type.dim;
	int64_t state = (dir * x[1] + sample) * l->hidden;
	float *last = e->outs[1]->data, *cell = e->n->n_out > 2 ? e->outs[2]->data : NULL;
	memset(l->h, 0, (size_t)l->hidden * sizeof *l->h);
	memset(l->c, 0, (size_t)l->hidden * sizeof *l->c);
	if (e->n->n_in > 4)
		memcpy(l->h, part_of(e, 4, state), (size_t)l->hidden * sizeof *l->h);
	if (e->n->n_in > 5)
		memcpy(l->c, part_of(e, 5, state), (size_t)l->hidden * sizeof *l->c);
	for (int64_t s = 0; s < x[0]; s++) {
		int64_t t = backwards ? x[0] - 1 - s : s;
		l->x = (const float *)e->in[0]->data + (t * x[1] + sample) * x[2];
		step(e, l);
		memcpy((float *)e->outs[0]->data + ((t * y[1] + dir) * x[1] + sample) * l->hidden, l->h, (size_t)l->hidden * sizeof *l->h);
	}
	memcpy(last + state, l->h, (size_t)l->hidden * sizeof *l->h);
	if (cell)
		memcpy(cell + state, l->c, (size_t)l->hidden * sizeof *l->c);
}

static void recurrent(struct ig_eval *e)
{
	const char *direction = ig_attr_str(e->n, IG_A_DIRECTION, "forward");
	const int64_t *w = e->in[1]->type.dim;
	struct ig_arena *a = ig_arena_new();
	struct cell l = {.inputs = w[2], .hidden = e->in[2]->type.dim[2]};
	l.gates = w[1] / l.hidden;
	float *room = IG_NEWN(a, float, 5 * l.hidden);
	l.h = room;
	l.c = room + l.hidden;
	l.next = room + 2 * l.hidden;
	l.cell_next = room + 3 * l.hidden;
	l.part = room + 4 * l.hidden;
	for (int64_t dir = 0; dir < w[0]; dir++) {
		l.w = part_of(e, 1, dir * w[1] * w[2]);
		l.r = part_of(e, 2, dir * w[1] * l.hidden);
		l.b = part_of(e, 3, dir * 2 * w[1]);
		l.p = part_of(e, 6, dir * 3 * l.hidden);
		for (int64_t sample = 0; sample < e->in[0]->type.dim[1]; sample++)
			run(e, &l, dir, sample, dir == 1 || strcmp(direction, "reverse") == 0);
	}
	ig_arena_free(a);
}

void ig_eval_lstm(struct ig_eval *e) { recurrent(e); }
void ig_eval_gru(struct ig_eval *e) { recurrent(e); }
void ig_eval_rnn(struct ig_eval *e) { recurrent(e); }
