/* The graph as text of the language, in explicit form: a typed statement for each node, so that the frontend reads back an equal graph. */
#include "ir/print.h"

#include "ir/number.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define WRITE_OUT 64 /* constants of at most so many elements are written out when there is no weights file */

struct printer {
	const struct ig_graph *g;
	FILE *out;
	const char *weights;
	struct ig_strtab *tab;
	const char **var; /* by value */
	const char **taken; /* names given so far: open addressing over interned pointers */
	size_t cap;
};

static size_t probe(const struct printer *p, const char *name)
{
	size_t i = (size_t)(((uint64_t)(uintptr_t)name * 0x9e3779b97f4a7c15u) >> 32) & (p->cap - 1);
	while (p->taken[i] && p->taken[i] != name)
		i = (i + 1) & (p->cap - 1);
	return i;
}

/* Words that cannot be variables, or would hide a constant. */
static bool reserved(const char *s)
{
	static const char *const words[] = {"repeat", "return", "true", "false", "inf", "nan"};
	for (size_t i = 0; i < IG_COUNTOF(words); i++)
		if (strcmp(words[i], s) == 0)
			return true;
	return false;
}

/* A word of the language made of any text. */
static const char *make_word(struct printer *p, const char *text)
{
	size_t n = strlen(text);
	char *s = ig_xcalloc(n + 2, 1);
	size_t k = 0;
	if (!n || (text[0] >= '0' && text[0] <= '9'))
		s[k++] = '_';
	for (size_t i = 0; i < n; i++) {
		char c = text[i];
		bool word = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
		s[k++] = word ? c : '_';
	}
	const char *w = ig_intern(p->tab, s);
	free(s);
	return w;
}

/* A variable made of any text, not used before. */
static const char *make_var(struct printer *p, const char *text)
{
	const char *word = make_word(p, text), *v = word;
	for (int i = 1; reserved(v) || p->taken[probe(p, v)]; i++)
		v = ig_internf(p->tab, "%s_%d", word, i);
	p->taken[probe(p, v)] = v;
	return v;
}

static void name_values(struct printer *p)
{
	const struct ig_graph *g = p->g;
	for (int i = 0; i < g->n_inputs; i++) {
		const char *v = make_var(p, ig_value(g, g->input[i])->name);
		p->var[g->input[i].i] = v;
	}
	for (int i = 0; i < g->n_outputs; i++) { /* an output's value has the output's name, where that is still free */
		const char *v = make_var(p, g->output_name[i]);
		if (!p->var[g->output[i].i])
			p->var[g->output[i].i] = v;
	}
	for (struct ig_nid id = ig_first(g); id.i >= 0; id = ig_next(g, id))
		for (int i = 0; i < ig_node(g, id)->n_out; i++) {
			struct ig_vid v = ig_node(g, id)->out[i];
			if (!p->var[v.i])
				p->var[v.i] = make_var(p, ig_value(g, v)->name);
		}
}

static void put_string(struct printer *p, const char *s)
{
	fputc('"', p->out);
	for (; *s; s++) {
		if (*s == '\n')
			fputs("\\n", p->out);
		else if (*s == '\t')
			fputs("\\t", p->out);
		else if (strchr("\"\\{}", *s))
			fprintf(p->out, "\\%c", *s);
		else
			fputc(*s, p->out);
	}
	fputc('"', p->out);
}

/* The name of a layer or value: a first slash is doubled, as the language takes one away. */
static void put_name(struct printer *p, const char *key, const char *s)
{
	char *t = ig_xcalloc(strlen(s) + 2, 1);
	sprintf(t, "%s%s", s[0] == '/' ? "/" : "", s);
	fprintf(p->out, "%s: ", key);
	put_string(p, t);
	free(t);
}

