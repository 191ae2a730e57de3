/* Operations whose elements come from computed places. */
#include "codegen/lower.h"

bool ig_lower_split(struct ig_lower *L, struct ig_nid n) { return ig_low_later(L, n); }
bool ig_lower_gather(struct ig_lower *L, struct ig_nid n) { return ig_low_later(L, n); }
bool ig_lower_gather_elements(struct ig_lower *L, struct ig_nid n) { return ig_low_later(L, n); }
bool ig_lower_expand(struct ig_lower *L, struct ig_nid n) { return ig_low_later(L, n); }
bool ig_lower_tile(struct ig_lower *L, struct ig_nid n) { return ig_low_later(L, n); }
bool ig_lower_depth_to_space(struct ig_lower *L, struct ig_nid n) { return ig_low_later(L, n); }
bool ig_lower_space_to_depth(struct ig_lower *L, struct ig_nid n) { return ig_low_later(L, n); }
bool ig_lower_resize(struct ig_lower *L, struct ig_nid n) { return ig_low_later(L, n); }
bool ig_lower_one_hot(struct ig_lower *L, struct ig_nid n) { return ig_low_later(L, n); }
bool ig_lower_conv_transpose2d(struct ig_lower *L, struct ig_nid n) { return ig_low_later(L, n); }
bool ig_lower_lstm(struct ig_lower *L, struct ig_nid n) { return ig_low_later(L, n); }
bool ig_lower_gru(struct ig_lower *L, struct ig_nid n) { return ig_low_later(L, n); }
bool ig_lower_rnn(struct ig_lower *L, struct ig_nid n) { return ig_low_later(L, n); }
