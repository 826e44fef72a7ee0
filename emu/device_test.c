/* SPDX-License-Identifier: Apache-2.0 */
/* Devices, contexts, domains, queries, asynchronous events, texts. */
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "emu/private.h"
#include "emu/verbs.h"
#include "emu/world.h"

static struct ibv_device **devices;
static struct ibv_context *context;
static struct emu_nic *nic;

static int setup(void **state)
{
	(void)state;
	devices = ibv_get_device_list(NULL);
	assert_non_null(devices);
	context = ibv_open_device(devices[0]);
	assert_non_null(context);
	nic = emu_nic_of(context);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	assert_int_equal(ibv_close_device(context), 0);
	ibv_free_device_list(devices);
	return 0;
}

static void list(void **state)
{
	int count = -1;
	struct ibv_device **again = ibv_get_device_list(&count);
	char expected[IBV_SYSFS_PATH_MAX];

	(void)state;
	assert_non_null(again);
	assert_true(count > 0);
	assert_null(again[count]);
	assert_ptr_equal(again[0], devices[0]);
	assert_int_equal(again[0]->node_type, IBV_NODE_UNSPECIFIED);
	assert_int_equal(again[0]->transport_type, IBV_TRANSPORT_UNSPECIFIED);
	assert_string_equal(ibv_get_device_name(again[0]), nic->shared->name);
	assert_string_equal(again[0]->dev_name, "uverbs0");
	assert_int_equal(ibv_get_device_index(again[0]), 0);
	snprintf(expected, sizeof(expected), "%s/class/infiniband/%s", getenv("SYSFS_PATH"),
		 nic->shared->name);
	assert_string_equal(again[0]->ibdev_path, expected);
	assert_int_equal(access(again[0]->ibdev_path, R_OK), 0);
	assert_int_equal(access(again[0]->dev_path, R_OK), 0);
	ibv_free_device_list(again);
}

static void *lister(void *argument)
{
	struct ibv_device **mine;
	struct ibv_context *opened;

	(void)argument;
	for (int i = 0; i < 200; i++) {
		mine = ibv_get_device_list(NULL);
		opened = ibv_open_device(mine[0]);
		if (!opened || ibv_close_device(opened))
			return mine;
		ibv_free_device_list(mine);
	}
	return NULL;
}

static void many_threads(void **state)
{
	pthread_t threads[4];
	void *failed;

	(void)state;
	for (int i = 0; i < 4; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, lister, NULL), 0);
	for (int i = 0; i < 4; i++) {
		assert_int_equal(pthread_join(threads[i], &failed), 0);
		assert_null(failed);
	}
	assert_int_equal(atomic_load(&nic->contexts), 1);
}

/* Opening a device takes no slot of the world. */
static void no_slot(void **state)
{
	(void)state;
	assert_int_equal(nic->world->slot, 0);
}

static void device(void **state)
{
	struct { /* a header that is newer than ours */
		struct ibv_device_attr_ex known;
		char unknown[64];
	} newer;
	struct ibv_query_device_ex_input input = { .comp_mask = 1 };
	struct ibv_device_attr attr;

	(void)state;
	memset(&attr, 0xff, sizeof(attr));
	assert_int_equal(ibv_query_device(context, &attr), 0);
	assert_int_equal(attr.vendor_id, 0x1d0f);
	assert_int_equal(attr.vendor_part_id, nic->model->part_id);
	assert_string_equal(attr.fw_ver, "0.0.0.0");
	assert_int_equal(attr.max_sge, 2);
	assert_int_equal(attr.max_sge_rd, 1);
	assert_int_equal(attr.max_qp_wr, 4096);
	assert_int_equal(attr.phys_port_cnt, 1);
	assert_int_equal(attr.max_srq, 0);
	assert_int_equal(attr.node_guid, ibv_get_device_guid(devices[0]));

	memset(&newer, 0xff, sizeof(newer));
	assert_int_equal(emu_query_device_ex(context, NULL, &newer.known, sizeof(newer)), 0);
	assert_memory_equal(&newer.known.orig_attr, &attr, sizeof(attr));
	assert_int_equal(newer.known.phys_port_cnt_ex, 1);
	for (size_t i = 0; i < sizeof(newer.unknown); i++)
		assert_int_equal(newer.unknown[i], 0);
	assert_int_equal(ibv_query_device_ex(context, &input, &newer.known), EINVAL);
	assert_int_equal(emu_query_device_ex(context, NULL, &newer.known, sizeof(attr)), EINVAL);
}

