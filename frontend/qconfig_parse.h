/* Rules of a quantize block. */
#ifndef IG_FRONTEND_QCONFIG_PARSE_H
#define IG_FRONTEND_QCONFIG_PARSE_H

#include "frontend/ast.h"
#include "ir/qconfig.h"

/* The rules of a file's quantize block (empty when it has none); errors are reported at their places. Never NULL. */
struct ig_qconfig_map *ig_qconfig_rules(const struct ast_file *f, struct ig_diag *d);

/* Between the files of this reader. */
struct ig_qconfig_reader {
	struct ig_diag *diag;
	struct ig_arena *arena;
};
const char *ig_qconfig_near(struct ig_qconfig_reader *r, const char *name, const char *const *names, int n); /* "; did you mean 'x'?", or "" */
/* minmax, or minmax(s8, per_channel): changes what is said. */
bool ig_qconfig_observer(struct ig_qconfig_reader *r, const struct ast_expr *e, bool is_weight, struct ig_qspec *q);

#endif
