/* The emitted functions' argument checks and descriptor, seen from C through the generated header. Compile with -DNAME=..., -DHEADER="NAME.h". */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/ig_runtime.h"
#include HEADER

#define PASTE2(a, b) a##b
#define PASTE(a, b) PASTE2(a, b)
#define MODEL PASTE(NAME, _model)
#define CALL PASTE(NAME, _call)
#define RUN PASTE(NAME, _run)

static int failures;
#define EXPECT(c) ((c) ? (void)0 : (printf("%s:%d: not so: %s\n", __FILE__, __LINE__, #c), (void)failures++))

static uint64_t arena_memory[4096];
static unsigned char out[1 << 17];

static void descriptor(void)
{
	EXPECT(MODEL.size == sizeof(struct ig_model_desc));
	EXPECT(MODEL.version == IG_MODEL_VERSION);
	EXPECT(strcmp(MODEL.target, TARGET) == 0);
	EXPECT(MODEL.hash == 1234567890123u);
	EXPECT(MODEL.arena_align == 64 && MODEL.n_inputs == 2 && MODEL.n_outputs == 1);
	EXPECT(MODEL.call == (int (*)(const void *))CALL);
	const struct ig_io *i = MODEL.inputs, *o = MODEL.outputs;
	EXPECT(strcmp(i[0].name, "bytes") == 0 && i[0].dtype == IG_RT_U8 && i[0].rank == 1 && i[0].dim[0] == 4096 && i[0].dim[1] == 0 && i[0].bytes == 4096);
	EXPECT(strcmp(i[1].name, "floats") == 0 && i[1].dtype == IG_RT_F32 && i[1].dim[0] == 1024 && i[1].bytes == 4096);
	EXPECT(strcmp(o[0].name, "out") == 0 && o[0].dtype == IG_RT_U8 && o[0].bytes == o[0].dim[0] && o[0].scale == 0.0f && o[0].zero_point == 0 && !o[0].nhwc);
	EXPECT(sizeof out >= o[0].bytes && sizeof arena_memory >= MODEL.arena_bytes + 64);
}

static void arguments(void *arena)
{
	static const unsigned char bytes[4096];
	static const float floats[1024];
	const void *in[2] = {bytes, floats}, *in_null[2] = {bytes, NULL};
	void *outs[1] = {out}, *out_null[1] = {NULL};
	struct ig_call good = {.size = sizeof good, .version = IG_MODEL_VERSION, .n_inputs = 2, .n_outputs = 1, .inputs = in, .outputs = outs, .arena = arena,
	                       .arena_bytes = MODEL.arena_bytes};
	struct ig_call c;
	EXPECT(CALL(NULL) == IG_ERR_NULL);
	EXPECT(CALL(&good) == IG_OK);
	EXPECT((c = good, c.size = sizeof c - 1, CALL(&c)) == IG_ERR_VERSION);
	EXPECT((c = good, c.size = sizeof c + 8, CALL(&c)) == IG_OK);
	EXPECT((c = good, c.version = 2, CALL(&c)) == IG_ERR_VERSION);
	EXPECT((c = good, c.n_inputs = 1, CALL(&c)) == IG_ERR_COUNT);
	EXPECT((c = good, c.n_outputs = 2, CALL(&c)) == IG_ERR_COUNT);
	EXPECT((c = good, c.inputs = NULL, CALL(&c)) == IG_ERR_NULL);
	EXPECT((c = good, c.outputs = NULL, CALL(&c)) == IG_ERR_NULL);
	EXPECT((c = good, c.inputs = in_null, CALL(&c)) == IG_ERR_NULL);
	EXPECT((c = good, c.outputs = out_null, CALL(&c)) == IG_ERR_NULL);
	EXPECT(RUN(bytes, floats, out, arena) == IG_OK);
	EXPECT(RUN(NULL, floats, out, arena) == IG_ERR_NULL);
	EXPECT(RUN(bytes, floats, NULL, arena) == IG_ERR_NULL);
	if (!MODEL.arena_bytes) {
		EXPECT((c = good, c.arena = NULL, CALL(&c)) == IG_OK);
		EXPECT(RUN(bytes, floats, out, NULL) == IG_OK);
		return;
	}
	EXPECT((c = good, c.arena = NULL, CALL(&c)) == IG_ERR_NULL);
	EXPECT((c = good, c.arena_bytes--, CALL(&c)) == IG_ERR_ARENA);
	EXPECT((c = good, c.arena = (char *)arena + 32, CALL(&c)) == IG_ERR_ARENA);
	EXPECT(RUN(bytes, floats, out, (char *)arena + 32) == IG_ERR_ARENA);
	EXPECT(RUN(bytes, floats, out, NULL) == IG_ERR_NULL);
}

int main(void)
{
	char *arena = (char *)arena_memory;
	arena += (64 - (uintptr_t)arena % 64) % 64;
	descriptor();
	arguments(arena);
	return failures != 0;
}
