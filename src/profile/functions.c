#include "profile/functions.h"

static uint32_t add(struct functions *f, const struct function *one)
{
	vec_push(&f->list, *one);
	return (uint32_t)f->list.len - 1;
}

/* The function of a frame whose function has no name. */
static uint32_t find_address(struct functions *f, uint32_t frame, struct map64 *of_address,
			     struct buf *name)
{
	const struct profile_frame *pf = &f->profile->frames.data[frame];
	struct function one = {.f = f->profile->functions.data[pf->function]};
	uint64_t key = hash_mix(pf->function, pf->address);
	uint64_t *known = map64_get(of_address, key);

	name->len = 0;
	profile_put_frame_name(f->profile, frame, name);
	one.name = strtab_put(&f->names, (const char *)name->data, name->len);
	if (known && f->list.data[*known].name == one.name)
		return (uint32_t)*known;
	uint32_t n = add(f, &one);

	map64_set(of_address, key, n);
	return n;
}

void functions_init(struct functions *ret_f, const struct profile *p)
{
	struct functions f = {.profile = p};
	cleanup_free uint32_t *of_function =
		mem_reallocarray(NULL, p->functions.len, sizeof(uint32_t));
	cleanup_buf struct buf name = {};
	struct map64 of_address = {};

	memset(of_function, 0xff, p->functions.len * sizeof(uint32_t));
	f.of_frame = mem_reallocarray(NULL, p->frames.len, sizeof(uint32_t));
	for (uint32_t i = 0; i < p->frames.len; i++) {
		uint32_t number = p->frames.data[i].function;
		struct function one = {.f = p->functions.data[number]};

		if (!one.f.name) {
			f.of_frame[i] = find_address(&f, i, &of_address, &name);
			continue;
		}
		if (of_function[number] == HASH_NONE)
			of_function[number] = add(&f, &one);
		f.of_frame[i] = of_function[number];
	}
	map64_fini(&of_address);
	*ret_f = f;
}

void functions_fini(struct functions *f)
{
	vec_fini(&f->list);
	free(f->of_frame);
	f->of_frame = NULL;
	strtab_fini(&f->names);
}

const char *functions_name(const struct functions *f, uint32_t function)
{
	CHECK(function < f->list.len);
	const struct function *one = &f->list.data[function];

	return one->name ? strtab_get(&f->names, one->name) : profile_text(f->profile, one->f.name);
}

int functions_compare(const struct functions *f, uint32_t a, uint32_t b)
{
	const struct profile_function *x = &f->list.data[a].f, *y = &f->list.data[b].f;
	int c = strcmp(functions_name(f, a), functions_name(f, b));

	if (!c)
		c = strcmp(profile_text(f->profile, x->file), profile_text(f->profile, y->file));
	if (!c)
		c = (x->kind > y->kind) - (x->kind < y->kind);
	if (!c)
		c = strcmp(profile_text(f->profile, x->module),
			   profile_text(f->profile, y->module));
	if (!c)
		c = (x->start_line > y->start_line) - (x->start_line < y->start_line);
	return c;
}
