/* What can be chosen: which layers, which precisions of each. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "driver/mix.h"
#include "driver/quiet.h"
#include "passes/convert.h"
#include "passes/match.h"
#include "passes/rewrite.h"

/* ---- candidates ---- */

static const struct {
	const char *name, *config;
	bool calibrated;
} precisions[] = {
    {"int8", NULL, true},
    {"w8a16", "w8a16", true},
    {"dynamic", "dynamic", false},
    {"float32", "skip", false},
    {"float16", "float16", false},
    {"bfloat16", "bfloat16", false},
    {"s8", "weight_only(weights: minmax(s8, per_channel))", false},
    {"s4", "weight_only(weights: mse(s4, per_channel))", false},
    {"s4g128", "weight_only(weights: mse(s4, group: 128))", false},
    {"s4g64", "weight_only(weights: mse(s4, group: 64))", false},
    {"s4g32", "weight_only(weights: mse(s4, group: 32))", false},
};
static const char *const usual[] = {"int8", "float32", "float16", "s8"};

struct words {
	const struct ig_opts *o;
	struct ig_mix *m; /* NULL: they are only checked */
	bool observers;
	int status;
};

static int usage_unknown(const struct words *w, const char *word, const char *const *names, int n)
{
	const char *near = ig_nearest(word, names, n), *what = w->observers ? "observer" : "precision";
	if (near)
		return ig_usage_error(w->o->cmd, "there is no %s '%s'; did you mean '%s'?", what, word, near);
	return ig_usage_error(w->o->cmd, "there is no %s '%s' ('intaglio help tune' lists them)", what, word);
}

static void add_candidate(struct ig_mix *m, const char *name, const char *config, bool calibrated, bool is_int8)
{
	for (int i = 0; i < m->candidates.n; i++)
		if (strcmp(m->candidates.v[i].name, name) == 0)
			return;
	struct ig_mix_candidate c = {ig_arena_strdup(m->arena, name), config ? ig_arena_strdup(m->arena, config) : NULL, calibrated, is_int8};
	ig_vec_push(&m->candidates, c);
}

static bool take_observer(void *self, const char *word)
{
	struct words *w = self;
	int k = 0;
	while (k < IG_OBS_FIXED && strcmp(word, ig_observer_names[k]) != 0)
		k++;
	if (k == IG_OBS_FIXED)
		w->status = usage_unknown(w, word, ig_observer_names, IG_OBS_FIXED);
	else if (w->m)
		add_candidate(w->m, ig_arena_printf(w->m->arena, "int8:%s", word), ig_arena_printf(w->m->arena, "static(activations: %s)", word), true, true);
	return w->status == IG_EXIT_OK;
}

static bool take_precision(void *self, const char *word)
{
	struct words *w = self;
	const char *names[IG_COUNTOF(precisions)];
	size_t k = 0;
	for (size_t i = 0; i < IG_COUNTOF(precisions); i++)
		names[i] = precisions[i].name;
	while (k < IG_COUNTOF(precisions) && strcmp(word, names[k]) != 0)
		k++;
	if (k == IG_COUNTOF(precisions)) {
		w->status = usage_unknown(w, word, names, (int)IG_COUNTOF(precisions));
		return false;
	}
	bool int8 = precisions[k].config == NULL;
	if (w->m && int8 && ig_opt_given(w->o, IG_OPT_OBSERVERS))
		ig_opt_words(w->o, IG_OPT_OBSERVERS, take_observer, &(struct words){w->o, w->m, true, IG_EXIT_OK});
	else if (w->m)
		add_candidate(w->m, names[k], precisions[k].config, int8 || precisions[k].calibrated, int8);
	return true;
}

int ig_mix_check(const struct ig_opts *o)
{
	struct words p = {o, NULL, false, IG_EXIT_OK}, q = {o, NULL, true, IG_EXIT_OK};
	if (ig_opt_words(o, IG_OPT_PRECISIONS, take_precision, &p))
		ig_opt_words(o, IG_OPT_OBSERVERS, take_observer, &q);
	return p.status != IG_EXIT_OK ? p.status : q.status;
}

static void list_candidates(struct ig_mix *m)
{
	struct words w = {m->o, m, false, IG_EXIT_OK};
	if (ig_opt_given(m->o, IG_OPT_PRECISIONS))
		ig_opt_words(m->o, IG_OPT_PRECISIONS, take_precision, &w);
	else
		for (size_t i = 0; i < IG_COUNTOF(usual); i++)
			take_precision(&w, usual[i]);
}

int ig_mix_float(const struct ig_mix *m)
{
	for (int c = 0; c < m->candidates.n; c++)
		if (m->candidates.v[c].config && strcmp(m->candidates.v[c].config, "skip") == 0)
			return c;
	return -1;
}

/* ---- layers ---- */

