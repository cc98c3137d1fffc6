"""The cases: how a program is built and run whose stacks are known. See score.py for the truth."""

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

PROGRAMS = Path(__file__).resolve().parent / "programs"
PLAIN = ["plain.c", "plain_leaves.c"]


@dataclass
class Case:
    name: str  # at most 10 letters: it becomes the name of the process, with a suffix
    about: str
    sources: list
    flags: list = field(default_factory=list)
    compiler: str = "cc"
    how: str = "run"  # one of the functions below
    cpu_ms: int = 0  # instead of what the caller says
    copies: int = 1  # processes that one run starts, one after the other
    strip: bool = False
    only_addresses: bool = False  # symbol tables name nothing


def c(name, about, sources, *flags, **more):
    return Case(name, about, sources if isinstance(sources, list) else [sources],
                ["-O2", "-fomit-frame-pointer", *flags], **more)


CASES = [
    c("omit-fp", "-O2 without frame pointers", PLAIN),
    c("fp", "-O2 with frame pointers", PLAIN, "-fno-omit-frame-pointer"),
    c("o0", "not optimized", PLAIN, "-O0"),
    c("lto", "-O3 -flto", PLAIN, "-O3", "-flto"),
    c("clang", "built by clang", PLAIN, compiler="clang"),
    c("static", "linked statically", PLAIN, "-static"),
    c("static-pie", "linked statically, at any address", PLAIN, "-static-pie"),
    c("no-pie", "at fixed addresses", PLAIN, "-no-pie"),
    c("stripped", "without symbols; addresses are compared", PLAIN, strip=True,
      only_addresses=True),
    c("debugframe", ".debug_frame instead of .eh_frame", PLAIN, "-g", "-fno-asynchronous-unwind-tables",
      "-fno-unwind-tables"),
    c("no-header", "without the sorted table of .eh_frame_hdr", PLAIN, "-Wl,--no-eh-frame-hdr"),
    c("inlined", "inlined functions, by debug information", "inlined.c", "-g"),
    c("inlined4", "the same in DWARF 4", "inlined.c", "-gdwarf-4"),
    c("tail", "calls that became jumps", "tail.c"),
    c("deep200", "200 frames of one function", "deep.c", "-DDEPTH=200"),
    c("deep1000", "1,000 frames of one function", "deep.c", "-DDEPTH=1000"),
    c("objects", "virtual calls and exceptions", "objects.cc", compiler="c++"),
    c("signals", "signal handlers on a stack of their own", "signals.c"),
    c("dlopened", "libraries that come and go", "dlopened.c", "-ldl", how="plugins"),
    c("threads", "two threads", "threads.c", "-DTHREADS=2", "-pthread"),
    c("crowd", "many more threads than CPUs", "threads.c", "-DTHREADS=12", "-pthread"),
    c("spawn", "threads that live for a moment", "spawn.c", "-pthread"),
    c("musl", "the same with musl, which says nothing of its code", "spawn.c", "-static", "-idirafter", "/usr/include",
      "-idirafter", "/usr/include/x86_64-linux-gnu", compiler="musl-gcc"),
    c("mainless", "threads that outlive the main thread", "mainless.c", "-DMAPPINGS=0", "-pthread"),
    c("mappings", "the same with 20,000 mappings", "mainless.c", "-DMAPPINGS=20000", "-pthread"),
    c("contexts", "stacks that the program makes and switches", "contexts.c"),
    c("forks", "children and grandchildren", "forks.c", copies=100),
    c("reexec", "execve into other code at the same addresses", "reexec.c", "-no-pie", how="reexec",
      copies=4),
    c("vdso", "code of the kernel in the program", "vdso.c"),
    c("calls", "entries, exits and jump tables", "calls.c", "-Wl,-z,lazy"),
    c("asm-fp", "assembly with a frame pointer and no call frame information", ["asm.c", "asm_bare.S"],
      "-fno-omit-frame-pointer", '-DBARE_OUTCOME="cut"'),
    c("asm-bare", "assembly with neither: cut, never wrong", ["asm.c", "asm_bare.S"],
      "-fno-omit-frame-pointer", '-DBARE_OUTCOME="cut"', "-DWITH_BARE"),
    c("anonymous", "code in anonymous memory that calls back", "anonymous.c"),
    c("short50", "children that live 50 ms", "child.c", how="children", cpu_ms=48, copies=30),
    c("short20", "children that live 20 ms", "child.c", how="children", cpu_ms=18, copies=60),
    c("sparse", "children whose stacks have holes", "sparse.c", how="children", cpu_ms=18, copies=60),
    c("memfd", "a program in no folder", PLAIN, how="memfd"),
    c("deleted", "a program whose file is deleted while it runs", PLAIN, how="deleted"),
    c("replaced", "a program whose file is another one while it runs", PLAIN, how="replaced"),
    c("namespace", "in mount and PID namespaces of its own", PLAIN, how="namespace"),
    Case("rust", "Rust: trait objects, closures, caught panics", ["rusty.rs"], ["-O"], "rustc"),
    Case("rust-v0", "Rust with the newer mangling", ["rusty.rs"], ["-O", "-Csymbol-mangling-version=v0"], "rustc"),
    Case("go", "goroutines with frameless leaves", ["goroutines"], [], "go"),
    Case("go-strip", "the same without symbols", ["goroutines"], ["-ldflags=-s -w"], "go", only_addresses=True),
    Case("go-gc", "Go's collector, on the stacks of the system", ["gogc"], [], "go"),
    Case("cgo", "Go to C and back", ["cgo"], [], "go"),
]
BY_NAME = {case.name: case for case in CASES}


