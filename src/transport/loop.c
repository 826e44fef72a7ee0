/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The transport inside one process. Operations are carried out by the polling port: a copy under
 * one lock, with the same checks that a NIC makes. A script delays, reorders, fails and loses them.
 *
 * All ports and pins of the process live in one world, guarded by its mutex. Lock order: only this
 * lock, never held while calling out.
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
#include "transport/loop_script.h"
#include "transport/transport.h"

#define LOOP_PORTS_MAX 4096u
#define LOOP_PINS_MAX  1048576u
#define LOOP_IMMS      4096u

struct loop_pin {
	uint8_t *base;
	size_t len;
	uint64_t key;
	uint32_t access;
	uint32_t next_free;
};

struct loop_op {
	struct op op;
	uint64_t due_ns;
	bool fail;
};

struct loop_message {
	uint8_t *data;
	size_t len;
	uint64_t due_ns;
};

struct port {
	struct loop_script script;
	uint64_t id;
	uint64_t random;
	uint64_t counted;
	struct loop_op *ops; /* ring: head, count of script.depth */
	uint32_t op_head, op_count, hung;
	/* Guarded by the world's lock: */
	struct loop_message *inbox; /* ring of inbox_size */
	uint8_t *inbox_data;
	uint32_t inbox_size, inbox_head, inbox_count;
	uint32_t borrowed; /* messages handed out by the last poll */
	uint32_t imms[LOOP_IMMS];
	uint32_t imm_head, imm_count;
	bool armed;    /* the owner may sleep on fd */
	bool signaled; /* fd is readable */
	int fd;
};

static struct {
	pthread_mutex_t lock;
	uint64_t nonce; /* tells this process's addresses from another's */
	struct port *ports[LOOP_PORTS_MAX];
	uint64_t next_id;
	struct loop_pin *pins;
	uint32_t pin_count, pin_room, pin_free; /* pin_free: index + 1 */
} world = { .lock = PTHREAD_MUTEX_INITIALIZER };

struct loop_address {
	uint64_t nonce;
	uint64_t id;
};

static uint64_t random_next(uint64_t *state)
{
	uint64_t z = (*state += 0x9e3779b97f4a7c15ull);

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
	return z ^ (z >> 31);
}

static struct port *port_locked(uint64_t id)
{
	struct port *port = world.ports[id % LOOP_PORTS_MAX];

	return port && port->id == id ? port : NULL;
}

static int join_world(struct port *port)
{
	uint32_t i;
	int rc = -WEFT_ELIMIT;

	pthread_mutex_lock(&world.lock);
	if (!world.nonce && getrandom(&world.nonce, sizeof(world.nonce), 0) != sizeof(world.nonce))
		world.nonce = clock_ns() | 1;
	for (i = 0; i < LOOP_PORTS_MAX && rc; i++) {
		port->id = ++world.next_id;
		if (!world.ports[port->id % LOOP_PORTS_MAX]) {
			world.ports[port->id % LOOP_PORTS_MAX] = port;
			rc = 0;
		}
	}
	pthread_mutex_unlock(&world.lock);
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
	if (port->fd >= 0)
		close(port->fd);
	free(port->inbox_data);
	free(port->inbox);
	free(port->ops);
	free(port);
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
	rc = join_world(port);
	if (rc)
		goto free_port;
	*ret = port;
	return 0;
free_port:
	port_free(port);
	return rc;
}

static void loop_close(struct port *port)
{
	if (!port)
		return;
	pthread_mutex_lock(&world.lock);
	world.ports[port->id % LOOP_PORTS_MAX] = NULL;
	pthread_mutex_unlock(&world.lock);
	port_free(port);
}

static int loop_address(const struct port *port, void *buf, size_t *len)
{
	struct loop_address address = { .nonce = world.nonce, .id = port->id };

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
	pthread_mutex_lock(&world.lock);
	found = address.nonce == world.nonce && port_locked(address.id);
	pthread_mutex_unlock(&world.lock);
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

	if (world.pin_free) {
		*ret = world.pin_free - 1;
		world.pin_free = world.pins[*ret].next_free;
		return 0;
	}
	if (world.pin_count == world.pin_room) {
		room = world.pin_room ? 2 * world.pin_room : 64;
		if (room > LOOP_PINS_MAX)
			return err_set(-WEFT_ELIMIT, "loop: %u registrations", LOOP_PINS_MAX);
		pins = realloc(world.pins, room * sizeof(*pins));
		if (!pins)
			return err_set(-ENOMEM, "out of memory");
		world.pins = pins;
		world.pin_room = room;
	}
	*ret = world.pin_count++;
	return 0;
}

