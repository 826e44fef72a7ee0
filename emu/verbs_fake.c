/* SPDX-License-Identifier: Apache-2.0 */
#include "emu/verbs_fake.h"

#include <unistd.h>

#include "emu/fault.h"

struct emu_model fake_model;
struct emu_nic fake_nic;
struct ibv_context *fake_context;
struct ibv_pd *fake_pd;
struct emu_ah fake_ah;
struct emu_wr posted[MANY];
struct emu_recv received[MANY];
uint32_t posts, receives, changes;
_Atomic uint32_t engine_polls, engine_arms, async_errors;
int refuse;
bool lose, direct;
uint32_t direct_frees, direct_resets;
void (*on_poll)(void);

static struct emu_world world;
static struct emu_nic_shared nic_shared;
static struct emu_context context;
static struct emu_pd pd;

/* --- what other parts give ----------------------------------------------------------------- */

int emu_command(struct emu_nic *nic, int error)
{
	emu_count(nic, EMU_COUNT_submitted_cmds, 1);
	return error;
}

int emu_begin(struct emu_nic *nic, enum emu_call call)
{
	(void)nic;
	(void)call;
	return refuse;
}

int emu_done(struct emu_nic *nic, enum emu_call call, int error)
{
	(void)call;
	return emu_command(nic, error);
}

void *emu_failed(struct emu_nic *nic, enum emu_call call, int error)
{
	errno = emu_done(nic, call, error);
	return NULL;
}

void emu_context_put(struct emu_context *gone)
{
	atomic_fetch_sub(&gone->objects, 1);
}

void emu_async_cq(struct emu_cq *cq)
{
	(void)cq;
	atomic_fetch_add(&async_errors, 1);
}

void emu_async_forget_cq(struct emu_cq *cq)
{
	(void)cq;
}

bool emu_fault_cq_overflow(struct emu_world_shared *shared, uint32_t host, uint32_t nic,
			   uint32_t qpn, uint64_t now)
{
	(void)shared;
	(void)host;
	(void)nic;
	(void)qpn;
	(void)now;
	return lose;
}

/* --- the recording data path --------------------------------------------------------------- */

int emu_srd_create(struct emu_qp *qp)
{
	static uint32_t number;

	qp->ex.qp_base.qp_num = EMU_QPN(1, number++ % EMU_QPS);
	return 0;
}

void emu_srd_destroy(struct emu_qp *qp)
{
	(void)qp;
}

int emu_srd_post(struct emu_qp *qp, const struct emu_wr *requests, uint32_t count, uint32_t *bad)
{
	int error = 0;

	pthread_mutex_lock(&qp->lock);
	for (uint32_t i = 0; i < count && !error; i++) {
		if (atomic_load(&qp->sq_used) >= qp->cap.max_send_wr) {
			*bad = i;
			error = ENOMEM;
			break;
		}
		atomic_fetch_add(&qp->sq_used, 1);
		posted[posts++ % MANY] = requests[i];
	}
	pthread_mutex_unlock(&qp->lock);
	return error;
}

int emu_srd_post_recv(struct emu_qp *qp, const struct emu_recv *receive)
{
	int error = 0;

	pthread_mutex_lock(&qp->lock);
	if (atomic_load(&qp->rq_used) >= qp->cap.max_recv_wr) {
		error = ENOMEM;
	} else {
		atomic_fetch_add(&qp->rq_used, 1);
		received[receives++ % MANY] = *receive;
	}
	pthread_mutex_unlock(&qp->lock);
	return error;
}

void emu_srd_state_changed(struct emu_qp *qp)
{
	changes++;
	if (qp->state == IBV_QPS_RESET) {
		atomic_store(&qp->sq_used, 0);
		atomic_store(&qp->rq_used, 0);
	}
}

void emu_engine_poll(struct emu_nic *nic)
{
	(void)nic;
	atomic_fetch_add(&engine_polls, 1);
	if (on_poll)
		on_poll();
}

void emu_engine_armed(struct emu_nic *nic)
{
	(void)nic;
	atomic_fetch_add(&engine_arms, 1);
}

/* --- queues that programs drive ------------------------------------------------------------ */

static const struct emu_direct_queue mapped = { (uint8_t *)&world,          32, 64,
						(uint32_t *)(void *)&world, 16, 1 };

int emu_direct_qp(struct emu_qp *qp, struct emu_direct_queue *sq, struct emu_direct_queue *rq)
{
	(void)qp;
	if (!direct)
		return EOPNOTSUPP;
	*sq = *rq = mapped;
	rq->entries = 128;
	return 0;
}

void emu_direct_qp_free(struct emu_qp *qp)
{
	(void)qp;
	direct_frees++;
}

void emu_direct_qp_reset(struct emu_qp *qp)
{
	(void)qp;
	direct_resets++;
}

int emu_direct_cq(struct emu_cq *cq, struct emu_direct_queue *ret)
{
	(void)cq;
	if (!direct)
		return EOPNOTSUPP;
	*ret = mapped;
	return 0;
}

