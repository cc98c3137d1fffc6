#include "process/exits.h"

#include <linux/genetlink.h>
#include <linux/netlink.h>
#include <linux/taskstats.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "process/exits_priv.h"

enum {
	MAX_MESSAGE = 16384,
	/* Threads that end between two drains; a record takes some 2 KiB. */
	SOCKET_BYTES = 4 << 20,
	/* The first version that tells the process of a thread, and one whose order is another
	 * (Linux include/uapi/linux/taskstats.h: put right again in 16). */
	FIRST_VERSION = 12,
	BAD_VERSION = 15,
};
/* Linux include/linux/proc_ns.h, PROC_PID_INIT_INO: the namespace of the machine. */
static const uint32_t first_pid_namespace = 0xeffffffc;

/* ---- netlink: a message has attributes, of which some have attributes ---- */

struct attributes {
	const uint8_t *at, *end;
};

/* The next one: its type, and where its value is; false at the end. */
static bool attribute_next(struct attributes *a, uint16_t *ret_type, struct attributes *ret)
{
	struct nlattr h;

	if (a->end - a->at < (ptrdiff_t)sizeof(h))
		return false;
	memcpy(&h, a->at, sizeof(h));
	if (h.nla_len < sizeof(h) || h.nla_len > a->end - a->at)
		return false;
	*ret_type = h.nla_type & NLA_TYPE_MASK;
	*ret = (struct attributes){a->at + sizeof(h), a->at + h.nla_len};
	a->at += MIN(NLA_ALIGN(h.nla_len), a->end - a->at);
	return true;
}

/* The attributes of the first message among n bytes; returns its type, or a negative errno. */
static int message_open(const uint8_t *bytes, size_t n, struct attributes *ret)
{
	struct nlmsghdr h;
	int error;

	if (n < NLMSG_HDRLEN + GENL_HDRLEN)
		return -EBADMSG;
	memcpy(&h, bytes, sizeof(h));
	if (h.nlmsg_len > n || h.nlmsg_len < NLMSG_HDRLEN + GENL_HDRLEN)
		return -EBADMSG;
	memcpy(&error, bytes + NLMSG_HDRLEN, sizeof(error));
	if (h.nlmsg_type == NLMSG_ERROR && error)
		return error < 0 ? error : -EBADMSG;
	*ret = (struct attributes){bytes + NLMSG_HDRLEN + GENL_HDRLEN, bytes + h.nlmsg_len};
	return h.nlmsg_type;
}

static int request(int fd, uint16_t type, uint8_t command, uint16_t flags, uint16_t attribute,
		   const char *text)
{
	struct {
		struct nlmsghdr h;
		struct genlmsghdr g;
		struct nlattr a;
		char text[64];
	} m = {.h = {.nlmsg_type = type, .nlmsg_flags = NLM_F_REQUEST | flags},
	       .g = {.cmd = command, .version = 1},
	       .a = {.nla_type = attribute}};
	size_t n = strlen(text) + 1;

	CHECK(n <= sizeof(m.text));
	memcpy(m.text, text, n);
	m.a.nla_len = (uint16_t)(NLA_HDRLEN + n);
	m.h.nlmsg_len = (uint32_t)(offsetof(typeof(m), text) + NLA_ALIGN(n));
	return send(fd, &m, m.h.nlmsg_len, 0) < 0 ? -errno : 0;
}

/* ---- the conversation ---- */

int exits_family(const uint8_t *bytes, size_t n)
{
	struct attributes all, value;
	uint16_t type, id;
	int r = message_open(bytes, n, &all);

	while (r > 0 && attribute_next(&all, &type, &value)) {
		if (type != CTRL_ATTR_FAMILY_ID || value.end - value.at < (ptrdiff_t)sizeof(id))
			continue;
		memcpy(&id, value.at, sizeof(id));
		return id;
	}
	return r < 0 ? r : -ENOENT;
}

