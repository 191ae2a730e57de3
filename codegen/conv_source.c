/* Where a convolution reads its activations: the input itself, or a copy of one image in scratch that is padded, widened or offset. */
#include "codegen/conv.h"
#include "ir/dynamic.h"
#include "ir/infer.h"
#include "ir/stored.h"

/* A view of rank 4 for a linear layer's rank 1 to 3: leading dimensions are rows and columns of pixels. */
static struct kir_tensor as_image(const struct kir_tensor *t)
{
	struct kir_tensor v = *t;
	int r = t->type.rank;
	if (r == 4)
		return v;
	v.type.rank = 4;
	for (int i = 0; i < 4; i++) {
		v.type.dim[i] = 1;
		v.stride[i] = 0;
	}
	static const int to[3] = {1, 3, 2}; /* from the last dimension back: channels, columns, rows */
	for (int i = 0; i < r; i++) {
		v.type.dim[to[i]] = t->type.dim[r - 1 - i];
		v.stride[to[i]] = t->stride[r - 1 - i];
	}
	return v;
}

/* Merges dimension `outer` of all operands into the columns where memory allows. */
static bool merge(struct ig_conv *c, int outer, int64_t count)
{
	struct kir_tensor *v[3] = {&c->in, &c->out, &c->res};
	int n = c->has_res ? 3 : 2;
	if (count == 1)
		return true;
	for (int i = 0; i < n; i++)
		if (c->g.ow > 1 && v[i]->stride[outer] != c->g.ow * v[i]->stride[3])
			return false;
	for (int i = 0; i < n; i++)
		if (c->g.ow == 1)
			v[i]->stride[3] = v[i]->stride[outer];
	c->g.ow *= count;
	c->g.iw = c->g.ow;
	return true;
}

/* Where each output needs one pixel only, rows, then images become one run of pixels: a matrix multiplication. */
static void flatten(struct ig_conv *c)
{
	struct ig_conv_geom *g = &c->g;
	if (g->kh != 1 || g->kw != 1 || g->sh != 1 || g->sw != 1 || g->pt || g->pl || g->pb || g->pr || !merge(c, 2, g->oh))
		return;
	g->oh = g->ih = 1;
	if (merge(c, 0, g->n))
		g->n = 1;
}

bool ig_conv_begin(struct ig_conv *c, struct ig_lower *L, struct ig_nid id)
{
	const struct ig_node *n = ig_node(L->g, id);
	const struct ig_tensor *w = ig_const_data(L->g, n->in[1]);
	*c = (struct ig_conv){.L = L, .id = id, .n = n, .has_res = ig_op_is_add(n->op), .lanes = L->lanes, .scale = -1};
	if (!w)
		return ig_low_refuse(L, id, "its weight must be a constant");
	if (n->n_in > 2 && !ig_const_data(L->g, n->in[2]))
		return ig_low_refuse(L, id, "its bias must be a constant");
	const char *why = ig_check_types(L->g, n); /* of a graph in explicit form */
	if (why)
		return ig_low_refuse(L, id, "%s", why);
	c->dynamic = ig_dynamic_levels(n) ? ig_low_quantized(L, n->in[0], ig_dynamic_levels(n)) : NULL;
	const struct kir_tensor *in = c->dynamic ? &c->dynamic->to : ig_low_dense(L, n->in[0]);
	c->is_float = w->type.dtype == IG_DT_F32 || ig_has_stored_weights(L->g, n);
	c->stored = w->type.dtype;
	if (ig_low_is_float(in) != c->is_float || (c->is_float && !ig_low_is_float(ig_low_view(L, n->out[0]))))
		return ig_low_refuse(L, id, "its input, weight and result disagree about float32 and int8");
	ig_conv_geometry(L->g, n, &c->g);
	c->in = as_image(in);
	c->out = as_image(ig_low_view(L, n->out[0]));
	if (c->has_res)
		c->res = as_image(ig_low_dense(L, n->in[3]));
	if (c->is_float && c->has_res && !ig_low_is_float(&c->res))
		return ig_low_refuse(L, id, "its residual must be float32");
	if (n->op == IG_OP_LINEAR || n->op == IG_OP_LINEAR_ADD) {
		c->g.n = 1;
		c->g.oh = c->g.ih = c->in.type.dim[2];
		c->g.ow = c->g.iw = c->in.type.dim[3];
	}
	c->icg = c->g.ic / c->g.groups;
	c->ocg = c->g.oc / c->g.groups;
	/* Few channels take shorter vectors: nothing is wasted, and short instructions are never slower. */
	int64_t channels = c->icg == 1 && c->ocg == 1 ? c->g.oc : c->ocg;
	while (c->lanes > 4 && c->lanes >= 2 * channels)
		c->lanes /= 2;
	c->last = c->cut = c->lanes;
	return true;
}

