/* What a run has found out so far, in a file: a run that is interrupted goes on from it and comes to the same result. The file belongs to one model, its
   samples and calibration and the options that measurements depend on; budgets may change. Every writing replaces it as a whole. */
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "driver/mix.h"
#include "ir/print.h"

#define VERSION 1
#define KIND "intaglio tune state"

struct ig_mix_state {
	const char *path; /* NULL: nothing is kept */
	char key[20];
	json_t *points;   /* by the letters of the choice */
	double reference;
};

/* ---- what it belongs to ---- */

static uint64_t add_text(uint64_t h, const char *s) { return ig_hash_bytes(s ? s : "", s ? strlen(s) + 1 : 0, h * 31 + 1); }

static uint64_t hash_options(const struct ig_mix *m, uint64_t h)
{
	h = add_text(h, m->base);
	h = add_text(h, m->recover);
	h = add_text(h, m->v.s.target->name);
	h = add_text(h, ig_metric_names[m->v.metric]);
	for (int c = 0; c < m->candidates.n; c++)
		h = add_text(add_text(h, m->candidates.v[c].name), m->candidates.v[c].config);
	for (int l = 0; l < m->layers.n; l++)
		h = ig_hash_bytes(m->layers.v[l].allowed, (size_t)m->candidates.n * sizeof(bool), add_text(h, m->layers.v[l].name));
	for (int i = 0; i < m->fixed.n; i++)
		h = add_text(add_text(h, m->fixed.v[i].name), m->fixed.v[i].config);
	int64_t numbers[] = {VERSION, m->alone_samples, m->engine, m->timed};
	return ig_hash_bytes(numbers, sizeof numbers, h);
}

static uint64_t hash_samples(const struct ig_mix *m, uint64_t h)
{
	const struct ig_evaluation *v = &m->v;
	const struct ig_graph *g = v->s.flt;
	for (int64_t i = 0; i < v->n; i++) {
		const void *const *in = ig_dataset_sample(v->ds, i);
		for (int k = 0; k < g->n_inputs; k++)
			h = ig_hash_bytes(in[k], ig_type_size(ig_vtype(g, g->input[k])), h * 31 + 1);
	}
	return v->label ? ig_hash_bytes(v->label, (size_t)(v->n * v->positions) * sizeof *v->label, h) : h;
}

static uint64_t hash_calibration(const struct ig_stats *st, uint64_t h)
{
	for (int i = 0; st && i < st->stat.n; i++) {
		const struct ig_stat *s = &st->stat.v[i];
		float numbers[] = {s->min, s->max, s->has_average ? s->avg_min : 0, s->has_average ? s->avg_max : 0};
		h = ig_hash_bytes(numbers, sizeof numbers, add_text(h, s->name) + (uint64_t)s->count);
	}
	return st ? h * 31 + st->samples * 7 + st->samples_sum : h;
}

/* ---- reading ---- */

static bool damaged(struct ig_mix *m, const char *what)
{
	struct ig_diag *d = m->v.s.diag;
	ig_error(d, ig_loc_file(d, m->state->path), "this file of 'intaglio tune' is damaged (%s); remove it to begin anew", what);
	return false;
}

static double number(const json_t *o, const char *name)
{
	const json_t *v = json_object_get(o, name);
	return json_is_number(v) ? json_number_value(v) : NAN;
}

/* The sum over everything else in the file. */
static uint64_t check_sum(json_t *root)
{
	json_t *sum = json_object_get(root, "checksum");
	json_incref(sum);
	json_object_del(root, "checksum");
	char *text = json_dumps(root, JSON_COMPACT | JSON_SORT_KEYS | JSON_REAL_PRECISION(17));
	uint64_t h = add_text(1, text);
	free(text);
	if (sum)
		json_object_set_new(root, "checksum", sum);
	return h;
}

