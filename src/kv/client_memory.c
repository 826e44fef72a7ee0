/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "kv/client_int.h"

#define MEMORY_ACCESS (WEFT_REMOTE_READ | WEFT_REMOTE_WRITE)
#define ROOM_STEP_NS  (10 * NSEC_PER_MSEC) /* between two looks at what the server confirmed */

static bool within(const void *base, size_t room, const void *data, size_t len, uint64_t *ret)
{
	uintptr_t start = (uintptr_t)base, at = (uintptr_t)data;

	if (at < start || at - start > room || len > room - (at - start))
		return false;
	*ret = at - start;
	return true;
}

bool memory_find(const struct weft_kv *kv, const void *data, size_t len, struct place *ret)
{
	uint32_t i;

	if (within(kv->buffer.base, kv->arena.length, data, len, &ret->offset)) {
		ret->region = 0;
		return true;
	}
	for (i = 1; i < WIRE_REGIONS; i++) {
		if (!kv->memories[i] ||
		    !within(kv->memories[i]->base, kv->memories[i]->len, data, len, &ret->offset))
			continue;
		ret->region = i;
		return true;
	}
	return false;
}

/* --- registered memory ---------------------------------------------------------------------------
 */

/* Tells the server of a memory, or that it is no more. */
static int tell(struct weft_kv *kv, uint8_t kind, uint32_t index, const void *data, size_t len)
{
	struct op_args args = {
		.msg = { .kind = kind, .region = index, .data = data, .data_len = len },
	};
	struct weft_kv_op *op;
	int rc = op_start(kv, &args, &op);

	if (rc)
		return rc;
	rc = op_finish(op);
	op_close(op);
	return rc;
}

static int attach(struct weft_kv_memory *memory)
{
	struct weft_kv *kv = memory->kv;
	uint8_t descriptor[WIRE_DESCRIPTOR_MAX];
	size_t len = sizeof(descriptor);
	int rc;

	rc = weft_register(kv->weft, memory->base, memory->len, MEMORY_ACCESS, &memory->region);
	if (rc)
		return rc;
	rc = weft_export(memory->region, descriptor, &len);
	if (!rc)
		rc = tell(kv, WIRE_ATTACH, memory->index, descriptor, len);
	return rc;
}

int weft_kv_register(struct weft_kv *kv, void *base, size_t len, struct weft_kv_memory **ret)
{
	struct weft_kv_memory *memory;
	uint32_t i = 1;
	int rc;
	CANCEL_HELD;

	if (!base || !len)
		return err_set(-EINVAL, "memory of %zu bytes", len);
	rc = client_ensure(kv);
	if (rc)
		return rc;
	while (i < WIRE_REGIONS && kv->memories[i])
		i++;
	if (i == WIRE_REGIONS)
		return err_set(-WEFT_ELIMIT, "%u memories are registered", WIRE_REGIONS - 1);
	memory = mem_zalloc(sizeof(*memory));
	if (!memory)
		return -ENOMEM;
	*memory = (struct weft_kv_memory){ .kv = kv, .base = base, .len = len, .index = i };
	rc = attach(memory);
	if (rc) {
		if (memory->region)
			(void)weft_unregister(memory->region, kv->opts.timeout_ns);
		mem_free(memory);
		return rc;
	}
	kv->memories[i] = memory;
	*ret = memory;
	return 0;
}

int weft_kv_unregister(struct weft_kv_memory *memory, uint64_t timeout_ns)
{
	struct weft_kv *kv = memory->kv;
	int rc = 0;
	CANCEL_HELD;

	if (fork_refuses())
		return fork_refused();
	if (kv->weft && !atomic_load(&kv->lost))
		(void)tell(kv, WIRE_DETACH, memory->index, NULL, 0);
	if (kv->weft && memory->region)
		rc = weft_unregister(memory->region, timeout_ns);
	if (rc)
		return rc;
	kv->memories[memory->index] = NULL;
	mem_free(memory);
	return 0;
}

int memories_connect(struct weft_kv *kv)
{
	uint32_t i;
	int rc;

	for (i = 1; i < WIRE_REGIONS; i++) {
		rc = kv->memories[i] ? attach(kv->memories[i]) : 0;
		if (rc)
			return rc;
	}
	return 0;
}

void memories_disconnect(struct weft_kv *kv)
{
	uint32_t i;

	for (i = 1; i < WIRE_REGIONS; i++)
		if (kv->memories[i])
			kv->memories[i]->region = NULL;
}

void memories_fini(struct weft_kv *kv)
{
	uint32_t i;

	for (i = 1; i < WIRE_REGIONS; i++)
		mem_free(kv->memories[i]);
}

/* --- the buffer ----------------------------------------------------------------------------------
 */

int client_wait_room(struct weft_kv *kv, size_t len)
{
	uint64_t until_ns = clock_deadline(clock_ns(), kv->opts.timeout_ns), now_ns;

	if (len > kv->arena.length)
		len = kv->arena.length;
	while (kv->quarantine_count && arena_largest(&kv->arena) < len) {
		now_ns = clock_ns();
		if (now_ns >= until_ns)
			return err_set(
				-WEFT_EDEADLINE,
				"the server has not confirmed the end of %u requests that timed "
				"out, and they hold the client's buffer",
				kv->quarantine_count);
		client_progress(kv, until_ns - now_ns < ROOM_STEP_NS ? until_ns - now_ns
								     : ROOM_STEP_NS);
	}
	return 0;
}

int weft_kv_buffer_get(struct weft_kv *kv, size_t len, void **ret)
{
	size_t offset;
	int rc = arena_get(&kv->arena, len, &offset);

	if (rc)
		return err_set(rc,
			       "%zu bytes of the client's buffer; the largest free part has %zu",
			       len, arena_largest(&kv->arena));
	*ret = (uint8_t *)kv->buffer.base + offset;
	return 0;
}

void weft_kv_buffer_put(struct weft_kv *kv, void *data)
{
	if (data)
		arena_put(&kv->arena, (size_t)((uint8_t *)data - (uint8_t *)kv->buffer.base));
}
