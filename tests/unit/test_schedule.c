/* codegen/schedule.c, schedule_file.c, conv_choose.c: files of schedules are read strictly and written the same each time; each candidate computes the same. */
#include "tests/unit/lower_check.h"

#include "tests/unit/tempfile.h"

static const struct geom same3 = {24, 9, 13, 40, 3, 3, 1, 1, 1, 1, 1, 1, 1, 1, 1}, deep = {32, 8, 8, 32, 3, 3, 1, 1, 1, 1, 1, 1, 1, 1, 32};

static const char good[] = "intaglio schedules 1\n# a note\n\nx86-64-v3: conv b = tiles vectors 2 pixels 6 unroll 4\nx86-64-v3: conv a = tiles vectors 1 pixels 3 block 8\n"
                           "aarch64-dotprod: depthwise z = columns pixels 4 rows 1\n";
static const char sorted[] = "intaglio schedules 1\naarch64-dotprod: depthwise z = columns pixels 4 rows 1\nx86-64-v3: conv a = tiles vectors 1 pixels 3 block 8\n"
                             "x86-64-v3: conv b = tiles vectors 2 pixels 6 unroll 4\n";

static struct ig_schedules *read_text(struct temp *t, const char *text, size_t n)
{
	temp_write(t, text, n);
	return ig_schedules_read(t->path, true, t->diag);
}

static void round_trip(void **state)
{
	(void)state;
	struct temp *t = temp_new();
	char text[1000] = {0};
	struct ig_schedules *s = read_text(t, good, sizeof good - 1);
	assert_non_null(s);
	const struct ig_schedule *x = ig_schedules_find(s, "x86-64-v3", "conv a", NULL);
	assert_non_null(x);
	assert_int_equal(x->block, 8);
	assert_int_equal(x->vectors, 1);
	assert_null(ig_schedules_find(s, "x86-64-v3", "depthwise z", NULL));
	struct ig_schedule other = *x;
	other.pixels = 5;
	ig_schedules_put(s, "x86-64-v3", "conv a", &other);
	assert_int_equal(ig_schedules_find(s, "x86-64-v3", "conv a", NULL)->pixels, 5);
	other.pixels = 3;
	ig_schedules_put(s, "x86-64-v3", "conv a", &other);
	assert_true(ig_schedules_write(s, t->path, t->diag));
	temp_read(t, text, sizeof text - 1);
	assert_string_equal(text, sorted);
	ig_schedules_free(s);
	temp_free(t);
}

static void refused(void **state)
{
	(void)state;
	static const struct {
		const char *text, *said;
	} cases[] = {
		{"", "the file is empty"},
		{"intaglio schedules 2\n", "not a file of schedules of this version"},
		{"x86-64-v3: a = tiles vectors 1 pixels 1\n", "not a file of schedules of this version"},
		{"intaglio schedules 1\nnonsense\n", "expected 'TARGET: LAYER = SCHEDULE'"},
		{"intaglio schedules 1\nx86-64-v4: a = tiles vectors 1\n", "there is no target 'x86-64-v4'; did you mean 'x86-64-v3'?"},
		{"intaglio schedules 1\nx86-64-v3: a = tilse vectors 1\n", "did you mean 'tiles'?"},
		{"intaglio schedules 1\nx86-64-v3: a = tiles vector 1\n", "did you mean 'vectors'?"},
		{"intaglio schedules 1\nx86-64-v3: a = tiles vectors\n", "'vectors' wants a number"},
		{"intaglio schedules 1\nx86-64-v3: a = tiles vectors 0\n", "'vectors' wants a number"},
		{"intaglio schedules 1\nx86-64-v3: a = tiles vectors 65\n", "'vectors' wants a number"},
		{"intaglio schedules 1\nx86-64-v3: a = tiles vectors -1\n", "'vectors' wants a number"},
		{"intaglio schedules 1\nx86-64-v3: a = tiles vectors 99999999999999999999\n", "'vectors' wants a number"},
		{"intaglio schedules 1\nx86-64-v3: a = tiles vectors 4x\n", "'vectors' wants a number"},
		{"intaglio schedules 1\nx86-64-v3: a = tiles vectors 1 vectors 2\n", "given twice"},
		{"intaglio schedules 1\nx86-64-v3: a = tiles vectors 1 \n", "there is no choice ''"},
		{"intaglio schedules 1\nx86-64-v3: a = tiles vectors 1\nx86-64-v3: a = tiles vectors 2\n", "has a schedule already"},
	};
	struct temp *t = temp_new();
	for (size_t i = 0; i < IG_COUNTOF(cases); i++) {
		assert_null(read_text(t, cases[i].text, strlen(cases[i].text)));
		assert_true(temp_said(t, cases[i].said));
	}
	assert_null(read_text(t, "intaglio schedules 1\nx86-64-v3: a\0b = tiles\n", 45));
	assert_true(temp_said(t, "zero byte"));
	assert_null(ig_schedules_read("/nonexistent/file", true, t->diag));
	assert_true(temp_said(t, "cannot open"));
	struct ig_schedules *none = ig_schedules_read("/nonexistent", false, t->diag);
	assert_non_null(none);
	ig_schedules_free(none);
	temp_free(t);
}

