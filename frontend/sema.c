/* The file as a whole: its one model, blocks, weights file; what is left over at the end. */
#include "frontend/sema.h"

#include <stdlib.h>
#include <string.h>

#include "ir/print.h"

static void index_blocks(struct sema *s)
{
	for (const struct ast_block *b = s->file->blocks; b; b = b->next) {
		enum ig_op op;
		int *at = ig_symtab_at(&s->block_index, b->name, -1);
		if (*at >= 0) {
			ig_error(s->diag, b->loc, "block '%s' is defined twice", b->name);
			ig_note(s->diag, s->blocks.v[*at].ast->loc, "the first definition is here");
			continue;
		}
		*at = s->blocks.n;
		ig_vec_push(&s->blocks, ((struct sema_block){.ast = b}));
		if (ig_op_find(b->name, &op))
			ig_error(s->diag, b->loc, "'%s' is an operation; a block needs another name", b->name);
		for (const struct ast_param *p = b->params; p; p = p->next) {
			if (strcmp(p->name, "name") == 0)
				ig_error(s->diag, p->loc, "a parameter cannot be called 'name': that argument names the block's instance");
			for (const struct ast_param *q = b->params; q != p; q = q->next)
				if (q->name == p->name)
					ig_error(s->diag, p->loc, "block '%s' has two parameters '%s'", b->name, p->name);
		}
		const struct ast_stmt *last = b->body;
		while (last && last->next)
			last = last->next;
		if (!last || last->kind != AST_RETURN)
			ig_error(s->diag, b->loc, "block '%s' does not end with a return", b->name);
	}
}

static void open_weights(struct sema *s)
{
	const struct ast_weights *w = s->file->weights;
	if (!w)
		return;
	for (const struct ast_weights *more = w->next; more; more = more->next)
		ig_error(s->diag, more->loc, "a second weights line; a model has one weights file");
	s->weights_loc = w->loc;
	s->weights_failed = true;
	if (w->path->a || !*w->path->s) {
		ig_error(s->diag, w->loc, w->path->a ? "the name of a weights file is a plain string" : "the name of the weights file is empty");
		return;
	}
	const char *slash = strrchr(s->file->file, '/');
	s->weights_path = w->path->s;
	const char *path = s->weights_path[0] == '/' || !slash
	                       ? s->weights_path
	                       : ig_arena_printf(s->arena, "%.*s/%s", (int)(slash - s->file->file), s->file->file, s->weights_path);
	s->weights = ig_safetensors_open(path, s->diag);
	s->weights_failed = !s->weights;
}

static const struct ast_model *the_model(struct sema *s)
{
	const struct ast_model *m = s->file->models;
	if (!m) {
		ig_error(s->diag, (struct ig_loc){.file = s->file->file}, "there is no model in this file: model NAME(x: f32[1, 10]) -> (y: f32[1, 2]) { ... }");
		return NULL;
	}
	for (const struct ast_model *more = m->next; more; more = more->next) {
		ig_error(s->diag, more->loc, "a second model; a file has one");
		ig_note(s->diag, m->loc, "the first is here");
	}
	if (!m->inputs)
		ig_error(s->diag, m->loc, "model '%s' has no inputs", m->name);
	if (!m->outputs)
		ig_error(s->diag, m->loc, "model '%s' has no outputs", m->name);
	return m;
}

static void add_input(struct sema *s, const struct ast_param *p)
{
	struct ig_type t;
	struct ig_graph *g = s->graph;
	struct sema_value v = SEMA_BAD;
	if (ig_sema_type(s, p->type, &t) && ig_sema_room(s, p->loc)) {
		const char *name = ig_intern(g->names, p->name);
		struct ig_nid id = ig_graph_add(g, IG_OP_INPUT, name, p->loc, NULL, 0);
		*ig_symtab_at(&s->layer_names, name, 0) = 1;
		*ig_symtab_at(&s->value_names, name, 0) = 1;
		v = (struct sema_value){.kind = V_TENSOR, .u.v = ig_node(g, id)->out[0]};
		ig_value(g, v.u.v)->type = t;
		if (p->type->layout) {
			const struct ast_name *w = p->type->layout;
			bool nhwc = strcmp(w->name, "nhwc") == 0;
			if (!nhwc && strcmp(w->name, "nchw") != 0)
				ig_error(s->diag, w->loc, "unknown layout '%s'; there are nchw and nhwc", w->name);
			else if (nhwc && t.rank != 4)
				ig_error(s->diag, w->loc, "only a tensor [N, C, H, W] can be nhwc in memory");
			else if (nhwc)
				ig_attr_set_str(g, id, IG_A_LAYOUT, "nhwc");
		}
		ig_graph_mark_input(g, v.u.v);
		if (!ig_infer_node(g, id, s->diag))
			v = SEMA_BAD;
	}
	ig_sema_define(s, p->name, v);
}

