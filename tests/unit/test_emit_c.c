/* The C emitter: random kernel-IR programs over all instructions, printed as C, compiled by the compilers at hand with hostile options, loaded, and
   compared with the interpreter byte for byte; the checks of the interface; the header, in C and C++, alone and beside ig_runtime.h. */
#include <dlfcn.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "codegen/emit_c.h"
#include "runtime/ig_runtime.h"

enum { FUNCS = 10, STEPS = 45, OUT_BYTES = 1 << 18, IN_BYTES = 4096 };

struct random {
	uint64_t s;
};

static uint32_t pick(struct random *r, uint32_t n)
{
	r->s = r->s * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)(r->s >> 33) % n;
}

struct gen {
	struct random r;
	struct kir_builder b;
	int32_t in8, in_float, out8, scratch, table;
	kir_val v[400];
	int n;
	int64_t out_at;
};

static kir_val any(struct gen *g, int elem, int lanes)
{
	for (int tries = 0; tries < 60; tries++) {
		kir_val v = g->v[pick(&g->r, (uint32_t)g->n)];
		struct kir_type t = kb_type(&g->b, v);
		if (t.elem == elem && (lanes == 0 || t.lanes == lanes))
			return v;
	}
	if (lanes == 0)
		lanes = 1 << pick(&g->r, 5);
	if (elem == KIR_F32) {
		if (pick(&g->r, 4) == 0) {
			static const float odd[] = {0.0f, -0.0f, 1.5f, -3e38f, 1e-40f, 12345678.0f, 0.1f};
			return kb_const_f(&g->b, lanes, odd[pick(&g->r, 7)]);
		}
		return kb_load(&g->b, KIR_T(KIR_F32, lanes), kb_addr(g->in_float, pick(&g->r, (uint32_t)(IN_BYTES / 4 - lanes))));
	}
	if (pick(&g->r, 4) == 0)
		return kb_const_i(&g->b, KIR_T(elem, lanes), (int64_t)((uint64_t)pick(&g->r, 1u << 31) << pick(&g->r, 33)) - 99);
	int span = lanes * kir_elem_bytes((enum kir_elem)elem), active = lanes > 1 && pick(&g->r, 3) == 0 ? lanes - 1 : lanes;
	return kb_load_n(&g->b, KIR_T(elem, lanes), kb_addr(g->in8, pick(&g->r, (uint32_t)(IN_BYTES - span))), active);
}

static kir_val cond(struct gen *g, int lanes)
{
	int e = pick(&g->r, 2) ? KIR_F32 : KIR_I8 + (int)pick(&g->r, 4);
	return kb_op2(&g->b, pick(&g->r, 2) ? KIR_CMPLT : KIR_CMPEQ, any(g, e, lanes), any(g, e, lanes));
}

static kir_val random_dot(struct gen *g)
{
	int lanes = 1 << pick(&g->r, 5), group = 1 << pick(&g->r, 3), e = pick(&g->r, 3) ? KIR_I8 : KIR_I16;
	kir_val a = any(g, e, lanes * group), b = any(g, e, lanes * group);
	return kb_dot(&g->b, any(g, KIR_I32, lanes), a, b, e == KIR_I8 && pick(&g->r, 2));
}

static kir_val small_float(struct gen *g, int lanes) /* within i32's range, no NaN */
{
	kir_val v = any(g, KIR_F32, lanes);
	return kb_op2(&g->b, KIR_FMIN, kb_op2(&g->b, KIR_FMAX, v, kb_const_f(&g->b, lanes, -2147483648.0f)), kb_const_f(&g->b, lanes, 2147483520.0f));
}