void emu_direct_cq_free(struct emu_cq *cq)
{
	(void)cq;
	direct_frees++;
}

/* Says that the program asked through the doorbell. */
bool emu_direct_cq_push(struct emu_cq *cq, const struct emu_cqe *cqe)
{
	(void)cq;
	(void)cqe;
	return true;
}

/* --- objects ------------------------------------------------------------------------------- */

static void defaults(struct emu_model *model)
{
#define EMU_MODEL(id, name, value, low, high, unit, source, help) model->id = (value);
#include "emu/efa.def"
#undef EMU_MODEL
}

int fake_setup(void **state)
{
	(void)state;
	defaults(&fake_model);
	memset(&fake_nic, 0, sizeof(fake_nic));
	memset(&context, 0, sizeof(context));
	memset(&pd, 0, sizeof(pd));
	strcpy(nic_shared.name, "rdmap0s6");
	fake_nic.shared = &nic_shared;
	fake_nic.model = &fake_model;
	fake_nic.world = &world;
	context.nic = &fake_nic;
	context.verbs.context.num_comp_vectors = 8;
	context.verbs.context.ops = (struct ibv_context_ops){
		.poll_cq = emu_poll_cq,
		.req_notify_cq = emu_req_notify_cq,
		.post_send = emu_post_send,
		.post_recv = emu_post_recv,
	};
	fake_context = &context.verbs.context;
	pd.pd.context = fake_context;
	pd.nic = &fake_nic;
	fake_pd = &pd.pd;
	memset(fake_ah.gid, 0xfe, sizeof(fake_ah.gid));
	fake_ah.number = 7;
	posts = receives = changes = 0;
	engine_polls = engine_arms = async_errors = 0;
	refuse = 0;
	lose = direct = false;
	direct_frees = direct_resets = 0;
	on_poll = NULL;
	return 0;
}

int fake_teardown(void **state)
{
	(void)state;
	assert_int_equal(context.objects, 0);
	assert_int_equal(pd.objects, 0);
	assert_int_equal(fake_nic.cqs, 0);
	return 0;
}

struct ibv_cq_ex *make_cq(uint32_t cqe, uint64_t wc_flags, struct ibv_comp_channel *channel)
{
	struct ibv_cq_init_attr_ex attr = { .cqe = cqe, .wc_flags = wc_flags, .channel = channel };
	struct ibv_cq_ex *cq = emu_create_cq_ex(fake_context, &attr);

	assert_non_null(cq);
	return cq;
}

struct ibv_qp *make_qp(struct ibv_cq_ex *cq, uint32_t depth)
{
	struct ibv_qp_init_attr_ex attr = {
		.qp_type = IBV_QPT_DRIVER,
		.comp_mask = IBV_QP_INIT_ATTR_PD | IBV_QP_INIT_ATTR_SEND_OPS_FLAGS,
		.pd = fake_pd,
		.send_cq = ibv_cq_ex_to_cq(cq),
		.recv_cq = ibv_cq_ex_to_cq(cq),
		.cap = { depth, depth, 2, 1, 32 },
		.send_ops_flags = IBV_QP_EX_WITH_SEND | IBV_QP_EX_WITH_SEND_WITH_IMM |
				  IBV_QP_EX_WITH_RDMA_READ | IBV_QP_EX_WITH_RDMA_WRITE |
				  IBV_QP_EX_WITH_RDMA_WRITE_WITH_IMM,
	};
	struct emu_abi_qp_init_attr efa = { 0 };
	struct ibv_qp *qp = emu_qp_create(fake_context, &attr, &efa);

	assert_non_null(qp);
	return qp;
}

void to_state(struct ibv_qp *qp, enum ibv_qp_state state)
{
	static const int masks[] = {
		[IBV_QPS_INIT] = IBV_QP_STATE | IBV_QP_PKEY_INDEX | IBV_QP_PORT | IBV_QP_QKEY,
		[IBV_QPS_RTR] = IBV_QP_STATE,
		[IBV_QPS_RTS] = IBV_QP_STATE | IBV_QP_SQ_PSN,
	};
	struct ibv_qp_attr attr = { .port_num = 1, .qkey = 0x1234 };

	for (enum ibv_qp_state next = IBV_QPS_INIT; next <= state; next++) {
		attr.qp_state = next;
		assert_int_equal(ibv_modify_qp(qp, &attr, masks[next]), 0);
	}
}

struct emu_cqe completion(struct ibv_qp *qp, uint64_t wr_id)
{
	return (struct emu_cqe){
		.wr_id = wr_id,
		.qp = emu_qp_of(qp),
		.opcode = IBV_WC_SEND,
		.qpn = qp->qp_num,
		.ahn = EMU_AH_UNKNOWN,
	};
}

void deadline(unsigned int seconds)
{
	alarm(seconds);
}
