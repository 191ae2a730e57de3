/* Private to the schedules of convolutions and linear layers: one plan, one loop structure, whose innermost step differs by the kind of product. */
#ifndef IG_CODEGEN_CONV_H
#define IG_CODEGEN_CONV_H
#include "codegen/lower.h"
#include "ir/requant.h"

/* What follows the accumulation. Per-channel constants are padded to whole vectors and indexed like the accumulator's start values. */
struct ig_epilogue {
	bool acc_float, out_float; /* float accumulators; float32 result */
	struct ig_requant q;       /* int8 accumulators */
	int32_t m, bias;           /* buffers: factors; float biases or -1 */
	int32_t after;             /* buffer: float biases added to the product, or -1 */
	int32_t mult, left, right; /* buffers of requantize: fixed: multipliers, 2^left shift, 2^(31 - right shift) */
	double lo, hi;             /* float results: activation */
	const struct kir_tensor *res; /* residual or NULL */
	struct ig_vec_pack pack;
};

struct ig_conv {
	struct ig_lower *L;
	struct ig_nid id;
	const struct ig_node *n;
	struct ig_conv_geom g;
	struct kir_tensor in, out, res; /* rank-4 views [n, c, h, w] */
	bool has_res, is_float;
	const struct ig_quantized *dynamic; /* the input, when it is quantized at run time; else NULL */
	int lanes;        /* output channels of a vector */
	int last, cut;    /* lanes of a group's last vector; of the last vector of the block being emitted */
	int group;        /* products per lane of one dot step */
	bool pairs;       /* products of unsigned bytes, whose sums by pairs fit in 16 bits */
	bool tiles;       /* steps are of tiles: in each, 16 rows of the bytes for 16 channels, four for each */
	bool nibbles;     /* float: weights of s4, two in a byte, so that a step has two products */
	enum ig_dtype stored; /* float: the weights' type */
	int32_t scale;    /* buffer of their factors, or -1: [group of input channels][output channel] */
	int64_t part;     /* input channels that share factors; 0: all */
	int64_t tail;     /* steps of the last such group when it is shorter than the others; 0: it is not */
	struct kir_addr scale_at; /* factors of the vectors and the group in whose loops we are */
	int64_t icg, ocg; /* channels per group */
	/* Where activations are read: element (row, column) of image i is at base + i * an + row * ay + column * ax, channels adjacent. */
	struct {
		int32_t buf;
		enum kir_elem elem;
		int64_t base, n, y, x;
		bool scratch; /* a padded or converted copy of one image */
		bool halo;    /* the input itself, with room for padding around it */
	} a;
	/* The sum over one output's window: rows x cols segments of `seg` adjacent elements (padded to whole groups: steps). */
	int64_t rows, cols, row_step, col_step, seg, steps;
	int32_t w, start; /* buffers: packed weights, accumulator start values */
	struct ig_epilogue e;
	struct ig_schedule s;
	/* NULL: per-channel constants are in order, padded to whole vectors; else in this one, `padded` in all. */
	int64_t (*slot)(const struct ig_conv *c, int64_t oc);
	int64_t padded;
	/* Row fusion: emitted into a function that is being built, inside its loop `outer` (-1: none), whose iterations take the place of images. */
	struct kir_builder *into; /* NULL: a function of its own */
	kir_iv outer;
	bool copied; /* the whole input has been copied before */
};

/* Lanes of vector i of a block's nv, and the elements of one step's weights for all of them. */
static inline int ig_conv_lanes(const struct ig_conv *c, int nv, int i) { return i + 1 < nv ? c->lanes : c->cut; }
static inline int64_t ig_conv_width(const struct ig_conv *c, int nv) { return (int64_t)((nv - 1) * c->lanes + c->cut) * (c->nibbles ? 1 : c->group); }
/* Elements of the packed weights for one output channel. */
static inline int64_t ig_conv_sum(const struct ig_conv *c) { return c->rows * c->cols * c->steps * (c->nibbles ? 1 : c->group); }

/* ---- conv_source.c ---- */
/* Views, geometry, residual; false after a diagnostic. */
bool ig_conv_begin(struct ig_conv *c, struct ig_lower *L, struct ig_nid id);
/* Decides how activations are read. `fill` elements pad; a scratch copy is declared when the input cannot be read as it is. */
void ig_conv_source(struct ig_conv *c);
/* Emits the copy of one image into scratch (image: an open loop or -1), or fills the room around it. Nothing when the input is read as it is. */
void ig_conv_copy(struct ig_conv *c, struct kir_builder *b, kir_iv image, int64_t fill);
/* Begins the layer's function and the loop over images (in *image), with the copy of each; or what stands for them in a fused function. */
struct kir_builder ig_conv_open(struct ig_conv *c, int64_t fill, kir_iv *image);
void ig_conv_close(struct ig_conv *c, struct kir_builder *b, kir_iv image);

