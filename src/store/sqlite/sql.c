#include "store/sqlite/sql.h"

static const char *const names[] = {
#define X(name) #name,
	SQL_STATEMENTS(X)
#undef X
};
static const char mark[] = "-- :name ";

static struct sql_text find(const char *name)
{
	size_t len = strlen(name);

	for (const struct embed_file *f = store_sql; f->name; f++) {
		const char *p = f->data;

		while ((p = strstr(p, mark))) {
			p += sizeof(mark) - 1;
			if (strncmp(p, name, len) || p[len] != '\n')
				continue;
			p += len + 1;
			const char *end = strstr(p, mark);

			return (struct sql_text){p, (int)(end ? (size_t)(end - p) : strlen(p))};
		}
	}
	return (struct sql_text){};
}

void sql_set_init(struct sql_set *set)
{
	for (int i = 0; i < SQL_COUNT; i++) {
		set->statements[i] = find(names[i]);
		CHECK(set->statements[i].text);
	}
}