static bool is_output(const struct ig_graph *g, struct ig_vid v)
{
	bool is = false;
	for (int i = 0; i < g->n_outputs; i++)
		is = is || g->output[i].i == v.i;
	return is;
}

/* Layers that compute something of their own; what moves values follows them, and a softmax at the end takes what it is given. */
static bool is_tunable(const struct ig_graph *g, const struct ig_node *n)
{
	enum ig_quant_class q = ig_ops[n->op].quant;
	return q == IG_QC_COMPUTE || q == IG_QC_ELTWISE || q == IG_QC_TABLE || q == IG_QC_CONCAT || (q == IG_QC_SOFTMAX && !is_output(g, n->out[0]));
}

static void list_layers(struct ig_mix *m)
{
	const struct ig_graph *g = m->v.s.flt;
	for (struct ig_nid id = ig_first(g); id.i >= 0; id = ig_next(g, id)) {
		const struct ig_node *n = ig_node(g, id);
		const struct ig_rule *r = n->rule >= 0 ? &m->v.s.qconfig->rules.v[n->rule] : NULL;
		if (!ig_is_layer(n))
			continue;
		if (r && r->kind != IG_RULE_DEFAULT) {
			struct ig_mix_fixed f = {n->name, r->text};
			ig_vec_push(&m->fixed, f);
		} else if (is_tunable(g, n)) {
			struct ig_mix_layer l = {ig_arena_strdup(m->arena, n->name), ig_op_base_name(n->op), id, IG_NEWN(m->arena, bool, m->candidates.n),
			                         IG_NEWN(m->arena, struct ig_mix_alone, m->candidates.n)};
			for (int c = 0; c < m->candidates.n; c++)
				l.alone[c].seconds = l.alone[c].loss = l.alone[c].agreement = l.alone[c].noise = NAN;
			ig_vec_push(&m->layers, l);
		}
	}
}

static void keep_rules(struct ig_mix *m)
{
	const struct ig_qconfig_map *map = m->v.s.qconfig;
	m->recover = "";
	for (int i = 0; i < IG_RECOVER_COUNT; i++)
		if (map->recover[i])
			m->recover = ig_arena_printf(m->arena, "%s  recover %s\n", m->recover, ig_recover_names[i]);
	for (int i = 0; i < map->rules.n; i++) {
		const struct ig_rule *r = &map->rules.v[i];
		if (r->kind == IG_RULE_DEFAULT)
			m->base = !r->config.skip && r->config.mode == IG_MODE_STATIC ? r->text : NULL;
	}
}

bool ig_mix_plan(struct ig_mix *m)
{
	list_candidates(m);
	if (m->candidates.n > IG_MIX_MOST)
		IG_BUG("%d candidates", m->candidates.n);
	keep_rules(m);
	list_layers(m);
	if (m->layers.n)
		return true;
	ig_error(m->v.s.diag, ig_loc_file(m->v.s.diag, m->v.s.path), "there is nothing to choose: no layer is left to the quantize block's `default`");
	return false;
}

/* ---- rules ---- */

bool ig_mix_apply(struct ig_mix *m, const char *text, struct ig_diag *d)
{
	struct ig_session *s = &m->v.s;
	struct ig_diag *mine = s->diag;
	struct ig_quiet quiet;
	const struct ig_qconfig_map *before = s->qconfig;
	s->diag = s->ctx.diag = d ? d : ig_quiet_begin(&quiet);
	struct ig_qconfig_map *rules = ig_qconfig_parse("(tune)", text, strlen(text), s->diag);
	bool ok = rules != NULL;
	if (s->quant)
		ig_graph_free(s->quant);
	s->quant = NULL;
	if (ok) {
		s->qconfig = s->ctx.qconfig = rules;
		ok = ig_pass_run(ig_pass_find("map_qconfig"), s->flt, &s->ctx) && ig_session_quantize(s);
	}
	s->diag = s->ctx.diag = mine;
	if (!d) {
		char *why = ig_quiet_end(&quiet);
		if (!ok)
			ig_error(mine, ig_loc_file(mine, s->path), "a mix of precisions cannot be made: %s", why);
		free(why);
	}
	if (rules) { /* the float graph's nodes are numbered by them */
		if (m->rules)
			ig_qconfig_map_free(m->rules);
		m->rules = rules;
	} else
		s->qconfig = s->ctx.qconfig = before;
	return ok;
}

void ig_mix_uniform(const struct ig_mix *m, int c, uint8_t *choice)
{
	for (int l = 0; l < m->layers.n; l++)
		choice[l] = m->layers.v[l].allowed[c] ? (uint8_t)c : IG_MIX_SKIP;
}

