/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Exported functions that <infiniband/verbs.h> of rdma-core 44 does not declare: newer ones, and
 * those that rdma-core's own tools take from libibverbs' private version nodes.
 */
#ifndef EMU_PRIVATE_H
#define EMU_PRIVATE_H

#include <infiniband/verbs.h>

const char *ibv_get_sysfs_path(void);
int ibv_read_sysfs_file(const char *dir, const char *file, char *buf, size_t size);
int ibv_query_port_speed(struct ibv_context *context, uint32_t port_num, uint64_t *port_speed);

/* In the private version nodes: symbols.def. */
int ibv_query_gid_type(struct ibv_context *context, uint8_t port_num, unsigned int index,
		       int *type);
const char *ibv_wr_opcode_str(unsigned int opcode);

#endif
