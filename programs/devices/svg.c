/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The tree as a picture: a card for each NUMA node, its root complexes on the left, the bridges in
 * columns to the right of them, devices as boxes in the last column. Colours follow the reader's
 * light or dark theme; nothing is loaded from elsewhere.
 */
#include <stdio.h>
#include <string.h>

#include "devices/label.h"
#include "devices/show.h"
#include "devices/tree.h"

#define MARGIN    28
#define HEADER    112
#define FOOTER    34
#define GAP       24 /* between cards */
#define PAD       18 /* inside a card */
#define CARD_HEAD 46
#define ROW       52 /* from device to device */
#define BOX_H     42
#define BOX_W     372
#define PILL_H    24
#define PILL_W    110
#define COLUMN    146 /* from one column of bridges to the next */
#define EMPTY_H   44  /* what a card without devices has below its head */
#define LEVELS    8   /* columns at most; deeper bridges share the last */
#define CARDS_MAX (MACHINE_NODES_MAX + 1)

static const char style[] =
	".bg{fill:#fff}.card{fill:#f6f8fa;stroke:#d1d9e0}.box{fill:#fff;stroke:#d1d9e0}"
	".pill{fill:#eaeef2;stroke:#d1d9e0}.wire{fill:none;stroke:#8c959f;stroke-width:1.5}"
	"text{fill:#1f2328;font:13px system-ui,-apple-system,'Segoe UI','DejaVu Sans',sans-serif}"
	".t{font-size:20px;font-weight:600}.h{font-size:15px;font-weight:600}.n{font-weight:600}"
	".s{font-size:11.5px;fill:#59636e}"
	".m{font:11.5px ui-monospace,'DejaVu Sans Mono',monospace;fill:#59636e}"
	".nic{fill:#0969da}.gpu{fill:#8250df}.net{fill:#1a7f37}.odd{fill:#bc4c00}"
	".warn{stroke:#bc4c00;stroke-width:1.5}"
	"@media (prefers-color-scheme:dark){.bg{fill:#0d1117}.card{fill:#151b23;stroke:#3d444d}"
	".box{fill:#0d1117;stroke:#3d444d}.pill{fill:#262c36;stroke:#3d444d}"
	".wire{stroke:#656c76}text{fill:#f0f6fc}.s,.m{fill:#9198a1}.nic{fill:#4493f8}"
	".gpu{fill:#ab7df8}.net{fill:#3fb950}.odd{fill:#db6d28}.warn{stroke:#db6d28}}";

struct picture {
	const struct machine *m;
	const struct tree *tree;
	FILE *out;
	int levels; /* columns of root complexes and bridges */
	int row;    /* y of the next device's middle */
};

struct card {
	int item, x, y, h;
};

/* Text of XML. At most max characters, then "...". */
static void put_escaped(FILE *out, const char *text, size_t max)
{
	size_t len = strlen(text);
	bool cut = len > max;

	for (size_t i = 0; i < (cut ? max - 1 : len); i++)
		switch (text[i]) {
		case '&':
			fputs("&amp;", out);
			break;
		case '<':
			fputs("&lt;", out);
			break;
		case '>':
			fputs("&gt;", out);
			break;
		case '"':
			fputs("&quot;", out);
			break;
		default:
			fputc(text[i], out);
		}
	if (cut)
		fputs("\u2026", out);
}

static void put_text(FILE *out, int x, int y, const char *class, const char *more, const char *text,
		     size_t max)
{
	fprintf(out, "<text x=\"%d\" y=\"%d\" class=\"%s\"%s>", x, y, class, more);
	put_escaped(out, text, max);
	fputs("</text>\n", out);
}

static void put_rect(FILE *out, int x, int y, int w, int h, int r, const char *class)
{
	fprintf(out,
		"<rect x=\"%d\" y=\"%d\" width=\"%d\" height=\"%d\" rx=\"%d\" class=\"%s\"/>\n", x,
		y, w, h, r, class);
}

