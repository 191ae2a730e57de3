/* A call of an operation: operands, named arguments, parameters, then a node whose types are inferred at once. */
#include "frontend/sema.h"

#include <string.h>

/* Arguments that every operation takes beside its attributes. */
static const char *const common_args[] = {"name", "result", "results", "absorbed", "precision"};

bool ig_sema_room(struct sema *s, struct ig_loc loc)
{
	if (s->graph->n_nodes < SEMA_MAX_NODES)
		return true;
	if (!s->stop)
		ig_error(s->diag, loc, "the model expands to more than %d layers and parameters", SEMA_MAX_NODES);
	s->stop = true;
	return false;
}

static void add_operand(struct sema *s, struct sema_call *c, struct ig_loc loc, const struct sema_value *v)
{
	if (v->kind == V_LIST) {
		for (int i = 0; i < v->u.list.n; i++)
			add_operand(s, c, loc, &v->u.list.item[i]);
		return;
	}
	if (v->kind != V_TENSOR) {
		if (v->kind != V_BAD)
			ig_error(s->diag, loc, "an operand of %s must be a tensor, not %s; attributes are written NAME: VALUE", ig_ops[c->op].name, ig_sema_kind(v));
		c->bad = true;
	} else if (c->n_in == (int)IG_COUNTOF(c->in)) {
		if (!c->bad)
			ig_error(s->diag, loc, "%s has more than %d operands", ig_ops[c->op].name, (int)IG_COUNTOF(c->in));
		c->bad = true;
	} else {
		c->in[c->n_in++] = v->u.v;
	}
}

static void unknown_attr(struct sema *s, const struct sema_call *c, const struct ast_arg *a)
{
	const char *names[IG_MAX_ATTRS + 8];
	int n = 0;
	const struct ig_op_info *op = &ig_ops[c->op];
	for (int i = 0; i < op->n_attrs; i++)
		names[n++] = ig_attrs[op->attrs[i]].name;
	for (size_t i = 0; i < IG_COUNTOF(common_args); i++)
		names[n++] = common_args[i];
	const char *list = "";
	for (int i = 0; i < op->n_attrs; i++)
		list = ig_arena_printf(s->arena, "%s%s%s", list, i ? ", " : "; it has ", ig_attrs[op->attrs[i]].name);
	const char *near = ig_sema_near(s, a->name, names, n);
	ig_error(s->diag, a->loc, "%s has no attribute '%s'%s", op->name, a->name, *near ? near : list);
}

static void set_once(struct sema *s, struct sema_call *c, const struct ast_arg *a, bool given)
{
	if (given) {
		ig_error(s->diag, a->loc, "%s: is given twice", a->name);
		c->bad = true;
	}
}

static void named_arg(struct sema *s, struct sema_call *c, const struct ast_arg *a)
{
	enum ig_attr_id id;
	const char *name = a->name;
	if (strcmp(name, "name") == 0 || strcmp(name, "result") == 0) {
		const char **slot = name[0] == 'n' ? &c->name : &c->result;
		set_once(s, c, a, *slot != NULL);
		if (!ig_sema_string(s, a->value, name[0] == 'n' ? "name:" : "result:", slot)) {
			c->bad = true;
		} else if (!(*slot)[**slot == '/']) {
			ig_error(s->diag, a->value->loc, "%s: is empty", name);
			c->bad = true;
		}
	} else if (strcmp(name, "results") == 0) {
		set_once(s, c, a, c->result_list != NULL);
		c->result_list = a->value;
	} else if (strcmp(name, "absorbed") == 0) {
		set_once(s, c, a, c->absorbed != NULL);
		c->absorbed = a->value;
	} else if (strcmp(name, "precision") == 0) {
		set_once(s, c, a, c->precision != NULL);
		c->precision = a->value;
	} else if (c->op == IG_OP_CONSTANT && strcmp(name, "values") == 0) {
		set_once(s, c, a, c->values != NULL);
		c->values = a->value;
	} else if (c->op == IG_OP_CONSTANT && strcmp(name, "fingerprint") == 0) {
		c->fingerprint_loc = a->loc;
		c->bad |= !ig_sema_string(s, a->value, "fingerprint:", &c->fingerprint);
	} else if (!ig_attr_find(name, &id) || !ig_op_has_attr(c->op, id)) {
		unknown_attr(s, c, a);
		c->bad = true;
	} else {
		bool given = ig_sema_attr_find(c, id) != NULL;
		set_once(s, c, a, given);
		if (given || !ig_sema_attr(s, c->op, id, a, &c->attr[c->n_attrs]))
			c->bad = true;
		else
			c->n_attrs++;
	}
}