static bool read_alone(struct ig_mix *m, const json_t *all)
{
	for (int c = 0; c < m->candidates.n; c++) {
		const json_t *rows = json_object_get(all, m->candidates.v[c].name);
		if (!rows)
			continue;
		if (!json_is_array(rows) || json_array_size(rows) != (size_t)m->layers.n)
			return damaged(m, "the table of a precision has not one row a layer");
		for (int l = 0; l < m->layers.n; l++) {
			const json_t *row = json_array_get(rows, (size_t)l);
			struct ig_mix_alone *a = &m->layers.v[l].alone[c];
			*a = (struct ig_mix_alone){true, number(row, "loss"), number(row, "agreement"), number(row, "noise"),
			                           json_integer_value(json_object_get(row, "bytes")), number(row, "seconds")};
		}
	}
	return true;
}

static bool read_root(struct ig_mix *m, json_t *root)
{
	struct ig_mix_state *s = m->state;
	struct ig_diag *d = m->v.s.diag;
	const char *kind = json_string_value(json_object_get(root, "kind")), *key = json_string_value(json_object_get(root, "key"));
	const char *sum = json_string_value(json_object_get(root, "checksum"));
	char want[20];
	if (!kind || strcmp(kind, KIND) != 0) {
		ig_error(d, ig_loc_file(d, s->path), "this is no file of 'intaglio tune'; name another one with --state");
		return false;
	}
	if (json_integer_value(json_object_get(root, "version")) != VERSION) {
		ig_error(d, ig_loc_file(d, s->path), "this file is of another version of 'intaglio tune'; remove it to begin anew");
		return false;
	}
	snprintf(want, sizeof want, "%016" PRIx64, check_sum(root));
	if (!sum || strcmp(sum, want) != 0 || !key || !json_is_object(json_object_get(root, "points")))
		return damaged(m, "its checksum is wrong");
	if (strcmp(key, s->key) != 0) {
		ig_error(d, ig_loc_file(d, s->path),
		         "this file belongs to another model, other samples or calibration, or other options; name another one with --state, or remove it to begin anew");
		return false;
	}
	json_object_update(s->points, json_object_get(root, "points"));
	s->reference = number(root, "reference_seconds");
	return read_alone(m, json_object_get(root, "alone"));
}

bool ig_mix_state_open(struct ig_mix *m)
{
	struct ig_mix_state *s = m->state = ig_xcalloc(1, sizeof *s);
	const struct ig_graph *g = m->v.s.flt;
	json_error_t error;
	s->points = json_object();
	s->reference = NAN;
	s->path = ig_opt_str(m->o, IG_OPT_STATE);
	if (!s->path)
		return true;
	uint64_t h = hash_options(m, ig_hash(g) + g->weights_hash);
	snprintf(s->key, sizeof s->key, "%016" PRIx64, hash_calibration(m->v.s.stats, hash_samples(m, h)));
	struct stat st;
	FILE *f = fopen(s->path, "rb");
	if (f && fstat(fileno(f), &st) == 0 && S_ISDIR(st.st_mode)) {
		fclose(f);
		f = NULL;
		errno = EISDIR;
	}
	if (!f && errno == ENOENT)
		return ig_mix_state_save(m); /* what cannot be written is told at once */
	if (!f) {
		ig_error(m->v.s.diag, ig_loc_file(m->v.s.diag, s->path), "cannot be read: %s", strerror(errno));
		return false;
	}
	json_t *root = json_loadf(f, JSON_REJECT_DUPLICATES, &error);
	fclose(f);
	if (!root)
		return damaged(m, "it is not all there");
	bool ok = read_root(m, root);
	json_decref(root);
	return ok;
}

/* ---- writing ---- */

static void set_number(json_t *o, const char *name, double x)
{
	if (isfinite(x))
		json_object_set_new(o, name, json_real(x));
}

