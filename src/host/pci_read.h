/* SPDX-License-Identifier: Apache-2.0 */
/* What nic.c and pci.c share. */
#ifndef WEFT_HOST_PCI_READ_H
#define WEFT_HOST_PCI_READ_H

#include "host/nic.h"

#define HOST_ENTRIES_MAX 4096 /* of a directory; what a machine has more of is not looked at */

/*
 * Fills ret from a directory that is a PCI function or a device below one, links followed: the
 * nearest function above it counts. Where the copy of a machine has directories in place of links,
 * what the directory itself says. name and path stay "" when it is no PCI function.
 */
void host_pci_read(const struct sysroot *root, struct host_pci *ret, const char *dir);

#endif /* WEFT_HOST_PCI_READ_H */
