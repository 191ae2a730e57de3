/* What `import` writes reads back to the graph that it was made from: every model of the folders, written as source and read again, must have the same
   fingerprint. Models that do not import, or hold quantized values, are counted apart.

     onnx_source TEMPORARY.ig FOLDER...    (folders are searched for *.onnx) */
#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "frontend/source.h"
#include "ir/print.h"
#include "onnx/onnx.h"

struct count {
	const char *text, *weights;
	int same, other, blocks;
	int refused, quantized;
	bool failed;
};

static bool has_word(const char *path, const char *word)
{
	static char text[1 << 20];
	FILE *f = fopen(path, "r");
	size_t n = f ? fread(text, 1, sizeof text - 1, f) : 0;
	if (f)
		fclose(f);
	text[n] = 0;
	return strstr(text, word) != NULL;
}

static void round_trip(struct count *c, const char *path, const struct ig_graph *g, struct ig_diag *d)
{
	unlink(c->weights);
	bool wrote = ig_source_write(g, NULL, c->text, c->weights, d);
	struct ig_model *m = wrote ? ig_model_load(c->text, d) : NULL;
	if (m && ig_hash(m->graph) == ig_hash(g) && ig_hash_weights(m->graph) == ig_hash_weights(g)) {
		c->same++;
		c->blocks += has_word(c->text, "block ");
	} else {
		printf("%s: %s\n", path, !wrote ? "not written" : !m ? "does not read back" : "reads back to another graph");
		c->other++;
		c->failed = true;
	}
	ig_model_free(m);
}

static void try_model(struct count *c, const char *path)
{
	FILE *quiet = fopen("/dev/null", "w");
	struct ig_diag *d = ig_diag_new(quiet, false), *loud = ig_diag_new(stdout, false);
	struct ig_model *m = ig_onnx_load(path, NULL, d);
	if (!m || m->graph->n_inputs == 0) /* the language has no models without inputs */
		c->refused++;
	else if (!ig_source_can(m->graph))
		c->quantized++;
	else
		round_trip(c, path, m->graph, loud);
	ig_model_free(m);
	ig_diag_free(d);
	ig_diag_free(loud);
	fclose(quiet);
}

static void search(struct count *c, const char *folder)
{
	struct dirent **entry;
	int n = scandir(folder, &entry, NULL, alphasort);
	for (int i = 0; i < n; i++) {
		char path[4096];
		struct stat st;
		size_t len = strlen(entry[i]->d_name);
		snprintf(path, sizeof path, "%s/%s", folder, entry[i]->d_name);
		if (entry[i]->d_name[0] != '.' && stat(path, &st) == 0) {
			if (S_ISDIR(st.st_mode))
				search(c, path);
			else if (len > 5 && !strcmp(entry[i]->d_name + len - 5, ".onnx"))
				try_model(c, path);
		}
		free(entry[i]);
	}
	if (n >= 0)
		free(entry);
}

int main(int argc, char **argv)
{
	char weights[4096];
	if (argc < 3) {
		fprintf(stderr, "usage: onnx_source TEMPORARY.ig FOLDER...\n");
		return 2;
	}
	snprintf(weights, sizeof weights, "%s.safetensors", argv[1]);
	struct count c = {.text = argv[1], .weights = weights};
	for (int i = 2; i < argc; i++)
		search(&c, argv[i]);
	printf("%d models read back to the same graph (%d with blocks), %d do not; %d are not imported, %d hold quantized values\n", c.same, c.blocks, c.other, c.refused,
	       c.quantized);
	unlink(argv[1]);
	unlink(weights);
	if (!c.same && !c.other) {
		printf("SKIP: no models there [data]\n");
		return 77;
	}
	return c.failed;
}