static void port(void **state)
{
	struct ibv_port_attr attr, old;

	(void)state;
	assert_int_equal(ibv_query_port(context, 1, &attr), 0);
	assert_int_equal(attr.state, IBV_PORT_ACTIVE);
	assert_int_equal(attr.max_mtu, IBV_MTU_4096);
	assert_int_equal(attr.max_msg_sz, nic->model->mtu);
	assert_int_equal(attr.gid_tbl_len, 1);
	assert_int_equal(attr.lmc, 1);
	assert_int_equal(attr.link_layer, IBV_LINK_LAYER_UNSPECIFIED);
	assert_int_equal(attr.active_width, 2); /* 100 Gb/s: four lanes of 25 */
	assert_int_equal(attr.active_speed, 32);
	assert_int_equal(ibv_query_port(context, 2, &attr), EINVAL);
	assert_int_equal(ibv_query_port(context, 0, &attr), EINVAL);

	/* The exported function knows the struct as it was long ago, and writes no more. */
	memset(&old, 0xff, sizeof(old));
	assert_int_equal((ibv_query_port)(context, 1, (struct _compat_ibv_port_attr *)&old), 0);
	assert_int_equal(old.max_msg_sz, nic->model->mtu);
	assert_int_equal(old.port_cap_flags2, 0xffff);

	atomic_store(&nic->shared->down, 1);
	assert_int_equal(ibv_query_port(context, 1, &attr), 0);
	assert_int_equal(attr.state, IBV_PORT_DOWN);
	atomic_store(&nic->shared->down, 0);
	assert_int_equal(ibv_query_port(context, 1, &attr), 0);
	assert_int_equal(attr.state, IBV_PORT_ACTIVE);
}

static void port_speeds(void **state)
{
	static const struct {
		uint64_t gbps;
		int width, speed;
	} rows[] = { { 25, 1, 32 }, { 50, 1, 64 }, { 100, 2, 32 }, { 200, 2, 64 }, { 400, 4, 64 } };
	const struct emu_model *full = nic->model;
	struct emu_model other = *full;
	struct ibv_port_attr attr;
	uint64_t speed;

	(void)state;
	nic->model = &other;
	for (size_t i = 0; i < EMU_COUNT(rows); i++) {
		other.speed = rows[i].gbps;
		assert_int_equal(ibv_query_port(context, 1, &attr), 0);
		assert_int_equal(attr.active_width, rows[i].width);
		assert_int_equal(attr.active_speed, rows[i].speed);
		assert_int_equal(ibv_query_port_speed(context, 1, &speed), 0);
		assert_int_equal(speed, rows[i].gbps * 10);
	}
	nic->model = full;
}

static void gids_and_pkeys(void **state)
{
	struct ibv_gid_entry entries[2];
	union ibv_gid gid;
	int type = -1;
	__be16 pkey;

	(void)state;
	assert_int_equal(ibv_query_gid(context, 1, 0, &gid), 0);
	assert_memory_equal(gid.raw, nic->shared->gid, EMU_GID_BYTES);
	assert_int_equal(ibv_query_gid(context, 1, 1, &gid), -1);
	assert_int_equal(ibv_query_gid(context, 2, 0, &gid), -1);
	assert_int_equal(ibv_query_gid(context, 1, -1, &gid), -1);
	assert_int_equal(ibv_query_gid_ex(context, 1, 0, &entries[0], 0), 0);
	assert_memory_equal(&entries[0].gid, nic->shared->gid, EMU_GID_BYTES);
	assert_int_equal(ibv_query_gid_ex(context, 1, 0, &entries[0], 1), EINVAL);
	assert_int_equal(ibv_query_gid_table(context, entries, 2, 0), 1);
	assert_int_equal(ibv_query_gid_table(context, entries, 0, 0), -EINVAL);
	assert_int_equal(ibv_query_gid_type(context, 1, 0, &type), 0);
	assert_int_equal(type, 0);
	assert_int_equal(ibv_query_gid_type(context, 1, 1, &type), -1);
	assert_int_equal(ibv_query_pkey(context, 1, 0, &pkey), 0);
	assert_int_equal(pkey, 0xffff);
	assert_int_equal(ibv_query_pkey(context, 1, 1, &pkey), -1);
	assert_int_equal(ibv_get_pkey_index(context, 1, pkey), 0);
	assert_int_equal(ibv_get_pkey_index(context, 1, htobe16(7)), -1);
}

