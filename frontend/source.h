/* A float graph as a person would write it: attributes that say something, parameters in the weights file under their layers' names, and what repeats as
   blocks and repeats. For importers; ir/print.h has the explicit form of any graph. */
#ifndef IG_FRONTEND_SOURCE_H
#define IG_FRONTEND_SOURCE_H
#include "ir/graph.h"
#include "ir/qconfig.h"

/* Whether it has a source: a graph with quantized values has not. */
bool ig_source_can(const struct ig_graph *g);
/* Brings an imported float graph into the form that reading its source gives: constants before their first reader and, where they are parameters, one for
   each layer with its name; attributes without those that say the default; values named after their layers. */
void ig_source_normalize(struct ig_graph *g);
/* How many operands of a node, from the second on, are parameters that the language binds by the layer's name; 0: none. */
int ig_source_parameters(const struct ig_graph *g, const struct ig_node *n);
const char *ig_source_parameter(enum ig_op op, int i); /* "weight", "bias", ... of operand i */

/* Writes a normalized graph, its constants and the rules for single layers that an importer made (NULL: none), so that ig_model_load gives an equal model.
   The weights are written first; on failure the text is not touched. */
bool ig_source_write(const struct ig_graph *g, const struct ig_qconfig_map *rules, const char *path, const char *weights_path, struct ig_diag *d);

#endif
