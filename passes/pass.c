/* The runner: requirements, the pass, facts, verification, dumps. */
#include "passes/pass.h"
#include "ir/infer.h"
#include "ir/print.h"

#include <string.h>

bool ig_pass_run(const struct ig_pass *p, struct ig_graph *g, struct ig_context *c)
{
	if ((g->facts & p->requires) != p->requires)
		IG_BUG("pass %s needs facts %#x, the graph has %#x", p->name, p->requires, g->facts);
	enum ig_recover method = c->effects && c->qconfig ? ig_effect_method(p->help) : IG_RECOVER_COUNT;
	struct ig_snapshot *before = method < IG_RECOVER_COUNT && c->qconfig->recover[method] ? ig_snapshot_new(g) : NULL;
	bool ok = p->run(g, c);
	if (before)
		ig_snapshot_compare(before, g, &c->effects[method]);
	if (!ok)
		return false;
	g->facts = (g->facts & ~p->breaks) | p->provides;
	if (c->verify && !ig_verify(g, p->name, c->diag))
		return false;
	if (c->dump_after && c->dump_file && (!strcmp(c->dump_after, "all") || !strcmp(c->dump_after, p->name))) {
		fprintf(c->dump_file, "# after %s\n", p->name);
		ig_print(g, c->dump_file, NULL);
	}
	return true;
}

bool ig_pipeline_run(enum ig_half half, struct ig_graph *g, struct ig_context *c, bool *stopped)
{
	int n;
	const struct ig_pass *p = ig_pipeline(half, &n);
	if (stopped)
		*stopped = false;
	if (g->stage == IG_STAGE_QUANTIZED) /* read back from a dump, or imported: there is nothing to decide any more */
		return true;
	for (int i = 0; i < n; i++) {
		if (!ig_pass_run(&p[i], g, c))
			return false;
		if (c->stop_after && !strcmp(c->stop_after, p[i].name)) {
			if (stopped)
				*stopped = true;
			return true;
		}
	}
	return true;
}