static kir_val random_float(struct gen *g, int lanes)
{
	static const enum kir_op ops[] = {KIR_ADD, KIR_SUB, KIR_MUL, KIR_DIV, KIR_FMIN, KIR_FMAX};
	switch (pick(&g->r, 6)) {
	case 0: return kb_fma(&g->b, any(g, KIR_F32, lanes), any(g, KIR_F32, lanes), any(g, KIR_F32, lanes));
	case 1: return kb_op1(&g->b, KIR_ITOF, KIR_T(KIR_F32, lanes), any(g, KIR_I32, lanes));
	case 2: {
		kir_val a = kb_op1(&g->b, KIR_FTOD, KIR_T(KIR_F64, lanes), any(g, KIR_F32, lanes));
		kir_val b = kb_op1(&g->b, KIR_FTOD, KIR_T(KIR_F64, lanes), any(g, KIR_F32, lanes));
		return kb_op1(&g->b, KIR_DTOF, KIR_T(KIR_F32, lanes), kb_op2(&g->b, KIR_ADD, kb_op2(&g->b, KIR_MUL, a, b), a));
	}
	case 3: /* multiply and add: nothing may contract it */
		return kb_op2(&g->b, KIR_ADD, kb_op2(&g->b, KIR_MUL, any(g, KIR_F32, lanes), any(g, KIR_F32, lanes)), any(g, KIR_F32, lanes));
	case 4:
		if (lanes == 1)
			return kb_op1(&g->b, pick(&g->r, 2) ? KIR_REDUCE_ADD : KIR_REDUCE_FMAX, KIR_T(KIR_F32, 1), any(g, KIR_F32, 16));
		/* fallthrough */
	default: return kb_op2(&g->b, ops[pick(&g->r, 6)], any(g, KIR_F32, lanes), any(g, KIR_F32, lanes));
	}
}

static kir_val random_int(struct gen *g, int e, int lanes)
{
	static const enum kir_op ops[] = {KIR_ADD, KIR_SUB, KIR_MUL, KIR_SMIN, KIR_SMAX, KIR_UMIN, KIR_UMAX, KIR_AND, KIR_OR, KIR_XOR};
	static const enum kir_op shifts[] = {KIR_SHL, KIR_SHRU, KIR_SHRS};
	int narrower = KIR_I8 + (int)pick(&g->r, (uint32_t)(e - KIR_I8 + 1));
	switch (pick(&g->r, 8)) {
	case 0: return kb_shift(&g->b, shifts[pick(&g->r, 3)], any(g, e, lanes), (int)pick(&g->r, (uint32_t)kir_elem_bits((enum kir_elem)e)));
	case 1:
		if (narrower < e)
			return kb_op1(&g->b, pick(&g->r, 2) ? KIR_SEXT : KIR_ZEXT, KIR_T(e, lanes), any(g, narrower, lanes));
		return kb_op1(&g->b, pick(&g->r, 2) ? KIR_SEXT : KIR_ZEXT, KIR_T(e, lanes), cond(g, lanes));
	case 2:
		if (e < KIR_I64)
			return kb_op1(&g->b, KIR_TRUNC, KIR_T(e, lanes), any(g, e + 1 + (int)pick(&g->r, (uint32_t)(KIR_I64 - e)), lanes));
		/* fallthrough */
	case 3: return kb_select(&g->b, cond(g, lanes), any(g, e, lanes), any(g, e, lanes));
	case 4:
		if (lanes == 1)
			return kb_op1(&g->b, KIR_REDUCE_UMAX, KIR_T(e, 1), any(g, e, 8));
		/* fallthrough */
	default: return kb_op2(&g->b, ops[pick(&g->r, 10)], any(g, e, lanes), any(g, e, lanes));
	}
}

static kir_val random_move(struct gen *g)
{
	int e = pick(&g->r, 5) == 0 ? KIR_F32 : KIR_I8 + (int)pick(&g->r, 4), lanes = 1 << pick(&g->r, 5);
	switch (pick(&g->r, 6)) {
	case 0: return kb_op1(&g->b, KIR_SPLAT, KIR_T(e, 2 * lanes), any(g, e, 1));
	case 1: return kb_extract(&g->b, any(g, e, 2 * lanes), (int)pick(&g->r, (uint32_t)lanes + 1), lanes);
	case 2: return kb_op2(&g->b, KIR_INTERLEAVE, any(g, e, lanes), any(g, e, lanes));
	case 3: return kb_op2(&g->b, KIR_CONCAT, any(g, e, lanes), any(g, e, lanes));
	case 4: return kb_op1(&g->b, KIR_BITCAST, KIR_T(KIR_I8, 4 * lanes), any(g, pick(&g->r, 2) ? KIR_I32 : KIR_F32, lanes));
	default: return kb_op1(&g->b, KIR_BITCAST, KIR_T(KIR_I32, lanes), any(g, KIR_I16, 2 * lanes));
	}
}

