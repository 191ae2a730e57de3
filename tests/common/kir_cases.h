/* Small kernel-IR modules that together use each instruction at each width, for comparing emitters with the interpreter. */
#ifndef IG_TESTS_KIR_CASES_H
#define IG_TESTS_KIR_CASES_H
#include "codegen/codegen.h"

/* A module with its memory plan made, and the program around it. */
struct kir_case {
	const char *name;
	struct kir_module *m;
	struct ig_program p;
	struct ig_io_info in[2], out[2];
};
int kir_case_count(void);
/* Builds case i for target t (facts of the program only: the module is the same for every target). IG_BUG when it does not verify. */
void kir_case_build(struct kir_case *c, int i, const struct ig_target *t);
/* A random program of some hundred instructions on values of many types. */
void kir_case_random(struct kir_case *c, uint32_t seed, const struct ig_target *t);
void kir_case_free(struct kir_case *c);
/* The bytes of all inputs of sample `seed`, one input after the other; of all outputs. */
size_t kir_case_in_bytes(const struct kir_case *c);
size_t kir_case_out_bytes(const struct kir_case *c);
void kir_case_fill(const struct kir_case *c, unsigned seed, unsigned char *data);
/* Runs the interpreter on such bytes. */
void kir_case_expect(const struct kir_case *c, const unsigned char *in, unsigned char *out);
#endif
