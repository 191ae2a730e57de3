/* Entry points: model files and files of quantization rules. */
#include "frontend/frontend.h"

#include <stdlib.h>
#include <string.h>

#include "frontend/ast.h"
#include "frontend/fileio.h"
#include "frontend/qconfig_parse.h"
#include "frontend/safetensors.h"
#include "frontend/sema.h"
#include "ir/number.h"
#include "ir/outfile.h"
#include "ir/print.h"

#define MAX_TEXT (64u << 20)

static bool check_size(const char *path, size_t len, struct ig_diag *d)
{
	if (len <= MAX_TEXT)
		return true;
	ig_error(d, ig_loc_file(d, path), "this file has %zu bytes; a model text has at most %u", len, MAX_TEXT);
	return false;
}

struct ig_model *ig_model_parse(const char *path, const char *text, size_t len, struct ig_diag *d)
{
	int before = ig_diag_errors(d);
	if (!check_size(path, len, d))
		return NULL;
	struct ast_file *f = ig_ast_parse(path, text, len, d);
	/* Where statements are missing for want of syntax, the checker would complain of their absence. */
	bool syntax = ig_diag_errors(d) == before;
	struct ig_model *m = ig_xcalloc(1, sizeof *m);
	if (syntax) {
		m->graph = ig_sema_model(f, d);
		m->qconfig = ig_qconfig_rules(f, d);
	}
	ig_ast_free(f);
	if (ig_diag_errors(d) == before)
		return m;
	ig_model_free(m);
	return NULL;
}

/* The format has no type of four bits: such numbers are written as bytes. */
static const struct ig_tensor *writable(const struct ig_tensor *t, struct ig_arena *a)
{
	if (t->type.dtype != IG_DT_S4)
		return t;
	struct ig_type type = t->type;
	type.dtype = IG_DT_S8;
	struct ig_tensor *x = ig_tensor_new(a, &type);
	for (int64_t i = 0, n = ig_elems(&type); i < n; i++)
		ig_put_int(x, i, ig_get_int(t, i));
	return x;
}

bool ig_model_write_weights(const struct ig_graph *g, const char *path, struct ig_diag *d)
{
	const char **names = ig_xcalloc((size_t)g->n_nodes, sizeof *names);
	const struct ig_tensor **tensors = ig_xcalloc((size_t)g->n_nodes, sizeof *tensors);
	struct ig_arena *a = ig_arena_new();
	int n = 0;
	for (struct ig_nid id = ig_first(g); id.i >= 0; id = ig_next(g, id))
		if (ig_node(g, id)->op == IG_OP_CONSTANT) {
			names[n] = ig_node(g, id)->name;
			tensors[n++] = writable(ig_node(g, id)->data, a);
		}
	bool ok = ig_safetensors_write(path, names, tensors, n, d);
	ig_arena_free(a);
	free(names);
	free(tensors);
	return ok;
}

bool ig_model_write(const struct ig_graph *g, const char *path, const char *weights_path, struct ig_diag *d)
{
	const char *base = strrchr(path, '/');
	size_t folder = base ? (size_t)(base + 1 - path) : 0;
	bool beside = strncmp(path, weights_path, folder) == 0 && !strchr(weights_path + folder, '/');
	if (!beside && weights_path[0] != '/') {
		ig_error(d, ig_loc_file(d, weights_path), "the weights of %s must be written to its folder, or named by an absolute path", path);
		return false;
	}
	struct ig_outfile out;
	FILE *f = ig_model_write_weights(g, weights_path, d) ? ig_outfile_open(&out, path, d) : NULL;
	if (f)
		ig_print(g, f, beside ? weights_path + folder : weights_path);
	return f && ig_outfile_commit(&out);
}

struct ig_model *ig_model_load(const char *path, struct ig_diag *d)
{
	struct ig_map map;
	if (!ig_map_file(path, &map, d))
		return NULL;
	struct ig_model *m = ig_model_parse(path, map.data ? (const char *)map.data : "", map.bytes, d);
	ig_unmap(&map);
	return m;
}

void ig_model_free(struct ig_model *m)
{
	if (!m)
		return;
	ig_graph_free(m->graph);
	ig_qconfig_map_free(m->qconfig);
	free(m);
}

struct ig_qconfig_map *ig_qconfig_parse(const char *path, const char *text, size_t len, struct ig_diag *d)
{
	int before = ig_diag_errors(d);
	struct ig_qconfig_map *m = NULL;
	if (!check_size(path, len, d))
		return NULL;
	struct ast_file *f = ig_ast_parse(path, text, len, d);
	if (f->models || f->blocks || f->weights)
		ig_error(d, f->models ? f->models->loc : f->blocks ? f->blocks->loc : f->weights->loc,
		         "a file of quantization rules has a quantize block and nothing else");
	else if (!f->quantize && ig_diag_errors(d) == before)
		ig_error(d, (struct ig_loc){.file = f->file}, "there is no quantize block in this file");
	if (ig_diag_errors(d) == before)
		m = ig_qconfig_rules(f, d);
	ig_ast_free(f);
	if (m && ig_diag_errors(d) > before) {
		ig_qconfig_map_free(m);
		m = NULL;
	}
	return m;
}

struct ig_qconfig_map *ig_qconfig_load(const char *path, struct ig_diag *d)
{
	struct ig_map map;
	if (!ig_map_file(path, &map, d))
		return NULL;
	struct ig_qconfig_map *m = ig_qconfig_parse(path, map.data ? (const char *)map.data : "", map.bytes, d);
	ig_unmap(&map);
	return m;
}
