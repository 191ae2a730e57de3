/* Rules of a quantize block. */
#ifndef IG_FRONTEND_QCONFIG_PARSE_H
#define IG_FRONTEND_QCONFIG_PARSE_H

#include "frontend/ast.h"
#include "ir/qconfig.h"

/* The rules of a file's quantize block (empty when it has none); errors are reported at their places. Never NULL. */
struct ig_qconfig_map *ig_qconfig_rules(const struct ast_file *f, struct ig_diag *d);

#endif
