/* Expressions: integers with checked overflow, reals, strings with {expressions}, lists, names. */
#include "frontend/sema.h"

#include <math.h>
#include <string.h>

const char *ig_sema_kind(const struct sema_value *v)
{
	switch (v->kind) {
	case V_INT: return "an integer";
	case V_FLOAT: return "a number";
	case V_BOOL: return "true or false";
	case V_STRING: return "a string";
	case V_LIST: return "a list";
	case V_TENSOR: return "a tensor";
	default: return "an error";
	}
}

const char *ig_sema_dims(struct sema *s, int n, const int64_t *dims)
{
	const char *t = "";
	for (int i = 0; i < n; i++)
		t = dims[i] < 0 ? ig_arena_printf(s->arena, "%s%s?", t, i ? ", " : "")
		                : ig_arena_printf(s->arena, "%s%s%lld", t, i ? ", " : "", (long long)dims[i]);
	return ig_arena_printf(s->arena, "[%s]", t);
}

const char *ig_sema_near(struct sema *s, const char *name, const char *const *names, int n)
{
	const char *near = ig_nearest(name, names, n);
	return near ? ig_arena_printf(s->arena, "; did you mean '%s'?", near) : "";
}

static struct sema_value make_int(int64_t i) { return (struct sema_value){.kind = V_INT, .u.i = i}; }
static struct sema_value make_float(double f) { return (struct sema_value){.kind = V_FLOAT, .u.f = f}; }

static struct sema_value eval_name(struct sema *s, const struct ast_expr *e)
{
	const struct sema_var *v = ig_sema_lookup(s, e->s);
	if (v)
		return v->value;
	if (strcmp(e->s, "true") == 0 || strcmp(e->s, "false") == 0)
		return (struct sema_value){.kind = V_BOOL, .u.i = e->s[0] == 't'};
	if (strcmp(e->s, "inf") == 0)
		return make_float((double)INFINITY);
	if (strcmp(e->s, "nan") == 0)
		return make_float((double)NAN);
	enum ig_op op;
	if (ig_op_find(e->s, &op) || ig_symtab_find(&s->block_index, e->s)) {
		ig_error(s->diag, e->loc, "'%s' is %s; it is called with its operands in parentheses", e->s,
		         ig_symtab_find(&s->block_index, e->s) ? "a block" : "an operation");
	} else {
		const char **names = IG_NEWN(s->arena, const char *, s->scope->vars.n + 1);
		int n = 0;
		for (int i = 0; i < s->scope->vars.n; i++)
			if (s->scope->vars.v[i].defined)
				names[n++] = s->scope->vars.v[i].name;
		ig_error(s->diag, e->loc, "unknown name '%s'%s", e->s, ig_sema_near(s, e->s, names, n));
	}
	ig_sema_define(s, e->s, SEMA_BAD); /* say it once */
	return SEMA_BAD;
}

static struct sema_value int_arithmetic(struct sema *s, const struct ast_expr *e, int64_t a, int64_t b)
{
	int64_t r = 0;
	bool overflow = false;
	char op = e->s[0];
	if ((op == '/' || op == '%') && b == 0) {
		ig_error(s->diag, e->loc, "division by zero");
		return SEMA_BAD;
	}
	switch (op) {
	case '+': overflow = __builtin_add_overflow(a, b, &r); break;
	case '-': overflow = __builtin_sub_overflow(a, b, &r); break;
	case '*': overflow = __builtin_mul_overflow(a, b, &r); break;
	default:
		if (b == -1) /* the one quotient that overflows is -2^63 / -1 */
			overflow = op == '/' ? __builtin_sub_overflow((int64_t)0, a, &r) : false;
		else
			r = op == '/' ? a / b : a % b;
	}
	if (overflow) {
		ig_error(s->diag, e->loc, "integer overflow: %lld %c %lld does not fit 64 bits", (long long)a, op, (long long)b);
		return SEMA_BAD;
	}
	return make_int(r);
}