/* As few digits as read back to the same number; always visibly a real number. */
static void put_double(struct printer *p, double f)
{
	char s[40];
	if (isnan(f) || isinf(f)) {
		fputs(isnan(f) ? "nan" : f < 0 ? "-inf" : "inf", p->out);
		return;
	}
	snprintf(s, sizeof s, "%.9g", f);
	if (strtod(s, NULL) != f)
		snprintf(s, sizeof s, "%.17g", f);
	fprintf(p->out, "%s%s", s, strpbrk(s, ".e") ? "" : ".0");
}

static void put_float(struct printer *p, float f)
{
	char s[40];
	if (isnan(f) || isinf(f)) {
		put_double(p, (double)f);
		return;
	}
	int digits = 6;
	do
		snprintf(s, sizeof s, "%.*g", digits, (double)f);
	while ((float)strtod(s, NULL) != f && ++digits <= 9);
	fprintf(p->out, "%s%s", s, strpbrk(s, ".e") ? "" : ".0");
}

/* The language has no literal for the least integer, as a minus is an operator. */
static void put_int(struct printer *p, int64_t i)
{
	if (i == INT64_MIN)
		fputs("-9223372036854775807 - 1", p->out);
	else
		fprintf(p->out, "%lld", (long long)i);
}

static void put_qparam(struct printer *p, const struct ig_qparam *q)
{
	bool list = q->axis >= 0, zero = true, same = true;
	int bits = ig_dtypes[q->dtype].bits;
	int64_t lo = ig_dtypes[q->dtype].is_signed ? -((int64_t)1 << (bits - 1)) : 0, hi = lo + ((int64_t)1 << bits) - 1;
	fputs(" {scale: ", p->out);
	if (list)
		fputc('[', p->out);
	for (int64_t i = 0; i < q->n; i++) {
		if (i)
			fputs(", ", p->out);
		put_float(p, q->scale[i]);
		zero &= q->zero_point[i] == 0;
		same &= q->zero_point[i] == q->zero_point[0];
	}
	if (list)
		fputc(']', p->out);
	if (!zero && (same || !list))
		fprintf(p->out, ", zero_point: %d", (int)q->zero_point[0]);
	for (int64_t i = 0; !same && i < q->n; i++)
		fprintf(p->out, "%s%d%s", i ? ", " : ", zero_point: [", (int)q->zero_point[i], i == q->n - 1 ? "]" : "");
	if (q->axis >= 0)
		fprintf(p->out, ", axis: %d", q->axis);
	if (q->group)
		fprintf(p->out, ", group: %lld", (long long)q->group);
	if (q->qmin != lo)
		fprintf(p->out, ", qmin: %d", (int)q->qmin);
	if (q->qmax != hi)
		fprintf(p->out, ", qmax: %d", (int)q->qmax);
	fputs(q->fixed ? ", fixed: true}" : "}", p->out);
}

static void put_type(struct printer *p, const struct ig_type *t, const char *layout, bool qparams)
{
	fprintf(p->out, "%s[", ig_dtypes[t->dtype].name);
	for (int i = 0; i < t->rank; i++)
		fprintf(p->out, "%s%lld", i ? ", " : "", (long long)t->dim[i]);
	fprintf(p->out, "]%s%s", layout ? " " : "", layout ? layout : "");
	const struct ig_qparam *q = qparams ? ig_qparam(p->g, t->q) : NULL;
	if (q)
		put_qparam(p, q);
}

static void put_attr(struct printer *p, const struct ig_attr *a)
{
	enum ig_attr_kind k = ig_attrs[a->id].kind;
	fprintf(p->out, "%s: ", ig_attrs[a->id].name);
	if (k == IG_AK_WORD || (k == IG_AK_PAD && a->n == 0)) {
		fputs(a->u.s, p->out);
	} else if (k == IG_AK_STRING) {
		put_string(p, a->u.s);
	} else if (k == IG_AK_FLOAT) {
		put_double(p, a->u.f);
	} else if (k == IG_AK_BOOL || k == IG_AK_TRI) {
		fputs(a->u.i == 2 ? "auto" : a->u.i ? "true" : "false", p->out);
	} else if (k == IG_AK_INT) {
		put_int(p, a->u.i);
	} else {
		fputc('[', p->out);
		for (int i = 0; i < a->n; i++) {
			if (i)
				fputs(", ", p->out);
			if (k == IG_AK_FLOATS)
				put_double(p, a->u.floats[i]);
			else
				put_int(p, a->u.ints[i]);
		}
		fputc(']', p->out);
	}
}

