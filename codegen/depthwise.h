/* Private to the schedules of depthwise convolutions. */
#ifndef IG_CODEGEN_DEPTHWISE_H
#define IG_CODEGEN_DEPTHWISE_H
#include "codegen/conv.h"

#define IG_DW_PIXELS 8
#define IG_DW_HELD 5 /* quads by vectors of 16 bytes: so many columns, interleaved in pairs, stay in registers */

enum ig_dw_product { P_FLOAT, P_DOT8, P_DOT16, P_LONG /* 16 by 16 bits, a product for each lane */, P_MUL };
struct ig_depthwise {
	struct ig_conv c;
	enum ig_dw_product product;
	int64_t padded; /* channels, to whole vectors */
	int pixels;     /* the most in a tile */
	bool whole;     /* tail vectors may be loaded whole */
	bool rows;      /* sched_depthwise_rows.c */
	int32_t w;      /* packed weights */
	int64_t fill;   /* what padding is read as */
};
/* After ig_conv_begin of d->c. All before the loops: source, epilogue, schedule, packed weights; false after a diagnostic. */
bool ig_depthwise_prepare(struct ig_depthwise *d);
void ig_depthwise_emit(struct ig_depthwise *d);
struct ig_dw_tile {
	int pixels, active; /* active: channels */
	struct kir_addr a, w, ch, out, res;
};
/* From the sums of a tile's pixels to stored results. */
void ig_depthwise_finish(struct kir_builder *b, const struct ig_depthwise *d, const struct ig_dw_tile *t, kir_val *acc);

/* ---- depthwise_choose.c ---- */
bool ig_depthwise_choose(struct ig_conv *c, bool columns_fit); /* sets c->s; false after a diagnostic */

/* ---- sched_depthwise_quad.c ---- */
bool ig_depthwise_prepare_quads(struct ig_depthwise *d);
void ig_depthwise_emit_quads(struct ig_depthwise *d);

/* ---- sched_depthwise_rows.c ---- */
int32_t ig_depthwise_pack_rows(struct ig_depthwise *d);
/* The pixels of a tile, from the first row of the image to the last. */
void ig_depthwise_column(struct kir_builder *b, const struct ig_depthwise *d, struct ig_dw_tile t);
#endif
