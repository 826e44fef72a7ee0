/* SPDX-License-Identifier: Apache-2.0 */
#include "serve/watch.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <weft/weft.h>

#include "base/alloc.h"
#include "base/err.h"
#include "base/log.h"
#include "watch/http.h"
#include "watch/local.h"

struct watch {
	struct watch_opts opts;
	struct http *http;
	pthread_t thread;
	int stop_fd;
};

static const struct http_page pages[] = {
	{ "/metrics", HTTP_METRICS_TYPE, figures_metrics, WATCH_KEEP_NS },
	{ "/stats", "application/json", figures_stats, WATCH_KEEP_NS },
};

static void *watch_main(void *arg)
{
	struct watch *watch = arg;

	pthread_setname_np(pthread_self(), "weft-watch");
	http_run(watch->http, watch->stop_fd);
	return NULL;
}

int watch_listen(int *ret, const char *addr)
{
	struct address address;
	uint16_t port = 0;
	int rc, fd = -1;

	rc = addr ? address_parse(&address, addr) : 0;
	if (!rc && addr)
		fd = http_listen(&address, &port);
	if (rc || (addr && fd < 0))
		return err_prefix(rc ? rc : fd, "--metrics-addr");
	if (addr)
		log_info("metrics", log_str("host", address.host), log_u64("port", port),
			 log_str("path", "/metrics"));
	*ret = fd;
	return 0;
}

static int listen_local(void)
{
	char name[LOCAL_NAME_MAX];
	int fd = local_listen(name);

	if (fd < 0)
		log_warn("weft top will not see this server", log_str("why", weft_error_detail()));
	return fd < 0 ? -1 : fd;
}

int watch_open(struct watch **ret, const struct watch_opts *opts)
{
	struct http_opts http = {
		.name = "weft serve",
		.pages = pages,
		.page_count = sizeof(pages) / sizeof(*pages),
	};
	struct watch *watch = mem_zalloc(sizeof(*watch));
	int rc;

	if (!watch) {
		if (opts->metrics_fd >= 0)
			close(opts->metrics_fd);
		return err_set(-ENOMEM, "no memory to answer about metrics");
	}
	watch->opts = *opts;
	http.ctx = &watch->opts;
	http.tcp_fd = opts->metrics_fd;
	http.local_fd = listen_local();
	rc = http_open(&watch->http, &http);
	if (rc)
		goto free_watch;
	watch->stop_fd = eventfd(0, EFD_CLOEXEC);
	if (watch->stop_fd < 0) {
		rc = err_set(-errno, "eventfd: %s", strerror(errno));
		goto close_http;
	}
	rc = -pthread_create(&watch->thread, NULL, watch_main, watch);
	if (rc) {
		err_set(rc, "thread for metrics: %s", strerror(-rc));
		goto close_stop;
	}
	*ret = watch;
	return 0;
close_stop:
	close(watch->stop_fd);
close_http:
	http_close(watch->http);
free_watch:
	mem_free(watch);
	return rc;
}

void watch_close(struct watch *watch)
{
	const uint64_t one = 1;

	if (!watch)
		return;
	if (write(watch->stop_fd, &one, sizeof(one)) == sizeof(one))
		pthread_join(watch->thread, NULL);
	http_close(watch->http);
	close(watch->stop_fd);
	mem_free(watch);
}
