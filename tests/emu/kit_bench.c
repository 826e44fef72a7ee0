/* SPDX-License-Identifier: Apache-2.0 */
/* What most cases begin with: one queue pair for itself, or one and a target. */
#include "kit.h"

void kit_bench_open(struct kit_bench *b, const struct kit_ep_options *options)
{
	kit_nic_open(&b->nic, 0);
	kit_ep_open(&b->ep, &b->nic, options);
	kit_area_open(&b->area, 1 << 20);
	kit_area_register(&b->area, &b->nic, kit_access(&b->nic));
	b->ah = kit_ah(&b->nic, &b->nic.gid);
}

void kit_bench_close(struct kit_bench *b)
{
	check_int(ibv_destroy_ah(b->ah), 0);
	kit_ep_close(&b->ep);
	kit_area_close(&b->area);
	kit_nic_close(&b->nic);
}

struct kit_wr kit_bench_wr(const struct kit_bench *b, enum kit_op op, size_t size)
{
	return (struct kit_wr){ .op = op,
				.id = 1,
				.ah = b->ah,
				.to = &b->ep.address,
				.sge = { kit_sge(&b->area, 0, size) },
				.sges = 1,
				.address = (uintptr_t)b->area.data,
				.rkey = b->area.mr->rkey };
}

void kit_pair_open(struct kit_pair *p, const struct kit_target_options *options, size_t bytes)
{
	kit_target_open(&p->target, options);
	kit_nic_open(&p->nic, 0);
	kit_ep_open(&p->ep, &p->nic, &options->ep);
	kit_area_open(&p->area, bytes);
	kit_area_register(&p->area, &p->nic, kit_access(&p->nic));
	p->ah = kit_ah(&p->nic, &p->target.address.gid);
}

void kit_pair_close_here(struct kit_pair *p)
{
	check_int(ibv_destroy_ah(p->ah), 0);
	kit_ep_close(&p->ep);
	kit_area_close(&p->area);
	kit_nic_close(&p->nic);
}

void kit_pair_close(struct kit_pair *p)
{
	kit_pair_close_here(p);
	kit_target_end(&p->target);
}

struct kit_wr kit_pair_wr(const struct kit_pair *p, enum kit_op op, uint64_t id, size_t offset,
			  size_t size)
{
	return (struct kit_wr){ .op = op,
				.id = id,
				.ah = p->ah,
				.to = &p->target.address,
				.sge = { kit_sge(&p->area, offset, size) },
				.sges = 1,
				.address = (uintptr_t)p->target.area.data,
				.rkey = p->target.rkey };
}
