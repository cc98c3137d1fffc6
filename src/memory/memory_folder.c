#include "memory/memory_folder.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/embed.h"
#include "base/io.h"

extern const struct embed_file memory_files[];

#define NAME	"glim-mem-"
#define PRELOAD "LD_PRELOAD"

/* Where programs may be loaded from, best first. */
static const char *const places[] = {"/dev/shm", NULL /* TMPDIR */, "/tmp", "/var/tmp"};

static const char *place_at(size_t i)
{
	return places[i] ? places[i] : getenv("TMPDIR");
}

static bool is_fit(const char *place)
{
	struct statvfs fs;

	return place && *place == '/' && !access(place, W_OK | X_OK) && !statvfs(place, &fs) &&
	       !(fs.f_flag & ST_NOEXEC);
}

/* Our files in it, and then the folder. */
static void remove_folder(int parent, const char *name)
{
	int fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	DIR *d = fd >= 0 ? fdopendir(fd) : NULL;
	struct dirent *entry;

	while (d && (entry = readdir(d)))
		if (strcmp(entry->d_name, ".") && strcmp(entry->d_name, ".."))
			unlinkat(dirfd(d), entry->d_name, 0);
	if (d)
		closedir(d);
	else if (fd >= 0)
		close(fd);
	unlinkat(parent, name, AT_REMOVEDIR);
}

/* Was it left behind by a Glim of ours that is gone? The pid stands in the name. */
static bool is_left(int parent, const char *name)
{
	struct stat st;
	long pid = strncmp(name, NAME, strlen(NAME)) ? 0 : strtol(name + strlen(NAME), NULL, 10);

	return pid > 0 && pid <= INT32_MAX && kill((pid_t)pid, 0) && errno == ESRCH &&
	       !fstatat(parent, name, &st, AT_SYMLINK_NOFOLLOW) && S_ISDIR(st.st_mode) &&
	       st.st_uid == geteuid();
}

static void remove_left(const char *place)
{
	DIR *d = opendir(place);
	struct dirent *entry;

	while (d && (entry = readdir(d)))
		if (is_left(dirfd(d), entry->d_name))
			remove_folder(dirfd(d), entry->d_name);
	if (d)
		closedir(d);
}

static int write_in(const char *folder, const char *name, const void *p, size_t n,
		    unsigned int mode, struct err *e)
{
	cleanup_free char *path = mem_asprintf("%s/%s", folder, name);

	return io_write_file(path, p, n, mode, e);
}

static int fill(const char *folder, unsigned int flags, const char *const *only, size_t n,
		struct err *e)
{
	const struct embed_file *library = embed_find(memory_files, MEMORY_LIBRARY_FILE);
	struct memory_config_abi c = {
		.magic = MEMORY_MAGIC, .version = MEMORY_VERSION, .flags = flags};
	int code;

	CHECK(library);
	for (size_t i = 0; i < n; i++) {
		size_t bytes = strlen(only[i]) + 1;

		if (bytes > sizeof(c.only) - c.only_bytes)
			return err_set(e, -E2BIG, "the patterns of --only are too long");
		memcpy(c.only + c.only_bytes, only[i], bytes);
		c.only_bytes += (uint32_t)bytes;
	}
	code = write_in(folder, MEMORY_CONFIG_FILE, &c, sizeof(c), 0600, e);
	return code ? code
		    : write_in(folder, MEMORY_LIBRARY_FILE, library->data, library->size, 0700, e);
}

int memory_folder_open(unsigned int flags, const char *const *only, size_t n,
		       struct memory_folder *ret, struct err *e)
{
	for (size_t i = 0; i < ARRAY_SIZE(places); i++) {
		const char *place = place_at(i);
		cleanup_free char *path = NULL;
		int code;

		if (!is_fit(place))
			continue;
		remove_left(place);
		path = mem_asprintf("%s/" NAME "%d-XXXXXX", place, (int)getpid());
		if (!mkdtemp(path))
			continue;
		code = fill(path, flags, only, n, e);
		if (code) {
			remove_folder(AT_FDCWD, path);
			return code;
		}
		ret->path = take_ptr(path);
		return 0;
	}
	return err_set(e, -ENOENT,
		       "no folder that can be written to and programs be loaded from: tried "
		       "/dev/shm, TMPDIR, /tmp and /var/tmp");
}

void memory_folder_close(struct memory_folder *f)
{
	if (f->path)
		remove_folder(AT_FDCWD, f->path);
	free(f->path);
	f->path = NULL;
}

void memory_folder_enter(const struct memory_folder *f)
{
	const char *others = getenv(PRELOAD);
	cleanup_free char *list = mem_asprintf("%s/%s%s%s", f->path, MEMORY_LIBRARY_FILE,
					       others && *others ? ":" : "", others ? others : "");

	setenv(PRELOAD, list, 1);
	setenv(MEMORY_FOLDER_VARIABLE, f->path, 1);
}

void memory_folder_leave(void)
{
	const char *list = getenv(PRELOAD), *rest = list ? strchr(list, ':') : NULL;
	cleanup_free char *others = rest ? mem_strdup(rest + 1) : NULL;

	if (others)
		setenv(PRELOAD, others, 1);
	else
		unsetenv(PRELOAD);
	unsetenv(MEMORY_FOLDER_VARIABLE);
}
