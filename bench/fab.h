/* SPDX-License-Identifier: Apache-2.0 */
/* One libfabric RDM endpoint with its queues, one registered buffer and one peer. */
#ifndef WEFT_BENCH_FAB_H
#define WEFT_BENCH_FAB_H

#include <rdma/fabric.h>
#include <rdma/fi_cm.h>
#include <rdma/fi_domain.h>
#include <rdma/fi_endpoint.h>
#include <rdma/fi_rma.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "pair.h"

/* Stores what failed and libfabric's text of rc; returns a code for it. */
int fab_fail(const char *what, int rc);

struct fab_opts {
	const char *provider;   /* "tcp", "shm" or a libfabric name */
	bool delivery_complete; /* completions mean "placed at the target", else the provider's
				   default */
	bool virt_addr;         /* accept FI_MR_VIRT_ADDR: shm then copies by itself where it may */
};

struct fab {
	struct fi_info *info;
	struct fid_fabric *fabric;
	struct fid_eq *eq;
	struct fid_domain *domain;
	struct fid_av *av;
	struct fid_cq *cq;
	struct fid_ep *ep;
	struct fid_mr *mr;
	unsigned char *buf;
	size_t len;
	void *desc;
	fi_addr_t peer;
	uint64_t remote_base, remote_key;
};

/* Opens an endpoint with a registered buffer of len bytes. */
int fab_open(struct fab *fab, const struct fab_opts *opts, size_t len);
void fab_close(struct fab *fab);
/* Swaps addresses and keys with the other process. */
int fab_connect(struct fab *fab, struct pair *pair);
/* Takes the error entry of the completion queue; returns its code with the provider's text. */

int fab_cq_error(struct fab *fab);

#endif /* WEFT_BENCH_FAB_H */
