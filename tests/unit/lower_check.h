/* Small random graphs, lowered for every target and run by the kernel-IR interpreter: every stored tensor must be the graph interpreter's, bit for bit. */
#ifndef TEST_LOWER_CHECK_H
#define TEST_LOWER_CHECK_H
#include "tests/unit/graph_build.h"

#include "codegen/codegen.h"
#include "runtime/qmath.h"

#include <math.h>

struct rng { uint64_t s; };
static inline uint32_t rnd(struct rng *r)
{
	r->s = r->s * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)(r->s >> 33);
}
static inline int rnd_in(struct rng *r, int lo, int hi) { return lo + (int)(rnd(r) % (uint32_t)(hi - lo + 1)); }
static inline float rnd_f(struct rng *r, float lo, float hi) { return lo + (hi - lo) * (float)(rnd(r) & 0xffffff) / 16777215.0f; }

struct geom { int ic, h, w, oc, kh, kw, sh, sw, dh, dw, pt, pl, pb, pr, groups; };

/* A test graph: values are made by the functions below. */
struct net {
	struct ig_graph *g;
	struct rng r;
	int n;
	bool native; /* run the compiled object too, where this CPU can */
	bool dull;   /* saturated results are the point */
	const void *values; /* of the input, or NULL: random ones */
};

static inline struct net net_new(uint64_t seed) { return (struct net){ig_graph_new("net"), {seed * 77 + 1}, 0, false, false, NULL}; }
static inline const char *net_name(struct net *t, const char *what) { return ig_arena_printf(t->g->arena, "%s%d", what, t->n++); }

static inline struct ig_vid net_random(struct net *t, enum ig_dtype dt, int rank, const int64_t *dims, float scale)
{
	struct ig_type ty = ig_type_make(dt, rank, dims);
	struct ig_tensor *x = ig_tensor_new(t->g->arena, &ty);
	for (int64_t i = 0; i < ig_elems(&ty); i++)
		if (dt == IG_DT_F32)
			((float *)x->data)[i] = rnd_f(&t->r, -scale, scale);
		else if (dt == IG_DT_I32)
			((int32_t *)x->data)[i] = rnd_in(&t->r, (int)-scale, (int)scale);
		else
			((int8_t *)x->data)[i] = (int8_t)rnd(&t->r);
	return ig_graph_constant(t->g, IG_NONODE, net_name(t, "const"), IG_NOLOC, x);
}

static inline struct ig_vid net_op(struct net *t, enum ig_op op, struct ig_vid a, struct ig_vid b)
{
	return result(t->g, add_node(t->g, op, net_name(t, ig_ops[op].name), a, b, IG_NOVAL, IG_NOVAL));
}

static inline void net_infer(struct net *t, struct ig_vid v)
{
	struct capture c;
	capture_begin(&c);
	if (!ig_infer_node(t->g, ig_value(t->g, v)->def, c.diag))
		fail_msg("%s", capture_text(&c));
	capture_end(&c);
}

/* A float value as bytes of random parameters. */
static inline struct ig_vid net_quantize(struct net *t, struct ig_vid x, float scale, int zp)
{
	struct ig_vid v = net_op(t, IG_OP_QUANTIZE, x, IG_NOVAL);
	set_q(t->g, v, IG_DT_U8, scale, zp);
	net_infer(t, v);
	return v;
}

static inline struct ig_vid net_input(struct net *t, int rank, const int64_t *dims)
{
	struct ig_vid x = add_input(t->g, net_name(t, "x"), IG_DT_F32, rank, dims);
	net_infer(t, x);
	return x;
}

static inline void net_geom(struct net *t, struct ig_vid v, const struct geom *k, bool depthwise)
{
	struct ig_nid n = ig_value(t->g, v)->def;
	ig_attr_set_ints(t->g, n, IG_A_STRIDE, (int64_t[]){k->sh, k->sw}, 2);
	ig_attr_set_ints(t->g, n, IG_A_DILATION, (int64_t[]){k->dh, k->dw}, 2);
	ig_attr_set_ints(t->g, n, IG_A_PAD, (int64_t[]){k->pt, k->pl, k->pb, k->pr}, 4);
	if (!depthwise)
		ig_attr_set_int(t->g, n, IG_A_GROUPS, k->groups);
}

/* Sets s8 parameters of a weight, per channel, and returns the largest scale. */
static inline void net_weight_q(struct net *t, struct ig_vid w, int64_t oc, float base)
{
	float scale[4096];
	int32_t zero[4096] = {0};
	for (int64_t i = 0; i < oc; i++)
		scale[i] = base * rnd_f(&t->r, 0.5f, 1.5f);
	struct ig_qparam q = {.dtype = IG_DT_S8, .axis = 0, .n = oc, .scale = scale, .zero_point = zero, .qmin = -128, .qmax = 127};
	ig_value(t->g, w)->type.q = ig_graph_qparam(t->g, &q);
	ig_def(t->g, w)->data->type.q = ig_value(t->g, w)->type.q;
}

