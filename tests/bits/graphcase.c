/* A random graph's samples, and its way through the passes. */
#include "tests/bits/graphgen.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "ir/infer.h"
#include "passes/pass.h"

const void **bits_sample(const struct ig_graph *g, uint64_t seed, int sample, enum bits_flavour flavour, struct ig_arena *a)
{
	struct bits_random r = {seed * 31 + (uint64_t)sample * 0x9e3779b97f4a7c15u + 77};
	const void **in = IG_NEWN(a, const void *, g->n_inputs + 1);
	double gain = sample % 4 == 3 ? 4 : 1;
	for (int i = 0; i < g->n_inputs; i++) {
		const struct ig_type *t = ig_vtype(g, g->input[i]);
		size_t bytes;
		if (!ig_type_bytes(t, &bytes))
			IG_BUG("input %d has no size", i);
		void *p = ig_arena_alloc(a, bytes, 1);
		for (size_t k = 0; k < (size_t)ig_elems(t); k++)
			if (t->dtype == IG_DT_U8)
				((uint8_t *)p)[k] = (uint8_t)bits_pick(&r, 256);
			else if (flavour == BITS_LARGE)
				((float *)p)[k] = (float)(gain * bits_real(&r, 0.5, 1));
			else
				((float *)p)[k] = (float)(gain * bits_real(&r, -1, 1));
		in[i] = p;
	}
	return in;
}

/* ---- the passes ---- */

enum { CALIBRATION_SAMPLES = 12 };

struct source {
	const struct ig_graph *g;
	uint64_t seed;
	enum bits_flavour flavour;
	struct ig_arena *arena;
	int at;
};

static const void *const *next_sample(void *self)
{
	struct source *s = self;
	if (s->at >= CALIBRATION_SAMPLES)
		return NULL;
	int i = s->at++;
	return (const void *const *)bits_sample(s->g, s->seed, 1000 + 4 * i + i % 3, s->flavour, s->arena);
}

static void add_rule(struct ig_qconfig_map *m, enum ig_rule_kind kind, const char *pattern, const struct ig_qconfig *q, const char *text)
{
	struct ig_rule r = {.kind = kind, .pattern = pattern, .config = *q, .text = text, .loc = IG_NOLOC};
	ig_vec_push(&m->rules, r);
}

/* The preset, and for MIXED some layers skipped: of those that are left after the float passes (a rule for another is an error). */
static struct ig_qconfig_map *rules(struct bits_case *c, struct ig_diag *d)
{
	static const char *const presets[] = {"default", "default", "default", "fbgemm", "qnnpack", "fixed"};
	static const struct ig_qconfig skip = {.skip = true};
	struct bits_random r = {c->seed * 77 + 5};
	struct ig_qconfig_map *m = ig_qconfig_map_new();
	bits_pick(&r, 2);
	c->preset = presets[bits_pick(&r, 6)];
	bool fixed = !strcmp(c->preset, "fixed");
	struct ig_qconfig q = *ig_qconfig_preset(fixed ? "default" : c->preset);
	q.requantize_fixed = fixed;
	add_rule(m, IG_RULE_DEFAULT, NULL, c->flavour == BITS_FLOAT ? &skip : &q, c->flavour == BITS_FLOAT ? "skip" : c->preset);
	bool precisions = c->seed >= BITS_PRECISION;
	if (c->flavour != BITS_MIXED && !precisions)
		return m;
	struct ig_graph *probe = ig_graph_clone(c->source);
	struct ig_context ctx = {.diag = d, .qconfig = m};
	if (ig_infer_graph(probe, d) && ig_pipeline_run(IG_HALF_FLOAT, probe, &ctx, NULL))
		for (struct ig_nid id = ig_first(probe); id.i >= 0; id = ig_next(probe, id)) {
			const struct ig_node *n = ig_node(probe, id);
			if (n->op == IG_OP_INPUT || n->op == IG_OP_CONSTANT)
				continue;
			if (precisions) {
				const char *text = bits_precision(&r, probe, n, &q);
				add_rule(m, IG_RULE_LAYER, ig_arena_strdup(m->arena, n->name), &q, text);
			}
			if (c->flavour == BITS_MIXED && bits_pick(&r, 3) == 0)
				add_rule(m, IG_RULE_LAYER, ig_arena_strdup(m->arena, n->name), &skip, "skip");
		}
	ig_graph_free(probe);
	return m;
}

/* All scales to the nearest power of two: parameters stay law, so the graph is as good as any; products of scales are exact and ties abound. */
static void pow2_scales(struct ig_graph *g)
{
	for (int i = 0; i < g->n_qparams; i++) {
		struct ig_qparam *q = &g->qparam[i];
		float *scale = IG_NEWN(g->arena, float, q->n);
		for (int64_t k = 0; k < q->n; k++) {
			int e;
			frexpf(q->scale[k], &e);
			scale[k] = ldexpf(1.0f, e);
		}
		q->scale = scale;
	}
}

bool bits_case_build(struct bits_case *c, uint64_t seed, struct ig_diag *d)
{
	*c = (struct bits_case){.seed = seed};
	c->source = bits_float_graph(seed, &c->flavour, d);
	c->mapped = ig_graph_clone(c->source);
	struct ig_qconfig_map *m = rules(c, d);
	struct ig_arena *a = ig_arena_new();
	struct ig_context ctx = {.diag = d, .qconfig = m, .verify = true};
	struct ig_stats *st = NULL;
	bool ok = ig_infer_graph(c->mapped, d) && ig_pipeline_run(IG_HALF_FLOAT, c->mapped, &ctx, NULL);
	if (ok) {
		struct source s = {c->mapped, seed, c->flavour, a, 0};
		struct ig_sample_source src = {.self = &s, .next = next_sample};
		FILE *null = fopen("/dev/null", "w"); /* warnings of few samples and constant values */
		struct ig_diag *quiet = ig_diag_new(null, false);
		st = ig_stats_new(c->mapped->weights_hash);
		ok = ig_calibrate(c->mapped, m, &src, st, quiet);
		ig_diag_free(quiet);
		fclose(null);
		ctx.stats = st;
		c->g = ig_graph_clone(c->mapped);
		ok = ok && ig_pipeline_run(IG_HALF_QUANTIZE, c->g, &ctx, NULL);
	}
	if (ok && c->flavour == BITS_POW2) {
		pow2_scales(c->g);
		ok = ig_verify(c->g, "powers of two", d);
	}
	if (st)
		ig_stats_free(st);
	ig_qconfig_map_free(m);
	ig_arena_free(a);
	return ok;
}

void bits_case_free(struct bits_case *c)
{
	if (c->g)
		ig_graph_free(c->g);
	if (c->mapped)
		ig_graph_free(c->mapped);
	if (c->source)
		ig_graph_free(c->source);
}
