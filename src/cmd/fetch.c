#include "cmd/fetch.h"

#include "cmd/cache.h"
#include "symbol/symbol.h"

static const char *urls(void)
{
	const char *v = getenv("DEBUGINFOD_URLS");

	return v ? v : "";
}

int fetch_check(struct err *e)
{
	if (urls()[strspn(urls(), " \t\n")])
		return 0;
	return err_set(e, -EINVAL,
		       "--debuginfod: from where? Name the servers in DEBUGINFOD_URLS, for example "
		       "https://debuginfod.debian.net");
}

static void ask(void *arg, const struct build_id *id)
{
	debuginfod_ask(arg, id->bytes, (size_t)id->len);
}

int fetch_start(struct capture *c, struct debuginfod **ret, struct err *e)
{
	cleanup_free char *folder = cache_folder("debuginfod");
	int r = debuginfod_start(&(struct debuginfod_config){.urls = urls(), .folder = folder}, ret,
				 e);

	if (!r)
		symbolizer_set_fetch(capture_symbolizer(c), folder, ask, *ret);
	return r;
}
