#include "cmd/tables_json.h"

void tables_json(struct json *j, const struct capture_tables *t,
		 const struct capture_refusal *refusals, size_t n)
{
	json_key(j, "unwind_tables");
	json_object_begin(j);
	json_member_int(j, "files", t->files);
	json_member_int(j, "bytes", t->bytes);
	json_member_int(j, "waiting", t->waiting);
	json_member_int(j, "loaded", t->loaded);
	json_member_int(j, "cached", t->cached);
	json_member_int(j, "beside", t->beside);
	json_member_int(j, "evicted", t->evicted);
	json_member_int(j, "parked", t->parked);
	json_member_int(j, "parked_refused", t->parked_refused);
	json_member_int(j, "cpu_ns", t->cpu_ns);
	json_member_int(j, "took_max_ns", t->took_max_ns);
	json_member_int(j, "took_max_cpu_ns", t->took_max_cpu_ns);
	json_key(j, "refused");
	json_object_begin(j);
	for (size_t i = 0; i < n; i++)
		json_member_int(j, refusals[i].why, refusals[i].count);
	json_object_end(j);
	json_object_end(j);
}
