/* SPDX-License-Identifier: Apache-2.0 */
/* The PCI tree of NICs, GPUs and interfaces under their NUMA nodes. */
#ifndef WEFT_DEVICES_TREE_H
#define WEFT_DEVICES_TREE_H

#include "devices/machine.h"

#define TREE_ITEMS_MAX 1024
#define TREE_NONE      (-1)

enum tree_kind {
	TREE_MACHINE, /* the one item without a parent, item[0] */
	TREE_NODE,    /* index: of machine->nodes; nodes_count: the node is not known */
	TREE_ROOT,    /* a root complex; "not on PCI" for soft devices */
	TREE_BRIDGE,
	TREE_NIC, /* index: of machine->nics, ... */
	TREE_BARE,
	TREE_GPU,
	TREE_NET,
};

struct tree_item {
	enum tree_kind kind;
	int parent, first, next, last; /* items: above, first and last below, next beside */
	size_t index;
	char name[32];   /* of a root or bridge */
	char bottom[32]; /* of the last of several bridges, each with nothing but the next; "" */
	size_t leaves;   /* devices below it; 1 for a device */
	size_t depth;    /* of its deepest device, counted from a NUMA node's 0 */
};

/* What does not fit is left out, and said by cut. */
struct tree {
	int count;
	bool cut;
	struct tree_item item[TREE_ITEMS_MAX];
};

void tree_build(struct tree *ret, const struct machine *m);

static inline bool tree_is_device(const struct tree_item *item)
{
	return item->kind >= TREE_NIC;
}

#define for_each_child(at, tree, above) \
	for (int at = (tree)->item[above].first; at != TREE_NONE; at = (tree)->item[at].next)

#endif /* WEFT_DEVICES_TREE_H */
