/* The text of a normalized graph, and its weights. */
#include <stdlib.h>
#include <string.h>

#include "frontend/safetensors.h"
#include "frontend/source.h"
#include "frontend/source_blocks.h"
#include "frontend/symtab.h"
#include "ir/outfile.h"
#include "ir/print.h"

#define WRITE_OUT 8 /* constants of at most so many elements stand in the text */

/* Does a constant's data stand in the text? Truth values have no type in the weights file. */
static int64_t written_out(const struct ig_tensor *t) { return t->type.dtype == IG_DT_BOOL ? INT64_MAX : WRITE_OUT; }

struct writer {
	struct ig_source s;
	const struct ig_graph *g;
	FILE *out;
	struct ig_strtab *tab;
	const char ***var; /* by layer, by result: in the model's body */
	const char **input;
	struct symtab model_words;
};

/* Where a statement stands: in the model, or in a block, where integers are expressions of parameters and layers count from the block's first. */
struct place {
	const struct ig_source_block *b; /* NULL: the model */
	const char ***var;               /* of the block's layers */
	const char **value;              /* names of its values */
	struct symtab words;
	const char *indent;
};

/* ---- words ---- */

static const char *word_of(struct writer *w, const char *text, size_t n)
{
	char s[64];
	size_t k = 0;
	if (!n || (text[0] >= '0' && text[0] <= '9'))
		s[k++] = '_';
	for (size_t i = 0; i < n && k + 1 < sizeof s; i++) {
		char c = text[i];
		bool word = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
		s[k++] = word ? c : '_';
	}
	s[k] = 0;
	return ig_intern(w->tab, s);
}

/* A variable that is free among `words`. Case matters, keywords and the names of numbers are taken. */
static const char *free_word(struct writer *w, struct symtab *words, const char *base)
{
	static const char *const taken[] = {"repeat", "return", "true", "false", "inf", "nan", "auto"};
	const char *v = base;
	bool bad = false;
	for (size_t i = 0; i < IG_COUNTOF(taken); i++)
		bad |= strcmp(taken[i], base) == 0;
	for (int i = 1; bad || ig_symtab_find(words, v); i++, bad = false)
		v = ig_internf(w->tab, "%s_%d", base, i);
	*ig_symtab_at(words, v, 0) = 1;
	return v;
}

static bool same_word(const char *a, size_t n, const char *b)
{
	for (size_t i = 0; i < n; i++)
		if (((unsigned char)a[i] | 32) != ((unsigned char)b[i] | 32))
			return false;
	return b[n] == 0;
}

static bool is_number(const char *s, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (s[i] < '0' || s[i] > '9')
			return false;
	return true;
}

/* What a layer is called in the text: the last part of its name that is not just the operation's, conv1 of layer1/layer1.0/conv1/Conv. Where that tells nothing
   but a number, the operation. */
static const char *layer_word(struct writer *w, const struct ig_node *n)
{
	const char *end = n->name + strlen(n->name), *from, *op = ig_ops[n->op].name;
	size_t len;
	for (;;) {
		for (from = end; from > n->name && from[-1] != '/' && from[-1] != '.'; from--)
			;
		len = (size_t)(end - from);
		bool plain = same_word(from, len, op) || same_word(from, len, "conv") || same_word(from, len, "gemm") || same_word(from, len, "matmul");
		if ((len && !plain) || from == n->name)
			break;
		end = from - 1;
	}
	return is_number(from, len) ? word_of(w, op, strlen(op)) : word_of(w, from, len);
}

/* ---- pieces of a statement ---- */

/* An integer of the block's text. In a product or a string it needs no parentheses: the language's operators have the usual precedence. */
static void put_slot(struct writer *w, const struct place *p, const struct ig_source_slot *s)
{
	if (s->param < 0) {
		fprintf(w->out, "%lld", (long long)s->offset);
		return;
	}
	if (s->factor != 1)
		fprintf(w->out, "%lld*", (long long)s->factor);
	fputs(p->b->param[s->param], w->out);
	if (s->offset)
		fprintf(w->out, " %c %lld", s->offset < 0 ? '-' : '+', (long long)(s->offset < 0 ? -s->offset : s->offset));
}

