/* Between the files that build kernel-IR cases: a module under construction, which reads its two inputs and stores results one after the other. */
#ifndef IG_TESTS_KIR_CASE_BUILD_H
#define IG_TESTS_KIR_CASE_BUILD_H
#include "tests/common/kir_cases.h"

enum { IN_BYTES = 4096, IN_FLOATS = 1024, OUT_BYTES = 1 << 17 };

struct kc {
	struct kir_module *m;
	struct kir_builder b;
	int32_t bytes, floats, out;
	int64_t at_byte, at_float, at_out;
};

struct kc kir_case_begin(const char *name);
/* Plans and verifies; makes the program around it. */
void kir_case_finish(struct kir_case *c, struct kc *k, const char *name, const struct ig_target *t);
uint32_t kir_next(uint32_t *s); /* random numbers */
/* The next lanes of the bytes, or of the floats. */
kir_val kir_ld(struct kc *k, enum kir_elem e, int lanes);
/* Stores a value of any type; NaNs as 0x7fc00000. */
void kir_st(struct kc *k, kir_val v);
#endif
