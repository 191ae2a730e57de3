/* Small graphs for the tests of passes. */
#ifndef PASSES_UTIL_H
#define PASSES_UTIL_H

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "ir/infer.h"
#include "ir/interp.h"
#include "ir/print.h"
#include "passes/pass.h"

#define SHAPE(...) (int)(sizeof((int64_t[]){__VA_ARGS__}) / sizeof(int64_t)), (const int64_t[]){__VA_ARGS__}

static struct ig_diag *diag;
static uint32_t seed = 1;

static inline double uniform(void)
{
	seed = seed * 1664525u + 1013904223u;
	return (double)(seed >> 8) / (1 << 24);
}

static inline struct ig_vid result(struct ig_graph *g, struct ig_nid id)
{
	assert_true(ig_infer_node(g, id, diag));
	return ig_node(g, id)->out[0];
}

static inline struct ig_vid input(struct ig_graph *g, const char *name, int rank, const int64_t *dims)
{
	struct ig_nid id = ig_graph_add(g, IG_OP_INPUT, name, IG_NOLOC, NULL, 0);
	struct ig_vid v = ig_node(g, id)->out[0];
	ig_value(g, v)->type = ig_type_make(IG_DT_F32, rank, dims);
	ig_graph_mark_input(g, v);
	return v;
}

/* Uniform in [lo, hi). */
static inline struct ig_vid constant(struct ig_graph *g, const char *name, double lo, double hi, int rank, const int64_t *dims)
{
	struct ig_type t = ig_type_make(IG_DT_F32, rank, dims);
	struct ig_tensor *x = ig_tensor_new(g->arena, &t);
	for (int64_t i = 0; i < ig_elems(&t); i++)
		((float *)x->data)[i] = (float)(lo + (hi - lo) * uniform());
	struct ig_nid id = ig_graph_add(g, IG_OP_CONSTANT, name, IG_NOLOC, NULL, 0);
	ig_node(g, id)->data = x;
	return result(g, id);
}

static inline struct ig_vid op1(struct ig_graph *g, enum ig_op op, const char *name, struct ig_vid x)
{
	return result(g, ig_graph_add(g, op, name, IG_NOLOC, &x, 1));
}

static inline struct ig_vid op2(struct ig_graph *g, enum ig_op op, const char *name, struct ig_vid a, struct ig_vid b)
{
	struct ig_vid in[2] = {a, b};
	return result(g, ig_graph_add(g, op, name, IG_NOLOC, in, 2));
}

/* A 3x3 convolution with padding 1. */
static inline struct ig_vid conv(struct ig_graph *g, const char *name, struct ig_vid x, int64_t oc, int64_t groups, bool bias)
{
	char s[64];
	int64_t ic = ig_vtype(g, x)->dim[1];
	snprintf(s, sizeof s, "%s.weight", name);
	struct ig_vid in[3] = {x, constant(g, s, -0.5, 0.5, SHAPE(oc, ic / groups, 3, 3))};
	snprintf(s, sizeof s, "%s.bias", name);
	if (bias)
		in[2] = constant(g, s, -1, 1, SHAPE(oc));
	struct ig_nid id = ig_graph_add(g, IG_OP_CONV2D, name, IG_NOLOC, in, bias ? 3 : 2);
	ig_attr_set_ints(g, id, IG_A_PAD, (const int64_t[]){1, 1, 1, 1}, 4);
	if (groups > 1)
		ig_attr_set_int(g, id, IG_A_GROUPS, groups);
	return result(g, id);
}

static inline struct ig_vid linear(struct ig_graph *g, const char *name, struct ig_vid x, int64_t units)
{
	char s[64];
	snprintf(s, sizeof s, "%s.weight", name);
	struct ig_vid in[3] = {x, constant(g, s, -0.5, 0.5, SHAPE(units, ig_vtype(g, x)->dim[ig_vtype(g, x)->rank - 1]))};
	snprintf(s, sizeof s, "%s.bias", name);
	in[2] = constant(g, s, -1, 1, SHAPE(units));
	return result(g, ig_graph_add(g, IG_OP_LINEAR, name, IG_NOLOC, in, 3));
}

