/* Observers of the quantize block: minmax(s8, per_channel, quant_min: -127). */
#include <string.h>

#include "frontend/qconfig_parse.h"

const char *ig_qconfig_near(struct ig_qconfig_reader *r, const char *name, const char *const *names, int n)
{
	const char *best = ig_nearest(name, names, n);
	return best ? ig_arena_printf(r->arena, "; did you mean '%s'?", best) : "";
}

struct spec {
	struct ig_qspec *q;
	bool is_weight;
	bool has_min, has_max, has_scale, has_group, has_scheme;
};

static const char *const act_types[] = {"u8", "s8", "s16"}, *const weight_types[] = {"s8", "s4"};

static bool is_among(const char *s, const char *const *words, int n)
{
	for (int i = 0; i < n; i++)
		if (strcmp(s, words[i]) == 0)
			return true;
	return false;
}

static bool read_type(struct ig_qconfig_reader *r, const struct ast_expr *e, struct spec *s, bool *ok)
{
	enum ig_dtype dt;
	if (!ig_dtype_find(e->s, &dt))
		return false;
	*ok = s->is_weight ? is_among(e->s, weight_types, IG_COUNTOF(weight_types)) : is_among(e->s, act_types, IG_COUNTOF(act_types));
	if (*ok)
		s->q->dtype = dt;
	else
		ig_error(r->diag, e->loc, "%s of %s are not supported yet; %s", s->is_weight ? "weights" : "activations", e->s,
		         s->is_weight ? "weights are s8 or s4" : "activations are u8, s8 or s16");
	return true;
}

static bool read_scheme(struct ig_qconfig_reader *r, const struct ast_expr *e, struct spec *s, bool *ok)
{
	for (int i = 0; i < IG_SCHEME_COUNT; i++)
		if (strcmp(e->s, ig_scheme_names[i]) == 0) {
			*ok = !s->is_weight || i != IG_SCHEME_AFFINE;
			s->q->scheme = (enum ig_scheme)i;
			s->has_scheme = true;
			if (!*ok)
				ig_error(r->diag, e->loc, "weights have no zero point; they are symmetric or power_of_two");
			return true;
		}
	return false;
}

static bool read_option(struct ig_qconfig_reader *r, const struct ast_expr *e, struct spec *s)
{
	static const char *const options[] = {"u8", "s8", "s4", "s16", "per_channel", "per_tensor", "reduce_range", "affine", "symmetric", "power_of_two"};
	bool ok = true;
	if (e->kind != AST_NAME) {
		ig_error(r->diag, e->loc, "an option of an observer is a word: minmax(s8, per_channel)");
		return false;
	}
	if (read_type(r, e, s, &ok) || read_scheme(r, e, s, &ok))
		return ok;
	if (strcmp(e->s, "reduce_range") == 0)
		return s->q->reduce_range = true;
	if (strcmp(e->s, "per_tensor") == 0) {
		s->q->per_channel = false;
		return true;
	}
	if (strcmp(e->s, "per_channel") == 0) {
		if (!s->is_weight)
			ig_error(r->diag, e->loc, "activations per channel are not supported yet");
		s->q->per_channel = true;
		return s->is_weight;
	}
	ig_error(r->diag, e->loc, "unknown option '%s'%s", e->s, ig_qconfig_near(r, e->s, options, IG_COUNTOF(options)));
	return false;
}

/* A number in [lo, hi]; false after a diagnostic. */
static bool read_number(struct ig_qconfig_reader *r, const struct ast_arg *a, double lo, double hi, const char *what, double *out)
{
	const struct ast_expr *v = a->value;
	bool number = v->kind == AST_INT || v->kind == AST_FLOAT;
	*out = v->kind == AST_INT ? (double)v->i : number ? v->f : 0;
	if (number && *out >= lo && *out <= hi)
		return true;
	ig_error(r->diag, v->loc, "%s: takes %s", a->name, what);
	return false;
}

