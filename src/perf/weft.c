/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Life of a port, and how twins meet. An address is bytes from the network, numbers little endian:
 *
 *   "WPW" and the version (1 byte); operation (1), 0 (1), endpoints (2); slots of each (4); what
 *   the immediate has to be (4); size of an operation (8); then the region's descriptor, which the
 *   engine checks
 */
#include "perf/weft.h"

#include <endian.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/clock.h"
#include "base/err.h"
#include "perf/content.h"

#define MAGIC   "WPW"
#define VERSION 1
/* As for perf_fabric: all endpoints together, unless one operation each needs more. */
#define MEMORY_MAX (256ull << 20)
#define ALIGN      64u
/* The session keeps the deadline. */
#define CONNECT_NS (3600 * NSEC_PER_SEC)

struct head {
	char magic[3];
	uint8_t version;
	uint8_t op;
	uint8_t zero;
	uint16_t eps;
	uint32_t slots;
	uint32_t imm;
	uint64_t size;
};

_Static_assert(sizeof(struct head) == 24, "the bytes that travel");

static struct pweft_port *port_of(struct perf_port *port)
{
	return (struct pweft_port *)(void *)port;
}

/* --- open and close ------------------------------------------------------------------------ */

static int check_case(const struct perf_case *c)
{
	if (c->op == PERF_SEND && c->size > WEFT_NOTIFY_MAX)
		return err_set(-EINVAL, "size %llu: a message has at most %u bytes",
			       (unsigned long long)c->size, WEFT_NOTIFY_MAX);
	if (c->size == 0 || c->window == 0 || c->window > PERF_WINDOW_MAX || c->eps == 0 ||
	    c->eps > PERF_EPS_MAX || c->post_list == 0)
		return err_set(-EINVAL, "size %llu, window %u, eps %u, post list %u",
			       (unsigned long long)c->size, c->window, c->eps, c->post_list);
	if (c->inline_bytes != UINT32_MAX && c->inline_bytes != 0)
		return err_set(-EINVAL, "inline %u: the engine chooses that itself",
			       c->inline_bytes);
	return 0;
}

static int open_engine(struct pweft_port *port, uint32_t rails)
{
	const struct weft_opts opts = {
		.size = sizeof(opts),
		.provider = *port->c.provider ? port->c.provider : NULL,
		.devices = *port->c.devices ? port->c.devices : NULL,
		.rails = rails,
		.progress = WEFT_PROGRESS_MANUAL,
		.peer_window = port->room > 256 ? port->room : 256,
		.connect_timeout_ns = CONNECT_NS,
		.on_message = pweft_message,
		.ctx = port,
	};

	return weft_open(&port->weft, &opts);
}

static int open_memory(struct pweft_port *port)
{
	uint32_t ep, slot;
	uint64_t slots;
	void *memory;
	int rc;

	port->stride = (port->c.size + ALIGN - 1) / ALIGN * ALIGN;
	slots = MEMORY_MAX / port->stride / port->c.eps;
	slots = slots == 0 ? 1 : slots < port->c.window ? slots : port->c.window;
	port->slots = (uint32_t)slots;
	port->len = pweft_source(port, port->c.eps, 0);
	rc = content_map(&memory, port->len, "of buffers");
	if (rc)
		return rc;
	port->memory = memory;
	for (ep = 0; ep < port->c.eps; ep++)
		for (slot = 0; slot < port->slots; slot++)
			content_fill(port->memory + pweft_source(port, ep, slot), port->c.size,
				     port->c.seed, content_key(port->target, port->index, ep),
				     slot);
	return weft_register(port->weft, memory, port->len, WEFT_REMOTE_READ | WEFT_REMOTE_WRITE,
			     &port->region);
}

static int open_queues(struct pweft_port *port)
{
	port->ended_tail = &port->ended;
	if (port->c.op == PERF_SEND)
		port->sent = calloc(port->room, sizeof(*port->sent));
	else
		port->batches = calloc(port->room, sizeof(*port->batches));
	return port->sent || port->batches ? 0 : err_set(-ENOMEM, "out of memory");
}

