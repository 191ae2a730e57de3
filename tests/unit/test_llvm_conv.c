/* The convolution inner kernel as the schedules write it (3x3, 64 channels, the target's first register tile): the innermost loop's code holds no spill on any
   target, and on this CPU the kernel reaches its dot-product peak. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "codegen/codegen.h"

enum { IC = 64, KH = 3, KW = 3, OH = 16, STEPS = 4 };

struct kernel {
	struct kir_module *m;
	struct ig_program p;
	struct ig_io_info in, out;
	const struct ig_target *t;
	int pixels, vectors, lanes, oc, ow;
	enum kir_elem elem; /* of the activations and weights in the instruction */
	int64_t macs;
};

static struct kir_addr addr4(int32_t buf, int64_t base, kir_iv a, int64_t ca, kir_iv b, int64_t cb, kir_iv c, int64_t cc, kir_iv d, int64_t cd)
{
	struct kir_addr r = kb_addr(buf, base);
	kir_iv iv[4] = {a, b, c, d};
	int64_t coeff[4] = {ca, cb, cc, cd};
	for (int i = 0; i < 4; i++)
		if (coeff[i])
			kb_addr_add(&r, iv[i], coeff[i]);
	return r;
}

static kir_val weights(struct kernel *k, struct kir_builder *b, struct kir_addr a)
{
	int n = k->lanes * k->t->dot.group;
	kir_val w = kb_load(b, KIR_T(KIR_I8, n), a);
	return k->elem == KIR_I16 ? kb_op1(b, KIR_SEXT, KIR_T(KIR_I16, n), w) : w;
}

/* One group of activations in every lane. */
static kir_val activation(struct kernel *k, struct kir_builder *b, struct kir_addr a)
{
	int bytes = k->t->dot.group * kir_elem_bytes(k->elem);
	enum kir_elem e = bytes == 4 ? KIR_I32 : KIR_I16;
	kir_val x = kb_op1(b, KIR_SPLAT, KIR_T(e, k->lanes), kb_load(b, KIR_T(e, 1), a));
	return kb_op1(b, KIR_BITCAST, KIR_T(k->elem, k->lanes * k->t->dot.group), x);
}

static void epilogue(struct kernel *k, struct kir_builder *b, kir_val *acc, int32_t scale, struct kir_addr to)
{
	kir_val f[8];
	for (int p = 0; p < k->pixels; p++, to.base += k->oc) {
		for (int n = 0; n < k->vectors; n++)
			f[n] = kb_op2(b, KIR_MUL, kb_op1(b, KIR_ITOF, KIR_T(KIR_F32, k->lanes), acc[p * k->vectors + n]),
			              kb_load(b, KIR_T(KIR_F32, k->lanes), kb_addr(scale, n * k->lanes)));
		int n = k->vectors;
		for (; n % 2 == 0; n /= 2)
			for (int i = 0; i < n / 2; i++)
				f[i] = kb_op2(b, KIR_CONCAT, f[2 * i], f[2 * i + 1]);
		for (int i = 0; i < n; i++) {
			struct kir_addr at = to;
			at.base += i * k->oc / n;
			kb_store(b, kb_fpack(b, f[i], 0, 255, 13, false), at);
		}
	}
}

