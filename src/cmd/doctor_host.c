/* Findings about the host itself: kernel, sampling, names, clock. */
#include "cmd/doctor.h"

#include <poll.h>
#include <stdarg.h>
#include <sys/timex.h>
#include <time.h>

#include "base/clock.h"
#include "base/utf8.h"
#include "cmd/cache.h"
#include "process/process.h"
#include "unwind/unwind.h"

enum {
	SAMPLE_HZ = 99,
	SAMPLE_MS = 1000,
	WORK_MS = 300, /* our own work, so that an idle host has something to sample */
	MAX_CHECKS = 16,
	MAX_VERSIONS = 16,
	OFTEN_PERCENT = 10, /* cut stacks below this are usual */
	YEAR_2025 = 1735689600,
};

void finding_add(finding_vec *v, enum finding_mark mark, const char *name, const char *cure,
		 const char *fmt, ...)
{
	struct finding f = {.mark = mark};
	va_list ap;

	snprintf(f.name, sizeof(f.name), "%s", name);
	snprintf(f.cure, sizeof(f.cure), "%s", cure);
	va_start(ap, fmt);
	vsnprintf(f.detail, sizeof(f.detail), fmt, ap);
	va_end(ap);
	vec_push(v, f);
}

void finding_add_drains(finding_vec *v, const char *name, int64_t cpu_ns, int64_t ns,
			int64_t tables_cpu_ns, int64_t tables_ns)
{
	finding_add(v, FINDING_OK, name, "",
		    "of the kernel's ring took %.1f ms of CPU at most (%.1f ms of time), unwind "
		    "tables of that %.1f ms (%.1f ms)",
		    (double)cpu_ns / 1e6, (double)ns / 1e6, (double)tables_cpu_ns / 1e6,
		    (double)tables_ns / 1e6);
}

/* ---- sampling ---- */

/* Sample this host for a second, part of which we work ourselves. */
static int sample(struct capture *c, struct err *e)
{
	int64_t start = clock_mono_ns(), now = start;
	volatile unsigned int work = 0;

	while (now - start < SAMPLE_MS * 1000000LL) {
		struct pollfd p = {.fd = capture_fd(c), .events = POLLIN};

		if (now - start < WORK_MS * 1000000LL)
			for (int i = 0; i < 1000000; i++)
				work++;
		else
			poll(&p, 1, 100);
		int r = capture_drain(c, e);

		if (r < 0)
			return r;
		now = clock_mono_ns();
	}
	return 0;
}

static const char *cut_cure(unsigned int outcome)
{
	switch (outcome) {
	case OUTCOME_NO_FRAME_POINTER:
		return "this is code without unwind information: build it with "
		       "-fasynchronous-unwind-tables, or with -fno-omit-frame-pointer";
	case OUTCOME_PYTHON_UNKNOWN:
		return PYTHON_VERSIONS " are understood: run these programs with one of them";
	case OUTCOME_PROCESS_GONE:
	case OUTCOME_NOT_LOADED:
		return "nothing to do: such processes live for a moment only";
	default:
		return "";
	}
}

static void add_cut(finding_vec *v, const struct capture_stats *s)
{
	uint64_t all = 0;

	for (unsigned int i = 0; i < OUTCOME_COUNT; i++)
		all += s->outcomes[i];
	if (!all)
		return;
	finding_add(v, FINDING_OK, "stacks", "", "%.1f %% complete",
		    100.0 * (double)s->outcomes[OUTCOME_COMPLETE] / (double)all);
	for (unsigned int i = OUTCOME_COMPLETE + 1; i < OUTCOME_COUNT; i++) {
		double share = 100.0 * (double)s->outcomes[i] / (double)all;
		bool often = share > OFTEN_PERCENT;

		if (s->outcomes[i])
			finding_add(v, often ? FINDING_WARN : FINDING_OK, "stacks",
				    often ? cut_cure(i) : "", "%.1f %% %s", share, outcome_text(i));
	}
}

static void add_remarks(finding_vec *v, const struct capture_stats *s)
{
	for (unsigned int i = 0; i < REMARK_COUNT; i++)
		if (s->remarks[i])
			finding_add(v, FINDING_OK, "remarks", "", "%llu: %s",
				    (unsigned long long)s->remarks[i], remark_text(i));
}

