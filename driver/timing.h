/* How long the kernels of a program take, each by itself. */
#ifndef IG_DRIVER_TIMING_H
#define IG_DRIVER_TIMING_H
#include "codegen/codegen.h"
#include "driver/callmem.h"

/* A second build of the program reads the clock between its n kernels (regions, with several threads): seconds of each, the median of at most `calls` calls.
   False after a diagnostic. */
bool ig_timing_kernels(const struct ig_program *p, const struct ig_callmem *mem, int n, int64_t calls, double *seconds, struct ig_diag *d);
/* Adds the bytes of the buffers that a kernel touches, but for those in `seen` (by buffer), which are added to it. */
void ig_func_bytes(const struct kir_module *m, const struct kir_func *f, bool *seen, int64_t *constants, int64_t *others);
#endif
