/* SPDX-License-Identifier: Apache-2.0 */
#include "emu/direct_fake.h"

#include <pthread.h>
#include <sched.h>
#include <sys/eventfd.h>

#include "emu/srd.h"

/* --- the recording engine ------------------------------------------------------------------ */

struct emu_wr posted[MANY];
struct emu_recv received[MANY];
struct emu_cqe pushed[MANY];
uint32_t posts, receives, pushes, room, state_changes, polled_qps;
bool told; /* of the last push */
bool echo; /* requests complete at once */

uint32_t channel_events; /* pushes that told the channel */
int channel_fd = -1;

int emu_srd_post(struct emu_qp *qp, const struct emu_wr *requests, uint32_t count, uint32_t *bad)
{
	for (uint32_t i = 0; i < count; i++) {
		if (!room) {
			*bad = i;
			return ENOMEM;
		}
		room--;
		posted[__atomic_fetch_add(&posts, 1, __ATOMIC_RELAXED) % MANY] = requests[i];
		atomic_fetch_add(&qp->sq_used, 1);
		if (echo) {
			room++;
			emu_cq_push(qp->send_cq, &(struct emu_cqe){ .wr_id = requests[i].wr_id,
								    .qp = qp,
								    .opcode = IBV_WC_SEND,
								    .qpn = qp->ex.qp_base.qp_num });
		}
	}
	return 0;
}

int emu_srd_post_recv(struct emu_qp *qp, const struct emu_recv *receive)
{
	if (!room)
		return ENOMEM;
	room--;
	received[receives++ % MANY] = *receive;
	atomic_fetch_add(&qp->rq_used, 1);
	return 0;
}

void emu_srd_state_changed(struct emu_qp *qp)
{
	assert_int_equal(qp->state, IBV_QPS_ERR);
	state_changes++;
}

void emu_engine_poll_direct(struct emu_qp *qp)
{
	assert_non_null(qp->direct);
	polled_qps++;
}

void emu_cq_push(struct emu_cq *cq, const struct emu_cqe *cqe)
{
	pthread_spin_lock(&cq->lock);
	if (cq->direct) {
		told = emu_direct_cq_push(cq, cqe);
		if (told && channel_fd >= 0) {
			channel_events++;
			eventfd_write(channel_fd, 1);
		}
	}
	pushed[pushes++ % MANY] = *cqe;
	pthread_spin_unlock(&cq->lock);
}

/* --- one queue pair and its completion queue ----------------------------------------------- */

struct emu_model model;
struct emu_nic nic;
struct emu_qp test_qp;
struct emu_cq test_cq;
struct emu_channel channel;
struct emu_direct_queue sq, rq, cqq;
uint16_t sq_pc, rq_pc; /* the program's counters */

int setup(void **state)
{
	static struct emu_ah_entry ahs[AHN + 1];

	(void)state;
	model = (struct emu_model){
		.direct = 1,
		.mtu = 8928,
		.max_sq_sge = 2,
		.max_rdma_sge = 1,
		.max_rq_sge = 3,
		.max_rdma_size = 1 << 30,
		.rdma_read = 1,
		.rdma_write = 1,
	};
	memset(ahs, 0, sizeof(ahs));
	ahs[AHN].references = 1;
	memset(ahs[AHN].gid, 0xab, EMU_GID_BYTES);
	memset(&nic, 0, sizeof(nic));
	nic.model = &model;
	nic.ah_entries = ahs;
	nic.ah_count = nic.ah_size = AHN + 1;
	pthread_mutex_init(&nic.ah_lock, NULL);
	memset(&test_cq, 0, sizeof(test_cq));
	test_cq.nic = &nic;
	test_cq.size = 64;
	test_cq.entries = calloc(256, sizeof(*test_cq.entries));
	assert_non_null(test_cq.entries);
	pthread_spin_init(&test_cq.lock, PTHREAD_PROCESS_PRIVATE);
	memset(&test_qp, 0, sizeof(test_qp));
	test_qp.nic = &nic;
	test_qp.srd = true;
	test_qp.send_cq = test_qp.recv_cq = &test_cq;
	test_qp.state = IBV_QPS_RTS;
	test_qp.ex.qp_base.qp_num = 0x1234;
	test_qp.cap = (struct ibv_qp_cap){
		.max_send_wr = 10, .max_recv_wr = 12, .max_send_sge = 2, .max_recv_sge = 2
	};
	pthread_mutex_init(&test_qp.lock, NULL);
	posts = receives = pushes = state_changes = polled_qps = channel_events = 0;
	room = MANY;
	told = echo = false;
	sq_pc = rq_pc = 0;
	return 0;
}

