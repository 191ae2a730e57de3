/* LLVM emission: each kernel-IR instruction on each x86 target that this CPU runs, against the interpreter; objects for all targets; the descriptor and the
   argument checks of the emitted functions. (Arm objects run in tests/objects.) */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "runtime/ig_runtime.h"
#include "tests/common/kir_cases.h"
#include "tests/common/stand_in.h"

static struct ig_diag *diag(void)
{
	return ig_diag_new(stderr, false);
}

static int first_difference(const unsigned char *a, const unsigned char *b, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (a[i] != b[i])
			return (int)i;
	return -1;
}

static void native_equals_interp(struct kir_case *c, struct ig_native *n, unsigned seed)
{
	size_t ni = kir_case_in_bytes(c), no = kir_case_out_bytes(c), na = ((size_t)c->m->arena_bytes + 127) / 64 * 64;
	unsigned char *in = malloc(ni), *want = malloc(no), *got = malloc(no), *arena = aligned_alloc(64, na);
	kir_case_fill(c, seed, in);
	memset(want, 0x11, no);
	memset(got, 0x11, no);
	memset(arena, 0xa5, na);
	kir_case_expect(c, in, want);
	const void *inputs[2] = {in, in + c->in[0].type.dim[0]};
	void *outputs[1] = {got};
	assert_int_equal(ig_native_run(n, inputs, outputs, arena), IG_OK);
	int at = first_difference(want, got, no);
	if (at >= 0)
		fail_msg("%s on %s: output byte %d of %zu is 0x%02x, not 0x%02x", c->name, c->p.target->name, at, no, got[at], want[at]);
	free(in);
	free(want);
	free(got);
	free(arena);
}

enum { RANDOM = 60 };

static void all_cases(const struct ig_target *t)
{
	for (int i = 0; i < kir_case_count() + RANDOM; i++) {
		struct kir_case c;
		struct ig_diag *d = diag();
		if (i < kir_case_count())
			kir_case_build(&c, i, t);
		else
			kir_case_random(&c, (uint32_t)(i - kir_case_count()), t);
		struct ig_native *n = ig_native_new(&c.p, d);
		assert_non_null(n);
		for (unsigned seed = 0; seed < 3; seed++)
			native_equals_interp(&c, n, seed);
		ig_native_free(n);
		kir_case_free(&c);
		ig_diag_free(d);
	}
}

static void instructions(void **state)
{
	(void)state;
	int n_targets;
	const struct ig_target *const *t = ig_targets(&n_targets);
	for (int k = 0; k < n_targets; k++) {
		struct ig_target s;
		const struct ig_target *run = stand_in(t[k], &s);
		print_message("%s%s\n", t[k]->name, !ig_target_runs_here(run) ? ": not run here" : run != t[k] ? ": in EVEX form" : "");
		if (ig_target_runs_here(run))
			all_cases(run);
	}
	assert_true(ig_target_native() == &ig_target_c || ig_target_runs_here(ig_target_native()));
}

static char *slurp(const char *path, size_t *n)
{
	FILE *f = fopen(path, "rb");
	assert_non_null(f);
	fseek(f, 0, SEEK_END);
	*n = (size_t)ftell(f);
	rewind(f);
	char *p = malloc(*n + 1);
	assert_int_equal(fread(p, 1, *n, f), *n);
	p[*n] = 0;
	fclose(f);
	return p;
}

/* Emits one case in one form to memory. */
static char *emit(int i, const struct ig_target *t, enum ig_llvm_output what, size_t *n)
{
	char path[] = "/tmp/ig_llvm_XXXXXX";
	int fd = mkstemp(path);
	assert_true(fd >= 0);
	close(fd);
	struct kir_case c;
	struct ig_diag *d = diag();
	kir_case_build(&c, i, t);
	assert_true(ig_emit_llvm(&c.p, what, path, d));
	kir_case_free(&c);
	ig_diag_free(d);
	char *p = slurp(path, n);
	unlink(path);
	return p;
}

static int case_named(const char *name)
{
	for (int i = 0; i < kir_case_count(); i++) {
		struct kir_case c;
		kir_case_build(&c, i, &ig_target_c);
		bool is = strcmp(c.name, name) == 0;
		kir_case_free(&c);
		if (is)
			return i;
	}
	fail_msg("no case %s", name);
	return -1;
}

/* Every target, whatever this CPU: the object is an ELF file of the right machine, and twice the same bytes. */
static void objects(void **state)
{
	(void)state;
	int n_targets;
	const struct ig_target *const *t = ig_targets(&n_targets);
	for (int k = 0; k < n_targets; k++) {
		if (!t[k]->triple)
			continue;
		for (int i = 0; i < kir_case_count(); i++) {
			size_t n, again;
			char *a = emit(i, t[k], IG_LLVM_OBJECT, &n);
			assert_true(n > 64 && memcmp(a, "\177ELF\2\1", 6) == 0);
			assert_int_equal(a[18] & 0xff, strncmp(t[k]->triple, "x86", 3) ? 183 : 62);
			if (i < 3) {
				char *b = emit(i, t[k], IG_LLVM_OBJECT, &again);
				assert_int_equal(n, again);
				assert_memory_equal(a, b, n);
				free(b);
			}
			free(a);
		}
	}
}