static kir_val random_value(struct gen *g)
{
	int lanes = 1 << pick(&g->r, 6);
	switch (pick(&g->r, 9)) {
	case 0: return random_dot(g);
	case 1:
	case 2: return random_float(g, lanes);
	case 3: return random_move(g);
	case 4: return kb_lut(&g->b, KIR_I16, any(g, KIR_I8, lanes), kb_addr(g->table, pick(&g->r, 40)));
	case 5: {
		int zp = (int)pick(&g->r, 256), lo = (int)pick(&g->r, 128), hi = lo + (int)pick(&g->r, 128);
		return kb_fpack(&g->b, any(g, KIR_F32, lanes), lo, hi, zp, true);
	}
	case 6: return kb_op1(&g->b, KIR_RNE, KIR_T(KIR_I32, lanes), small_float(g, lanes));
	default: return random_int(g, KIR_I8 + (int)pick(&g->r, 4), lanes);
	}
}

/* NaN payloads and signs are not defined: floats are stored with NaN made canonical, as schedules do. */
static void store(struct gen *g, kir_val v)
{
	struct kir_type t = kb_type(&g->b, v);
	if (t.elem == KIR_F32)
		v = kb_select(&g->b, kb_op2(&g->b, KIR_CMPEQ, v, v), v, kb_const_f(&g->b, t.lanes, __builtin_nanf("")));
	int bytes = kir_type_bytes(t);
	if (g->out_at + bytes > OUT_BYTES)
		return;
	kb_store_n(&g->b, v, kb_addr(g->out8, g->out_at), t.lanes > 2 && pick(&g->r, 4) == 0 ? t.lanes - 1 : t.lanes);
	g->out_at += bytes;
}

/* Integers of bits of a float whose NaN may be of any payload would differ: bit casts from floats are made from finite ones. */
static void keep(struct gen *g, kir_val v)
{
	if (kb_type(&g->b, v).elem == KIR_F32) {
		int lanes = kb_type(&g->b, v).lanes;
		v = kb_select(&g->b, kb_op2(&g->b, KIR_CMPEQ, v, v), v, kb_const_f(&g->b, lanes, 0.25f));
	}
	g->v[g->n++] = v;
}

static void random_func(struct gen *g, int nth)
{
	char name[20];
	snprintf(name, sizeof name, "layer%d", nth);
	g->b.f = kir_func_add(g->b.m, name, IG_NONODE);
	g->n = 0;
	keep(g, kb_load(&g->b, KIR_T(KIR_I8, 16), kb_addr(g->in8, 7)));
	for (int i = 0; i < STEPS / 3; i++)
		keep(g, random_value(g));
	int before = g->n, n = 1 + (int)pick(&g->r, 4);
	kir_val carried[4], next[4];
	for (int i = 0; i < n; i++)
		carried[i] = g->v[pick(&g->r, (uint32_t)before)];
	kir_iv y = kb_loop(&g->b, pick(&g->r, 2) ? "y" : "i", 1 + pick(&g->r, 3), carried, n);
	for (int i = 0; i < n; i++)
		keep(g, carried[i]);
	struct kir_addr a = kb_addr(g->in8, 900), s = kb_addr(g->scratch, 64);
	kb_addr_add(&a, y, -17);
	kb_addr_add(&s, y, 16);
	keep(g, kb_load(&g->b, KIR_T(KIR_I32, 4), a));
	for (int i = 0; i < STEPS / 3; i++)
		keep(g, random_value(g));
	kb_store(&g->b, any(g, KIR_I32, 4), s);
	keep(g, kb_load(&g->b, KIR_T(KIR_I8, 16), s));
	for (int i = 0; i < n; i++) { /* now and then another carried value: they change places */
		struct kir_type t = kb_type(&g->b, carried[i]), o = kb_type(&g->b, carried[(i + 1) % n]);
		bool same = t.elem == o.elem && t.lanes == o.lanes;
		next[i] = same && pick(&g->r, 2) ? carried[(i + 1) % n] : t.elem == KIR_I1 || t.elem == KIR_F64 ? carried[i] : any(g, t.elem, t.lanes);
	}
	kb_end(&g->b, next, n);
	g->n = before;
	for (int i = 0; i < n; i++)
		keep(g, next[i]);
	for (int i = 0; i < STEPS / 3; i++)
		keep(g, random_value(g));
	for (int i = 0; i < g->n; i++)
		if (pick(&g->r, 3))
			store(g, g->v[i]);
}

