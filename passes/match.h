/* Which rule of a QConfig mapping decides for a layer. */
#ifndef IG_PASSES_MATCH_H
#define IG_PASSES_MATCH_H
#include "passes/pass.h"

struct ig_matcher; /* a mapping with its regular expressions compiled */
struct ig_matcher *ig_matcher_new(const struct ig_qconfig_map *m, struct ig_diag *d); /* NULL after a diagnostic at a bad expression; m may be NULL */
void ig_matcher_free(struct ig_matcher *t);
/* Whether the rule speaks of a layer of this name, operation (base name) and place among those of its operation. */
bool ig_matcher_hits(const struct ig_matcher *t, int rule, const char *name, const char *type, int order);
/* The rule that decides (-1: none) and those it beat, strongest first; `beaten` has room for all rules. */
struct ig_rule_match ig_matcher_decide(const struct ig_matcher *t, const char *name, const char *type, int order, int *beaten);
/* A layer in the sense of rules: inputs, constants and observers are none. */
bool ig_is_layer(const struct ig_node *n);
/* Place of a layer among those of its operation, from 0, in execution order. */
int ig_layer_order(const struct ig_graph *g, struct ig_nid id);
/* The layer of this name, or the one that absorbed it (*absorbed tells); IG_NONODE after a diagnostic with the nearest name. */
struct ig_nid ig_layer_find(const struct ig_graph *g, const char *name, bool *absorbed, struct ig_loc loc, struct ig_diag *d);
#endif
