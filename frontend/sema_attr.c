/* Attributes of operations: the expression of a named argument becomes what the attribute's kind in attrs.def asks for. */
#include "frontend/sema.h"

#include <string.h>

/* Words of an attribute of one operation, or of all that have it (IG_OP_COUNT). */
#define MAX_WORDS 20
static const struct {
	enum ig_attr_id id;
	enum ig_op op;
	const char *words[MAX_WORDS];
} words[] = {
	{IG_A_LAYOUT, IG_OP_COUNT, {"nchw", "nhwc"}},
	{IG_A_REQUANTIZE, IG_OP_COUNT, {"float", "fixed"}},
	{IG_A_BIAS_MODE, IG_OP_COUNT, {"int32", "float32"}},
	{IG_A_MODE, IG_OP_PAD, {"constant", "reflect", "edge", "wrap"}},
	{IG_A_MODE, IG_OP_RESIZE, {"nearest", "linear"}},
	{IG_A_MODE, IG_OP_DEPTH_TO_SPACE, {"dcr", "crd"}},
	{IG_A_COORDINATE, IG_OP_COUNT, {"half_pixel", "half_pixel_symmetric", "pytorch_half_pixel", "asymmetric", "align_corners", "tf_half_pixel"}},
	{IG_A_PART, IG_OP_COUNT, {"high", "low"}},
	{IG_A_NEAREST_MODE, IG_OP_COUNT, {"round_prefer_floor", "round_prefer_ceil", "floor", "ceil"}},
	{IG_A_DIRECTION, IG_OP_COUNT, {"forward", "reverse", "bidirectional"}},
	{IG_A_APPROXIMATE, IG_OP_COUNT, {"none", "tanh"}},
	{IG_A_TO, IG_OP_COUNT, {
#define D(e, text, ...) text,
#include "ir/dtype.def"
#undef D
	}},
};

/* The words an attribute takes; NULL-terminated. */
static const char *const *words_of(enum ig_op op, enum ig_attr_id id)
{
	static const char *const pad[] = {"same", "same_lower", "valid", NULL}, *const tri[] = {"true", "false", "auto", NULL};
	static const char *const boolean[] = {"true", "false", NULL}, *const none[] = {NULL};
	switch (ig_attrs[id].kind) {
	case IG_AK_PAD: return pad;
	case IG_AK_TRI: return tri;
	case IG_AK_BOOL: return boolean;
	case IG_AK_WORD:
		for (size_t i = 0; i < IG_COUNTOF(words); i++)
			if (words[i].id == id && (words[i].op == op || words[i].op == IG_OP_COUNT))
				return words[i].words;
		return none;
	default: return none;
	}
}

static bool wrong_kind(struct sema *s, enum ig_attr_id id, const struct ast_expr *e, const struct sema_value *v, const char *want)
{
	if (v->kind != V_BAD)
		ig_error(s->diag, e->loc, "%s: takes %s, not %s", ig_attrs[id].name, want, ig_sema_kind(v));
	return false;
}

/* A bare name that is one of the attribute's words; *index tells which. A word that is none, and no variable either, is an error here. */
enum word_result { WORD_YES, WORD_NO, WORD_ERROR };
static enum word_result read_word(struct sema *s, enum ig_op op, enum ig_attr_id id, const struct ast_expr *e, int *index)
{
	const char *const *list_of = words_of(op, id);
	int n = 0;
	if (e->kind != AST_NAME)
		return WORD_NO;
	for (; list_of[n]; n++)
		if (strcmp(list_of[n], e->s) == 0) {
			*index = n;
			return WORD_YES;
		}
	if (!n || ig_sema_lookup(s, e->s))
		return WORD_NO;
	const char *list = list_of[0];
	for (int i = 1; i < n; i++)
		list = ig_arena_printf(s->arena, "%s%s%s", list, i == n - 1 ? " or " : ", ", list_of[i]);
	ig_error(s->diag, e->loc, "%s: takes %s, not '%s'%s", ig_attrs[id].name, list, e->s, ig_sema_near(s, e->s, list_of, n));
	return WORD_ERROR;
}