static void put_wire(FILE *out, int x1, int y1, int x2, int y2)
{
	int middle = x1 + (COLUMN - PILL_W) / 2;

	if (y1 == y2)
		fprintf(out, "<path class=\"wire\" d=\"M%d %dH%d\"/>\n", x1, y1, x2);
	else
		fprintf(out, "<path class=\"wire\" d=\"M%d %dH%dV%dH%d\"/>\n", x1, y1, middle, y2,
			x2);
}

/* --- items --------------------------------------------------------------------------------- */

static const char *color(enum tree_kind kind)
{
	return kind == TREE_GPU ? "gpu" : kind == TREE_NET ? "net" : "nic";
}

static void put_device(const struct picture *p, const struct tree_item *item, int x, int y)
{
	char name[LABEL_MAX + 8];
	struct label l;

	label_make(&l, p->m, item);
	fputs("<g><title>", p->out);
	put_escaped(p->out, l.pci, sizeof(l.pci));
	fprintf(p->out, " %s ", l.what);
	put_escaped(p->out, l.name, LABEL_MAX);
	fputs(": ", p->out);
	put_escaped(p->out, l.facts, LABEL_MAX);
	fputs("</title>\n", p->out);
	y -= BOX_H / 2;
	put_rect(p->out, x, y, BOX_W, BOX_H, 6, l.odd ? "box warn" : "box");
	put_rect(p->out, x + 5, y + 6, 4, BOX_H - 12, 2, l.odd ? "odd" : color(item->kind));
	snprintf(name, sizeof(name), "%s %s", l.what, l.name);
	put_text(p->out, x + 18, y + 18, "n", "", name, 26);
	put_text(p->out, x + BOX_W - 10, y + 18, "m", " text-anchor=\"end\"", l.pci, 20);
	put_text(p->out, x + 18, y + 34, "s", "", l.facts, *l.near ? 44 : 60);
	if (*l.near)
		put_text(p->out, x + BOX_W - 10, y + 34, "s gpu", " text-anchor=\"end\"", l.near,
			 22);
	fputs("</g>\n", p->out);
}

static void put_pill(const struct picture *p, const struct tree_item *item, int x, int y)
{
	int h = *item->bottom ? PILL_H + 14 : PILL_H;
	struct label l;

	label_make(&l, p->m, item);
	fputs("<g><title>", p->out);
	put_escaped(p->out, l.name, LABEL_MAX);
	fputs(item->kind == TREE_ROOT ? " root complex</title>\n" : " bridge</title>\n", p->out);
	put_rect(p->out, x, y - h / 2, PILL_W, h, PILL_H / 2, "pill");
	put_text(p->out, x + PILL_W / 2, y - h / 2 + 16, "m", " text-anchor=\"middle\"", item->name,
		 15);
	if (*item->bottom)
		put_text(p->out, x + PILL_W / 2, y - h / 2 + 30, "m", " text-anchor=\"middle\"",
			 item->bottom, 15);
	fputs("</g>\n", p->out);
}

/* Draws an item in the middle of its devices, and what is below it. level: its column. Its y. */
static int put_item(struct picture *p, int at, int x, int level)
{
	const struct tree_item *item = &p->tree->item[at];
	int column = level < p->levels ? level : p->levels - 1;
	int own = x + column * COLUMN, last = x + p->levels * COLUMN;
	int y, to, child_y;

	if (tree_is_device(item)) {
		y = p->row;
		p->row += ROW;
		put_device(p, item, last, y);
		return y;
	}
	y = p->row + (int)(item->leaves - 1) * ROW / 2;
	for_each_child(child, p->tree, at)
	{
		child_y = put_item(p, child, x, level + 1);
		to = tree_is_device(&p->tree->item[child]) ? last : x + (level + 1) * COLUMN;
		if (to <= last)
			put_wire(p->out, own + PILL_W, y, to, child_y);
	}
	put_pill(p, item, own, y);
	return y;
}

