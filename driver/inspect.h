/* The parts of `intaglio inspect`: each prints one kind of file to `out`, as text or (--json) as JSON. False after a diagnostic. */
#ifndef IG_DRIVER_INSPECT_H
#define IG_DRIVER_INSPECT_H
#include "driver/session.h"

bool ig_inspect_model(struct ig_session *s, FILE *out);     /* the mapped float graph: inspect_model.c */
bool ig_inspect_quantized(struct ig_session *s, FILE *out); /* the converted graph, with its parameters */
bool ig_inspect_memory(struct ig_session *s, FILE *out);    /* the memory plan: inspect_memory.c */
bool ig_inspect_state(const struct ig_opts *o, struct ig_diag *d, const char *path, FILE *out);
bool ig_inspect_object(const struct ig_opts *o, struct ig_diag *d, const char *path, FILE *out);
bool ig_inspect_tensors(const struct ig_opts *o, struct ig_diag *d, const char *path, FILE *out); /* .npy, .npz, .safetensors */
#endif
