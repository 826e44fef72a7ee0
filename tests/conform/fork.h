/* SPDX-License-Identifier: Apache-2.0 */
/* What a program that this process starts gets of its descriptors. */
#ifndef CONFORM_FORK_H
#define CONFORM_FORK_H

#define DESCRIPTORS_FLAG "--descriptors"

/* Starts this program anew and returns how many sockets of networks it finds open there; -1: it
 * could not be started. */
int fork_descriptors(void);
/* What is then run: its exit status tells the number. */
int descriptors_main(void);

#endif /* CONFORM_FORK_H */