static void build(struct kernel *k, struct kir_builder *b, int32_t in, int32_t out, int32_t w, int32_t bias, int32_t scale)
{
	int n_acc = k->pixels * k->vectors, g = k->t->dot.group, iw = k->ow + KW - 1, wstep = k->oc * g;
	kir_iv y = kb_loop(b, "y", OH, NULL, 0), x = kb_loop(b, "x", k->ow / k->pixels, NULL, 0);
	kir_val acc[32], wv[8];
	for (int n = 0; n < k->vectors; n++)
		acc[n] = kb_load(b, KIR_T(KIR_I32, k->lanes), kb_addr(bias, n * k->lanes));
	for (int i = k->vectors; i < n_acc; i++)
		acc[i] = acc[i - k->vectors];
	kir_iv ky = kb_loop(b, "ky", KH, acc, n_acc), kk = kb_loop(b, "k", KW * IC / g / STEPS, acc, n_acc);
	for (int u = 0; u < STEPS; u++) {
		for (int n = 0; n < k->vectors; n++)
			wv[n] = weights(k, b, addr4(w, u * wstep + n * k->lanes * g, ky, KW * IC * k->oc, kk, STEPS * wstep, 0, 0, 0, 0));
		for (int p = 0; p < k->pixels; p++) {
			kir_val a = activation(k, b, addr4(in, p * IC + u * g, y, iw * IC, x, k->pixels * IC, ky, iw * IC, kk, STEPS * g));
			for (int n = 0; n < k->vectors; n++)
				acc[p * k->vectors + n] = kb_dot(b, acc[p * k->vectors + n], a, wv[n], !k->t->dot.a_signed);
		}
	}
	kb_end(b, acc, n_acc);
	kb_end(b, acc, n_acc);
	epilogue(k, b, acc, scale, addr4(out, 0, y, k->ow * k->oc, x, k->pixels * k->oc, 0, 0, 0, 0));
	kb_end(b, NULL, 0);
	kb_end(b, NULL, 0);
}

static void make(struct kernel *k, const struct ig_target *t, struct ig_tile tile)
{
	*k = (struct kernel){.t = t, .pixels = tile.pixels, .vectors = tile.vectors, .lanes = t->vector_bytes / 4, .ow = tile.pixels * 4};
	k->oc = k->vectors * k->lanes;
	k->elem = t->dot.elem == 8 ? KIR_I8 : KIR_I16;
	k->macs = (int64_t)OH * k->ow * k->oc * KH * KW * IC;
	int64_t n_in = (int64_t)(OH + KH - 1) * (k->ow + KW - 1) * IC, n_out = (int64_t)OH * k->ow * k->oc, n_w = (int64_t)KH * KW * IC * k->oc;
	k->m = kir_module_new("conv");
	int32_t in = kir_buffer_add(k->m, "in", KIR_IN, k->elem, n_in), out = kir_buffer_add(k->m, "out", KIR_OUT, KIR_I8, n_out);
	k->m->buf[in].io = k->m->buf[out].io = 0;
	k->m->n_inputs = k->m->n_outputs = 1;
	int8_t *w = ig_xcalloc((size_t)n_w, 1);
	int32_t *bias = ig_xcalloc((size_t)k->oc, 4);
	float *scale = ig_xcalloc((size_t)k->oc, 4);
	for (int64_t i = 0; i < n_w; i++)
		w[i] = (int8_t)(i * 37 % 251 - 125);
	for (int i = 0; i < k->oc; i++) {
		bias[i] = i * 100 - 1000;
		scale[i] = 0.0007f + (float)i * 1e-6f;
	}
	struct kir_builder b = {k->m, kir_func_add(k->m, "conv", IG_NONODE)};
	build(k, &b, in, out, kir_buffer_const(k->m, "w", KIR_I8, n_w, w), kir_buffer_const(k->m, "bias", KIR_I32, k->oc, bias),
	      kir_buffer_const(k->m, "scale", KIR_F32, k->oc, scale));
	free(w);
	free(bias);
	free(scale);
	k->in = (struct ig_io_info){.name = "in", .type = {.dtype = IG_DT_U8, .rank = 1, .dim = {n_in * kir_elem_bytes(k->elem)}, .q = IG_NOQ}};
	k->out = (struct ig_io_info){.name = "out", .type = {.dtype = IG_DT_U8, .rank = 1, .dim = {n_out}, .q = IG_NOQ}};
	k->p = (struct ig_program){.name = "conv", .module = k->m, .target = t, .in = &k->in, .out = &k->out, .n_in = 1, .n_out = 1};
	struct ig_diag *d = ig_diag_new(stderr, false);
	assert_true(ig_memplan(k->m, NULL, d) && kir_verify(k->m, d));
	ig_diag_free(d);
}

