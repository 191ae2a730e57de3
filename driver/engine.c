#include "driver/engine.h"

#include <stdlib.h>
#include <string.h>

#include "driver/quiet.h"
#include "ir/interp.h"
#include "ir/number.h"
#include "runtime/ig_runtime.h"

const char *const ig_engine_names[IG_ENGINE_COUNT] = {"float", "reference", "kir", "native"};

struct engine_words {
	const struct ig_opts *o;
	bool *use;
};

static bool add_engine(void *self, const char *word)
{
	struct engine_words *w = self;
	for (int i = 0; i < IG_ENGINE_COUNT; i++)
		if (strcmp(ig_engine_names[i], word) == 0) {
			w->use[i] = true;
			return true;
		}
	const char *near = ig_nearest(word, ig_engine_names, IG_ENGINE_COUNT);
	if (near)
		ig_usage_error(w->o->cmd, "there is no engine '%s'; did you mean '%s'?", word, near);
	else
		ig_usage_error(w->o->cmd, "there is no engine '%s' (float, reference, kir or native)", word);
	return false;
}

bool ig_engine_list(const struct ig_opts *o, const char *dflt, bool use[IG_ENGINE_COUNT])
{
	struct engine_words w = {o, use};
	memset(use, 0, sizeof *use * IG_ENGINE_COUNT);
	if (ig_opt_given(o, IG_OPT_ENGINE))
		return ig_opt_words(o, IG_OPT_ENGINE, add_engine, &w);
	char text[64], *rest = text, *word;
	snprintf(text, sizeof text, "%s", dflt);
	while ((word = strsep(&rest, ",")) != NULL)
		add_engine(&w, word);
	return true;
}

void *ig_xaligned(size_t bytes)
{
	size_t n = (bytes + 63) / 64 * 64;
	void *p = aligned_alloc(64, n ? n : 64);
	if (!p) {
		fputs("intaglio: error: out of memory\n", stderr);
		exit(IG_EXIT_DIAG);
	}
	memset(p, 0, n ? n : 64);
	return p;
}

static bool begin_quantized(struct ig_machine *m, bool keep)
{
	struct ig_session *s = m->s;
	struct ig_code *c = &m->quant;
	c->module = ig_session_lower(s, keep);
	if (!c->module)
		return false;
	c->program = ig_program_new(s->quant->name, s->quant, c->module, s->target);
	if (!m->use[IG_ENGINE_NATIVE])
		return true;
	if (!s->target->triple) {
		ig_error(s->diag, IG_NOLOC, "target %s has no native engine: leave 'native' out of --engine, or choose another --target", s->target->name);
		return false;
	}
	c->native = ig_native_new(c->program, s->diag);
	return c->native != NULL;
}

void ig_code_end(struct ig_code *c)
{
	if (c->native)
		ig_native_free(c->native);
	ig_program_free(c->program);
	if (c->module)
		kir_module_free(c->module);
	free(c->weights);
	*c = (struct ig_code){.native = NULL};
}

/* Compiling takes as long as interpreting about this many multiply-accumulates. */
static bool pays(const struct ig_graph *g, int64_t samples)
{
	double work = 0;
	for (struct ig_nid n = ig_first(g); n.i >= 0; n = ig_next(g, n))
		work += (double)ig_node_macs(g, ig_node(g, n)) + 4 * (double)ig_elems(ig_vtype(g, ig_node(g, n)->out[0]));
	return samples == IG_ALWAYS || work * (double)samples > 2e9;
}