enum { NET_RELU = 1, NET_FLOAT_OUT = 2, NET_FLOAT_BIAS = 4, NET_NO_BIAS = 8, NET_FIXED = 16, NET_SMALL_WEIGHTS = 32 /* -64 to 64: sums of two products fit in 16 bits */ };

/* conv-like of any kind: op is CONV2D, DEPTHWISE_CONV2D or LINEAR; a residual makes it the *_add. */
static inline struct ig_vid net_conv(struct net *t, enum ig_op op, struct ig_vid x, const struct geom *k, struct ig_vid residual, int flags)
{
	const struct ig_qparam *qx = ig_qparam(t->g, ig_vtype(t->g, x)->q);
	bool depthwise = op == IG_OP_DEPTHWISE_CONV2D, linear = op == IG_OP_LINEAR, quantized = qx != NULL;
	int64_t conv[4] = {k->oc, depthwise ? 1 : k->ic / k->groups, k->kh, k->kw}, lin[2] = {k->oc, k->ic};
	int64_t taps = linear ? k->ic : conv[1] * k->kh * k->kw;
	float sx = quantized ? qx->scale[0] : 1, sw = 0.01f;
	struct ig_vid in[4] = {x, IG_NOVAL, IG_NOVAL, residual};
	in[1] = net_random(t, quantized ? IG_DT_S8 : IG_DT_F32, linear ? 2 : 4, linear ? lin : conv, 1);
	for (int64_t i = 0; flags & NET_SMALL_WEIGHTS && i < k->oc * taps; i++) {
		int8_t *w = &((int8_t *)ig_def(t->g, in[1])->data->data)[i];
		*w = (int8_t)(*w > 120 ? 64 : *w / 2);
	}
	if (quantized)
		net_weight_q(t, in[1], k->oc, sw);
	int n = 2;
	if (!(flags & NET_NO_BIAS) || residual.i >= 0)
		in[n++] = net_random(t, quantized && !(flags & NET_FLOAT_BIAS) ? IG_DT_I32 : IG_DT_F32, 1, (int64_t[]){k->oc}, quantized && !(flags & NET_FLOAT_BIAS) ? 5000.0f : 1.0f);
	if (residual.i >= 0) {
		n = 4;
		op = op == IG_OP_CONV2D ? IG_OP_CONV2D_ADD : depthwise ? IG_OP_DEPTHWISE_CONV2D_ADD : IG_OP_LINEAR_ADD;
	}
	struct ig_nid id = ig_graph_add(t->g, op, net_name(t, "conv"), IG_NOLOC, in, n);
	struct ig_vid v = result(t->g, id);
	if (!linear)
		net_geom(t, v, k, depthwise);
	if (quantized && (flags & NET_FLOAT_BIAS))
		ig_attr_set_str(t->g, id, IG_A_BIAS_MODE, "float32");
	if (flags & NET_FIXED)
		ig_attr_set_str(t->g, id, IG_A_REQUANTIZE, "fixed");
	if (flags & NET_RELU)
		ig_attr_set_float(t->g, id, IG_A_MIN, 0);
	if (quantized && !(flags & NET_FLOAT_OUT))
		set_q(t->g, v, IG_DT_U8, sx * sw * 74 * 74 * sqrtf((float)taps) / 60, rnd_in(&t->r, 90, 170));
	net_infer(t, v);
	return v;
}

static inline void net_output(struct net *t, struct ig_vid v) { ig_graph_mark_output(t->g, v, net_name(t, "out")); }

static inline void *net_data(struct net *t, const struct ig_type *ty, struct rng *r)
{
	size_t bytes;
	ig_type_bytes(ty, &bytes);
	unsigned char *p = ig_arena_alloc(t->g->arena, bytes, 1);
	for (int64_t i = 0; i < ig_elems(ty); i++)
		if (ty->dtype == IG_DT_F32)
			((float *)(void *)p)[i] = rnd_f(r, -1, 1);
		else
			p[i] = (unsigned char)rnd(r);
	return p;
}

/* How many elements differ; NaNs are equal. */
static inline int64_t differing(const struct ig_type *ty, const void *a, const void *b, int64_t *first)
{
	int64_t n = 0;
	for (int64_t i = 0; i < ig_elems(ty); i++) {
		bool same;
		if (ty->dtype == IG_DT_F32) {
			float x = ((const float *)a)[i], y = ((const float *)b)[i];
			same = memcmp(&x, &y, 4) == 0 || (x != x && y != y);
		} else {
			same = ((const unsigned char *)a)[i] == ((const unsigned char *)b)[i];
		}
		if (!same && n++ == 0)
			*first = i;
	}
	return n;
}

