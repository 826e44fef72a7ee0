/* SPDX-License-Identifier: Apache-2.0 */
#include "devices/tree.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NOT_ON_PCI "not on PCI"

/* A device and where it is. */
struct leaf {
	enum tree_kind kind;
	size_t index;
	const char *path;
	int node;
};

#define LEAVES_MAX (2 * HOST_NICS_MAX + MACHINE_GPUS_MAX + HOST_NETS_MAX)

static int add(struct tree *tree, int parent, enum tree_kind kind, size_t index, const char *name)
{
	struct tree_item *item = &tree->item[tree->count], *above;

	if (tree->count == TREE_ITEMS_MAX) {
		tree->cut = true;
		return TREE_NONE;
	}
	*item = (struct tree_item){ .kind = kind,
				    .parent = parent,
				    .first = TREE_NONE,
				    .next = TREE_NONE,
				    .last = TREE_NONE,
				    .index = index };
	snprintf(item->name, sizeof(item->name), "%s", name);
	if (parent != TREE_NONE) {
		above = &tree->item[parent];
		if (above->first == TREE_NONE)
			above->first = tree->count;
		else
			tree->item[above->last].next = tree->count;
		above->last = tree->count;
	}
	return tree->count++;
}

static int find(const struct tree *tree, int parent, enum tree_kind kind, const char *name)
{
	for_each_child(at, tree, parent) if (tree->item[at].kind == kind &&
					     !strcmp(tree->item[at].name, name)) return at;
	return TREE_NONE;
}

static int node_item(struct tree *tree, const struct machine *m, int number)
{
	size_t index = 0;

	while (index < m->nodes_count && m->nodes[index].number != number)
		index++;
	for_each_child(at, tree, 0) if (tree->item[at].index == index) return at;
	return add(tree, 0, TREE_NODE, index, "");
}

/* A root complex belongs to the node of the first device that is seen below it. */
static int root_item(struct tree *tree, const struct machine *m, const char *name, int number)
{
	int at = TREE_NONE, node;

	for_each_child(above, tree, 0)
	{
		at = find(tree, above, TREE_ROOT, name);
		if (at != TREE_NONE)
			return at;
	}
	node = node_item(tree, m, number);
	return node == TREE_NONE ? TREE_NONE : add(tree, node, TREE_ROOT, 0, name);
}

static int bridge_item(struct tree *tree, int above, const char *name)
{
	int at = find(tree, above, TREE_BRIDGE, name);

	return at == TREE_NONE ? add(tree, above, TREE_BRIDGE, 0, name) : at;
}

/* The part of a path that begins with a root complex, "pci0000:10/..."; NULL: none. */
static const char *from_root(const char *path)
{
	for (; (path = strchr(path, '/')); path++)
		if (!strncmp(path, "/pci", 4) && memchr(path, ':', strcspn(path + 1, "/")))
			return path + 1;
	return NULL;
}

/* What stands right above the device, made where it is not there yet. TREE_NONE: no room. */
static int above_leaf(struct tree *tree, const struct machine *m, const struct leaf *leaf)
{
	const char *path = from_root(leaf->path);
	char name[sizeof(tree->item->name)];
	int at;
	size_t len;

	if (!path)
		return root_item(tree, m, NOT_ON_PCI, leaf->node);
	len = strcspn(path, "/");
	snprintf(name, sizeof(name), "%.*s", (int)len, path);
	at = root_item(tree, m, sysroot_clean(name), leaf->node);
	/* The last part is the device itself. */
	for (path += len + (path[len] == '/'); at != TREE_NONE && path[strcspn(path, "/")];
	     path += len + 1) {
		len = strcspn(path, "/");
		snprintf(name, sizeof(name), "%.*s", (int)len, path);
		at = bridge_item(tree, at, sysroot_clean(name));
	}
	return at;
}

