/* SPDX-License-Identifier: Apache-2.0 */
/* What the tree, in text and as a picture, says of an item. */
#ifndef WEFT_DEVICES_LABEL_H
#define WEFT_DEVICES_LABEL_H

#include "devices/tree.h"

#define LABEL_MAX 320

struct label {
	char pci[32];         /* address; "" */
	const char *what;     /* "NIC", "GPU", "" for what is no device */
	char name[LABEL_MAX]; /* "rdmap16s27", "NUMA node 0" */
	char facts[LABEL_MAX];
	char near[80]; /* of a NIC: "GPU 0-3"; "" */
	bool odd;      /* something about it deserves a look */
};

/* Every text is printable ASCII. */
void label_make(struct label *ret, const struct machine *m, const struct tree_item *item);

#endif /* WEFT_DEVICES_LABEL_H */