static bool read_int(struct ig_qconfig_reader *r, const struct ast_arg *a, int lo, int hi, int32_t *out)
{
	const struct ast_expr *v = a->value, *n = v->kind == AST_NEGATE ? v->a : v; /* a minus is an operator of the language */
	int64_t i = n->kind != AST_INT ? INT64_MIN : v == n ? n->i : -n->i;
	if (i >= lo && i <= hi) {
		*out = (int32_t)i;
		return true;
	}
	ig_error(r->diag, v->loc, "%s: takes an integer between %d and %d", a->name, lo, hi);
	return false;
}

static bool read_argument(struct ig_qconfig_reader *r, const struct ast_arg *a, struct spec *s)
{
	static const char *const own[IG_OBS_COUNT] = {[IG_OBS_MOVING_AVERAGE] = "averaging", [IG_OBS_HISTOGRAM] = "bins", [IG_OBS_PERCENTILE] = "percentile",
	                                              [IG_OBS_FIXED] = "scale and zero_point"};
	struct ig_qspec *q = s->q;
	if (strcmp(a->name, "averaging") == 0 && q->observer == IG_OBS_MOVING_AVERAGE)
		return read_number(r, a, 1e-9, 1, "a number above 0 and at most 1", &q->averaging);
	if (strcmp(a->name, "percentile") == 0 && q->observer == IG_OBS_PERCENTILE)
		return read_number(r, a, 50, 100, "a number between 50 and 100", &q->percentile);
	if (strcmp(a->name, "bins") == 0 && q->observer == IG_OBS_HISTOGRAM)
		return read_int(r, a, 16, 16384, &q->bins);
	if (strcmp(a->name, "scale") == 0 && q->observer == IG_OBS_FIXED)
		return s->has_scale = read_number(r, a, 1e-30, 1e30, "a number above 0", &q->scale);
	if (strcmp(a->name, "zero_point") == 0 && q->observer == IG_OBS_FIXED)
		return read_int(r, a, -128, 255, &q->zero_point);
	if (strcmp(a->name, "group") == 0 && s->is_weight)
		return s->has_group = read_int(r, a, 2, 65536, &q->group);
	if (strcmp(a->name, "quant_min") == 0)
		return s->has_min = read_int(r, a, -128, 254, &q->quant_min);
	if (strcmp(a->name, "quant_max") == 0)
		return s->has_max = read_int(r, a, -127, 255, &q->quant_max);
	const char *has = own[q->observer];
	ig_error(r->diag, a->loc, "%s has no argument '%s'; it has %s%squant_min and quant_max", ig_observer_names[q->observer], a->name, has ? has : "", has ? ", " : "");
	return false;
}

/* What no argument alone can be wrong in. */
static bool check_limits(struct ig_qconfig_reader *r, const struct ast_expr *e, struct spec *s)
{
	struct ig_qspec all = {.dtype = s->q->dtype};
	int32_t qmin, qmax;
	ig_qspec_limits(&all, &qmin, &qmax);
	s->q->limited = s->has_min || s->has_max;
	if (s->has_min != s->has_max) {
		ig_error(r->diag, e->loc, "quant_min and quant_max go together");
		return false;
	}
	if (s->q->limited && (s->q->quant_min < qmin || s->q->quant_max > qmax || s->q->quant_min >= s->q->quant_max)) {
		ig_error(r->diag, e->loc, "quant_min %d and quant_max %d are no range of %s, whose values are %d to %d", (int)s->q->quant_min, (int)s->q->quant_max,
		         ig_dtypes[s->q->dtype].name, (int)qmin, (int)qmax);
		return false;
	}
	return true;
}

static bool check_fixed(struct ig_qconfig_reader *r, const struct ast_expr *e, const struct spec *s)
{
	int32_t qmin, qmax;
	ig_qspec_limits(s->q, &qmin, &qmax);
	if (s->q->observer != IG_OBS_FIXED)
		return true;
	if (!s->has_scale)
		ig_error(r->diag, e->loc, "fixed needs its scale: fixed(u8, scale: 0.05, zero_point: 128)");
	else if (s->q->zero_point < qmin || s->q->zero_point > qmax)
		ig_error(r->diag, e->loc, "zero_point %d is no value of %s, which has %d to %d", (int)s->q->zero_point, ig_dtypes[s->q->dtype].name, (int)qmin, (int)qmax);
	return s->has_scale && s->q->zero_point >= qmin && s->q->zero_point <= qmax;
}

