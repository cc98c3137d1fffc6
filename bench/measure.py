"""What a process and its BPF programs cost, read from /proc. Needs root for other people's fds."""
import ctypes
import os
import platform
import time

# Linux 6.1, include/uapi/linux/bpf.h.
BPF_ENABLE_STATS, BPF_STATS_RUN_TIME, BPF_PROG_TYPE_PERF_EVENT = 32, 0, 7
NR_BPF = {"x86_64": 321, "aarch64": 280}  # arch/*/: system call numbers


class BpfStats:
    """Inside, the kernel counts runs and time of BPF programs. It is a reference that goes with the
    process at the latest; what kernel.bpf_stats_enabled says is left alone."""

    def __enter__(self):
        libc = ctypes.CDLL(None, use_errno=True)
        attr = (ctypes.c_uint32 * 1)(BPF_STATS_RUN_TIME)
        self.fd = libc.syscall(NR_BPF[platform.machine()], BPF_ENABLE_STATS, attr, ctypes.sizeof(attr))
        if self.fd < 0:
            raise OSError(ctypes.get_errno(), "the kernel does not count the time of BPF programs")
        os.set_inheritable(self.fd, False)

    def __exit__(self, *_):
        os.close(self.fd)


def fdinfo(pid):
    """Yields what /proc says about each open file, as a dict."""
    folder = "/proc/%d/fdinfo" % pid
    for fd in os.listdir(folder):
        try:
            with open(os.path.join(folder, fd)) as f:
                yield dict(line.split(":", 1) for line in f.read().splitlines() if ":" in line)
        except FileNotFoundError:
            pass  # closed meanwhile


def snapshot(pid):
    """Costs so far; ids make that a map or program counts once however many fds it has."""
    with open("/proc/%d/stat" % pid) as f:
        fields = f.read().rsplit(")", 1)[1].split()
    status = {}
    with open("/proc/%d/status" % pid) as f:
        for line in f:
            key, _, value = line.partition(":")
            status[key] = value.strip()
    maps, programs = {}, {}
    for info in fdinfo(pid):
        if "map_id" in info:
            maps[int(info["map_id"])] = int(info["memlock"])
        elif "prog_id" in info and "run_cnt" in info:
            programs[int(info["prog_id"])] = (
                int(info["prog_type"]), int(info["run_time_ns"]), int(info["run_cnt"]), int(info["memlock"]))
    return {
        "time": time.monotonic(),
        "cpu": (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK"),
        "rss": int(status["VmRSS"].split()[0]) * 1024,
        "rss_peak": int(status["VmHWM"].split()[0]) * 1024,
        "maps": sum(maps.values()),
        "programs": programs,
    }


def samples(pid):
    """How often the process's perf event programs ran; 0 while it still starts."""
    return sum(int(i["run_cnt"]) for i in fdinfo(pid)
               if i.get("prog_type", "").strip() == str(BPF_PROG_TYPE_PERF_EVENT) and "run_cnt" in i)


def cost(a, b):
    """What happened between two snapshots."""
    seconds = b["time"] - a["time"]
    run_ns = runs = samples = sample_ns = 0
    for number, (kind, ns, count, _) in b["programs"].items():
        _, ns0, count0, _ = a["programs"].get(number, (kind, 0, 0, 0))
        run_ns += ns - ns0
        runs += count - count0
        if kind == BPF_PROG_TYPE_PERF_EVENT:
            samples += count - count0
            sample_ns += ns - ns0
    return {
        "seconds": seconds,
        "cpu_seconds_an_hour": (b["cpu"] - a["cpu"]) / seconds * 3600,
        "cpu_percent_of_a_core": (b["cpu"] - a["cpu"]) / seconds * 100,
        "start_cpu_seconds": a["cpu"],
        "rss_bytes": b["rss"],
        "rss_peak_bytes": b["rss_peak"],
        "map_bytes": b["maps"],
        "program_bytes": sum(p[3] for p in b["programs"].values()),
        "bpf_runs": samples,
        "bpf_ns_a_run": sample_ns / samples if samples else None,
        "bpf_percent_of_a_core": run_ns / seconds / 1e7,
    }
