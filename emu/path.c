/* SPDX-License-Identifier: Apache-2.0 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>

#include "emu/carrier.h"

_Static_assert(sizeof(struct sockaddr_in) == sizeof(((struct emu_path *)0)->address),
	       "an IPv4 address fits");

bool emu_path_init(const struct emu_world *world, const uint8_t gid[16], uint32_t qpn,
		   struct emu_path *path)
{
	struct sockaddr_in to = { .sin_family = AF_INET };

	memset(path, 0, sizeof(*path));
	if (!emu_gid_place(world, gid, &path->place))
		return false;
	if (EMU_QPN_SLOT(qpn) >= EMU_SLOTS)
		return true; /* no queue pair has such a number: slot 0 is nobody's */
	path->slot = EMU_QPN_SLOT(qpn);
	path->index = EMU_QPN_INDEX(qpn);
	if (world->shared->carrier != EMU_CARRIER_UDP)
		return true;
	if (path->place.udp_port + path->slot > UINT16_MAX) {
		path->slot = 0;
		return true;
	}
	memcpy(&to.sin_addr, path->place.udp_address, sizeof(to.sin_addr));
	to.sin_port = htons((uint16_t)(path->place.udp_port + path->slot));
	memcpy(path->address, &to, sizeof(to));
	return true;
}
