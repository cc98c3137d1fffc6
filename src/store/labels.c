#include "store/store_ops.h"

static int compare_labels(const void *a, const void *b)
{
	return strcmp(((const struct store_label *)a)->key, ((const struct store_label *)b)->key);
}

/* labels has room for one more. Of a repeated key the last one holds, as in profile_labels. */
static void write_pairs(struct store_label *labels, size_t n, const char *host, struct buf *out)
{
	bool has_host = false;

	for (size_t i = 0; i < n; i++)
		has_host |= !strcmp(labels[i].key, "host");
	if (!has_host && host && *host)
		labels[n++] = (struct store_label){"host", host};
	out->len = 0;
	/* Sets are short and nearly sorted: an insertion sort keeps equal keys in order. */
	for (size_t i = 1; i < n; i++) {
		struct store_label l = labels[i];
		size_t j = i;

		for (; j && compare_labels(&labels[j - 1], &l) > 0; j--)
			labels[j] = labels[j - 1];
		labels[j] = l;
	}
	for (size_t i = 0; i < n; i++) {
		if (i + 1 < n && !compare_labels(&labels[i], &labels[i + 1]))
			continue;
		buf_append(out, labels[i].key, strlen(labels[i].key) + 1);
		buf_append(out, labels[i].value, strlen(labels[i].value) + 1);
	}
}

void labels_of_profile(const struct profile *p, uint32_t set, const char *host, struct buf *out)
{
	struct store_label labels[STORE_LABELS_MAX + 1];
	const struct profile_label_set *s = &p->label_sets.data[set];
	size_t n = MIN(s->count, (size_t)STORE_LABELS_MAX);

	for (size_t i = 0; i < n; i++) {
		const struct profile_label *l = &p->label_pairs.data[s->first + i];

		labels[i].key = profile_text(p, l->key);
		labels[i].value = profile_text(p, l->value);
	}
	write_pairs(labels, n, host, out);
}

void labels_of_point(const struct store_point *point, const char *host, struct buf *out)
{
	struct store_label labels[STORE_LABELS_MAX + 1];
	size_t n = MIN(point->nlabels, (size_t)STORE_LABELS_MAX);

	if (n)
		memcpy(labels, point->labels, n * sizeof(*labels));
	write_pairs(labels, n, host, out);
}

bool labels_next(const char *pairs, size_t len, size_t *pos, const char **ret_key,
		 const char **ret_value)
{
	size_t left = len - *pos;
	const char *key = pairs + *pos;
	const char *key_end = left ? memchr(key, 0, left) : NULL;

	if (!key_end)
		return false;
	const char *value = key_end + 1;
	const char *value_end = memchr(value, 0, (size_t)(pairs + len - value));

	if (!value_end)
		return false;
	*pos = (size_t)(value_end + 1 - pairs);
	*ret_key = key;
	*ret_value = value;
	return true;
}

const char *labels_get(const char *pairs, size_t len, const char *key)
{
	const char *k, *v;

	for (size_t pos = 0; labels_next(pairs, len, &pos, &k, &v);)
		if (!strcmp(k, key))
			return v;
	return "";
}

static bool is_kept(const char *key, const char *const *by, size_t nby)
{
	for (size_t i = 0; i < nby; i++)
		if (!strcmp(key, by[i]))
			return true;
	return !by;
}

uint32_t labels_to_profile(struct profile *p, const char *pairs, size_t len, const char *const *by,
			   size_t nby)
{
	struct profile_label labels[STORE_LABELS_MAX + 1];
	const char *k, *v;
	size_t n = 0;

	for (size_t pos = 0; n < ARRAY_SIZE(labels) && labels_next(pairs, len, &pos, &k, &v);)
		if (is_kept(k, by, nby))
			labels[n++] =
				(struct profile_label){profile_string(p, k), profile_string(p, v)};
	return profile_labels(p, labels, n);
}