static int find_family(int fd)
{
	uint8_t bytes[MAX_MESSAGE];
	int r = request(fd, GENL_ID_CTRL, CTRL_CMD_GETFAMILY, 0, CTRL_ATTR_FAMILY_NAME,
			TASKSTATS_GENL_NAME);
	ssize_t n = r < 0 ? r : recv(fd, bytes, sizeof(bytes), 0);

	if (n < 0)
		return r < 0 ? r : -errno;
	return exits_family(bytes, (size_t)n);
}

/* The kernel answers among the first records: those are of others. */
static int listen_to(int fd, uint16_t family)
{
	uint8_t bytes[MAX_MESSAGE];
	struct attributes all;
	char cpus[32];
	int r;

	snprintf(cpus, sizeof(cpus), "0-%ld", sysconf(_SC_NPROCESSORS_CONF) - 1);
	r = request(fd, family, TASKSTATS_CMD_GET, NLM_F_ACK, TASKSTATS_CMD_ATTR_REGISTER_CPUMASK,
		    cpus);
	while (r >= 0) {
		ssize_t n = recv(fd, bytes, sizeof(bytes), 0);

		if (n < 0)
			return -errno;
		r = message_open(bytes, (size_t)n, &all);
		if (r == NLMSG_ERROR)
			return 0;
	}
	return r;
}

int exits_open(void)
{
	struct stat st;
	cleanup_close int fd = -1;
	int r;

	if (stat("/proc/self/ns/pid", &st))
		return -errno;
	if (st.st_ino != first_pid_namespace)
		return -ENXIO;
	fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_GENERIC);
	if (fd < 0)
		return -errno;
	/* Less room is no error: what is lost is counted. */
	setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &(int){SOCKET_BYTES}, sizeof(int));
	r = find_family(fd);
	if (r >= 0)
		r = listen_to(fd, (uint16_t)r);
	return r < 0 ? r : take_fd(&fd);
}

/* ---- records ---- */

static int64_t times(uint64_t v, int64_t by)
{
	return (int64_t)MIN(v, (uint64_t)(INT64_MAX / by)) * by;
}

static void take_stats(const struct attributes *value, thread_accounts *ret)
{
	struct taskstats t = {};
	size_t n = (size_t)(value->end - value->at);

	memcpy(&t, value->at, MIN(n, sizeof(t)));
	if (t.version < FIRST_VERSION || t.version == BAD_VERSION ||
	    n < offsetof(struct taskstats, ac_tgid) + sizeof(t.ac_tgid))
		return;
	vec_push(ret,
		 (struct thread_account){.pid = (pid_t)t.ac_tgid,
					 .run_queue_ns = times(t.cpu_delay_total, 1),
					 .disk_ns = add_saturated(times(t.blkio_delay_total, 1),
								  times(t.swapin_delay_total, 1)),
					 .peak_rss = times(t.hiwater_rss, 1024),
					 .read_bytes = times(t.read_char, 1),
					 .written_bytes = times(t.write_char, 1),
					 .disk_read_bytes = times(t.read_bytes, 1),
					 .disk_written_bytes = times(t.write_bytes, 1)});
}

void exits_message(const uint8_t *bytes, size_t n, thread_accounts *ret)
{
	struct attributes all, one, value;
	uint16_t type;

	if (message_open(bytes, n, &all) <= 0)
		return;
	/* The sum over a process comes with the last of its threads: it has less in it. */
	while (attribute_next(&all, &type, &one)) {
		if (type != TASKSTATS_TYPE_AGGR_PID)
			continue;
		while (attribute_next(&one, &type, &value))
			if (type == TASKSTATS_TYPE_STATS)
				take_stats(&value, ret);
	}
}

unsigned int exits_drain(int fd, thread_accounts *ret)
{
	uint8_t bytes[MAX_MESSAGE];
	unsigned int lost = 0;

	for (;;) {
		ssize_t n = recv(fd, bytes, sizeof(bytes), MSG_DONTWAIT);

		if (n < 0 && errno == ENOBUFS) {
			lost++;
			continue;
		}
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return lost;
		exits_message(bytes, (size_t)n, ret);
	}
}
