#include "symbol/debug_unit.h"
#include "symbol/demangle.h"
#include "symbol/dwarf_format.h"

enum {
	MAX_HOPS = 8,
	ENTRY_BYTES = 128, /* of most entries of functions */
	MAX_ENTRY = 16 << 10,
	AHEAD = 512,
};

struct search {
	struct debug_info *info;
	const struct debug_opener *opener;
	char *linkage, *name;
	uint32_t line;
	/* The entry to look at next. */
	const struct dwarf_unit *unit;
	uint64_t offset;
};

struct facts {
	struct dwarf_value linkage, name, line, origin;
};

static void note(struct facts *f, uint16_t name, const struct dwarf_value *v)
{
	switch (name) {
	case DW_AT_linkage_name:
	case DW_AT_MIPS_linkage_name:
		f->linkage = *v;
		break;
	case DW_AT_name:
		f->name = *v;
		break;
	case DW_AT_decl_line:
		f->line = *v;
		break;
	case DW_AT_abstract_origin:
	case DW_AT_specification:
		f->origin = *v;
		break;
	}
}

static bool read_facts(const struct dwarf_unit *u, uint64_t offset, size_t want, struct facts *ret)
{
	struct byte_reader r;

	*ret = (struct facts){};
	if (dwarf_window_read(&u->file->pool->names, u->file, DWARF_INFO, offset, u->head.end, want,
			      MAX(want, (size_t)AHEAD), &r) < 0)
		return false;
	const struct dwarf_abbrev *a = dwarf_abbrevs_find(&u->abbrevs, byte_uleb(&r));

	for (int i = 0; a && i < a->count && !r.bad; i++) {
		const struct dwarf_attr *t = &u->abbrevs.attrs.data[a->attrs + (uint32_t)i];
		struct dwarf_value v;

		dwarf_attr_read(&r, u->head.encoding, t, &v);
		note(ret, t->name, &v);
	}
	return a && !r.bad;
}

/* The unit of an offset of the program's file, or of the one that it shares. */
static const struct dwarf_unit *unit_at(struct search *s, struct debug_info *d, uint64_t offset)
{
	uint32_t number = dwarf_index_unit_at(&d->index, offset);
	struct debug_unit *u = number == UINT32_MAX ? NULL : debug_unit_get(d, number, s->opener);

	return u && offset >= u->main.head.entries && offset < u->main.head.end ? &u->main : NULL;
}

/* Where another entry says the rest; false when there is none. */
static bool follow(struct search *s, const struct dwarf_value *v)
{
	const struct dwarf_unit *u = s->unit;

	switch (v->form) {
	case DW_FORM_ref1:
	case DW_FORM_ref2:
	case DW_FORM_ref4:
	case DW_FORM_ref8:
	case DW_FORM_ref_udata:
		s->offset = u->head.offset + v->number;
		return s->offset >= u->head.entries && s->offset < u->head.end;
	case DW_FORM_ref_addr:
		s->offset = v->number;
		if (s->offset >= u->head.entries && s->offset < u->head.end)
			return true;
		if (u->split)
			return false;
		s->unit = unit_at(s, s->info, v->number);
		return s->unit;
	case DW_FORM_GNU_ref_alt:
	case DW_FORM_ref_sup4:
	case DW_FORM_ref_sup8:
		s->offset = v->number;
		s->info = s->info->alt;
		s->unit = s->info ? unit_at(s, s->info, v->number) : NULL;
		return s->unit;
	default:
		return false;
	}
}

static void gather(struct search *s)
{
	for (int hops = 0; hops < MAX_HOPS; hops++) {
		struct facts f;

		if (!read_facts(s->unit, s->offset, ENTRY_BYTES, &f) &&
		    !read_facts(s->unit, s->offset, MAX_ENTRY, &f))
			return;
		if (!s->line)
			s->line = (uint32_t)f.line.number;
		if (!s->linkage && f.linkage.form &&
		    dwarf_text(s->unit, &f.linkage, &s->linkage) < 0)
			s->linkage = NULL;
		if (!s->linkage && !s->name && f.name.form &&
		    dwarf_text(s->unit, &f.name, &s->name) < 0)
			s->name = NULL;
		if ((s->linkage && s->line) || !follow(s, &f.origin))
			return;
	}
}

static uint32_t put_name(struct debug_pool *p, const struct search *s)
{
	/* Only names for linkers are mangled. */
	cleanup_free char *text = s->linkage ? demangle(s->linkage) : NULL;
	const char *name = text ? text : s->name ? s->name : "";

	return strtab_put(&p->text, name, strnlen(name, DEMANGLE_MAX_OUT));
}

/* Exact, so that nothing is taken for something else; 0 where that is not possible. */
static uint64_t key_of(const struct dwarf_file *f, uint64_t offset)
{
	return f->id < 1 << 23 && offset < 1ULL << 40 ? f->id << 40 | offset : 0;
}

void debug_name(struct debug_unit *from, uint64_t offset, bool alt, const struct debug_opener *o,
		uint32_t *ret_name, uint32_t *ret_line)
{
	struct debug_pool *p = from->owner->pool;
	struct search s = {.info = from->owner, .opener = o, .unit = debug_unit_entries(from)};
	const struct dwarf_value origin = {.form = alt ? DW_FORM_GNU_ref_alt : DW_FORM_ref_addr,
					   .number = offset};

	*ret_name = *ret_line = 0;
	if (offset == UINT64_MAX || !follow(&s, &origin))
		return;
	uint64_t key = key_of(s.unit->file, offset);
	const uint64_t *known = key ? map64_get(&p->names, key) : NULL;

	if (known) {
		*ret_name = (uint32_t)(*known >> 32);
		*ret_line = (uint32_t)*known;
		return;
	}
	gather(&s);
	*ret_name = put_name(p, &s);
	*ret_line = s.line;
	free(s.linkage);
	free(s.name);
	if (key)
		map64_set(&p->names, key, (uint64_t)*ret_name << 32 | *ret_line);
}