/* ---- dynamic.c ---- */
/* Fills the nest with the zero point of an input that is quantized at run time, as the kernel reads it. */
void ig_dynamic_fill(struct kir_builder *b, struct ig_nest *n, const struct ig_conv *c, bool offset);
/* Such a layer's start values, by a function that also makes its factors (e.m). */
int32_t ig_dynamic_start(struct ig_conv *c, const int32_t *sums, bool offset);

/* ---- pack.c ---- */
/* Groups padded to whole vectors; blocks of `nv` vectors; each block in the order its kernel reads. */
int64_t ig_pack_padded(const struct ig_conv *c);                 /* output channels of a group, padded */
int32_t ig_pack_channels_i(struct ig_conv *c, const char *what, const int32_t *v); /* per-channel values, padded with 0 */
int32_t ig_pack_channels_f(struct ig_conv *c, const char *what, const float *v);
int32_t ig_pack_weights(struct ig_conv *c, int nv);
int32_t ig_pack_scales(struct ig_conv *c);

/* ---- epilogue.c ---- */
bool ig_epilogue_init(struct ig_conv *c);
/* One vector: acc becomes the f32 result before packing or storing (requantize: fixed: the bytes). ch: index of its first channel in per-channel buffers; res: its residual. */
kir_val ig_epilogue_value(struct kir_builder *b, const struct ig_epilogue *e, kir_val acc, const struct kir_addr *ch, const struct kir_addr *res, int active);
/* Stores n vectors of adjacent channels (`active` of them all). */
void ig_epilogue_store(struct kir_builder *b, const struct ig_epilogue *e, const kir_val *v, int n, int lanes, struct kir_addr to, int active);

/* ---- conv_tile.c ---- */
bool ig_conv_tiles_pay(const struct ig_conv *c); /* after ig_conv_begin */
bool ig_sched_conv_tiles(struct ig_conv *c);
/* n vectors of one length with places of their own: four make a vector of bytes, whatever pixels they belong to. Results in bytes, not requantize: fixed. */
struct ig_stored {
	kir_val v;
	struct kir_addr to;
	int active;
};
void ig_epilogue_store_tile(struct kir_builder *b, const struct ig_epilogue *e, const struct ig_stored *s, int n, int lanes);

/* ---- conv_mmla.c ---- */
#define IG_MMLA_PIXELS 16
/* One or two steps of a tile; its accumulators are those of an even number of pixels. */
void ig_conv_mmla_steps(struct ig_conv *c, struct kir_builder *b, kir_val *acc, int pixels, int nv, const struct kir_addr *a, int64_t pixel,
                        const struct kir_addr *w, int steps);
/* Accumulators from the order of vectors by pixels to that of the instruction, and back. */
void ig_conv_mmla_exchange(struct kir_builder *b, kir_val *acc, int pixels, int nv);

/* ---- sched_conv.c, sched_conv_float.c, conv_choose.c ---- */
typedef void ig_conv_step(struct ig_conv *c, struct kir_builder *b, kir_val *acc, int pixels, int nv, const struct kir_addr *a, int64_t pixel, const struct kir_addr *w);
struct ig_conv_kind {
	ig_conv_step *step; /* NULL: conv_mmla.c's */
	struct ig_tile tile[5]; /* ends with pixels 0 */
	int64_t fill;
};
/* All before the loops: kind of product, source, epilogue, schedule, packed weights. False after a diagnostic. */
bool ig_conv_prepare_int8(struct ig_conv *c, struct ig_conv_kind *k);
bool ig_conv_prepare_float(struct ig_conv *c, struct ig_conv_kind *k);
static inline bool ig_conv_prepare(struct ig_conv *c, struct ig_conv_kind *k) { return c->is_float ? ig_conv_prepare_float(c, k) : ig_conv_prepare_int8(c, k); }
void ig_conv_emit(struct ig_conv *c, const struct ig_conv_kind *k);
/* The pixels whose accumulators a tile has: pairs with conv_mmla.c. */
static inline int ig_conv_acc_pixels(const struct ig_conv_kind *k, int pixels) { return k->step ? pixels : (pixels + 1) / 2 * 2; }
bool ig_conv_is_straight(const struct ig_conv *c);                  /* the sum of a window has no loop */
bool ig_conv_choose(struct ig_conv *c, const struct ig_conv_kind *k); /* the schedule and weights packed for it, after ig_conv_source; false after a diagnostic */
/* Pixels of the tiles of nv vectors in a row of so many. */
int ig_conv_pixels(const struct ig_conv *c, const struct ig_conv_kind *k, int nv, int64_t columns);
bool ig_sched_conv(struct ig_conv *c); /* prepares and emits */
bool ig_sched_depthwise(struct ig_lower *L, struct ig_nid id); /* sched_depthwise.c: as many groups as input and output channels */
/* sched_depthwise_quad.c: the same by dot products over the kernel's rows, where it fits. */
bool ig_depthwise_quads_fit(const struct ig_conv *c);
bool ig_depthwise_in_pairs(const struct ig_conv_geom *g); /* two rows of results can be one tile */
/* The accumulator's start values: bias minus the input's zero point times the sum of weights (and the offset of signed activations). */
int32_t ig_conv_start(struct ig_conv *c, bool offset);
#endif