static void put_element(struct printer *p, const struct ig_tensor *t, int64_t i)
{
	switch (t->type.dtype) {
	case IG_DT_F32: put_float(p, ((const float *)t->data)[i]); break;
	case IG_DT_F64: put_double(p, ((const double *)t->data)[i]); break;
	case IG_DT_BOOL: fputs(ig_get_int(t, i) ? "true" : "false", p->out); break;
	default: put_int(p, ig_get_int(t, i)); break; /* u64 too: as the same bits of i64 */
	}
}

static bool writable(const struct ig_tensor *t)
{
	enum ig_dtype dt = t->type.dtype;
	return ig_elems(&t->type) <= WRITE_OUT && dt != IG_DT_F16 && dt != IG_DT_BF16 && ig_dtypes[dt].bits >= 8;
}

static void put_values(struct printer *p, const struct ig_tensor *t)
{
	fputs("values: [", p->out);
	for (int64_t i = 0, count = ig_elems(&t->type); i < count; i++) {
		if (i)
			fputs(", ", p->out);
		put_element(p, t, i);
	}
	fputc(']', p->out);
}

/* Where a constant's data is: in the weights file under the layer's name, here, or nowhere. Returns the layer's name that the text implies. */
static const char *put_data(struct printer *p, const struct ig_node *n, const char *var)
{
	if (p->weights) {
		fputs("tensor: ", p->out);
		put_string(p, n->name);
		return n->name;
	}
	if (!writable(n->data)) {
		fprintf(p->out, "fingerprint: \"%016llx\"", (unsigned long long)ig_hash_bytes(n->data->data, n->data->bytes, 0));
		return var;
	}
	put_values(p, n->data);
	return var;
}

/* results: ["a", "/b"] */
static void put_results(struct printer *p, const struct ig_node *n, const char *sep)
{
	fprintf(p->out, "%sresults: [", sep);
	for (int i = 0; i < n->n_out; i++) {
		const char *name = ig_value(p->g, n->out[i])->name;
		fputs(i ? ", " : "", p->out);
		put_string(p, name[0] == '/' ? ig_internf(p->tab, "/%s", name) : name);
	}
	fputc(']', p->out);
}

/* What a printed graph says beside attributes: names that differ from what the frontend would give, absorbed layers, precision. */
static void put_trail(struct printer *p, const struct ig_node *n, const char *implied, bool any)
{
	const char *sep = any ? ", " : "";
	const struct ig_value *v = ig_value(p->g, n->out[0]);
	if (n->n_out > 1 || strcmp(n->name, implied) != 0) {
		fputs(sep, p->out);
		put_name(p, "name", n->name);
		sep = ", ";
	}
	if (n->n_out > 1) {
		put_results(p, n, sep);
		sep = ", ";
	} else if (strcmp(v->name, n->name) != 0) {
		fputs(sep, p->out);
		put_name(p, "result", v->name);
		sep = ", ";
	}
	for (int i = 0; i < n->n_absorbed; i++) {
		fputs(i ? ", " : sep, p->out);
		fputs(i ? "" : "absorbed: [", p->out);
		put_string(p, n->absorbed[i]);
		sep = ", ";
	}
	if (n->n_absorbed)
		fputc(']', p->out);
	if (n->precision != IG_PREC_UNSET)
		fprintf(p->out, "%sprecision: %s", sep, ig_precision_names[n->precision]);
}

