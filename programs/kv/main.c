/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include <weft/weft.h>

#include "base/err.h"
#include "base/log.h"
#include "common/program.h"
#include "kv/kv.h"

static const struct opt_row kv_rows[] = {
#define OPT_ROWS struct kv_values
#include "kv/kv.def"
};

static const struct opt_table kv_table = OPT_TABLE(kv_rows, struct kv_values);

struct command {
	const char *name;
	int (*run)(struct weft_kv *kv, const struct kv_values *values);
};

static const struct command commands[] = {
#define OPT_COMMANDS
#define OPT_COMMAND(id) { #id, command_##id },
#include "kv/kv.def"
};

#define COMMAND_COUNT ((int)(sizeof(commands) / sizeof(commands[0])))

struct weft_kv_opts kv_opts(const struct kv_values *values)
{
	return (struct weft_kv_opts){
		.size = sizeof(struct weft_kv_opts),
		.server_addr = values->in_process ? "in-process" : values->server_addr,
		.provider = values->provider,
		.devices = values->devices,
		.device_rdma = values->device_rdma,
		.nics = values->nics ? WEFT_NICS_NEAR : WEFT_NICS_ALL,
		.buffer_bytes = values->buffer_mb << 20,
		.connect_timeout_ns = values->timeout,
		.timeout_ns = values->timeout,
		.local_bytes = values->memory_mb << 20,
		.client_id = values->client_id,
		.control = values->control ? WEFT_KV_GRPC : WEFT_KV_FABRIC,
		.log_level = (int)values->log_level,
		.log = log_text,
	};
}

/* Names and sizes of keys are checked before anything is connected. */
static int check(const char *command, const struct kv_values *values)
{
	bool has_key = !strcmp(command, "put") || !strcmp(command, "get") ||
		       !strcmp(command, "delete") || !strcmp(command, "stat");
	struct key key;

	return has_key ? key_from(&key, values, NULL) : 0;
}

int main(int argc, char **argv)
{
	struct weft_kv *kv = NULL;
	struct weft_kv_opts opts;
	struct kv_values values;
	struct opt_result result;
	int rc = program_start(&kv_table, argc, argv, &values, &result);

	program_fabric();
	if (rc != PROGRAM_GO)
		return rc;
	if (result.command_index < 0 || result.command_index >= COMMAND_COUNT)
		return program_usage(NAME, "a command is missing: see --help");
	signal(SIGPIPE, SIG_IGN);
	log_init((enum log_level)values.log_level, false);
	rc = check(result.command, &values);
	if (rc)
		return rc;
	opts = kv_opts(&values);
	rc = weft_kv_open(&kv, &opts);
	if (rc)
		return program_fail(NAME, rc, "%s", opts.server_addr);
	rc = commands[result.command_index].run(kv, &values);
	weft_kv_close(kv);
	return program_finish(NAME, rc);
}
