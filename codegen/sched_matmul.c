/* Products of two run-time values on float32: a tile of rows by vectors of columns in registers, one chain of fused multiply-adds over k for each
   result, as the interpreter has it. Columns must lie together in the right operand and in the result: else they pass through row-major twins. */
#include "codegen/lower.h"
#include "ir/matmul.h"

enum { ROWS = 6, VECTORS = 2 };

struct matmul {
	struct ig_matmul_geom g;
	const struct kir_tensor *a, *b, *out;
	int64_t am, ak, bk, om; /* steps: of a's rows and columns, b's rows, the result's rows */
	int lanes;
	struct kir_addr at_a, at_b, at_out; /* of the open loops */
};

static kir_val load_row(struct kir_builder *b, const struct matmul *m, kir_iv k, int64_t from, int lanes, int active)
{
	struct kir_addr at = m->at_b;
	at.base += from;
	ig_vec_term(&at, k, m->bk);
	return ig_vec_load_f(b, &at, lanes, active, 1);
}

/* rows x columns results from row `i` (a loop, or -1) and column offset `col` on. */
static void tile(struct kir_builder *b, const struct matmul *m, int rows, int64_t columns)
{
	kir_val acc[ROWS * VECTORS], w[VECTORS];
	int n = 0, lanes[VECTORS], active[VECTORS];
	for (int64_t left = columns; left > 0; left -= m->lanes, n++) {
		active[n] = left < m->lanes ? (int)left : m->lanes;
		lanes[n] = left < m->lanes ? ig_vec_pow2(left) : m->lanes;
	}
	for (int i = 0; i < rows * n; i++)
		acc[i] = kb_const_f(b, lanes[i % n], 0.0f);
	kir_iv k = ig_vec_loop(b, "k", m->g.k, acc, rows * n);
	for (int j = 0; j < n; j++)
		w[j] = load_row(b, m, k, (int64_t)j * m->lanes, lanes[j], active[j]);
	for (int i = 0; i < rows; i++) {
		struct kir_addr at = m->at_a;
		at.base += i * m->am;
		ig_vec_term(&at, k, m->ak);
		kir_val x = kb_load(b, KIR_T(KIR_F32, 1), at);
		for (int j = 0; j < n; j++)
			acc[i * n + j] = kb_fma(b, ig_vec_splat(b, x, lanes[j]), w[j], acc[i * n + j]);
	}
	ig_vec_end(b, k, acc, rows * n);
	for (int i = 0; i < rows * n; i++) {
		struct kir_addr at = m->at_out;
		at.base += i / n * m->om + (int64_t)(i % n) * m->lanes;
		ig_vec_store_f(b, acc[i], at, active[i % n]);
	}
}

/* All rows of a block of columns: whole tiles in a loop, then the rest. */
static void rows_of(struct kir_builder *b, const struct matmul *m, int64_t columns)
{
	struct matmul t = *m;
	int64_t full = m->g.m / ROWS;
	int rest = (int)(m->g.m - full * ROWS);
	if (full) {
		kir_iv i = ig_vec_loop(b, "m", full, NULL, 0);
		ig_vec_term(&t.at_a, i, ROWS * m->am);
		ig_vec_term(&t.at_out, i, ROWS * m->om);
		tile(b, &t, ROWS, columns);
		ig_vec_end(b, i, NULL, 0);
		t = *m;
		t.at_a.base += full * ROWS * m->am;
		t.at_out.base += full * ROWS * m->om;
	}
	if (rest)
		tile(b, &t, rest, columns);
}

static void matrix(struct kir_builder *b, const struct matmul *m)
{
	struct matmul t = *m;
	int64_t block = (int64_t)VECTORS * m->lanes, full = m->g.n / block, rest = m->g.n - full * block;
	if (full) {
		kir_iv j = ig_vec_loop(b, "n", full, NULL, 0);
		ig_vec_term(&t.at_b, j, block);
		ig_vec_term(&t.at_out, j, block);
		rows_of(b, &t, block);
		ig_vec_end(b, j, NULL, 0);
		t = *m;
		t.at_b.base += full * block;
		t.at_out.base += full * block;
	}
	if (rest)
		rows_of(b, &t, rest);
}