# --- building -----------------------------------------------------------------------------------


def call(argv, **kwargs):
    done = subprocess.run([str(a) for a in argv], capture_output=True, text=True, stdin=subprocess.DEVNULL, **kwargs)
    if done.returncode:
        sys.exit("%s\n%s%s" % (" ".join(map(str, argv)), done.stdout, done.stderr))
    return done.stdout


def compile_case(case, out, flags=(), sources=None):
    sources = [PROGRAMS / s for s in sources or case.sources]
    if case.compiler == "go":
        call(["go", "build", *case.flags, "-o", out, "."], cwd=sources[0],
             env={"GOTOOLCHAIN": "local", **os.environ, "GOFLAGS": "-buildvcs=false"})
    elif case.compiler == "rustc":
        call(["rustc", "--edition=2021", *case.flags, "-o", out, *sources])
    else:
        call([case.compiler, "-w", *case.flags, *flags, "-o", out, *sources])
    return out


@dataclass
class Run:
    """What one run of a case left."""

    case: Case
    process: str
    module: str  # the name of the program's file
    truth: str
    cpu_seconds: float
    turns: int  # how often one of its threads was given a CPU
    stolen: float
    folder: Path

    def symbols(self, nameless=False):
        """nm of the program before it was stripped; None: it is not, and the profiler names functions."""
        if self.case.strip:
            return call(["nm", "-S", self.folder / "unstripped"])
        return call(["nm", "-SC", self.folder / self.module]) if nameless else None


def build(case, folder, suffix):
    """Everything of a case into a folder of its own; the program's path."""
    folder.mkdir()
    program = folder / (case.name[:10] + suffix)
    flags, more = [], []
    if case.how == "plugins":
        for name in ("first", "second"):
            compile_case(case, folder / (name + ".so"), ["-shared", "-fPIC", "-DNAME=" + name], ["plugin.c"])
    if case.how == "reexec":
        flags = ["-DNAME=one"]
        (folder / "other").mkdir()
        compile_case(case, folder / "other" / program.name, ["-DNAME=two"])
    if case.how == "children":
        compile_case(case, folder / "parent", [], ["parent.c"])
    compile_case(case, program, flags, more or None)
    if case.strip:
        shutil.copy(program, folder / "unstripped")
        call(["strip", "-s", program])
    return program


