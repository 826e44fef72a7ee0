/* SPDX-License-Identifier: Apache-2.0 */
/* For tests: a fake tree, open as the root of a machine, for each test anew. */
#ifndef WEFT_HOST_FAKE_ROOT_H
#define WEFT_HOST_FAKE_ROOT_H

#include "host/fake_tree.h"
#include "host/sysroot.h"

static struct sysroot root;

static inline int open_root(void **state)
{
	return tree_open(state) || sysroot_open(&root, tree, NULL);
}

static inline int close_root(void **state)
{
	sysroot_close(&root);
	return tree_close(state);
}

#endif /* WEFT_HOST_FAKE_ROOT_H */
