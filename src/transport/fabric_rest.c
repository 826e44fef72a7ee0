/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Addresses of peers that both sides have let go of, and that may be met again (FORGET_RESTS).
 *
 * efa's software numbers the messages between two addresses, on either side for as long as it has
 * the other's address, and ignores a message whose number it has had. The two sides do not remove
 * the addresses at one moment, and neither can know when the other is through, so a message that
 * comes in between is lost. So the address stays for a while: who comes back soon, as most do,
 * finds the numbers as they were. After that both sides have long agreed, and both remove it.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "transport/fabric.h"

#define RESTS_SOME 64u

static int make_room(struct port *port)
{
	uint32_t size = port->rests_size ? 2 * port->rests_size : RESTS_SOME;
	struct fabric_rest *rests;

	if (port->rests_head + port->rests_count < port->rests_size)
		return 0;
	if (port->rests_head > port->rests_size / 2) {
		memmove(port->rests, port->rests + port->rests_head,
			port->rests_count * sizeof(port->rests[0]));
		port->rests_head = 0;
		return 0;
	}
	rests = realloc(port->rests, size * sizeof(rests[0]));
	if (!rests)
		return -ENOMEM;
	port->rests = rests;
	port->rests_size = size;
	return 0;
}

void fabric_rest(struct port *port, fi_addr_t dest)
{
	uint64_t until_ns = clock_ns() + port->rest_ns;

	if (make_room(port) || map_put(&port->resting, dest, until_ns)) {
		fabric_remove(port, dest);
		return;
	}
	port->rests[port->rests_head + port->rests_count++] =
		(struct fabric_rest){ .dest = dest, .until_ns = until_ns };
}

void transport_test_rest(struct port *port, uint64_t rest_ns)
{
	port->rest_ns = rest_ns;
}

void fabric_rest_end(struct port *port, fi_addr_t dest)
{
	map_del(&port->resting, dest, NULL);
}

void fabric_rest_expire(struct port *port)
{
	uint64_t now_ns = clock_ns(), until_ns;
	struct fabric_rest *rest;

	while (port->rests_count) {
		rest = &port->rests[port->rests_head];
		if (rest->until_ns > now_ns)
			return;
		port->rests_head++;
		port->rests_count--;
		/* It may be in use again, or rest once more. */
		if (!map_get(&port->resting, rest->dest, &until_ns) || until_ns != rest->until_ns)
			continue;
		map_del(&port->resting, rest->dest, NULL);
		fabric_remove(port, rest->dest);
	}
	port->rests_head = 0;
}
