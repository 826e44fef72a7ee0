/* SPDX-License-Identifier: Apache-2.0 */
/*
 * GIDs look as those of EFA do: link-local, the interface part an EUI-64 (its ff fe in the middle).
 *
 *   byte   0  1  2  3  4  5  6  7   8  9 10 11 12 13 14 15
 *   ring  fe 80  0  0  0  0  0  0  id id id ff fe id  h  n   id: of the world; h: host, n: NIC
 *   UDP   fe 80  port address...   02 'w' 'u' ff fe 0 h  n   h: its number in its own directory
 */
#include <string.h>

#include "emu/util.h"
#include "emu/world.h"

#define MAC_LOCAL     0x02 /* a locally administered address */
#define MAC_MULTICAST 0x01

static void ring_id(const struct emu_world_shared *world, uint8_t gid[EMU_GID_BYTES])
{
	uint64_t id = emu_mix(world->id);

	memset(gid, 0, EMU_GID_BYTES);
	gid[0] = 0xfe;
	gid[1] = 0x80;
	gid[8] = (uint8_t)((id & ~(uint64_t)MAC_MULTICAST) | MAC_LOCAL);
	gid[9] = (uint8_t)(id >> 8);
	gid[10] = (uint8_t)(id >> 16);
	gid[11] = 0xff;
	gid[12] = 0xfe;
	gid[13] = (uint8_t)(id >> 24);
}

static void udp_id(const struct emu_host_shared *host, uint8_t gid[EMU_GID_BYTES])
{
	static const uint8_t mark[6] = { MAC_LOCAL, 'w', 'u', 0xff, 0xfe, 0 };

	gid[0] = 0xfe;
	gid[1] = 0x80;
	gid[2] = (uint8_t)(host->udp_port >> 8);
	gid[3] = (uint8_t)host->udp_port;
	memcpy(gid + 4, host->udp_address, sizeof(host->udp_address));
	memcpy(gid + 8, mark, sizeof(mark));
}

void emu_gid_make(const struct emu_world_shared *world, uint32_t host, uint32_t nic,
		  uint8_t gid[EMU_GID_BYTES])
{
	if (world->carrier == EMU_CARRIER_UDP)
		udp_id(&world->host[host], gid);
	else
		ring_id(world, gid);
	gid[14] = (uint8_t)host;
	gid[15] = (uint8_t)nic;
}

/* Is this NIC one of the directory's own, and does it have this GID? */
static bool here(const struct emu_world_shared *world, const uint8_t gid[EMU_GID_BYTES])
{
	uint8_t own[EMU_GID_BYTES];
	uint32_t host = gid[14], nic = gid[15];

	if (host >= EMU_HOSTS || nic >= EMU_NICS || !atomic_load(&world->host[host].ready) ||
	    nic >= world->host[host].nics)
		return false;
	emu_gid_make(world, host, nic, own);
	return !memcmp(own, gid, EMU_GID_BYTES);
}

static bool udp_place(const struct emu_world_shared *world, const uint8_t gid[EMU_GID_BYTES],
		      struct emu_place *place)
{
	struct emu_host_shared host = { .udp_port = (uint16_t)(gid[2] << 8 | gid[3]) };
	uint8_t same[EMU_GID_BYTES];

	memcpy(host.udp_address, gid + 4, sizeof(host.udp_address));
	udp_id(&host, same);
	if (memcmp(same, gid, 14) || !host.udp_port || gid[15] >= EMU_NICS)
		return false;
	place->host = here(world, gid) ? gid[14] : EMU_ANY;
	place->udp_port = host.udp_port;
	memcpy(place->udp_address, host.udp_address, sizeof(place->udp_address));
	return true;
}

bool emu_gid_place(const struct emu_world *world, const uint8_t gid[EMU_GID_BYTES],
		   struct emu_place *place)
{
	memset(place, 0, sizeof(*place));
	place->host = gid[14];
	place->nic = gid[15];
	if (world->shared->carrier == EMU_CARRIER_UDP)
		return udp_place(world->shared, gid, place);
	return here(world->shared, gid);
}
