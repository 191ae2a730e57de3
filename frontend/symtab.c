#include "frontend/symtab.h"

#include <stdlib.h>

static struct symtab_slot *probe(const struct symtab *t, const char *name)
{
	uint64_t h = (uint64_t)(uintptr_t)name * 0x9e3779b97f4a7c15u;
	int i = (int)(h >> 33) & (t->cap - 1);
	while (t->slot[i].name && t->slot[i].name != name)
		i = (i + 1) & (t->cap - 1);
	return &t->slot[i];
}

int *ig_symtab_find(const struct symtab *t, const char *name)
{
	struct symtab_slot *s = t->cap ? probe(t, name) : NULL;
	return s && s->name ? &s->value : NULL;
}

int *ig_symtab_at(struct symtab *t, const char *name, int fresh)
{
	if ((t->n + 1) * 2 > t->cap) {
		struct symtab grown = {.cap = t->cap ? t->cap * 2 : 32, .n = t->n};
		grown.slot = ig_xcalloc((size_t)grown.cap, sizeof *grown.slot);
		for (int i = 0; i < t->cap; i++)
			if (t->slot[i].name)
				*probe(&grown, t->slot[i].name) = t->slot[i];
		free(t->slot);
		*t = grown;
	}
	struct symtab_slot *s = probe(t, name);
	if (!s->name) {
		*s = (struct symtab_slot){name, fresh};
		t->n++;
	}
	return &s->value;
}

void ig_symtab_free(struct symtab *t)
{
	free(t->slot);
	*t = (struct symtab){0};
}
