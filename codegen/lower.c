/* Lowering: the graph to a module of the kernel IR. Layout gives every value its memory, then each node gets one function from its operation's schedule. */
#include "codegen/lower.h"
#include "codegen/rows.h"
#include "codegen/split.h"

#include <stdlib.h>
#include <string.h>

static bool (*const lower_op[IG_OP_COUNT])(struct ig_lower *, struct ig_nid) = {
#define O(e, text, ...) [IG_OP_##e] = ig_lower_##text,
#include "ir/ops.def"
#undef O
};

bool ig_low_refuse(struct ig_lower *L, struct ig_nid n, const char *fmt, ...)
{
	char text[256];
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	const struct ig_node *x = ig_node(L->g, n);
	ig_error(L->d, x->loc, "layer '%s' (%s): %s", x->name, ig_ops[x->op].name, text);
	return false;
}

bool ig_low_later(struct ig_lower *L, struct ig_nid n)
{
	return ig_low_refuse(L, n, "code is not generated for this operation; the interpreter runs it (--engine float, reference)");
}

struct kir_builder ig_low_func(struct ig_lower *L, struct ig_nid n)
{
	struct kir_builder b = {L->m, kir_func_add(L->m, ig_node(L->g, n)->name, n)};
	b.f->macs = ig_node_macs(L->g, ig_node(L->g, n));
	return b;
}

/* A constant that is read at run time, in the compiler's own order. */
static void place_constant(struct ig_lower *L, struct ig_vid v, const struct ig_tensor *t)
{
	struct kir_tensor *view = &L->view[v.i];
	enum kir_elem e = ig_layout_elem(t->type.dtype);
	int64_t n = ig_elems(&t->type), logical[IG_MAX_RANK], idx[IG_MAX_RANK] = {0};
	size_t bytes = (size_t)kir_elem_bytes(e);
	char *data = ig_arena_alloc(L->arena, n ? (size_t)n : 1, bytes);
	ig_layout_strides(&t->type, view->stride);
	ig_layout_row_major(&t->type, logical);
	for (int64_t k = 0; k < n; k++) {
		int64_t at = 0, rest = k;
		for (int d = 0; d < t->type.rank; d++) {
			idx[d] = rest / logical[d];
			rest %= logical[d];
			at += idx[d] * view->stride[d];
		}
		memcpy(data + (size_t)at * bytes, (const char *)t->data + (size_t)k * bytes, bytes);
	}
	view->buf = kir_buffer_const(L->m, ig_value(L->g, v)->name, e, n, data);
	view->base = 0;
}

const struct kir_tensor *ig_low_view(struct ig_lower *L, struct ig_vid v)
{
	const struct ig_tensor *t = ig_const_data(L->g, v);
	if (L->view[v.i].buf < 0 && t)
		place_constant(L, v, t);
	if (L->view[v.i].buf < 0)
		IG_BUG("value %s has no place", ig_value(L->g, v)->name);
	return &L->view[v.i];
}

const struct kir_tensor *ig_low_dense(struct ig_lower *L, struct ig_vid v)
{
	const struct kir_tensor *in = ig_low_view(L, v);
	struct kir_tensor *copy = &L->dense[v.i];
	if (ig_layout_is_dense(in))
		return in;
	if (copy->buf >= 0)
		return copy;
	enum kir_elem e = ig_layout_elem(in->type.dtype);
	*copy = *in;
	copy->name = ig_arena_printf(L->m->arena, "%s.dense", in->name);
	copy->base = 0;
	ig_layout_strides(&in->type, copy->stride);
	copy->buf = ig_layout_buffer(L, copy->name, KIR_ARENA, e, ig_elems(&in->type));
	struct kir_builder b = {L->m, kir_func_add(L->m, copy->name, ig_value(L->g, v)->def)};
	struct ig_nest nest;
	ig_nest_init(&nest, in->type.rank, in->type.dim);
	ig_nest_view(&nest, copy);
	ig_nest_view(&nest, in);
	ig_nest_copy(&b, &nest, L->t->vector_bytes, e);
	return copy;
}

void ig_low_copy(struct ig_lower *L, struct kir_builder *b, const struct kir_tensor *out, const struct kir_tensor *in)
{
	struct ig_nest nest;
	ig_nest_init(&nest, out->type.rank, out->type.dim);
	ig_nest_view(&nest, out);
	ig_nest_view(&nest, in);
	enum kir_elem e = ig_layout_elem(out->type.dtype);
	ig_nest_copy(b, &nest, L->t->vector_bytes / kir_elem_bytes(e), e);
}

bool ig_lower_input(struct ig_lower *L, struct ig_nid n)
{
	(void)L, (void)n;
	return true;
}

bool ig_lower_constant(struct ig_lower *L, struct ig_nid n)
{
	(void)L, (void)n;
	return true;
}

/* Bytes of s8 come in and go out of a model; within it they are u8, by a table. */
static bool at_boundary(const struct ig_graph *g, const struct ig_node *def, struct ig_vid v)
{
	if (ig_vtype(g, v)->dtype != IG_DT_S8 || (def->op != IG_OP_INPUT && def->op != IG_OP_REQUANTIZE))
		return false;
	for (struct ig_nid i = ig_first(g); i.i >= 0; i = ig_next(g, i))
		for (int k = 0; k < ig_node(g, i)->n_in; k++)
			if (ig_node(g, i)->in[k].i == v.i && ig_node(g, i)->op != IG_OP_REQUANTIZE)
				return false;
	return true;
}

