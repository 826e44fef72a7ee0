/* SPDX-License-Identifier: Apache-2.0 */
/* Receives posted. */
#include <errno.h>

#include "emu/qp.h"
#include "emu/srd.h"
#include "emu/verbs.h"

static int post_one(struct emu_qp *qp, const struct ibv_recv_wr *wr)
{
	struct emu_recv receive = { .wr_id = wr->wr_id };
	enum ibv_qp_state state = emu_qp_state(qp);

	if (state == IBV_QPS_RESET || state == IBV_QPS_ERR)
		return EINVAL;
	if (wr->num_sge < 0 || (uint32_t)wr->num_sge > qp->cap.max_recv_sge)
		return EINVAL;
	receive.sges = (uint8_t)wr->num_sge;
	for (int i = 0; i < wr->num_sge; i++)
		receive.sge[i] = wr->sg_list[i];
	return emu_srd_post_recv(qp, &receive);
}

int emu_post_recv(struct ibv_qp *ibv_qp, struct ibv_recv_wr *wr, struct ibv_recv_wr **bad)
{
	struct emu_qp *qp = emu_qp_of(ibv_qp);
	int error;

	for (; wr; wr = wr->next) {
		error = post_one(qp, wr);
		if (error) {
			*bad = wr;
			return error;
		}
	}
	return 0;
}