static void put_card(struct picture *p, const struct card *card, int width)
{
	const struct tree_item *item = &p->tree->item[card->item];
	struct label l;

	label_make(&l, p->m, item);
	put_rect(p->out, card->x, card->y, width, card->h, 10, "card");
	put_text(p->out, card->x + PAD, card->y + 29, "h", "", l.name, 40);
	put_text(p->out, card->x + width - PAD, card->y + 29, "s", " text-anchor=\"end\"", l.facts,
		 60);
	if (!item->leaves)
		put_text(p->out, card->x + PAD, card->y + CARD_HEAD + 18, "s", "",
			 "no NIC and no GPU", 40);
	p->row = card->y + CARD_HEAD + ROW / 2;
	for_each_child(root, p->tree, card->item) put_item(p, root, card->x + PAD, 0);
}

/* --- the whole ----------------------------------------------------------------------------- */

static void put_legend(FILE *out, int x, int y)
{
	static const struct {
		const char *class, *text;
		int width;
	} rows[] = { { "nic", "NIC", 62 },
		     { "gpu", "GPU (at a NIC: the nearest)", 196 },
		     { "net", "network interface", 146 },
		     { "odd", "odd: see weft devices", 0 } };

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		put_rect(out, x, y - 10, 12, 12, 3, rows[i].class);
		put_text(out, x + 18, y, "s", "", rows[i].text, 60);
		x += rows[i].width;
	}
}

/* Two beside each other where there are several; *height of all. How many. */
static int place_cards(const struct tree *tree, struct card *card, int width, int *height)
{
	int n = 0, y[2] = { HEADER, HEADER }, column;
	bool two = tree->item[0].first != tree->item[0].last;

	for_each_child(at, tree, 0)
	{
		const struct tree_item *item = &tree->item[at];

		if (n == CARDS_MAX)
			break;
		column = two && y[1] < y[0] ? 1 : 0;
		card[n] = (struct card){
			at, MARGIN + column * (width + GAP), y[column],
			CARD_HEAD + (item->leaves ? (int)item->leaves * ROW + PAD / 2 : EMPTY_H)
		};
		y[column] += card[n].h + GAP;
		n++;
	}
	*height = (y[0] > y[1] ? y[0] : y[1]) - GAP + FOOTER;
	return n;
}

static void put_head(struct picture *p, int width, int height)
{
	struct label l;

	label_make(&l, p->m, &p->tree->item[0]);
	fprintf(p->out,
		"<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %d %d\" width=\"%d\" "
		"height=\"%d\" role=\"img\" aria-labelledby=\"title\">\n<title id=\"title\">"
		"NICs and GPUs of ",
		width, height, width, height);
	put_escaped(p->out, l.name, LABEL_MAX);
	fprintf(p->out, "</title>\n<style>%s</style>\n", style);
	put_rect(p->out, 0, 0, width, height, 0, "bg");
	put_text(p->out, MARGIN, 42, "t", "", l.name, 40);
	put_text(p->out, MARGIN, 64, "s", "", l.facts, 90);
}

void show_svg(const struct machine *m, const struct tree *tree, FILE *out)
{
	struct picture p = { .m = m, .tree = tree, .out = out };
	struct card card[CARDS_MAX];
	int width, total, height, n;

	/* Depth counts the machine and the device, which have no column. */
	p.levels = (int)tree->item[0].depth - 2;
	if (p.levels < 1)
		p.levels = 1;
	if (p.levels > LEVELS)
		p.levels = LEVELS;
	width = 2 * PAD + p.levels * COLUMN + BOX_W;
	n = place_cards(tree, card, width, &height);
	total = 2 * MARGIN + (n > 1 ? 2 * width + GAP : width);
	put_head(&p, total, height);
	put_legend(out, MARGIN, 92);
	for (int i = 0; i < n; i++)
		put_card(&p, &card[i], width);
	if (tree->cut)
		put_text(out, MARGIN, height - 12, "s", "",
			 "the tree is too large: devices are left out", 60);
	fputs("</svg>\n", out);
}
