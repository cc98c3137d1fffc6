/* server/install.c - this server's own program and the script that puts it on a host. */
#include <fcntl.h>
#include <sodium.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "base/embed.h"
#include "server/server_priv.h"

extern const struct embed_file install_files[];

/* The file that was started, even when another took its name since; where there is no /proc, the
 * file of that name. */
static int open_self(void)
{
	int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);

	return fd >= 0 ? fd : open((const char *)getauxval(AT_EXECFN), O_RDONLY | O_CLOEXEC);
}

int program_open(struct program *p, struct err *e)
{
	cleanup_close int fd = open_self();
	uint8_t hash[crypto_hash_sha256_BYTES];
	struct stat st;
	void *data;

	if (fd < 0 || fstat(fd, &st) < 0)
		return err_sys(e, -errno, "cannot read our own program");
	data = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (data == MAP_FAILED)
		return err_sys(e, -errno, "cannot map our own program");
	crypto_hash_sha256(hash, data, (unsigned long long)st.st_size);
	secret_hex(hash, p->sha256);
	p->data = data;
	p->len = (size_t)st.st_size;
	return 0;
}

void program_close(struct program *p)
{
	if (p->data)
		munmap((void *)p->data, p->len);
}

/* Copy the script with @NAME@ replaced. */
static void fill_in(struct buf *out, const char *text, const struct http_pair *values, size_t n)
{
	while (*text) {
		const char *at = strchr(text, '@');
		size_t i = 0, len = 0;

		if (!at)
			break;
		buf_append(out, text, (size_t)(at - text));
		for (; i < n; i++) {
			len = strlen(values[i].name);
			if (!strncmp(at, values[i].name, len))
				break;
		}
		if (i < n)
			buf_puts(out, values[i].value);
		else
			buf_putc(out, '@');
		text = at + (i < n ? len : 1);
	}
	buf_puts(out, text);
}

int install_script(struct request *req, struct response *res)
{
	/* The URL stands between single quotes in the script. auth_host_ok and check_config let
	 * through only names, digits and ":/.-_~[]". */
	const struct http_pair values[] = {
		{"@URL@", request_base_url(req)},
		{"@SHA256@", req->server->program.sha256},
		{"@VERSION@", GLIM_VERSION},
	};

	CHECK(!strpbrk(values[0].value, "'\"\\$` \n"));
	res->type = "text/x-shellscript; charset=utf-8";
	fill_in(&res->body, embed_find(install_files, "install.sh")->data, values,
		ARRAY_SIZE(values));
	return 0;
}

int download_program(struct request *req, struct response *res)
{
	res->type = "application/octet-stream";
	res->fixed = req->server->program.data;
	res->fixed_len = req->server->program.len;
	respond_header(res, "Content-Disposition", "attachment; filename=\"glim\"");
	return 0;
}

int download_checksum(struct request *req, struct response *res)
{
	res->type = "text/plain; charset=utf-8";
	buf_printf(&res->body, "%s  glim-linux-x86_64\n", req->server->program.sha256);
	return 0;
}
