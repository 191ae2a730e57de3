/* The wire format checked before protobuf-c reads it: its reader recurses without a limit and merges repeated singular messages. */
#include "onnx/import.h"

struct wire {
	const uint8_t *base;
	int64_t parts;
	struct ig_loc loc;
	struct ig_diag *d;
};

static bool damaged(const struct wire *w, const uint8_t *at, const char *what)
{
	ig_error(w->d, w->loc, "this is no ONNX model, or it is damaged: %s at byte %zu", what, (size_t)(at - w->base));
	return false;
}

static bool varint(const uint8_t **p, const uint8_t *end, uint64_t *out)
{
	uint64_t v = 0;
	for (int shift = 0; shift < 70 && *p < end; shift += 7) {
		uint8_t b = *(*p)++;
		if (shift < 64)
			v |= (uint64_t)(b & 0x7f) << shift;
		if (b < 0x80) {
			*out = v;
			return true;
		}
	}
	return false;
}

/* Skips a field's payload; *len is its length for wire type 2. */
static bool payload(struct wire *w, const uint8_t **p, const uint8_t *end, int type, uint64_t *len)
{
	uint64_t size = type == 1 ? 8 : 4;
	const uint8_t *at = *p;
	*len = 0;
	if (type == 0)
		return varint(p, end, &size) || damaged(w, at, "a number that does not end");
	if (type != 1 && type != 2 && type != 5)
		return damaged(w, at, "a field of unknown encoding");
	if (type == 2 && !varint(p, end, &size))
		return damaged(w, at, "a length that does not end");
	if (size > (uint64_t)(end - *p))
		return damaged(w, at, "a field longer than what holds it");
	*p += size;
	*len = size;
	return true;
}

static bool message(struct wire *w, const ProtobufCMessageDescriptor *m, const uint8_t *p, const uint8_t *end, int depth)
{
	uint64_t seen = 0;
	if (depth > IG_ONNX_MAX_DEPTH) {
		ig_error(w->d, w->loc, "messages are nested deeper than %d levels at byte %zu", IG_ONNX_MAX_DEPTH, (size_t)(p - w->base));
		return false;
	}
	while (p < end) {
		const uint8_t *at = p;
		uint64_t key, len;
		if (!varint(&p, end, &key) || key >> 3 == 0 || key >> 3 > 0x1fffffff)
			return damaged(w, at, "a wrong field number");
		if (!payload(w, &p, end, (int)(key & 7), &len))
			return false;
		if (++w->parts > IG_ONNX_MAX_PARTS) {
			ig_error(w->d, w->loc, "the file has more than %d fields; put large tensors into raw or external data", IG_ONNX_MAX_PARTS);
			return false;
		}
		const ProtobufCFieldDescriptor *f = protobuf_c_message_descriptor_get_field(m, (unsigned)(key >> 3));
		if (!f || f->type != PROTOBUF_C_TYPE_MESSAGE)
			continue;
		unsigned bit = (unsigned)(f - m->fields) & 63;
		if ((key & 7) != 2)
			return damaged(w, at, "a message of a wrong encoding");
		if (f->label != PROTOBUF_C_LABEL_REPEATED && (seen >> bit & 1))
			return damaged(w, at, "a message given twice");
		seen |= (uint64_t)1 << bit;
		if (!message(w, f->descriptor, p - len, p, depth + 1))
			return false;
	}
	return true;
}

bool ig_onnx_check_wire(const ProtobufCMessageDescriptor *type, const uint8_t *data, size_t bytes, struct ig_loc loc, struct ig_diag *d)
{
	struct wire w = {data, 0, loc, d};
	return message(&w, type, data, data + bytes, 1);
}