static struct kir_module *random_module(uint64_t seed)
{
	struct gen g = {.r = {seed}};
	struct kir_module *m = kir_module_new("rnd");
	int16_t table[300];
	for (int i = 0; i < 300; i++)
		table[i] = (int16_t)pick(&g.r, 65536);
	m->n_inputs = 2;
	m->n_outputs = 1;
	g.b.m = m;
	g.in8 = kir_buffer_add(m, "x", KIR_IN, KIR_I8, IN_BYTES);
	g.in_float = kir_buffer_add(m, "f/in", KIR_IN, KIR_F32, IN_BYTES / 4);
	g.out8 = kir_buffer_add(m, "y", KIR_OUT, KIR_I8, OUT_BYTES);
	m->buf[g.in8].io = m->buf[g.out8].io = 0;
	m->buf[g.in_float].io = 1;
	g.scratch = kir_buffer_add(m, "s", KIR_ARENA, KIR_I8, 128);
	g.table = kir_buffer_const(m, "t", KIR_I16, 300, table);
	for (int i = 0; i < FUNCS; i++)
		random_func(&g, i);
	return m;
}

struct fixture {
	struct kir_module *m;
	struct ig_program p;
	struct ig_io_info in[2], out[1];
	struct ig_diag *d;
	char dir[64];
};

static void set_up(struct fixture *t, uint64_t seed)
{
	memset(t, 0, sizeof *t);
	strcpy(t->dir, "/tmp/intaglio_emit_c_XXXXXX");
	assert_non_null(mkdtemp(t->dir));
	t->d = ig_diag_new(stderr, false);
	t->m = random_module(seed);
	assert_true(ig_memplan(t->m, NULL, t->d));
	assert_true(kir_verify(t->m, t->d));
	t->in[0] = (struct ig_io_info){.name = "x", .type = {.dtype = IG_DT_U8, .rank = 1, .dim = {IN_BYTES}, .q = IG_NOQ}, .scale = 0.5f, .zero_point = 3};
	t->in[1] = (struct ig_io_info){.name = "f", .type = {.dtype = IG_DT_F32, .rank = 2, .dim = {2, IN_BYTES / 8}, .q = IG_NOQ}};
	t->out[0] = (struct ig_io_info){.name = "y", .type = {.dtype = IG_DT_U8, .rank = 1, .dim = {OUT_BYTES}, .q = IG_NOQ}};
	t->p = (struct ig_program){.name = "rnd", .module = t->m, .target = &ig_target_c, .in = t->in, .out = t->out, .n_in = 2, .n_out = 1, .hash = 0x1234};
}

static void tear_down(struct fixture *t)
{
	char command[128];
	snprintf(command, sizeof command, "rm -rf '%s'", t->dir);
	assert_int_equal(system(command), 0);
	kir_module_free(t->m);
	ig_diag_free(t->d);
}

static void make_inputs(uint8_t *x, float *f, uint64_t seed)
{
	static const float odd[] = {0.0f, -0.0f, 1e38f, -3e38f, 1e-42f, 0.5f, 2.5f, -127.5f, 8388609.0f, 4194304.5f};
	struct random r = {seed};
	for (int i = 0; i < IN_BYTES; i++)
		x[i] = (uint8_t)pick(&r, 256);
	for (int i = 0; i < IN_BYTES / 4; i++)
		f[i] = pick(&r, 5) == 0 ? odd[pick(&r, 10)] : ((float)pick(&r, 1u << 30) - 536870912.0f) / (float)(1 << pick(&r, 31));
}

