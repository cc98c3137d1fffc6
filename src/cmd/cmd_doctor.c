/* glim doctor: what works on this host, and how to mend what does not. */
#include "cmd/cmd.h"

#include <signal.h>
#include <unistd.h>

#include "base/json.h"
#include "base/utf8.h"
#include "cmd/doctor.h"
#include "cmd/key.h"
#include "cmd/options.h"
#include "cmd/tables_json.h"

struct doctor_options {
	const char *json, *server, *key_file, *ca_file, *state;
};

static const struct {
	const char *word, *mark, *colour;
} marks[] = {
	[FINDING_OK] = {"ok", "✓ ok  ", "\033[32m"},
	[FINDING_WARN] = {"warn", "! warn", "\033[33m"},
	[FINDING_FAIL] = {"fail", "✗ fail", "\033[31m"},
};

static size_t count(const finding_vec *v, enum finding_mark mark)
{
	size_t n = 0;

	for (size_t i = 0; i < v->len; i++)
		n += v->data[i].mark == mark;
	return n;
}

static void print_finding(const struct finding *f, bool colours)
{
	cleanup_buf struct buf b = {};

	if (colours)
		buf_puts(&b, marks[f->mark].colour);
	buf_puts(&b, marks[f->mark].mark);
	if (colours)
		buf_puts(&b, "\033[0m");
	buf_printf(&b, "  %-15s  ", f->name);
	utf8_put_printable(&b, f->detail, strlen(f->detail));
	if (*f->cure) {
		buf_puts(&b, "\n                           → ");
		utf8_put_printable(&b, f->cure, strlen(f->cure));
	}
	puts(buf_cstr(&b));
}

static void print_text(const finding_vec *v)
{
	bool colours = isatty(STDOUT_FILENO) && !getenv("NO_COLOR");
	size_t fail = count(v, FINDING_FAIL), warn = count(v, FINDING_WARN);

	for (size_t i = 0; i < v->len; i++)
		print_finding(&v->data[i], colours);
	if (fail)
		printf("\n%zu of %zu checks failed.\n", fail, v->len);
	else if (warn)
		printf("\nGlim works here; %zu of %zu checks could be better.\n", warn, v->len);
	else
		puts("\nGlim works here.");
}

static void json_stats(struct json *j, const struct capture_stats *s)
{
	json_member_int(j, "samples", (int64_t)s->samples);
	json_member_int(j, "lost", (int64_t)(s->lost_ring + s->lost_scratch));
	json_key(j, "outcomes");
	json_object_begin(j);
	for (unsigned int i = 0; i < OUTCOME_COUNT; i++) {
		json_member_int(j, outcome_text(i), (int64_t)s->outcomes[i]);
	}
	json_object_end(j);
	json_key(j, "remarks");
	json_object_begin(j);
	for (unsigned int i = 0; i < REMARK_COUNT; i++) {
		json_member_int(j, remark_text(i), (int64_t)s->remarks[i]);
	}
	json_object_end(j);
}

static void print_json(const finding_vec *v, const struct doctor_samples *samples)
{
	cleanup_buf struct buf b = {};
	struct json j = {.out = &b};

	json_object_begin(&j);
	json_member_text(&j, "version", GLIM_VERSION);
	json_member_bool(&j, "ok", !count(v, FINDING_FAIL));
	json_stats(&j, &samples->stats);
	tables_json(&j, &samples->stats.tables, samples->refusals, samples->nrefusals);
	json_key(&j, "checks");
	json_array_begin(&j);
	for (size_t i = 0; i < v->len; i++) {
		const struct finding *f = &v->data[i];

		json_object_begin(&j);
		json_member_text(&j, "name", f->name);
		json_member_text(&j, "status", marks[f->mark].word);
		json_member_text(&j, "detail", f->detail);
		json_member_text(&j, "cure", f->cure);
		json_object_end(&j);
	}
	json_array_end(&j);
	json_object_end(&j);
	puts(buf_cstr(&b));
}

static int examine(const struct doctor_options *o)
{
	finding_vec v = {};
	cleanup_key struct buf key = {};
	struct doctor_samples samples;
	struct err e = {};
	bool broken;

	signal(SIGPIPE, SIG_IGN);
	if (key_load(o->key_file, &key, &e))
		finding_add(&v, FINDING_FAIL, "key", "run as a user who may read it", "%s", e.msg);
	doctor_capture(&v, &samples);
	doctor_names(&v);
	doctor_native_names(&v);
	doctor_clock(&v);
	doctor_agents(&v, o->state);
	if (o->server)
		doctor_server(&v, o->server, o->ca_file, buf_cstr(&key));
	if (o->json)
		print_json(&v, &samples);
	else
		print_text(&v);
	broken = count(&v, FINDING_FAIL) > 0;
	vec_fini(&v);
	return broken;
}

int cmd_doctor(int argc, char **argv)
{
	struct doctor_options o = {};
	const struct option_spec specs[] = {
		{"json", 0, NULL, "for programs instead of people", &o.json},
		{"server", 0, "URL", "try this server too, and the key if there is one", &o.server},
		{"key-file", 0, "FILE", "file with the API key (" KEY_DEFAULT_FILE ")",
		 &o.key_file},
		{"ca-file", 0, "FILE", "trust these certificate authorities alone", &o.ca_file},
		{"state", 0, "FILE", "state file of the agent to look at (all of this host)",
		 &o.state},
	};
	const struct option_table table = {
		.command = "doctor",
		.usage = "[OPTION...]",
		.about = "Says what of Glim works on this host, and how to mend what does not.\n"
			 "Exit status: 0 all works, 1 something is broken.",
		.specs = specs,
		.n = ARRAY_SIZE(specs)};
	struct arena memory = {};
	int status = 2, operand = options_parse(&table, argc, argv, &memory, &status);

	if (operand >= 0 && operand < argc)
		status = cmd_usage_error("doctor", "what is \"%.40s\"?", argv[operand]);
	else if (operand >= 0)
		status = examine(&o);
	arena_fini(&memory);
	return status;
}