static void put_int(struct writer *w, const struct place *p, int layer, int slot, int64_t v)
{
	if (p->b)
		put_slot(w, p, &p->b->slot[layer][slot]);
	else if (v == INT64_MIN)
		fputs("-9223372036854775807 - 1", w->out);
	else
		fprintf(w->out, "%lld", (long long)v);
}

static void put_char(struct writer *w, char c)
{
	if (strchr("\"\\{}", c))
		fputc('\\', w->out);
	fputc(c, w->out);
}

/* A layer's name, alone (the language takes a first slash away) or with a parameter's suffix; from slot on come its integers. */
static void put_name(struct writer *w, const struct place *p, int layer, int slot, const char *name, bool slash)
{
	size_t at = 0, end, from = 0;
	int64_t v;
	fputc('"', w->out);
	if (slash)
		fputc('/', w->out);
	while (ig_source_name_int(name, &at, &end, &v)) {
		for (; from < at; from++)
			put_char(w, name[from]);
		bool expression = p->b && p->b->slot[layer][slot].param >= 0;
		fputs(expression ? "{" : "", w->out);
		put_int(w, p, layer, slot++, v);
		fputs(expression ? "}" : "", w->out);
		from = at = end;
	}
	for (; name[from]; from++)
		put_char(w, name[from]);
	fputc('"', w->out);
}

/* Attribute `a`, whose integers begin at `slot`; returns where the next begin. */
static int put_attr(struct writer *w, const struct place *p, int layer, int slot, const struct ig_attr *a)
{
	const int64_t *ints;
	int n = ig_source_attr_ints(a, &ints);
	if (n < 0) {
		ig_print_attr(w->out, a);
		return slot;
	}
	bool list = n > 1 || (ig_attrs[a->id].kind == IG_AK_INTS && a->n == 1 && a->id != IG_A_KERNEL && a->id != IG_A_STRIDE && a->id != IG_A_DILATION);
	fprintf(w->out, "%s: %s", ig_attrs[a->id].name, list ? "[" : "");
	for (int i = 0; i < n; i++) {
		fputs(i ? ", " : "", w->out);
		put_int(w, p, layer, slot + i, ints[i]);
	}
	fputs(list ? "]" : "", w->out);
	return slot + n;
}

static const char *operand(struct writer *w, const struct place *p, struct ig_source_operand v)
{
	if (!p->b)
		return v.layer < 0 ? w->input[-1 - v.layer] : w->var[v.layer][v.result];
	if (v.layer >= p->b->first)
		return p->var[v.layer - p->b->first][v.result];
	for (int i = 0;; i++)
		if (p->b->value[i].layer == v.layer && p->b->value[i].result == v.result)
			return p->value[i];
}

static void put_operands(struct writer *w, const struct place *p, const struct ig_source_layer *l)
{
	for (int i = 0; i < l->n_in; i++)
		fprintf(w->out, "%s%s", i ? ", " : "", operand(w, p, l->in[i]));
}

/* VAR: TYPE = constant(tensor: "NAME"), or with its values. */
static void put_constant(struct writer *w, const struct place *p, int layer, const struct ig_node *n, const char *var)
{
	fprintf(w->out, "%s%s: ", p->indent, var);
	ig_print_type(w->out, w->g, &n->data->type, NULL);
	fputs(" = constant(", w->out);
	if (!ig_print_values(w->out, n->data, written_out(n->data))) {
		fputs("tensor: ", w->out);
		put_name(w, p, layer, 0, n->name, false);
		fputs(", ", w->out);
	} else {
		fputs(", ", w->out);
	}
	fputs("name: ", w->out);
	put_name(w, p, layer, 0, n->name, true);
	fputs(")\n", w->out);
}