static bool have(const char *compiler)
{
	char command[200];
	snprintf(command, sizeof command, "command -v %s >/dev/null 2>&1", compiler);
	return system(command) == 0;
}

static bool cpu_has_fma(void)
{
#if defined(__x86_64__)
	return __builtin_cpu_supports("fma");
#else
	return false;
#endif
}

static void compare(const struct fixture *t, const char *compile, const char *what)
{
	char command[600], path[100];
	snprintf(path, sizeof path, "%s/m.so", t->dir);
	snprintf(command, sizeof command, "%s -std=c99 -Wall -Wextra -Wpedantic -Werror -fPIC -shared -o %s %s/m.c", compile, path, t->dir);
	if (system(command) != 0)
		fail_msg("%s", command);
	void *so = dlopen(path, RTLD_NOW | RTLD_LOCAL);
	assert_non_null(so);
	int (*call)(const struct ig_call *);
	*(void **)&call = dlsym(so, "rnd_call");
	const struct ig_model_desc *desc = dlsym(so, "rnd_model");
	assert_true(desc->size == sizeof *desc && desc->version == IG_MODEL_VERSION && desc->arena_bytes == (uint64_t)t->m->arena_bytes && desc->n_inputs == 2);
	assert_true(desc->inputs[1].dim[1] == IN_BYTES / 8 && desc->inputs[0].scale == 0.5f && desc->inputs[0].zero_point == 3 && desc->hash == 0x1234);
	struct kir_interp *it = kir_interp_new(t->m);
	static uint8_t x[IN_BYTES], a[OUT_BYTES], b[OUT_BYTES];
	static float f[IN_BYTES / 4];
	_Alignas(64) static uint8_t arena[4096], other[4096];
	assert_true(t->m->arena_bytes <= 4096);
	for (uint64_t seed = 1; seed <= 20; seed++) {
		make_inputs(x, f, seed);
		memset(a, 0xee, sizeof a);
		memset(b, 0xee, sizeof b);
		const void *in[] = {x, f};
		kir_interp_run(it, in, (void *const[]){a}, arena);
		struct ig_call c = {.size = sizeof c, .version = IG_MODEL_VERSION, .n_inputs = 2, .n_outputs = 1, .inputs = in, .outputs = (void *const[]){b},
		                    .arena = other, .arena_bytes = sizeof other};
		assert_int_equal(call(&c), IG_OK);
		for (int i = 0; i < OUT_BYTES; i++)
			if (a[i] != b[i])
				fail_msg("%s: sample %d: byte %d is %d, the interpreter has %d", what, (int)seed, i, b[i], a[i]);
	}
	kir_interp_free(it);
	dlclose(so);
}

static void same_bytes(void **state)
{
	(void)state;
	static const struct { const char *compiler, *options; bool fma; } cases[] = {
		{"gcc", "-O0", false}, {"gcc", "-O3", false}, {"gcc", "-O3 -mfma -mavx2 -ffp-contract=fast", true},
		{"clang-19", "-O0", false}, {"clang-19", "-O3", false}, {"clang-19", "-O3 -mfma -mavx2", true},
	};
	int ran = 0;
	for (uint64_t seed = 1; seed <= 2; seed++) {
		struct fixture t;
		set_up(&t, seed);
		char path[100], command[200];
		snprintf(path, sizeof path, "%s/m.c", t.dir);
		assert_true(ig_emit_c(&t.p, path, t.d));
		for (size_t i = 0; i < IG_COUNTOF(cases); i++) {
			if (!have(cases[i].compiler) || (cases[i].fma && !cpu_has_fma()))
				continue;
			snprintf(command, sizeof command, "%s %s", cases[i].compiler, cases[i].options);
			compare(&t, command, command);
			ran++;
		}
		tear_down(&t);
	}
	if (!ran)
		skip();
}

