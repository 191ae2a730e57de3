/* Operations that have no code yet: the interpreter evaluates them, and constants among them are folded before lowering. */
#include "codegen/lower.h"

bool ig_lower_reduce_sum(struct ig_lower *L, struct ig_nid n) { return ig_low_later(L, n); }
bool ig_lower_reduce_mean(struct ig_lower *L, struct ig_nid n) { return ig_low_later(L, n); }
bool ig_lower_reduce_max(struct ig_lower *L, struct ig_nid n) { return ig_low_later(L, n); }
bool ig_lower_reduce_min(struct ig_lower *L, struct ig_nid n) { return ig_low_later(L, n); }
bool ig_lower_reduce_prod(struct ig_lower *L, struct ig_nid n) { return ig_low_later(L, n); }
bool ig_lower_argmax(struct ig_lower *L, struct ig_nid n) { return ig_low_later(L, n); }
bool ig_lower_argmin(struct ig_lower *L, struct ig_nid n) { return ig_low_later(L, n); }
bool ig_lower_log_softmax(struct ig_lower *L, struct ig_nid n) { return ig_low_later(L, n); }
bool ig_lower_layer_norm(struct ig_lower *L, struct ig_nid n) { return ig_low_later(L, n); }
bool ig_lower_instance_norm(struct ig_lower *L, struct ig_nid n) { return ig_low_later(L, n); }
bool ig_lower_group_norm(struct ig_lower *L, struct ig_nid n) { return ig_low_later(L, n); }
bool ig_lower_lrn(struct ig_lower *L, struct ig_nid n) { return ig_low_later(L, n); }
bool ig_lower_matmul(struct ig_lower *L, struct ig_nid n) { return ig_low_later(L, n); }
bool ig_lower_matmul_integer(struct ig_lower *L, struct ig_nid n) { return ig_low_later(L, n); }
