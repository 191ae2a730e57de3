/* gen_objects FOLDER [N]: writes each kernel-IR case, and some random programs, (the first N) as an object for each target (CASE-TARGET.o), its header
   (CASE.h), and its inputs and expected outputs for three samples (CASE.in, CASE.want). Prints a line for each object: case, target, qemu program or -, 1
   when this CPU runs it, stack bytes. */
#include <stdlib.h>
#include <string.h>

#include "ir/outfile.h"
#include "tests/common/kir_cases.h"

enum { SAMPLES = 3, RANDOM = 16 };

static const char *path_of(struct ig_arena *a, const char *folder, const char *name, const char *ext)
{
	return ig_arena_printf(a, "%s/%s%s", folder, name, ext);
}

static bool write_data(const struct kir_case *c, const char *folder, struct ig_arena *a, struct ig_diag *d)
{
	size_t ni = kir_case_in_bytes(c), no = kir_case_out_bytes(c);
	unsigned char *in = ig_xcalloc(SAMPLES, ni), *out = ig_xcalloc(SAMPLES, no);
	memset(out, 0xa5, SAMPLES * no); /* as the harness fills it */
	for (unsigned i = 0; i < SAMPLES; i++) {
		kir_case_fill(c, i, in + i * ni);
		kir_case_expect(c, in + i * ni, out + i * no);
	}
	bool ok = ig_outfile_write(path_of(a, folder, c->name, ".in"), in, SAMPLES * ni, d) &&
	          ig_outfile_write(path_of(a, folder, c->name, ".want"), out, SAMPLES * no, d);
	free(in);
	free(out);
	return ok;
}

static bool write_objects(int i, const char *folder, struct ig_arena *a, struct ig_diag *d)
{
	int n;
	bool ok = true, data = false;
	const struct ig_target *const *t = ig_targets(&n);
	for (int k = 0; k < n && ok; k++) {
		struct kir_case c;
		if (!t[k]->triple)
			continue;
		if (i < kir_case_count())
			kir_case_build(&c, i, t[k]);
		else
			kir_case_random(&c, 1000 + (uint32_t)(i - kir_case_count()), t[k]);
		if (i == 1)
			c.p.weight_section = ".model_weights";
		const char *object = path_of(a, folder, ig_arena_printf(a, "%s-%s", c.name, t[k]->name), ".o");
		ok = (data || write_data(&c, folder, a, d)) && ig_emit_llvm(&c.p, IG_LLVM_OBJECT, object, d);
		ok = ok && (data || ig_emit_header(&c.p, path_of(a, folder, c.name, ".h"), d));
		data = true;
		printf("%s %s %s %d %lld\n", c.name, t[k]->name, t[k]->qemu ? t[k]->qemu : "-", ig_target_runs_here(t[k]), (long long)ig_emit_stack_bytes(&c.p, d));
		kir_case_free(&c);
	}
	return ok;
}

int main(int argc, char **argv)
{
	if (argc != 2 && argc != 3) {
		fprintf(stderr, "usage: gen_objects FOLDER [N]\n");
		return 2;
	}
	struct ig_diag *d = ig_diag_new(stderr, false);
	struct ig_arena *a = ig_arena_new();
	bool ok = true;
	int all = kir_case_count() + RANDOM, n = argc == 3 ? atoi(argv[2]) : all;
	for (int i = 0; i < n && i < all && ok; i++)
		ok = write_objects(i, argv[1], a, d);
	ig_arena_free(a);
	ig_diag_free(d);
	return ok ? 0 : 1;
}
