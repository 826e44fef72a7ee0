/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Limits of the device, at the limit and one past it; capabilities that are off. The errors are
 * those of libefa (providers/efa/verbs.c) and of the EFA driver (efa_verbs.c, efa_com.c).
 */
#include <string.h>

#include "kit.h"

static const struct kit_ep_options plain = { 0 };

/* --- what is created ----------------------------------------------------------------------- */

static struct ibv_qp *qp_like(struct kit_bench *b, const struct kit_ep_options *options)
{
	return kit_qp(&b->nic, b->ep.send_cq, b->ep.recv_cq, options);
}

static void qp_fits(struct kit_bench *b, const struct kit_ep_options *options)
{
	struct ibv_qp *qp = qp_like(b, options);

	check(qp);
	check_int(ibv_destroy_qp(qp), 0);
}

/* The world says max_sq_wr=64 max_rq_wr=128. */
static void qp_sizes(void)
{
	static const struct kit_ep_options small = { .sends = 16, .recvs = 16 };
	struct kit_ep_options o = small;
	struct kit_bench b;

	kit_bench_open(&b, &small);
	check_int(b.nic.efa.max_sq_wr, 64);
	check_int(b.nic.efa.max_rq_wr, 128);
	check_int(b.nic.efa.max_sq_sge, 2);
	check_int(b.nic.efa.max_rq_sge, 3);
	check_int(b.nic.efa.inline_buf_size, 32);
	o.sends = 64;
	qp_fits(&b, &o);
	o.sends = 65;
	check_refused(qp_like(&b, &o), EINVAL);
	o = small;
	o.recvs = 128;
	o.recv_sges = 1;
	qp_fits(&b, &o);
	o.recvs = 129;
	check_refused(qp_like(&b, &o), EINVAL);
	o = small;
	o.send_sges = 3;
	check_refused(qp_like(&b, &o), EINVAL);
	o = small;
	o.recv_sges = 3;
	qp_fits(&b, &o);
	o.recv_sges = 4;
	check_refused(qp_like(&b, &o), EINVAL);
	o = small;
	o.inline_bytes = 33;
	check_refused(qp_like(&b, &o), EINVAL);
	kit_bench_close(&b);
}

static struct ibv_qp *qp_raw(struct kit_bench *b, enum ibv_qp_type type, uint32_t driver_type,
			     uint64_t ops, struct ibv_cq *cq)
{
	struct efadv_qp_init_attr adv = { .driver_qp_type = driver_type };
	struct ibv_qp_init_attr_ex attr = {
		.send_cq = cq,
		.recv_cq = cq,
		.cap = { .max_send_wr = 16,
			 .max_recv_wr = 16,
			 .max_send_sge = 1,
			 .max_recv_sge = 1 },
		.qp_type = type,
		.comp_mask = IBV_QP_INIT_ATTR_PD | IBV_QP_INIT_ATTR_SEND_OPS_FLAGS,
		.pd = b->nic.pd,
		.send_ops_flags = ops,
	};

	if (type == IBV_QPT_DRIVER)
		return efadv_create_qp_ex(b->nic.context, &attr, &adv, sizeof(adv));
	return ibv_create_qp_ex(b->nic.context, &attr);
}

