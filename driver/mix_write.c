/* A mix as a quantize block, with the evidence for each line. */
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "driver/metrics.h"
#include "driver/mix.h"
#include "ir/print.h"

static const char *config_of(const struct ig_mix *m, uint8_t c)
{
	if (c == IG_MIX_SKIP)
		return "skip";
	const char *own = m->candidates.v[c].config;
	return own ? own : m->base ? m->base : "default";
}

int ig_mix_digits(const struct ig_mix *m) { return m->v.metric == IG_METRIC_MSE ? 5 : 2; }

static bool any_int8(const struct ig_mix *m)
{
	bool any = false;
	for (int c = 0; c < m->candidates.n; c++)
		any = any || m->candidates.v[c].is_int8;
	return any;
}

/* What the layer alone does in this precision. */
static void print_alone(const struct ig_mix *m, const struct ig_mix_alone *a, FILE *out)
{
	fputs("  # alone:", out);
	if (!isnan(a->loss))
		fprintf(out, " loss %.*f %%,", ig_mix_digits(m), 100 * a->loss);
	if (!isnan(a->agreement))
		fprintf(out, " agreement %.1f %%,", 100 * a->agreement);
	if (a->noise == 0)
		fputs(" exact,", out);
	else if (!isnan(a->noise))
		fprintf(out, " SQNR %.1f dB,", ig_decibel(1, a->noise));
	fprintf(out, " %" PRId64 " bytes", a->bytes);
	if (!isnan(a->seconds))
		fprintf(out, ", %.2f us", a->seconds * 1e6);
}

static void print_point(const struct ig_mix *m, const struct ig_mix_point *p, FILE *out)
{
	fprintf(out, "# intaglio tune: %" PRId64 " samples, ", m->v.n);
	if (!isnan(p->loss))
		fprintf(out, "loss %.4f %% (%s), ", 100 * p->loss, ig_metric_names[m->v.metric]);
	fprintf(out, "agreement %.2f %%, ", 100 * p->agreement);
	fprintf(out, isinf(p->sqnr) ? "exact" : "SQNR %.2f dB", p->sqnr);
	fprintf(out, ", %" PRId64 " bytes of constants", p->bytes);
	if (!isnan(p->seconds))
		fprintf(out, ", %.4f ms", p->seconds * 1e3);
	fputs("\n", out);
}

char *ig_mix_text(const struct ig_mix *m, const uint8_t *choice, const struct ig_mix_point *p)
{
	char *text = NULL;
	size_t n;
	FILE *out = open_memstream(&text, &n);
	if (!out)
		IG_BUG("cannot make a stream");
	if (p)
		print_point(m, p, out);
	const char *usual = any_int8(m) ? m->base ? m->base : "default" : "skip";
	fprintf(out, "quantize {\n%s  default %s\n", m->recover, usual);
	for (int i = 0; i < m->fixed.n; i++) {
		if (strcmp(m->fixed.v[i].config, usual) == 0)
			continue;
		fputs("  layer ", out);
		ig_print_string(out, m->fixed.v[i].name);
		fprintf(out, " %s\n", m->fixed.v[i].config);
	}
	for (int l = 0; l < m->layers.n; l++) {
		const struct ig_mix_layer *layer = &m->layers.v[l];
		fputs("  layer ", out);
		ig_print_string(out, layer->name);
		fprintf(out, " %s", config_of(m, choice[l]));
		if (p && choice[l] != IG_MIX_SKIP)
			print_alone(m, &layer->alone[choice[l]], out);
		fputs("\n", out);
	}
	fputs("}\n", out);
	fclose(out);
	return text;
}

bool ig_mix_write_front(const struct ig_mix *m, const int *front, int n, const char *folder)
{
	bool ok = true;
	for (int i = 0; i < n && ok; i++) {
		const struct ig_mix_point *p = &m->points.v[front[i]];
		char *text = ig_mix_text(m, p->choice, p), *path = ig_arena_printf(m->arena, "%s/%02d.ig", folder, i + 1);
		ok = ig_outfile_write(path, text, strlen(text), m->v.s.diag);
		free(text);
	}
	return ok;
}