/* What the tables of this host hold, and why code has none. */
static void add_tables(finding_vec *v, const struct doctor_samples *samples)
{
	const struct capture_stats *s = &samples->stats;
	const struct capture_tables *t = &s->tables;
	const struct capture_refusal *all = samples->refusals;
	size_t n = samples->nrefusals;

	for (size_t i = 0; i < n; i++)
		finding_add(v, all[i].full ? FINDING_WARN : FINDING_OK, "unwind tables",
			    all[i].full ? "stacks are cut there: this host holds more than "
					  "Glim has room for, please report it"
					: "",
			    "%s: %llu", all[i].why, (unsigned long long)all[i].count);
	if (!n)
		finding_add(v, FINDING_OK, "unwind tables", "", "nothing was refused");
	finding_add(v, FINDING_OK, "unwind tables", "",
		    "of %llu files (%llu KiB): %llu loaded, %llu of them from disk, %llu evicted, "
		    "in %.0f ms of CPU; %llu samples waited for one, %llu "
		    "found no room for that",
		    (unsigned long long)t->files, (unsigned long long)t->bytes >> 10,
		    (unsigned long long)t->loaded, (unsigned long long)t->cached,
		    (unsigned long long)t->evicted, (double)t->cpu_ns / 1e6,
		    (unsigned long long)t->parked, (unsigned long long)t->parked_refused);
	finding_add_drains(v, "drains", s->drain_max_cpu_ns, s->drain_max_ns, t->took_max_cpu_ns,
			   t->took_max_ns);
}

static void add_samples(finding_vec *v, const struct capture_stats *s, double seconds)
{
	uint64_t lost = s->lost_ring + s->lost_scratch;

	if (s->samples)
		finding_add(v, FINDING_OK, "samples", "", "%llu in %.1f s at %d Hz on %llu CPU%s",
			    (unsigned long long)s->samples, seconds, SAMPLE_HZ,
			    (unsigned long long)s->cpus, s->cpus == 1 ? "" : "s");
	else
		finding_add(v, FINDING_FAIL, "samples",
			    "in a virtual machine or container, see whether perf events are "
			    "passed through; on the host, look into dmesg",
			    "none came within a second, though this program was busy");
	if (s->cpus_unsampled)
		finding_add(v, FINDING_WARN, "samples", "look into dmesg",
			    "%llu CPUs that are online refuse to be sampled",
			    (unsigned long long)s->cpus_unsampled);
	finding_add(v, lost ? FINDING_WARN : FINDING_OK, "lost samples",
		    lost ? "lower the frequency with -F; the host may be overloaded" : "",
		    "%llu (ring full: %llu, probe busy: %llu)", (unsigned long long)lost,
		    (unsigned long long)s->lost_ring, (unsigned long long)s->lost_scratch);
}

static bool add_checks(finding_vec *v)
{
	struct capture_check checks[MAX_CHECKS];
	size_t n = capture_checks(checks, ARRAY_SIZE(checks));
	bool ok = true;

	for (size_t i = 0; i < n; i++) {
		enum finding_mark mark = !checks[i].ok	   ? FINDING_FAIL
					 : *checks[i].cure ? FINDING_WARN
							   : FINDING_OK;

		finding_add(v, mark, checks[i].name, checks[i].cure, "%s", checks[i].detail);
		ok = ok && checks[i].ok;
	}
	return ok;
}

void doctor_capture(finding_vec *v, struct doctor_samples *ret)
{
	cleanup_free char *cache = cache_folder("unwind");
	const struct capture_config config = {
		.hz = SAMPLE_HZ,
		.kernel_stacks = true,
		.cache = cache,
	};
	struct capture *c = NULL;
	struct profile *p;
	struct err e = {};
	double seconds;

	*ret = (struct doctor_samples){};
	if (!add_checks(v)) {
		finding_add(v, FINDING_FAIL, "samples", "mend what is said above first",
			    "not tried");
		return;
	}
	if (capture_open(&config, &c, &e) || sample(c, &e)) {
		finding_add(v, FINDING_FAIL, "samples", "", "%s", e.msg);
		capture_close(c);
		return;
	}
	p = capture_take(c); /* makes the names, which decides some outcomes */
	seconds = (double)p->duration_ns / NSEC_PER_SEC;
	profile_free(p);
	capture_stats(c, &ret->stats);
	ret->nrefusals = capture_refusals(c, ret->refusals, CAPTURE_MAX_REFUSALS);
	add_samples(v, &ret->stats, seconds);
	add_cut(v, &ret->stats);
	add_remarks(v, &ret->stats);
	add_tables(v, ret);
	capture_close(c);
}

