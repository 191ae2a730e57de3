/* Tile values to tile registers. Tiles have no copies: a product takes its accumulator's register, a loop's carried tiles keep theirs, and every other tile's
   register is free again after its last use. So a function says by itself where its tiles are, and the verifier can ask whether they fit. */
#include <stdlib.h>
#include <string.h>

#include "codegen/kir.h"

struct assign {
	const struct kir_func *f;
	int8_t *reg;
	uint8_t *rows;        /* by register; 0: never used so far */
	bool busy[KIR_TILE_REGS];
	int32_t *uses;        /* by value: those that are still to come */
	kir_iv *scope;        /* by value: the loop it is defined in */
	kir_iv open;
	const char *wrong;
};

static bool is_tile(const struct assign *a, kir_val v) { return a->f->vtype[v].elem == KIR_TILE; }

static void wrong(struct assign *a, const char *why)
{
	if (!a->wrong)
		a->wrong = why;
}

/* A register with so many rows: all tiles in one have the same number, which is set once for the function. */
static void define(struct assign *a, kir_val v, int rows)
{
	for (int pass = 0; pass < 2; pass++)
		for (int r = 0; r < KIR_TILE_REGS; r++)
			if (!a->busy[r] && a->rows[r] == (pass ? 0 : rows)) {
				a->rows[r] = (uint8_t)rows;
				a->busy[r] = a->uses[v] > 0;
				a->reg[v] = (int8_t)r;
				a->scope[v] = a->open;
				return;
			}
	wrong(a, "more tiles than registers");
}

/* One use of v; `last`: there may be no other. */
static void use(struct assign *a, kir_val v, bool last)
{
	a->uses[v]--;
	if (a->reg[v] < 0)
		wrong(a, "a tile without a register");
	else if (a->scope[v] != a->open)
		wrong(a, "a tile from outside the loop that is not carried");
	else if (last && a->uses[v])
		wrong(a, "an accumulating tile has another use");
	else if (!a->uses[v])
		a->busy[a->reg[v]] = false;
}

/* v is where `from` was. */
static void inherit(struct assign *a, kir_val v, kir_val from)
{
	a->reg[v] = a->reg[from];
	a->scope[v] = a->open;
	if (a->reg[v] >= 0)
		a->busy[a->reg[v]] = a->uses[v] > 0;
}

static void loop(struct assign *a, const struct kir_inst *in)
{
	const struct kir_loop *l = &a->f->loop[in->loop];
	for (int i = 0; i < in->n_extra; i++)
		if (is_tile(a, in->extra[i]))
			use(a, in->extra[i], true);
	a->open = in->op == KIR_LOOP ? in->loop : l->parent;
	for (int i = 0; i < in->n_extra && !a->wrong; i++) {
		if (!is_tile(a, in->extra[i]))
			continue;
		if (in->op == KIR_END && a->reg[in->extra[i]] != a->reg[a->f->inst[l->begin].dst + i])
			wrong(a, "a carried tile changes its register");
		inherit(a, in->dst + i, in->extra[i]);
	}
}

static void dot(struct assign *a, const struct kir_inst *in)
{
	int8_t acc = a->reg[in->arg[0]], x = a->reg[in->arg[1]], y = a->reg[in->arg[2]];
	if (acc < 0 || x < 0 || y < 0 || acc == x || acc == y || x == y || a->rows[acc] != a->rows[x] || a->rows[y] != KIR_TILE_ROWS) {
		wrong(a, "the rows of a product's tiles do not fit");
		return;
	}
	use(a, in->arg[1], false);
	use(a, in->arg[2], false);
	use(a, in->arg[0], true);
	inherit(a, in->dst, in->arg[0]);
}

static void inst(struct assign *a, const struct kir_inst *in)
{
	if (in->op == KIR_LOOP || in->op == KIR_END)
		loop(a, in);
	else if (in->op == KIR_TILE_LOAD)
		define(a, in->dst, in->active);
	else if (in->op == KIR_TILE_DOT)
		dot(a, in);
	else if (in->op == KIR_TILE_STORE) {
		if (a->reg[in->arg[0]] >= 0 && a->rows[a->reg[in->arg[0]]] != in->active)
			wrong(a, "a tile is stored with another number of rows");
		use(a, in->arg[0], false);
	}
}

const char *kir_tile_assign(const struct kir_func *f, int8_t *reg, uint8_t rows[KIR_TILE_REGS])
{
	struct assign a = {.f = f, .reg = reg, .rows = rows, .open = -1};
	a.uses = ig_xcalloc((size_t)f->n_values + 1, sizeof *a.uses);
	a.scope = ig_xcalloc((size_t)f->n_values + 1, sizeof *a.scope);
	memset(reg, -1, (size_t)f->n_values);
	memset(rows, 0, KIR_TILE_REGS);
	for (int k = 0; k < f->n; k++) {
		for (int i = 0; i < kir_ops[f->inst[k].op].n_args; i++)
			a.uses[f->inst[k].arg[i]]++;
		for (int i = 0; i < f->inst[k].n_extra; i++)
			a.uses[f->inst[k].extra[i]]++;
	}
	for (int k = 0; k < f->n && !a.wrong; k++)
		inst(&a, &f->inst[k]);
	free(a.uses);
	free(a.scope);
	return a.wrong;
}