bool ig_code_float(struct ig_code *c, struct ig_session *s, bool keep, int64_t samples, void (*hook)(void *self, int kernel, void *arena), void *self)
{
	const struct ig_target *t = ig_target_native();
	struct ig_lower_options lo = {.keep = keep};
	struct ig_quiet quiet;
	if (!pays(s->flt, samples))
		return false;
	struct ig_diag *d = ig_quiet_begin(&quiet);
	if (!t->triple)
		ig_error(d, IG_NOLOC, "there is no target for this CPU");
	else if ((c->module = ig_lower(s->flt, t, &lo, d)) != NULL) {
		c->program = ig_program_new(s->flt->name, s->flt, c->module, t);
		c->weights = ig_xaligned((size_t)c->module->const_bytes);
		ig_program_constants(c->module, c->weights);
		c->program->weights = c->weights;
		c->program->hook = hook;
		c->program->hook_self = self;
		c->native = ig_native_new(c->program, d);
	}
	char *why = ig_quiet_end(&quiet);
	if (!c->native) {
		ig_code_end(c);
		ig_note(s->diag, IG_NOLOC, "the float model is interpreted, which is slower, since it cannot be compiled here: %s", why);
	}
	free(why);
	return c->native != NULL;
}

bool ig_machine_begin(struct ig_machine *m, struct ig_session *s, const bool use[IG_ENGINE_COUNT], bool keep, int64_t float_samples)
{
	memset(m, 0, sizeof *m);
	m->s = s;
	memcpy(m->use, use, sizeof m->use);
	if (use[IG_ENGINE_FLOAT] && ig_session_refuse_quantized(s, "run in float"))
		return false;
	if (use[IG_ENGINE_FLOAT])
		ig_code_float(&m->flt, s, true, float_samples, NULL, NULL);
	return (!use[IG_ENGINE_KIR] && !use[IG_ENGINE_NATIVE]) || begin_quantized(m, keep);
}

void ig_machine_end(struct ig_machine *m)
{
	ig_code_end(&m->quant);
	ig_code_end(&m->flt);
}

struct ig_engine {
	enum ig_engine_kind kind;
	struct ig_machine *m;
	const struct ig_graph *g;
	struct ig_interp *interp;
	const struct ig_code *code; /* what runs where there is no interpreter of the graph */
	struct kir_interp *kir;
	void *arena;
	struct ig_pool *pool; /* threads of a native call; NULL: this one */
	void **out; /* of code */
	const void *const *in; /* of the last run */
	IG_VEC(struct ig_vid) stored; /* interp: values that are not constants */
	float *room; /* for values that are not one run of memory */
	int64_t room_elems;
};

size_t ig_type_size(const struct ig_type *t)
{
	size_t n;
	if (!ig_type_bytes(t, &n))
		IG_BUG("a value's size overflows");
	return n;
}

struct ig_engine *ig_engine_new(struct ig_machine *m, enum ig_engine_kind kind)
{
	struct ig_engine *e = ig_xcalloc(1, sizeof *e);
	e->kind = kind;
	e->m = m;
	e->g = kind == IG_ENGINE_FLOAT ? m->s->flt : m->s->quant;
	e->code = kind == IG_ENGINE_FLOAT ? &m->flt : &m->quant;
	if ((kind == IG_ENGINE_FLOAT && !m->flt.native) || kind == IG_ENGINE_REFERENCE) {
		e->interp = ig_interp_new(e->g, m->s->diag);
		if (!e->interp) {
			ig_engine_free(e);
			return NULL;
		}
		for (struct ig_nid n = ig_first(e->g); n.i >= 0; n = ig_next(e->g, n)) {
			const struct ig_node *node = ig_node(e->g, n);
			for (int i = 0; i < node->n_out && node->op != IG_OP_CONSTANT; i++)
				ig_vec_push(&e->stored, node->out[i]);
		}
		return e;
	}
	if (kind == IG_ENGINE_KIR)
		e->kir = kir_interp_new(e->code->module);
	else if (e->code->module->threads > 1)
		e->pool = ig_pool_new(e->code->module->threads);
	e->arena = ig_xaligned((size_t)e->code->module->arena_bytes);
	e->out = ig_xcalloc((size_t)e->g->n_outputs + 1, sizeof *e->out);
	for (int i = 0; i < e->g->n_outputs; i++)
		e->out[i] = ig_xaligned(ig_type_size(ig_vtype(e->g, e->g->output[i])));
	return e;
}

