/* What `intaglio tune` says: the mixes worth having, and which one meets the budget. */
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "driver/metrics.h"
#include "driver/mix.h"

#define WORST 5 /* layers that are shown */

char *ig_mix_counts(const struct ig_mix *m, const uint8_t *choice)
{
	char *text = NULL;
	size_t size;
	int said = 0;
	FILE *f = open_memstream(&text, &size);
	if (!f)
		IG_BUG("cannot make a stream");
	for (int c = 0; c < m->candidates.n; c++) {
		int n = 0;
		for (int l = 0; l < m->layers.n; l++)
			n += choice[l] == c;
		if (n)
			fprintf(f, "%s%s %d", said++ ? ", " : "", m->candidates.v[c].name, n);
	}
	fclose(f);
	return text;
}

static void print_row(const struct ig_mix *m, struct ig_table *t, int number, int point)
{
	const struct ig_mix_point *p = &m->points.v[point];
	char *counts = ig_mix_counts(m, p->choice);
	ig_table_cell(t, "%s", point == m->chosen ? "*" : "");
	ig_table_cell(t, "%d", number);
	ig_table_cell(t, "%.*f %%", ig_mix_digits(m), 100 * p->loss);
	if (isnan(p->lo))
		ig_table_blank(t);
	else
		ig_table_cell(t, "%.*f to %.*f %%", ig_mix_digits(m), 100 * p->lo, ig_mix_digits(m), 100 * p->hi);
	ig_table_cell(t, "%.2f %%", 100 * p->agreement);
	if (isinf(p->sqnr))
		ig_table_cell(t, "exact");
	else
		ig_table_cell(t, "%.2f", p->sqnr);
	ig_table_cell(t, "%" PRId64, p->bytes);
	if (m->timed)
		ig_table_cell(t, "%.4f", p->seconds * 1e3);
	ig_table_cell(t, "%s%s%s", p->name ? p->name : "", p->name ? ": " : "", counts);
	free(counts);
}

/* ---- layers alone ---- */

struct rank {
	double noise; /* in the precision in which it has most */
	int layer;
};

static int most_noise(const void *x, const void *y)
{
	const struct rank *a = x, *b = y;
	return a->noise != b->noise ? (a->noise > b->noise ? -1 : 1) : a->layer - b->layer;
}

static struct rank *rank_layers(const struct ig_mix *m)
{
	struct rank *r = ig_xcalloc((size_t)m->layers.n, sizeof *r);
	for (int l = 0; l < m->layers.n; l++) {
		r[l].layer = l;
		for (int c = 0; c < m->candidates.n; c++)
			if (m->layers.v[l].allowed[c])
				r[l].noise = fmax(r[l].noise, m->layers.v[l].alone[c].noise);
	}
	qsort(r, (size_t)m->layers.n, sizeof *r, most_noise);
	return r;
}

static void print_alone(const struct ig_mix *m, FILE *out)
{
	const char *titles[IG_MIX_MOST + 2] = {"layer", "operation"};
	int64_t most = ig_opt_given(m->o, IG_OPT_WORST) ? m->o->number[IG_OPT_WORST] : WORST;
	int shown = most < m->layers.n ? (int)most : m->layers.n;
	struct rank *r = rank_layers(m);
	for (int c = 0; c < m->candidates.n; c++)
		titles[c + 2] = ig_arena_printf(m->arena, ">%s", m->candidates.v[c].name);
	fprintf(out, "SQNR of the outputs in dB when one layer has a precision and all others are in float; the worst %d of %d layers, %" PRId64 " samples\n\n", shown, m->layers.n,
	        m->alone_samples);
	struct ig_table *t = ig_table_new(titles, m->candidates.n + 2);
	for (int i = 0; i < shown; i++) {
		const struct ig_mix_layer *l = &m->layers.v[r[i].layer];
		ig_table_cell(t, "%s", l->name);
		ig_table_cell(t, "%s", l->op);
		for (int c = 0; c < m->candidates.n; c++) {
			if (!l->allowed[c])
				ig_table_cell(t, "-");
			else if (l->alone[c].noise == 0)
				ig_table_cell(t, "exact");
			else
				ig_table_cell(t, "%.1f", ig_decibel(1, l->alone[c].noise));
		}
	}
	ig_table_print(t, out);
	ig_table_free(t);
	free(r);
	fputs("\n", out);
}

static void print_budget(const struct ig_mix *m, FILE *out)
{
	const struct ig_mix_budget *b = &m->budget;
	const char *sep = "";
	if (!isinf(b->loss)) {
		fprintf(out, "loss at most %.4g %%", 100 * b->loss);
		sep = ", ";
	}
	if (!isinf(b->seconds)) {
		fprintf(out, "%s%.4f ms", sep, b->seconds * 1e3);
		sep = ", ";
	}
	if (b->bytes != INT64_MAX)
		fprintf(out, "%s%" PRId64 " bytes", sep, b->bytes);
}

