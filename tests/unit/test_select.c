/* A diverse subset: a sample of every cluster, however few the cluster has; the same one each time. */
#include "tests/unit/tempfile.h"

#include "driver/select.h"

enum { N = 40, ELEMS = 6 };

/* Samples 0..36 near 0, 37 and 38 near 5, 39 near -9: in all elements. */
static float near_what(int i) { return i < 37 ? 0 : i < 39 ? 5 : -9; }

static struct ig_graph *model(void)
{
	struct ig_graph *g = ig_graph_new("m");
	struct ig_nid id = ig_graph_add(g, IG_OP_INPUT, "x", IG_NOLOC, NULL, 0);
	int64_t dim[2] = {1, ELEMS};
	struct ig_vid v = ig_node(g, id)->out[0];
	ig_value(g, v)->type = ig_type_make(IG_DT_F32, 2, dim);
	ig_graph_mark_input(g, v);
	return g;
}

static int count(const bool *chosen, int from, int to)
{
	int n = 0;
	for (int i = from; i < to; i++)
		n += chosen[i];
	return n;
}

static void clusters(void **state)
{
	(void)state;
	struct temp *t = temp_new();
	struct ig_graph *g = model();
	float x[N][ELEMS];
	int64_t dim[2] = {N, ELEMS};
	for (int i = 0; i < N; i++)
		for (int k = 0; k < ELEMS; k++)
			x[i][k] = near_what(i) + 0.01f * (float)((i * 7 + k * 3) % 11);
	assert_true(ig_npy_write(t->path, IG_DT_F32, 2, dim, x, t->diag));
	const char *spec[] = {t->path};
	struct ig_dataset *ds = ig_dataset_open(g, spec, 1, true, t->diag);
	assert_non_null(ds);
	for (int n = 1; n <= N + 3; n++) {
		bool *chosen = ig_select_samples(g, &ds, 1, n), *again = ig_select_samples(g, &ds, 1, n);
		assert_int_equal(count(chosen, 0, N), n < N ? n : N);
		assert_memory_equal(chosen, again, N);
		if (n == 1)
			assert_int_equal(count(chosen, 0, 37), 1); /* the one near the mean */
		if (n >= 3) {
			assert_true(count(chosen, 0, 37) >= 1);
			assert_true(count(chosen, 37, 39) >= 1);
			assert_int_equal(count(chosen, 39, 40), 1);
		}
		free(chosen);
		free(again);
	}
	ig_dataset_free(ds);
	ig_graph_free(g);
	temp_free(t);
}

/* Samples that are all the same are no division by zero. */
static void equal_samples(void **state)
{
	(void)state;
	struct temp *t = temp_new();
	struct ig_graph *g = model();
	float x[4][ELEMS] = {{0}};
	int64_t dim[2] = {4, ELEMS};
	assert_true(ig_npy_write(t->path, IG_DT_F32, 2, dim, x, t->diag));
	const char *spec[] = {t->path};
	struct ig_dataset *ds = ig_dataset_open(g, spec, 1, true, t->diag);
	bool *chosen = ig_select_samples(g, &ds, 1, 2);
	assert_int_equal(count(chosen, 0, 4), 2);
	free(chosen);
	ig_dataset_free(ds);
	ig_graph_free(g);
	temp_free(t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(clusters), cmocka_unit_test(equal_samples)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
