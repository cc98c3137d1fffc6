#include "store/store_ops.h"

void cover_fini(struct cover *c)
{
	vec_fini(&c->spans);
}

static int compare_spans(const void *a, const void *b)
{
	const struct span *x = a, *y = b;

	return (x->from > y->from) - (x->from < y->from);
}

void cover_join(struct cover *c)
{
	size_t n = 0;

	if (c->sorted || !c->spans.len)
		return;
	qsort(c->spans.data, c->spans.len, sizeof(*c->spans.data), compare_spans);
	for (size_t i = 1; i < c->spans.len; i++) {
		struct span *last = &c->spans.data[n], *s = &c->spans.data[i];

		if (s->from <= last->until)
			last->until = MAX(last->until, s->until);
		else
			c->spans.data[++n] = *s;
	}
	c->spans.len = n + 1;
	c->sorted = true;
}

void cover_add(struct cover *c, int64_t from, int64_t until)
{
	enum { JOIN_AT = 4096 };

	if (until <= from)
		return;
	/* Windows mostly follow each other: most of them just lengthen the last stretch. */
	if (c->spans.len) {
		struct span *last = &c->spans.data[c->spans.len - 1];

		if (from >= last->from && from <= last->until) {
			last->until = MAX(last->until, until);
			return;
		}
	}
	if (c->spans.len >= JOIN_AT && c->spans.len == c->spans.cap)
		cover_join(c);
	vec_push(&c->spans, (struct span){from, until});
	c->sorted = false;
}

int64_t cover_ns(struct cover *c, int64_t from, int64_t until)
{
	int64_t sum = 0;

	cover_join(c);
	for (size_t i = 0; i < c->spans.len; i++) {
		int64_t a = MAX(c->spans.data[i].from, from);
		int64_t b = MIN(c->spans.data[i].until, until);

		sum += MAX(b - a, (int64_t)0);
	}
	return sum;
}

static const char *usual_unit(const char *type)
{
	if (!strcmp(type, "alloc") || !strcmp(type, "inuse"))
		return "bytes";
	return "nanoseconds";
}

double profile_set_range(struct profile *p, struct cover *c, const struct store_query *q)
{
	int64_t sum = cover_ns(c, q->from, q->until);

	if (!p->unit[0])
		snprintf(p->unit, sizeof(p->unit), "%s", usual_unit(p->type));
	p->time_ns = q->from;
	if (c->spans.len) {
		p->time_ns = c->spans.data[0].from;
		p->duration_ns = c->spans.data[c->spans.len - 1].until - p->time_ns;
	}
	return (double)sum / NSEC_PER_SEC;
}
