/* intaglio export: the quantized graph (or the float one) as an ONNX file. */
#include "driver/session.h"

#include <string.h>

/* Layers that quantize their input at run time are wanted and need no calibration. */
static bool has_dynamic(const struct ig_graph *g)
{
	for (struct ig_nid id = ig_first(g); id.i >= 0; id = ig_next(g, id))
		if (ig_node(g, id)->precision == IG_PREC_DYNAMIC)
			return true;
	return false;
}

static bool stays_float(const struct ig_session *s)
{
	return !ig_opt_given(s->o, IG_OPT_CALIBRATION) && s->flt->stage != IG_STAGE_QUANTIZED && !s->given && !has_dynamic(s->flt);
}

static bool export_model(struct ig_session *s, const char *path)
{
	if (!ig_session_load(s, path) || !ig_session_float(s))
		return false;
	if (stays_float(s)) /* nothing says how to quantize it */
		return ig_onnx_export(s->flt, ig_opt_str(s->o, IG_OPT_OUTPUT), s->diag);
	return ig_session_stats(s) && ig_session_quantize(s) && ig_onnx_export(s->quant, ig_opt_str(s->o, IG_OPT_OUTPUT), s->diag);
}

static int run(const struct ig_opts *o)
{
	struct ig_session s;
	int status = ig_session_check(o);
	if (status != IG_EXIT_OK)
		return status;
	if (!ig_opt_given(o, IG_OPT_OUTPUT))
		return ig_usage_error(o->cmd, "name the file to write: -o MODEL.onnx");
	ig_session_begin(&s, o);
	bool ok = export_model(&s, o->args.v[0]);
	ig_session_close(&s);
	return ok ? IG_EXIT_OK : IG_EXIT_DIAG;
}

static const struct ig_opt_use opts[] = {
	{IG_OPT_OUTPUT, "the ONNX file to write"},
	{IG_OPT_CALIBRATION, "export the quantized model that this calibration gives (data or a state)"},
	{IG_OPT_CALIBRATION_SAMPLES, NULL},
	{IG_OPT_QCONFIG, NULL},
	{IG_OPT_DIM, NULL},
	{IG_OPT_JOBS, NULL},
	{IG_OPT_QUIET, NULL},
	{IG_OPT_HELP, NULL},
};
const struct ig_command ig_cmd_export = {
	.name = "export",
	.args = "MODEL",
	.summary = "write a model as ONNX: quantized as QDQ, else in float",
	.text = "Writes the model as an ONNX file (opset 14). With --calibration, or of a model that is\n"
	        "quantized already, it is the quantized model: activations of 8 bits, weights of 8 bits\n"
	        "with a scale for each output channel, biases of 32 bits, as QuantizeLinear and\n"
	        "DequantizeLinear around the float operators, which ONNX Runtime and others turn into\n"
	        "integer ones. Layers under the mode `dynamic` are DynamicQuantizeLinear and\n"
	        "MatMulInteger or ConvInteger. Otherwise it is the float model, with batch\n"
	        "normalization folded.\n"
	        "Layers that ONNX cannot express are named.\n",
	.examples = "  intaglio export kws.ig --calibration kws.state -o kws_int8.onnx\n"
	            "  intaglio export resnet8.ig -o resnet8.onnx\n",
	.min_args = 1,
	.max_args = 1,
	.opts = opts,
	.run = run,
};
