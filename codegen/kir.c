/* The kernel IR's tables and containers: modules, buffers (equal constants are stored once) and functions. */
#include "codegen/kir.h"

#include <stdlib.h>
#include <string.h>

const struct kir_op_info kir_ops[KIR_OP_COUNT] = {
#define K(e, text, n, result, addr) [KIR_##e] = {#text, n, result, addr},
#include "codegen/kir.def"
#undef K
};
const char *const kir_elem_names[KIR_ELEM_COUNT] = {"i1", "i8", "i16", "i32", "i64", "f32", "f64", "tile"};

int kir_elem_bytes(enum kir_elem e)
{
	static const int bytes[KIR_ELEM_COUNT] = {1, 1, 2, 4, 8, 4, 8, 4};
	if ((unsigned)e >= KIR_ELEM_COUNT)
		IG_BUG("kernel IR element %d", (int)e);
	return bytes[e];
}

int kir_elem_bits(enum kir_elem e)
{
	return e == KIR_I1 ? 1 : 8 * kir_elem_bytes(e);
}

char *kir_ident(struct ig_arena *a, const char *s)
{
	bool digit = s[0] >= '0' && s[0] <= '9';
	char *r = ig_arena_printf(a, "%s%s", digit || s[0] == 0 ? "_" : "", s);
	for (char *p = r; *p; p++)
		if (!((*p >= 'a' && *p <= 'z') || (*p >= 'A' && *p <= 'Z') || (*p >= '0' && *p <= '9')))
			*p = '_';
	return r;
}

struct kir_module *kir_module_new(const char *name)
{
	struct kir_module *m = ig_xcalloc(1, sizeof *m);
	m->arena = ig_arena_new();
	m->name = ig_arena_strdup(m->arena, name);
	return m;
}

void kir_func_free(struct kir_func *f)
{
	if (!f)
		return;
	free(f->inst);
	free(f->loop);
	free(f->vtype);
	free(f);
}

void kir_module_free(struct kir_module *m)
{
	if (!m)
		return;
	for (int i = 0; i < m->n_funcs; i++)
		kir_func_free(m->func[i]);
	free(m->func);
	free(m->buf);
	free(m->tensor);
	ig_arena_free(m->arena);
	free(m);
}

int32_t kir_buffer_add(struct kir_module *m, const char *name, enum kir_space space, enum kir_elem elem, int64_t count)
{
	int64_t bytes;
	if (count < 0 || !ig_mul_i64(count, kir_elem_bytes(elem), &bytes))
		IG_BUG("buffer %s of %lld elements", name, (long long)count);
	if (m->n_bufs == m->cap_bufs)
		ig_vec_grow((void **)&m->buf, &m->cap_bufs, sizeof *m->buf);
	struct kir_buffer *b = &m->buf[m->n_bufs];
	*b = (struct kir_buffer){.name = ig_arena_strdup(m->arena, name), .space = space, .elem = elem, .count = count, .align = 64,
	                         .io = -1, .offset = -1, .first = -1, .last = -1};
	return m->n_bufs++;
}

static uint64_t hash_bytes(const unsigned char *p, size_t n)
{
	uint64_t h = 0x9e3779b97f4a7c15u ^ n;
	for (; n >= 8; p += 8, n -= 8) {
		uint64_t w;
		memcpy(&w, p, 8);
		h = (h ^ w) * 0xff51afd7ed558ccdu;
		h ^= h >> 29;
	}
	for (; n; p++, n--)
		h = (h ^ *p) * 0x100000001b3u;
	return h ^ h >> 32;
}

/* The buffer of the same contents that there is; -1: none. */
static int32_t buffer_like(const struct kir_module *m, enum kir_elem elem, int64_t count, const void *data, size_t bytes, uint64_t hash)
{
	for (int32_t i = 0; i < m->n_bufs; i++) {
		const struct kir_buffer *b = &m->buf[i];
		if (b->space == KIR_CONSTANT && b->hash == hash && b->elem == elem && b->count == count && !memcmp(b->init, data, bytes))
			return i;
	}
	return -1;
}

static int32_t buffer_const(struct kir_module *m, const char *name, enum kir_elem elem, int64_t count, const void *data, bool copy)
{
	size_t bytes;
	if (count < 0 || !ig_mul_size((size_t)count, (size_t)kir_elem_bytes(elem), &bytes))
		IG_BUG("constant %s of %lld elements", name, (long long)count);
	uint64_t hash = hash_bytes(data, bytes);
	int32_t i = buffer_like(m, elem, count, data, bytes, hash);
	if (i >= 0)
		return i;
	i = kir_buffer_add(m, name, KIR_CONSTANT, elem, count);
	if (copy)
		data = memcpy(ig_arena_alloc(m->arena, bytes ? bytes : 1, 1), data, bytes);
	m->buf[i].init = data;
	m->buf[i].hash = hash;
	return i;
}

int32_t kir_buffer_const(struct kir_module *m, const char *name, enum kir_elem elem, int64_t count, const void *data)
{
	return buffer_const(m, name, elem, count, data, true);
}

int32_t kir_buffer_keep(struct kir_module *m, const char *name, enum kir_elem elem, int64_t count, const void *data)
{
	return buffer_const(m, name, elem, count, data, false);
}

static bool func_named(const struct kir_module *m, const char *name)
{
	for (int i = 0; i < m->n_funcs; i++)
		if (!strcmp(m->func[i]->name, name))
			return true;
	return false;
}

struct kir_func *kir_func_add(struct kir_module *m, const char *layer, struct ig_nid node)
{
	if (m->n_funcs == m->cap_funcs)
		ig_vec_grow((void **)&m->func, &m->cap_funcs, sizeof *m->func);
	struct kir_func *f = ig_xcalloc(1, sizeof *f);
	const char *ident = kir_ident(m->arena, layer), *name = ident;
	for (int k = 2; func_named(m, name); k++)
		name = ig_arena_printf(m->arena, "%s_%d", ident, k);
	f->name = name;
	f->layer = ig_arena_strdup(m->arena, layer);
	f->node = node;
	f->open = -1;
	return m->func[m->n_funcs++] = f;
}

int kir_region_end(const struct kir_module *m, int first)
{
	int i = first;
	while (i < m->n_funcs && m->func[i]->region == m->func[first]->region)
		i++;
	return i;
}

int kir_part_end(const struct kir_module *m, int first)
{
	int i = first;
	while (i < m->n_funcs && m->func[i]->region == m->func[first]->region && m->func[i]->part == m->func[first]->part)
		i++;
	return i;
}
