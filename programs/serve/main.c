/* SPDX-License-Identifier: Apache-2.0 */
/*
 * weft serve: one KV server with its gRPC service. SIGTERM and SIGINT are taken by the main thread
 * alone (sigwait); the first starts the stop, a second ends it at once. SIGUSR1 logs what the
 * engine knows of itself.
 */
#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <weft/weft.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "common/program.h"
#include "control/service.h"
#include "kv/server.h"
#include "serve/watch.h"

struct serve_values {
#define OPT_FIELDS
#include "serve/serve.def"
};

static const struct opt_row serve_rows[] = {
#define OPT_ROWS struct serve_values
#include "serve/serve.def"
};

static const struct opt_table serve_table = OPT_TABLE(serve_rows, struct serve_values);

#define NAME "weft serve"

/* What the operator can do about a failure that has no text of weft's own. */
static const char *remedy(int code)
{
	switch (-code) {
	case EADDRINUSE:
		return "stop the server that listens there, or choose another --listen-addr";
	case EADDRNOTAVAIL:
		return "choose a --listen-addr of this host, HOST:PORT";
	case EINVAL:
		return "correct the option that the text names";
	case EACCES:
		return "ports below 1024 need privileges: choose a higher one";
	case ENOMEM:
		return "choose a smaller --memory-mb";
	default:
		return NULL;
	}
}

static int fail(int code)
{
	char detail[ERR_DETAIL_MAX];

	snprintf(detail, sizeof(detail), "%s", weft_error_detail());
	if (remedy(code))
		err_set(code, "%s (%s)", detail, remedy(code));
	return program_fail(NAME, code, NULL);
}

/* gRPC's own lines are for who looks for them: what they mean for the user comes as an error. */
static void grpc_log(void *ctx, int level, const char *text)
{
	(void)level;
	log_text(ctx, LOG_DEBUG, text);
}

/* Before any thread starts, so that all inherit it. */
static void block_signals(sigset_t *set)
{
	sigemptyset(set);
	sigaddset(set, SIGTERM);
	sigaddset(set, SIGINT);
	sigaddset(set, SIGUSR1);
	pthread_sigmask(SIG_BLOCK, set, NULL);
	signal(SIGPIPE, SIG_IGN);
}

static int open_server(struct server **ret, const struct serve_values *values,
		       const struct address *address)
{
	struct server_opts opts = {
		.provider = values->provider,
		.devices = values->devices,
		.device_rdma = values->device_rdma,
		.nics = values->nics ? WEFT_NICS_NEAR : WEFT_NICS_ALL,
		.bind_addr = address->host,
		.pool_bytes = values->memory_mb << 20,
		.max_value = values->max_value_mb << 20,
		.rails = values->num_domains,
		.node_id = values->node_id,
		.credits = values->credits,
		.session_limit = values->max_clients,
		.session_timeout_ns = values->session_timeout,
		.transfer_timeout_ns = values->transfer_timeout,
		.lease_ns = values->lease,
		.log = log_text,
		.log_level = (int)values->log_level,
	};

	return server_open(ret, &opts);
}

static int open_service(struct service **ret, const struct serve_values *values,
			struct server *server)
{
	struct service_opts opts = {
		.addr = values->listen_addr,
		.ops = &service_kv_ops,
		.kv = server,
		.threads = values->grpc_threads,
	};

	return service_open(ret, &opts);
}

/* The one line on stdout. False: nobody can read it. */
static bool say_ready(const struct serve_values *values, const struct address *address,
		      struct server *server, const struct service *service)
{
	char ways[256];

	server_ways(server, ways, sizeof(ways));
	printf("%s: ready on %s%s%s:%u provider %s (%s) pool %" PRIu64 " MiB node %u\n", NAME,
	       address->v6 ? "[" : "", address->host, address->v6 ? "]" : "", service_port(service),
	       values->provider, ways, values->memory_mb, values->node_id);
	return !fflush(stdout);
}

static void log_line(void *ctx, const char *line)
{
	log_text(ctx, LOG_INFO, line);
}

static void wait_for_signal(const sigset_t *set, struct server *server)
{
	int number = 0;

	while (sigwait(set, &number) || number == SIGUSR1)
		if (number == SIGUSR1)
			server_dump(server, log_line, NULL);
	log_info("stopping", log_str("signal", number == SIGINT ? "SIGINT" : "SIGTERM"));
}

/* From here on a second signal ends the process at once, by its default action; but not one that
 * only asks. */
static void unblock_signals(const sigset_t *set)
{
	sigset_t stops = *set;

	sigdelset(&stops, SIGUSR1);
	pthread_sigmask(SIG_UNBLOCK, &stops, NULL);
}

static void stop(const struct serve_values *values, struct server *server, struct service *service)
{
	uint64_t deadline_ns = clock_deadline(clock_ns(), values->drain_timeout), now_ns;
	uint32_t cut = service_stop(service, values->drain_timeout);
	int rc;

	if (cut)
		log_warn("calls were cut off", log_u64("calls", cut));
	now_ns = clock_ns();
	rc = server_drain(server, now_ns < deadline_ns ? deadline_ns - now_ns : 0);
	if (rc)
		log_warn("transfers were cut off", log_str("why", weft_strerror(rc)));
}

/* Who asks for figures is answered from now on. */
static int open_watch(struct watch **ret, int metrics_fd, const struct serve_values *values,
		      const struct address *address, struct server *server,
		      const struct service *service)
{
	struct watch_opts opts = {
		.metrics_fd = metrics_fd,
		.provider = values->provider,
		.server = server,
	};

	snprintf(opts.listen, sizeof(opts.listen), address->v6 ? "[%s]:%u" : "%s:%u", address->host,
		 service_port(service));
	return watch_open(ret, &opts);
}

static int serve(const struct serve_values *values, const struct address *address,
		 const sigset_t *set)
{
	struct service *service = NULL;
	struct server *server = NULL;
	struct watch *watch = NULL;
	int metrics_fd, rc, status = 0;

	rc = watch_listen(&metrics_fd, values->metrics_addr);
	if (rc)
		return program_fail(NAME, rc, NULL);
	rc = open_server(&server, values, address);
	if (!rc)
		rc = open_service(&service, values, server);
	if (rc) {
		status = fail(rc);
		server_close(server);
		if (metrics_fd >= 0)
			close(metrics_fd);
		return status;
	}
	rc = open_watch(&watch, metrics_fd, values, address, server, service);
	if (rc)
		status = program_fail(NAME, rc, NULL);
	else if (say_ready(values, address, server, service))
		wait_for_signal(set, server);
	else
		status = program_fail(NAME, -errno, "writing the ready line");
	unblock_signals(set);
	stop(values, server, service);
	watch_close(watch);
	server_close(server);
	service_close(service);
	log_info("stopped");
	return status;
}

int main(int argc, char **argv)
{
	struct address address;
	struct serve_values values;
	struct opt_result result;
	sigset_t set;
	int rc = program_start(&serve_table, argc, argv, &values, &result);

	if (rc != PROGRAM_GO)
		return rc;
	if (values.max_value_mb > values.memory_mb)
		return program_usage(NAME,
				     "--max-value-mb %" PRIu64 " is more than --memory-mb %" PRIu64,
				     values.max_value_mb, values.memory_mb);
	log_init((enum log_level)values.log_level, values.json_log);
	rpc_set_log(grpc_log, NULL);
	rc = address_parse(&address, values.listen_addr);
	if (rc)
		return fail(rc);
	block_signals(&set);
	program_fabric();
	return program_finish(NAME, serve(&values, &address, &set));
}
