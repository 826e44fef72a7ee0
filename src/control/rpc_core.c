/* SPDX-License-Identifier: Apache-2.0 */
#include "control/rpc_core.h"

#include <pthread.h>
#include <string.h>

#include <grpc/byte_buffer_reader.h>
#include <grpc/grpc.h>
#include <grpc/support/log.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/err.h"
#include "control/rpc.h"

static struct {
	pthread_mutex_t lock;
	weft_log_fn log;
	void *ctx;
} rpc_log = { .lock = PTHREAD_MUTEX_INITIALIZER };

void rpc_set_log(weft_log_fn log, void *ctx)
{
	pthread_mutex_lock(&rpc_log.lock);
	rpc_log.log = log;
	rpc_log.ctx = ctx;
	pthread_mutex_unlock(&rpc_log.lock);
}

/* gRPC's errors are news about a connection, which the calls report; hence one level lower. */
static void rpc_core_log(gpr_log_func_args *args)
{
	weft_log_fn log;
	void *ctx;

	pthread_mutex_lock(&rpc_log.lock);
	log = rpc_log.log;
	ctx = rpc_log.ctx;
	pthread_mutex_unlock(&rpc_log.lock);
	if (log)
		log(ctx, args->severity == GPR_LOG_SEVERITY_ERROR ? WEFT_LOG_INFO : WEFT_LOG_DEBUG,
		    args->message);
}

void rpc_core_get(void)
{
	gpr_set_log_function(rpc_core_log);
	grpc_init();
}

void rpc_core_put(void)
{
	grpc_shutdown();
}

grpc_byte_buffer *rpc_core_buffer(void *buf, size_t len)
{
	grpc_slice slice = len ? grpc_slice_new(buf, len, mem_free) : grpc_empty_slice();
	grpc_byte_buffer *buffer = grpc_raw_byte_buffer_create(&slice, 1);

	if (!len)
		mem_free(buf);
	grpc_slice_unref(slice);
	return buffer;
}

int rpc_core_slice(grpc_slice *ret, grpc_byte_buffer *buffer)
{
	grpc_byte_buffer_reader reader;

	if (!grpc_byte_buffer_reader_init(&reader, buffer))
		return err_set(-WEFT_EMESSAGE, "a message that cannot be decompressed");
	*ret = grpc_byte_buffer_reader_readall(&reader);
	grpc_byte_buffer_reader_destroy(&reader);
	return 0;
}

gpr_timespec rpc_core_after(uint64_t timeout_ns)
{
	if (timeout_ns > INT64_MAX)
		return gpr_inf_future(GPR_CLOCK_MONOTONIC);
	return gpr_time_add(gpr_now(GPR_CLOCK_MONOTONIC),
			    gpr_time_from_nanos((int64_t)timeout_ns, GPR_TIMESPAN));
}

uint64_t rpc_core_left(gpr_timespec deadline)
{
	gpr_timespec left;

	if (gpr_time_cmp(deadline, gpr_inf_future(deadline.clock_type)) >= 0)
		return RPC_FOREVER;
	left = gpr_time_sub(deadline, gpr_now(deadline.clock_type));
	if (left.tv_sec < 0)
		return 0;
	if ((uint64_t)left.tv_sec > UINT64_MAX / NSEC_PER_SEC / 2)
		return RPC_FOREVER;
	return (uint64_t)left.tv_sec * NSEC_PER_SEC + (uint64_t)left.tv_nsec;
}
