/* What each place of a layer's result is computed from, as rows of a matrix product; and a quantized layer beside the float one it was. */
#ifndef IG_PASSES_PATCH_H
#define IG_PASSES_PATCH_H
#include "ir/graph.h"

struct ig_patches {
	struct ig_conv_geom c;
	int64_t places;   /* of a sample: positions, or rows of a linear layer */
	int64_t per, ocg; /* numbers that an output is computed from; outputs of a group */
};
void ig_patches_of(const struct ig_graph *g, const struct ig_node *n, struct ig_patches *p);
/* The `per` numbers of input x (a sample's, in the tensor's order) that the group's outputs at a place read, in the order of their weights; padding is 0. */
void ig_patch_read(const struct ig_patches *p, const float *x, int64_t place, int64_t group, float *row);
/* Where an output stands in the result. */
int64_t ig_patch_output(const struct ig_patches *p, int64_t place, int64_t channel);

/* A layer with integers for weights and what it was in float. */
struct ig_layer_pair {
	struct ig_nid node, flt;
	const struct ig_tensor *w; /* float32 */
	struct ig_tensor *q;       /* s8 or s4 */
	const struct ig_qparam *qw;
	struct ig_patches patches;
	double s_x; /* the input's scale; 0: it is float32 */
};
/* False: the node has no such weights, its input no static scale, its parameters are law, or the float graph does not have it. */
bool ig_layer_pair_of(const struct ig_graph *g, struct ig_nid id, const struct ig_graph *flt, struct ig_layer_pair *l);
/* The real number that weight i stands for. */
double ig_pair_weight(const struct ig_layer_pair *l, int64_t i);
/* The scale of weight i. */
double ig_pair_scale(const struct ig_layer_pair *l, int64_t i);
/* Whether all sums of output c with a bias of so many units fit in 32 bits. */
bool ig_pair_fits(const struct ig_layer_pair *l, int64_t c, double bias);
/* The real number that the bias of output c stands for; 0 without one. */
double ig_pair_bias(const struct ig_graph *g, const struct ig_layer_pair *l, int64_t c);

/* A copy of a layer's constant weights that no other node reads. */
struct ig_tensor *ig_own_weights(struct ig_graph *g, struct ig_nid id);
/* A bias of the node's own, whose data may be changed; zeros when it had none. NULL: what it has is no constant of that form. */
struct ig_tensor *ig_own_bias(struct ig_graph *g, struct ig_nid id);
/* Adds real numbers, one for each output, to such a bias: rounded to its type; outputs that would no longer fit keep theirs. */
void ig_bias_add(const struct ig_layer_pair *l, struct ig_tensor *bias, const double *add);
#endif
