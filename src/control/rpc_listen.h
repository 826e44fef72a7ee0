/* SPDX-License-Identifier: Apache-2.0 */
/* Listening at an address, with the cause when it cannot be. */
#ifndef WEFT_CONTROL_RPC_LISTEN_H
#define WEFT_CONTROL_RPC_LISTEN_H

#include <stdint.h>

struct address;

/* Listens at a numeric address "1.2.3.4:0" or "[::1]:0"; returns the port, 0 when it cannot. */
typedef int (*rpc_listen_fn)(void *ctx, const char *address);

/*
 * Listens at everything that the host resolves to, with one port for all. -EINVAL: it does not
 * resolve; -EADDRINUSE, -EADDRNOTAVAIL, -EACCES..., with the detail.
 */
int rpc_listen(const struct address *address, rpc_listen_fn listen, void *ctx, uint16_t *ret);

#endif /* WEFT_CONTROL_RPC_LISTEN_H */
