/* SPDX-License-Identifier: Apache-2.0 */
/* Exported functions that <infiniband/efadv.h> of rdma-core 44 does not declare; abi.h has what
 * their structs hold. */
#ifndef EMU_EFADV_H
#define EMU_EFADV_H

#include <infiniband/efadv.h>

struct efadv_cq_attr;
struct efadv_mr_attr;
struct efadv_qp;
struct efadv_rq_depth_attr;
struct efadv_sq_depth_attr;
struct efadv_wq_attr;

/* 0 or errno. */
int efadv_query_mr(struct ibv_mr *mr, struct efadv_mr_attr *attr, uint32_t inlen);
int efadv_query_cq(struct ibv_cq *cq, struct efadv_cq_attr *attr, uint32_t inlen);
int efadv_query_qp_wqs(struct ibv_qp *qp, struct efadv_wq_attr *sq_attr,
		       struct efadv_wq_attr *rq_attr, uint32_t inlen);

/* A depth, or -errno. */
int efadv_get_max_sq_depth(struct ibv_context *context, struct efadv_sq_depth_attr *attr,
			   uint32_t inlen);
int efadv_get_max_rq_depth(struct ibv_context *context, struct efadv_rq_depth_attr *attr,
			   uint32_t inlen);

struct efadv_qp *efadv_qp_from_ibv_qp_ex(struct ibv_qp_ex *qp);

#endif
