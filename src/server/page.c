/* server/page.c - the dashboard's files, which were put into the program when it was built. */
#include "base/embed.h"
#include "server/server_priv.h"

extern const struct embed_file page_files[];

static const char *mime_type(const char *name)
{
	static const struct {
		const char *suffix, *type;
	} types[] = {
		{".html", "text/html; charset=utf-8"},
		{".js", "text/javascript; charset=utf-8"},
		{".css", "text/css; charset=utf-8"},
		{".svg", "image/svg+xml"},
		{".png", "image/png"},
		{".ico", "image/x-icon"},
		{".json", "application/json"},
		{".webmanifest", "application/manifest+json"},
		{".txt", "text/plain; charset=utf-8"},
	};
	const char *dot = strrchr(name, '.');

	for (size_t i = 0; dot && i < ARRAY_SIZE(types); i++)
		if (!strcmp(dot, types[i].suffix))
			return types[i].type;
	return "application/octet-stream";
}

static int respond_file(struct request *req, struct response *res, const struct embed_file *f)
{
	const char *tag = arena_printf(&req->arena, "\"%s\"", f->tag);
	const char *known = http_header(&req->head, "If-None-Match");
	const char *accept = http_header(&req->head, "Accept-Encoding");

	res->cacheable = true;
	/* Kept, but asked about each time: names do not change with the content. */
	respond_header(res, "Cache-Control", "no-cache");
	respond_header(res, "ETag", tag);
	respond_header(res, "Vary", "Accept-Encoding");
	if (known && strstr(known, tag)) {
		res->status = 304;
		return 0;
	}
	res->type = mime_type(f->name);
	if (f->gzip && accept && strstr(accept, "gzip")) {
		respond_header(res, "Content-Encoding", "gzip");
		res->fixed = f->gzip;
		res->fixed_len = f->gzip_size;
		return 0;
	}
	res->fixed = f->data;
	res->fixed_len = f->size;
	return 0;
}

/* "/assets/NAME" is a file. Every other address is a view of the page, which finds its way by
 * itself; but what looks like a file of the root ("/favicon.ico") is none. */
int page_get(struct request *req, struct response *res)
{
	static const char assets[] = "/assets/";
	const char *name = "index.html";
	const struct embed_file *f = NULL;

	if (!strncmp(req->path, assets, sizeof(assets) - 1))
		name = req->path + sizeof(assets) - 1;
	else if (!strchr(req->path + 1, '/') && strchr(req->path, '.'))
		name = "";
	f = embed_find(page_files, name);
	if (!f)
		return respond_error(res, 404, "there is no such file");
	return respond_file(req, res, f);
}