/* A row-major twin in the arena; the caller copies. */
static struct kir_tensor twin(struct ig_lower *L, const struct kir_tensor *t)
{
	struct kir_tensor c = *t;
	c.name = ig_arena_printf(L->m->arena, "%s.rows", t->name);
	c.base = 0;
	ig_layout_row_major(&c.type, c.stride);
	c.buf = ig_layout_buffer(L, c.name, KIR_ARENA, KIR_F32, ig_elems(&c.type));
	return c;
}

static void copy(struct ig_lower *L, struct ig_nid id, const char *name, const struct kir_tensor *to, const struct kir_tensor *from)
{
	struct kir_builder b = {L->m, kir_func_add(L->m, name, id)};
	struct ig_nest nest;
	ig_nest_init(&nest, to->type.rank, to->type.dim);
	ig_nest_view(&nest, to);
	ig_nest_view(&nest, from);
	ig_nest_copy(&b, &nest, L->lanes, KIR_F32);
}

/* Elements of a row lie together; a vector of rank 1 on the right is one column. */
static bool rows_lie(const struct kir_tensor *t, int64_t columns) { return columns == 1 || t->stride[t->type.rank - 1] == 1; }

static void emit(struct ig_lower *L, struct ig_nid id, struct matmul *m)
{
	int ra = m->a->type.rank, rb = m->b->type.rank, ro = m->out->type.rank;
	int batch = m->g.rank;
	struct kir_builder b = ig_low_func(L, id);
	kir_iv iv[IG_MAX_RANK];
	m->am = ra == 1 ? 0 : m->a->stride[ra - 2];
	m->ak = m->a->stride[ra - 1];
	m->bk = m->b->stride[rb == 1 ? 0 : rb - 2];
	m->om = ra == 1 ? 0 : m->out->stride[rb == 1 ? ro - 1 : ro - 2];
	m->at_a = kb_addr(m->a->buf, m->a->base);
	m->at_b = kb_addr(m->b->buf, m->b->base);
	m->at_out = kb_addr(m->out->buf, m->out->base);
	for (int i = 0; i < batch; i++) {
		int ia = i - (batch - (ra - 2)), ib = i - (batch - (rb - 2));
		iv[i] = ig_vec_loop(&b, "batch", m->g.dim[i], NULL, 0);
		ig_vec_term(&m->at_a, iv[i], m->g.sa[i] ? m->a->stride[ia] : 0);
		ig_vec_term(&m->at_b, iv[i], m->g.sb[i] ? m->b->stride[ib] : 0);
		ig_vec_term(&m->at_out, iv[i], m->out->stride[i]);
	}
	matrix(&b, m);
	for (int i = batch - 1; i >= 0; i--)
		ig_vec_end(&b, iv[i], NULL, 0);
}

bool ig_lower_matmul(struct ig_lower *L, struct ig_nid id)
{
	const struct ig_node *n = ig_node(L->g, id);
	struct matmul m = {.a = ig_low_view(L, n->in[0]), .b = ig_low_view(L, n->in[1]), .out = ig_low_view(L, n->out[0]), .lanes = L->lanes};
	struct kir_tensor right, result;
	if (!ig_low_is_float(m.a))
		return ig_low_refuse(L, id, "code is generated for f32, not %s", ig_dtypes[m.a->type.dtype].name);
	if (!ig_matmul_geometry(&m.a->type, &m.b->type, &m.g))
		IG_BUG("matmul of unchecked shapes");
	if (!rows_lie(m.b, m.g.n)) {
		right = twin(L, m.b);
		copy(L, id, right.name, &right, m.b);
		m.b = &right;
	}
	bool direct = rows_lie(m.out, m.g.n);
	const struct kir_tensor *out = m.out;
	if (!direct) {
		result = twin(L, m.out);
		m.out = &result;
	}
	emit(L, id, &m);
	if (!direct)
		copy(L, id, ig_arena_printf(L->arena, "%s.order", n->name), out, &result);
	return true;
}
