/* SPDX-License-Identifier: Apache-2.0 */
/* What rpc_server.c and rpc_client.c share. */
#ifndef WEFT_CONTROL_RPC_CORE_H
#define WEFT_CONTROL_RPC_CORE_H

#include <stddef.h>
#include <stdint.h>

#include <grpc/byte_buffer.h>
#include <grpc/slice.h>
#include <grpc/support/time.h>

/* gRPC's library is up from the first get to the last put. */
void rpc_core_get(void);
void rpc_core_put(void);

/* Takes buf, from mem_alloc(), also on failure, which is NULL. */
grpc_byte_buffer *rpc_core_buffer(void *buf, size_t len);
/* The bytes as one slice, which the caller owns. -WEFT_EMESSAGE. */
int rpc_core_slice(grpc_slice *ret, grpc_byte_buffer *buffer);

gpr_timespec rpc_core_after(uint64_t timeout_ns);
uint64_t rpc_core_left(gpr_timespec deadline);

#endif /* WEFT_CONTROL_RPC_CORE_H */