static char *assembly(struct kernel *k)
{
	char path[] = "/tmp/ig_conv_XXXXXX";
	int fd = mkstemp(path);
	assert_true(fd >= 0);
	close(fd);
	struct ig_diag *d = ig_diag_new(stderr, false);
	assert_true(ig_emit_llvm(&k->p, IG_LLVM_ASM, path, d));
	ig_diag_free(d);
	FILE *f = fopen(path, "rb");
	char *s = ig_xcalloc(1 << 20, 1);
	assert_true(f && fread(s, 1, (1 << 20) - 1, f) > 100);
	fclose(f);
	unlink(path);
	return s;
}

static int count(const char *s, const char *end, const char *what)
{
	int n = 0;
	for (const char *p = s; (p = strstr(p, what)) && p < end; p += strlen(what))
		n++;
	return n;
}

/* The straight piece of code, from a label to a branch, with the most `mnemonic`s: the innermost loop. */
static const char *hottest(const char *s, const char *mnemonic, const char **end)
{
	const char *best = NULL, *start = NULL;
	int most = 0;
	for (const char *line = s; line; line = strchr(line, '\n') ? strchr(line, '\n') + 1 : NULL) {
		if (strncmp(line, ".LBB", 4) == 0)
			start = line;
		if (!start || (strncmp(line, "\tj", 2) && strncmp(line, "\tb.", 3) && strncmp(line, "\tcb", 3) && strncmp(line, "\ttb", 3)))
			continue;
		if (count(start, line, mnemonic) > most) {
			most = count(start, line, mnemonic);
			best = start;
			*end = line;
		}
		start = NULL;
	}
	return best;
}

static void no_spills(void **state)
{
	(void)state;
	static const struct {
		const struct ig_target *t;
		const char *mnemonic;
	} cases[] = {{&ig_target_x86_64_v3, "\tvpmaddwd"}, {&ig_target_x86_64_avxvnni, "vpdpbusd\t"}, {&ig_target_x86_64_avx512vnni, "\tvpdpbusd"},
	             {&ig_target_aarch64_neon, "\tsadalp"}, {&ig_target_aarch64_dotprod, "\tsdot"}, {&ig_target_aarch64_i8mm, "\tsudot"}};
	int bad = 0;
	for (size_t i = 0; i < 4 * IG_COUNTOF(cases); i++) {
		const struct ig_target *t = cases[i / 4].t;
		struct ig_tile tile = t->tile[i % 4];
		struct kernel k;
		if (!tile.pixels)
			continue;
		make(&k, t, tile);
		char *s = assembly(&k);
		const char *end = NULL, *loop = hottest(s, cases[i / 4].mnemonic, &end);
		assert_non_null(loop);
		int dots = count(loop, end, cases[i / 4].mnemonic), lines = count(loop, end, "\n"), want = k.pixels * k.vectors * STEPS;
		int spills = count(loop, end, "rsp") + count(loop, end, "rbp)") + count(loop, end, "[sp");
		print_message("%s %dx%d: %d dots in %d instructions, %d spills\n", t->name, tile.pixels, tile.vectors, dots, lines, spills);
		assert_int_equal(dots, want);
		bad += spills != 0;
		free(s);
		kir_module_free(k.m);
	}
	assert_int_equal(bad, 0);
}

/* Independent dot products, one operand in a register, the other from the first-level cache (equal products would be computed once): what the CPU can do. */
static void make_peak(struct kernel *k, const struct ig_target *t)
{
	enum { CHAINS = 12, ROUNDS = 1500, INNER = 16 };
	make(k, t, t->tile[0]);
	kir_module_free(k->m);
	k->m = kir_module_new("peak");
	int32_t in = kir_buffer_add(k->m, "in", KIR_IN, KIR_I8, 4096), out = kir_buffer_add(k->m, "out", KIR_OUT, KIR_I32, CHAINS * k->lanes);
	k->m->buf[in].io = k->m->buf[out].io = 0;
	k->m->n_inputs = k->m->n_outputs = 1;
	struct kir_builder b = {k->m, kir_func_add(k->m, "peak", IG_NONODE)};
	struct kir_type op = KIR_T(k->elem, k->lanes * t->dot.group);
	kir_val acc[CHAINS], x = kb_load(&b, op, kb_addr(in, 0));
	for (int i = 0; i < CHAINS; i++)
		acc[i] = kb_const_i(&b, KIR_T(KIR_I32, k->lanes), i);
	kb_loop(&b, "r", ROUNDS, acc, CHAINS);
	kir_iv s = kb_loop(&b, "s", INNER, acc, CHAINS);
	for (int i = 0; i < CHAINS; i++)
		acc[i] = kb_dot(&b, acc[i], x, kb_load(&b, op, addr4(in, i * 64, s, 64, 0, 0, 0, 0, 0, 0)), !t->dot.a_signed);
	kb_end(&b, acc, CHAINS);
	kb_end(&b, acc, CHAINS);
	for (int i = 0; i < CHAINS; i++)
		kb_store(&b, acc[i], kb_addr(out, i * k->lanes));
	k->macs = (int64_t)CHAINS * ROUNDS * INNER * k->lanes * t->dot.group;
	k->p.module = k->m;
	k->p.name = "peak";
	k->out.type.dim[0] = (int64_t)CHAINS * k->lanes * 4;
	struct ig_diag *d = ig_diag_new(stderr, false);
	assert_true(ig_memplan(k->m, NULL, d) && kir_verify(k->m, d));
	ig_diag_free(d);
}