void ig_mix_report_text(const struct ig_mix *m, const int *front, int n, FILE *out)
{
	const char *titles[9];
	int k = 0, at = 0;
	print_alone(m, out);
	titles[k++] = "";
	titles[k++] = ">front";
	titles[k++] = ">loss";
	titles[k++] = ">95 % interval";
	titles[k++] = ">agreement";
	titles[k++] = ">SQNR dB";
	titles[k++] = ">bytes";
	if (m->timed)
		titles[k++] = ">ms";
	titles[k++] = "layers";
	fprintf(out, "%" PRId64 " samples, loss of %s; %d layers, %d mixes measured, %d of them on the front of loss against %s\n\n", m->v.n,
	        ig_metric_names[m->v.metric], m->layers.n, m->points.n, n, m->by_time ? "time" : "bytes");
	struct ig_table *t = ig_table_new(titles, k);
	for (int i = 0; i < n; i++)
		print_row(m, t, i + 1, front[i]);
	ig_table_print(t, out);
	ig_table_free(t);
	while (at < n && front[at] != m->chosen)
		at++;
	fputs("\nbudget  ", out);
	print_budget(m, out);
	if (m->chosen < 0) {
		fputs("\nno mix meets it: the front shows what can be had\n", out);
		return;
	}
	const struct ig_mix_point *p = &m->points.v[m->chosen];
	char *counts = ig_mix_counts(m, p->choice);
	fprintf(out, "\nchosen  loss %.*f %%, agreement %.2f %%, ", ig_mix_digits(m), 100 * p->loss, 100 * p->agreement);
	fprintf(out, isinf(p->sqnr) ? "exact" : "SQNR %.2f dB", p->sqnr);
	fprintf(out, ", %" PRId64 " bytes", p->bytes);
	if (m->timed)
		fprintf(out, ", %.4f ms (all layers in int8: %.4f)", p->seconds * 1e3, *ig_mix_state_reference((struct ig_mix *)(uintptr_t)m) * 1e3);
	fprintf(out, ": %s%s\n", counts, at < n ? " (* on the front)" : "");
	free(counts);
}

/* ---- JSON ---- */

static json_t *point_json(const struct ig_mix *m, const struct ig_mix_point *p)
{
	json_t *o = json_object(), *layers = json_object();
	if (p->name)
		json_object_set_new(o, "name", json_string(p->name));
	json_object_set_new(o, "loss", ig_json_share(p->loss));
	json_t *interval = json_array();
	json_array_append_new(interval, ig_json_share(p->lo));
	json_array_append_new(interval, ig_json_share(p->hi));
	json_object_set_new(o, "loss_interval", interval);
	if (!isnan(p->metric)) {
		json_object_set_new(o, "float", ig_json_share(p->exact));
		json_object_set_new(o, "quantized", ig_json_share(p->metric));
	}
	json_object_set_new(o, "agreement", ig_json_share(p->agreement));
	json_object_set_new(o, "sqnr_db", ig_json_share(p->sqnr));
	json_object_set_new(o, "bytes", json_integer(p->bytes));
	if (m->timed)
		json_object_set_new(o, "ms", ig_json_share(p->seconds * 1e3));
	for (int l = 0; l < m->layers.n; l++)
		json_object_set_new(layers, m->layers.v[l].name, json_string(m->candidates.v[p->choice[l]].name));
	json_object_set_new(o, "layers", layers);
	return o;
}

static json_t *alone_json(const struct ig_mix *m)
{
	json_t *all = json_array();
	for (int l = 0; l < m->layers.n; l++)
		for (int c = 0; c < m->candidates.n; c++) {
			const struct ig_mix_alone *a = &m->layers.v[l].alone[c];
			const struct ig_loc loc = ig_node(m->v.s.flt, m->layers.v[l].node)->loc;
			if (!m->layers.v[l].allowed[c])
				continue;
			json_t *o = json_object();
			json_object_set_new(o, "layer", json_string(m->layers.v[l].name));
			if (loc.file) {
				json_object_set_new(o, "file", json_string(loc.file));
				json_object_set_new(o, "line", json_integer(loc.line));
			}
			json_object_set_new(o, "precision", json_string(m->candidates.v[c].name));
			json_object_set_new(o, "loss", ig_json_share(a->loss));
			json_object_set_new(o, "agreement", ig_json_share(a->agreement));
			json_object_set_new(o, "noise", ig_json_share(a->noise));
			json_object_set_new(o, "bytes", json_integer(a->bytes));
			if (m->timed)
				json_object_set_new(o, "us", ig_json_share(a->seconds * 1e6));
			json_array_append_new(all, o);
		}
	return all;
}

json_t *ig_mix_report_json(const struct ig_mix *m, const int *front, int n)
{
	json_t *root = json_object(), *budget = json_object(), *points = json_array();
	json_object_set_new(root, "samples", json_integer(m->v.n));
	json_object_set_new(root, "metric", json_string(ig_metric_names[m->v.metric]));
	json_object_set_new(root, "target", json_string(m->v.s.target->name));
	json_object_set_new(root, "cost", json_string(m->by_time ? "time" : "bytes"));
	json_object_set_new(root, "measured", json_integer(m->points.n));
	if (!isinf(m->budget.loss))
		json_object_set_new(budget, "loss", ig_json_share(m->budget.loss));
	if (!isinf(m->budget.seconds))
		json_object_set_new(budget, "ms", ig_json_share(m->budget.seconds * 1e3));
	if (m->budget.bytes != INT64_MAX)
		json_object_set_new(budget, "bytes", json_integer(m->budget.bytes));
	json_object_set_new(root, "budget", budget);
	json_object_set_new(root, "met", json_boolean(m->chosen >= 0));
	if (m->chosen >= 0)
		json_object_set_new(root, "chosen", point_json(m, &m->points.v[m->chosen]));
	for (int i = 0; i < n; i++)
		json_array_append_new(points, point_json(m, &m->points.v[front[i]]));
	json_object_set_new(root, "front", points);
	json_object_set_new(root, "alone", alone_json(m));
	return root;
}
