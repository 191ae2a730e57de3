/* A small reader of ELF64 relocatable objects: enough to show what is in a compiled model. Every offset is checked. */
#ifndef IG_DRIVER_ELF_FILE_H
#define IG_DRIVER_ELF_FILE_H
#include "ir/diag.h"

struct ig_elf {
	const char *path;
	uint8_t *data;
	size_t size;
	const char *machine; /* x86-64, aarch64, or NULL */
	struct ig_elf_section {
		const char *name;
		uint64_t offset, size, flags, align;
		uint32_t type, link, info;
	} *section;
	int n_sections;
	struct ig_elf_symbol {
		const char *name;
		uint64_t value, size;
		int section; /* 0: undefined; -1: absolute or special */
		bool global;
		uint8_t type; /* STT_* */
	} *symbol;
	int n_symbols;
};
bool ig_elf_is(const char *path);                                         /* by its magic */
bool ig_elf_read(struct ig_elf *e, const char *path, struct ig_diag *d); /* false after a diagnostic; nothing to free then */
void ig_elf_free(struct ig_elf *e);
/* Sums of section sizes: executable; read-only data; writable data and zero-filled. */
void ig_elf_totals(const struct ig_elf *e, uint64_t *text, uint64_t *rodata, uint64_t *data);
/* n bytes at `offset` of a section; NULL when outside or when the section has none. */
const void *ig_elf_bytes(const struct ig_elf *e, int section, uint64_t offset, uint64_t n);
/* Where the pointer stored at `offset` of a section leads, by its relocation. False: no relocation there, or not to a place in this object. */
bool ig_elf_pointer(const struct ig_elf *e, int section, uint64_t offset, int *to_section, uint64_t *to_offset);
const char *ig_elf_string(const struct ig_elf *e, int section, uint64_t offset); /* terminated inside the section, else NULL */
#endif
