/* The arena over the run: a line for each kernel function, a column for each slice of the arena, a letter for each buffer. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "driver/inspect.h"
#include "driver/report.h"

#define COLUMNS 64
static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

static bool in_arena(const struct kir_buffer *b) { return (b->space == KIR_ARENA || b->space == KIR_SCRATCH) && b->offset >= 0 && b->first >= 0; }

static int64_t buffer_bytes(const struct kir_buffer *b) { return b->count * kir_elem_bytes(b->elem); }

static int64_t live_bytes(const struct kir_module *m, int func)
{
	int64_t n = 0;
	for (int i = 0; i < m->n_bufs; i++)
		if (in_arena(&m->buf[i]) && m->buf[i].first <= func && func <= m->buf[i].last)
			n += buffer_bytes(&m->buf[i]);
	return n;
}

static void draw_line(const struct kir_module *m, int func, char *line)
{
	memset(line, '.', COLUMNS);
	line[COLUMNS] = 0;
	for (int i = 0, letter = 0; i < m->n_bufs; i++) {
		const struct kir_buffer *b = &m->buf[i];
		if (!in_arena(b))
			continue;
		char c = letters[letter++ % (int)(sizeof letters - 1)];
		if (func < b->first || func > b->last)
			continue;
		int64_t from = b->offset * COLUMNS / m->arena_bytes, to = (b->offset + buffer_bytes(b) - 1) * COLUMNS / m->arena_bytes;
		for (int64_t k = from; k <= to && k < COLUMNS; k++)
			line[k] = c;
	}
}

static void print_text(const struct kir_module *m, FILE *out)
{
	static const char *const steps[] = {"function", ">live bytes", "arena"};
	static const char *const legend[] = {"", "buffer", ">offset", ">bytes", ">from", ">to"};
	char line[COLUMNS + 1];
	fprintf(out, "arena: %" PRId64 " bytes; a column is %" PRId64 " bytes\n\n", m->arena_bytes, (m->arena_bytes + COLUMNS - 1) / COLUMNS);
	struct ig_table *t = ig_table_new(steps, 3);
	for (int f = 0; f < m->n_funcs && m->arena_bytes > 0; f++) {
		draw_line(m, f, line);
		ig_table_cell(t, "%d %s", f, m->func[f]->layer);
		ig_table_cell(t, "%" PRId64, live_bytes(m, f));
		ig_table_cell(t, "%s", line);
	}
	ig_table_print(t, out);
	ig_table_free(t);
	fputc('\n', out);
	t = ig_table_new(legend, 6);
	for (int i = 0, letter = 0; i < m->n_bufs; i++) {
		const struct kir_buffer *b = &m->buf[i];
		if (!in_arena(b))
			continue;
		ig_table_cell(t, "%c", letters[letter++ % (int)(sizeof letters - 1)]);
		ig_table_cell(t, "%s%s", b->name, b->space == KIR_SCRATCH ? " (scratch)" : "");
		ig_table_cell(t, "%" PRId64, b->offset);
		ig_table_cell(t, "%" PRId64, buffer_bytes(b));
		ig_table_cell(t, "%d", b->first);
		ig_table_cell(t, "%d", b->last);
	}
	ig_table_print(t, out);
	ig_table_free(t);
}

static void print_json(const struct kir_module *m, FILE *out)
{
	json_t *root = json_object(), *funcs = json_array(), *bufs = json_array();
	for (int f = 0; f < m->n_funcs; f++) {
		json_t *o = json_object();
		json_object_set_new(o, "layer", json_string(m->func[f]->layer));
		json_object_set_new(o, "live_bytes", json_integer(live_bytes(m, f)));
		json_array_append_new(funcs, o);
	}
	for (int i = 0; i < m->n_bufs; i++) {
		const struct kir_buffer *b = &m->buf[i];
		if (!in_arena(b))
			continue;
		json_t *o = json_object();
		json_object_set_new(o, "name", json_string(b->name));
		json_object_set_new(o, "scratch", json_boolean(b->space == KIR_SCRATCH));
		json_object_set_new(o, "offset", json_integer(b->offset));
		json_object_set_new(o, "bytes", json_integer(buffer_bytes(b)));
		json_object_set_new(o, "first", json_integer(b->first));
		json_object_set_new(o, "last", json_integer(b->last));
		json_array_append_new(bufs, o);
	}
	json_object_set_new(root, "kind", json_string("memory"));
	json_object_set_new(root, "arena_bytes", json_integer(m->arena_bytes));
	json_object_set_new(root, "functions", funcs);
	json_object_set_new(root, "buffers", bufs);
	ig_json_print(root, out);
}

bool ig_inspect_memory(struct ig_session *s, FILE *out)
{
	struct kir_module *m = ig_session_lower(s, false);
	if (!m)
		return false;
	if (ig_opt_given(s->o, IG_OPT_JSON))
		print_json(m, out);
	else
		print_text(m, out);
	kir_module_free(m);
	return true;
}