static void qp_kinds(void)
{
	struct ibv_qp_init_attr old = { .cap = { .max_send_wr = 16,
						 .max_recv_wr = 16,
						 .max_send_sge = 1,
						 .max_recv_sge = 1 },
					.qp_type = IBV_QPT_RC };
	struct ibv_qp *qp;
	struct ibv_cq *cq;
	struct kit_bench b;

	kit_bench_open(&b, &plain);
	cq = ibv_cq_ex_to_cq(b.ep.send_cq);
	old.send_cq = old.recv_cq = cq;
	check_refused(qp_raw(&b, IBV_QPT_RC, 0, IBV_QP_EX_WITH_SEND, cq), EOPNOTSUPP);
	check_refused(qp_raw(&b, IBV_QPT_UC, 0, IBV_QP_EX_WITH_SEND, cq), EOPNOTSUPP);
	check_refused(qp_raw(&b, IBV_QPT_DRIVER, 1, IBV_QP_EX_WITH_SEND, cq), EOPNOTSUPP);
	check_refused(qp_raw(&b, IBV_QPT_UD, 0, IBV_QP_EX_WITH_RDMA_READ, cq), EOPNOTSUPP);
	check_refused(qp_raw(&b, IBV_QPT_UD, 0, IBV_QP_EX_WITH_RDMA_WRITE, cq), EOPNOTSUPP);
	check_refused(qp_raw(&b, IBV_QPT_DRIVER, 0, IBV_QP_EX_WITH_ATOMIC_FETCH_AND_ADD, cq),
		      EOPNOTSUPP);
	check_refused(qp_raw(&b, IBV_QPT_DRIVER, 0, IBV_QP_EX_WITH_SEND, NULL), EINVAL);
	check_refused(ibv_create_qp(b.nic.pd, &old), EOPNOTSUPP);
	old.qp_type = IBV_QPT_DRIVER;
	check_refused(efadv_create_driver_qp(b.nic.pd, &old, 1), EOPNOTSUPP);
	qp = efadv_create_driver_qp(b.nic.pd, &old, EFADV_QP_DRIVER_TYPE_SRD);
	check(qp);
	check_int(ibv_destroy_qp(qp), 0);
	old.qp_type = IBV_QPT_UD;
	qp = ibv_create_qp(b.nic.pd, &old);
	check(qp);
	check_int(ibv_destroy_qp(qp), 0);
	check_refused(
		ibv_create_srq(b.nic.pd, &(struct ibv_srq_init_attr){ .attr = { .max_wr = 16,
										.max_sge = 1 } }),
		EOPNOTSUPP);
	kit_bench_close(&b);
}

/* The world says max_qp=4 max_cq=3 max_mr=5 max_ah=3 max_pd=2. */
static void counts(void)
{
	struct kit_area area;
	struct ibv_cq_ex *cq[3];
	struct ibv_mr *mr[5];
	struct ibv_qp *qp[4];
	struct ibv_ah *ah[3];
	struct ibv_ah_attr attr = { .is_global = 1, .port_num = 1 };
	struct ibv_pd *pd;
	struct kit_nic nic;

	kit_nic_open(&nic, 0);
	kit_area_open(&area, 4096);
	for (int round = 0; round < 3; round++) {
		for (int i = 0; i < 3; i++)
			check((cq[i] = kit_cq(&nic, 64, NULL)) != NULL);
		check_refused(kit_cq(&nic, 64, NULL), ENOMEM);
		for (int i = 0; i < 4; i++)
			check((qp[i] = kit_qp(&nic, cq[i % 3], cq[0], &plain)) != NULL);
		check_refused(kit_qp(&nic, cq[0], cq[0], &plain), ENOMEM);
		for (int i = 0; i < 5; i++)
			check((mr[i] = ibv_reg_mr(nic.pd, area.data, 4096, 0)) != NULL);
		check_refused(ibv_reg_mr(nic.pd, area.data, 4096, 0), ENOMEM);
		for (int i = 0; i < 3; i++) {
			kit_host_gid(i, nic.name, &attr.grh.dgid);
			check((ah[i] = ibv_create_ah(nic.pd, &attr)) != NULL);
		}
		kit_host_gid(3, nic.name, &attr.grh.dgid);
		check_refused(ibv_create_ah(nic.pd, &attr), ENOMEM);
		check((pd = ibv_alloc_pd(nic.context)) != NULL);
		check_refused(ibv_alloc_pd(nic.context), ENOMEM);
		check_int(ibv_dealloc_pd(pd), 0);
		for (int i = 0; i < 3; i++)
			check_int(ibv_destroy_ah(ah[i]), 0);
		for (int i = 0; i < 5; i++)
			check_int(ibv_dereg_mr(mr[i]), 0);
		for (int i = 0; i < 4; i++)
			check_int(ibv_destroy_qp(qp[i]), 0);
		for (int i = 0; i < 3; i++)
			check_int(ibv_destroy_cq(ibv_cq_ex_to_cq(cq[i])), 0);
	}
	kit_area_close(&area);
	kit_nic_close(&nic);
}