static int by_path(const void *a, const void *b)
{
	const struct leaf *left = a, *right = b;
	int order = strcmp(left->path, right->path);

	return order                        ? order
	       : left->kind != right->kind  ? (int)left->kind - (int)right->kind
	       : left->index < right->index ? -1
					    : left->index > right->index;
}

/* The interface of a NIC's own function is that NIC. */
static bool is_nic(const struct machine *m, const struct host_net *net)
{
	for (size_t i = 0; i < m->nics_count; i++)
		if (*net->pci && !strcmp(m->nics[i].pci, net->pci))
			return true;
	return false;
}

static size_t take_leaves(const struct machine *m, struct leaf *leaf)
{
	size_t n = 0, i;

	for (i = 0; i < m->nics_count; i++)
		leaf[n++] = (struct leaf){ TREE_NIC, i, m->nics[i].path, m->nics[i].node };
	for (i = 0; i < m->efa_count; i++)
		leaf[n++] = (struct leaf){ TREE_BARE, i, m->efa[i].path, m->efa[i].node };
	for (i = 0; i < m->gpus_count; i++)
		leaf[n++] = (struct leaf){ TREE_GPU, i, m->gpus[i].path, m->gpus[i].node };
	for (i = 0; i < m->nets_count; i++)
		if (*m->nets[i].path && !is_nic(m, &m->nets[i]))
			leaf[n++] = (struct leaf){ TREE_NET, i, m->nets[i].path, m->nets[i].node };
	return n;
}

static void replace_child(struct tree *tree, int above, int from, int to)
{
	struct tree_item *item = &tree->item[above];
	int before = TREE_NONE;

	for_each_child(at, tree, above)
	{
		if (at == from)
			break;
		before = at;
	}
	if (before == TREE_NONE)
		item->first = to;
	else
		tree->item[before].next = to;
	if (item->last == from)
		item->last = to;
	tree->item[to].next = tree->item[from].next;
	tree->item[to].parent = above;
}

/*
 * A bridge that leads to nothing but one bridge becomes one with it; one that leads to nothing but
 * one device goes: it parts that from nothing. Items below have higher numbers than those above.
 */
static void join_bridges(struct tree *tree)
{
	for (int at = tree->count - 1; at > 0; at--) {
		struct tree_item *item = &tree->item[at], *below;

		/* One without anything below is left where the tree was cut. */
		if (item->kind != TREE_BRIDGE || item->first == TREE_NONE ||
		    item->first != item->last)
			continue;
		below = &tree->item[item->first];
		if (tree_is_device(below)) {
			replace_child(tree, item->parent, at, item->first);
			continue;
		}
		memcpy(item->bottom, *below->bottom ? below->bottom : below->name,
		       sizeof(item->bottom));
		item->first = below->first;
		item->last = below->last;
		for_each_child(child, tree, at) tree->item[child].parent = at;
	}
}

static void measure(struct tree *tree, int at)
{
	struct tree_item *item = &tree->item[at];

	item->leaves = tree_is_device(item);
	item->depth = 0;
	for_each_child(child, tree, at)
	{
		measure(tree, child);
		item->leaves += tree->item[child].leaves;
		if (tree->item[child].depth + 1 > item->depth)
			item->depth = tree->item[child].depth + 1;
	}
}

void tree_build(struct tree *ret, const struct machine *m)
{
	struct leaf leaf[LEAVES_MAX];
	size_t leaves = take_leaves(m, leaf);
	int above;

	ret->count = 0;
	ret->cut = false;
	add(ret, TREE_NONE, TREE_MACHINE, 0, "");
	for (size_t i = 0; i < m->nodes_count; i++)
		add(ret, 0, TREE_NODE, i, "");
	qsort(leaf, leaves, sizeof(*leaf), by_path);
	for (size_t i = 0; i < leaves; i++) {
		above = above_leaf(ret, m, &leaf[i]);
		if (above != TREE_NONE)
			add(ret, above, leaf[i].kind, leaf[i].index, "");
	}
	join_bridges(ret);
	measure(ret, 0);
}
