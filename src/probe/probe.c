#include "probe/probe.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <ctype.h>
#include <fcntl.h>
#include <linux/perf_event.h>
#include <stdarg.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/io.h"
#include "probe/probe_priv.h"

enum {
	MAX_CPUS = 8192, /* NR_CPUS of Linux on x86-64, at most */
	RING_MIN = 1 << 20,
	RING_MAX = 16 << 20,
	SAMPLE_BYTES = 8 << 10, /* of a sample with a deep stack */
	LOG_BYTES = 64 << 10,
	LOG_LINES_SHOWN = 3,
};
/* A process is young for this long: its names are read while it surely lives. */
#define YOUNG_NS (2 * NSEC_PER_SEC)

/* libbpf's last words, for the error text. libbpf knows one print function for all threads. */
static _Thread_local char last_words[LOG_BYTES];
static _Thread_local size_t last_words_len;

/* A verifier's log is one message of megabytes, of which the end is wanted. */
static int keep_words(enum libbpf_print_level level, const char *fmt, va_list args)
{
	cleanup_free char *text = NULL;
	int n;

	if (level == LIBBPF_DEBUG)
		return 0;
	n = vasprintf(&text, fmt, args);
	if (n < 0) {
		text = NULL;
		return n;
	}
	size_t keep = MIN((size_t)n, sizeof(last_words) / 2);

	if (last_words_len + keep >= sizeof(last_words))
		last_words_len = 0;
	memcpy(last_words + last_words_len, text + n - keep, keep + 1);
	last_words_len += keep;
	return n;
}

/* The last lines of the verifier's log, which ends with a line of figures, say what it did not
 * like. */
static const char *last_lines(char *text)
{
	char *figures = NULL;
	size_t len, lines = 0;

	for (char *at = text; (at = strstr(at, "\nprocessed ")); at++)
		figures = at;
	if (figures)
		*figures = '\0';
	len = strlen(text);
	while (len && isspace((unsigned char)text[len - 1]))
		text[--len] = '\0';
	while (len && (text[len - 1] != '\n' || ++lines < LOG_LINES_SHOWN))
		len--;
	for (char *s = text + len; *s; s++)
		if (*s == '\n')
			*s = ' ';
	return text + len;
}

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
		if (last >= MAX_CPUS || first > last || (*end && !strchr(",\n", *end)))
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

static int online_cpus(unsigned int *ret_cpus, struct err *e)
{
	cleanup_buf struct buf b = {};
	int n;

	n = io_read_file("/sys/devices/system/cpu/online", 64 << 10, &b);
	if (n < 0)
		return err_sys(e, n, "cannot read which CPUs are online");
	n = probe_parse_cpus(buf_cstr(&b), ret_cpus, MAX_CPUS);
	if (n <= 0)
		return err_set(e, -EINVAL, "cannot understand which CPUs are online");
	return n;
}

static size_t ring_size(unsigned int cpus, unsigned int hz)
{
	/* Three seconds: loading the symbols of a large program takes that long. A full ring is
	 * counted, not fatal. */
	size_t want = (size_t)3 * SAMPLE_BYTES * cpus * hz, size = RING_MIN;

	while (size < want && size < RING_MAX)
		size *= 2;
	return size;
}

static int load_error(int code, struct err *e)
{
	/* The verifier's refusals have other numbers. */
	if (code == -EPERM)
		return err_set(e, -EPERM,
			       "sampling all processes needs root, or the capabilities CAP_BPF and "
			       "CAP_PERFMON: start glim with sudo");
	if (access("/sys/kernel/btf/vmlinux", R_OK))
		return err_set(e, -ENOTSUP,
			       "this kernel has no type information (/sys/kernel/btf/vmlinux): "
			       "use a kernel built with CONFIG_DEBUG_INFO_BTF, as distributions "
			       "ship since 5.10");
	return err_set(e, -ENOTSUP,
		       "this kernel refused our BPF programs (%s); Linux 5.10 or newer is needed. "
		       "It said: %.300s",
		       strerror(-code), last_lines(last_words));
}

/* Load only those programs that this kernel takes. */
static void choose_followers(struct probe *p)
{
	bool loop = libbpf_probe_bpf_helper(BPF_PROG_TYPE_PERF_EVENT, BPF_FUNC_loop, NULL) == 1;

	bpf_program__set_autoload(p->skeleton->progs.follow, loop);
	bpf_program__set_autoload(p->skeleton->progs.follow_native, !loop);
	bpf_program__set_autoload(p->skeleton->progs.follow_python, !loop);
}

static int set_followers(struct probe *p, struct err *e)
{
	const struct bpf_program *all = p->skeleton->progs.follow;
	const struct bpf_program *followers[PROBE_FOLLOWERS] = {
		[PROBE_FOLLOW_NATIVE] = p->skeleton->progs.follow_native,
		[PROBE_FOLLOW_PYTHON] = p->skeleton->progs.follow_python,
		[PROBE_HAND_OVER] = p->skeleton->progs.hand_over,
	};

	for (uint32_t i = 0; i < PROBE_FOLLOWERS; i++) {
		bool by_all = i != PROBE_HAND_OVER && bpf_program__autoload(all);
		int fd = bpf_program__fd(by_all ? all : followers[i]);

		if (bpf_map_update_elem(bpf_map__fd(p->skeleton->maps.followers), &i, &fd, BPF_ANY))
			return err_sys(e, -errno, "cannot link the BPF programs");
	}
	return 0;
}

