/* Declared types with their quantization parameters, and constants. */
#include "frontend/sema.h"
#include "ir/number.h"

#include <float.h>
#include <math.h>
#include <string.h>

static bool dtype_of(struct sema *s, const struct ast_type *t, enum ig_dtype *dt)
{
	if (ig_dtype_find(t->dtype, dt))
		return true;
	const char *names[IG_DT_COUNT];
	for (int i = 0; i < IG_DT_COUNT; i++)
		names[i] = ig_dtypes[i].name;
	ig_error(s->diag, t->loc, "unknown element type '%s'%s", t->dtype, ig_sema_near(s, t->dtype, names, IG_DT_COUNT));
	return false;
}

/* The range of an integer element type; what its parameters may span when nothing narrower is said. */
static void dtype_range(enum ig_dtype dt, int64_t *lo, int64_t *hi)
{
	int bits = ig_dtypes[dt].bits < 32 ? ig_dtypes[dt].bits : 32;
	*lo = ig_dtypes[dt].is_signed ? -((int64_t)1 << (bits - 1)) : 0;
	*hi = ig_dtypes[dt].is_signed ? ((int64_t)1 << (bits - 1)) - 1 : ((int64_t)1 << bits) - 1;
}

struct qparam_text {
	const struct ast_arg *scale, *zero_point, *axis, *group, *qmin, *qmax, *fixed;
};

static bool collect_qparams(struct sema *s, const struct ast_type *t, struct qparam_text *q)
{
	static const char *const names[] = {"scale", "zero_point", "axis", "group", "qmin", "qmax", "fixed"};
	const struct ast_arg **slots[] = {&q->scale, &q->zero_point, &q->axis, &q->group, &q->qmin, &q->qmax, &q->fixed};
	for (const struct ast_arg *a = t->qparams; a; a = a->next) {
		size_t i = 0;
		while (i < IG_COUNTOF(names) && strcmp(names[i], a->name) != 0)
			i++;
		if (i == IG_COUNTOF(names)) {
			if (strcmp(a->name, "dynamic") == 0)
				ig_error(s->diag, a->loc, "parameters are numbers; a layer that finds those of its input at run time has `dynamic: 255`");
			else
				ig_error(s->diag, a->loc, "unknown quantization parameter '%s'%s", a->name, ig_sema_near(s, a->name, names, IG_COUNTOF(names)));
			return false;
		}
		if (*slots[i]) {
			ig_error(s->diag, a->loc, "%s: is given twice", a->name);
			return false;
		}
		*slots[i] = a;
	}
	if (!q->scale)
		ig_error(s->diag, t->loc, "quantization parameters need a scale: {scale: 0.1, zero_point: 3}");
	return q->scale != NULL;
}

/* A lone number or a list; -1 after a diagnostic. */
static int64_t items_of(struct sema *s, const struct ast_arg *a, struct sema_value *v)
{
	*v = ig_sema_eval(s, a->value);
	if (v->kind == V_BAD)
		return -1;
	if (v->kind != V_LIST)
		return 1;
	if (v->u.list.n > 0)
		return v->u.list.n;
	ig_error(s->diag, a->value->loc, "%s: is an empty list", a->name);
	return -1;
}

static const struct sema_value *item(const struct sema_value *v, int64_t i) { return v->kind == V_LIST ? &v->u.list.item[i] : v; }

static bool read_scales(struct sema *s, const struct ast_arg *a, const struct sema_value *v, int64_t n, float *out)
{
	for (int64_t i = 0; i < n; i++) {
		const struct sema_value *x = item(v, i);
		double f = x->kind == V_INT ? (double)x->u.i : x->kind == V_FLOAT ? x->u.f : (double)NAN;
		out[i] = f > 0 && f <= (double)FLT_MAX ? (float)f : 0.0f;
		if (!(out[i] > 0)) {
			ig_error(s->diag, a->value->loc, "a scale must be a positive, finite float32 number");
			return false;
		}
	}
	return true;
}

