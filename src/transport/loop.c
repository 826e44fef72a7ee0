/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The transport inside one process. Operations are carried out by the polling port: a copy under
 * one lock, with the same checks that a NIC makes. A script delays, reorders, fails and loses them.
 */
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/random.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/random.h"
#include "transport/loop.h"

#define LOOP_PINS_MAX 1048576u

struct loop_world loop_world = { .lock = PTHREAD_MUTEX_INITIALIZER };

struct loop_address {
	uint64_t nonce;
	uint64_t id;
};

struct port *loop_port_locked(uint64_t id)
{
	struct port *port = loop_world.ports[id % LOOP_PORTS_MAX];

	return port && port->id == id ? port : NULL;
}

static int join_world(struct port *port)
{
	uint32_t i;
	int rc = -WEFT_ELIMIT;

	pthread_mutex_lock(&loop_world.lock);
	if (!loop_world.nonce &&
	    getrandom(&loop_world.nonce, sizeof(loop_world.nonce), 0) != sizeof(loop_world.nonce))
		loop_world.nonce = clock_ns() | 1;
	for (i = 0; i < LOOP_PORTS_MAX && rc; i++) {
		port->id = ++loop_world.next_id;
		if (!loop_world.ports[port->id % LOOP_PORTS_MAX]) {
			loop_world.ports[port->id % LOOP_PORTS_MAX] = port;
			rc = 0;
		}
	}
	pthread_mutex_unlock(&loop_world.lock);
	return rc ? err_set(rc, "loop: %u ports are open", LOOP_PORTS_MAX) : 0;
}

static int loop_list(const struct provider *provider, const char *bind_addr,
		     struct port_device *devices, int max)
{
	(void)provider;
	(void)bind_addr;
	if (max > 0) {
		memset(&devices[0], 0, sizeof(devices[0]));
		snprintf(devices[0].device, sizeof(devices[0].device), "loop");
		snprintf(devices[0].fabric, sizeof(devices[0].fabric), "process");
	}
	return 1;
}

static void port_free(struct port *port)
{
	loop_forget_lost(&port->lost);
	loop_forget_lost(&port->told);
	if (port->fd >= 0)
		close(port->fd);
	free(port->inbox_data);
	free(port->inbox);
	free(port->segments);
	free(port->ops);
	free(port);
}

static int open_segments(struct port *port)
{
	uint64_t each = port->script.segments, i;

	if (each == 1)
		return 0;
	port->segments = calloc(port->script.depth * each, sizeof(*port->segments));
	if (!port->segments)
		return err_set(-ENOMEM, "out of memory");
	for (i = 0; i < port->script.depth; i++)
		port->ops[i].segments = port->segments + i * each;
	return 0;
}

static int loop_open(struct port **ret, const struct port_opts *opts)
{
	struct port *port = calloc(1, sizeof(*port));
	uint32_t i;
	int rc;

	if (!port)
		return err_set(-ENOMEM, "out of memory");
	port->fd = -1;
	rc = loop_script_parse(&port->script, opts->device);
	if (rc)
		goto free_port;
	port->random = port->script.seed;
	port->inbox_size = opts->receive_buffers;
	port->ops = calloc(port->script.depth, sizeof(*port->ops));
	port->inbox = calloc(port->inbox_size, sizeof(*port->inbox));
	port->inbox_data = calloc(port->inbox_size, PORT_MESSAGE_MAX);
	port->fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (!port->ops || !port->inbox || !port->inbox_data || port->fd < 0) {
		rc = err_set(-ENOMEM, "loop: out of memory or descriptors");
		goto free_port;
	}
	for (i = 0; i < port->inbox_size; i++)
		port->inbox[i].data = port->inbox_data + (size_t)i * PORT_MESSAGE_MAX;
	rc = open_segments(port);
	if (!rc)
		rc = join_world(port);
	if (rc)
		goto free_port;
	*ret = port;
	return 0;
free_port:
	port_free(port);
	return rc;
}

static void loop_shut(struct port *port)
{
	pthread_mutex_lock(&loop_world.lock);
	if (loop_port_locked(port->id))
		loop_world.ports[port->id % LOOP_PORTS_MAX] = NULL;
	pthread_mutex_unlock(&loop_world.lock);
}

static void loop_close(struct port *port)
{
	if (!port)
		return;
	loop_shut(port);
	port_free(port);
}

static int loop_address(const struct port *port, void *buf, size_t *len)
{
	struct loop_address address = { .nonce = loop_world.nonce, .id = port->id };

	if (*len < sizeof(address))
		return -EMSGSIZE;
	memcpy(buf, &address, sizeof(address));
	*len = sizeof(address);
	return 0;
}

