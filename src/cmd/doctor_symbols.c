/* Findings about names of native functions: which programs and libraries in use can tell them. */
#include "cmd/doctor.h"

#include <unistd.h>

#include "symbol/symbol.h"

enum { SYMBOL_BYTES = 24 << 20 };

static void ask_process(struct symbolizer *s, const struct process *p)
{
	struct symbol found[SYMBOL_MAX_INLINED];

	for (size_t i = 0; i < p->mappings.len; i++)
		symbolizer_user(s, p, &p->mappings.data[i], p->mappings.data[i].start, found);
}

static void survey(struct symbolizer *s, struct symbolizer_stats *ret)
{
	pid_vec pids = {};

	if (!process_list(&pids))
		for (size_t i = 0; i < pids.len; i++) {
			struct process p;

			if (process_read(pids.data[i], &p, NULL))
				continue;
			ask_process(s, &p);
			process_fini(&p);
		}
	vec_fini(&pids);
	symbolizer_stats(s, ret);
}

void doctor_native_names(finding_vec *v)
{
	struct symbolizer_stats st;
	struct symbolizer *s;
	struct err e;

	if (symbolizer_new(SYMBOL_BYTES, &s, &e)) {
		finding_add(v, FINDING_FAIL, "native names", "", "%s", e.msg);
		return;
	}
	survey(s, &st);
	finding_add(v, FINDING_OK, "native names",
		    st.stripped ? "for the others install debug packages, or name servers in "
				  "DEBUGINFOD_URLS and use --debuginfod"
				: "",
		    "%zu of the %zu programs and libraries in use name all of their functions, the "
		    "others only public ones; debug files are looked for in " DEBUG_FOLDER "%s",
		    st.files - st.stripped, st.files,
		    access(DEBUG_FOLDER, R_OK) ? ", which is not there" : "");
	if (st.jit.processes)
		finding_add(v, FINDING_OK, "made code", "",
			    "%zu process%s name%s code made at run time", st.jit.processes,
			    st.jit.processes == 1 ? "" : "es", st.jit.processes == 1 ? "s" : "");
	symbolizer_free(s);
}
