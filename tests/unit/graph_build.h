/* Small graphs in few lines, for tests. */
#ifndef TEST_GRAPH_BUILD_H
#define TEST_GRAPH_BUILD_H
#include "ir/infer.h"
#include "ir/interp.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* Diagnostics go to a string. */
struct capture {
	char *text;
	size_t size;
	FILE *file;
	struct ig_diag *diag;
};

static inline void capture_begin(struct capture *c)
{
	c->text = NULL;
	c->file = open_memstream(&c->text, &c->size);
	c->diag = ig_diag_new(c->file, false);
}

static inline const char *capture_text(struct capture *c)
{
	fflush(c->file);
	return c->text;
}

static inline void capture_end(struct capture *c)
{
	ig_diag_free(c->diag);
	fclose(c->file);
	free(c->text);
}

#define DIMS(...) (int)(sizeof((int64_t[]){__VA_ARGS__}) / sizeof(int64_t)), (int64_t[]){__VA_ARGS__}

static inline struct ig_vid add_input(struct ig_graph *g, const char *name, enum ig_dtype dt, int rank, const int64_t *dims)
{
	struct ig_nid n = ig_graph_add(g, IG_OP_INPUT, name, IG_NOLOC, NULL, 0);
	struct ig_vid v = ig_node(g, n)->out[0];
	ig_value(g, v)->type = ig_type_make(dt, rank, dims);
	ig_graph_mark_input(g, v);
	return v;
}

/* A constant whose bytes are copied into the graph's arena. */
static inline struct ig_vid add_constant(struct ig_graph *g, const char *name, enum ig_dtype dt, int rank, const int64_t *dims, const void *data)
{
	struct ig_type t = ig_type_make(dt, rank, dims);
	struct ig_tensor *x = ig_tensor_new(g->arena, &t);
	memcpy(x->data, data, x->bytes);
	return ig_graph_constant(g, IG_NONODE, name, IG_NOLOC, x);
}

static inline struct ig_nid add_node(struct ig_graph *g, enum ig_op op, const char *name, struct ig_vid a, struct ig_vid b, struct ig_vid c, struct ig_vid d)
{
	struct ig_vid in[4] = {a, b, c, d};
	int n = 0;
	while (n < 4 && in[n].i >= 0)
		n++;
	return ig_graph_add(g, op, name, IG_NOLOC, in, n);
}

static inline struct ig_vid result(const struct ig_graph *g, struct ig_nid n) { return ig_node(g, n)->out[0]; }

/* Per-tensor parameters, full range of the element type. */
static inline void set_q(struct ig_graph *g, struct ig_vid v, enum ig_dtype dt, float scale, int32_t zp)
{
	ig_value(g, v)->type.dtype = dt;
	ig_value(g, v)->type.q = ig_graph_qparam1(g, dt, scale, zp, dt == IG_DT_U8 ? 0 : -128, dt == IG_DT_U8 ? 255 : 127);
}

static inline void must_infer(struct ig_graph *g)
{
	struct capture c;
	capture_begin(&c);
	if (!ig_infer_graph(g, c.diag) || !ig_verify(g, "test", c.diag))
		fail_msg("%s", capture_text(&c));
	capture_end(&c);
}

/* Infers and runs the graph on one input and gives a copy of v's tensor, in the graph's arena. */
static inline const void *run1(struct ig_graph *g, const void *input, struct ig_vid v)
{
	struct capture c;
	must_infer(g);
	capture_begin(&c);
	struct ig_interp *it = ig_interp_new(g, c.diag);
	if (!it)
		fail_msg("%s", capture_text(&c));
	ig_interp_run(it, &input);
	const struct ig_tensor *t = ig_interp_value(it, v);
	void *copy = ig_arena_alloc(g->arena, t->bytes, 1);
	memcpy(copy, t->data, t->bytes);
	ig_interp_free(it);
	capture_end(&c);
	return copy;
}

#define assert_floats(got, ...)                                                                    \
	do {                                                                                           \
		const float want_[] = {__VA_ARGS__};                                                       \
		const float *got_ = (got);                                                                 \
		for (size_t k_ = 0; k_ < sizeof want_ / sizeof *want_; k_++)                               \
			if (memcmp(&got_[k_], &want_[k_], 4) != 0)                                             \
				fail_msg("element %zu is %.9g, expected %.9g", k_, (double)got_[k_], (double)want_[k_]); \
	} while (0)
#define assert_bytes(got, ...)                                                                     \
	do {                                                                                           \
		const int want_[] = {__VA_ARGS__};                                                         \
		const uint8_t *got_ = (got);                                                               \
		for (size_t k_ = 0; k_ < sizeof want_ / sizeof *want_; k_++)                               \
			if (got_[k_] != (uint8_t)want_[k_])                                                    \
				fail_msg("byte %zu is %d, expected %d", k_, got_[k_], want_[k_]);                  \
	} while (0)

#endif