/* The world says max_cqe=100 max_mr_size=65536. */
static void queue_and_region_sizes(void)
{
	struct ibv_cq_init_attr_ex attr = { .cqe = 16, .wc_flags = ~0ull };
	struct kit_area area;
	struct ibv_cq_ex *cq;
	struct ibv_mr *mr;
	struct kit_nic nic;

	kit_nic_open(&nic, 0);
	check((cq = kit_cq(&nic, 50, NULL)) != NULL);
	check(cq->cqe >= 50);
	check_int(ibv_destroy_cq(ibv_cq_ex_to_cq(cq)), 0);
	/* libefa rounds up to a power of two: 65 would become 128. */
	check_refused(kit_cq(&nic, 65, NULL), EINVAL);
	check_refused(kit_cq(&nic, 101, NULL), EINVAL);
	check_refused(ibv_create_cq_ex(nic.context, &attr), EOPNOTSUPP);
	attr.wc_flags = 0;
	attr.comp_mask = IBV_CQ_INIT_ATTR_MASK_FLAGS;
	attr.flags = IBV_CREATE_CQ_ATTR_IGNORE_OVERRUN;
	check_refused(ibv_create_cq_ex(nic.context, &attr), EOPNOTSUPP);
	kit_area_open(&area, 1 << 17);
	mr = ibv_reg_mr(nic.pd, area.data, 65536, KIT_ACCESS);
	check(mr);
	check_int(ibv_dereg_mr(mr), 0);
	check(!ibv_reg_mr(nic.pd, area.data, 65537, KIT_ACCESS));
	check_refused(ibv_reg_mr(nic.pd, area.data, 4096,
				 IBV_ACCESS_LOCAL_WRITE | IBV_ACCESS_REMOTE_ATOMIC),
		      EOPNOTSUPP);
	kit_area_close(&area);
	kit_nic_close(&nic);
}

/* --- capabilities -------------------------------------------------------------------------- */

static void caps_on(void)
{
	struct ibv_device_attr attr;
	struct ibv_port_attr port;
	struct kit_bench b;

	kit_bench_open(&b, &plain);
	check_int(b.nic.efa.device_caps, 0x1f);
	check_int(b.nic.efa.max_rdma_size, 1 << 30);
	check_int(ibv_query_device(b.nic.context, &attr), 0);
	check_int(attr.vendor_id, 0x1d0f);
	check_int(attr.vendor_part_id, 0xefa1);
	check_int(attr.phys_port_cnt, 1);
	check_int(attr.max_srq, 0);
	check_int(ibv_query_port(b.nic.context, 1, &port), 0);
	check_int(port.state, IBV_PORT_ACTIVE);
	check_int(port.max_msg_sz, 8928);
	check_int(port.gid_tbl_len, 1);
	check_int(port.link_layer, IBV_LINK_LAYER_UNSPECIFIED);
	check(b.nic.context->num_comp_vectors > 1);
	check(ibv_query_port(b.nic.context, 2, &port));
	kit_bench_close(&b);
}

static void refuse_ops(uint32_t caps, uint64_t ops, int access)
{
	struct kit_bench b;

	kit_bench_open(&b, &plain);
	check_int(b.nic.efa.device_caps, caps);
	check_refused(qp_raw(&b, IBV_QPT_DRIVER, 0, ops, ibv_cq_ex_to_cq(b.ep.send_cq)),
		      EOPNOTSUPP);
	check_refused(ibv_reg_mr(b.nic.pd, b.area.data, 4096, IBV_ACCESS_LOCAL_WRITE | access),
		      EOPNOTSUPP);
	kit_bench_close(&b);
}

static void no_read(void)
{
	refuse_ops(0x1e, IBV_QP_EX_WITH_RDMA_READ, IBV_ACCESS_REMOTE_READ);
}

static void no_write(void)
{
	refuse_ops(0x17, IBV_QP_EX_WITH_RDMA_WRITE, IBV_ACCESS_REMOTE_WRITE);
	refuse_ops(0x17, IBV_QP_EX_WITH_RDMA_WRITE_WITH_IMM, IBV_ACCESS_REMOTE_WRITE);
}

