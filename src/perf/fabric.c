/* SPDX-License-Identifier: Apache-2.0 */
/* The back end over libfabric: life of a port, what it knows at the end, and registrations. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/clock.h"
#include "base/err.h"
#include "perf/content.h"
#include "perf/fabric.h"

static struct pfab_port *port_of(struct perf_port *port)
{
	return (struct pfab_port *)(void *)port;
}

static void pfab_close(struct perf_port *perf_port)
{
	struct pfab_port *port = port_of(perf_port);

	if (!port)
		return;
	pfab_close_objects(port);
	pfab_choice_free(&port->choice);
	free(port->ep);
	free(port);
}

static int pfab_open(struct perf_port **ret, const struct perf_case *c, uint32_t index, bool target)
{
	struct pfab_port *port = calloc(1, sizeof(*port));
	int rc;

	if (!port)
		return err_set(-ENOMEM, "out of memory");
	port->port.backend = &perf_fabric;
	port->copy = *c;
	port->c = &port->copy;
	port->index = index;
	port->target = target;
	/* It may keep the provider's name, which has to live as long as the port. */
	rc = pfab_choose(&port->choice, port->c);
	if (rc) {
		free(port);
		return rc;
	}
	rc = pfab_limits_check(&port->choice, c);
	if (rc)
		goto free_choice;
	port->flags = pfab_flags(&port->choice, c);
	port->ep = calloc(c->eps, sizeof(*port->ep));
	if (!port->ep) {
		rc = err_set(-ENOMEM, "out of memory");
		goto free_choice;
	}
	rc = pfab_open_objects(port);
	if (rc) {
		pfab_close(&port->port);
		return rc;
	}
	*ret = &port->port;
	return 0;
free_choice:
	pfab_choice_free(&port->choice);
	free(port);
	return rc;
}

/* --- what it knows at the end -------------------------------------------------------------- */

static void wrong(struct pfab_port *port, uint32_t ep, uint32_t slot, const char *what)
{
	port->wrong = true;
	snprintf(port->why, sizeof(port->why), "endpoint %u on %s, buffer %u: %s", ep,
		 pfab_device(port->ep[ep].rail->info), slot, what);
}

/* Of an endpoint's operations at least so many have brought content here. */
static uint64_t expected(const struct pfab_port *port, const struct pfab_ep *ep)
{
	uint64_t n = port->c->op == PERF_READ    ? ep->done
		     : port->c->op == PERF_WRITE ? 0
						 : ep->taken;

	return n < port->source_slots ? n : port->source_slots;
}

/* Content of WRITEs and READs. Messages were looked at as they came. */
static void check_content(struct pfab_port *port)
{
	const struct perf_case *c = port->c;
	const bool comes =
		c->op == PERF_READ ? !port->target || c->bidir : port->target || c->bidir;
	uint32_t touched, bad, i;
	uint64_t all = 0;

	if (c->test == PERF_REG)
		return;
	for (i = 0; i < c->eps && !port->wrong; i++) {
		if (!content_check_slots(
			    port->ep[i].sinks, c->size, port->stride, port->source_slots, c->seed,
			    content_key(!port->target, port->index, i), &touched, &bad))
			wrong(port, i, bad, "wrong content");
		else if (touched < expected(port, &port->ep[i]))
			wrong(port, i, touched, "nothing came");
		all += touched;
	}
	/* A WRITE tells the target nothing of its own, but some there must have been. */
	if (comes && !all && !port->wrong)
		wrong(port, 0, 0, "nothing came");
}

/* "efa rdmap0s6-rdm x2, efa rdmap1s6-rdm x2" */
static void name_ways(const struct pfab_port *port, char *text, size_t room)
{
	const struct pfab_rail *rail;
	size_t used = 0;

	text[0] = '\0';
	for (rail = port->rail; rail < port->rail + port->rails && used < room; rail++) {
		used += (size_t)snprintf(text + used, room - used, "%s%s %s", used ? ", " : "",
					 port->choice.row.name, pfab_device(rail->info));
		if (rail->eps > 1 && used < room)
			used += (size_t)snprintf(text + used, room - used, " x%u", rail->eps);
	}
}

static void pfab_facts(struct perf_port *perf_port, struct perf_facts *ret)
{
	struct pfab_port *port = port_of(perf_port);

	memset(ret, 0, sizeof(*ret));
	name_ways(port, ret->ways, sizeof(ret->ways));
	ret->bytes_landed = port->landed;
	if (port->c->validate && port->c->op != PERF_SEND)
		check_content(port);
	ret->wrong = port->wrong;
	if (port->wrong)
		err_set(-WEFT_ECHECKSUM, "%s", port->why);
}

/* --- registrations ------------------------------------------------------------------------- */

/* The pages are there before: what is timed is pinning and telling the device. */
static int pfab_reg(struct perf_port *perf_port, uint64_t len, uint64_t *ret_reg_ns,
		    uint64_t *ret_dereg_ns)
{
	struct pfab_port *port = port_of(perf_port);
	const struct pfab_rail *rail = &port->rail[0];
	uint64_t start, middle;
	struct fid_mr *mr;
	void *memory;
	int rc;

	rc = content_map(&memory, len, "to register");
	if (rc)
		return rc;
	start = clock_ns();
	/* Where the application chooses keys: none of the port's own. */
	rc = pfab_register(rail, memory, len, 1ull << 32 | port->index, "to register", &mr);
	middle = clock_ns();
	if (rc) {
		munmap(memory, len);
		return rc;
	}
	*ret_reg_ns = middle - start;
	middle = clock_ns();
	rc = fi_close(&mr->fid);
	*ret_dereg_ns = clock_ns() - middle;
	munmap(memory, len);
	return rc ? pfab_failed(rail->info, "fi_close of a registration", rc) : 0;
}

const struct perf_backend perf_fabric = {
	.name = "fabric",
	.summary = "libfabric: any provider, no engine between",
	.layer = "libfabric",
	.tests = (1u << PERF_TESTS) - 1,
	.ops = (1u << PERF_OPS) - 1,
	.limits = pfab_limits,
	.open = pfab_open,
	.address = pfab_address,
	.connect = pfab_connect,
	.post = pfab_post,
	.poll = pfab_poll,
	.facts = pfab_facts,
	.reg = pfab_reg,
	.close = pfab_close,
};