static json_t *alone_json(const struct ig_mix *m)
{
	json_t *all = json_object();
	for (int c = 0; c < m->candidates.n; c++) {
		json_t *rows = json_array();
		for (int l = 0; l < m->layers.n && m->layers.v[0].alone[c].known; l++) {
			const struct ig_mix_alone *a = &m->layers.v[l].alone[c];
			json_t *row = json_object();
			set_number(row, "loss", a->loss);
			set_number(row, "agreement", a->agreement);
			set_number(row, "noise", a->noise);
			set_number(row, "seconds", a->seconds);
			json_object_set_new(row, "bytes", json_integer(a->bytes));
			json_array_append_new(rows, row);
		}
		if (json_array_size(rows))
			json_object_set(all, m->candidates.v[c].name, rows);
		json_decref(rows);
	}
	return all;
}

bool ig_mix_state_save(struct ig_mix *m)
{
	struct ig_mix_state *s = m->state;
	char sum[20];
	if (!s->path)
		return true;
	json_t *root = json_object();
	json_object_set_new(root, "kind", json_string(KIND));
	json_object_set_new(root, "version", json_integer(VERSION));
	json_object_set_new(root, "key", json_string(s->key));
	set_number(root, "reference_seconds", s->reference);
	json_object_set_new(root, "alone", alone_json(m));
	json_object_set(root, "points", s->points);
	snprintf(sum, sizeof sum, "%016" PRIx64, check_sum(root));
	json_object_set_new(root, "checksum", json_string(sum));
	char *text = json_dumps(root, JSON_INDENT(1) | JSON_SORT_KEYS | JSON_REAL_PRECISION(17));
	json_decref(root);
	bool ok = ig_outfile_write(s->path, text, strlen(text), m->v.s.diag);
	free(text);
	return ok;
}

/* ---- points ---- */

static void letters(const struct ig_mix *m, const uint8_t *choice, char *key)
{
	for (int l = 0; l < m->layers.n; l++)
		key[l] = choice[l] == IG_MIX_SKIP ? '-' : (char)('a' + choice[l]);
	key[m->layers.n] = 0;
}

bool ig_mix_state_point(const struct ig_mix *m, struct ig_mix_point *p)
{
	char *key = ig_xcalloc((size_t)m->layers.n + 1, 1);
	letters(m, p->choice, key);
	const json_t *o = json_object_get(m->state->points, key);
	free(key);
	if (!o)
		return false;
	p->loss = number(o, "loss");
	p->lo = number(o, "lo");
	p->hi = number(o, "hi");
	p->exact = number(o, "float");
	p->metric = number(o, "metric");
	p->agreement = number(o, "agreement");
	p->noise = number(o, "noise");
	p->sqnr = json_is_true(json_object_get(o, "exact")) ? INFINITY : number(o, "sqnr");
	p->bytes = json_integer_value(json_object_get(o, "bytes"));
	p->seconds = number(o, "seconds");
	return true;
}

void ig_mix_state_add(struct ig_mix *m, const struct ig_mix_point *p)
{
	char *key = ig_xcalloc((size_t)m->layers.n + 1, 1);
	json_t *o = json_object();
	letters(m, p->choice, key);
	set_number(o, "loss", p->loss);
	set_number(o, "lo", p->lo);
	set_number(o, "hi", p->hi);
	set_number(o, "float", p->exact);
	set_number(o, "metric", p->metric);
	set_number(o, "agreement", p->agreement);
	set_number(o, "noise", p->noise);
	set_number(o, "sqnr", p->sqnr);
	set_number(o, "seconds", p->seconds);
	if (isinf(p->sqnr))
		json_object_set_new(o, "exact", json_true());
	json_object_set_new(o, "bytes", json_integer(p->bytes));
	json_object_set_new(m->state->points, key, o);
	free(key);
}

double *ig_mix_state_reference(struct ig_mix *m) { return &m->state->reference; }

void ig_mix_state_close(struct ig_mix_state *s)
{
	if (!s)
		return;
	json_decref(s->points);
	free(s);
}