static struct sema_value eval_binary(struct sema *s, const struct ast_expr *e)
{
	struct sema_value a = ig_sema_eval(s, e->a), b = ig_sema_eval(s, e->b);
	if (a.kind == V_BAD || b.kind == V_BAD)
		return SEMA_BAD;
	if (a.kind == V_INT && b.kind == V_INT)
		return int_arithmetic(s, e, a.u.i, b.u.i);
	bool numbers = (a.kind == V_INT || a.kind == V_FLOAT) && (b.kind == V_INT || b.kind == V_FLOAT);
	if (!numbers) {
		const struct sema_value *odd = a.kind == V_INT || a.kind == V_FLOAT ? &b : &a;
		ig_error(s->diag, e->loc, "'%s' takes numbers, not %s%s", e->s, ig_sema_kind(odd),
		         odd->kind == V_TENSOR ? "; for tensors there are the operations add, sub and mul" : "");
		return SEMA_BAD;
	}
	double x = a.kind == V_INT ? (double)a.u.i : a.u.f, y = b.kind == V_INT ? (double)b.u.i : b.u.f;
	switch (e->s[0]) {
	case '+': return make_float(x + y);
	case '-': return make_float(x - y);
	case '*': return make_float(x * y);
	case '/':
		if (y != 0)
			return make_float(x / y);
		ig_error(s->diag, e->loc, "division by zero");
		return SEMA_BAD;
	default:
		ig_error(s->diag, e->loc, "'%%' takes integers");
		return SEMA_BAD;
	}
}

static struct sema_value eval_negate(struct sema *s, const struct ast_expr *e)
{
	struct sema_value a = ig_sema_eval(s, e->a);
	if (a.kind == V_BAD)
		return a;
	if (a.kind == V_FLOAT)
		return make_float(-a.u.f);
	if (a.kind != V_INT) {
		ig_error(s->diag, e->loc, "'-' takes a number, not %s", ig_sema_kind(&a));
		return SEMA_BAD;
	}
	return int_arithmetic(s, &(struct ast_expr){.kind = AST_BINARY, .loc = e->loc, .s = "-"}, 0, a.u.i);
}

/* Pieces alternate: text, {expression}, text, ... */
static struct sema_value eval_string(struct sema *s, const struct ast_expr *e)
{
	const char *t = e->s;
	bool bad = false;
	for (const struct ast_expr *p = e->a; p; p = p->next->next) {
		int64_t i = 0;
		if (!ig_sema_int(s, p, "a {...} in a string", INT64_MIN, INT64_MAX, &i))
			bad = true;
		t = ig_arena_printf(s->arena, "%s%lld%s", t, (long long)i, p->next->s);
	}
	return bad ? SEMA_BAD : (struct sema_value){.kind = V_STRING, .u.s = t};
}

static struct sema_value eval_list(struct sema *s, const struct ast_expr *e)
{
	struct sema_value r = {.kind = V_LIST};
	int n = 0;
	for (const struct ast_expr *i = e->a; i; i = i->next)
		n++;
	r.u.list.item = IG_NEWN(s->arena, struct sema_value, n);
	for (const struct ast_expr *i = e->a; i; i = i->next) {
		struct sema_value v = ig_sema_eval(s, i);
		if (v.kind == V_BAD)
			r.kind = V_BAD;
		else if (r.kind == V_LIST)
			r.u.list.item[r.u.list.n++] = v;
	}
	return r;
}

struct sema_value ig_sema_eval(struct sema *s, const struct ast_expr *e)
{
	struct sema_value v = SEMA_BAD;
	if (s->stop)
		return v;
	switch (e->kind) {
	case AST_INT: return make_int(e->i);
	case AST_FLOAT: return make_float(e->f);
	case AST_STRING: return eval_string(s, e);
	case AST_NAME: return eval_name(s, e);
	case AST_BINARY: return eval_binary(s, e);
	case AST_NEGATE: return eval_negate(s, e);
	case AST_LIST: return eval_list(s, e);
	case AST_CALL: ig_sema_call(s, e, NULL, &v, 1); return v;
	case AST_BAD: return v;
	}
	return v;
}

bool ig_sema_int(struct sema *s, const struct ast_expr *e, const char *what, int64_t min, int64_t max, int64_t *out)
{
	struct sema_value v = ig_sema_eval(s, e);
	if (v.kind == V_BAD)
		return false;
	if (v.kind != V_INT) {
		ig_error(s->diag, e->loc, "%s must be an integer, not %s", what, ig_sema_kind(&v));
		return false;
	}
	if (v.u.i < min || v.u.i > max) {
		if (min == 1 && v.u.i < 1)
			ig_error(s->diag, e->loc, "%s must be at least 1, not %lld", what, (long long)v.u.i);
		else
			ig_error(s->diag, e->loc, "%s must be between %lld and %lld, not %lld", what, (long long)min, (long long)max, (long long)v.u.i);
		return false;
	}
	*out = v.u.i;
	return true;
}

bool ig_sema_string(struct sema *s, const struct ast_expr *e, const char *what, const char **out)
{
	struct sema_value v = ig_sema_eval(s, e);
	if (v.kind == V_BAD)
		return false;
	if (v.kind != V_STRING) {
		ig_error(s->diag, e->loc, "%s must be a string, not %s", what, ig_sema_kind(&v));
		return false;
	}
	*out = v.u.s;
	return true;
}