static void check_signature(struct sema *s, const struct ast_model *m)
{
	for (const struct ast_param *p = m->inputs; p; p = p->next)
		for (const struct ast_param *q = m->inputs; q != p; q = q->next)
			if (q->name == p->name)
				ig_error(s->diag, p->loc, "input '%s' is declared twice", p->name);
	for (const struct ast_param *p = m->outputs; p; p = p->next) {
		for (const struct ast_param *q = m->outputs; q != p; q = q->next)
			if (q->name == p->name)
				ig_error(s->diag, p->loc, "output '%s' is declared twice", p->name);
		for (const struct ast_param *q = m->inputs; q; q = q->next)
			if (q->name == p->name)
				ig_error(s->diag, p->loc, "'%s' is an input and an output; they need different names", p->name);
		if (p->type->layout)
			ig_error(s->diag, p->type->layout->loc, "a memory layout is for inputs");
	}
	if (m->stage) {
		if (strcmp(m->stage->name, "quantized") == 0)
			s->graph->stage = IG_STAGE_QUANTIZED;
		else
			ig_error(s->diag, m->stage->loc, "unexpected '%s'; expected '{' (or quantized, in a printed graph)", m->stage->name);
	}
}

static void take_outputs(struct sema *s, const struct ast_model *m)
{
	for (const struct ast_param *p = m->outputs; p && !s->stop; p = p->next) {
		struct ig_type t;
		const struct sema_var *v = ig_sema_lookup(s, p->name);
		if (!v) {
			ig_error(s->diag, p->loc, "output '%s' is never assigned", p->name);
		} else if (v->value.kind != V_BAD && v->value.kind != V_TENSOR) {
			ig_error(s->diag, p->loc, "output '%s' is assigned %s, not a tensor", p->name, ig_sema_kind(&v->value));
		} else if (ig_sema_type(s, p->type, &t) && v->value.kind == V_TENSOR) {
			int before = ig_diag_errors(s->diag);
			ig_sema_check_type(s, p->type, &t, ig_vtype(s->graph, v->value.u.v));
			if (ig_diag_errors(s->diag) > before)
				ig_note(s->diag, ig_def(s->graph, v->value.u.v)->loc, "output '%s' is made here", p->name);
			ig_graph_mark_output(s->graph, v->value.u.v, p->name);
		}
	}
}

static bool ends_with(const char *s, const char *tail)
{
	size_t n = strlen(s), m = strlen(tail);
	return n >= m && strcmp(s + n - m, tail) == 0;
}

/* Of a correct model: layers, inputs, tensors and blocks that do nothing. */
static void warn_unused(struct sema *s)
{
	struct ig_graph *g = s->graph;
	bool *used = ig_xcalloc((size_t)g->n_values, sizeof *used);
	for (int i = 0; i < g->n_nodes; i++)
		for (int k = 0; k < g->node[i].n_in; k++)
			used[g->node[i].in[k].i] = true;
	for (int i = 0; i < g->n_outputs; i++)
		used[g->output[i].i] = true;
	for (int i = 0; i < g->n_nodes; i++) {
		const struct ig_node *n = &g->node[i];
		if (!used[n->out[0].i])
			ig_warn(s->diag, n->loc, n->op == IG_OP_INPUT ? "input '%s' is not used" : "the result of layer '%s' is not used", n->name);
	}
	free(used);
	for (int i = 0; i < s->blocks.n; i++)
		if (!s->blocks.v[i].used)
			ig_warn(s->diag, s->blocks.v[i].ast->loc, "block '%s' is never used, so nothing in it was checked", s->blocks.v[i].ast->name);
	int unused = 0;
	for (int i = 0; s->weights && i < s->weights->n; i++) {
		const struct ig_st_entry *e = &s->weights->entry[i];
		if (!e->used && !ends_with(e->name, "num_batches_tracked") && unused++ < 10)
			ig_warn(s->diag, s->weights_loc, "nothing uses tensor '%s' %s of %s", e->name, ig_sema_dims(s, e->type.rank, e->type.dim), s->weights_path);
	}
	if (unused > 10)
		ig_warn(s->diag, s->weights_loc, "nothing uses %d more tensors of %s", unused - 10, s->weights_path);
}

static void check(struct sema *s, const struct ast_model *m)
{
	struct sema_scope scope = {0};
	s->scope = &scope;
	check_signature(s, m);
	for (const struct ast_param *p = m->inputs; p; p = p->next)
		add_input(s, p);
	ig_sema_body(s, m->body);
	take_outputs(s, m);
	s->scope = NULL;
	ig_sema_scope_free(&scope);
}

struct ig_graph *ig_sema_model(const struct ast_file *f, struct ig_diag *d)
{
	struct sema s = {.diag = d, .file = f, .arena = f->arena, .prefix = ""};
	int before = ig_diag_errors(d);
	s.graph = ig_graph_new(f->models ? f->models->name : "");
	index_blocks(&s);
	const struct ast_model *m = the_model(&s);
	if (m) {
		open_weights(&s);
		check(&s, m);
	}
	bool ok = ig_diag_errors(d) == before;
	if (ok) {
		warn_unused(&s);
		s.graph->weights_hash = ig_hash_weights(s.graph);
	} else {
		ig_graph_free(s.graph);
		s.graph = NULL;
	}
	if (s.weights)
		ig_safetensors_close(s.weights);
	ig_symtab_free(&s.block_index);
	ig_symtab_free(&s.layer_names);
	ig_symtab_free(&s.instance_names);
	ig_symtab_free(&s.value_names);
	ig_vec_free(&s.blocks);
	return s.graph;
}