void ig_engine_free(struct ig_engine *e)
{
	if (!e)
		return;
	if (e->interp)
		ig_interp_free(e->interp);
	ig_pool_free(e->pool);
	if (e->kir)
		kir_interp_free(e->kir);
	for (int i = 0; e->out && i < e->g->n_outputs; i++)
		free(e->out[i]);
	free(e->out);
	free(e->arena);
	ig_vec_free(&e->stored);
	free(e->room);
	free(e);
}

bool ig_engine_run(struct ig_engine *e, const void *const *in)
{
	e->in = in;
	if (e->interp)
		ig_interp_run(e->interp, in);
	else if (e->kir)
		kir_interp_run(e->kir, in, e->out, e->arena);
	else if (ig_native_run_on(e->code->native, in, e->out, e->arena, e->pool ? ig_pool_for : NULL, e->pool) != IG_OK)
		IG_BUG("the compiled object refused its own engine's call");
	return true;
}

const void *ig_engine_output(const struct ig_engine *e, int i)
{
	return e->interp ? ig_interp_value(e->interp, e->g->output[i])->data : e->out[i];
}

const struct ig_graph *ig_engine_graph(const struct ig_engine *e) { return e->g; }

int ig_engine_tensors(const struct ig_engine *e) { return e->interp ? e->stored.n : e->code->module->n_tensors; }

const char *ig_engine_tensor(const struct ig_engine *e, int i, struct ig_type *type)
{
	if (e->interp) {
		*type = *ig_vtype(e->g, e->stored.v[i]);
		return ig_value(e->g, e->stored.v[i])->name;
	}
	*type = e->code->module->tensor[i].type;
	return e->code->module->tensor[i].name;
}

void ig_engine_tensor_read(const struct ig_engine *e, int i, void *dst)
{
	if (e->interp) {
		const struct ig_tensor *t = ig_interp_value(e->interp, e->stored.v[i]);
		memcpy(dst, t->data, t->bytes);
	} else
		kir_tensor_read(e->code->module, &e->code->module->tensor[i], e->in, e->out, e->arena, dst);
}

const float *ig_engine_floats(struct ig_engine *e, struct ig_vid v)
{
	if (e->interp)
		return ig_interp_value(e->interp, v)->data;
	const struct kir_module *m = e->code->module;
	int i = 0;
	while (i < m->n_tensors && m->tensor[i].value.i != v.i)
		i++;
	if (i == m->n_tensors)
		IG_BUG("value %s has no memory", ig_value(e->g, v)->name);
	int64_t n = ig_elems(&m->tensor[i].type);
	if (e->room_elems < n) {
		free(e->room);
		e->room = ig_xcalloc((size_t)n, sizeof *e->room);
		e->room_elems = n;
	}
	return kir_tensor_floats(m, &m->tensor[i], e->in, e->out, e->arena, e->room);
}

void ig_tensor_floats(const struct ig_graph *g, const struct ig_type *t, const void *data, float *out)
{
	int64_t n = ig_elems(t), inner = 1;
	const struct ig_qparam *q = ig_qparam(g, t->q);
	if (t->dtype == IG_DT_F32) {
		memcpy(out, data, (size_t)n * sizeof *out);
		return;
	}
	const struct ig_tensor plain = {.type = *t, .data = (void *)(uintptr_t)data};
	for (int k = q ? q->axis + 1 : 0; q && q->n > 1 && k < t->rank; k++)
		inner *= t->dim[k];
	for (int64_t i = 0; i < n; i++) {
		int64_t c = q && q->n > 1 ? i / inner % q->n : 0;
		out[i] = q ? (float)((int32_t)ig_get_int(&plain, i) - q->zero_point[c]) * q->scale[c] : (float)ig_get_double(&plain, i);
	}
}
