#include "capture/capture.h"

#include <linux/capability.h>
#include <linux/perf_event.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "base/io.h"
#include "probe/probe.h"

static void found(struct capture_check *c, bool ok, const char *detail, const char *cure)
{
	c->ok = ok;
	snprintf(c->detail, sizeof(c->detail), "%.*s", (int)sizeof(c->detail) - 1, detail);
	snprintf(c->cure, sizeof(c->cure), "%.*s", (int)sizeof(c->cure) - 1, ok ? "" : cure);
}

static void check_kernel(struct capture_check *c)
{
	enum { OLDEST_MAJOR = 5, OLDEST_MINOR = 10 };
	unsigned int major = 0, minor = 0;
	struct utsname u;

	if (uname(&u) || sscanf(u.release, "%u.%u", &major, &minor) != 2) {
		found(c, false, "its version cannot be read", "use Linux 5.10 or newer");
		return;
	}
	found(c, major > OLDEST_MAJOR || (major == OLDEST_MAJOR && minor >= OLDEST_MINOR),
	      u.release, "use Linux 5.10 or newer");
}

static void check_btf(struct capture_check *c)
{
	bool ok = !access("/sys/kernel/btf/vmlinux", R_OK);

	found(c, ok,
	      ok ? "the kernel describes its types" : "/sys/kernel/btf/vmlinux cannot be read",
	      "use a kernel built with CONFIG_DEBUG_INFO_BTF, as distributions ship since 5.10");
}

static uint64_t effective_capabilities(void)
{
	cleanup_buf struct buf b = {};
	const char *line;

	if (io_read_file("/proc/self/status", 64 << 10, &b) < 0)
		return 0;
	line = strstr(buf_cstr(&b), "CapEff:");
	return line ? strtoull(line + strlen("CapEff:"), NULL, 16) : 0;
}

static void check_privileges(struct capture_check *c)
{
	uint64_t caps = effective_capabilities();
	bool admin = caps >> CAP_SYS_ADMIN & 1;
	bool pair = (caps >> CAP_BPF & 1) && (caps >> CAP_PERFMON & 1);
	bool memory = caps >> CAP_SYS_PTRACE & 1;

	if ((admin || pair) && !memory)
		found(c, false, "may sample, but not read the memory of other users' processes",
		      "add the capability CAP_SYS_PTRACE");
	else
		found(c, admin || pair,
		      admin  ? "may sample all processes (CAP_SYS_ADMIN)"
		      : pair ? "may sample all processes (CAP_BPF and CAP_PERFMON)"
			     : "may not sample other processes",
		      "start glim with sudo, or give it CAP_BPF, CAP_PERFMON and CAP_SYS_PTRACE");
}

static void check_pid_namespace(struct capture_check *c)
{
	/* Linux, include/linux/proc_ns.h: PROC_PID_INIT_INO. */
	static const char initial[] = "pid:[4026531836]";
	char link[64] = {};
	bool ok =
		readlink("/proc/self/ns/pid", link, sizeof(link) - 1) > 0 && !strcmp(link, initial);

	found(c, true, ok ? "that of the host" : "of a container: its processes alone are seen",
	      "");
	if (!ok)
		snprintf(c->cure, sizeof(c->cure), "%s",
			 "for all of the host, share its process ids with the container "
			 "(--pid=host)");
}

static void check_perf_events(struct capture_check *c)
{
	struct perf_event_attr attr = {
		.type = PERF_TYPE_SOFTWARE,
		.size = sizeof(attr),
		.config = PERF_COUNT_SW_CPU_CLOCK,
		.sample_period = NSEC_PER_SEC,
		.disabled = 1,
	};
	cleanup_close int fd = syscall(SYS_perf_event_open, &attr, -1, 0, -1, PERF_FLAG_FD_CLOEXEC);
	char detail[128];

	snprintf(detail, sizeof(detail), "perf_event_open: %s", fd < 0 ? strerror(errno) : "works");
	found(c, fd >= 0, detail,
	      "start glim with sudo; in a container allow perf_event_open (CAP_PERFMON and the "
	      "seccomp profile)");
}

static void check_bpf(struct capture_check *c)
{
	struct probe_open_config cfg = {.hz = 1};
	struct probe *p = NULL;
	struct err e = {};

	if (probe_open(&cfg, &p, &e) < 0) {
		found(c, false, e.msg, "see the reason");
		return;
	}
	probe_close(p);
	found(c, true, "the kernel takes our programs", "");
}

size_t capture_checks(struct capture_check *ret, size_t max)
{
	static const struct {
		const char *name;
		void (*check)(struct capture_check *c);
	} checks[] = {
		{"kernel", check_kernel},	    {"btf", check_btf},
		{"privileges", check_privileges},   {"pid namespace", check_pid_namespace},
		{"perf events", check_perf_events}, {"bpf", check_bpf},
	};
	size_t n = MIN(max, ARRAY_SIZE(checks));

	for (size_t i = 0; i < n; i++) {
		ret[i] = (struct capture_check){.name = checks[i].name};
		checks[i].check(&ret[i]);
	}
	return n;
}