static bool has_slack(const struct ig_conv *c)
{
	enum kir_space s = c->L->m->buf[c->in.buf].space;
	return s == KIR_ARENA || s == KIR_SCRATCH;
}

void ig_conv_source(struct ig_conv *c)
{
	struct ig_conv_geom *g = &c->g;
	bool convert = !c->is_float && c->group > 1 && !c->pairs && ig_layout_converts(c->L->t);
	flatten(c);
	int64_t rows = (g->oh - 1) * g->sh + (g->kh - 1) * g->dh + 1, cols = (g->ow - 1) * g->sw + (g->kw - 1) * g->dw + 1;
	struct ig_halo need = ig_layout_padding(g);
	bool pad = need.top || need.left || need.bottom || need.right;
	c->a.halo = pad && !convert && ig_layout_has_halo(c->L, &c->in, &need);
	bool run = g->dw == 1 && g->groups == 1;       /* (kx, channel) of a window's row are adjacent where pixels are */
	bool direct_run = g->kw == 1 || (run && c->in.stride[3] == g->ic);
	int64_t seg = direct_run ? g->kw * c->icg : c->icg;
	c->a.elem = c->is_float ? KIR_F32 : convert && c->L->t->dot.elem == 16 ? KIR_I16 : KIR_I8;
	c->a.scratch = (pad && !c->a.halo) || convert || (seg % c->group && !has_slack(c));
	if (c->a.scratch) {
		c->a.x = g->ic;
		c->a.y = cols * g->ic;
		c->a.buf = ig_layout_buffer(c->L, ig_arena_printf(c->L->arena, "%s.padded", c->n->name), KIR_SCRATCH, c->a.elem, rows * c->a.y);
	} else {
		c->a.buf = c->in.buf;
		c->a.base = c->in.base;
		c->a.n = c->in.stride[0];
		c->a.y = c->in.stride[2];
		c->a.x = c->in.stride[3];
		if (c->a.halo)
			c->a.base -= need.top * c->a.y + need.left * c->a.x;
	}
	if (c->a.scratch ? g->kw == 1 || run : direct_run) {
		c->cols = 1;
		c->seg = g->kw * c->icg;
	} else {
		c->cols = g->kw;
		c->seg = c->icg;
	}
	if (c->part) { /* a kernel of one element: groups of input channels are its columns */
		c->cols = (c->icg + c->part - 1) / c->part;
		c->seg = c->part;
	}
	c->rows = g->kh;
	c->row_step = g->dh * c->a.y;
	c->col_step = c->part ? c->part : g->dw * c->a.x;
	c->steps = (c->seg + c->group - 1) / c->group;
	c->tail = c->part ? c->icg % c->part / c->group : 0;
}

struct copy {
	const struct ig_conv *c;
	bool offset;
};