static int loop_pin(struct port *port, void *base, size_t len, uint32_t access, struct pin *ret)
{
	struct loop_pin *pin;
	uint32_t slot = 0;
	int rc;

	pthread_mutex_lock(&world.lock);
	rc = pin_slot_locked(&slot);
	if (rc == 0) {
		pin = &world.pins[slot];
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
	pthread_mutex_unlock(&world.lock);
	return rc;
}

static void loop_unpin(struct port *port, struct pin *pin)
{
	uint32_t slot = (uint32_t)(uintptr_t)pin->handle - 1;

	(void)port;
	if (!pin->handle)
		return;
	pthread_mutex_lock(&world.lock);
	world.pins[slot].base = NULL;
	world.pins[slot].key = UINT64_MAX;
	world.pins[slot].next_free = world.pin_free;
	world.pin_free = slot + 1;
	pthread_mutex_unlock(&world.lock);
	pin->handle = NULL;
}

static uint64_t due(struct port *port)
{
	uint64_t wait_us = port->script.delay_us;

	if (port->script.jitter_us)
		wait_us += random_next(&port->random) % (port->script.jitter_us + 1);
	return wait_us ? clock_ns() + wait_us * NSEC_PER_USEC : 0;
}

static int loop_post(struct port *port, const struct op *op)
{
	struct loop_op *item;
	uint64_t n;

	if (port->op_count + port->hung >= port->script.depth)
		return -EAGAIN;
	n = ++port->counted;
	if (port->script.hang_every && n % port->script.hang_every == 0) {
		port->hung++;
		return 0;
	}
	item = &port->ops[(port->op_head + port->op_count++) % port->script.depth];
	item->op = *op;
	item->due_ns = due(port);
	item->fail = port->script.fail_every && n % port->script.fail_every == 0;
	return 0;
}

static void wake_locked(struct port *port)
{
	uint64_t one = 1;

	if (!port->armed || port->signaled)
		return;
	port->signaled = write(port->fd, &one, sizeof(one)) == sizeof(one);
}

static int loop_send(struct port *port, uint64_t dest, const void *head, size_t head_len,
		     const void *body, size_t len, uint64_t cookie)
{
	struct loop_message *message;
	struct port *target;
	int rc = 1;

	(void)cookie;
	pthread_mutex_lock(&world.lock);
	target = port_locked(dest);
	if (!target) {
		rc = -WEFT_EPEERGONE;
	} else if (target->inbox_count == target->inbox_size) {
		rc = -EAGAIN;
	} else {
		message = &target->inbox[(target->inbox_head + target->inbox_count++) %
					 target->inbox_size];
		memcpy(message->data, head, head_len);
		if (len)
			memcpy(message->data + head_len, body, len);
		message->len = head_len + len;
		message->due_ns = due(port);
		wake_locked(target);
	}
	pthread_mutex_unlock(&world.lock);
	return rc;
}

static int copy_locked(struct port *target, const struct op *op)
{
	uint32_t slot = (uint32_t)op->key;
	struct loop_pin *pin;
	uint32_t need = op->kind == OP_WRITE ? WEFT_REMOTE_WRITE : WEFT_REMOTE_READ;

	if (slot >= world.pin_count || world.pins[slot].key != op->key || !world.pins[slot].base)
		return -WEFT_EREFUSED;
	pin = &world.pins[slot];
	if (!(pin->access & need) || op->remote > pin->len || op->len > pin->len - op->remote)
		return -WEFT_EREFUSED;
	if (op->flags & OP_IMM && target->imm_count == LOOP_IMMS)
		return -EAGAIN;
	if (op->len && op->kind == OP_WRITE)
		memmove(pin->base + op->remote, op->local, op->len);
	else if (op->len)
		memmove(op->local, pin->base + op->remote, op->len);
	if (op->flags & OP_IMM) {
		target->imms[(target->imm_head + target->imm_count++) % LOOP_IMMS] = op->imm;
		wake_locked(target);
	}
	return 0;
}

/* Moves a random one of the first few to the head. */
static void shuffle_ops(struct port *port)
{
	uint64_t among = port->script.reorder;
	struct loop_op *first = &port->ops[port->op_head], *other, swap;

	if (among > port->op_count)
		among = port->op_count;
	if (among < 2)
		return;
	other = &port->ops[(port->op_head + random_next(&port->random) % among) %
			   port->script.depth];
	swap = *first;
	*first = *other;
	*other = swap;
}

static int run_ops_locked(struct port *port, struct event *events, int n, uint64_t now)
{
	struct loop_op *item;
	struct port *target;
	uint32_t left = port->op_count;
	int rc;

	for (; left && n < PORT_EVENTS_MAX; left--) {
		shuffle_ops(port);
		item = &port->ops[port->op_head];
		if (item->due_ns > now)
			break;
		target = port_locked(item->op.dest);
		rc = item->fail ? -WEFT_EPROVIDER
		     : target   ? copy_locked(target, &item->op)
				: -WEFT_EPEERGONE;
		if (rc == -EAGAIN)
			break;
		events[n++] =
			(struct event){ .kind = EVENT_DONE, .error = rc, .ctx = item->op.ctx };
		port->op_head = (port->op_head + 1) % (uint32_t)port->script.depth;
		port->op_count--;
	}
	return n;
}

static int take_inbox_locked(struct port *port, struct event *events, int n, uint64_t now)
{
	struct loop_message *message;

	while (port->imm_count && n < PORT_EVENTS_MAX) {
		events[n++] =
			(struct event){ .kind = EVENT_IMM, .imm = port->imms[port->imm_head] };
		port->imm_head = (port->imm_head + 1) % LOOP_IMMS;
		port->imm_count--;
	}
	while (port->borrowed < port->inbox_count && n < PORT_EVENTS_MAX) {
		message = &port->inbox[(port->inbox_head + port->borrowed) % port->inbox_size];
		if (message->due_ns > now)
			break;
		port->borrowed++;
		events[n++] = (struct event){ .kind = EVENT_RECV,
					      .data = message->data,
					      .len = message->len };
	}
	return n;
}

static int loop_poll(struct port *port, struct event *events)
{
	bool timed = port->script.delay_us || port->script.jitter_us;
	uint64_t now = timed ? clock_ns() : UINT64_MAX, drained;
	int n;

	pthread_mutex_lock(&world.lock);
	port->inbox_head = (port->inbox_head + port->borrowed) % port->inbox_size;
	port->inbox_count -= port->borrowed;
	port->borrowed = 0;
	/* Other ports of the process delay what they send, so its due time counts here too. */
	if (!timed && port->inbox_count)
		now = clock_ns();
	n = take_inbox_locked(port, events, 0, now);
	n = run_ops_locked(port, events, n, now);
	port->armed = false;
	if (port->signaled)
		port->signaled = read(port->fd, &drained, sizeof(drained)) < 0;
	pthread_mutex_unlock(&world.lock);
	return n;
}

static int loop_wait_fd(struct port *port, int *ret_fd)
{
	int rc = 0;

	pthread_mutex_lock(&world.lock);
	if (port->op_count || port->inbox_count || port->imm_count)
		rc = -EAGAIN;
	else
		port->armed = true;
	pthread_mutex_unlock(&world.lock);
	*ret_fd = port->fd;
	return rc;
}

static void loop_limits(const struct port *port, struct port_limits *ret)
{
	memset(ret, 0, sizeof(*ret));
	ret->depth = (uint32_t)port->script.depth;
	ret->inject = PORT_MESSAGE_MAX;
	ret->max_message = UINT64_MAX;
	snprintf(ret->fabric, sizeof(ret->fabric), "process");
	snprintf(ret->device, sizeof(ret->device), "loop");
	snprintf(ret->address, sizeof(ret->address), "loop://%llu", (unsigned long long)port->id);
}

static const char *loop_explain(struct port *port)
{
	(void)port;
	return "loop: refused, gone, or failed by its script";
}

const struct transport transport_loop = {
	.name = "loop",
	.list = loop_list,
	.open = loop_open,
	.close = loop_close,
	.address = loop_address,
	.connect = loop_connect,
	.forget = loop_forget,
	.pin = loop_pin,
	.unpin = loop_unpin,
	.post = loop_post,
	.send = loop_send,
	.poll = loop_poll,
	.wait_fd = loop_wait_fd,
	.limits = loop_limits,
	.explain = loop_explain,
};
