#include "profile/filter.h"

size_t filter_functions(const struct functions *f, const char *text, bool *ret_chosen)
{
	size_t exact = 0, within = 0;

	for (uint32_t i = 0; i < f->list.len; i++) {
		ret_chosen[i] = !strcmp(functions_name(f, i), text);
		exact += ret_chosen[i];
	}
	for (uint32_t i = 0; !exact && i < f->list.len; i++) {
		ret_chosen[i] = strstr(functions_name(f, i), text);
		within += ret_chosen[i];
	}
	return exact + within;
}

/* "LABEL=VALUE" with a label that there is: one flag a label set; NULL: something else. */
static bool *match_label(const struct profile *p, const char *text)
{
	const char *equal = strchr(text, '=');
	size_t n = equal ? (size_t)(equal - text) : 0;
	uint32_t key = n ? strtab_find(&p->strings, text, n) : HASH_NONE;
	bool *match, found = false;

	if (key == HASH_NONE)
		return NULL;
	match = mem_calloc(p->label_sets.len, sizeof(*match));
	for (size_t i = 0; i < p->label_sets.len; i++) {
		const struct profile_label_set *set = &p->label_sets.data[i];

		for (size_t k = set->first; k < set->first + set->count; k++) {
			if (p->label_pairs.data[k].key != key)
				continue;
			found = true;
			match[i] =
				!strcmp(profile_text(p, p->label_pairs.data[k].value), equal + 1);
		}
	}
	if (!found) {
		free(match);
		return NULL;
	}
	return match;
}

/* One flag a stack: does it hold such a function? */
static bool *match_function(const struct profile *p, const char *text)
{
	cleanup(functions_fini) struct functions f = {};
	bool *match = mem_calloc(p->stacks.len, sizeof(*match));

	functions_init(&f, p);
	cleanup_free bool *chosen = mem_calloc(f.list.len, sizeof(*chosen));

	filter_functions(&f, text, chosen);
	for (size_t i = 1; i < p->stacks.len; i++) {
		const struct profile_stack *s = &p->stacks.data[i];

		match[i] = match[s->parent] || chosen[f.of_frame[s->frame]];
	}
	return match;
}

size_t filter_samples(struct profile *p, const char *text)
{
	cleanup_free bool *labels = match_label(p, text);
	cleanup_free bool *stacks = labels ? NULL : match_function(p, text);
	cleanup_free bool *keep = mem_calloc(p->samples.len, sizeof(*keep));

	for (size_t i = 0; i < p->samples.len; i++) {
		const struct profile_sample *s = &p->samples.data[i];

		keep[i] = labels ? labels[s->labels] : stacks[s->stack];
	}
	profile_keep(p, keep);
	return p->samples.len;
}