static void copy_body(struct kir_builder *b, const struct ig_piece *p, void *ctx)
{
	const struct copy *k = ctx;
	enum kir_elem from = k->c->is_float ? KIR_F32 : KIR_I8;
	kir_val v = kb_load_n(b, KIR_T(from, p->lanes), p->at[1], p->active);
	if (k->offset)
		v = kb_op2(b, KIR_XOR, v, kb_const_i(b, KIR_T(KIR_I8, p->lanes), -128));
	if (k->c->a.elem == KIR_I16)
		v = kb_op1(b, KIR_ZEXT, KIR_T(KIR_I16, p->lanes), v);
	kb_store_n(b, v, p->at[0], p->active);
}

/* The kernel reads bytes less 128. */
static bool is_offset(const struct ig_conv *c) { return !c->is_float && c->group > 1 && c->L->t->dot.a_offset; }

static void fill_box(struct ig_conv *c, struct kir_builder *b, kir_iv image, int64_t y, int64_t x, int64_t h, int64_t w, int64_t value)
{
	int64_t extent[2] = {h, w * c->g.ic}, stride[2] = {c->a.y, 1};
	struct ig_nest nest;
	if (h < 1 || w < 1)
		return;
	ig_nest_init(&nest, 2, extent);
	ig_nest_operand(&nest, c->a.buf, c->a.base + y * c->a.y + x * c->a.x, stride);
	nest.outer = image;
	nest.op[0].outer_stride = c->a.n;
	if (c->dynamic)
		ig_dynamic_fill(b, &nest, c, is_offset(c));
	else
		ig_nest_fill(b, &nest, c->L->t->vector_bytes / kir_elem_bytes(c->a.elem), c->a.elem, value);
}

struct kir_builder ig_conv_open(struct ig_conv *c, int64_t fill, kir_iv *image)
{
	struct kir_builder b = c->into ? *c->into : ig_low_func(c->L, c->id);
	*image = c->into ? c->outer : ig_vec_loop(&b, "n", c->g.n, NULL, 0);
	if (!c->copied)
		ig_conv_copy(c, &b, *image, fill);
	return b;
}

void ig_conv_close(struct ig_conv *c, struct kir_builder *b, kir_iv image)
{
	if (!c->into)
		ig_vec_end(b, image, NULL, 0);
}

static int64_t least(int64_t a, int64_t b) { return a < b ? a : b; }

void ig_conv_copy(struct ig_conv *c, struct kir_builder *b, kir_iv image, int64_t fill)
{
	const struct ig_conv_geom *g = &c->g;
	if (!c->a.scratch && !c->a.halo)
		return;
	int64_t rows = (g->oh - 1) * g->sh + (g->kh - 1) * g->dh + 1, cols = (g->ow - 1) * g->sw + (g->kw - 1) * g->dw + 1;
	int64_t top = least(g->pt, rows), left = least(g->pl, cols), h = least(g->ih, rows - top), w = least(g->iw, cols - left);
	h = h < 0 ? 0 : h;
	w = w < 0 ? 0 : w;
	struct copy k = {c, is_offset(c)};
	if (k.offset)
		fill ^= 0x80;
	fill_box(c, b, image, 0, 0, top, cols, fill);
	fill_box(c, b, image, top + h, 0, rows - top - h, cols, fill);
	fill_box(c, b, image, top, 0, h, left, fill);
	fill_box(c, b, image, top, left + w, h, cols - left - w, fill);
	if (h < 1 || w < 1 || c->a.halo)
		return;
	int64_t extent[3] = {h, w, g->ic}, to[3] = {c->a.y, c->a.x, 1}, from[3] = {c->in.stride[2], c->in.stride[3], 1};
	struct ig_nest nest;
	ig_nest_init(&nest, 3, extent);
	ig_nest_operand(&nest, c->a.buf, top * c->a.y + left * c->a.x, to);
	ig_nest_operand(&nest, c->in.buf, c->in.base, from);
	nest.outer = image;
	nest.op[1].outer_stride = c->in.stride[0];
	ig_nest_run(b, &nest, c->L->t->vector_bytes / kir_elem_bytes(c->a.elem), copy_body, &k);
}
