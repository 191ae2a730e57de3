/* libFuzzer's entry to the ONNX reader: any bytes end in a model that verifies or in a diagnostic (scripts/fuzz.sh). Half of the mutations change bytes, which
   finds what the wire format check misses; the others change one field of a right message, by its schema, so that import functions see strange nodes. */
#include <stdlib.h>
#include <string.h>

#include "ir/infer.h"
#include "onnx/import.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max, unsigned seed);
size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t max);

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

static unsigned next(unsigned *seed) { return *seed = *seed * 1664525u + 1013904223u, *seed >> 8; }

static int64_t strange_number(unsigned *seed)
{
	static const int64_t list[] = {-1, 0, 1, 2, 3, 4, 5, 7, 8, 10, 13, 64, 255, 256, 65536, INT32_MAX, INT32_MIN, INT64_MAX, INT64_MIN, -2, -3};
	return list[next(seed) % IG_COUNTOF(list)];
}

/* A string of protobuf-c's becomes an operator's name or that of an attribute. */
static void change_string(char **s, unsigned *seed)
{
	static const char *const words[] = {"axis", "axes", "pads", "kernel_shape", "strides", "group", "mode", "keepdims", "perm", "to", "value", "", "x", "y"};
	int n;
	const struct ig_onnx_op *op = ig_onnx_ops(&n);
	const char *text = next(seed) % 3 ? op[next(seed) % (unsigned)n].type : words[next(seed) % IG_COUNTOF(words)];
	free(*s);
	*s = strdup(text);
}

static void change_field(ProtobufCMessage *m, int depth, unsigned *seed);

static void change_value(const ProtobufCFieldDescriptor *f, void *at, int depth, unsigned *seed)
{
	switch (f->type) {
	case PROTOBUF_C_TYPE_MESSAGE:
		if (*(ProtobufCMessage **)at && depth < 20)
			change_field(*(ProtobufCMessage **)at, depth + 1, seed);
		break;
	case PROTOBUF_C_TYPE_INT64:
	case PROTOBUF_C_TYPE_UINT64: *(int64_t *)at = strange_number(seed); break;
	case PROTOBUF_C_TYPE_INT32:
	case PROTOBUF_C_TYPE_ENUM: *(int32_t *)at = (int32_t)(next(seed) % 24); break;
	case PROTOBUF_C_TYPE_FLOAT: *(float *)at = (float)strange_number(seed) / (next(seed) % 2 ? 1.0f : 3.0f); break;
	case PROTOBUF_C_TYPE_STRING: change_string((char **)at, seed); break;
	case PROTOBUF_C_TYPE_BYTES: {
		ProtobufCBinaryData *b = at;
		if (b->len)
			b->data[next(seed) % b->len] = (uint8_t)next(seed);
		break;
	}
	default: break;
	}
}

static void swap(char *list, size_t width, size_t i, size_t k)
{
	char kept[16];
	memcpy(kept, list + i * width, width);
	memcpy(list + i * width, list + k * width, width);
	memcpy(list + k * width, kept, width);
}

/* One field that is there: a value changed, or two elements exchanged. */
static void change_field(ProtobufCMessage *m, int depth, unsigned *seed)
{
	const ProtobufCFieldDescriptor *f = &m->descriptor->fields[next(seed) % m->descriptor->n_fields];
	for (unsigned i = 0; i < m->descriptor->n_fields; i++) { /* messages first: they hold the rest */
		const ProtobufCFieldDescriptor *g = &m->descriptor->fields[next(seed) % m->descriptor->n_fields];
		if (g->type == PROTOBUF_C_TYPE_MESSAGE && next(seed) % 4)
			f = g;
	}
	char *base = (char *)m;
	if (f->label != PROTOBUF_C_LABEL_REPEATED) {
		bool of_another_case = (f->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) != 0 && *(uint32_t *)(base + f->quantifier_offset) != f->id;
		if (!of_another_case)
			change_value(f, base + f->offset, depth, seed);
		return;
	}
	size_t n = *(size_t *)(base + f->quantifier_offset);
	bool pointer = f->type == PROTOBUF_C_TYPE_MESSAGE || f->type == PROTOBUF_C_TYPE_STRING, wide = f->type == PROTOBUF_C_TYPE_INT64 || f->type == PROTOBUF_C_TYPE_UINT64;
	size_t width = f->type == PROTOBUF_C_TYPE_BYTES ? sizeof(ProtobufCBinaryData) : pointer || wide || f->type == PROTOBUF_C_TYPE_DOUBLE ? 8 : 4;
	char *list = *(char **)(base + f->offset);
	if (n > 1 && next(seed) % 6 == 0)
		swap(list, width, next(seed) % n, next(seed) % n);
	else if (n > 0)
		change_value(f, list + next(seed) % n * width, depth, seed);
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max, unsigned seed)
{
	FILE *null = fopen("/dev/null", "w");
	struct ig_diag *d = null ? ig_diag_new(null, false) : NULL;
	Onnx__ModelProto *m = NULL;
	if (!d)
		abort();
	if (next(&seed) % 2 && size && ig_onnx_check_wire(&onnx__model_proto__descriptor, data, size, IG_NOLOC, d))
		m = onnx__model_proto__unpack(NULL, size, data);
	ig_diag_free(d);
	fclose(null);
	if (!m)
		return LLVMFuzzerMutate(data, size, max);
	for (unsigned k = 0, n = 1 + next(&seed) % 4; k < n; k++)
		change_field(&m->base, 0, &seed);
	size_t packed = onnx__model_proto__get_packed_size(m);
	if (packed <= max)
		size = onnx__model_proto__pack(m, data);
	onnx__model_proto__free_unpacked(m, NULL);
	return packed <= max ? size : LLVMFuzzerMutate(data, size, max);
}
