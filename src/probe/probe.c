#include "probe/probe.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <ctype.h>
#include <stdarg.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/io.h"
#include "probe/probe_priv.h"

enum {
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

static size_t ring_size(size_t cpus, unsigned int hz)
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

static int load(struct probe *p, const struct probe_open_config *cfg, size_t cpus, struct err *e)
{
	int r;

	last_words_len = 0;
	last_words[0] = '\0';
	p->skeleton = sampler_bpf__open();
	if (!p->skeleton)
		return load_error(-errno, e);
	p->ring_bytes = ring_size(cpus, cfg->hz);
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
		p->skeleton->progs.on_cpu,
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
	p->mappings = mapping_events_new();
	return probe_add_cpus(p, e);
}

static void probe_close_p(struct probe **p)
{
	probe_close(*p);
}

int probe_open(const struct probe_open_config *cfg, struct probe **ret, struct err *e)
{
	cleanup(probe_close_p) struct probe *p = mem_calloc(1, sizeof(*p));
	cleanup_free unsigned int *cpus = mem_calloc(PROBE_MAX_CPUS, sizeof(*cpus));
	int n, r;

	if (!cfg->hz || cfg->hz > 10000)
		return err_set(e, -EINVAL, "%u samples a second is not possible: use 1 to 10000",
			       cfg->hz);
	libbpf_set_print(keep_words);
	p->hz = cfg->hz;
	n = probe_online_cpus(cpus, e);
	if (n < 0)
		return n;
	r = load(p, cfg, (size_t)n, e);
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
	probe_remove_cpus(p);
	for (size_t i = 0; i < p->links.len; i++)
		bpf_link__destroy(p->links.data[i]);
	mapping_events_free(p->mappings);
	ring_buffer__free(p->ring);
	probe_unmap_tables(p);
	sampler_bpf__destroy(p->skeleton);
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

	*ret = (struct probe_stats){
		.counters = p->skeleton->bss->counters,
		.cpus = p->cpus.len,
		.cpus_unsampled = p->unsampled,
	};
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
	ret->map_bytes += atomic_load(&p->nchunks) * (uint64_t)PROBE_CHUNK_BYTES;
}