static void no_unsolicited(void)
{
	static const struct kit_ep_options unsolicited = { .unsolicited = true };
	struct ibv_cq_init_attr_ex attr = { .cqe = 16 };
	struct efadv_cq_init_attr adv = { .wc_flags = KIT_WC_WITH_IS_UNSOLICITED };
	struct kit_bench b;

	kit_bench_open(&b, &plain);
	check_int(b.nic.efa.device_caps, 0x0f);
	check_refused(kit_qp(&b.nic, b.ep.send_cq, b.ep.recv_cq, &unsolicited), EOPNOTSUPP);
	check_refused(efadv_create_cq(b.nic.context, &attr, &adv, sizeof(adv)), EOPNOTSUPP);
	kit_bench_close(&b);
}

static void no_sgid(void)
{
	struct ibv_cq_init_attr_ex attr = { .cqe = 16 };
	struct efadv_cq_init_attr adv = { .wc_flags = EFADV_WC_EX_WITH_SGID };
	struct kit_bench b;

	kit_bench_open(&b, &plain);
	check_int(b.nic.efa.device_caps, 0x1b);
	check_refused(efadv_create_cq(b.nic.context, &attr, &adv, sizeof(adv)), EOPNOTSUPP);
	kit_bench_close(&b);
}

static void no_channels(void)
{
	struct kit_bench b;

	kit_bench_open(&b, &plain);
	check(b.nic.context->num_comp_vectors <= 1);
	kit_bench_close(&b);
}

/* Structs of other versions: a size too short is refused, unknown bits too. */
static void versions(void)
{
	struct efadv_qp_init_attr adv = { .comp_mask = 1 };
	struct ibv_qp_init_attr_ex attr = { .cap = { .max_send_wr = 16, .max_recv_wr = 16 },
					    .qp_type = IBV_QPT_DRIVER,
					    .comp_mask = IBV_QP_INIT_ATTR_PD };
	struct efadv_device_attr device;
	struct efadv_ah_attr ah;
	struct kit_bench b;

	kit_bench_open(&b, &plain);
	check_int(efadv_query_device(b.nic.context, &device, 8), EINVAL);
	check_int(efadv_query_ah(b.ah, &ah, 8), EINVAL);
	attr.send_cq = attr.recv_cq = ibv_cq_ex_to_cq(b.ep.send_cq);
	attr.pd = b.nic.pd;
	check_refused(efadv_create_qp_ex(b.nic.context, &attr, &adv, sizeof(adv)), EINVAL);
	adv.comp_mask = 0;
	check_refused(efadv_create_qp_ex(b.nic.context, &attr, &adv, 8), EINVAL);
	attr.comp_mask = 0;
	check_refused(efadv_create_qp_ex(b.nic.context, &attr, &adv, sizeof(adv)), EINVAL);
	kit_bench_close(&b);
}

static const struct kit_case cases[] = {
	{ "limits/qp-sizes", qp_sizes, { .device = "max_sq_wr=64 max_rq_wr=128" } },
	{ "limits/qp-kinds", qp_kinds },
	{ "limits/counts",
	  counts,
	  { .hosts = 4, .device = "max_qp=4 max_cq=3 max_mr=5 max_ah=3 max_pd=2" } },
	{ "limits/sizes", queue_and_region_sizes, { .device = "max_cqe=100 max_mr_size=65536" } },
	{ "limits/caps", caps_on },
	{ "limits/no-read", no_read, { .device = "rdma_read=0" } },
	{ "limits/no-write", no_write, { .device = "rdma_write=0" } },
	{ "limits/no-unsolicited", no_unsolicited, { .device = "unsolicited=0" } },
	{ "limits/no-sgid", no_sgid, { .device = "cq_with_sgid=0" } },
	{ "limits/no-channels", no_channels, { .device = "channels=0" } },
	{ "limits/versions", versions },
	{ 0 },
};

int main(int argc, char **argv)
{
	return kit_main(argc, argv, cases);
}
