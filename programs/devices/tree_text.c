/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include "devices/label.h"
#include "devices/show.h"
#include "devices/table.h"
#include "devices/tree.h"

/* Deeper items are drawn as deep as this. */
#define DEPTH_MAX 12

struct drawing {
	const struct machine *m;
	const struct tree *tree;
	bool utf8;
	bool more[DEPTH_MAX]; /* items follow at this depth: its line goes on */
};

/* Every piece is three columns wide. */
static void put_lines(const struct drawing *d, size_t depth, bool last)
{
	for (size_t i = 1; i < depth; i++)
		fputs(!d->more[i] ? "   " : d->utf8 ? "\u2502  " : "|  ", stdout);
	if (d->utf8)
		fputs(last ? "\u2514\u2500 " : "\u251c\u2500 ", stdout);
	else
		fputs(last ? "`- " : "|- ", stdout);
}

static void put_item(const struct drawing *d, int at, size_t depth)
{
	const struct tree_item *item = &d->tree->item[at];
	char line[4 * LABEL_MAX];
	struct label l;
	int room = TABLE_WIDTH - 3 * (int)depth, used;

	label_make(&l, d->m, item);
	if (*l.what)
		used = snprintf(line, sizeof(line), "%s%s%s %s  %s%s%s", l.pci, *l.pci ? "  " : "",
				l.what, l.name, l.facts, *l.near ? ", nearest " : "", l.near);
	else
		used = snprintf(line, sizeof(line), "%s%s%s", l.name, *l.facts ? "  " : "",
				l.facts);
	if (used > room)
		printf("%.*s~\n", room - 1, line);
	else
		printf("%s\n", line);
}

static void put_below(struct drawing *d, int above, size_t depth)
{
	size_t shown = depth < DEPTH_MAX ? depth : DEPTH_MAX - 1;

	for_each_child(at, d->tree, above)
	{
		bool last = d->tree->item[at].next == TREE_NONE;

		put_lines(d, shown, last);
		put_item(d, at, shown);
		d->more[shown] = !last;
		put_below(d, at, depth + 1);
	}
}

void show_tree(const struct machine *m, const struct tree *tree, bool utf8)
{
	struct drawing d = { .m = m, .tree = tree, .utf8 = utf8 };

	put_item(&d, 0, 0);
	put_below(&d, 0, 1);
	if (!tree->item[0].leaves)
		show_wrapped("", "no NIC and no GPU is on PCI here");
	if (tree->cut)
		show_wrapped("", "the tree is too large: devices are left out");
}
