/* SPDX-License-Identifier: Apache-2.0 */
/* Life of a libfabric port: one domain, endpoint, completion queue, event queue, address vector. */
#include "transport/fabric.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>

#include "base/err.h"

static int open_cq(struct port *port)
{
	struct fi_cq_attr attr = {
		.size = port->info->tx_attr->size + port->info->rx_attr->size,
		.format = FI_CQ_FORMAT_DATA,
		.wait_obj = FI_WAIT_FD,
	};
	int rc = -FI_ENOSYS;

	port->fd = -1;
	if (port->provider->has_wait_fd)
		rc = fi_cq_open(port->domain, &attr, &port->cq, NULL);
	if (rc == 0 && fi_control(&port->cq->fid, FI_GETWAIT, &port->fd) == 0)
		return 0;
	if (rc == 0)
		fi_close(&port->cq->fid);
	port->fd = -1;
	attr.wait_obj = FI_WAIT_NONE;
	rc = fi_cq_open(port->domain, &attr, &port->cq, NULL);
	return rc ? fabric_failed(port, rc, "fi_cq_open") : 0;
}

static int open_ep(struct port *port)
{
	int rc;

	rc = fi_endpoint(port->domain, port->info, &port->ep, NULL);
	if (rc)
		return fabric_failed(port, rc, "fi_endpoint");
	rc = fi_ep_bind(port->ep, &port->eq->fid, 0);
	if (!rc)
		rc = fi_ep_bind(port->ep, &port->av->fid, 0);
	if (!rc)
		rc = fi_ep_bind(port->ep, &port->cq->fid, FI_TRANSMIT | FI_RECV);
	if (rc)
		fabric_failed(port, rc, "fi_ep_bind");
	else
		fabric_gpus(port);
	if (rc == 0 && (rc = fi_enable(port->ep)) != 0)
		fabric_failed(port, rc, "fi_enable");
	if (rc == 0)
		fabric_find_rdma(port);
	port->late_errors =
		port->provider->errors_repeat && !(port->info->mode & (FI_CONTEXT | FI_CONTEXT2));
	if (rc)
		fi_close(&port->ep->fid);
	return rc ? (rc == -FI_ENOMEM ? -ENOMEM : -WEFT_EPROVIDER) : 0;
}

static int open_objects(struct port *port)
{
	struct fi_eq_attr eq_attr = { .size = 64, .wait_obj = FI_WAIT_NONE };
	struct fi_av_attr av_attr = { .type = FI_AV_UNSPEC };
	int rc;

	rc = fi_fabric(port->info->fabric_attr, &port->fabric, NULL);
	if (rc)
		return fabric_failed(port, rc, "fi_fabric");
	rc = fi_eq_open(port->fabric, &eq_attr, &port->eq, NULL);
	if (rc) {
		fabric_failed(port, rc, "fi_eq_open");
		goto close_fabric;
	}
	rc = fi_domain(port->fabric, port->info, &port->domain, NULL);
	if (rc) {
		fabric_failed(port, rc, "fi_domain");
		goto close_eq;
	}
	rc = open_cq(port);
	if (rc)
		goto close_domain;
	rc = fi_av_open(port->domain, &av_attr, &port->av, NULL);
	if (rc) {
		fabric_failed(port, rc, "fi_av_open");
		goto close_cq;
	}
	rc = open_ep(port);
	/* A dead process with our id may have left the name taken. libfabric has removed one such
	 * segment itself by now, and failed all the same. */
	if (rc && port->provider->host_local) {
		fabric_local_sweep();
		rc = open_ep(port);
	}
	if (rc)
		goto close_av;
	return 0;
close_av:
	fi_close(&port->av->fid);
close_cq:
	fi_close(&port->cq->fid);
close_domain:
	fi_close(&port->domain->fid);
close_eq:
	fi_close(&port->eq->fid);
close_fabric:
	fi_close(&port->fabric->fid);
	return rc == -FI_ENOMEM || rc == -ENOMEM ? -ENOMEM : -WEFT_EPROVIDER;
}

