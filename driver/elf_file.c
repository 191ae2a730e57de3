#include "driver/elf_file.h"

#include <elf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

bool ig_elf_is(const char *path)
{
	char magic[SELFMAG];
	FILE *f = fopen(path, "rb");
	bool yes = f && fread(magic, 1, SELFMAG, f) == SELFMAG && memcmp(magic, ELFMAG, SELFMAG) == 0;
	if (f)
		fclose(f);
	return yes;
}

static bool read_all(struct ig_elf *e, struct ig_diag *d)
{
	struct stat st;
	FILE *f = fopen(e->path, "rb");
	if (!f || fstat(fileno(f), &st) != 0 || st.st_size < 0) {
		ig_error(d, ig_loc_file(d, e->path), "cannot read: %s", strerror(errno));
		if (f)
			fclose(f);
		return false;
	}
	e->size = (size_t)st.st_size;
	e->data = ig_xcalloc(e->size + 1, 1);
	bool ok = fread(e->data, 1, e->size, f) == e->size;
	fclose(f);
	if (!ok)
		ig_error(d, ig_loc_file(d, e->path), "cannot read all of it");
	return ok;
}

static bool inside(const struct ig_elf *e, uint64_t offset, uint64_t n) { return offset <= e->size && n <= e->size - offset; }

static const char *text_at(const struct ig_elf *e, const struct ig_elf_section *strtab, uint64_t at)
{
	if (strtab->type != SHT_STRTAB || at >= strtab->size || !memchr(e->data + strtab->offset + at, 0, strtab->size - at))
		return NULL;
	return (const char *)e->data + strtab->offset + at;
}

static bool read_sections(struct ig_elf *e)
{
	Elf64_Ehdr h;
	if (e->size < sizeof h)
		return false;
	memcpy(&h, e->data, sizeof h);
	if (h.e_ident[EI_CLASS] != ELFCLASS64 || h.e_ident[EI_DATA] != ELFDATA2LSB || h.e_shentsize != sizeof(Elf64_Shdr))
		return false;
	e->machine = h.e_machine == EM_X86_64 ? "x86-64" : h.e_machine == EM_AARCH64 ? "aarch64" : NULL;
	if (!inside(e, h.e_shoff, (uint64_t)h.e_shnum * sizeof(Elf64_Shdr)) || h.e_shstrndx >= h.e_shnum)
		return false;
	e->section = ig_xcalloc(h.e_shnum, sizeof *e->section);
	e->n_sections = h.e_shnum;
	for (int i = 0; i < e->n_sections; i++) {
		Elf64_Shdr s;
		memcpy(&s, e->data + h.e_shoff + (uint64_t)i * sizeof s, sizeof s);
		e->section[i] = (struct ig_elf_section){.offset = s.sh_offset, .size = s.sh_size, .flags = s.sh_flags, .align = s.sh_addralign, .type = s.sh_type,
		                                        .link = s.sh_link, .info = s.sh_info};
		if (s.sh_type != SHT_NOBITS && s.sh_type != SHT_NULL && !inside(e, s.sh_offset, s.sh_size))
			return false;
	}
	for (int i = 0; i < e->n_sections; i++) { /* names need the bounds of all sections checked */
		Elf64_Shdr s;
		memcpy(&s, e->data + h.e_shoff + (uint64_t)i * sizeof s, sizeof s);
		e->section[i].name = text_at(e, &e->section[h.e_shstrndx], s.sh_name);
		if (!e->section[i].name)
			return false;
	}
	return true;
}