static void put_layer(struct writer *w, const struct place *p, int layer, const char *const *var)
{
	const struct ig_source_layer *l = &w->s.layer[(p->b ? p->b->first : 0) + layer];
	const struct ig_node *n = ig_node(w->g, l->node);
	enum ig_attr_id attr;
	int64_t width;
	int slot = 0;
	if (n->op == IG_OP_CONSTANT) {
		put_constant(w, p, layer, n, var[0]);
		return;
	}
	fputs(p->indent, w->out);
	for (int i = 0; i < n->n_out; i++)
		fprintf(w->out, "%s%s", i ? ", " : "", var[i]);
	fprintf(w->out, " = %s(", ig_ops[n->op].name);
	put_operands(w, p, l);
	const char *sep = l->n_in ? ", " : "";
	if (ig_source_width(w->g, n, &attr, &width)) {
		fprintf(w->out, "%s%s: ", sep, ig_attrs[attr].name);
		put_int(w, p, layer, slot++, width);
	}
	for (int i = 0; i < n->n_attrs; i++) {
		fputs(sep, w->out);
		slot = put_attr(w, p, layer, slot, &n->attr[i]);
		sep = ", ";
	}
	if (p->b || strcmp(var[0], n->name) != 0 || n->n_out > 1) {
		fprintf(w->out, "%sname: ", sep);
		put_name(w, p, layer, slot, n->name, p->b || n->name[0] == '/');
	}
	fputs(")\n", w->out);
}

/* ---- blocks and calls ---- */

/* In a block the name goes without numbers that differ between instances. */
static const char *block_word(struct writer *w, const struct ig_source_block *b, int i)
{
	const struct ig_source_layer *l = &w->s.layer[b->first + i];
	const struct ig_node *n = ig_node(w->g, l->node);
	const char *word = layer_word(w, n);
	char s[64];
	size_t k = 0;
	bool differs = false;
	for (int c = 0; c < l->n_ints; c++)
		differs |= b->slot[i][c].param >= 0;
	if (!differs)
		return word;
	for (; *word; word++)
		if ((*word < '0' || *word > '9') && (*word != '_' || k) && k + 1 < sizeof s)
			s[k++] = *word;
	while (k && s[k - 1] == '_')
		k--;
	return k ? word_of(w, s, k) : word_of(w, ig_ops[n->op].name, strlen(ig_ops[n->op].name));
}

static void put_block(struct writer *w, const struct ig_source_block *b, const char *name)
{
	struct place p = {.b = b, .indent = "  ", .var = ig_xcalloc((size_t)b->n, sizeof *p.var), .value = ig_xcalloc((size_t)b->n_values + 1, sizeof *p.value)};
	fprintf(w->out, "block %s(", name);
	for (int i = 0; i < b->n_params; i++)
		*ig_symtab_at(&p.words, ig_intern(w->tab, b->param[i]), 0) = 1;
	for (int i = 0; i < b->n_values; i++) {
		p.value[i] = free_word(w, &p.words, i || b->n_values > 1 ? ig_internf(w->tab, "x%d", i + 1) : ig_intern(w->tab, "x"));
		fprintf(w->out, "%s%s", i ? ", " : "", p.value[i]);
	}
	for (int i = 0; i < b->n_params; i++)
		fprintf(w->out, "%s%s", b->n_values || i ? ", " : "", b->param[i]);
	fputs(") {\n", w->out);
	for (int i = 0; i < b->n; i++) {
		const struct ig_node *n = ig_node(w->g, w->s.layer[b->first + i].node);
		p.var[i] = IG_NEWN(w->s.arena, const char *, n->n_out);
		for (int r = 0; r < n->n_out; r++)
			p.var[i][r] = free_word(w, &p.words, block_word(w, b, i));
		put_layer(w, &p, i, p.var[i]);
	}
	fprintf(w->out, "  return %s\n}\n\n", p.var[b->result][0]);
	ig_symtab_free(&p.words);
	free(p.var);
	free(p.value);
}

