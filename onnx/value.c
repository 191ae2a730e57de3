/* What ONNX's names mean, and constants on their way into the graph. */
#include "onnx/import.h"

#include <math.h>
#include <string.h>

struct ig_onnx_value *ig_onnx_find(struct ig_onnx *s, const char *name)
{
	const char *key = ig_interned(s->text, name);
	const int *i = key ? ig_symtab_find(&s->names, key) : NULL;
	return i ? &s->values.v[*i] : NULL;
}

struct ig_onnx_value *ig_onnx_define(struct ig_onnx *s, const char *name)
{
	const char *key = ig_intern(s->text, name);
	int *i = ig_symtab_at(&s->names, key, s->values.n);
	if (*i == s->values.n)
		ig_vec_push(&s->values, ((struct ig_onnx_value){.name = key, .v = IG_NOVAL}));
	else
		s->values.v[*i] = (struct ig_onnx_value){.name = key, .v = IG_NOVAL};
	return &s->values.v[*i];
}

const char *ig_onnx_clean_name(struct ig_onnx *s, const char *name)
{
	while (*name == '/')
		name++;
	char *out = ig_arena_strdup(s->arena, *name ? name : "unnamed");
	for (char *p = out; *p; p++)
		if (*p <= ' ' || *p > '~' || strchr("\"\\{}", *p))
			*p = '_';
	return out;
}

const struct ig_tensor *ig_onnx_value_const(struct ig_onnx *s, struct ig_onnx_value *v)
{
	if (!v->t && v->init && !v->bad) {
		v->t = ig_onnx_tensor(s, v->init, ig_arena_printf(s->arena, "initializer '%s'", v->name));
		v->bad = !v->t;
	}
	return v->t ? v->t : v->v.i >= 0 ? ig_const_data(s->graph, v->v) : NULL;
}

struct ig_vid ig_onnx_value_vid(struct ig_onnx *s, struct ig_onnx_value *v)
{
	if (v->v.i < 0 && ig_onnx_value_const(s, v) && ig_elems(&v->t->type) > 0) {
		struct ig_tensor *t = ig_tensor_new(s->graph->arena, &v->t->type); /* the graph outlives the import */
		memcpy(t->data, v->t->data, t->bytes);
		v->v = ig_graph_constant(s->graph, IG_NONODE, ig_onnx_clean_name(s, v->name), s->loc, t);
		v->t = t;
	}
	return v->v;
}

bool ig_onnx_tensor_int(const struct ig_tensor *t, int64_t i, int64_t *out)
{
	const struct ig_dtype_info *dt = &ig_dtypes[t->type.dtype];
	if (dt->is_float || dt->bits < 8)
		return false;
	switch (dt->bits) {
	case 8: *out = dt->is_signed ? (int64_t)((const int8_t *)t->data)[i] : (int64_t)((const uint8_t *)t->data)[i]; break;
	case 16: *out = dt->is_signed ? (int64_t)((const int16_t *)t->data)[i] : (int64_t)((const uint16_t *)t->data)[i]; break;
	case 32: *out = dt->is_signed ? (int64_t)((const int32_t *)t->data)[i] : (int64_t)((const uint32_t *)t->data)[i]; break;
	default: *out = ((const int64_t *)t->data)[i]; return dt->is_signed || *out >= 0;
	}
	return true;
}

double ig_onnx_tensor_real(const struct ig_tensor *t, int64_t i)
{
	int64_t v;
	if (ig_onnx_tensor_int(t, i, &v))
		return (double)v;
	if (!ig_dtypes[t->type.dtype].is_float)
		return NAN;
	return ig_dtypes[t->type.dtype].bits == 64 ? ((const double *)t->data)[i] : (double)((const float *)t->data)[i];
}
