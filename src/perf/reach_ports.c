/* SPDX-License-Identifier: Apache-2.0 */
#include "perf/reach_ports.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/err.h"
#include "perf/fabric.h"
#include "transport/fabric.h"

#define EVENTS 16

/* One message of a size, from one endpoint on one NIC. */
static struct perf_case case_of(const char *provider, uint64_t size)
{
	struct perf_case c = { .test = PERF_BW,
			       .op = PERF_SEND,
			       .backend = "fabric",
			       .size = size,
			       .window = 1,
			       .threads = 1,
			       .eps = 1,
			       .post_list = 1,
			       .inline_bytes = UINT32_MAX,
			       .iters = 1,
			       .seed = 1 };

	snprintf(c.provider, sizeof(c.provider), "%s", provider);
	return c;
}

int reach_nics(const char *provider, const char *devices, struct reach_nics *ret)
{
	struct perf_case c = case_of(provider, 1);
	struct pfab_choice choice;
	int rc;

	if (strlen(devices) >= sizeof(c.devices))
		return err_set(-EINVAL, "the list of devices is too long");
	strcpy(c.devices, devices);
	rc = pfab_choose(&choice, &c);
	if (rc)
		return rc;
	ret->n = choice.devices < PERF_REACH_NICS ? choice.devices : PERF_REACH_NICS;
	for (uint32_t i = 0; i < ret->n; i++) {
		snprintf(ret->device[i], PERF_NAME_MAX, "%s", pfab_device(choice.device[i]));
		snprintf(ret->nic[i], PERF_NAME_MAX, "%s", pfab_nic(choice.device[i]));
		if (!*ret->nic[i])
			strcpy(ret->nic[i], ret->device[i]);
	}
	pfab_choice_free(&choice);
	return ret->n ? 0 : err_set(-WEFT_ENODEVICE, "%s has no device", provider);
}

/* --- counters ------------------------------------------------------------------------------ */

static bool counter(const struct reach_ports *ports, const char *nic, const char *name,
		    uint64_t *ret)
{
	const char *dirs[] = { "ports/1/hw_counters", "hw_counters" };

	for (int i = 0; i < 2; i++)
		if (!sysroot_number(&ports->root, ret, "/sys/class/infiniband/%s/%s/%s", nic,
				    dirs[i], name))
			return true;
	return false;
}

static void count_before(struct reach_ports *ports, struct reach_port *port)
{
	port->end.counted = 0;
	for (uint32_t i = 0; i < PERF_REACH_COUNTED; i++)
		if (counter(ports, port->end.device, perf_reach_counters[i], &port->before[i]))
			port->end.counted |= 1u << i;
}

void reach_ports_count(struct reach_ports *ports)
{
	struct reach_port *port;
	uint64_t now;

	for (port = ports->port; port < ports->port + ports->pairs; port++)
		for (uint32_t i = 0; i < PERF_REACH_COUNTED; i++) {
			if (!(port->end.counted & 1u << i))
				continue;
			if (!counter(ports, port->end.device, perf_reach_counters[i], &now))
				port->end.counted &= ~(1u << i);
			else
				port->end.grown[i] =
					now > port->before[i] ? now - port->before[i] : 0;
		}
}

/* --- ports --------------------------------------------------------------------------------- */

/* The first failure, which err_set() holds; later ones follow from it. */
static void fail(struct reach_port *port, int rc)
{
	if (port->end.error)
		return;
	port->end.error = rc;
	snprintf(port->end.why, sizeof(port->end.why), "%.*s", (int)sizeof(port->end.why) - 1,
		 weft_error_detail());
}

static void open_port(struct reach_ports *ports, uint32_t pair, const char *device)
{
	struct reach_port *port = &ports->port[pair];
	struct perf_case c = ports->c;
	int rc;

	snprintf(c.devices, sizeof(c.devices), "%s", device);
	rc = perf_fabric.open(&port->port, &c, pair, ports->target);
	if (rc) {
		port->port = NULL;
		fail(port, rc);
	}
}

void reach_ports_add(struct reach_ports *ports, const struct reach_nics *nics, uint32_t pairs)
{
	for (; ports->pairs < pairs; ports->pairs++) {
		const uint32_t nic = ports->pairs % nics->n;

		strcpy(ports->port[ports->pairs].end.device, nics->nic[nic]);
		open_port(ports, ports->pairs, nics->device[nic]);
	}
}