static void put_call(struct writer *w, const struct ig_source_instance *x, const char *name, const char *const *value, const char *var, const char *indent)
{
	const struct ig_source_block *b = &w->s.block.v[x->block];
	fprintf(w->out, "%s%s = %s(", indent, var, name);
	for (int i = 0; i < b->n_values; i++)
		fprintf(w->out, "%s%s", i ? ", " : "", value[i]);
	for (int i = 0; i < b->n_params; i++)
		fprintf(w->out, "%s%s: %lld", b->n_values || i ? ", " : "", b->param[i], (long long)x->param[i]);
	fputs(")\n", w->out);
}

/* How many instances from the i-th on follow each other directly, each taking the one before in the same place and what is else the same, with integers that
   grow by equal steps. *chain: which value is handed on. */
static int run_length(const struct writer *w, int i, int *chain)
{
	const struct ig_source_instance *x = w->s.instance.v;
	const struct ig_source_block *b = &w->s.block.v[x[i].block];
	int n = 1;
	*chain = -1;
	for (int j = i + 1; j < w->s.instance.n && x[j].block == x[i].block && x[j].first == x[j - 1].first + b->n; j++, n++) {
		int handed = -1, other = 0;
		for (int v = 0; v < b->n_values; v++) {
			bool from_last = x[j].value[v].layer == x[j - 1].first + b->result;
			if (from_last)
				handed = handed < 0 ? v : -2;
			else
				other += x[j].value[v].layer != x[i].value[v].layer || x[j].value[v].result != x[i].value[v].result;
		}
		if (handed < 0 || other || (*chain >= 0 && *chain != handed))
			break;
		bool steady = true;
		for (int p = 0; p < b->n_params; p++)
			steady &= j == i + 1 || x[j].param[p] - x[j - 1].param[p] == x[i + 1].param[p] - x[i].param[p];
		if (!steady)
			break;
		*chain = handed;
	}
	return n;
}

static void put_step(struct writer *w, const struct ig_source_block *b, int p, int64_t from, int64_t step, const char *count)
{
	fprintf(w->out, ", %s: ", b->param[p]);
	if (!step) {
		fprintf(w->out, "%lld", (long long)from);
		return;
	}
	if (step != 1)
		fprintf(w->out, "%lld*", (long long)step);
	fputs(count, w->out);
	if (from)
		fprintf(w->out, " %c %lld", from < 0 ? '-' : '+', (long long)(from < 0 ? -from : from));
}

static const char **call_values(struct writer *w, const struct ig_source_instance *x)
{
	const struct place model = {.b = NULL};
	const struct ig_source_block *b = &w->s.block.v[x->block];
	const char **value = IG_NEWN(w->s.arena, const char *, b->n_values + 1);
	for (int v = 0; v < b->n_values; v++)
		value[v] = operand(w, &model, x->value[v]);
	return value;
}

/* repeat N as i { h = block(h, n: 2*i + 1) } */
static void put_run(struct writer *w, int first, int n, int chain, const char *name, const char *var, const char *count)
{
	const struct ig_source_instance *x = &w->s.instance.v[first];
	const struct ig_source_block *b = &w->s.block.v[x->block];
	const char **value = call_values(w, x);
	fprintf(w->out, "  %s = %s\n  repeat %d", var, value[chain], n);
	value[chain] = var;
	bool counts = false;
	for (int p = 0; p < b->n_params; p++)
		counts |= x[1].param[p] != x[0].param[p];
	if (counts)
		fprintf(w->out, " as %s", count);
	fprintf(w->out, " {\n    %s = %s(", var, name);
	for (int i = 0; i < b->n_values; i++)
		fprintf(w->out, "%s%s", i ? ", " : "", value[i]);
	for (int p = 0; p < b->n_params; p++)
		put_step(w, b, p, x[0].param[p], x[1].param[p] - x[0].param[p], count);
	fputs(")\n  }\n", w->out);
}