static int loop_connect(struct port *port, const void *addr, size_t len, uint64_t *ret_dest)
{
	struct loop_address address;
	bool found;

	(void)port;
	if (len != sizeof(address))
		return err_set(-WEFT_EDESCRIPTOR, "loop: address has %zu bytes", len);
	memcpy(&address, addr, sizeof(address));
	pthread_mutex_lock(&loop_world.lock);
	found = address.nonce == loop_world.nonce && loop_port_locked(address.id);
	pthread_mutex_unlock(&loop_world.lock);
	if (!found)
		return err_set(-WEFT_EPEERGONE, "loop: no such port in this process");
	*ret_dest = address.id;
	return 0;
}

static void loop_forget(struct port *port, uint64_t dest, enum port_forget why)
{
	(void)port;
	(void)dest;
	(void)why;
}

static int pin_slot_locked(uint32_t *ret)
{
	struct loop_pin *pins;
	uint32_t room;

	if (loop_world.pin_free) {
		*ret = loop_world.pin_free - 1;
		loop_world.pin_free = loop_world.pins[*ret].next_free;
		return 0;
	}
	if (loop_world.pin_count == loop_world.pin_room) {
		room = loop_world.pin_room ? 2 * loop_world.pin_room : 64;
		if (room > LOOP_PINS_MAX)
			return err_set(-WEFT_ELIMIT, "loop: %u registrations", LOOP_PINS_MAX);
		pins = realloc(loop_world.pins, room * sizeof(*pins));
		if (!pins)
			return err_set(-ENOMEM, "out of memory");
		loop_world.pins = pins;
		loop_world.pin_room = room;
	}
	*ret = loop_world.pin_count++;
	return 0;
}

static int loop_pin(struct port *port, void *base, size_t len, uint32_t access, struct pin *ret)
{
	struct loop_pin *pin;
	uint32_t slot = 0;
	int rc;

	pthread_mutex_lock(&loop_world.lock);
	rc = pin_slot_locked(&slot);
	if (rc == 0) {
		pin = &loop_world.pins[slot];
		pin->base = base;
		pin->len = len;
		pin->access = access;
		/* Low half: where it stands. High half: this use of it. */
		pin->key = (random_next(&port->random) << 32 | slot);
		ret->handle = (void *)(uintptr_t)(slot + 1);
		ret->desc = NULL;
		ret->key = pin->key;
		ret->base = 0;
	}
	pthread_mutex_unlock(&loop_world.lock);
	return rc;
}

static void loop_unpin(struct port *port, struct pin *pin)
{
	uint32_t slot = (uint32_t)(uintptr_t)pin->handle - 1;

	(void)port;
	if (!pin->handle)
		return;
	pthread_mutex_lock(&loop_world.lock);
	loop_world.pins[slot].base = NULL;
	loop_world.pins[slot].key = UINT64_MAX;
	loop_world.pins[slot].next_free = loop_world.pin_free;
	loop_world.pin_free = slot + 1;
	pthread_mutex_unlock(&loop_world.lock);
	pin->handle = NULL;
}

static void loop_limits(const struct port *port, struct port_limits *ret)
{
	memset(ret, 0, sizeof(*ret));
	ret->depth = (uint32_t)port->script.depth;
	ret->inject = PORT_MESSAGE_MAX;
	ret->max_message = UINT64_MAX;
	ret->segments = (uint32_t)port->script.segments;
	ret->write_by = ret->read_by = WEFT_RDMA_MEMORY;
	ret->late_errors = port->script.late_every != 0;
	ret->no_gpus = "a processor copies";
	snprintf(ret->fabric, sizeof(ret->fabric), "process");
	snprintf(ret->device, sizeof(ret->device), "loop");
	snprintf(ret->address, sizeof(ret->address), "loop://%llu", (unsigned long long)port->id);
}

static const char *loop_explain(struct port *port)
{
	return port->broken ? "loop: broken by its script"
			    : "loop: refused, gone, or failed by its script";
}

const struct transport transport_loop = {
	.name = "loop",
	.list = loop_list,
	.open = loop_open,
	.shut = loop_shut,
	.close = loop_close,
	.address = loop_address,
	.connect = loop_connect,
	.forget = loop_forget,
	.pin = loop_pin,
	.unpin = loop_unpin,
	.post = loop_post,
	.post_all = loop_post_all,
	.send = loop_send,
	.poll = loop_poll,
	.wait_fd = loop_wait_fd,
	.limits = loop_limits,
	.explain = loop_explain,
};