static bool read_zero_points(struct sema *s, const struct ast_arg *a, const struct sema_value *v, int64_t nv, int64_t n, enum ig_dtype dt, int32_t *out)
{
	int64_t lo, hi;
	dtype_range(dt, &lo, &hi);
	if (nv != 1 && nv != n) {
		ig_error(s->diag, a->value->loc, "there are %lld zero points for %lld scales", (long long)nv, (long long)n);
		return false;
	}
	for (int64_t i = 0; i < n; i++) {
		const struct sema_value *x = item(v, nv == 1 ? 0 : i);
		if (x->kind != V_INT || x->u.i < lo || x->u.i > hi) {
			ig_error(s->diag, a->value->loc, "a zero point of %s must be an integer between %lld and %lld", ig_dtypes[dt].name, (long long)lo, (long long)hi);
			return false;
		}
		out[i] = (int32_t)x->u.i;
	}
	return true;
}

/* One parameter set for the tensor, one for each place along the axis, or one for each group of places along it. */
static bool check_count(struct sema *s, const struct ast_arg *scale, const struct ig_type *t, const struct ig_qparam *q)
{
	if (q->axis < 0) {
		if (q->n == 1)
			return true;
		ig_error(s->diag, scale->value->loc, "several scales need the axis they belong to: {scale: [...], axis: 0}");
		return false;
	}
	int64_t places = t->dim[q->axis], want = q->group ? (places + q->group - 1) / q->group : places;
	if (q->group) {
		int64_t inner = 1;
		for (int i = 0; i < t->rank; i++)
			if (i != q->axis)
				inner *= t->dim[i];
		want *= inner;
	}
	if (q->n == want)
		return true;
	ig_error(s->diag, scale->value->loc, "there are %lld scales, but axis %d needs %lld", (long long)q->n, q->axis, (long long)want);
	return false;
}

static bool read_qparams(struct sema *s, const struct ast_type *at, struct ig_type *t)
{
	struct qparam_text x = {0};
	struct ig_qparam q = {.dtype = t->dtype, .axis = -1};
	struct sema_value scale, zp;
	int64_t lo, hi, v, n_zp = 0;
	if (ig_dtypes[t->dtype].is_float) {
		ig_error(s->diag, at->loc, "a tensor of %s has no quantization parameters", ig_dtypes[t->dtype].name);
		return false;
	}
	if (!collect_qparams(s, at, &x) || (q.n = items_of(s, x.scale, &scale)) < 0)
		return false;
	if (x.zero_point && (n_zp = items_of(s, x.zero_point, &zp)) < 0)
		return false;
	if (x.axis) {
		if (!ig_sema_int(s, x.axis->value, "axis:", 0, t->rank ? t->rank - 1 : 0, &v))
			return false;
		q.axis = (int)v;
	}
	if (x.group && !ig_sema_int(s, x.group->value, "group:", 1, SEMA_MAX_DIM, &q.group))
		return false;
	dtype_range(t->dtype, &lo, &hi);
	int64_t qmin = lo, qmax = hi;
	if ((x.qmin && !ig_sema_int(s, x.qmin->value, "qmin:", lo, hi, &qmin)) || (x.qmax && !ig_sema_int(s, x.qmax->value, "qmax:", qmin, hi, &qmax)))
		return false;
	q.qmin = (int32_t)qmin;
	q.qmax = (int32_t)qmax;
	if (x.fixed) {
		struct sema_value f = ig_sema_eval(s, x.fixed->value);
		if (f.kind != V_BOOL) {
			if (f.kind != V_BAD)
				ig_error(s->diag, x.fixed->value->loc, "fixed: must be true or false");
			return false;
		}
		q.fixed = f.u.i != 0;
	}
	if (t->rank == 0)
		q.axis = -1;
	float *scales = IG_NEWN(s->arena, float, q.n);
	int32_t *zps = IG_NEWN(s->arena, int32_t, q.n);
	if (!check_count(s, x.scale, t, &q) || !read_scales(s, x.scale, &scale, q.n, scales))
		return false;
	if (x.zero_point && !read_zero_points(s, x.zero_point, &zp, n_zp, q.n, t->dtype, zps))
		return false;
	q.scale = scales;
	q.zero_point = zps;
	t->q = ig_graph_qparam(s->graph, &q);
	return true;
}

