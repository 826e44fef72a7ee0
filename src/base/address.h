/* SPDX-License-Identifier: Apache-2.0 */
/* HOST:PORT and [IPv6]:PORT, as users and the network give them. */
#ifndef WEFT_BASE_ADDRESS_H
#define WEFT_BASE_ADDRESS_H

#include <stdbool.h>
#include <stdint.h>

#define ADDRESS_HOST_MAX 256
struct address {
	char host[ADDRESS_HOST_MAX]; /* without brackets */
	uint16_t port;
	bool v6; /* a literal IPv6 address */
};

/* "http://" in front, then with "/" behind, is allowed. -EINVAL with what is wrong. */
int address_parse(struct address *address, const char *text);

#endif /* WEFT_BASE_ADDRESS_H */