# --- running ------------------------------------------------------------------------------------


def argv_of(case, program):
    """The command that runs the case."""
    folder = program.parent
    if case.how == "plugins":
        return [program, folder / "first.so", folder / "second.so"]
    if case.how == "reexec":
        return [program, "4", folder / "other" / program.name]
    if case.how == "children":
        return [folder / "parent", str(case.copies), program]
    if case.how == "memfd":
        return [sys.executable, "-c", MEMFD, program]
    if case.how == "namespace":
        return ["unshare", "--mount", "--pid", "--fork", "--mount-proc", "sh", "-c", NAMESPACE, "sh", folder,
                program.name]
    return [program]


# The name that a process gets of a file descriptor is not ours to choose: it names itself.
MEMFD = """
import os, sys
name = os.path.basename(sys.argv[1])
fd = os.memfd_create(name)
with open(sys.argv[1], "rb") as f:
    os.write(fd, f.read())
os.execve(fd, [name], {**os.environ, "TRUTH_COMM": name})
"""
# The path that the program was started by exists in its own mount namespace only.
NAMESPACE = """
set -e
mount -t tmpfs none /mnt
cp "$1/$2" "/mnt/$2"
"/mnt/$2"
"""


def command_and_environment(case, program, cpu_ms):
    env = {**os.environ, "TRUTH_CPU_MS": str(case.cpu_ms or cpu_ms)}
    if case.how == "reexec":
        env["TRUTH_CPU_MS"] = str(cpu_ms // 4)
    if case.how == "children":
        env["TRUTH_WARM_MS"] = "0"
        # The file is known before its short life is looked at: a first run, by another name.
        warm = program.parent / "warm"
        if not warm.exists():
            warm.symlink_to(program)
        call([warm], env={**env, "TRUTH_CPU_MS": "300"})
    if case.how in ("deleted", "replaced"):
        shutil.copy(program, program.parent / "kept")
    return [str(a) for a in argv_of(case, program)], env


def cpu_ticks():
    """(busy, stolen by the host) of all CPUs."""
    with open("/proc/stat") as f:
        user, nice, system, _, _, irq, soft, stolen = map(int, f.readline().split()[1:9])
    return user + nice + system + irq + soft, stolen


def run(case, program, cpu_ms, wrap=()):
    """Run it to its end, below the command wrap; the truth and the CPU time of all its processes."""
    argv, env = command_and_environment(case, program, cpu_ms)
    busy, stolen = cpu_ticks()
    with open(program.parent / "truth", "w+") as out:
        child = subprocess.Popen([*wrap, *argv], env=env, stdout=out, stdin=subprocess.DEVNULL)
        if case.how == "deleted":
            when_running(child, program, lambda: os.unlink(program))
        if case.how == "replaced":
            when_running(child, program, lambda: replace(program))
        _, status, usage = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
        out.seek(0)
        truth = out.read()
    if case.how in ("deleted", "replaced"):
        os.replace(program.parent / "kept", program)
    if child.returncode:
        raise RuntimeError("%s ended with status %d" % (" ".join(argv), child.returncode))
    busy, stolen = (after - before for after, before in zip(cpu_ticks(), (busy, stolen)))
    return Run(case, program.name[:15], program.name, truth, usage.ru_utime + usage.ru_stime,
               usage.ru_nvcsw + usage.ru_nivcsw + case.copies, stolen / max(busy, 1), program.parent)


def replace(program):
    """As an upgrade does: another program of the same name, moved into its place."""
    other = program.parent / "other"
    shutil.copy("/bin/true", other)
    os.replace(other, program)


def when_running(child, program, act):
    """Act as soon as the process, or a child of it, runs the program."""
    while not os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT):
        try:
            with open("/proc/%d/task/%d/children" % (child.pid, child.pid)) as f:
                pids = [str(child.pid), *f.read().split()]
            if any(os.readlink("/proc/%s/exe" % pid) == str(program) for pid in pids):
                act()
                return
        except OSError:
            continue
