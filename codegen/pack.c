/* Weights and per-channel constants in the order the kernels read them. */
#include "codegen/conv.h"
#include "ir/number.h"
#include "ir/stored.h"

int64_t ig_pack_padded(const struct ig_conv *c) { return c->slot ? c->padded : (c->ocg + c->lanes - 1) / c->lanes * c->lanes - (c->lanes - c->last); }

/* Index of output channel oc among the padded ones. */
static int64_t slot(const struct ig_conv *c, int64_t oc) { return c->slot ? c->slot(c, oc) : oc / c->ocg * ig_pack_padded(c) + oc % c->ocg; }

static const char *name_of(struct ig_conv *c, const char *what) { return ig_arena_printf(c->L->arena, "%s.%s", c->n->name, what); }

int32_t ig_pack_channels_i(struct ig_conv *c, const char *what, const int32_t *v)
{
	int64_t n = c->g.groups * ig_pack_padded(c);
	int32_t *p = IG_NEWN(c->L->arena, int32_t, n);
	for (int64_t oc = 0; oc < c->g.oc; oc++)
		p[slot(c, oc)] = v[oc];
	return kir_buffer_const(c->L->m, name_of(c, what), KIR_I32, n, p);
}

int32_t ig_pack_channels_f(struct ig_conv *c, const char *what, const float *v)
{
	int64_t n = c->g.groups * ig_pack_padded(c);
	float *p = IG_NEWN(c->L->arena, float, n);
	for (int64_t oc = 0; oc < c->g.oc; oc++)
		p[slot(c, oc)] = v[oc];
	return kir_buffer_const(c->L->m, name_of(c, what), KIR_F32, n, p);
}

/* Within one step's weights: where a lane of the block begins, and where an element of its dot group is. A tile has four bytes of 16 lanes in a row. */
static int64_t lane_in_step(const struct ig_conv *c, int64_t lane) { return c->tiles ? lane / 16 * 1024 + lane % 16 * 4 : lane * c->group; }
static int64_t element_in_step(const struct ig_conv *c, int64_t k) { return c->tiles ? k % 64 / 4 * 64 + k % 4 : k % c->group; }

/* Where the weight of output channel oc and element k of segment (row, col) goes. Blocks of nv vectors, the last of what remains; within a block
   [row][col][step][vector][lane][element of the dot group]. */
static int64_t place(const struct ig_conv *c, int nv, int64_t oc, int64_t row, int64_t col, int64_t k)
{
	int64_t padded = ig_pack_padded(c), width = (int64_t)nv * c->lanes, total = c->rows * c->cols * c->steps * c->group;
	int64_t in_group = oc % c->ocg, block = in_group / width, left = padded - block * width, here = left < width ? left : width;
	int64_t at = (oc / c->ocg * padded + block * width) * total;
	at += ((row * c->cols + col) * c->steps + k / c->group) * c->group * here;
	return at + lane_in_step(c, in_group - block * width) + element_in_step(c, k);
}

/* Element `from` of the weights to place `to`; s4 may become bytes. */
static void put(const struct ig_tensor *t, int64_t from, struct ig_tensor *p, int64_t to)
{
	switch (t->type.dtype) {
	case IG_DT_F32: ((float *)p->data)[to] = ((const float *)t->data)[from]; break;
	case IG_DT_S8: ((int8_t *)p->data)[to] = ((const int8_t *)t->data)[from]; break;
	case IG_DT_F16:
	case IG_DT_BF16: ((uint16_t *)p->data)[to] = ((const uint16_t *)t->data)[from]; break;
	default: ig_put_int(p, to, ig_get_int(t, from)); break;
	}
}

/* One output channel's weights. Within a segment the places of whole dot groups are `step` apart. */
static void pack_channel(const struct ig_conv *c, int nv, int64_t oc, const struct ig_tensor *t, struct ig_tensor *p)
{
	int64_t taps = c->g.kh * c->g.kw, group = c->group;
	for (int64_t row = 0; row < c->rows; row++)
		for (int64_t col = 0; col < c->cols; col++) {
			int64_t start = place(c, nv, oc, row, col, 0), step = place(c, nv, oc, row, col, group) - start, k = 0;
			int64_t first = c->part * col, seg = c->seg < c->icg - first || !c->part ? c->seg : c->icg - first;
			for (int64_t kx = c->cols > 1 && !c->part ? col : 0; k < seg; kx++)
				for (int64_t i = first, from = (oc * c->icg + first) * taps + row * c->g.kw + kx; i < c->icg && k < seg; i++, k++, from += taps)
					put(t, from, p, start + (group == 1 ? k * step : k / group * step + element_in_step(c, k)));
		}
}

/* The factors of stored weights: for each group of input channels those of all output channels. */
int32_t ig_pack_scales(struct ig_conv *c)
{
	const struct ig_type *t = ig_vtype(c->L->g, c->n->in[1]);
	const struct ig_qparam *q = ig_qparam(c->L->g, t->q);
	int64_t padded = c->g.groups * ig_pack_padded(c), parts = c->part ? c->cols : 1, per = c->icg * c->g.kh * c->g.kw;
	float *p = IG_NEWN(c->L->arena, float, padded * parts);
	for (int64_t k = 0; k < parts; k++)
		for (int64_t oc = 0; oc < c->g.oc; oc++)
			p[k * padded + slot(c, oc)] = q->scale[ig_qparam_index(q, t, oc * per + k * c->part)];
	return kir_buffer_const(c->L->m, name_of(c, "scale"), KIR_F32, padded * parts, p);
}

int32_t ig_pack_weights(struct ig_conv *c, int nv)
{
	const struct ig_tensor *t = ig_const_data(c->L->g, c->n->in[1]);
	int64_t n = c->g.groups * ig_pack_padded(c) * c->rows * c->cols * c->steps * c->group;
	bool bytes = t->type.dtype == IG_DT_S8 || t->type.dtype == IG_DT_S4;
	enum kir_elem e = t->type.dtype == IG_DT_F32 ? KIR_F32 : bytes ? KIR_I8 : KIR_I16;
	struct ig_type type = ig_type_make(t->type.dtype == IG_DT_S4 && !c->nibbles ? IG_DT_S8 : t->type.dtype, 1, &n);
	struct ig_tensor *p = ig_tensor_new(c->L->m->arena, &type);
	for (int64_t oc = 0; oc < c->g.oc; oc++)
		pack_channel(c, nv, oc, t, p);
	return kir_buffer_keep(c->L->m, name_of(c, "weight"), e, c->nibbles ? n / 2 : n, p->data);
}