int reach_ports_open(struct reach_ports **ret, const char *provider, const struct reach_nics *nics,
		     uint32_t pairs, bool target)
{
	struct reach_ports *ports = mem_zalloc(sizeof(*ports));
	int rc;

	if (!ports)
		return err_set(-ENOMEM, "no memory for endpoints");
	rc = sysroot_open(&ports->root, NULL, fabric_sysfs());
	if (rc) {
		mem_free(ports);
		return rc;
	}
	ports->c = case_of(provider, REACH_SIZE_MAX);
	ports->target = target;
	reach_ports_add(ports, nics, pairs);
	*ret = ports;
	return 0;
}

void reach_ports_begin(struct reach_ports *ports, uint64_t size, uint64_t wait_ns)
{
	struct reach_port *port;

	/* Late enough for the other side's message to be here first, if it comes at all. */
	ports->speak_ns = clock_ns() + wait_ns / 3;
	for (port = ports->port; port < ports->port + ports->pairs; port++) {
		port->end.sent = port->end.ended = port->end.arrived = port->end.wrong = false;
		if (port->port)
			pfab_resize(port->port, size);
		count_before(ports, port);
	}
}

void reach_ports_close(struct reach_ports *ports)
{
	if (!ports)
		return;
	for (uint32_t i = 0; i < ports->pairs; i++)
		if (ports->port[i].port)
			perf_fabric.close(ports->port[i].port);
	sysroot_close(&ports->root);
	mem_free(ports);
}

int reach_ports_address(struct reach_ports *ports, uint32_t pair, void *ret)
{
	struct reach_port *port = &ports->port[pair];
	int rc;

	if (!port->port)
		return err_set(port->end.error, "%s", port->end.why);
	rc = perf_fabric.address(port->port, ret, PERF_ADDRESS_MAX);
	if (rc < 0)
		fail(port, rc);
	return rc;
}

void reach_ports_meet(struct reach_ports *ports, uint32_t pair, const void *address, size_t len)
{
	struct reach_port *port = &ports->port[pair];
	struct perf_event events[EVENTS];
	int rc;

	if (!port->port || port->met)
		return;
	rc = pfab_meet(port->port, address, len);
	/* libfabric 1.17's efa gives the device its receives with the first poll. Were there none
	 * for the twin's message, an answer that gets lost would decide whether it comes again. */
	if (!rc)
		rc = perf_fabric.poll(port->port, events, EVENTS);
	if (rc > 0)
		rc = 0;
	if (rc)
		fail(port, rc);
	port->met = !rc;
}

/* Connections that two open to each other at once can both be lost over tcp: the one that was
 * asked speaks when it is spoken to, or when nobody does. */
static bool may_speak(const struct reach_ports *ports, const struct reach_port *port)
{
	return !ports->target || port->end.arrived || clock_ns() >= ports->speak_ns;
}

static void take(struct reach_port *port, const struct perf_event *event)
{
	if (event->kind == PERF_DONE) {
		port->end.ended = true;
		return;
	}
	port->end.arrived = true;
	port->end.wrong = !pfab_came_right(port->port);
}

void reach_ports_progress(struct reach_ports *ports)
{
	struct perf_event events[EVENTS];
	struct reach_port *port;
	int rc;

	for (port = ports->port; port < ports->port + ports->pairs; port++) {
		if (!port->met)
			continue;
		if (!port->end.sent && may_speak(ports, port)) {
			rc = perf_fabric.post(port->port, 0, 0, 1);
			if (rc < 0)
				fail(port, rc);
			port->end.sent = rc > 0;
		}
		rc = perf_fabric.poll(port->port, events, EVENTS);
		if (rc < 0)
			fail(port, rc);
		for (int i = 0; i < rc; i++)
			take(port, &events[i]);
	}
}

bool reach_ports_complete(const struct reach_ports *ports)
{
	const struct reach_port *port;

	for (port = ports->port; port < ports->port + ports->pairs; port++)
		if (port->met && (!port->end.arrived || !(port->end.ended || port->end.error)))
			return false;
	return true;
}