static void read_args(struct sema *s, struct sema_call *c, const struct ast_arg *args)
{
	bool named = false;
	for (const struct ast_arg *a = args; a && !s->stop; a = a->next) {
		if (a->name) {
			named = true;
			named_arg(s, c, a);
			continue;
		}
		if (named)
			ig_error(s->diag, a->loc, "operands come before the named arguments");
		struct sema_value v = ig_sema_eval(s, a->value);
		add_operand(s, c, a->loc, &v);
	}
}

/* Operations whose parameters come out of the weights file when only the input is given. */
static bool binds(enum ig_op op)
{
	return op == IG_OP_CONV2D || op == IG_OP_DEPTHWISE_CONV2D || op == IG_OP_LINEAR || op == IG_OP_BATCH_NORM;
}

static bool check_count(struct sema *s, const struct sema_call *c)
{
	const struct ig_op_info *op = &ig_ops[c->op];
	if (c->n_in >= op->min_in && c->n_in <= op->max_in)
		return true;
	if (binds(c->op) && c->n_in == 1)
		return true;
	const char *want = op->min_in == op->max_in ? ig_arena_printf(s->arena, "%d", op->min_in)
	                                            : ig_arena_printf(s->arena, "%d to %d", op->min_in, op->max_in);
	if (binds(c->op))
		want = ig_arena_printf(s->arena, "1 (parameters by name) or %s", want);
	ig_error(s->diag, c->loc, "%s takes %s operand%s, not %d", op->name, want, op->max_in == 1 ? "" : "s", c->n_in);
	return false;
}

/* results: ["a", "b"]: the values' names, all of them. */
static bool read_results(struct sema *s, struct sema_call *c)
{
	if (!c->result_list)
		return true;
	struct sema_value v = ig_sema_eval(s, c->result_list);
	bool ok = v.kind == V_LIST && v.u.list.n == c->n_out;
	c->results = IG_NEWN(s->arena, const char *, c->n_out);
	for (int i = 0; ok && i < c->n_out; i++) {
		ok = v.u.list.item[i].kind == V_STRING && v.u.list.item[i].u.s[v.u.list.item[i].u.s[0] == '/'];
		c->results[i] = ok ? v.u.list.item[i].u.s : NULL;
	}
	if (!ok && v.kind != V_BAD)
		ig_error(s->diag, c->result_list->loc, "results: takes a list of %d names", c->n_out);
	return ok;
}

/* absorbed: ["bn0", "relu0"] and precision: int8, which only printed graphs have. */
static bool set_trail(struct sema *s, const struct sema_call *c, struct ig_nid id)
{
	struct ig_graph *g = s->graph;
	if (c->precision) {
		const char *w = c->precision->kind == AST_NAME ? c->precision->s : "";
		int p = IG_PREC_FLOAT;
		while (p < IG_PREC_COUNT && strcmp(w, ig_precision_names[p]) != 0)
			p++;
		if (p == IG_PREC_COUNT) {
			ig_error(s->diag, c->precision->loc, "precision: takes int8, stored, dynamic or float");
			return false;
		}
		ig_node(g, id)->precision = (enum ig_precision)p;
	}
	if (c->absorbed) {
		struct sema_value v = ig_sema_eval(s, c->absorbed);
		bool ok = v.kind == V_LIST;
		const char **names = ok ? IG_NEWN(g->arena, const char *, v.u.list.n) : NULL;
		for (int i = 0; ok && i < v.u.list.n; i++) {
			ok = v.u.list.item[i].kind == V_STRING;
			names[i] = ok ? ig_intern(g->names, v.u.list.item[i].u.s) : NULL;
		}
		if (!ok) {
			if (v.kind != V_BAD)
				ig_error(s->diag, c->absorbed->loc, "absorbed: takes a list of layer names");
			return false;
		}
		ig_node(g, id)->absorbed = names;
		ig_node(g, id)->n_absorbed = v.u.list.n;
	}
	return true;
}

/* The name statistics know result `i` by. */
static const char *value_name(struct sema *s, const struct sema_call *c, int i)
{
	const char *prefix = s->prefix, *name = i ? ig_arena_printf(s->arena, "/%s.%d", c->layer, i) : ig_arena_printf(s->arena, "/%s", c->layer);
	if (c->results)
		name = c->results[i];
	else if (c->result && i == 0)
		name = c->result;
	s->prefix = "";
	name = ig_sema_name(s, &s->value_names, name);
	s->prefix = prefix;
	return name;
}

