/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "emu/util.h"
#include "emu/world_kit.h"

#define HOSTS 3
#define NICS  4

static struct emu_world *world_of(enum emu_carrier carrier, uint32_t first)
{
	struct emu_world *world = calloc(1, sizeof(*world));
	struct emu_world_options options = { .seed = 1, .carrier = carrier };
	char why[256];

	assert_int_equal(emu_world_create(world, NULL, &options, why, sizeof(why)), 0);
	for (uint32_t host = first; host < first + HOSTS; host++)
		kit_host(world, host, "generic", NICS);
	return world;
}

static void world_free(struct emu_world *world)
{
	emu_world_close(world);
	free(world);
}

static const uint8_t *gid_of(const struct emu_world *world, uint32_t host, uint32_t nic)
{
	return world->shared->host[host].nic[nic].gid;
}

static void round_trip(struct emu_world *world)
{
	for (uint32_t host = 0; host < HOSTS; host++) {
		for (uint32_t nic = 0; nic < NICS; nic++) {
			uint8_t gid[EMU_GID_BYTES];
			struct emu_place place;

			emu_gid_make(world->shared, host, nic, gid);
			assert_memory_equal(gid, gid_of(world, host, nic), sizeof(gid));
			/* Link-local with an EUI-64, as EFA's. */
			assert_int_equal(gid[0], 0xfe);
			assert_int_equal(gid[1], 0x80);
			assert_int_equal(gid[11], 0xff);
			assert_int_equal(gid[12], 0xfe);
			assert_true(emu_gid_place(world, gid, &place));
			assert_int_equal(place.host, host);
			assert_int_equal(place.nic, nic);
			for (uint32_t i = 0; i < host * NICS + nic; i++)
				assert_memory_not_equal(gid, gid_of(world, i / NICS, i % NICS),
							sizeof(gid));
		}
	}
}

/* Whatever byte is changed, it is no GID of the world, or that of another NIC. */
static void changed_bytes(struct emu_world *world)
{
	for (int byte = 0; byte < EMU_GID_BYTES; byte++) {
		for (unsigned int flip = 1; flip < 256; flip++) {
			uint8_t gid[EMU_GID_BYTES];
			struct emu_place place;

			memcpy(gid, gid_of(world, 1, 2), sizeof(gid));
			gid[byte] ^= (uint8_t)flip;
			if (!emu_gid_place(world, gid, &place))
				continue;
			assert_true(byte == 14 || byte == 15);
			assert_true(place.host < HOSTS && place.nic < NICS);
			assert_memory_equal(gid, gid_of(world, place.host, place.nic), sizeof(gid));
		}
	}
}

static void rings_round_trip(void **state)
{
	struct emu_world *world = world_of(EMU_CARRIER_RING, 0);

	(void)state;
	round_trip(world);
	changed_bytes(world);
	world_free(world);
}

static void worlds_do_not_mix(void **state)
{
	struct emu_world *one = world_of(EMU_CARRIER_RING, 0);
	struct emu_world *other = world_of(EMU_CARRIER_RING, 0);
	static const uint8_t none[EMU_GID_BYTES];
	struct emu_place place;

	(void)state;
	assert_false(emu_gid_place(one, gid_of(other, 0, 0), &place));
	assert_false(emu_gid_place(other, gid_of(one, 0, 0), &place));
	assert_false(emu_gid_place(one, none, &place));
	world_free(one);
	world_free(other);
}

static void udp_round_trip(void **state)
{
	struct emu_world *world = world_of(EMU_CARRIER_UDP, 0);
	struct emu_place place;

	(void)state;
	round_trip(world);
	assert_true(emu_gid_place(world, gid_of(world, 2, 3), &place));
	assert_memory_equal(place.udp_address, ((uint8_t[]){ 127, 0, 0, 1 }), 4);
	assert_int_equal(place.udp_port, 20400);
	world_free(world);
}

static void udp_of_another_directory(void **state)
{
	struct emu_world *one = world_of(EMU_CARRIER_UDP, 0);
	struct emu_world *other = world_of(EMU_CARRIER_UDP, 10);
	struct emu_world *ring = world_of(EMU_CARRIER_RING, 0);
	struct emu_place place;

	(void)state;
	assert_true(emu_gid_place(one, gid_of(other, 11, 1), &place));
	assert_int_equal(place.host, EMU_ANY);
	assert_int_equal(place.nic, 1);
	assert_int_equal(place.udp_port, 22200);
	assert_false(emu_gid_place(one, gid_of(ring, 0, 0), &place));
	assert_false(emu_gid_place(ring, gid_of(one, 0, 0), &place));
	world_free(one);
	world_free(other);
	world_free(ring);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rings_round_trip),
		cmocka_unit_test(worlds_do_not_mix),
		cmocka_unit_test(udp_round_trip),
		cmocka_unit_test(udp_of_another_directory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