/* ---- candidates ---- */

struct pick {
	int take; /* the candidate */
	char *key;      /* of the last layer */
	struct ig_schedule chosen;
};

static int choose(void *self, const struct ig_sched_layer *l)
{
	struct pick *p = self;
	int k = l->candidate[0].variant != IG_SCHED_TILES ? p->take : 0;
	assert_true(k < l->n);
	free(p->key);
	p->key = strdup(l->key);
	p->chosen = l->candidate[k];
	for (int i = 1; i < l->n; i++)
		assert_true(l->candidate[i - 1].cost <= l->candidate[i].cost);
	return k;
}

static struct net make_net(void)
{
	struct net t = net_new(77);
	struct ig_vid x = net_quantize(&t, net_input(&t, DIMS(1, 24, 9, 13)), 2.0f / 255, 128);
	net_output(&t, net_conv(&t, IG_OP_CONV2D, x, &same3, IG_NOVAL, NET_RELU));
	struct ig_vid y = net_quantize(&t, net_input(&t, DIMS(1, 32, 8, 8)), 2.0f / 255, 128);
	net_output(&t, net_conv(&t, IG_OP_DEPTHWISE_CONV2D, y, &deep, IG_NOVAL, NET_RELU));
	return t;
}

static char *printed(const struct kir_module *m)
{
	char *text = NULL;
	size_t n;
	FILE *f = open_memstream(&text, &n);
	assert_non_null(f);
	kir_print(m, f);
	fclose(f);
	return text;
}

/* A file that names a candidate gives its code; one that names what is not possible is refused with its line. */
static void from_file(void **state)
{
	(void)state;
	struct capture c;
	struct net t = make_net();
	struct pick p = {.take = 3}; /* of the depthwise convolution; the other one keeps its best estimate */
	const struct ig_target *target = ig_target_find("x86-64-avx512vnni");
	must_infer(t.g);
	capture_begin(&c);
	struct ig_lower_options o = {.tune = choose, .tune_self = &p};
	struct kir_module *want = ig_lower(t.g, target, &o, c.diag), *got, *plain;
	assert_non_null(want);
	struct ig_schedules *s = ig_schedules_new();
	assert_true(p.chosen.variant != IG_SCHED_TILES);
	ig_schedules_put(s, target->name, p.key, &p.chosen);
	o = (struct ig_lower_options){.schedules = s};
	got = ig_lower(t.g, target, &o, c.diag);
	plain = ig_lower(t.g, target, NULL, c.diag);
	assert_non_null(got);
	char *text[3] = {printed(want), printed(got), printed(plain)};
	assert_string_equal(text[0], text[1]);
	assert_string_not_equal(text[0], text[2]);
	for (int i = 0; i < 3; i++)
		free(text[i]);
	p.chosen.pixels = 63;
	ig_schedules_put(s, target->name, p.key, &p.chosen);
	assert_null(ig_lower(t.g, target, &o, c.diag));
	assert_non_null(strstr(capture_text(&c), "this schedule is not possible for layer"));
	kir_module_free(got);
	kir_module_free(plain);
	kir_module_free(want);
	ig_schedules_free(s);
	free(p.key);
	capture_end(&c);
	ig_graph_free(t.g);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(round_trip), cmocka_unit_test(refused), cmocka_unit_test(from_file)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