void make(void)
{
	assert_int_equal(emu_direct_qp(&test_qp, &sq, &rq), 0);
	assert_int_equal(emu_direct_cq(&test_cq, &cqq), 0);
}

int teardown(void **state)
{
	(void)state;
	emu_direct_qp_free(&test_qp);
	emu_direct_cq_free(&test_cq);
	free(test_cq.entries);
	assert_null(test_qp.direct);
	assert_null(test_cq.direct);
	return 0;
}

void ring(uint32_t *doorbell, uint32_t value)
{
	__atomic_store_n(doorbell, value, __ATOMIC_RELEASE);
}

struct emu_desc_wqe good(uint16_t req_id)
{
	return (struct emu_desc_wqe){
		.meta = {
			.req_id = req_id,
			.ctrl1 = EMU_META_DESC | EMU_DESC_SEND,
			.ctrl2 = EMU_META_FIRST | EMU_META_LAST | EMU_META_COMP_REQ,
			.dest_qp_num = 0x77,
			.length = 1,
			.ah = AHN,
			.qkey = 0x11223344,
		},
		.sgl = { { .length = 100, .key = 0xabcdef, .addr_lo = 0x1000, .addr_hi = 0x7f } },
	};
}

void put(struct emu_desc_wqe wqe)
{
	wqe.meta.ctrl2 |= sq_pc / sq.entries & 1;
	memcpy(sq.buffer + sq_pc % sq.entries * sq.entry_size, &wqe, sq.entry_size);
	sq_pc++;
}

void send_wqe(struct emu_desc_wqe wqe)
{
	put(wqe);
	ring(sq.doorbell, sq_pc);
}

void put_rx(uint16_t req_id, uint16_t length, uint32_t bits)
{
	struct emu_desc_rx desc = { .addr_lo = 0x2000u + rq_pc,
				    .addr_hi = 1,
				    .req_id = req_id,
				    .length = length,
				    .lkey_ctrl = 0x123456 | bits };

	memcpy(rq.buffer + rq_pc % rq.entries * rq.entry_size, &desc, sizeof(desc));
	rq_pc++;
}

const struct emu_desc_cqe *cqe_at(uint32_t position)
{
	return (const struct emu_desc_cqe *)(const void *)cqq.buffer + position % cqq.entries;
}

/* --- two threads -----*/

static _Atomic bool stopping;
static pthread_t device_thread;

static void *device(void *argument)
{
	(void)argument;
	while (!atomic_load(&stopping))
		if (!emu_direct_take(&test_qp))
			sched_yield();
	return NULL;
}

void start_device(void)
{
	atomic_store(&stopping, false);
	assert_int_equal(pthread_create(&device_thread, NULL, device, NULL), 0);
}

void stop_device(void)
{
	atomic_store(&stopping, true);
	pthread_join(device_thread, NULL);
}

uint32_t word(uint32_t number, bool arm, uint32_t consumed)
{
	return (consumed & EMU_CQ_DB_CONSUMER) | (number & 3) << EMU_CQ_DB_CMD_SN_SHIFT |
	       (arm ? EMU_CQ_DB_ARM : 0);
}

uint32_t drain(struct reader *reader)
{
	uint32_t count = 0;

	for (;;) {
		const struct emu_desc_cqe *desc = cqe_at(reader->consumed);
		uint8_t phase = !(reader->consumed / cqq.entries & 1);

		if ((__atomic_load_n(&desc->flags, __ATOMIC_ACQUIRE) & EMU_CQE_PHASE) != phase)
			break;
		assert_int_equal(desc->req_id, (uint16_t)reader->consumed);
		reader->consumed++;
		count++;
	}
	/* As libraries do: what was read is told, not armed. */
	if (count && cqq.doorbell)
		ring(cqq.doorbell, word(reader->number, false, reader->consumed));
	return count;
}