/* A state has them only when it was made for them. */
static bool check_averages(const struct ig_mix *m)
{
	const struct ig_session *s = &m->v.s;
	bool wanted = false, have = true;
	for (int c = 0; c < m->candidates.n; c++)
		wanted = wanted || (m->candidates.v[c].is_int8 && m->candidates.v[c].config && strstr(m->candidates.v[c].config, "moving_average"));
	for (int i = 0; wanted && s->stats && i < s->stats->stat.n; i++)
		have = have && s->stats->stat.v[i].has_average;
	if (!have)
		ig_error(s->diag, ig_loc_file(s->diag, s->path),
		         "the calibration state has no moving averages, which depend on the order of samples: give --calibration the data itself, or leave "
		         "moving_average out of --observers");
	return have;
}

/* What all layers are calibrated for, so that every candidate finds its statistics. */
static const char *calibration_config(const struct ig_mix *m)
{
	const char *config = "skip";
	for (int c = 0; c < m->candidates.n; c++) {
		const struct ig_mix_candidate *k = &m->candidates.v[c];
		if (k->is_int8 && k->config && strstr(k->config, "moving_average"))
			return k->config;
		if (k->calibrated)
			config = m->base ? m->base : "default";
	}
	return config;
}

bool ig_mix_calibrate(struct ig_mix *m)
{
	struct ig_session *s = &m->v.s;
	char *text = ig_arena_printf(m->arena, "quantize {\n%s  default %s\n}\n", m->recover, calibration_config(m));
	m->rules = ig_qconfig_parse("(tune)", text, strlen(text), s->diag);
	if (!m->rules)
		return false;
	s->qconfig = s->ctx.qconfig = m->rules;
	return ig_pass_run(ig_pass_find("map_qconfig"), s->flt, &s->ctx) && ig_session_stats(s) && check_averages(m);
}

/* Whether candidate c is another thing than float32 for the layer, as the float graph is mapped. */
static bool has_effect(const struct ig_mix *m, const struct ig_mix_layer *l, int c)
{
	const struct ig_graph *g = m->v.s.flt;
	const struct ig_node *n = ig_node(g, l->node);
	if (n->precision == IG_PREC_INT8 && m->candidates.v[c].is_int8)
		return ig_ops[n->op].quant == IG_QC_COMPUTE ? ig_convert_has_weights(g, n) : ig_vtype(g, n->out[0])->dtype == IG_DT_F32;
	return (n->precision == IG_PREC_STORED || n->precision == IG_PREC_DYNAMIC || n->precision == IG_PREC_W8A16) && ig_convert_has_weights(g, n);
}

/* Tries candidate c for the layers for which it is marked. */
static bool try_candidate(struct ig_mix *m, int c)
{
	struct ig_quiet quiet;
	uint8_t *choice = ig_xcalloc((size_t)m->layers.n, 1);
	ig_mix_uniform(m, c, choice);
	char *text = ig_mix_text(m, choice, NULL);
	bool ok = ig_mix_apply(m, text, ig_quiet_begin(&quiet));
	free(ig_quiet_end(&quiet));
	free(text);
	free(choice);
	return ok;
}

bool ig_mix_probe(struct ig_mix *m)
{
	int flt = ig_mix_float(m);
	for (int c = 0; c < m->candidates.n; c++) {
		for (int l = 0; l < m->layers.n; l++)
			m->layers.v[l].allowed[c] = true;
		if (c == flt)
			continue;
		bool *good = ig_xcalloc((size_t)m->layers.n, 1), all = try_candidate(m, c);
		for (int l = 0; l < m->layers.n; l++) {
			if (!all) {
				for (int k = 0; k < m->layers.n; k++)
					m->layers.v[k].allowed[c] = k == l;
				good[l] = try_candidate(m, c);
			}
			good[l] = (all || good[l]) && has_effect(m, &m->layers.v[l], c);
		}
		for (int l = 0; l < m->layers.n; l++)
			m->layers.v[l].allowed[c] = good[l];
		free(good);
	}
	int kept = 0; /* layers with nothing but float are not chosen for */
	for (int l = 0; l < m->layers.n; l++) {
		bool any = false;
		for (int c = 0; c < m->candidates.n; c++)
			any = any || (c != flt && m->layers.v[l].allowed[c]);
		if (any)
			m->layers.v[kept++] = m->layers.v[l];
		else {
			struct ig_mix_fixed f = {m->layers.v[l].name, "skip"};
			ig_vec_push(&m->fixed, f);
		}
	}
	m->layers.n = kept;
	if (!kept)
		ig_error(m->v.s.diag, ig_loc_file(m->v.s.diag, m->v.s.path), "none of the precisions is possible for any layer");
	return kept > 0;
}

void ig_mix_free(struct ig_mix *m)
{
	for (int i = 0; i < m->points.n; i++)
		free(m->points.v[i].choice);
	ig_vec_free(&m->points);
	ig_vec_free(&m->candidates);
	ig_vec_free(&m->layers);
	ig_vec_free(&m->fixed);
	ig_mix_clock_free(m->clock);
	ig_mix_state_close(m->state);
	ig_arena_free(m->arena);
}