/* ---- the model ---- */

static void name_model(struct writer *w)
{
	const struct ig_graph *g = w->g;
	w->input = IG_NEWN(w->s.arena, const char *, g->n_inputs + 1);
	for (int i = 0; i < g->n_inputs; i++)
		w->input[i] = free_word(w, &w->model_words, word_of(w, ig_value(g, g->input[i])->name, strlen(ig_value(g, g->input[i])->name)));
	w->var = IG_NEWN(w->s.arena, const char **, w->s.n_layers + 1);
	for (int i = 0; i < w->s.n_layers; i++)
		w->var[i] = IG_NEWN(w->s.arena, const char *, ig_node(g, w->s.layer[i].node)->n_out + 1);
}

/* The first result of a layer that is a graph's output directly, and no other: the output's own name. */
static const char *output_of(const struct writer *w, int layer)
{
	for (int i = 0; i < w->g->n_outputs; i++)
		if (ig_value(w->g, w->g->output[i])->def.i == w->s.layer[layer].node.i && ig_value(w->g, w->g->output[i])->result == 0)
			return ig_intern(w->tab, w->g->output_name[i]);
	return NULL;
}

static const char *result_word(struct writer *w, int layer, const char *base)
{
	const char *out = output_of(w, layer);
	return free_word(w, &w->model_words, out ? out : base);
}

static void put_calls(struct writer *w, int *instance, int *layer, const char *const *block_name)
{
	const struct ig_source_instance *x = &w->s.instance.v[*instance];
	const struct ig_source_block *b = &w->s.block.v[x->block];
	int chain, n = run_length(w, *instance, &chain);
	if (n < 3)
		n = 1;
	int result = x[n - 1].first + b->result;
	const char *var = result_word(w, result, ig_intern(w->tab, "h"));
	if (n == 1)
		put_call(w, x, block_name[x->block], call_values(w, x), var, "  ");
	else
		put_run(w, *instance, n, chain, block_name[x->block], var, free_word(w, &w->model_words, ig_intern(w->tab, "i")));
	w->var[result][0] = var;
	*instance += n;
	*layer = x[n - 1].first + b->n;
}

static void put_body(struct writer *w, const char *const *block_name)
{
	struct place model = {.b = NULL, .indent = "  "};
	int at = 0;
	for (int i = 0; i < w->s.n_layers;) {
		if (at < w->s.instance.n && w->s.instance.v[at].first == i) {
			put_calls(w, &at, &i, block_name);
			continue;
		}
		const struct ig_node *n = ig_node(w->g, w->s.layer[i].node);
		w->var[i][0] = result_word(w, i, layer_word(w, n));
		for (int r = 1; r < n->n_out; r++)
			w->var[i][r] = free_word(w, &w->model_words, layer_word(w, n));
		put_layer(w, &model, i, w->var[i]);
		i++;
	}
}

static const char *output_word(struct writer *w, int i)
{
	const struct ig_value *v = ig_value(w->g, w->g->output[i]);
	for (int k = 0; k < w->g->n_inputs; k++)
		if (w->g->input[k].i == w->g->output[i].i)
			return w->input[k];
	for (int l = 0;; l++)
		if (w->s.layer[l].node.i == v->def.i)
			return w->var[l][v->result];
}

static void put_signature(struct writer *w)
{
	const struct ig_graph *g = w->g;
	fprintf(w->out, "model %s(", word_of(w, g->name, strlen(g->name)));
	for (int i = 0; i < g->n_inputs; i++) {
		const char *layout = ig_attr_str(ig_def(g, g->input[i]), IG_A_LAYOUT, NULL);
		fprintf(w->out, "%s%s: ", i ? ", " : "", w->input[i]);
		ig_print_type(w->out, g, ig_vtype(g, g->input[i]), layout);
	}
	fputs(") -> (", w->out);
	for (int i = 0; i < g->n_outputs; i++) {
		fprintf(w->out, "%s%s: ", i ? ", " : "", g->output_name[i]);
		ig_print_type(w->out, g, ig_vtype(g, g->output[i]), NULL);
	}
	fputs(") {\n", w->out);
}