static void put_node(struct printer *p, const struct ig_node *n)
{
	const struct ig_graph *g = p->g;
	const char *implied = p->var[n->out[0].i];
	bool any = n->n_in > 0;
	for (int i = 0; i < n->n_out; i++) {
		fprintf(p->out, "%s%s: ", i ? ", " : "  ", p->var[n->out[i].i]);
		put_type(p, ig_vtype(g, n->out[i]), NULL, true);
	}
	fprintf(p->out, " = %s(", ig_ops[n->op].name);
	for (int i = 0; i < n->n_in; i++)
		fprintf(p->out, "%s%s", i ? ", " : "", p->var[n->in[i].i]);
	if (n->op == IG_OP_CONSTANT) {
		implied = put_data(p, n, implied);
		any = true;
	}
	for (int i = 0; i < n->n_attrs; i++) {
		if (n->op == IG_OP_CONSTANT)
			break;
		fputs(any ? ", " : "", p->out);
		put_attr(p, &n->attr[i]);
		any = true;
	}
	if ((n->op == IG_OP_MAX_POOL2D || n->op == IG_OP_AVG_POOL2D) && !ig_attr(n, IG_A_STRIDE))
		fputs(", stride: 1", p->out); /* the language's default is another one */
	put_trail(p, n, implied, any);
	fputs(")\n", p->out);
}

void ig_print(const struct ig_graph *g, FILE *out, const char *weights)
{
	struct printer p = {.g = g, .out = out, .weights = weights, .tab = ig_strtab_new(), .cap = 64};
	while (p.cap < 2 * ((size_t)g->n_values + (size_t)g->n_outputs) + 2)
		p.cap *= 2;
	p.var = ig_xcalloc((size_t)g->n_values, sizeof *p.var);
	p.taken = ig_xcalloc(p.cap, sizeof *p.taken);
	name_values(&p);
	if (weights) {
		fputs("weights ", out);
		put_string(&p, weights);
		fputs("\n\n", out);
	}
	fprintf(out, "model %s(", make_word(&p, g->name));
	for (int i = 0; i < g->n_inputs; i++) {
		const char *layout = ig_attr_str(ig_def(g, g->input[i]), IG_A_LAYOUT, NULL);
		fprintf(out, "%s%s: ", i ? ", " : "", p.var[g->input[i].i]);
		put_type(&p, ig_vtype(g, g->input[i]), layout, true);
	}
	fputs(") -> (", out);
	for (int i = 0; i < g->n_outputs; i++) {
		fprintf(out, "%s%s: ", i ? ", " : "", g->output_name[i]);
		put_type(&p, ig_vtype(g, g->output[i]), NULL, false);
	}
	fprintf(out, ")%s {\n", g->stage == IG_STAGE_QUANTIZED ? " quantized" : "");
	for (struct ig_nid id = ig_first(g); id.i >= 0; id = ig_next(g, id))
		if (ig_node(g, id)->op != IG_OP_INPUT)
			put_node(&p, ig_node(g, id));
	for (int i = 0; i < g->n_outputs; i++)
		if (strcmp(p.var[g->output[i].i], g->output_name[i]) != 0)
			fprintf(out, "  %s = %s\n", g->output_name[i], p.var[g->output[i].i]);
	fputs("}\n", out);
	free(p.var);
	free(p.taken);
	ig_strtab_free(p.tab);
}

void ig_print_string(FILE *out, const char *s)
{
	struct printer p = {.out = out};
	put_string(&p, s);
}

void ig_print_attr(FILE *out, const struct ig_attr *a)
{
	struct printer p = {.out = out};
	put_attr(&p, a);
}

void ig_print_type(FILE *out, const struct ig_graph *g, const struct ig_type *t, const char *layout)
{
	struct printer p = {.g = g, .out = out};
	put_type(&p, t, layout, true);
}

bool ig_print_values(FILE *out, const struct ig_tensor *t, int64_t most)
{
	struct printer p = {.out = out};
	if (!writable(t) || ig_elems(&t->type) > most)
		return false;
	if (out)
		put_values(&p, t);
	return true;
}
