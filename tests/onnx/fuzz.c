/* libFuzzer's entry to the ONNX reader: any bytes end in a model that verifies or in a diagnostic (scripts/fuzz.sh). */
#include <stdlib.h>

#include "ir/infer.h"
#include "onnx/onnx.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = NULL;
	size_t length = 0;
	FILE *f = open_memstream(&text, &length);
	if (!f)
		abort();
	struct ig_diag *d = ig_diag_new(f, false);
	struct ig_model *m = ig_onnx_parse("fuzz.onnx", data, size, NULL, d);
	if ((m == NULL) != (ig_diag_errors(d) > 0) || (m && !ig_verify(m->graph, "import", d)))
		abort();
	ig_model_free(m);
	ig_diag_free(d);
	fclose(f);
	free(text);
	return 0;
}