/* Every call in the assembly is of a function of the model. */
static void only_own_calls(const char *text, const char *name)
{
	static const char *const calls[] = {"\tcallq\t", "\tbl\t", "\tjmp\t", "\tb\t"};
	for (size_t i = 0; i < IG_COUNTOF(calls); i++)
		for (const char *p = text; (p = strstr(p, calls[i]));) {
			p += strlen(calls[i]);
			if (strncmp(p, ".L", 2) && strncmp(p, name, strlen(name)))
				fail_msg("%s calls %.40s", name, p);
		}
}

/* The instruction that a target exists for is in the assembly; nothing calls a library function. */
static void assembly(void **state)
{
	(void)state;
	static const struct {
		const struct ig_target *t;
		const char *name, *has;
	} want[] = {
		{&ig_target_x86_64_avx512vnni, "dot_u8s8", "vpdpbusd"},
		{&ig_target_x86_64_avx512vnni, "dot_s16", "vpdpwssd"},
		{&ig_target_x86_64_avxvnni, "dot_u8s8", "{vex}\tvpdpbusd"},
		{&ig_target_x86_64_v3, "dot_s16", "vpmaddwd"},
		{&ig_target_aarch64_dotprod, "dot_s8s8", "sdot"},
		{&ig_target_aarch64_i8mm, "dot_u8s8", "usdot"},
		{&ig_target_aarch64_i8mm, "mmla", "usmmla"},
		{&ig_target_aarch64_neon, "dot_s8s8", "sadalp"},
		{&ig_target_aarch64_neon, "dot_s8s8", "smull"},
		{&ig_target_x86_64_v3, "conversions", "vcvtps2dq"},
		{&ig_target_aarch64_neon, "conversions", "fcvtns"},
		{&ig_target_x86_64_avx512vnni, "fpack", "vpackuswb"},
		{&ig_target_x86_64_v3, "fpack", "vpackuswb"},
		{&ig_target_aarch64_neon, "fpack", "sqxtun"},
		{&ig_target_x86_64_v3, "floats", "vfmadd"},
		{&ig_target_aarch64_neon, "floats", "fmla"},
		{&ig_target_x86_64_v3, "floats", "vminps"},
	};
	for (size_t i = 0; i < IG_COUNTOF(want); i++) {
		size_t n;
		char *s = emit(case_named(want[i].name), want[i].t, IG_LLVM_ASM, &n);
		if (!strstr(s, want[i].has))
			fail_msg("no %s in %s for %s", want[i].has, want[i].name, want[i].t->name);
		only_own_calls(s, want[i].name);
		assert_null(strstr(s, ".eh_frame"));
		assert_null(strstr(s, ".cfi_"));
		assert_non_null(strstr(s, ".note.GNU-stack"));
		free(s);
	}
	size_t n;
	char *ir = emit(0, &ig_target_aarch64_neon, IG_LLVM_IR, &n);
	assert_non_null(strstr(ir, "target triple = \"aarch64-unknown-linux-gnu\""));
	free(ir);
}

/* A function that keeps many wide values spills; the frame covers what the assembly subtracts from the stack pointer. */
static void stack_bytes(void **state)
{
	(void)state;
	struct kir_case c;
	struct ig_diag *d = diag();
	kir_case_build(&c, case_named("reductions"), &ig_target_x86_64_v3);
	int64_t small = ig_emit_stack_bytes(&c.p, d);
	kir_case_free(&c);
	kir_case_build(&c, case_named("dot_u8s8"), &ig_target_x86_64_v3);
	int64_t large = ig_emit_stack_bytes(&c.p, d);
	kir_case_free(&c);
	ig_diag_free(d);
	size_t n;
	char *s = emit(case_named("dot_u8s8"), &ig_target_x86_64_v3, IG_LLVM_ASM, &n);
	int frame = 0;
	for (const char *p = s; (p = strstr(p, "\tsubq\t$")); p++) {
		int bytes = atoi(p + strlen("\tsubq\t$"));
		frame = bytes > frame ? bytes : frame;
	}
	free(s);
	print_message("stack: reductions %d, dot_u8s8 %d bytes (frame %d)\n", (int)small, (int)large, frame);
	assert_true(small >= 3 * 8 && small < 1024);
	assert_true(frame > 256 && large >= frame + 3 * 8 && large < frame + 1024);
}

static void refused(void **state)
{
	(void)state;
	struct kir_case c;
	FILE *text = tmpfile();
	struct ig_diag *d = ig_diag_new(text, false);
	kir_case_build(&c, 0, &ig_target_c);
	unlink("/tmp/ig_never_written.o"); /* what another run may have left */
	assert_null(ig_native_new(&c.p, d));
	assert_false(ig_emit_llvm(&c.p, IG_LLVM_OBJECT, "/tmp/ig_never_written.o", d));
	c.p.target = &ig_target_aarch64_neon;
#ifdef __x86_64__
	assert_null(ig_native_new(&c.p, d));
#endif
	c.p.target = &ig_target_x86_64_v3;
	assert_false(ig_emit_llvm(&c.p, IG_LLVM_OBJECT, "/nonexistent/folder/x.o", d));
	c.in[1].type.dtype = IG_DT_F64;
	assert_false(ig_emit_llvm(&c.p, IG_LLVM_OBJECT, "/tmp/ig_never_written.o", d));
	assert_int_not_equal(access("/tmp/ig_never_written.o", F_OK), 0);
	assert_true(ig_diag_errors(d) >= 4);
	kir_case_free(&c);
	ig_diag_free(d);
	fclose(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(instructions), cmocka_unit_test(objects), cmocka_unit_test(assembly), cmocka_unit_test(stack_bytes), cmocka_unit_test(refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
