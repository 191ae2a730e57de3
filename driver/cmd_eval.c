/* intaglio eval: accuracy of the float and the quantized model side by side, and a verdict. */
#include "driver/eval.h"

static int evaluate(struct ig_evaluation *v, const bool *use)
{
	struct ig_session *s = &v->s;
	struct ig_out out;
	if (!ig_session_load(s, s->o->args.v[0]) || !ig_session_float(s))
		return IG_EXIT_DIAG;
	if (ig_eval_quantized(use) != IG_ENGINE_COUNT && (!ig_session_stats(s) || !ig_session_quantize(s)))
		return IG_EXIT_DIAG;
	int status = IG_EXIT_DIAG;
	if (ig_eval_open(v) && ig_eval_begin(v, use, false) && ig_eval_samples(v, "evaluating") && ig_out_open(&out, s->o, s->diag)) {
		struct ig_figures f = ig_eval_figures(v);
		ig_eval_warn_shift(v);
		if (ig_opt_given(s->o, IG_OPT_JSON))
			ig_json_print(ig_eval_json(v, &f), out.f);
		else
			ig_eval_text(v, &f, out.f);
		status = !ig_out_close(&out) ? IG_EXIT_DIAG : f.pass ? IG_EXIT_OK : IG_EXIT_VERDICT;
	}
	ig_eval_end(v);
	ig_eval_close(v);
	return status;
}

static int run(const struct ig_opts *o)
{
	struct ig_evaluation v = {.n = 0};
	bool use[IG_ENGINE_COUNT];
	int status = ig_session_check(o);
	if (status != IG_EXIT_OK)
		return status;
	if (!ig_opt_given(o, IG_OPT_DATA))
		return ig_usage_error(o->cmd, "--data is missing");
	if (!ig_engine_list(o, "float,reference,native", use))
		return IG_EXIT_USAGE;
	if (ig_opt_given(o, IG_OPT_MIN_AGREEMENT) && (!use[IG_ENGINE_FLOAT] || ig_eval_quantized(use) == IG_ENGINE_COUNT))
		return ig_usage_error(o->cmd, "--min-agreement needs the float engine and another one");
	if ((status = ig_eval_check(o, use)) != IG_EXIT_OK)
		return status;
	ig_session_begin(&v.s, o);
	status = evaluate(&v, use);
	ig_session_close(&v.s);
	return status;
}

static const struct ig_opt_use opts[] = {
	{IG_OPT_DATA, NULL},
	{IG_OPT_LABELS, "one integer label a sample, or a token (.npy; -1: not counted); without it only agreement and bytes are judged"},
	{IG_OPT_METRIC, NULL},
	{IG_OPT_TOP_K, NULL},
	{IG_OPT_SAMPLES, NULL},
	{IG_OPT_CALIBRATION, NULL},
	{IG_OPT_CALIBRATION_SAMPLES, NULL},
	{IG_OPT_QCONFIG, NULL},
	{IG_OPT_DIM, NULL},
	{IG_OPT_ENGINE, "engines to run: float, reference, kir, native (default float,reference,native)"},
	{IG_OPT_TARGET, NULL},
	{IG_OPT_MAX_LOSS, NULL},
	{IG_OPT_MIN_AGREEMENT, NULL},
	{IG_OPT_THREADS, "split each call of the native engine over N threads (default 1, at most 32); results do not depend on it"},
	{IG_OPT_JOBS, NULL},
	{IG_OPT_OUTPUT, NULL},
	{IG_OPT_VERIFY, NULL},
	{IG_OPT_JSON, NULL},
	{IG_OPT_QUIET, NULL},
	{IG_OPT_HELP, NULL},
};
const struct ig_command ig_cmd_eval = {
	.name = "eval",
	.args = "MODEL --data F",
	.summary = "accuracy of the float and the quantized model, with a verdict",
	.text = "Runs each sample through the engines and prints how good their answers are, how often\n"
	        "the quantized model gives the float model's answer, and how exact its outputs are,\n"
	        "with 95 % intervals by a paired bootstrap of the samples. The engines of the\n"
	        "quantized model must give the same bytes.\n"
	        "\n"
	        "The metric is top-1 accuracy of one label a sample; perplexity of one label a token\n"
	        "(output [1, tokens, vocabulary], logits or softmax); AUC of labels 0 and 1 against an\n"
	        "output of one number, or against the reconstruction error when the output has the\n"
	        "input's size. The loss is the points that accuracy or AUC fall by, the share that\n"
	        "perplexity grows by, or (--metric mse) the noise's share of the outputs' power.\n"
	        "Below 1 % it is excellent, up to 2 % acceptable.\n"
	        "\n"
	        "The exit status is 3 when the loss is above --max-loss, the agreement below\n"
	        "--min-agreement, or bytes differ.\n",
	.examples = "  intaglio eval kws.ig --calibration calib.npy --data test.npy --labels test_labels.npy\n"
	            "  intaglio eval kws.ig --calibration kws.state --data test.npy --engine float,reference,kir,native --json\n",
	.min_args = 1,
	.max_args = 1,
	.opts = opts,
	.run = run,
};
