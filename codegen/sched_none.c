/* Operations that have no code yet: the interpreter evaluates them, and constants among them are folded before lowering. */
#include "codegen/lower.h"

bool ig_lower_matmul_integer(struct ig_lower *L, struct ig_nid n) { return ig_low_later(L, n); }
