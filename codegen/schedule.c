/* Choosing a schedule: a file's word, the tuner's, or the best estimate. */
#include "codegen/schedule.h"

#include <stdlib.h>

#include "codegen/lower.h"

bool ig_schedule_equal(const struct ig_schedule *a, const struct ig_schedule *b)
{
	bool same = a->variant == b->variant;
#define S(field, ...) same = same && a->field == b->field;
#include "codegen/schedule.def"
#undef S
	return same;
}

void ig_schedule_sort(struct ig_schedule *c, int n)
{
	for (int i = 1; i < n; i++) {
		struct ig_schedule x = c[i];
		int k = i;
		for (; k > 0 && c[k - 1].cost > x.cost; k--)
			c[k] = c[k - 1];
		c[k] = x;
	}
}

const struct ig_schedule *ig_low_choose_group(struct ig_lower *L, const struct ig_nid node[3], const char *key, struct ig_schedule *c, int n)
{
	const struct ig_lower_options *o = L->o;
	const struct ig_sched_layer layer = {key, c, n, {node[0], node[1], node[2]}};
	struct ig_nid id = node[0];
	struct ig_loc loc = IG_NOLOC;
	if (n < 1)
		IG_BUG("layer %s has no schedule", ig_node(L->g, id)->name);
	ig_schedule_sort(c, n);
	const struct ig_schedule *given = o->schedules ? ig_schedules_find(o->schedules, L->t->name, key, &loc) : NULL;
	for (int i = 0; given && i < n; i++)
		if (ig_schedule_equal(given, &c[i]))
			return &c[i];
	if (given) {
		ig_error(L->d, loc, "this schedule is not possible for layer '%s': take the line out, and 'compile --tune' measures the layer again",
		         ig_node(L->g, id)->name);
		return NULL;
	}
	int k = o->tune && !L->rows[id.i] ? o->tune(o->tune_self, &layer) : 0; /* inside a group a layer cannot be timed */
	if (k < 0 || k >= n)
		IG_BUG("candidate %d of %d", k, n);
	return &c[k];
}

const struct ig_schedule *ig_low_choose(struct ig_lower *L, struct ig_nid id, const char *key, struct ig_schedule *c, int n)
{
	return ig_low_choose_group(L, (const struct ig_nid[]){id, IG_NONODE, IG_NONODE}, key, c, n);
}
