/* SPDX-License-Identifier: Apache-2.0 */
/* A machine as text, as JSON, as a tree and as a picture of it. */
#ifndef WEFT_DEVICES_SHOW_H
#define WEFT_DEVICES_SHOW_H

#include <stdio.h>

#include "devices/machine.h"

/* Tables, TABLE_WIDTH wide at most. text.c */
void show_text(const struct machine *m);
/* 0 or -errno. json.c */
int show_json(const struct machine *m);

/* Parts of them, each into ret, which it returns; "" where it is not known. */
char *show_rate(const struct host_nic *nic, char *ret, size_t room);     /* "100 Gb/s" */
char *show_link(const struct host_nic *nic, char *ret, size_t room);     /* "16 GT/s x8" */
char *show_max_link(const struct host_nic *nic, char *ret, size_t room); /* of what it could */
char *show_near(const struct nic_facts *facts, char *ret, size_t room);  /* "0-3 (node)" */
const char *show_rdma(const struct nic_facts *facts);                    /* "read, write" */

/* A text in lines, the first after lead, the others below it. */
void show_wrapped(const char *lead, const char *text);

struct tree;
/* The tree in text; utf8: drawn with lines. tree_text.c */
void show_tree(const struct machine *m, const struct tree *tree, bool utf8);
/* The tree as a self-contained SVG. svg.c */
void show_svg(const struct machine *m, const struct tree *tree, FILE *out);

#endif /* WEFT_DEVICES_SHOW_H */
