/* Cross-layer equalization: the same float bits, weights of like size, and nothing where it would not be exact. */
#include "passes_util.h"

static struct ig_qconfig_map *map;

static void equalize(struct ig_graph *g)
{
	struct ig_context c = {.diag = diag, .verify = true, .qconfig = map};
	bool stopped;
	map->recover[IG_RECOVER_EQUALIZE] = true;
	assert_true(ig_pipeline_run(IG_HALF_FLOAT, g, &c, &stopped));
}

static void plain(struct ig_graph *g)
{
	struct ig_context c = {.diag = diag, .verify = true, .qconfig = map};
	bool stopped;
	map->recover[IG_RECOVER_EQUALIZE] = false;
	assert_true(ig_pipeline_run(IG_HALF_FLOAT, g, &c, &stopped));
}

/* Channel c of the layer's weights and bias times `by`. */
static void scale_channel(struct ig_graph *g, const char *name, int64_t c, float by)
{
	const struct ig_tensor *w = ig_const_data(g, layer(g, name)->in[1]);
	int64_t per = ig_elems(&w->type) / w->type.dim[0];
	for (int64_t i = c * per; i < (c + 1) * per; i++)
		((float *)w->data)[i] *= by;
	if (layer(g, name)->n_in > 2)
		((float *)ig_const_data(g, layer(g, name)->in[2])->data)[c] *= by;
}

static double largest(struct ig_graph *g, const char *name, int64_t c)
{
	const struct ig_tensor *w = ig_const_data(g, layer(g, name)->in[1]);
	int64_t per = ig_elems(&w->type) / w->type.dim[0];
	double m = 0;
	for (int64_t i = c * per; i < (c + 1) * per; i++)
		m = fmax(m, fabs((double)((const float *)w->data)[i]));
	return m;
}

/* The ratio of the largest to the smallest channel. */
static double spread(struct ig_graph *g, const char *name)
{
	double lo = INFINITY, hi = 0;
	for (int64_t c = 0; c < ig_const_data(g, layer(g, name)->in[1])->type.dim[0]; c++) {
		lo = fmin(lo, largest(g, name, c));
		hi = fmax(hi, largest(g, name, c));
	}
	return hi / lo;
}

/* conv - relu - depthwise - ACT - pool - flatten - linear - relu - linear, some channels of the first layers made small. */
static struct ig_graph *network(enum ig_op act, bool two_readers)
{
	struct ig_graph *g = ig_graph_new("m");
	struct ig_vid c = conv(g, "a", input(g, "x", SHAPE(1, 3, 8, 8)), 6, 1, true), r = op1(g, IG_OP_RELU, "ra", c);
	struct ig_vid d = op1(g, act, "rd", conv(g, "d", r, 6, 6, true));
	struct ig_nid pool = ig_graph_add(g, IG_OP_MAX_POOL2D, "pool", IG_NOLOC, &d, 1);
	ig_attr_set_ints(g, pool, IG_A_KERNEL, (const int64_t[]){2, 2}, 2);
	ig_attr_set_ints(g, pool, IG_A_STRIDE, (const int64_t[]){2, 2}, 2);
	struct ig_vid l = linear(g, "l", flatten(g, "f", result(g, pool)), 20);
	output(g, linear(g, "m", op1(g, IG_OP_RELU, "rl", l), 5));
	if (two_readers)
		output(g, r);
	for (int64_t k = 0; k < 3; k++) {
		scale_channel(g, "a", k, 1.0f / (float)(20 << 3 * k));
		scale_channel(g, "d", 5 - k, 1.0f / (float)(30 << 3 * k));
	}
	return g;
}

static void test_exact(void **state)
{
	(void)state;
	for (int k = 0; k < 8; k++) {
		struct ig_graph *g = network(k % 2 ? IG_OP_LEAKY_RELU : IG_OP_RELU, false), *before = ig_graph_clone(g);
		plain(before);
		equalize(g);
		assert_true(difference(before, g) == 0);
		assert_true(g->weights_hash != before->weights_hash);
		assert_true(spread(g, "a") < spread(before, "a") / 8);
		assert_true(largest(g, "a", 2) > 4 * largest(before, "a", 2));
		for (int i = 0; i < 4; i++) { /* what is per tensor does not get coarser */
			static const char *const names[] = {"a", "d", "l", "m"};
			double most = 0, was = 0;
			for (int64_t c = 0; c < ig_const_data(g, layer(g, names[i])->in[1])->type.dim[0]; c++) {
				most = fmax(most, largest(g, names[i], c));
				was = fmax(was, largest(before, names[i], c));
			}
			assert_true(most <= was);
		}
		ig_graph_free(before);
		ig_graph_free(g);
	}
}

/* The same graph again: it has converged, and says so by its hash. */
static void test_converges(void **state)
{
	(void)state;
	struct ig_graph *g = network(IG_OP_RELU, false);
	equalize(g);
	uint64_t hash = g->weights_hash;
	struct ig_context c = {.diag = diag, .verify = true, .qconfig = map};
	assert_true(ig_pass_equalize(g, &c));
	assert_true(g->weights_hash == hash);
	ig_graph_free(g);
}

static void test_switched_off(void **state)
{
	(void)state;
	struct ig_graph *g = network(IG_OP_RELU, false);
	uint64_t hash = g->weights_hash;
	double was = spread(g, "a");
	plain(g);
	assert_true(g->weights_hash == hash && spread(g, "a") == was);
	ig_graph_free(g);
}

/* Under relu6 a channel is scaled when it cannot reach 6. Here depthwise channels that add up at most 0.9 of what is below 6 can be; the others stay. */
static void test_bound(void **state)
{
	(void)state;
	struct ig_graph *g = ig_graph_new("m");
	struct ig_vid x = op1(g, IG_OP_RELU6, "rx", input(g, "x", SHAPE(1, 4, 6, 6)));
	struct ig_vid d = op1(g, IG_OP_RELU6, "rd", conv(g, "d", x, 4, 4, false));
	struct ig_vid in[2] = {d, constant(g, "w", -0.5, 0.5, SHAPE(3, 4, 1, 1))};
	output(g, result(g, ig_graph_add(g, IG_OP_CONV2D, "p", IG_NOLOC, in, 2)));
	scale_channel(g, "d", 0, 1.0f / 100);
	scale_channel(g, "d", 3, 10);
	struct ig_graph *before = ig_graph_clone(g);
	plain(before);
	equalize(g);
	assert_true(difference(before, g) == 0);
	assert_true(largest(g, "d", 0) > largest(before, "d", 0));
	for (int64_t c = 1; c < 4; c++)
		assert_true(largest(g, "d", c) == largest(before, "d", c));
	ig_graph_free(before);
	ig_graph_free(g);
}

/* A value that something else reads stays as it is. */
static void test_two_readers(void **state)
{
	(void)state;
	struct ig_graph *g = network(IG_OP_RELU, true), *before = ig_graph_clone(g);
	plain(before);
	equalize(g);
	assert_true(difference(before, g) == 0);
	for (int64_t c = 0; c < 6; c++)
		assert_true(largest(g, "a", c) == largest(before, "a", c));
	ig_graph_free(before);
	ig_graph_free(g);
}

static int begin(void **state)
{
	map = ig_qconfig_map_new();
	return start(state);
}

static int end(void **state)
{
	ig_qconfig_map_free(map);
	return finish(state);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_exact), cmocka_unit_test(test_converges), cmocka_unit_test(test_switched_off),
	    cmocka_unit_test(test_bound), cmocka_unit_test(test_two_readers),
	};
	return cmocka_run_group_tests(tests, begin, end);
}
