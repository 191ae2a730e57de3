/* Recurrent layers. */
#include "onnx/ops.h"

#include <string.h>

struct recurrent {
	enum ig_op op;
	int gates, results, operands; /* operands: those of ONNX's list */
	const char *activations[3];
};
static const struct recurrent kinds[] = {
    {IG_OP_LSTM, 4, 3, 8, {"Sigmoid", "Tanh", "Tanh"}},
    {IG_OP_GRU, 3, 2, 6, {"Sigmoid", "Tanh", NULL}},
    {IG_OP_RNN, 1, 2, 6, {"Tanh", NULL, NULL}},
};

static const struct recurrent *kind_of(const struct ig_onnx_node *n)
{
	const struct recurrent *k = kinds;
	while ((int)k->op != n->op->ir)
		k++;
	return k;
}

/* The default functions, for each direction. */
static bool check_activations(struct ig_onnx_node *n, const struct recurrent *k)
{
	const Onnx__AttributeProto *a = ig_onnx_attr(n, "activations");
	int each = 0;
	while (each < 3 && k->activations[each])
		each++;
	for (size_t i = 0; a && i < a->n_strings; i++) {
		const char *want = k->activations[i % (size_t)each];
		if (a->strings[i].len != strlen(want) || memcmp(a->strings[i].data, want, strlen(want)) != 0)
			return ig_onnx_fail(n, "activation '%.*s' is not supported; the default, %s, is", (int)(a->strings[i].len & 0xff),
			                    a->strings[i].data ? (const char *)a->strings[i].data : "", want);
	}
	if (ig_onnx_attr(n, "clip"))
		return ig_onnx_fail(n, "attribute clip is not supported");
	if (k->op == IG_OP_LSTM && ig_onnx_int(n, "input_forget", 0))
		return ig_onnx_fail(n, "input_forget is not supported");
	return !n->failed;
}

/* Sequences all of full length are the only ones that need no masking. */
static bool check_lengths(struct ig_onnx_node *n, int64_t steps)
{
	const struct ig_tensor *t = ig_onnx_in_const(n, 4);
	if (!ig_onnx_has(n, 4))
		return true;
	for (int64_t i = 0; t && i < ig_elems(&t->type); i++) {
		int64_t len;
		if (!ig_onnx_tensor_int(t, i, &len) || len != steps)
			t = NULL;
	}
	return t || ig_onnx_fail(n, "sequence_lens other than the whole length are not supported");
}

static struct ig_vid zeros(struct ig_onnx_node *n, const char *suffix, int rank, const int64_t *dim)
{
	struct ig_tensor *t = ig_onnx_new_tensor(n->s, IG_DT_F32, rank, dim);
	return t ? ig_onnx_constant(n, suffix, t) : IG_NOVAL;
}

struct rnn_shape {
	int64_t steps, batch, dirs, hidden;
	bool batch_first;
};

/* ONNX's operands (X, W, R, B, sequence_lens, initial_h, initial_c, P) to ours (the lengths left out); how many there are. */
static int rnn_operands(struct ig_onnx_node *n, const struct recurrent *k, const struct rnn_shape *s, struct ig_vid *out)
{
	static const int64_t swap[3] = {1, 0, 2};
	int last = 2, count = 0;
	for (int i = 3; i < k->operands; i++)
		if (i != 4 && ig_onnx_has(n, i))
			last = i;
	for (int i = 0; i <= last; i++) {
		bool state = i == 5 || i == 6;
		if (i == 4)
			continue;
		if (ig_onnx_has(n, i)) {
			out[count] = ig_onnx_in(n, i);
			if ((i == 0 || state) && s->batch_first)
				out[count] = ig_onnx_transpose(n, out[count], i == 0 ? "x" : i == 5 ? "h0" : "c0", swap);
		} else if (i == 3) {
			out[count] = zeros(n, "bias", 2, (int64_t[]){s->dirs, 2 * k->gates * s->hidden});
		} else {
			out[count] = zeros(n, i == 5 ? "h0" : "c0", 3, (int64_t[]){s->dirs, s->batch, s->hidden});
		}
		if (out[count++].i < 0)
			return -1;
	}
	return count;
}

static bool rnn_shape(struct ig_onnx_node *n, const struct recurrent *k, struct rnn_shape *s)
{
	const struct ig_type *x = ig_onnx_in_type(n, 0), *r = ig_onnx_in_type(n, 2);
	if (!x || !r)
		return false;
	if (x->rank != 3 || r->rank != 3 || r->dim[1] != k->gates * r->dim[2])
		return ig_onnx_fail(n, "its input is %s, its recurrent weight %s", ig_type_str(n->s->arena, x), ig_type_str(n->s->arena, r));
	s->batch_first = n->version >= 14 && ig_onnx_int(n, "layout", 0) != 0;
	*s = (struct rnn_shape){x->dim[s->batch_first], x->dim[!s->batch_first], r->dim[0], r->dim[2], s->batch_first};
	return ig_onnx_int(n, "hidden_size", s->hidden) == s->hidden || ig_onnx_fail(n, "hidden_size differs from the recurrent weight's");
}

bool ig_onnx_recurrent(struct ig_onnx_node *n)
{
	static const int64_t swap[3] = {1, 0, 2}, front[4] = {2, 0, 1, 3};
	const struct recurrent *k = kind_of(n);
	struct rnn_shape s = {0};
	struct ig_vid in[8];
	struct ig_graph *g = n->s->graph;
	const char *direction = ig_onnx_str(n, "direction", "forward");
	bool linear = k->op == IG_OP_GRU && ig_onnx_int(n, "linear_before_reset", 0) != 0;
	ig_onnx_attr(n, "output_sequence"); /* of version 1 */
	if (!rnn_shape(n, k, &s) || !check_activations(n, k) || !check_lengths(n, s.steps))
		return false;
	if (strcmp(direction, "forward") != 0 && strcmp(direction, "reverse") != 0 && strcmp(direction, "bidirectional") != 0)
		return ig_onnx_fail(n, "direction is forward, reverse or bidirectional, not '%.40s'", direction);
	int count = rnn_operands(n, k, &s, in);
	if (count < 0)
		return false;
	struct ig_nid id = ig_onnx_add(n, k->op, NULL, in, count);
	ig_attr_set_int(g, id, IG_A_HIDDEN, s.hidden);
	if (strcmp(direction, "forward") != 0)
		ig_attr_set_str(g, id, IG_A_DIRECTION, direction);
	if (linear)
		ig_attr_set_int(g, id, IG_A_LINEAR_BEFORE_RESET, 1);
	if (ig_onnx_done(n, id).i < 0)
		return false;
	for (int i = 0; i < k->results; i++) {
		struct ig_vid y = ig_node(g, id)->out[i];
		if (ig_onnx_wants(n, i) && s.batch_first)
			y = ig_onnx_transpose(n, y, i == 0 ? "y" : i == 1 ? "h" : "c", i == 0 ? front : swap);
		if (!ig_onnx_result(n, i, y))
			return false;
	}
	return true;
}