static bool read_ints(struct sema *s, enum ig_attr_id id, const struct ast_expr *e, const struct sema_value *v, struct sema_attr *out)
{
	int n = v->kind == V_LIST ? v->u.list.n : 1;
	out->ints = IG_NEWN(s->arena, int64_t, n);
	out->n = n;
	for (int i = 0; i < n; i++) {
		const struct sema_value *x = v->kind == V_LIST ? &v->u.list.item[i] : v;
		if (x->kind != V_INT)
			return wrong_kind(s, id, e, x, v->kind == V_LIST ? "a list of integers" : "an integer or a list of integers");
		out->ints[i] = x->u.i;
	}
	return true;
}

static bool read_floats(struct sema *s, enum ig_attr_id id, const struct ast_expr *e, const struct sema_value *v, struct sema_attr *out)
{
	int n = v->kind == V_LIST ? v->u.list.n : 1;
	out->floats = IG_NEWN(s->arena, double, n);
	out->n = n;
	for (int i = 0; i < n; i++) {
		const struct sema_value *x = v->kind == V_LIST ? &v->u.list.item[i] : v;
		if (x->kind != V_INT && x->kind != V_FLOAT)
			return wrong_kind(s, id, e, x, v->kind == V_LIST ? "a list of numbers" : "a number or a list of numbers");
		out->floats[i] = x->kind == V_INT ? (double)x->u.i : x->u.f;
	}
	return true;
}

/* One number for all sides, [vertical, horizontal], or [top, left, bottom, right]: four in the graph. */
static bool read_pad(struct sema *s, const struct ast_expr *e, const struct sema_value *v, struct sema_attr *out)
{
	if (!read_ints(s, IG_A_PAD, e, v, out))
		return false;
	int64_t p[4];
	if (out->n != 1 && out->n != 2 && out->n != 4) {
		ig_error(s->diag, e->loc, "pad: takes 1, 2 or 4 integers ([top, left, bottom, right]), not %d", out->n);
		return false;
	}
	for (int i = 0; i < 4; i++) {
		p[i] = out->ints[i % out->n];
		if (p[i] < 0 || p[i] > SEMA_MAX_DIM) {
			ig_error(s->diag, e->loc, "padding must be between 0 and %d, not %lld", SEMA_MAX_DIM, (long long)p[i]);
			return false;
		}
	}
	out->ints = IG_NEWN(s->arena, int64_t, 4);
	memcpy(out->ints, p, sizeof p);
	out->n = 4;
	return true;
}

/* What holds for an attribute whatever the operation; the rest is shape inference's to say. */
static bool check_range(struct sema *s, const struct ast_expr *e, const struct sema_attr *a)
{
	bool window = a->id == IG_A_KERNEL || a->id == IG_A_STRIDE || a->id == IG_A_DILATION;
	const char *name = ig_attrs[a->id].name;
	if (window && (a->n < 1 || a->n > 2)) {
		ig_error(s->diag, e->loc, "%s: takes one integer or two ([vertical, horizontal]), not %d", name, a->n);
		return false;
	}
	for (int i = 0; window && i < a->n; i++)
		if (a->ints[i] < 1 || a->ints[i] > SEMA_MAX_DIM) {
			ig_error(s->diag, e->loc, "%s: must be between 1 and %d, not %lld", name, SEMA_MAX_DIM, (long long)a->ints[i]);
			return false;
		}
	if ((a->id == IG_A_GROUPS || a->id == IG_A_FILTERS || a->id == IG_A_UNITS) && (a->i < 1 || a->i > SEMA_MAX_DIM)) {
		ig_error(s->diag, e->loc, "%s: must be between 1 and %d, not %lld", name, SEMA_MAX_DIM, (long long)a->i);
		return false;
	}
	return true;
}