static void refuses_bad_calls(void **state)
{
	(void)state;
	if (!have("gcc"))
		skip();
	struct fixture t;
	char path[100], command[300];
	set_up(&t, 5);
	snprintf(path, sizeof path, "%s/m.c", t.dir);
	assert_true(ig_emit_c(&t.p, path, t.d));
	snprintf(command, sizeof command, "gcc -std=c99 -O0 -fPIC -shared -o %s/m.so %s", t.dir, path);
	assert_int_equal(system(command), 0);
	snprintf(path, sizeof path, "%s/m.so", t.dir);
	void *so = dlopen(path, RTLD_NOW | RTLD_LOCAL);
	assert_non_null(so);
	int (*call)(const struct ig_call *), (*run)(const uint8_t *, const float *, uint8_t *, void *);
	*(void **)&call = dlsym(so, "rnd_call");
	*(void **)&run = dlsym(so, "rnd_run");
	static uint8_t x[IN_BYTES], y[OUT_BYTES];
	static float f[IN_BYTES / 4];
	_Alignas(64) static uint8_t arena[4160];
	const void *in[] = {x, f}, *no_in[] = {x, NULL};
	void *const out[] = {y}, *const no_out[] = {NULL};
	const struct ig_call good = {.size = sizeof good, .version = IG_MODEL_VERSION, .n_inputs = 2, .n_outputs = 1, .inputs = in, .outputs = out, .arena = arena,
	                             .arena_bytes = (uint64_t)t.m->arena_bytes};
	struct ig_call c;
	assert_int_equal(call(&good), IG_OK);
	assert_int_equal(call(NULL), IG_ERR_NULL);
#define REFUSED(field, value, code) (c = good, c.field = (value), assert_int_equal(call(&c), code))
	REFUSED(size, 8, IG_ERR_VERSION);
	REFUSED(version, 99, IG_ERR_VERSION);
	REFUSED(n_inputs, 1, IG_ERR_COUNT);
	REFUSED(n_outputs, 2, IG_ERR_COUNT);
	REFUSED(inputs, NULL, IG_ERR_NULL);
	REFUSED(inputs, no_in, IG_ERR_NULL);
	REFUSED(outputs, NULL, IG_ERR_NULL);
	REFUSED(outputs, no_out, IG_ERR_NULL);
	REFUSED(arena, NULL, IG_ERR_NULL);
	REFUSED(arena, arena + 16, IG_ERR_ARENA);
	REFUSED(arena_bytes, (uint64_t)t.m->arena_bytes - 1, IG_ERR_ARENA);
	REFUSED(size, sizeof c + 8, IG_OK);
	assert_int_equal(run(x, f, y, arena), IG_OK);
	assert_int_equal(run(x, NULL, y, arena), IG_ERR_NULL);
	assert_int_equal(run(x, f, NULL, arena), IG_ERR_NULL);
	assert_int_equal(run(x, f, y, NULL), IG_ERR_NULL);
	assert_int_equal(run(x, f, y, arena + 1), IG_ERR_ARENA);
	dlclose(so);
	tear_down(&t);
}

/* Compiled with arithmetic that would change the results: refused, by the preprocessor or at run time. */
static void refuses_fast_math(void **state)
{
	(void)state;
	if (!have("gcc"))
		skip();
	struct fixture t;
	char path[100], command[300];
	set_up(&t, 6);
	snprintf(path, sizeof path, "%s/m.c", t.dir);
	assert_true(ig_emit_c(&t.p, path, t.d));
	snprintf(command, sizeof command, "gcc -std=c99 -ffast-math -fsyntax-only %s 2>%s/err", path, t.dir);
	assert_int_not_equal(system(command), 0);
	tear_down(&t);
}

