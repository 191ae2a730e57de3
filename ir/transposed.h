/* A transposed convolution as a convolution: result element f = o + pad (in each direction) is in phase f mod stride, and its inputs are those of a
   convolution at f / stride with that phase's part of the kernel. So it is a convolution with stride * stride filters for each one, whose results are
   laid out in blocks (depth_to_space, crd) and cut. */
#ifndef IG_IR_TRANSPOSED_H
#define IG_IR_TRANSPOSED_H
#include "ir/graph.h"

struct ig_transposed {
	int64_t n, ic, ih, iw, oc, oh, ow, kh, kw, sh, sw, dh, dw, groups;
	int64_t pt, pl;
	int64_t th, tw; /* extents of each phase's kernel */
};
struct ig_transposed ig_transposed_of(const struct ig_graph *g, const struct ig_node *n);
/* The weight w[channel][filter of its group][row][column] at row `ty`, column `tx` of the phase (ry, rx); 0 where the kernel has nothing. */
float ig_transposed_weight(const struct ig_transposed *t, const float *w, int64_t channel, int64_t filter, int64_t ry, int64_t rx, int64_t ty, int64_t tx);
#endif
