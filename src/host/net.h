/* SPDX-License-Identifier: Apache-2.0 */
/* Network interfaces of the kernel, as sysfs shows them. */
#ifndef WEFT_HOST_NET_H
#define WEFT_HOST_NET_H

#include "host/sysroot.h"

#define HOST_NETS_MAX 64

struct host_net {
	char name[32];
	char pci[32];     /* of the function that it belongs to; "" when there is none */
	char path[512];   /* of that function below /sys/devices; "" */
	char driver[32];  /* of that function, or of the device that is none; "" */
	int node;         /* NUMA; -1: not known */
	char state[16];   /* "up", "down", "unknown" */
	char address[32]; /* MAC */
	uint64_t mbits;   /* rate, 10^6 bit/s; 0: not known */
	uint64_t mtu;     /* bytes; 0: not known */
	bool hardware;    /* false: a bridge, a tunnel, the interface of a container, ... */
};

/*
 * Interfaces but the loopback, by name, at most room: those with hardware behind them; where there
 * is none, in a container, the others. How many there are of them in ret, or -errno.
 */
int host_nets(const struct sysroot *root, struct host_net *ret, size_t room);

#endif /* WEFT_HOST_NET_H */