bool ig_sema_attr(struct sema *s, enum ig_op op, enum ig_attr_id id, const struct ast_arg *arg, struct sema_attr *out)
{
	const struct ast_expr *e = arg->value;
	enum ig_attr_kind kind = ig_attrs[id].kind;
	int word = 0;
	*out = (struct sema_attr){.id = id, .loc = arg->loc, .n = -1};
	enum word_result w = read_word(s, op, id, e, &word);
	if (w == WORD_ERROR)
		return false;
	if (w == WORD_YES) {
		out->s = words_of(op, id)[word];
		out->n = 0;
		out->i = kind == IG_AK_TRI ? (word == 2 ? 2 : !word) : !word;
		return true;
	}
	struct sema_value v = ig_sema_eval(s, e);
	if (v.kind == V_BAD)
		return false;
	switch (kind) {
	case IG_AK_INT:
		out->i = v.u.i;
		return v.kind == V_INT ? check_range(s, e, out) : wrong_kind(s, id, e, &v, "an integer");
	case IG_AK_FLOAT:
		out->f = v.kind == V_INT ? (double)v.u.i : v.u.f;
		return v.kind == V_INT || v.kind == V_FLOAT ? true : wrong_kind(s, id, e, &v, "a number");
	case IG_AK_BOOL:
	case IG_AK_TRI:
		out->i = v.u.i;
		return v.kind == V_BOOL ? true : wrong_kind(s, id, e, &v, kind == IG_AK_TRI ? "true, false or auto" : "true or false");
	case IG_AK_STRING:
		out->s = v.u.s;
		return v.kind == V_STRING ? true : wrong_kind(s, id, e, &v, "a string");
	case IG_AK_WORD:
		return wrong_kind(s, id, e, &v, "a word");
	case IG_AK_INTS:
		return read_ints(s, id, e, &v, out) && check_range(s, e, out);
	case IG_AK_FLOATS:
		return read_floats(s, id, e, &v, out);
	case IG_AK_PAD:
		return read_pad(s, e, &v, out);
	}
	return false;
}

const struct sema_attr *ig_sema_attr_find(const struct sema_call *c, enum ig_attr_id id)
{
	for (int i = 0; i < c->n_attrs; i++)
		if (c->attr[i].id == id)
			return &c->attr[i];
	return NULL;
}

void ig_sema_attr_drop(struct sema_call *c, enum ig_attr_id id)
{
	for (int i = 0; i < c->n_attrs; i++)
		if (c->attr[i].id == id) {
			memmove(&c->attr[i], &c->attr[i + 1], (size_t)(c->n_attrs - i - 1) * sizeof c->attr[0]);
			c->n_attrs--;
			return;
		}
}

void ig_sema_attr_store(struct sema *s, struct ig_nid n, const struct sema_attr *a)
{
	switch (ig_attrs[a->id].kind) {
	case IG_AK_INT:
	case IG_AK_BOOL:
	case IG_AK_TRI:
		ig_attr_set_int(s->graph, n, a->id, a->i);
		break;
	case IG_AK_FLOAT:
		ig_attr_set_float(s->graph, n, a->id, a->f);
		break;
	case IG_AK_STRING:
	case IG_AK_WORD:
		ig_attr_set_str(s->graph, n, a->id, a->s);
		break;
	case IG_AK_INTS:
		ig_attr_set_ints(s->graph, n, a->id, a->ints, a->n);
		break;
	case IG_AK_FLOATS:
		ig_attr_set_floats(s->graph, n, a->id, a->floats, a->n);
		break;
	case IG_AK_PAD:
		if (a->n == 0)
			ig_attr_set_str(s->graph, n, a->id, a->s);
		else
			ig_attr_set_ints(s->graph, n, a->id, a->ints, a->n);
		break;
	}
}