/* The endpoint goes first: only that frees operations in flight. The queue follows at once, never
 * read again: reading tcp's after the endpoint is gone crashes. */
static void close_ep(struct port *port)
{
	if (!port->ep)
		return;
	fi_close(&port->ep->fid);
	fi_close(&port->cq->fid);
	port->ep = NULL;
}

static void close_objects(struct port *port)
{
	close_ep(port);
	fi_close(&port->av->fid);
	if (port->buffers_mr)
		fi_close(&port->buffers_mr->fid);
	fi_close(&port->domain->fid);
	fi_close(&port->eq->fid);
	fi_close(&port->fabric->fid);
}

static int open_buffers(struct port *port, uint32_t receive_buffers)
{
	uint32_t count, i;
	int rc;

	port->rx_count = receive_buffers;
	if (port->rx_count > port->info->rx_attr->size)
		port->rx_count = (uint32_t)port->info->rx_attr->size;
	port->tx_count = FABRIC_TX_MESSAGES;
	count = port->rx_count + port->tx_count;
	port->rx = calloc(count, sizeof(*port->rx));
	if (!port->rx)
		return err_set(-ENOMEM, "out of memory for %u message slots", count);
	port->tx = port->rx + port->rx_count;
	port->direct_size = 1;
	while (port->direct_size < port->info->tx_attr->size)
		port->direct_size *= 2;
	port->direct = calloc(port->direct_size, sizeof(port->direct[0]));
	if (!port->direct) {
		rc = err_set(-ENOMEM, "out of memory");
		goto free_slots;
	}
	port->buffers_len = (size_t)count * PORT_MESSAGE_MAX;
	port->buffers = mmap(NULL, port->buffers_len, PROT_READ | PROT_WRITE,
			     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (port->buffers == MAP_FAILED) {
		rc = err_set(-ENOMEM, "out of memory for %zu bytes of message buffers",
			     port->buffers_len);
		goto free_slots;
	}
	if (port->info->domain_attr->mr_mode & FI_MR_LOCAL) {
		rc = fi_mr_reg(port->domain, port->buffers, port->buffers_len, FI_SEND | FI_RECV, 0,
			       port->next_key++, 0, &port->buffers_mr, NULL);
		if (rc) {
			rc = fabric_failed(port, rc, "fi_mr_reg of message buffers");
			goto unmap_buffers;
		}
		port->buffers_desc = fi_mr_desc(port->buffers_mr);
	}
	for (i = 0; i < count; i++)
		port->rx[i].data = port->buffers + (size_t)i * PORT_MESSAGE_MAX;
	for (i = 0; i < port->tx_count; i++) {
		port->tx[i].next = port->tx_free;
		port->tx_free = &port->tx[i];
	}
	return 0;
unmap_buffers:
	munmap(port->buffers, port->buffers_len);
free_slots:
	free(port->direct);
	free(port->rx);
	return rc;
}

static int post_receives(struct port *port)
{
	uint32_t i;
	int rc;

	for (i = 0; i < port->rx_count; i++) {
		rc = fabric_recv_post(port, &port->rx[i]);
		if (rc == -FI_EAGAIN && i >= 16) { /* the provider takes no more at a time */
			port->rx_count = i;
			break;
		}
		if (rc)
			return fabric_failed(port, rc, "fi_recv");
	}
	return 0;
}

/* FI_HMEM is asked for where a GPU may be, and gone without where that finds nothing: which devices
 * there are does not depend on it. */
static int open_info(struct port *port, const struct port_opts *opts)
{
	port->gpus_asked = opts->gpus;
	if (opts->gpus && opts->provider->reaches_gpus &&
	    fabric_getinfo(opts->provider, opts->device, opts->bind_addr, true, &port->info) == 0)
		return 0;
	return fabric_getinfo(opts->provider, opts->device, opts->bind_addr, false, &port->info);
}

static void fabric_close(struct port *port);

static int fabric_open(struct port **ret, const struct port_opts *opts)
{
	struct port *port = calloc(1, sizeof(*port));
	int rc;

	if (!port)
		return err_set(-ENOMEM, "out of memory");
	port->provider = opts->provider;
	port->log = opts->log;
	port->log_ctx = opts->log_ctx;
	port->log_level = opts->log_level;
	port->rest_ns = FABRIC_REST_NS;
	if (getrandom(&port->next_key, sizeof(port->next_key), 0) != sizeof(port->next_key))
		port->next_key = (uintptr_t)port;
	rc = map_init(&port->newest, SIZE_MAX);
	if (!rc)
		rc = map_init(&port->users, SIZE_MAX);
	if (!rc)
		rc = map_init(&port->resting, SIZE_MAX);
	if (rc) {
		free(port);
		return err_set(rc, "out of memory");
	}
	rc = open_info(port, opts);
	if (rc)
		goto free_port;
	port->inject = opts->provider->inject_silent ? 0 : port->info->tx_attr->inject_size;
	rc = open_objects(port);
	if (rc)
		goto free_info;
	rc = open_buffers(port, opts->receive_buffers);
	if (rc)
		goto close_objects;
	port->keeps_pins = fabric_keeps_pins(port);
	rc = fabric_segments_open(port);
	if (!rc)
		rc = post_receives(port);
	if (!rc)
		rc = fabric_local_open(port);
	if (rc)
		goto close_buffers;
	rc = fabric_sockets_open(port);
	if (rc) {
		fabric_close(port);
		return rc;
	}
	*ret = port;
	return 0;
close_buffers:
	close_objects(port);
	munmap(port->buffers, port->buffers_len);
	fabric_segments_close(port);
	free(port->direct);
	free(port->rx);
	goto free_info;
close_objects:
	close_objects(port);
free_info:
	fi_freeinfo(port->info);
free_port:
	map_fini(&port->newest);
	map_fini(&port->users);
	map_fini(&port->resting);
	free(port->rests);
	free(port);
	return rc;
}

static void destroy(struct port *port)
{
	fabric_guard_drop(port);
	if (port->local)
		fabric_local_keep_segment(port, true);
	close_objects(port);
	if (port->local)
		fabric_local_keep_segment(port, false);
	if (port->buffers)
		munmap(port->buffers, port->buffers_len);
	fabric_segments_close(port);
	free(port->direct);
	free(port->rx);
	fi_freeinfo(port->info);
	free(port->local);
	free(port->sockets);
	map_fini(&port->newest);
	map_fini(&port->users);
	map_fini(&port->resting);
	free(port->rests);
	free(port);
}

/* Closing an endpoint, efa goes on serving its peers until its own operations have ended; a packet
 * for memory that is not registered any more would crash it. Devices would refuse what peers still
 * do, where it is this end that goes. */
static void fabric_shut(struct port *port)
{
	if (!port->local)
		close_ep(port);
}

static void fabric_close(struct port *port)
{
	if (!port)
		return;
	if (port->local) {
		munmap(port->buffers, port->buffers_len); /* nothing polls: nothing uses them */
		port->buffers = NULL;
		fabric_local_close(port);
	} else {
		destroy(port);
	}
	while ((port = fabric_local_next_unused()))
		destroy(port);
}

static int fabric_address(const struct port *port, void *buf, size_t *len)
{
	int rc = fi_getname(&port->ep->fid, buf, len);

	return rc ? fabric_failed(port, rc, "fi_getname") : 0;
}

const struct transport transport_fabric = {
	.name = "fabric",
	.list = fabric_list,
	.open = fabric_open,
	.shut = fabric_shut,
	.close = fabric_close,
	.address = fabric_address,
	.connect = fabric_connect,
	.forget = fabric_forget,
	.addresses = fabric_addresses,
	.pin = fabric_pin,
	.pin_gpu = fabric_pin_gpu,
	.unpin = fabric_unpin,
	.post = fabric_post,
	.post_all = fabric_post_all,
	.send = fabric_send,
	.poll = fabric_poll,
	.wait_fd = fabric_wait_fd,
	.limits = fabric_limits,
	.explain = fabric_explain,
};