/* Activations in 16 bits: one step, all integers, zero at zero. */
static bool check_wide(struct ig_qconfig_reader *r, const struct ast_expr *e, const struct spec *s)
{
	struct ig_qspec *q = s->q;
	bool of_8_bits = q->observer == IG_OBS_HISTOGRAM || q->observer == IG_OBS_MSE || q->observer == IG_OBS_ENTROPY;
	if (!s->has_scheme)
		q->scheme = IG_SCHEME_SYMMETRIC;
	if (of_8_bits)
		ig_error(r->diag, e->loc, "%s weighs rounding to 8 bits against clipping; s16 takes minmax, moving_average, percentile or fixed", e->s);
	else if (q->scheme == IG_SCHEME_AFFINE || q->zero_point != 0)
		ig_error(r->diag, e->loc, "activations of s16 have no zero point; they are symmetric or power_of_two");
	else if (q->limited || q->reduce_range)
		ig_error(r->diag, e->loc, "activations of s16 use all its values; quant_min, quant_max and reduce_range are of u8 and s8");
	else
		return true;
	return false;
}

static bool check(struct ig_qconfig_reader *r, const struct ast_expr *e, struct spec *s)
{
	struct ig_qspec *q = s->q;
	if (s->has_group && !q->per_channel) {
		ig_error(r->diag, e->loc, "group: divides the weights of each channel; it does not go with per_tensor");
		return false;
	}
	if (!check_limits(r, e, s) || !check_fixed(r, e, s))
		return false;
	if (q->reduce_range && q->scheme != IG_SCHEME_AFFINE && !ig_dtypes[q->dtype].is_signed && !q->limited) {
		ig_error(r->diag, e->loc, "a symmetric scheme with reduce_range has its zero point, 128, outside of its values; take s8, or quant_min and quant_max");
		return false;
	}
	if (q->dtype == IG_DT_S16 && !check_wide(r, e, s))
		return false;
	q->narrow = q->narrow && !q->limited && !q->reduce_range && q->dtype == IG_DT_S8;
	return true;
}

bool ig_qconfig_observer(struct ig_qconfig_reader *r, const struct ast_expr *e, bool is_weight, struct ig_qspec *q)
{
	static const bool of_weights[IG_OBS_COUNT] = {[IG_OBS_MINMAX] = true, [IG_OBS_MOVING_AVERAGE] = true, [IG_OBS_MSE] = true};
	if (e->kind != AST_NAME && e->kind != AST_CALL) {
		ig_error(r->diag, e->loc, "an observer is expected here: minmax, moving_average, histogram, mse, percentile, entropy or fixed");
		return false;
	}
	if (strcmp(e->s, "recording") == 0) {
		ig_error(r->diag, e->loc, "recording keeps values and gives no range, in PyTorch too; 'intaglio run --engine float --dump-tensors FOLDER' writes the values to look at");
		return false;
	}
	int i = 0;
	while (i < IG_OBS_COUNT && strcmp(ig_observer_names[i], e->s) != 0)
		i++;
	if (i == IG_OBS_COUNT) {
		ig_error(r->diag, e->loc, "unknown observer '%s'%s", e->s, ig_qconfig_near(r, e->s, ig_observer_names, IG_OBS_COUNT));
		return false;
	}
	if (is_weight && !of_weights[i]) {
		ig_error(r->diag, e->loc, "%s is for activations; weights take minmax, moving_average or mse", e->s);
		return false;
	}
	struct spec s = {.q = q, .is_weight = is_weight};
	q->observer = (enum ig_observer)i;
	q->reduce_range = false;
	bool ok = true;
	for (const struct ast_arg *a = e->kind == AST_CALL ? e->args : NULL; a; a = a->next)
		ok &= a->name ? read_argument(r, a, &s) : read_option(r, a->value, &s);
	return ok && check(r, e, &s);
}