static void domains(void **state)
{
	const struct emu_model *full = nic->model;
	struct emu_model small = *full;
	struct ibv_parent_domain_init_attr init = { 0 };
	struct ibv_pd *pd = ibv_alloc_pd(context);
	uint64_t errors = atomic_load(&nic->shared->counters[EMU_COUNT_alloc_pd_err]);

	(void)state;
	assert_non_null(pd);
	assert_ptr_equal(pd->context, context);
	small.max_pd = 1;
	nic->model = &small;
	errno = 0;
	assert_null(ibv_alloc_pd(context));
	assert_int_equal(errno, ENOMEM);
	assert_int_equal(atomic_load(&nic->shared->counters[EMU_COUNT_alloc_pd_err]), errors + 1);
	nic->model = full;
	init.pd = pd;
	assert_null(ibv_alloc_parent_domain(context, &init));
	assert_int_equal(errno, EOPNOTSUPP);
	assert_int_equal(ibv_dealloc_pd(pd), 0);
	assert_int_equal(atomic_load(&nic->pds), 0);
}

/* A context that is closed before what was made of it stays in memory until that is gone too: a
 * memory checker would see it otherwise. */
static void close_first(void **state)
{
	struct ibv_context *opened = ibv_open_device(devices[0]);
	struct ibv_pd *pd = ibv_alloc_pd(opened);
	char byte = 0;
	struct ibv_mr *mr = ibv_reg_mr(pd, &byte, 1, IBV_ACCESS_LOCAL_WRITE);

	(void)state;
	assert_non_null(mr);
	assert_int_equal(ibv_close_device(opened), 0);
	assert_int_equal(ibv_dereg_mr(mr), 0);
	assert_int_equal(ibv_dealloc_pd(pd), 0);
}

static bool readable(int fd)
{
	struct pollfd pollfd = { .fd = fd, .events = POLLIN };

	return poll(&pollfd, 1, 0) == 1;
}

static void *waiter(void *argument)
{
	return (void *)(intptr_t)ibv_get_async_event(context, argument);
}

static void port_events(void **state)
{
	struct ibv_async_event event;
	pthread_t thread;
	void *result;

	(void)state;
	assert_false(readable(context->async_fd));
	emu_async_port(nic, IBV_EVENT_PORT_ERR);
	emu_async_port(nic, IBV_EVENT_PORT_ACTIVE);
	assert_true(readable(context->async_fd));
	assert_int_equal(ibv_get_async_event(context, &event), 0);
	assert_int_equal(event.event_type, IBV_EVENT_PORT_ERR);
	assert_int_equal(event.element.port_num, 1);
	ibv_ack_async_event(&event);
	assert_int_equal(ibv_get_async_event(context, &event), 0);
	assert_int_equal(event.event_type, IBV_EVENT_PORT_ACTIVE);
	ibv_ack_async_event(&event);
	assert_false(readable(context->async_fd));

	assert_int_equal(fcntl(context->async_fd, F_SETFL, O_NONBLOCK), 0);
	assert_int_equal(ibv_get_async_event(context, &event), -1);
	assert_int_equal(errno, EAGAIN);
	assert_int_equal(fcntl(context->async_fd, F_SETFL, 0), 0);

	assert_int_equal(pthread_create(&thread, NULL, waiter, &event), 0);
	usleep(1000);
	emu_async_port(nic, IBV_EVENT_PORT_ERR);
	assert_int_equal(pthread_join(thread, &result), 0);
	assert_null(result);
	assert_int_equal(event.event_type, IBV_EVENT_PORT_ERR);
}

static void *acknowledger(void *argument)
{
	usleep(20000);
	ibv_ack_async_event(argument);
	return NULL;
}