static void put_model(struct writer *w, const char *weights)
{
	const char **block_name = IG_NEWN(w->s.arena, const char *, w->s.block.n + 1);
	if (weights) {
		fputs("weights ", w->out);
		ig_print_string(w->out, weights);
		fputs("\n\n", w->out);
	}
	for (int i = 0; i < w->s.block.n; i++) {
		block_name[i] = ig_internf(w->tab, "block%d", i + 1);
		put_block(w, &w->s.block.v[i], block_name[i]);
	}
	name_model(w);
	put_signature(w);
	put_body(w, block_name);
	for (int i = 0; i < w->g->n_outputs; i++)
		if (strcmp(output_word(w, i), w->g->output_name[i]) != 0)
			fprintf(w->out, "  %s = %s\n", w->g->output_name[i], output_word(w, i));
	fputs("}\n", w->out);
}

/* What does not stand in the text. */
static bool write_weights(const struct writer *w, const char *path, struct ig_diag *d, bool *any)
{
	const struct ig_graph *g = w->g;
	const char **names = ig_xcalloc((size_t)g->n_nodes + 1, sizeof *names);
	const struct ig_tensor **tensors = ig_xcalloc((size_t)g->n_nodes + 1, sizeof *tensors);
	bool *in_text = ig_xcalloc((size_t)g->n_nodes + 1, sizeof *in_text);
	int n = 0;
	for (int i = 0; i < w->s.n_layers; i++) {
		const struct ig_node *c = ig_node(g, w->s.layer[i].node);
		in_text[w->s.layer[i].node.i] = c->op == IG_OP_CONSTANT && ig_print_values(NULL, c->data, written_out(c->data));
	}
	for (struct ig_nid id = ig_first(g); id.i >= 0; id = ig_next(g, id))
		if (ig_node(g, id)->op == IG_OP_CONSTANT && !in_text[id.i]) {
			names[n] = ig_node(g, id)->name;
			tensors[n++] = ig_node(g, id)->data;
		}
	*any = n > 0;
	bool ok = n == 0 || ig_safetensors_write(path, names, tensors, n, d);
	free(names);
	free(tensors);
	free(in_text);
	return ok;
}

/* The importer's rules; a name has neither quotes nor braces. */
static void put_rules(const struct writer *w, const struct ig_qconfig_map *rules)
{
	if (!rules || rules->rules.n == 0)
		return;
	fputs("\nquantize {\n", w->out);
	for (int i = 0; i < rules->rules.n; i++)
		if (rules->rules.v[i].made)
			fprintf(w->out, "  layer \"%s\" %s\n", rules->rules.v[i].pattern, rules->rules.v[i].text);
	fputs("}\n", w->out);
}

bool ig_source_write(const struct ig_graph *g, const struct ig_qconfig_map *rules, const char *path, const char *weights_path, struct ig_diag *d)
{
	struct writer w = {.g = g, .tab = ig_strtab_new()};
	struct ig_arena *a = ig_arena_new();
	struct ig_outfile o;
	bool any, ok;
	ig_source_find(&w.s, g, a);
	ok = write_weights(&w, weights_path, d, &any) && (w.out = ig_outfile_open(&o, path, d)) != NULL;
	if (ok) {
		const char *slash = strrchr(weights_path, '/');
		put_model(&w, any ? (slash ? slash + 1 : weights_path) : NULL);
		put_rules(&w, rules);
		ok = ig_outfile_commit(&o);
	}
	ig_symtab_free(&w.model_words);
	ig_source_release(&w.s);
	ig_arena_free(a);
	ig_strtab_free(w.tab);
	return ok;
}