bool ig_sema_type(struct sema *s, const struct ast_type *at, struct ig_type *out)
{
	struct ig_type t = {.q = IG_NOQ};
	size_t bytes;
	bool ok = dtype_of(s, at, &t.dtype);
	for (const struct ast_expr *e = at->dims; e; e = e->next) {
		if (t.rank == IG_MAX_RANK) {
			ig_error(s->diag, e->loc, "a tensor has at most %d axes", IG_MAX_RANK);
			return false;
		}
		ok &= ig_sema_int(s, e, "a dimension", 1, SEMA_MAX_DIM, &t.dim[t.rank++]);
	}
	if (ok && (!ig_type_bytes(&t, &bytes) || bytes > (size_t)1 << 40)) {
		ig_error(s->diag, at->loc, "this tensor is larger than a terabyte");
		ok = false;
	}
	if (ok && at->has_qparams)
		ok = read_qparams(s, at, &t);
	*out = t;
	return ok;
}

/* Reports when a value is not what its statement declares. */
void ig_sema_check_type(struct sema *s, const struct ast_type *at, const struct ig_type *want, const struct ig_type *got)
{
	if (want->dtype != got->dtype || !ig_type_same_shape(want, got))
		ig_error(s->diag, at->loc, "declared as %s, but the value is %s", ig_type_str(s->arena, want), ig_type_str(s->arena, got));
	else if (at->has_qparams && !ig_qparam_equal(ig_qparam(s->graph, want->q), ig_qparam(s->graph, got->q)))
		ig_error(s->diag, at->loc, "the value has other quantization parameters than declared");
}

/* Element i; false when the value is none of the type. 64 bits take every integer of the language; u64 its bits. */
static bool written_value(const struct sema_value *e, struct ig_tensor *x, int64_t i)
{
	enum ig_dtype dt = x->type.dtype;
	bool number = e->kind == V_INT || e->kind == V_FLOAT;
	int64_t lo, hi;
	double real = e->kind == V_INT ? (double)e->u.i : e->u.f;
	dtype_range(dt, &lo, &hi);
	if (dt == IG_DT_F32 && number) {
		((float *)x->data)[i] = e->kind == V_INT ? (float)e->u.i : (float)e->u.f;
	} else if (dt == IG_DT_F64 && number) {
		((double *)x->data)[i] = real;
	} else if (dt == IG_DT_BOOL ? e->kind == V_BOOL : !ig_dtypes[dt].is_float && e->kind == V_INT && (ig_dtypes[dt].bits == 64 || (e->u.i >= lo && e->u.i <= hi))) {
		ig_put_int(x, i, e->u.i);
	} else {
		return false;
	}
	return true;
}

/* constant(values: [...]) */
static struct ig_tensor *written_values(struct sema *s, const struct sema_call *c, struct ig_type *t, bool declared)
{
	struct sema_value v = ig_sema_eval(s, c->values);
	int64_t n;
	if (v.kind == V_BAD)
		return NULL;
	int64_t given = v.kind == V_LIST ? v.u.list.n : 1;
	if (!declared)
		*t = ig_type_make(IG_DT_F32, 1, &given);
	if (!ig_type_elems(t, &n) || n != given || given == 0) {
		ig_error(s->diag, c->values->loc, "there are %lld values for a tensor of %s", (long long)given, ig_type_str(s->arena, t));
		return NULL;
	}
	if (ig_dtypes[t->dtype].bits < 8 || t->dtype == IG_DT_F16 || t->dtype == IG_DT_BF16) {
		ig_error(s->diag, c->values->loc, "values of %s cannot be written out", ig_dtypes[t->dtype].name);
		return NULL;
	}
	struct ig_tensor *x = ig_tensor_new(s->graph->arena, t);
	for (int64_t i = 0; i < n; i++) {
		if (!written_value(item(&v, i), x, i)) {
			ig_error(s->diag, c->values->loc, "value %lld of this constant is no %s", (long long)i, ig_dtypes[t->dtype].name);
			return NULL;
		}
	}
	return x;
}