static inline void check_tensors(struct net *t, const struct kir_module *m, struct ig_interp *it, const void *const *in, void *const *out, const void *arena,
                                 const char *target)
{
	for (int i = 0; i < m->n_tensors; i++) {
		const struct kir_tensor *k = &m->tensor[i];
		const struct ig_tensor *want = ig_interp_value(it, k->value);
		int64_t at = 0;
		void *got = ig_xcalloc(want->bytes + 1, 1);
		kir_tensor_read(m, k, in, out, arena, got);
		int64_t n = differing(&k->type, want->data, got, &at);
		if (n) {
			bool f = k->type.dtype == IG_DT_F32;
			print_error("%s: %s (%s): %lld of %lld elements differ, first %lld: %g, expected %g\n", target, k->name, ig_type_str(t->g->arena, &k->type),
			            (long long)n, (long long)ig_elems(&k->type), (long long)at, f ? (double)((float *)got)[at] : ((unsigned char *)got)[at],
			            f ? (double)((float *)want->data)[at] : ((unsigned char *)want->data)[at]);
			fail();
		}
		free(got);
	}
}

/* Outputs alone, with memory reused and results in place. */
static inline void check_outputs(struct net *t, struct ig_interp *it, void *const *out, const char *target)
{
	for (int i = 0; i < t->g->n_outputs; i++) {
		const struct ig_tensor *want = ig_interp_value(it, t->g->output[i]);
		int64_t at = 0, n = differing(&want->type, want->data, out[i], &at);
		if (n)
			fail_msg("%s: output %d of the module with reused memory: %lld elements differ, first %lld", target, i, (long long)n, (long long)at);
	}
}

static inline void check_target(struct net *t, const struct ig_target *target, bool keep, struct ig_interp *it, const void *const *in)
{
	struct capture c;
	struct ig_lower_options o = {.keep = keep};
	void *out[8];
	capture_begin(&c);
	struct kir_module *m = ig_lower(t->g, target, &o, c.diag);
	if (!m || !kir_verify(m, c.diag))
		fail_msg("%s: %s", target->name, capture_text(&c));
	for (int i = 0; i < t->g->n_outputs; i++) {
		size_t bytes;
		ig_type_bytes(ig_vtype(t->g, t->g->output[i]), &bytes);
		out[i] = ig_xcalloc(bytes, 1);
	}
	void *arena = NULL;
	if (posix_memalign(&arena, 64, (size_t)m->arena_bytes + 64))
		fail();
	memset(arena, 0xa5, (size_t)m->arena_bytes + 64);
	struct kir_interp *ki = kir_interp_new(m);
	kir_interp_run(ki, in, out, arena);
	if (keep)
		check_tensors(t, m, it, in, out, arena, target->name);
	check_outputs(t, it, out, target->name);
	kir_interp_free(ki);
	if (t->native && !keep && target->triple && ig_target_runs_here(target)) {
		struct ig_program *p = ig_program_new("net", t->g, m, target);
		struct ig_native *n = ig_native_new(p, c.diag);
		if (!n)
			fail_msg("%s: %s", target->name, capture_text(&c));
		memset(arena, 0x5a, (size_t)m->arena_bytes);
		assert_int_equal(ig_native_run(n, in, out, arena), 0);
		check_outputs(t, it, out, target->name);
		ig_native_free(n);
		ig_program_free(p);
	}
	kir_module_free(m);
	free(arena);
	for (int i = 0; i < t->g->n_outputs; i++)
		free(out[i]);
	capture_end(&c);
}

/* A test whose results are saturated or constant would prove little. */
static inline void check_lively(struct net *t, struct ig_interp *it)
{
	for (int i = 0; i < t->g->n_outputs; i++) {
		const struct ig_tensor *x = ig_interp_value(it, t->g->output[i]);
		int64_t n = ig_elems(&x->type), dull = 0;
		for (int64_t k = 0; k < n && x->type.dtype == IG_DT_U8; k++)
			dull += ((const unsigned char *)x->data)[k] == 0 || ((const unsigned char *)x->data)[k] == 255;
		if (4 * dull > 3 * n)
			fail_msg("%lld of %lld bytes of output %d are saturated", (long long)dull, (long long)n, i);
	}
}

/* Runs the net on random inputs for every target and frees it. */
static inline void net_check(struct net *t)
{
	struct capture c;
	const void *in[8];
	int n;
	const struct ig_target *const *targets = ig_targets(&n);
	must_infer(t->g);
	capture_begin(&c);
	struct ig_interp *it = ig_interp_new(t->g, c.diag);
	if (!it)
		fail_msg("%s", capture_text(&c));
	for (int i = 0; i < t->g->n_inputs; i++)
		in[i] = t->values ? t->values : net_data(t, ig_vtype(t->g, t->g->input[i]), &t->r);
	ig_interp_run(it, in);
	if (!t->dull)
		check_lively(t, it);
	for (int i = 0; i < n; i++) {
		check_target(t, targets[i], true, it, in);
		check_target(t, targets[i], false, it, in);
	}
	ig_interp_free(it);
	capture_end(&c);
	ig_graph_free(t->g);
}

#endif
