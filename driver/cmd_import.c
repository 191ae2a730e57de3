/* intaglio import: an ONNX model as text of the language with its weights beside it. */
#include <stdlib.h>
#include <string.h>

#include "driver/report.h"
#include "driver/session.h"
#include "frontend/source.h"

/* NAME.ig -> NAME.safetensors; NULL: it has another ending. */
static char *weights_beside(const char *path)
{
	size_t n = strlen(path);
	char *s = NULL;
	if (n < 4 || !ig_ends_with(path, ".ig") || path[n - 4] == '/')
		return NULL;
	s = ig_xcalloc(n + sizeof ".safetensors", 1);
	memcpy(s, path, n - 3);
	strcat(s, ".safetensors");
	return s;
}

static void summary(const struct ig_session *s, const char *path, const char *weights)
{
	const struct ig_graph *g = s->model->graph;
	int layers = 0;
	size_t bytes = 0;
	for (struct ig_nid id = ig_first(g); id.i >= 0; id = ig_next(g, id)) {
		const struct ig_node *n = ig_node(g, id);
		layers += n->op != IG_OP_CONSTANT && n->op != IG_OP_INPUT;
		bytes += n->data ? n->data->bytes : 0;
	}
	if (!ig_opt_given(s->o, IG_OPT_QUIET))
		printf("%s: %d layers; %s: %zu bytes of weights\n", path, layers, weights, bytes);
}

static int run(const struct ig_opts *o)
{
	struct ig_session s;
	const char *path = ig_opt_str(o, IG_OPT_OUTPUT);
	if (!path)
		return ig_usage_error(o->cmd, "-o MODEL.ig is missing");
	if (!ig_ends_with(o->args.v[0], ".onnx"))
		return ig_usage_error(o->cmd, "import reads ONNX models, whose names end in .onnx; '%s' does not", o->args.v[0]);
	char *weights = weights_beside(path);
	if (!weights)
		return ig_usage_error(o->cmd, "-o takes the name of a .ig file, not '%s'", path);
	int status = ig_session_check(o);
	if (status == IG_EXIT_OK) {
		ig_session_begin(&s, o);
		bool ok = ig_session_load(&s, o->args.v[0]);
		if (ok)
			ok = ig_source_can(s.model->graph) ? ig_source_write(s.model->graph, s.model->qconfig, path, weights, s.diag) : ig_model_write(s.model->graph, path, weights, s.diag);
		if (ok)
			summary(&s, path, weights);
		ok = ok && ig_stdout_check(s.diag);
		ig_session_close(&s);
		status = ok ? IG_EXIT_OK : IG_EXIT_DIAG;
	}
	free(weights);
	return status;
}

static const struct ig_opt_use opts[] = {
	{IG_OPT_OUTPUT, "the text to write; the weights go into a .safetensors beside it"},
	{IG_OPT_DIM, NULL},
	{IG_OPT_QUIET, NULL},
	{IG_OPT_HELP, NULL},
};
const struct ig_command ig_cmd_import = {
	.name = "import",
	.args = "MODEL.onnx -o MODEL.ig",
	.summary = "write an ONNX model as text, with its weights beside it",
	.text = "Reads an ONNX model and writes it in the language: layers with the names of their\n"
	        "nodes, what repeats as blocks and repeats, and the weights in a .safetensors file\n"
	        "of the same name. Compiling the text gives the same object as compiling the ONNX.\n"
	        "\n"
	        "A model that is quantized already is written in explicit form, every value with\n"
	        "its type and parameters.\n",
	.examples = "  intaglio import resnet50.onnx -o resnet50.ig\n"
	            "  intaglio import encoder.onnx --dim sequence=128 -o encoder.ig\n",
	.min_args = 1,
	.max_args = 1,
	.opts = opts,
	.run = run,
};
