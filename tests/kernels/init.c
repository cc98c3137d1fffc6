/* The first and only program of a kernel under test (kernels.py): runs glim record over programs
 * whose stacks are known, then glim doctor, and tells on the second serial line what came of it.
 * The programs run on CPU 1, which is not online when the recorder starts, and goes and comes back
 * between them. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#define FOLDED "/tmp/out.folded"
#define CPU    "/sys/devices/system/cpu/cpu1/online"

/* A line that kernels.py takes apart: "@@ what ...". */
static void tell(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vprintf(format, args);
	va_end(args);
	fflush(stdout);
}

static void mount_all(void)
{
	static const char *const MOUNTS[][3] = {
		{"proc", "/proc", "proc"},	  {"sysfs", "/sys", "sysfs"},
		{"devtmpfs", "/dev", "devtmpfs"}, {"tracefs", "/sys/kernel/tracing", "tracefs"},
		{"tmpfs", "/tmp", "tmpfs"},
	};

	for (size_t i = 0; i < sizeof(MOUNTS) / sizeof(MOUNTS[0]); i++) {
		mkdir(MOUNTS[i][1], 0755);
		if (mount(MOUNTS[i][0], MOUNTS[i][1], MOUNTS[i][2], 0, NULL))
			tell("@@ failed: mount %s: %s\n", MOUNTS[i][1], strerror(errno));
	}
}

/* Bring the CPU online or take it offline. */
static void set_cpu(const char *online)
{
	int fd = open(CPU, O_WRONLY | O_CLOEXEC);

	if (fd < 0 || write(fd, online, 1) != 1)
		tell("@@ failed: %s %s: %s\n", CPU, online, strerror(errno));
	close(fd);
}

static void stay_on(unsigned int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	if (sched_setaffinity(0, sizeof(set), &set))
		tell("@@ failed: CPU %u: %s\n", cpu, strerror(errno));
}

/* Start a program on a CPU; err: where its stderr goes, -1: where ours goes. */
static pid_t start(char *const argv[], unsigned int cpu, int err)
{
	pid_t pid = fork();

	if (pid)
		return pid;
	stay_on(cpu);
	if (err >= 0)
		dup2(err, 2);
	execv(argv[0], argv);
	tell("@@ failed: %s: %s\n", argv[0], strerror(errno));
	_exit(127);
}

static int status_of(pid_t pid, struct rusage *ret_usage)
{
	int status = -1;

	while (wait4(pid, &status, 0, ret_usage) < 0 && errno == EINTR)
		;
	return status;
}

/* Pass on what the recorder says until it samples; false: it ended. */
static int wait_ready(FILE *said)
{
	char line[4096];

	while (fgets(line, sizeof(line), said)) {
		tell("@@ record %s", line);
		if (strstr(line, "Ctrl-C ends"))
			return 1;
	}
	return 0;
}

static void run_targets(char *const argv[])
{
	struct rusage usage = {0};
	int status;

	tell("@@ truth\n");
	status = status_of(start(argv, 1, -1), &usage);
	tell("@@ ran %d %.6f\n", status,
	     (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
		     (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6);
}

static void print_file(const char *path)
{
	FILE *f = fopen(path, "r");
	char part[4096];
	size_t n;

	if (!f)
		return;
	while ((n = fread(part, 1, sizeof(part), f)) > 0)
		fwrite(part, 1, n, stdout);
	fclose(f);
	fflush(stdout);
}

static void record(void)
{
	char *const recorder[] = {"/glim", "record", "-a", "-F", "499", "-q", "-o", FOLDED, NULL};
	char *const native[] = {"/native", NULL};
	char *const python[] = {"/usr/bin/python3", "-S", "-E", "/spin.py", NULL};
	char line[4096];
	int ends[2];
	pid_t pid;
	FILE *said;

	if (pipe2(ends, O_CLOEXEC))
		return;
	pid = start(recorder, 0, ends[1]);
	close(ends[1]);
	said = fdopen(ends[0], "r");
	if (wait_ready(said)) {
		set_cpu("1");
		run_targets(native);
		set_cpu("0");
		set_cpu("1");
		if (!access(python[0], X_OK))
			status_of(start(python, 1, -1), NULL);
		kill(pid, SIGINT);
	}
	while (fgets(line, sizeof(line), said))
		tell("@@ record %s", line);
	tell("@@ recorded %d\n", status_of(pid, NULL));
	tell("@@ folded\n");
	print_file(FOLDED);
}

int main(void)
{
	char *const doctor[] = {"/glim", "doctor", NULL};
	struct utsname name;
	int line, status;

	mount_all();
	line = open("/dev/ttyS1", O_RDWR | O_CLOEXEC);
	if (line >= 0) {
		dup2(line, 0);
		dup2(line, 1);
		dup2(line, 2);
	}
	uname(&name);
	tell("@@ kernel %s\n", name.release);
	setenv("TRUTH_CPU_MS", "3000", 1);
	/* Tables take longer where the machine is emulated. */
	setenv("TRUTH_WARM_MS", "1000", 1);
	setenv("NO_COLOR", "1", 1);
	record();
	tell("@@ doctor\n");
	status = status_of(start(doctor, 0, -1), NULL);
	tell("@@ doctored %d\n", status);
	tell("@@ end\n");
	tcdrain(1);
	reboot(RB_AUTOBOOT);
	return 0;
}
