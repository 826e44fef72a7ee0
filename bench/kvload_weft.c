/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Driver of weft: kv.h's asynchronous calls into and out of memory that is registered once. The
 * library checks each value against its checksum; the driver checks that the checksum is the right
 * one.
 */
#include <errno.h>
#include <stdlib.h>
#include <weft/kv.h>

#include "base/clock.h"
#include "kvload.h"

#define WEFT_WAIT_NS    NSEC_PER_MSEC
#define WEFT_BUFFER_MIN 65536u /* the client's own buffer is not used */

struct weft_load {
	struct weft_kv *kv;
	struct weft_kv_memory *values, *received;
	unsigned char *room; /* a value for each slot */
	struct weft_kv_op *ops[KVLOAD_INFLIGHT_MAX];
};

static int weft_load_memory(struct weft_load *wl, const struct kvload *load)
{
	const uint64_t len = load->opts.inflight * load->opts.size;
	int rc;

	wl->room = malloc(len);
	if (!wl->room)
		return -ENOMEM;
	rc = weft_kv_register(wl->kv, load->values, load->values_len, &wl->values);
	return rc ? rc : weft_kv_register(wl->kv, wl->room, len, &wl->received);
}

static int weft_load_open(struct kvload_client *client)
{
	const struct kvload_opts *opts = &client->load->opts;
	const struct weft_kv_opts kv_opts = {
		.size = sizeof(kv_opts),
		.server_addr = opts->addr,
		.provider = opts->provider,
		.control = opts->control,
		.buffer_bytes = WEFT_BUFFER_MIN,
		.timeout_ns = KVLOAD_TIMEOUT_NS,
	};
	struct weft_load *wl = calloc(1, sizeof(*wl));
	int rc;

	if (!wl)
		return -ENOMEM;
	client->driver = wl;
	rc = weft_kv_open(&wl->kv, &kv_opts);
	return rc ? rc : weft_load_memory(wl, client->load);
}

static void weft_load_close(struct kvload_client *client)
{
	struct weft_load *wl = client->driver;
	uint32_t i;

	if (!wl)
		return;
	for (i = 0; i < KVLOAD_INFLIGHT_MAX; i++)
		weft_kv_op_close(wl->ops[i]);
	weft_kv_close(wl->kv);
	free(wl->room);
	free(wl);
}

static int weft_load_start(struct kvload_client *client, uint32_t slot)
{
	const uint32_t key = client->requests[slot].key;
	const struct kvload *load = client->load;
	struct weft_load *wl = client->driver;
	const uint64_t size = load->opts.size;
	char name[KVLOAD_KEY_MAX];
	size_t len;

	len = kvload_key(name, key);
	if (load->phase == KVLOAD_GET)
		return weft_kv_get_start(wl->kv, name, len, wl->room + slot * size, size, 0,
					 &wl->ops[slot]);
	return weft_kv_put_start(wl->kv, name, len, kvload_value(load, key), size, NULL,
				 &wl->ops[slot]);
}

/* An operation that has ended; -EAGAIN: none. */
static int weft_load_ended(struct weft_load *wl, uint32_t inflight, uint32_t *slot)
{
	uint32_t i;

	for (i = 0; i < inflight; i++) {
		if (wl->ops[i] && weft_kv_op_result(wl->ops[i], NULL) != -EBUSY) {
			*slot = i;
			return 0;
		}
	}
	return -EAGAIN;
}

static int weft_load_check(struct kvload_client *client, uint32_t slot)
{
	const uint32_t key = client->requests[slot].key;
	struct weft_kv_info info = { .size = sizeof(info) };
	const struct kvload *load = client->load;
	struct weft_load *wl = client->driver;
	int rc;

	rc = weft_kv_op_result(wl->ops[slot], &info);
	if (rc)
		return rc;
	weft_kv_op_close(wl->ops[slot]);
	wl->ops[slot] = NULL;
	if (load->phase != KVLOAD_GET)
		return 0;
	if (info.length != load->opts.size || info.checksum != load->hashes[key])
		return err_set(-WEFT_ECHECKSUM, "key %u is another value", key);
	return 0;
}

static int weft_load_take(struct kvload_client *client, uint32_t *slot)
{
	const uint32_t inflight = client->load->opts.inflight;
	struct weft_load *wl = client->driver;
	int rc;

	while (weft_load_ended(wl, inflight, slot)) {
		rc = weft_kv_progress(wl->kv, WEFT_WAIT_NS);
		if (rc < 0)
			return rc;
	}
	return weft_load_check(client, *slot);
}

const struct kvload_driver kvload_weft = {
	.name = "weft",
	.open = weft_load_open,
	.close = weft_load_close,
	.start = weft_load_start,
	.take = weft_load_take,
};
