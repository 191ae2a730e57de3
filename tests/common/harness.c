/* A program around one compiled model, for comparing engines: compile with -DMODEL=NAME_model and link with the object or the C output.

     harness INPUTS OUTPUTS [ARENA]

   INPUTS holds any number of samples; a sample is the bytes of every input, one after the other. OUTPUTS gets every sample's outputs in the same way, ARENA
   the arena after each sample. The arena and the outputs are filled with a pattern before each sample (nothing may depend on their contents), and lie
   between guard bytes. Exit status: 0, or 1 after a message. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/ig_runtime.h"

extern const struct ig_model_desc MODEL;

enum { MAX_IO = 64, GUARD = 256, FILL = 0xa5, GUARD_BYTE = 0x5c };

static void die(const char *what, const char *name)
{
	fprintf(stderr, "harness: %s %s\n", what, name);
	exit(1);
}

/* n bytes at an address that is a multiple of 64 plus `off`, between guards. */
static unsigned char *guarded(size_t n, size_t off)
{
	unsigned char *p = malloc(n + 2 * GUARD + 128);
	if (!p)
		die("no memory for", MODEL.name);
	p += 64 - (uintptr_t)p % 64 + GUARD + off;
	memset(p - GUARD, GUARD_BYTE, GUARD);
	memset(p + n, GUARD_BYTE, GUARD);
	return p;
}

static void check_guard(const unsigned char *p, size_t n, const char *name)
{
	for (int i = 0; i < GUARD; i++)
		if (p[i - GUARD] != GUARD_BYTE || p[n + (size_t)i] != GUARD_BYTE)
			die("written beyond", name);
}

static FILE *open_file(const char *path, const char *mode)
{
	FILE *f = fopen(path, mode);
	if (!f)
		die("cannot open", path);
	return f;
}

static void check_desc(void)
{
	if (MODEL.size != sizeof MODEL || MODEL.version != IG_MODEL_VERSION || MODEL.n_inputs > MAX_IO || MODEL.n_outputs > MAX_IO)
		die("descriptor of", MODEL.name);
#ifndef NO_RUNTIME
	if (!ig_model_prepare(&MODEL))
		die("this CPU cannot run", MODEL.target);
#endif
}

/* Inputs and outputs are aligned to their element only. */
static size_t element(const struct ig_io *io)
{
	return io->dtype == IG_RT_F32 || io->dtype == IG_RT_I32 ? 4 : 1;
}

static unsigned char *in[MAX_IO], *out[MAX_IO], *arena;

static void allocate(void)
{
	for (uint32_t i = 0; i < MODEL.n_inputs; i++)
		in[i] = guarded(MODEL.inputs[i].bytes, element(&MODEL.inputs[i]));
	for (uint32_t i = 0; i < MODEL.n_outputs; i++)
		out[i] = guarded(MODEL.outputs[i].bytes, element(&MODEL.outputs[i]));
	arena = guarded((size_t)MODEL.arena_bytes, 0);
}

/* False at the end of the samples. */
static int read_sample(FILE *f, const char *path)
{
	for (uint32_t i = 0; i < MODEL.n_inputs; i++) {
		size_t n = MODEL.inputs[i].bytes, got = fread(in[i], 1, n, f);
		if (got == 0 && i == 0)
			return 0;
		if (got != n)
			die("incomplete sample in", path);
	}
	return 1;
}

static void run(void)
{
	const void *inputs[MAX_IO];
	void *outputs[MAX_IO];
	for (uint32_t i = 0; i < MODEL.n_inputs; i++)
		inputs[i] = in[i];
	for (uint32_t i = 0; i < MODEL.n_outputs; i++) {
		outputs[i] = out[i];
		memset(out[i], FILL, MODEL.outputs[i].bytes);
	}
	memset(arena, FILL, (size_t)MODEL.arena_bytes);
	struct ig_call c = {.size = sizeof c, .version = IG_MODEL_VERSION, .n_inputs = MODEL.n_inputs, .n_outputs = MODEL.n_outputs, .inputs = inputs,
	                    .outputs = outputs, .arena = arena, .arena_bytes = MODEL.arena_bytes};
	if (MODEL.call(&c) != IG_OK)
		die("the call failed:", MODEL.name);
	for (uint32_t i = 0; i < MODEL.n_inputs; i++)
		check_guard(in[i], MODEL.inputs[i].bytes, MODEL.inputs[i].name);
	for (uint32_t i = 0; i < MODEL.n_outputs; i++)
		check_guard(out[i], MODEL.outputs[i].bytes, MODEL.outputs[i].name);
	check_guard(arena, (size_t)MODEL.arena_bytes, "the arena");
}

int main(int argc, char **argv)
{
	if (argc < 3)
		die("usage: harness INPUTS OUTPUTS [ARENA];", MODEL.name);
	check_desc();
	allocate();
	FILE *f = open_file(argv[1], "rb"), *o = open_file(argv[2], "wb"), *a = argc > 3 ? open_file(argv[3], "wb") : NULL;
	while (read_sample(f, argv[1])) {
		run();
		for (uint32_t i = 0; i < MODEL.n_outputs; i++)
			fwrite(out[i], 1, MODEL.outputs[i].bytes, o);
		if (a)
			fwrite(arena, 1, (size_t)MODEL.arena_bytes, a);
		if (MODEL.n_inputs == 0)
			break;
	}
	int bad = ferror(f) || ferror(o) || fclose(o) || (a && (ferror(a) || fclose(a)));
	fclose(f);
	return bad;
}
