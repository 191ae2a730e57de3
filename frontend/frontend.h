/* From model text to graph. */
#ifndef IG_FRONTEND_H
#define IG_FRONTEND_H
#include "ir/graph.h"
#include "ir/qconfig.h"

struct ig_model {
	struct ig_graph *graph;
	struct ig_qconfig_map *qconfig; /* the quantize block of the file (empty when it has none) */
};
/* Reads, parses, checks and binds weights (relative to the file's folder). All errors of the text are reported; NULL when there was one.
   Unused weights are a warning. The result is released with ig_model_free. */
struct ig_model *ig_model_load(const char *path, struct ig_diag *d);
/* The same from memory; `path` names it in messages and gives the folder for weights. */
struct ig_model *ig_model_parse(const char *path, const char *text, size_t len, struct ig_diag *d);
void ig_model_free(struct ig_model *m);
/* Writes a graph, float or quantized, as text (ir/print.h), and its constants to a safetensors file, so that ig_model_load reads back an equal graph.
   A weights file in the text's own folder is named without it. The weights are written first; on failure the text is not touched. */
bool ig_model_write(const struct ig_graph *g, const char *path, const char *weights_path, struct ig_diag *d);
/* The constants alone, by their layer names. */
bool ig_model_write_weights(const struct ig_graph *g, const char *path, struct ig_diag *d);
/* Reads a file that holds only a quantize block (--qconfig). */
struct ig_qconfig_map *ig_qconfig_load(const char *path, struct ig_diag *d);
/* The same from memory; `path` names it in messages. */
struct ig_qconfig_map *ig_qconfig_parse(const char *path, const char *text, size_t len, struct ig_diag *d);
#endif