static bool read_symbols(struct ig_elf *e)
{
	for (int i = 0; i < e->n_sections; i++) {
		const struct ig_elf_section *s = &e->section[i];
		if (s->type != SHT_SYMTAB)
			continue;
		if (s->link >= (uint32_t)e->n_sections || e->symbol || s->size / sizeof(Elf64_Sym) > INT32_MAX)
			return false;
		e->n_symbols = (int)(s->size / sizeof(Elf64_Sym));
		e->symbol = ig_xcalloc((size_t)e->n_symbols, sizeof *e->symbol);
		for (int k = 0; k < e->n_symbols; k++) {
			Elf64_Sym y;
			memcpy(&y, e->data + s->offset + (uint64_t)k * sizeof y, sizeof y);
			struct ig_elf_symbol *to = &e->symbol[k];
			to->name = text_at(e, &e->section[s->link], y.st_name);
			to->value = y.st_value;
			to->size = y.st_size;
			to->section = y.st_shndx < e->n_sections ? y.st_shndx : -1;
			to->global = ELF64_ST_BIND(y.st_info) != STB_LOCAL;
			to->type = ELF64_ST_TYPE(y.st_info);
			if (!to->name)
				return false;
		}
	}
	return true;
}

bool ig_elf_read(struct ig_elf *e, const char *path, struct ig_diag *d)
{
	memset(e, 0, sizeof *e);
	e->path = path;
	bool ok = read_all(e, d);
	if (ok && (!read_sections(e) || !read_symbols(e))) {
		ig_error(d, ig_loc_file(d, path), "this is no complete 64-bit little-endian ELF file");
		ok = false;
	}
	if (!ok)
		ig_elf_free(e);
	return ok;
}

void ig_elf_free(struct ig_elf *e)
{
	free(e->data);
	free(e->section);
	free(e->symbol);
	memset(e, 0, sizeof *e);
}

void ig_elf_totals(const struct ig_elf *e, uint64_t *text, uint64_t *rodata, uint64_t *data)
{
	*text = *rodata = *data = 0;
	for (int i = 0; i < e->n_sections; i++) {
		const struct ig_elf_section *s = &e->section[i];
		if (!(s->flags & SHF_ALLOC))
			continue;
		/* .data.rel.ro is constant but for the linker, which writes addresses into it */
		*(s->flags & SHF_EXECINSTR ? text : s->flags & SHF_WRITE && strncmp(s->name, ".data.rel.ro", 12) != 0 ? data : rodata) += s->size;
	}
}

const void *ig_elf_bytes(const struct ig_elf *e, int section, uint64_t offset, uint64_t n)
{
	if (section <= 0 || section >= e->n_sections)
		return NULL;
	const struct ig_elf_section *s = &e->section[section];
	if (s->type == SHT_NOBITS || offset > s->size || n > s->size - offset)
		return NULL;
	return e->data + s->offset + offset;
}

static bool is_address(const struct ig_elf *e, uint32_t type)
{
	if (!e->machine)
		return false;
	return e->machine[0] == 'x' ? type == R_X86_64_64 : type == R_AARCH64_ABS64;
}

bool ig_elf_pointer(const struct ig_elf *e, int section, uint64_t offset, int *to_section, uint64_t *to_offset)
{
	for (int i = 0; i < e->n_sections; i++) {
		const struct ig_elf_section *s = &e->section[i];
		if (s->type != SHT_RELA || s->info != (uint32_t)section)
			continue;
		for (uint64_t at = 0; at + sizeof(Elf64_Rela) <= s->size; at += sizeof(Elf64_Rela)) {
			Elf64_Rela r;
			memcpy(&r, e->data + s->offset + at, sizeof r);
			if (r.r_offset != offset || !is_address(e, ELF64_R_TYPE(r.r_info)) || ELF64_R_SYM(r.r_info) >= (uint64_t)e->n_symbols)
				continue;
			const struct ig_elf_symbol *y = &e->symbol[ELF64_R_SYM(r.r_info)];
			if (y->section <= 0)
				return false;
			*to_section = y->section;
			*to_offset = y->value + (uint64_t)r.r_addend;
			return true;
		}
	}
	return false;
}

const char *ig_elf_string(const struct ig_elf *e, int section, uint64_t offset)
{
	const char *p = ig_elf_bytes(e, section, offset, 1);
	return p && memchr(p, 0, e->section[section].size - offset) ? p : NULL;
}