/* How we and /proc number processes: the inode of our pid namespace, 0 where it is the kernel's
 * own. */
static uint32_t pid_namespace(void)
{
	/* Linux, include/linux/proc_ns.h: PROC_PID_INIT_INO. */
	enum { INITIAL = 0xeffffffc - 0x100000000 };
	struct stat st;

	if (stat("/proc/self/ns/pid", &st) || (uint32_t)st.st_ino == (uint32_t)INITIAL)
		return 0;
	return (uint32_t)st.st_ino;
}

static int load(struct probe *p, const struct probe_open_config *cfg, struct err *e)
{
	int r;

	last_words_len = 0;
	last_words[0] = '\0';
	p->skeleton = sampler_bpf__open();
	if (!p->skeleton)
		return load_error(-errno, e);
	p->ring_bytes = ring_size(p->cpus.len, cfg->hz);
	bpf_map__set_max_entries(p->skeleton->maps.ring, p->ring_bytes);
	bpf_map__set_max_entries(p->skeleton->maps.scratches, libbpf_num_possible_cpus());
	p->skeleton->rodata->config.self = cfg->self;
	p->skeleton->rodata->config.kernel_stacks = cfg->kernel_stacks;
	p->skeleton->rodata->config.choosy = cfg->choosy;
	p->skeleton->rodata->config.with_children = cfg->with_children;
	p->skeleton->rodata->config.pid_namespace = pid_namespace();
	if (!cfg->choosy || !cfg->with_children)
		bpf_map__set_max_entries(p->skeleton->maps.chosen, 1);
	p->skeleton->rodata->config.wake_bytes = p->ring_bytes / 4;
	p->skeleton->rodata->config.young_ns = YOUNG_NS;
	choose_followers(p);
	r = sampler_bpf__load(p->skeleton);
	if (r)
		return load_error(r, e);
	return set_followers(p, e);
}

static int attach_tracepoint(struct probe *p, struct bpf_program *prog, struct err *e)
{
	struct bpf_link *link = bpf_program__attach(prog);

	if (!link)
		return err_sys(e, -errno, "cannot attach %s", bpf_program__name(prog));
	vec_push(&p->links, link);
	return 0;
}

int64_t probe_period_ns(unsigned int hz)
{
	int64_t asked = NSEC_PER_SEC / hz;

	return asked - asked / 128;
}

/* A perf event on one CPU that runs the sampler. What is idle is not sampled. */
static int open_event(struct probe *p, unsigned int cpu, unsigned int hz, struct err *e)
{
	struct perf_event_attr attr = {
		.type = PERF_TYPE_SOFTWARE,
		.size = sizeof(attr),
		.config = PERF_COUNT_SW_CPU_CLOCK,
		.sample_period = (uint64_t)probe_period_ns(hz),
		.exclude_idle = 1,
		.disabled = 1,
	};
	cleanup_close int fd = -1;
	int prog = bpf_program__fd(p->skeleton->progs.sample);

	fd = syscall(SYS_perf_event_open, &attr, -1, cpu, -1, PERF_FLAG_FD_CLOEXEC);
	/* Went offline since we looked. */
	if (fd < 0 && (errno == ENODEV || errno == ENXIO))
		return 0;
	if (fd < 0 && (errno == EACCES || errno == EPERM))
		return err_set(e, -EPERM,
			       "perf_event_open was refused: start glim with sudo; in a container "
			       "allow it (CAP_PERFMON, and a seccomp profile that permits "
			       "perf_event_open)");
	if (fd < 0)
		return err_sys(e, -errno, "cannot open a perf event on CPU %u", cpu);
	if (ioctl(fd, PERF_EVENT_IOC_SET_BPF, prog) || ioctl(fd, PERF_EVENT_IOC_ENABLE, 0))
		return err_sys(e, -errno, "cannot run the sampler on CPU %u", cpu);
	vec_push(&p->events, take_fd(&fd));
	return 0;
}

static bool is_sample(const struct probe_sample *s, size_t size)
{
	const struct probe_copied *copied;
	size_t n = sizeof(*s);

	if (size < n || s->entries > UNWIND_MAX_ENTRIES || s->native_entries > s->entries ||
	    s->kernel_frames > PROBE_KERNEL_DEPTH)
		return false;
	n += s->entries * sizeof(struct unwind_entry) + s->kernel_frames * sizeof(uint64_t);
	if (!(s->flags & PROBE_COPIED))
		return size >= n;
	copied = (const void *)((const char *)s + n);
	n += sizeof(*copied);
	for (size_t i = 0; i < PROBE_REGIONS && size >= n; i++)
		n += copied->regions[i].bytes;
	return size >= n;
}

