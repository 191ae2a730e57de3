/* A map from interned names (compared as pointers) to integers. */
#ifndef IG_FRONTEND_SYMTAB_H
#define IG_FRONTEND_SYMTAB_H

#include "ir/base.h"

struct symtab {
	struct symtab_slot {
		const char *name;
		int value;
	} *slot;
	int cap, n;
};

int *ig_symtab_find(const struct symtab *t, const char *name); /* NULL when absent */
/* The place of a name's value, made with `fresh` when absent. Valid until the next call. */
int *ig_symtab_at(struct symtab *t, const char *name, int fresh);
void ig_symtab_free(struct symtab *t);

#endif
