/* SPDX-License-Identifier: Apache-2.0 */
/* The KV client behind weft/kv.h, with a control of the caller's choice. */
#ifndef WEFT_KV_CLIENT_H
#define WEFT_KV_CLIENT_H

#include <weft/kv.h>

#include "kv/control.h"

/*
 * weft_kv_open() with a given control. It registers the client and keeps it alive, and carries the
 * requests where opts->control is WEFT_KV_GRPC. arg is handed to ops->open().
 */
int client_open(struct weft_kv **ret, const struct weft_kv_opts *opts,
		const struct control_ops *ops, void *arg);

#endif /* WEFT_KV_CLIENT_H */