/* Events of a queue that is destroyed: those not fetched vanish, those fetched are waited for. */
static void queue_events(void **state)
{
	struct emu_cq cq = { .context = emu_context_of(context) };
	struct ibv_async_event event;
	pthread_t thread;

	(void)state;
	pthread_mutex_init(&cq.ex.mutex, NULL);
	pthread_cond_init(&cq.ex.cond, NULL);
	emu_async_cq(&cq);
	emu_async_port(nic, IBV_EVENT_PORT_ERR);
	emu_async_cq(&cq);
	assert_int_equal(ibv_get_async_event(context, &event), 0);
	assert_int_equal(event.event_type, IBV_EVENT_CQ_ERR);
	assert_ptr_equal(event.element.cq, &cq.ex);
	assert_int_equal(pthread_create(&thread, NULL, acknowledger, &event), 0);
	emu_async_forget_cq(&cq);
	assert_int_equal(cq.ex.async_events_completed, 1);
	assert_int_equal(pthread_join(thread, NULL), 0);
	assert_int_equal(ibv_get_async_event(context, &event), 0);
	assert_int_equal(event.event_type, IBV_EVENT_PORT_ERR);
	assert_false(readable(context->async_fd));
}

static void events_have_a_bound(void **state)
{
	struct ibv_context *opened = ibv_open_device(devices[0]);

	(void)state;
	for (int i = 0; i < 5000; i++)
		emu_async_port(nic, IBV_EVENT_PORT_ERR);
	assert_true(emu_context_of(opened)->async_count < 5000);
	assert_int_equal(ibv_close_device(opened), 0);
}

static void refused_by_a_fault(void **state)
{
	struct emu_fault fault;
	char why[128];
	int number;

	(void)state;
	assert_int_equal(emu_fault_parse("refuse:call=pd,count=1", &fault, why, sizeof(why)), 0);
	number = emu_fault_add(nic->world->shared, &fault);
	assert_true(number > 0);
	errno = 0;
	assert_null(ibv_alloc_pd(context));
	assert_int_not_equal(errno, 0);
	assert_int_equal(emu_fault_clear(nic->world->shared, (uint32_t)number), 1);
}

static void texts(void **state)
{
	(void)state;
	assert_string_equal(ibv_wc_status_str(IBV_WC_RNR_RETRY_EXC_ERR),
			    "RNR retry counter exceeded");
	assert_string_equal(ibv_wc_status_str((enum ibv_wc_status)99), "unknown");
	assert_string_equal(ibv_event_type_str(IBV_EVENT_PORT_ERR), "port error");
	assert_string_equal(ibv_event_type_str((enum ibv_event_type) - 1), "unknown");
	assert_string_equal(ibv_node_type_str(IBV_NODE_UNSPECIFIED), "unspecified");
	assert_string_equal(ibv_node_type_str((enum ibv_node_type)0), "unknown");
	assert_string_equal(ibv_port_state_str(IBV_PORT_ACTIVE), "active");
	assert_string_equal(ibv_wr_opcode_str(IBV_WR_RDMA_READ), "rdma_read");
	assert_string_equal(ibv_wr_opcode_str(13), "unknown");
	for (int mult = -1; mult < 500; mult++)
		if (mult_to_ibv_rate(mult) != IBV_RATE_MAX)
			assert_int_equal(ibv_rate_to_mult(mult_to_ibv_rate(mult)), mult);
	assert_int_equal(ibv_rate_to_mult(IBV_RATE_100_GBPS), -1);
	assert_int_equal(ibv_rate_to_mbps(IBV_RATE_100_GBPS), 103125);
	assert_int_equal(mbps_to_ibv_rate(103125), IBV_RATE_100_GBPS);
	assert_int_equal(mbps_to_ibv_rate(1), IBV_RATE_MAX);
	assert_int_equal(ibv_rate_to_mbps(IBV_RATE_MAX), -1);
}

static void never_there(void **state)
{
	(void)state;
	assert_null(ibv_import_device(0));
	assert_int_equal(errno, EOPNOTSUPP);
	assert_null(ibv_import_pd(context, 0));
	assert_int_equal(errno, EOPNOTSUPP);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(list),
		cmocka_unit_test(many_threads),
		cmocka_unit_test(no_slot),
		cmocka_unit_test(device),
		cmocka_unit_test(port),
		cmocka_unit_test(port_speeds),
		cmocka_unit_test(gids_and_pkeys),
		cmocka_unit_test(domains),
		cmocka_unit_test(close_first),
		cmocka_unit_test(port_events),
		cmocka_unit_test(queue_events),
		cmocka_unit_test(events_have_a_bound),
		cmocka_unit_test(refused_by_a_fault),
		cmocka_unit_test(texts),
		cmocka_unit_test(never_there),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