/* Values the code generator has a layout and arithmetic for. */
static bool supported(struct ig_lower *L)
{
	bool ok = true;
	for (struct ig_nid i = ig_first(L->g); i.i >= 0; i = ig_next(L->g, i)) {
		const struct ig_node *n = ig_node(L->g, i);
		for (int k = 0; k < n->n_out; k++) {
			const struct ig_type *t = ig_vtype(L->g, n->out[k]);
			const struct ig_qparam *q = ig_qparam(L->g, t->q);
			int64_t elems;
			if (n->op == IG_OP_CONSTANT && !ig_graph_is_output(L->g, n->out[k]))
				continue;
			bool whole = q == NULL && (t->dtype == IG_DT_BOOL || t->dtype == IG_DT_I32 || t->dtype == IG_DT_I64);
			if (t->dtype != IG_DT_F32 && t->dtype != IG_DT_U8 && !whole && !at_boundary(L->g, n, n->out[k]))
				ok = ig_low_refuse(L, i, "code is generated for values of f32, u8, i32, i64 and bool, not %s", ig_dtypes[t->dtype].name);
			else if (q && q->n != 1)
				ok = ig_low_refuse(L, i, "code is generated for activations with one static scale and zero point");
			else if (!ig_type_elems(t, &elems) || elems > INT32_MAX)
				ok = ig_low_refuse(L, i, "its result has too many elements; the limit is 2^31 - 1");
		}
	}
	return ok;
}

/* Outputs that no function writes: inputs, constants, a value given out twice, and rank-4 results, which the caller wants in logical order. */
static void copy_outputs(struct ig_lower *L, const int32_t *out_buf)
{
	const struct ig_graph *g = L->g;
	for (int i = 0; i < g->n_outputs; i++) {
		struct ig_vid v = g->output[i];
		const struct kir_tensor *from = ig_low_view(L, v);
		struct kir_tensor to = *from;
		if (from->buf == out_buf[i])
			continue;
		to.buf = out_buf[i];
		to.base = 0;
		ig_layout_row_major(&to.type, to.stride);
		struct kir_builder b = {L->m, kir_func_add(L->m, ig_arena_printf(L->arena, "output.%s", L->m->buf[out_buf[i]].name), ig_value(g, v)->def)};
		struct ig_nest nest;
		ig_nest_init(&nest, to.type.rank, to.type.dim);
		ig_nest_view(&nest, &to);
		ig_nest_view(&nest, from);
		ig_nest_copy(&b, &nest, L->t->vector_bytes, ig_layout_elem(to.type.dtype));
	}
}

static void list_tensors(struct ig_lower *L)
{
	struct kir_module *m = L->m;
	for (struct ig_nid i = ig_first(L->g); i.i >= 0; i = ig_next(L->g, i)) {
		const struct ig_node *n = ig_node(L->g, i);
		if (n->op == IG_OP_CONSTANT || ig_rows_inside(L, i))
			continue;
		for (int k = 0; k < n->n_out; k++) {
			if (m->n_tensors == m->cap_tensors)
				ig_vec_grow((void **)&m->tensor, &m->cap_tensors, sizeof *m->tensor);
			m->tensor[m->n_tensors++] = L->view[n->out[k].i];
		}
	}
}

static bool all_views(const struct ig_lower *L, const struct ig_node *n)
{
	for (int i = 0; i < n->n_out; i++)
		if (!L->alias[n->out[i].i])
			return false;
	return true;
}

static bool lower_nodes(struct ig_lower *L)
{
	const struct ig_graph *g = L->g;
	int32_t *out_buf = IG_NEWN(L->arena, int32_t, g->n_outputs + 1);
	if (!supported(L) || !ig_rows_plan(L))
		return false;
	ig_layout_plan(L, out_buf);
	for (struct ig_nid i = ig_first(g); i.i >= 0; i = ig_next(g, i)) {
		const struct ig_node *n = ig_node(g, i);
		if (n->op == IG_OP_CONSTANT || all_views(L, n) || ig_rows_inside(L, i))
			continue;
		if (!(L->rows[i.i] ? ig_rows_lower(L, L->rows[i.i]) : lower_op[n->op](L, i)))
			return false;
	}
	copy_outputs(L, out_buf);
	list_tensors(L);
	return true;
}

struct kir_module *ig_lower(const struct ig_graph *g, const struct ig_target *t, const struct ig_lower_options *o, struct ig_diag *d)
{
	static const struct ig_lower_options defaults = {0};
	struct ig_lower L = {.g = g, .t = t, .o = o ? o : &defaults, .d = d, .lanes = t->vector_bytes / 4};
	L.m = kir_module_new(g->name);
	L.m->n_inputs = g->n_inputs;
	L.m->n_outputs = g->n_outputs;
	L.arena = ig_arena_new();
	L.view = IG_NEWN(L.arena, struct kir_tensor, g->n_values + 1);
	L.dense = IG_NEWN(L.arena, struct kir_tensor, g->n_values + 1);
	L.alias = IG_NEWN(L.arena, bool, g->n_values + 1);
	for (int v = 0; v < g->n_values; v++) {
		L.view[v] = (struct kir_tensor){.value = {v}, .type = g->value[v].type, .buf = -1};
		L.view[v].name = g->value[v].name ? ig_arena_strdup(L.m->arena, g->value[v].name) : "";
		L.dense[v].buf = -1;
	}
	bool ok = lower_nodes(&L);
	if (ok)
		ig_split(L.m, t, L.o->threads);
	ok = ok && ig_memplan(L.m, L.o, d) && kir_verify(L.m, d);
	free(L.fact);
	ig_arena_free(L.arena);
	if (ok)
		return L.m;
	kir_module_free(L.m);
	return NULL;
}
