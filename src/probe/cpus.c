/* Which CPUs are sampled: all that are online, from the moment on that they are. */
#include <ctype.h>
#include <linux/perf_event.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/io.h"
#include "probe/probe_priv.h"

int probe_parse_cpus(const char *text, unsigned int *ret_cpus, size_t max)
{
	size_t n = 0;

	while (*text && *text != '\n') {
		char *end;
		unsigned long first, last;

		if (!isdigit((unsigned char)*text))
			return -EINVAL;
		first = last = strtoul(text, &end, 10);
		if (*end == '-') {
			if (!isdigit((unsigned char)end[1]))
				return -EINVAL;
			last = strtoul(end + 1, &end, 10);
		}
		if (last >= PROBE_MAX_CPUS || first > last || (*end && !strchr(",\n", *end)))
			return -EINVAL;
		for (; first <= last; first++) {
			if (n == max)
				return -EINVAL;
			ret_cpus[n++] = first;
		}
		text = *end == ',' ? end + 1 : end;
	}
	return n;
}

int probe_online_cpus(unsigned int *ret_cpus, struct err *e)
{
	cleanup_buf struct buf b = {};
	int n;

	n = io_read_file("/sys/devices/system/cpu/online", 64 << 10, &b);
	if (n < 0)
		return err_sys(e, n, "cannot read which CPUs are online");
	n = probe_parse_cpus(buf_cstr(&b), ret_cpus, PROBE_MAX_CPUS);
	if (n <= 0)
		return err_set(e, -EINVAL, "cannot understand which CPUs are online");
	return n;
}

/* A perf event on one CPU that runs the sampler. What is idle is not sampled. -ENODEV: the CPU is
 * not online. */
static int open_event(struct probe *p, struct probe_cpu *cpu, struct err *e)
{
	struct perf_event_attr attr = {
		.type = PERF_TYPE_SOFTWARE,
		.size = sizeof(attr),
		.config = PERF_COUNT_SW_CPU_CLOCK,
		.sample_period = (uint64_t)probe_period_ns(p->hz),
		.exclude_idle = 1,
		.disabled = 1,
	};
	cleanup_close int fd =
		syscall(SYS_perf_event_open, &attr, -1, cpu->number, -1, PERF_FLAG_FD_CLOEXEC);
	int prog = bpf_program__fd(p->skeleton->progs.sample);

	if (fd < 0 && (errno == ENODEV || errno == ENXIO))
		return err_set(e, -ENODEV, "CPU %u is not online", cpu->number);
	if (fd < 0 && (errno == EACCES || errno == EPERM))
		return err_set(e, -EPERM,
			       "perf_event_open was refused: start glim with sudo; in a container "
			       "allow it (CAP_PERFMON, and a seccomp profile that permits "
			       "perf_event_open)");
	if (fd < 0)
		return err_sys(e, -errno, "cannot open a perf event on CPU %u", cpu->number);
	if (ioctl(fd, PERF_EVENT_IOC_SET_BPF, prog) || ioctl(fd, PERF_EVENT_IOC_ENABLE, 0))
		return err_sys(e, -errno, "cannot run the sampler on CPU %u", cpu->number);
	cpu->event = take_fd(&fd);
	return 0;
}

static bool is_known(const struct probe *p, unsigned int number)
{
	for (size_t i = 0; i < p->cpus.len; i++)
		if (p->cpus.data[i].number == number)
			return true;
	return false;
}

/* Since it was asked the last time. */
static bool has_changed(struct probe *p, unsigned int number)
{
	return __atomic_exchange_n(&p->skeleton->bss->cpus.changed[number], 0, __ATOMIC_SEQ_CST);
}

static int add_cpu(struct probe *p, unsigned int number, struct err *e)
{
	struct probe_cpu cpu = {number, -1};
	int r;

	has_changed(p, number); /* that it came */
	r = mapping_events_add(p->mappings, number, e);
	if (!r && p->samples)
		r = open_event(p, &cpu, e);
	if (r)
		mapping_events_remove(p->mappings, number);
	else
		vec_push(&p->cpus, cpu);
	return r;
}

static void remove_cpu(struct probe *p, size_t i)
{
	struct probe_cpu cpu = p->cpus.data[i];

	if (cpu.event >= 0)
		close(cpu.event);
	mapping_events_remove(p->mappings, cpu.number);
	p->cpus.data[i] = p->cpus.data[--p->cpus.len];
}

int probe_add_cpus(struct probe *p, struct err *e)
{
	cleanup_free unsigned int *online = mem_calloc(PROBE_MAX_CPUS, sizeof(*online));
	int n = probe_online_cpus(online, e), failed = MIN(n, 0);

	p->unsampled = 0;
	for (int i = 0; i < n; i++) {
		int r = is_known(p, online[i]) ? 0 : add_cpu(p, online[i], e);

		p->unsampled += r != 0;
		if (r && r != -ENODEV)
			failed = r;
	}
	return failed;
}

int probe_start(struct probe *p, struct err *e)
{
	p->samples = true;
	for (size_t i = p->cpus.len; i-- > 0;) {
		int r = open_event(p, &p->cpus.data[i], e);

		if (r == -ENODEV)
			remove_cpu(p, i);
		else if (r)
			return r;
	}
	if (!p->cpus.len)
		return err_set(e, -ENODEV, "no CPU could be sampled");
	return 0;
}

void probe_follow_cpus(struct probe *p)
{
	struct probe_cpus *news = &p->skeleton->bss->cpus;

	if (!p->unsampled && !__atomic_load_n(&news->any_changed, __ATOMIC_ACQUIRE))
		return;
	/* First: what changes from here on is seen the next time. */
	__atomic_store_n(&news->any_changed, 0, __ATOMIC_SEQ_CST);
	/* An event that was taken off its CPU stays so when the CPU is back. */
	for (size_t i = p->cpus.len; i-- > 0;)
		if (has_changed(p, p->cpus.data[i].number))
			remove_cpu(p, i);
	probe_add_cpus(p, NULL);
}

void probe_remove_cpus(struct probe *p)
{
	while (p->cpus.len)
		remove_cpu(p, p->cpus.len - 1);
	vec_fini(&p->cpus);
}