static double seconds(struct ig_native *n, const void *in, void *out)
{
	struct timespec a, b;
	_Alignas(64) static char arena[64];
	clock_gettime(CLOCK_MONOTONIC, &a);
	assert_int_equal(ig_native_run(n, &in, &out, arena), 0);
	clock_gettime(CLOCK_MONOTONIC, &b);
	return (double)(b.tv_sec - a.tv_sec) + 1e-9 * (double)(b.tv_nsec - a.tv_nsec);
}

/* Kernel and peak in turns, the best of each: others may be using the CPU. */
static double share_of_peak(const struct ig_target *t)
{
	struct kernel k, peak;
	struct ig_diag *d = ig_diag_new(stderr, false);
	make(&k, t, t->tile[0]);
	make_peak(&peak, t);
	struct ig_native *kn = ig_native_new(&k.p, d), *pn = ig_native_new(&peak.p, d);
	assert_true(kn && pn);
	size_t n_in = (size_t)k.in.type.dim[0], n_out = (size_t)k.out.type.dim[0];
	unsigned char *in = aligned_alloc(64, (n_in + 4159) / 64 * 64), *out = malloc(n_out), *want = malloc(n_out);
	unsigned char *peak_out = malloc((size_t)peak.out.type.dim[0]);
	for (size_t i = 0; i < n_in; i++)
		in[i] = k.elem == KIR_I16 && i % 2 ? 0 : (unsigned char)(i * 2654435761u >> 24);
	struct kir_interp *it = kir_interp_new(k.m);
	kir_interp_run(it, (const void *const[]){in}, (void *const[]){want}, out);
	kir_interp_free(it);
	double best = 1e9, best_peak = 1e9, share = 0;
	for (int i = 0; i < 300 && (i < 20 || share < 0.85); i++) {
		double s = seconds(kn, in, out), p = seconds(pn, in, peak_out);
		best = s < best ? s : best;
		best_peak = p < best_peak ? p : best_peak;
		share = ((double)k.macs / best) / ((double)peak.macs / best_peak);
	}
	assert_memory_equal(out, want, n_out);
	print_message("%s: kernel %.1f GMAC/s, peak %.1f: %.0f %%\n", t->name, (double)k.macs / best * 1e-9, (double)peak.macs / best_peak * 1e-9, 100 * share);
	free(in);
	free(out);
	free(want);
	free(peak_out);
	ig_native_free(kn);
	ig_native_free(pn);
	kir_module_free(k.m);
	kir_module_free(peak.m);
	ig_diag_free(d);
	return share;
}

/* Every target that runs here; the accumulating instructions reach 80 %, a product with an addition of its own less. */
static void speed(void **state)
{
	(void)state;
	int n;
	const struct ig_target *const *t = ig_targets(&n);
	for (int i = 0; i < n; i++)
		if (ig_target_runs_here(t[i]))
			assert_true(share_of_peak(t[i]) >= (t[i] == &ig_target_x86_64_v3 || t[i] == &ig_target_aarch64_neon ? 0.6 : 0.8));
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(no_spills), cmocka_unit_test(speed)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