/* ---- names ---- */

static void kernel_names(finding_vec *v)
{
	cleanup_fclose FILE *f = fopen("/proc/kallsyms", "re");
	unsigned long long address;
	bool seen = false;

	/* All addresses are zero for those who may not see them. */
	for (int i = 0; f && !seen && i < 1000 && fscanf(f, "%llx %*[^\n]", &address) == 1; i++)
		seen = address != 0;
	if (seen)
		finding_add(v, FINDING_OK, "kernel names", "", "/proc/kallsyms shows addresses");
	else
		finding_add(v, FINDING_WARN, "kernel names",
			    "run as root, or: sysctl kernel.kptr_restrict=1",
			    "/proc/kallsyms hides addresses: kernel functions stay without names");
}

struct version {
	unsigned int number; /* as in PY_VERSION_HEX >> 16: 0x030b; 0: not known */
	bool understood;
	unsigned int processes;
};

/* Does this process run Python, and which? By what its files hold, as the profiler sees it. */
static bool python_of(struct runtimes *r, pid_t pid, struct version *ret)
{
	struct process p = {};
	struct python py = {};

	if (process_read(pid, &p, NULL))
		return false;
	const struct memory memory = memory_of_process(process_tid(&p));
	bool found = runtimes_find_python(r, &p, &memory, &py) == 1;

	if (found)
		*ret = (struct version){.number = py.version >> 16,
					.understood =
						py.process.layout.style != PYTHON_UNSUPPORTED};
	process_fini(&p);
	return found;
}

static void count_version(const struct version *one, struct version *versions, size_t *n)
{
	for (size_t i = 0; i < *n; i++) {
		if (versions[i].number == one->number &&
		    versions[i].understood == one->understood) {
			versions[i].processes++;
			return;
		}
	}
	if (*n == MAX_VERSIONS)
		return;
	versions[*n] = *one;
	versions[(*n)++].processes = 1;
}

static void python_line(finding_vec *v, const struct version *w)
{
	char number[32] = "of unknown version";

	if (w->number)
		snprintf(number, sizeof(number), "%u.%u", w->number >> 8, w->number & 0xff);
	finding_add(v, w->understood ? FINDING_OK : FINDING_WARN, "Python",
		    w->understood ? ""
				  : PYTHON_VERSIONS " are understood; other versions show the "
						    "interpreter's own functions",
		    "%s in %u process%s", number, w->processes, w->processes == 1 ? "" : "es");
}

static void python_names(finding_vec *v)
{
	struct runtimes *runtimes = runtimes_new();
	struct version versions[MAX_VERSIONS], one;
	size_t n = 0;
	pid_vec pids = {};

	if (!process_list(&pids))
		for (size_t i = 0; i < pids.len; i++)
			if (python_of(runtimes, pids.data[i], &one))
				count_version(&one, versions, &n);
	vec_fini(&pids);
	runtimes_free(runtimes);
	if (!n)
		finding_add(v, FINDING_OK, "Python", "", "no process runs it now");
	for (size_t i = 0; i < n; i++)
		python_line(v, &versions[i]);
}

void doctor_names(finding_vec *v)
{
	kernel_names(v);
	python_names(v);
}

/* ---- clock ---- */

void doctor_clock(finding_vec *v)
{
	struct timex t = {};
	time_t now = time(NULL);
	struct tm tm;
	char text[40];

	gmtime_r(&now, &tm);
	strftime(text, sizeof(text), "%Y-%m-%d %H:%M:%S UTC", &tm);
	if (now < YEAR_2025)
		finding_add(v, FINDING_FAIL, "clock", "set the clock: timedatectl set-ntp true",
			    "it shows %s", text);
	else if (adjtimex(&t) == TIME_ERROR || t.status & STA_UNSYNC)
		finding_add(v, FINDING_WARN, "clock",
			    "let a time service keep it, for example: timedatectl set-ntp true",
			    "%s, but the kernel knows of no time service that keeps it", text);
	else
		finding_add(v, FINDING_OK, "clock", "", "%s, kept by a time service", text);
}
