/* Modules, programs and data of the kernel-IR cases. */
#include "tests/common/kir_case_build.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

uint32_t kir_next(uint32_t *s)
{
	*s ^= *s << 13;
	*s ^= *s >> 17;
	return *s ^= *s << 5;
}

kir_val kir_ld(struct kc *k, enum kir_elem e, int lanes)
{
	struct kir_type t = KIR_T(e, lanes);
	int64_t n = kir_type_bytes(t);
	if (e == KIR_F32) {
		k->at_float = k->at_float + lanes > IN_FLOATS ? 0 : k->at_float;
		kir_val v = kb_load(&k->b, t, kb_addr(k->floats, k->at_float));
		k->at_float += lanes > 7 ? lanes - 1 : lanes; /* pairs of operands shift against each other */
		return v;
	}
	k->at_byte = k->at_byte + n > IN_BYTES ? 0 : k->at_byte;
	kir_val v = kb_load(&k->b, t, kb_addr(k->bytes, k->at_byte));
	k->at_byte += n;
	return v;
}

static void st_raw(struct kc *k, kir_val v)
{
	struct kir_type t = kb_type(&k->b, v);
	if (k->at_out + kir_type_bytes(t) > OUT_BYTES)
		IG_BUG("kernel-IR case: output too small");
	kb_store(&k->b, v, kb_addr(k->out, k->at_out));
	k->at_out += kir_type_bytes(t);
}

void kir_st(struct kc *k, kir_val v)
{
	struct kir_type t = kb_type(&k->b, v);
	if (t.elem == KIR_I1)
		v = kb_op1(&k->b, KIR_ZEXT, KIR_T(KIR_I8, t.lanes), v);
	if (t.elem == KIR_F64)
		v = kb_op1(&k->b, KIR_DTOF, KIR_T(KIR_F32, t.lanes), v);
	if (t.elem == KIR_F32 || t.elem == KIR_F64)
		v = kb_select(&k->b, kb_op2(&k->b, KIR_CMPEQ, v, v), v, kb_const_f(&k->b, t.lanes, NAN));
	st_raw(k, v);
}

static int32_t io_buffer(struct kir_module *m, const char *name, enum kir_space space, enum kir_elem elem, int64_t n, int io)
{
	int32_t b = kir_buffer_add(m, name, space, elem, n);
	m->buf[b].io = io;
	return b;
}

static struct ig_io_info io_info(const char *name, enum ig_dtype dt, int64_t n)
{
	return (struct ig_io_info){.name = name, .type = {.dtype = dt, .rank = 1, .dim = {n}, .q = IG_NOQ}};
}

struct kc kir_case_begin(const char *name)
{
	struct kc k = {.m = kir_module_new(name)};
	k.bytes = io_buffer(k.m, "bytes", KIR_IN, KIR_I8, IN_BYTES, 0);
	k.floats = io_buffer(k.m, "floats", KIR_IN, KIR_F32, IN_FLOATS, 1);
	k.out = io_buffer(k.m, "out", KIR_OUT, KIR_I8, OUT_BYTES, 0);
	k.m->n_inputs = 2;
	k.m->n_outputs = 1;
	k.b = (struct kir_builder){k.m, kir_func_add(k.m, "first", IG_NONODE)};
	return k;
}

void kir_case_finish(struct kir_case *c, struct kc *k, const char *name, const struct ig_target *t)
{
	k->m->buf[k->out].count = k->at_out;
	*c = (struct kir_case){.name = name, .m = k->m};
	c->in[0] = io_info("bytes", IG_DT_U8, IN_BYTES);
	c->in[1] = io_info("floats", IG_DT_F32, IN_FLOATS);
	c->out[0] = io_info("out", IG_DT_U8, k->at_out);
	c->p = (struct ig_program){.name = name, .module = k->m, .target = t, .in = c->in, .out = c->out, .n_in = 2, .n_out = 1, .hash = 1234567890123u};
	struct ig_diag *d = ig_diag_new(stderr, false);
	if (!ig_memplan(k->m, NULL, d) || !kir_verify(k->m, d))
		IG_BUG("kernel-IR case %s does not verify", name);
	ig_diag_free(d);
}

void kir_case_free(struct kir_case *c)
{
	kir_module_free(c->m);
}

size_t kir_case_in_bytes(const struct kir_case *c)
{
	(void)c;
	return IN_BYTES + 4 * IN_FLOATS;
}

size_t kir_case_out_bytes(const struct kir_case *c)
{
	return (size_t)c->out[0].type.dim[0];
}

void kir_case_fill(const struct kir_case *c, unsigned seed, unsigned char *data)
{
	static const uint32_t special[] = {0, 0x80000000, 0x3f800000, 0xbf800000, 0x7f800000, 0xff800000, 0x7fc00000, 0x7fa00001, 0x00000001, 0x80000001, 0x007fffff,
	                                   0x00800000, 0x7f7fffff, 0xff7fffff, 0x3f000000, 0x4b000001, 0x4b800000, 0x4f000000, 0xcf000000, 0x4effffff, 0x437f0000};
	uint32_t s = 2463534242u + seed * 7919u;
	(void)c;
	for (int i = 0; i < IN_BYTES; i++)
		data[i] = (unsigned char)(kir_next(&s) >> 11);
	for (int i = 0; i < IN_FLOATS; i++) {
		uint32_t r = kir_next(&s), v = r;
		if (r % 8 == 0)
			v = special[kir_next(&s) % IG_COUNTOF(special)];
		else if (r % 8 < 6) /* magnitudes around those of bytes */
			v = (r & 0x807fffff) | (119 + kir_next(&s) % 18) << 23;
		memcpy(data + IN_BYTES + 4 * i, &v, 4);
	}
}

void kir_case_expect(const struct kir_case *c, const unsigned char *in, unsigned char *out)
{
	struct kir_interp *it = kir_interp_new(c->m);
	size_t n = ((size_t)c->m->arena_bytes + 127) / 64 * 64;
	void *arena = aligned_alloc(64, n);
	const void *inputs[2] = {in, in + IN_BYTES};
	void *outputs[1] = {out};
	memset(arena, 0xa5, n);
	kir_interp_run(it, inputs, outputs, arena);
	free(arena);
	kir_interp_free(it);
}