static int on_record(void *arg, void *data, size_t size)
{
	struct probe *p = arg;
	const struct probe_record *r = data;
	const struct probe_sample *s = data;
	/* Ends the consumption behind this record (libbpf 1.1, src/ringbuf.c,
	 * ringbuf_process_ring). */
	int rest = --p->room ? 0 : -ECANCELED;

	if (size < sizeof(*r))
		return rest;
	if (r->type == PROBE_SAMPLE) {
		if (!is_sample(s, size))
			return rest;
	} else if (size < sizeof(struct probe_process_event)) {
		return rest;
	}
	p->cb(r, p->arg);
	return rest;
}

static int attach(struct probe *p, struct err *e)
{
	struct bpf_program *tracepoints[] = {
		p->skeleton->progs.on_exec,
		p->skeleton->progs.on_fork,
		p->skeleton->progs.on_exit,
	};
	int r;

	p->ring = ring_buffer__new(bpf_map__fd(p->skeleton->maps.ring), on_record, p, NULL);
	if (!p->ring)
		return err_sys(e, -errno, "cannot map the ring buffer");
	for (size_t i = 0; i < ARRAY_SIZE(tracepoints); i++) {
		r = attach_tracepoint(p, tracepoints[i], e);
		if (r)
			return r;
	}
	return mapping_events_open(p->cpus.data, p->cpus.len, &p->mappings, e);
}

int probe_start(struct probe *p, struct err *e)
{
	for (size_t i = 0; i < p->cpus.len; i++) {
		int r = open_event(p, p->cpus.data[i], p->hz, e);

		if (r)
			return r;
	}
	if (!p->events.len)
		return err_set(e, -ENODEV, "no CPU could be sampled");
	return 0;
}

static void probe_close_p(struct probe **p)
{
	probe_close(*p);
}

int probe_open(const struct probe_open_config *cfg, struct probe **ret, struct err *e)
{
	cleanup(probe_close_p) struct probe *p = mem_calloc(1, sizeof(*p));
	int r;

	if (!cfg->hz || cfg->hz > 10000)
		return err_set(e, -EINVAL, "%u samples a second is not possible: use 1 to 10000",
			       cfg->hz);
	libbpf_set_print(keep_words);
	p->hz = cfg->hz;
	vec_reserve(&p->cpus, MAX_CPUS);
	r = online_cpus(p->cpus.data, e);
	if (r < 0)
		return r;
	p->cpus.len = r;
	r = load(p, cfg, e);
	if (r)
		return r;
	r = probe_map_tables(p, e);
	if (r)
		return r;
	r = attach(p, e);
	if (r)
		return r;
	*ret = take_ptr(p);
	return 0;
}

void probe_close(struct probe *p)
{
	if (!p)
		return;
	for (size_t i = 0; i < p->events.len; i++)
		close(p->events.data[i]);
	for (size_t i = 0; i < p->links.len; i++)
		bpf_link__destroy(p->links.data[i]);
	mapping_events_close(p->mappings);
	ring_buffer__free(p->ring);
	probe_unmap_tables(p);
	sampler_bpf__destroy(p->skeleton);
	vec_fini(&p->cpus);
	vec_fini(&p->events);
	vec_fini(&p->links);
	free(p);
}

int probe_fd(const struct probe *p)
{
	return ring_buffer__epoll_fd(p->ring);
}

int probe_drain(struct probe *p, probe_record_fn cb, void *arg)
{
	int r;

	p->cb = cb;
	p->arg = arg;
	p->room = PROBE_DRAIN_MAX;
	r = ring_buffer__consume(p->ring);
	return r == -ECANCELED ? PROBE_DRAIN_MAX : r;
}

uint64_t probe_drain_mappings(struct probe *p, mapping_event_fn cb, void *arg)
{
	return mapping_events_drain(p->mappings, cb, arg);
}

/* Memory of a map: newer kernels say it themselves in fdinfo. */
static uint64_t map_bytes(int fd)
{
	cleanup_buf struct buf b = {};
	char path[64];
	const char *line;

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
	if (io_read_file(path, 4096, &b) < 0)
		return 0;
	line = strstr(buf_cstr(&b), "memlock:");
	return line ? strtoull(line + strlen("memlock:"), NULL, 10) : 0;
}

void probe_stats(const struct probe *p, struct probe_stats *ret)
{
	struct bpf_program *prog;
	struct bpf_map *map;

	*ret = (struct probe_stats){.counters = p->skeleton->bss->counters};
	bpf_object__for_each_program(prog, p->skeleton->obj)
	{
		struct bpf_prog_info info = {};
		uint32_t len = sizeof(info);

		if (bpf_obj_get_info_by_fd(bpf_program__fd(prog), &info, &len))
			continue;
		ret->run_ns += info.run_time_ns;
		ret->runs += info.run_cnt;
	}
	bpf_object__for_each_map(map, p->skeleton->obj) ret->map_bytes +=
		map_bytes(bpf_map__fd(map));
	for (size_t i = 0; i < UNWIND_MAX_CHUNKS; i++)
		if (p->chunks[i].rows)
			ret->map_bytes += PROBE_CHUNK_BYTES;
}