/* The format has no type of four bits: such numbers stand in it as bytes. NULL after a diagnostic. */
static struct ig_tensor *pack_nibbles(struct sema *s, const struct sema_call *c, const char *name, const struct ig_st_entry *e, struct ig_tensor *x)
{
	const int8_t *from = e->data;
	for (int64_t i = 0, n = ig_elems(&x->type); i < n; i++) {
		if (from[i] < -8 || from[i] > 7) {
			ig_error(s->diag, c->loc, "tensor '%s': %d is no s4, whose values are -8 to 7", name, (int)from[i]);
			return NULL;
		}
		ig_put_int(x, i, from[i]);
	}
	return x;
}

/* constant(tensor: "conv0.weight") */
static struct ig_tensor *file_values(struct sema *s, const struct sema_call *c, const char *name, struct ig_type *t, bool declared)
{
	const struct ig_st_entry *e = ig_sema_tensor(s, c->layer, c->loc, name, NULL);
	if (!e)
		return NULL;
	bool half = declared && t->dtype == e->type.dtype && (t->dtype == IG_DT_F16 || t->dtype == IG_DT_BF16); /* kept as it is */
	bool real = ig_dtypes[e->type.dtype].is_float && !half;
	bool nibbles = declared && t->dtype == IG_DT_S4 && e->type.dtype == IG_DT_S8;
	if (!declared) {
		*t = e->type;
		t->dtype = real ? IG_DT_F32 : t->dtype;
		t->q = IG_NOQ;
	}
	if (!ig_type_same_shape(t, &e->type) || (real ? t->dtype != IG_DT_F32 : t->dtype != e->type.dtype && !nibbles)) {
		ig_error(s->diag, c->loc, "tensor '%s' is %s in %s, but declared as %s", name, ig_type_str(s->arena, &e->type), s->weights_path,
		         ig_type_str(s->arena, t));
		return NULL;
	}
	if (real) {
		struct ig_tensor *x = ig_safetensors_f32(s->weights, e, s->graph->arena, s->diag, c->loc);
		if (x)
			x->type = *t;
		return x;
	}
	struct ig_tensor *x = ig_tensor_new(s->graph->arena, t);
	if (nibbles)
		return pack_nibbles(s, c, name, e, x);
	if (x->bytes != e->bytes)
		IG_BUG("tensor '%s' has %zu bytes for %zu", name, e->bytes, x->bytes);
	memcpy(x->data, e->data, x->bytes);
	return x;
}

struct sema_value ig_sema_constant(struct sema *s, struct sema_call *c, const struct ast_type *type, const char *hint)
{
	struct ig_type t = {.q = IG_NOQ};
	const struct sema_attr *file = ig_sema_attr_find(c, IG_A_TENSOR);
	if (c->fingerprint) {
		ig_error(s->diag, c->fingerprint_loc,
		         "the data of this constant was not written with the text, only its fingerprint; print the graph beside a weights file to read it back");
		return SEMA_BAD;
	}
	if ((file != NULL) == (c->values != NULL)) {
		ig_error(s->diag, c->loc, "a constant takes either tensor: (a name in the weights file) or values: (a list of numbers)");
		return SEMA_BAD;
	}
	if (c->bad || (type && !ig_sema_type(s, type, &t)))
		return SEMA_BAD;
	c->layer = ig_sema_name(s, &s->layer_names, c->name ? c->name : file ? ig_arena_printf(s->arena, "/%s", file->s) : hint ? hint : "constant");
	struct ig_tensor *x = file ? file_values(s, c, file->s, &t, type != NULL) : written_values(s, c, &t, type != NULL);
	if (!x)
		return SEMA_BAD;
	x->type = t;
	struct ig_vid v = ig_sema_add_constant(s, c->layer, c->result, c->loc, x);
	return (struct sema_value){.kind = V_TENSOR, .u.v = v};
}