/* clang's -ffp-contract=fast overrides its own pragma: the check at run time must notice. */
static void notices_contraction(void **state)
{
	(void)state;
	if (!have("clang-19") || !cpu_has_fma())
		skip();
	struct fixture t;
	char path[100], command[300];
	set_up(&t, 8);
	snprintf(path, sizeof path, "%s/m.c", t.dir);
	assert_true(ig_emit_c(&t.p, path, t.d));
	snprintf(command, sizeof command, "clang-19 -std=c99 -O1 -mfma -ffp-contract=fast -fPIC -shared -o %s/m.so %s", t.dir, path);
	assert_int_equal(system(command), 0);
	snprintf(path, sizeof path, "%s/m.so", t.dir);
	void *so = dlopen(path, RTLD_NOW | RTLD_LOCAL);
	assert_non_null(so);
	int (*run)(const uint8_t *, const float *, uint8_t *, void *);
	*(void **)&run = dlsym(so, "rnd_run");
	static uint8_t x[IN_BYTES], y[OUT_BYTES];
	static float f[IN_BYTES / 4];
	_Alignas(64) static uint8_t arena[4096];
	assert_int_equal(run(x, f, y, arena), IG_ERR_ARITHMETIC);
	dlclose(so);
	tear_down(&t);
}

static void headers(void **state)
{
	(void)state;
	static const char *const uses[] = {
		"#include \"m.h\"\n", "#include \"m.h\"\n#include \"runtime/ig_runtime.h\"\n#include \"m.h\"\n", "#include \"runtime/ig_runtime.h\"\n#include \"m.h\"\n",
	};
	static const char *const body = "unsigned char arena[RND_ARENA_BYTES + RND_ARENA_ALIGN];\n"
	                                "int use(const uint8_t *x, const float *f, uint8_t *y);\n"
	                                "int use(const uint8_t *x, const float *f, uint8_t *y) { return rnd_run(x, f, y, arena) + (int)rnd_model.version + rnd_call(0); }\n";
	struct fixture t;
	char path[100], command[400];
	set_up(&t, 7);
	snprintf(path, sizeof path, "%s/m.h", t.dir);
	assert_true(ig_emit_header(&t.p, path, t.d));
	for (size_t i = 0; i < IG_COUNTOF(uses); i++)
		for (int cpp = 0; cpp < 2; cpp++) {
			snprintf(path, sizeof path, "%s/use.%s", t.dir, cpp ? "cc" : "c");
			FILE *f = fopen(path, "w");
			assert_non_null(f);
			fprintf(f, "%s%s", uses[i], body);
			fclose(f);
			if (!have(cpp ? "g++" : "gcc"))
				continue;
			snprintf(command, sizeof command, "%s -I. -I%s -Wall -Wextra -Wpedantic -Werror -fsyntax-only %s", cpp ? "g++ -std=c++11" : "gcc -std=c99", t.dir, path);
			if (system(command) != 0)
				fail_msg("%s", command);
		}
	tear_down(&t);
}

static void runtime_text(void **state)
{
	(void)state;
	char line[1000];
	FILE *f = fopen("runtime/ig_runtime.h", "r");
	assert_non_null(f);
	int i = 0;
	for (; fgets(line, sizeof line, f); i++) {
		line[strcspn(line, "\n")] = 0;
		if (!ig_ec_runtime_types[i] || strcmp(line, ig_ec_runtime_types[i]))
			fail_msg("codegen/emit_runtime.c does not have line %d of ig_runtime.h: make it again as its first lines say", i + 1);
	}
	assert_null(ig_ec_runtime_types[i]);
	fclose(f);
}

static void deterministic(void **state)
{
	(void)state;
	char a[100], b[100], command[300];
	struct fixture t, u;
	set_up(&t, 9);
	set_up(&u, 9);
	snprintf(a, sizeof a, "%s/m.c", t.dir);
	snprintf(b, sizeof b, "%s/m.c", u.dir);
	assert_true(ig_emit_c(&t.p, a, t.d));
	assert_true(ig_emit_c(&u.p, b, u.d));
	snprintf(command, sizeof command, "cmp %s %s", a, b);
	assert_int_equal(system(command), 0);
	tear_down(&t);
	tear_down(&u);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(same_bytes), cmocka_unit_test(refuses_bad_calls), cmocka_unit_test(refuses_fast_math), cmocka_unit_test(notices_contraction), cmocka_unit_test(headers),
		cmocka_unit_test(runtime_text), cmocka_unit_test(deterministic),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