static inline struct ig_vid batch_norm(struct ig_graph *g, const char *name, struct ig_vid x)
{
	static const struct {
		const char *suffix;
		double lo, hi;
	} p[4] = {{"weight", 0.5, 1.5}, {"bias", -1, 1}, {"running_mean", -0.5, 0.5}, {"running_var", 0.2, 2}};
	struct ig_vid in[5] = {x};
	for (int i = 0; i < 4; i++) {
		char s[64];
		snprintf(s, sizeof s, "%s.%s", name, p[i].suffix);
		in[1 + i] = constant(g, s, p[i].lo, p[i].hi, SHAPE(ig_vtype(g, x)->dim[1]));
	}
	return result(g, ig_graph_add(g, IG_OP_BATCH_NORM, name, IG_NOLOC, in, 5));
}

static inline struct ig_vid flatten(struct ig_graph *g, const char *name, struct ig_vid x) { return op1(g, IG_OP_FLATTEN, name, x); }

static inline void output(struct ig_graph *g, struct ig_vid v) { ig_graph_mark_output(g, v, ig_value(g, v)->name); }

/* Runs one pass by name, verified. */
static inline void run_pass(struct ig_graph *g, const char *name)
{
	struct ig_context c = {.diag = diag, .verify = true};
	const struct ig_pass *p = ig_pass_find(name);
	assert_non_null(p);
	assert_true(ig_pass_run(p, g, &c));
}

static inline struct ig_node *layer(struct ig_graph *g, const char *name)
{
	struct ig_nid id = ig_graph_find(g, name);
	if (id.i < 0)
		fail_msg("no layer %s", name);
	return ig_node(g, id);
}

static inline bool absorbed(const struct ig_node *n, const char *name)
{
	for (int i = 0; i < n->n_absorbed; i++)
		if (!strcmp(n->absorbed[i], name))
			return true;
	return false;
}

static inline int count_op(const struct ig_graph *g, enum ig_op op)
{
	int n = 0;
	for (struct ig_nid id = ig_first(g); id.i >= 0; id = ig_next(g, id))
		n += ig_node(g, id)->op == op;
	return n;
}

/* Output 0 for one input of floats, as a new array of *n floats. */
static inline float *run_graph(const struct ig_graph *g, const float *x, int64_t *n)
{
	struct ig_interp *it = ig_interp_new(g, diag);
	assert_non_null(it);
	const void *in[1] = {x};
	ig_interp_run(it, in);
	const struct ig_tensor *t = ig_interp_value(it, g->output[0]);
	assert_int_equal(t->type.dtype, IG_DT_F32);
	*n = ig_elems(&t->type);
	float *y = malloc((size_t)*n * sizeof *y);
	memcpy(y, t->data, (size_t)*n * sizeof *y);
	ig_interp_free(it);
	return y;
}

/* Largest difference of output 0 between two graphs on random inputs in [-2, 2). */
static inline double difference(const struct ig_graph *a, const struct ig_graph *b)
{
	double worst = 0;
	int64_t n = ig_elems(ig_vtype(a, a->input[0]));
	float *x = malloc((size_t)n * sizeof *x);
	for (int s = 0; s < 4; s++) {
		int64_t na, nb;
		for (int64_t i = 0; i < n; i++)
			x[i] = (float)(4 * uniform() - 2);
		float *ya = run_graph(a, x, &na), *yb = run_graph(b, x, &nb);
		assert_int_equal(na, nb);
		for (int64_t i = 0; i < na; i++)
			worst = fmax(worst, fabs((double)ya[i] - (double)yb[i]));
		free(ya);
		free(yb);
	}
	free(x);
	return worst;
}

static inline int start(void **state)
{
	(void)state;
	diag = ig_diag_new(stderr, false);
	return 0;
}

static inline int finish(void **state)
{
	(void)state;
	ig_diag_free(diag);
	return 0;
}
#endif