/* The engine goes with all that is its own; nothing touches the memory afterwards. */
static void pweft_close(struct perf_port *perf_port)
{
	struct pweft_port *port = port_of(perf_port);

	if (!port)
		return;
	weft_close(port->weft);
	if (port->memory)
		munmap(port->memory, port->len);
	free(port->batches);
	free(port->sent);
	free(port);
}

static int pweft_open(struct perf_port **ret, const struct perf_case *c, uint32_t index,
		      bool target)
{
	struct pweft_port *port;
	uint32_t rails;
	int rc = check_case(c);

	if (!rc)
		rc = pweft_find(c, &rails);
	if (rc)
		return rc;
	port = calloc(1, sizeof(*port));
	if (!port)
		return err_set(-ENOMEM, "out of memory");
	port->port.backend = &perf_weft;
	port->c = *c;
	port->index = index;
	port->target = target;
	port->room = c->eps * c->window;
	rc = open_queues(port);
	if (!rc)
		rc = open_engine(port, rails);
	if (!rc)
		rc = open_memory(port);
	if (!rc)
		rc = weft_arrival_open(port->weft, &port->arrival);
	if (rc) {
		pweft_close(&port->port);
		return rc;
	}
	*ret = &port->port;
	return 0;
}

/* --- twins meet ---------------------------------------------------------------------------- */

static int pweft_address(struct perf_port *perf_port, void *buf, size_t room)
{
	struct pweft_port *port = port_of(perf_port);
	const struct head head = {
		.magic = MAGIC,
		.version = VERSION,
		.op = (uint8_t)port->c.op,
		.eps = htole16((uint16_t)port->c.eps),
		.slots = htole32(port->slots),
		.imm = htole32(weft_arrival_imm(port->arrival)),
		.size = htole64(port->c.size),
	};
	size_t len = room - sizeof(head);
	int rc;

	if (room < sizeof(head))
		return err_set(-EMSGSIZE, "no room for an address");
	memcpy(buf, &head, sizeof(head));
	rc = weft_export(port->region, (unsigned char *)buf + sizeof(head), &len);
	return rc ? rc : (int)(sizeof(head) + len);
}

static int take(struct pweft_port *port, const void *address, size_t len)
{
	struct head head;
	int rc;

	if (len < sizeof(head))
		return err_set(-WEFT_EMESSAGE, "the twin's address is cut off");
	memcpy(&head, address, sizeof(head));
	if (memcmp(head.magic, MAGIC, sizeof(head.magic)) != 0)
		return err_set(-WEFT_EMESSAGE, "the twin's address is none of this back end");
	if (head.version != VERSION)
		return err_set(-WEFT_EVERSION, "the twin's address has version %u, this is %u",
			       head.version, VERSION);
	if (head.op != port->c.op || le16toh(head.eps) != port->c.eps ||
	    le32toh(head.slots) != port->slots || le64toh(head.size) != port->c.size)
		return err_set(-WEFT_EMESSAGE, "the twin measures another case");
	rc = weft_import(port->weft, (const unsigned char *)address + sizeof(head),
			 len - sizeof(head), &port->remote);
	if (rc)
		return rc;
	if (weft_remote_length(port->remote) != port->len)
		return err_set(-WEFT_EMESSAGE, "the twin measures another case");
	port->imm = le32toh(head.imm);
	port->peer = weft_remote_peer(port->remote);
	return 0;
}

/* Both are done when each knows that the other one has imported its region: until then the other
 * needs this side's polls. */