static struct ig_nid make_node(struct sema *s, struct sema_call *c, const struct ig_type *declared)
{
	struct ig_graph *g = s->graph;
	struct ig_nid id = ig_graph_add_results(g, IG_NONODE, c->op, c->layer, c->loc, c->in, c->n_in, c->n_out);
	struct ig_node *n = ig_node(g, id);
	/* The names are the text's: a fused graph has layers and values that share names across each other. */
	n->name = c->layer;
	for (int i = 0; i < c->n_out; i++) {
		struct ig_value *v = ig_value(g, n->out[i]);
		v->name = value_name(s, c, i);
		v->type.dtype = declared[i].dtype;
		v->type.q = declared[i].q;
	}
	for (int i = 0; i < c->n_attrs; i++)
		ig_sema_attr_store(s, id, &c->attr[i]);
	return id;
}

/* A pool with no stride steps by its kernel, as in PyTorch; in the graph the default is 1, so it is written there. */
static void pool_stride(struct sema_call *c)
{
	const struct sema_attr *kernel = ig_sema_attr_find(c, IG_A_KERNEL);
	if ((c->op != IG_OP_MAX_POOL2D && c->op != IG_OP_AVG_POOL2D) || !kernel || ig_sema_attr_find(c, IG_A_STRIDE))
		return;
	c->attr[c->n_attrs] = *kernel;
	c->attr[c->n_attrs++].id = IG_A_STRIDE;
}

/* Fixes the number of results: what is wanted, at least as many as the operation has. */
static bool count_results(struct sema *s, struct sema_call *c, int wanted)
{
	int has = ig_op_results(c->op);
	c->n_out = has ? has : wanted;
	if (c->n_out >= wanted && c->n_out <= IG_MAX_RESULTS)
		return true;
	if (has == 1)
		ig_error(s->diag, c->loc, "%s has one result, but %d are wanted here", ig_ops[c->op].name, wanted);
	else
		ig_error(s->diag, c->loc, "%s has at most %d results, but %d are wanted here", ig_ops[c->op].name, has ? has : IG_MAX_RESULTS, wanted);
	return false;
}

static void build(struct sema *s, struct sema_call *c, const struct ast_name *targets, struct sema_value *out, int n_out)
{
	struct ig_type declared[IG_MAX_RESULTS];
	const char *hint = targets && n_out == 1 ? targets->name : NULL;
	if (c->bad || !check_count(s, c) || !ig_sema_room(s, c->loc) || !count_results(s, c, n_out) || !read_results(s, c))
		return;
	for (int i = 0; i < c->n_out; i++)
		declared[i] = (struct ig_type){.q = IG_NOQ};
	const struct ast_name *t = targets;
	for (int i = 0; t && i < n_out; t = t->next, i++)
		if (t->type && !ig_sema_type(s, t->type, &declared[i]))
			return;
	if ((c->op == IG_OP_QUANTIZE || c->op == IG_OP_REQUANTIZE) && declared[0].q.i < 0) {
		ig_error(s->diag, c->loc, "%s needs its result's parameters: y: u8[...] {scale: 0.1, zero_point: 3} = %s(x)", ig_ops[c->op].name, ig_ops[c->op].name);
		return;
	}
	c->layer = ig_sema_name(s, &s->layer_names, c->name ? c->name : hint ? hint : ig_ops[c->op].name);
	if (binds(c->op) && !(c->n_in == 1 ? ig_sema_bind(s, c) : ig_sema_check_weight(s, c)))
		return;
	pool_stride(c);
	int before = ig_diag_errors(s->diag);
	struct ig_nid id = make_node(s, c, declared);
	if (!set_trail(s, c, id))
		return;
	if (!ig_infer_node(s->graph, id, s->diag)) {
		if (ig_diag_errors(s->diag) == before)
			IG_BUG("inference of %s failed silently", ig_ops[c->op].name);
		return;
	}
	t = targets;
	for (int i = 0; i < n_out; i++, t = t ? t->next : NULL) {
		struct ig_vid v = ig_node(s->graph, id)->out[i];
		if (t && t->type)
			ig_sema_check_type(s, t->type, &declared[i], ig_vtype(s->graph, v));
		out[i] = (struct sema_value){.kind = V_TENSOR, .u.v = v};
	}
}

void ig_sema_op(struct sema *s, const struct ast_expr *e, enum ig_op op, const struct ast_name *targets, struct sema_value *out, int n_out)
{
	struct sema_call c = {.op = op, .loc = e->loc};
	if (op == IG_OP_INPUT) {
		ig_error(s->diag, e->loc, "inputs are declared in the model's first line: model m(x: f32[1, 3, 32, 32]) -> ...");
		return;
	}
	read_args(s, &c, e->args);
	if (s->stop)
		return;
	if (op != IG_OP_CONSTANT || c.n_in || n_out != 1) {
		build(s, &c, targets, out, n_out);
		return;
	}
	struct sema_value v = ig_sema_constant(s, &c, targets ? targets->type : NULL, targets ? targets->name : NULL);
	if (v.kind != V_TENSOR || set_trail(s, &c, ig_value(s->graph, v.u.v)->def))
		out[0] = v;
}
