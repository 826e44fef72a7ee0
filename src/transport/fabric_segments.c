/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Several operations as one. Providers have a cost for each operation, which for tens of KiB is
 * about as much as that of the bytes: a message over tcp, a call of the kernel over shm.
 *
 * Where libfabric takes an operation of several segments on both sides (fi_info says how many),
 * they are posted as one, a joint: its record stands for the contexts of all until it ends.
 *
 * A direct copy of shm is process_vm_readv() or process_vm_writev() inside the post. libfabric
 * makes it so of one remote segment only, and tells the target's queue of each; so copies are made
 * here, by the same call. They have ended by then; what is left to do is to tell so in the next
 * poll.
 */
#include <errno.h>
#include <stdlib.h>
#include <sys/uio.h>

#include "base/err.h"
#include "transport/fabric.h"

/* Copies told in one poll: some of its room is always the queue's, or who copies without end would
 * never hear what peers say. */
#define COPIED_MAX (PORT_EVENTS_MAX / 2)

int fabric_segments_open(struct port *port)
{
	const struct fi_tx_attr *tx = port->info->tx_attr;
	size_t most = tx->iov_limit < tx->rma_iov_limit ? tx->iov_limit : tx->rma_iov_limit;
	uint32_t joints;

	port->segments = 1;
	if (fabric_direct(port) && port->info->domain_attr->mr_mode & FI_MR_VIRT_ADDR) {
		port->copied = calloc(port->direct_size, sizeof(port->copied[0]));
		if (!port->copied)
			return err_set(-ENOMEM, "out of memory");
		port->segments = PORT_SEGMENTS_MAX;
		return 0;
	}
	/* Contexts that are numbers stand for one operation each. */
	if (!port->provider->segments || most < 2 || port->late_errors ||
	    port->provider->errors_repeat)
		return 0;
	joints = (uint32_t)tx->size / 2;
	port->joints = calloc(joints, sizeof(port->joints[0]));
	if (!port->joints)
		return err_set(-ENOMEM, "out of memory for %u joint operations", joints);
	port->joints_size = joints;
	port->segments = most < FABRIC_JOINT_MAX ? (uint32_t)most : FABRIC_JOINT_MAX;
	return 0;
}

void fabric_segments_close(struct port *port)
{
	free(port->joints);
	free(port->copied);
}

/* Anything but all of it is no news of any one segment: they are posted alone, and each meets its
 * own end. */
static int copy_all(struct port *port, const struct op *op, const struct segment *segments,
		    uint32_t count)
{
	struct iovec local[PORT_SEGMENTS_MAX], remote[PORT_SEGMENTS_MAX];
	int pid = fabric_local_pid(port, op->dest);
	size_t total = 0;
	ssize_t done;
	uint32_t i;

	if (!pid)
		return -EOPNOTSUPP;
	if (port->copied_bytes >= FABRIC_COPY_MAX)
		return -EAGAIN;
	for (i = 0; i < count; i++) {
		local[i] = (struct iovec){ segments[i].local, segments[i].len };
		remote[i] =
			(struct iovec){ (void *)(uintptr_t)segments[i].remote, segments[i].len };
		total += segments[i].len;
	}
	if (op->kind == OP_READ)
		done = process_vm_readv(pid, local, count, remote, count, 0);
	else
		done = process_vm_writev(pid, local, count, remote, count, 0);
	if (done < 0 || (size_t)done != total)
		return done < 0 ? fabric_code(errno) : -WEFT_EPROVIDER;
	for (i = 0; i < count; i++)
		port->copied[port->copied_tail++ % port->direct_size] = segments[i].ctx;
	port->copied_bytes += total;
	return 0;
}

int fabric_copy(struct port *port, const struct op *op)
{
	const struct segment segment = {
		.local = op->local, .len = op->len, .remote = op->remote, .ctx = op->ctx
	};

	return port->copied && op->len ? copy_all(port, op, &segment, 1) : -EOPNOTSUPP;
}

int fabric_copied(struct port *port, struct event *events)
{
	int n = 0;

	port->copied_bytes = 0;
	while (port->copied_head != port->copied_tail && n < COPIED_MAX)
		events[n++] = (struct event){
			.kind = EVENT_DONE,
			.ctx = port->copied[port->copied_head++ % port->direct_size],
		};
	return n;
}

static struct fabric_joint *joint_get(struct port *port)
{
	struct fabric_joint *joint = port->joint_free;

	if (joint)
		port->joint_free = joint->next;
	else if (port->joints_used < port->joints_size)
		joint = &port->joints[port->joints_used++];
	return joint;
}

static void joint_put(struct port *port, struct fabric_joint *joint)
{
	joint->next = port->joint_free;
	port->joint_free = joint;
}

int fabric_joint_ended(struct port *port, struct event *events)
{
	struct fabric_joint *joint = (struct fabric_joint *)(void *)events[0].ctx;
	const struct event event = events[0];
	uint32_t i;

	for (i = 0; i < joint->count; i++) {
		events[i] = event;
		events[i].ctx = joint->members[i];
	}
	joint_put(port, joint);
	return (int)joint->count;
}

static int post_joint(struct port *port, const struct op *op, const struct segment *segments,
		      uint32_t count)
{
	struct fi_rma_iov rma[FABRIC_JOINT_MAX];
	struct iovec iov[FABRIC_JOINT_MAX];
	void *desc[FABRIC_JOINT_MAX];
	struct fi_msg_rma msg = {
		.msg_iov = iov,
		.desc = desc,
		.iov_count = count,
		.addr = op->dest,
		.rma_iov = rma,
		.rma_iov_count = count,
	};
	struct fabric_joint *joint = joint_get(port);
	uint64_t flags = FI_COMPLETION;
	ssize_t rc;
	uint32_t i;

	if (!joint)
		return -EAGAIN;
	for (i = 0; i < count; i++) {
		iov[i] = (struct iovec){ segments[i].local, segments[i].len };
		rma[i] = (struct fi_rma_iov){ segments[i].remote, segments[i].len, op->key };
		desc[i] = op->desc;
		joint->members[i] = segments[i].ctx;
	}
	joint->count = count;
	msg.context = &joint->ctx;
	if (op->flags & OP_PLACED)
		flags |= FI_DELIVERY_COMPLETE;
	rc = op->kind == OP_READ ? fi_readmsg(port->ep, &msg, FI_COMPLETION)
				 : fi_writemsg(port->ep, &msg, flags);
	if (rc)
		joint_put(port, joint);
	return rc ? fabric_code((int)rc) : 0;
}

int fabric_post_all(struct port *port, const struct op *op, const struct segment *segments,
		    uint32_t count)
{
	if (port->local && fabric_local_gone(port, op->dest))
		return -WEFT_EPEERGONE;
	if (op->flags & OP_DIRECT && port->copied)
		return copy_all(port, op, segments, count);
	return port->joints ? post_joint(port, op, segments, count) : -EOPNOTSUPP;
}