static int pweft_connect(struct perf_port *perf_port, const void *address, size_t len)
{
	struct pweft_port *port = port_of(perf_port);
	int rc = port->remote ? 0 : take(port, address, len);

	if (rc)
		return rc;
	rc = weft_progress(port->weft, 0);
	if (rc < 0)
		return rc;
	rc = weft_remote_status(port->remote);
	if (rc == -EINPROGRESS)
		return -EAGAIN;
	if (!rc && !port->said_hello)
		rc = pweft_say_hello(port);
	if (rc)
		return rc;
	return port->heard_hello ? 0 : -EAGAIN;
}

/* --- what it knows at the end -------------------------------------------------------------- */

static void check_content(struct pweft_port *port)
{
	const struct perf_case *c = &port->c;
	const bool comes =
		c->op == PERF_READ ? !port->target || c->bidir : port->target || c->bidir;
	uint32_t touched, bad, ep;
	uint64_t all = 0;
	bool right = true;

	for (ep = 0; ep < c->eps && right; ep++) {
		right = content_check_slots(
			port->memory + pweft_sink(port, ep, 0), c->size, port->stride, port->slots,
			c->seed, content_key(!port->target, port->index, ep), &touched, &bad);
		all += touched;
	}
	if (!right)
		snprintf(port->why, sizeof(port->why), "window %u, buffer %u: wrong content",
			 ep - 1, bad);
	else if (comes && !all)
		snprintf(port->why, sizeof(port->why), "nothing came");
	port->wrong = port->wrong || *port->why;
}

static void pweft_facts(struct perf_port *perf_port, struct perf_facts *ret)
{
	struct pweft_port *port = port_of(perf_port);
	struct weft_peer_info info = { .size = sizeof(info) };
	struct weft_path_info path = { .size = sizeof(path) };
	size_t used = 0;
	uint32_t i;

	memset(ret, 0, sizeof(*ret));
	if (port->peer && weft_peer_info(port->peer, &info) == 0)
		for (i = 0; i < info.rails && used < sizeof(ret->ways); i++)
			if (weft_peer_path(port->peer, i, &path) == 0)
				used += (size_t)snprintf(ret->ways + used, sizeof(ret->ways) - used,
							 "%s%s %s", used ? ", " : "", info.provider,
							 path.device);
	ret->bytes_landed = (port->c.op == PERF_READ ? port->done : port->told) * port->c.size;
	if (port->c.validate && port->c.op != PERF_SEND && port->c.test != PERF_REG)
		check_content(port);
	ret->wrong = port->wrong;
	if (port->wrong)
		err_set(-WEFT_ECHECKSUM, "%s", port->why);
}

/* --- registrations ------------------------------------------------------------------------- */

static int pweft_reg(struct perf_port *perf_port, uint64_t len, uint64_t *ret_reg_ns,
		     uint64_t *ret_dereg_ns)
{
	struct pweft_port *port = port_of(perf_port);
	struct weft_region *region;
	uint64_t start, middle;
	void *memory;
	int rc;

	rc = content_map(&memory, len, "to register");
	if (rc)
		return rc;
	start = clock_ns();
	rc = weft_register(port->weft, memory, len, WEFT_REMOTE_READ | WEFT_REMOTE_WRITE, &region);
	middle = clock_ns();
	if (rc == 0) {
		*ret_reg_ns = middle - start;
		middle = clock_ns();
		rc = weft_unregister(region, NSEC_PER_SEC);
		*ret_dereg_ns = clock_ns() - middle;
	}
	if (rc != -WEFT_ENOTQUIET)
		munmap(memory, len);
	return rc;
}

const struct perf_backend perf_weft = {
	.name = "weft",
	.summary = "weft's engine, over any of its providers",
	.layer = "weft engine",
	.tests = (1u << PERF_TESTS) - 1,
	.ops = (1u << PERF_OPS) - 1,
	.limits = pweft_limits,
	.open = pweft_open,
	.address = pweft_address,
	.connect = pweft_connect,
	.post = pweft_post,
	.poll = pweft_poll,
	.facts = pweft_facts,
	.reg = pweft_reg,
	.close = pweft_close,
};
