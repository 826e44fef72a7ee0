/* SPDX-License-Identifier: Apache-2.0 */
/* Which rails are near a GPU. What is not known makes all alike, and fails nothing. */
#include <ctype.h>

#include "base/err.h"
#include "engine/gpu.h"
#include "engine/topo.h"

static int take_place(struct weft *weft, void *arg)
{
	struct weft_region *region = arg;
	const struct gpu_place *place;
	const struct list *link;

	list_for_each(link, &weft->gpu->places)
	{
		place = list_entry(link, struct gpu_place, link);
		if (place->ordinal != region->gpu->ordinal)
			continue;
		region->near = place->near;
		return 1;
	}
	return 0;
}

/* Another thread may have kept the same meanwhile: the first is found. */
static int keep_place(struct weft *weft, void *arg)
{
	struct gpu_place *place = arg;

	list_add_tail(&weft->gpu->places, &place->link);
	return 0;
}

/* Of NICs there are so few that there is nothing to choose. */
static bool no_choice(const struct weft *weft)
{
	uint32_t nics = 0, i;

	for (i = 0; i < weft->rail_count; i++)
		nics += weft->rails[i].limits.pci[0] != '\0';
	return nics < 2;
}

/* "0000:4f:00.0", as hwloc has it; false: the driver does not tell. */
static bool address_of(const struct cuda *cuda, int ordinal, char *text)
{
	int device;

	if (!cuda->cuDeviceGetPCIBusId || cuda->cuDeviceGet(&device, ordinal) != CUDA_SUCCESS ||
	    cuda->cuDeviceGetPCIBusId(text, TOPO_PCI_MAX, device) != CUDA_SUCCESS)
		return false;
	for (; *text; text++)
		*text = (char)tolower((unsigned char)*text);
	return true;
}

/* The rails at the least distance; 0 where all are at the same. */
static uint32_t nearest(const struct weft *weft, const struct topo *topo,
			const struct topo_device *gpu)
{
	enum topo_distance distance, least = TOPO_OTHER, most = TOPO_SWITCH;
	uint32_t near = 0, i;

	for (i = 0; i < weft->rail_count; i++) {
		const struct port_limits *limits = &weft->rails[i].limits;
		const struct topo_device *nic =
			limits->pci[0] ? topo_find(topo, limits->pci, limits->device) : NULL;

		distance = nic ? topo_distance(gpu, nic) : TOPO_OTHER;
		most = distance > most ? distance : most;
		if (distance < least) {
			least = distance;
			near = 0;
		}
		if (distance == least)
			near |= 1u << i;
	}
	return least < most ? near : 0;
}

static uint32_t look(struct weft *weft, int ordinal)
{
	const struct topo_device *gpu;
	char address[TOPO_PCI_MAX];
	struct topo *topo;
	uint32_t near = 0;

	if (no_choice(weft))
		return 0;
	if (!address_of(&weft->gpu->cuda, ordinal, address)) {
		engine_log(weft, WEFT_LOG_INFO,
			   "GPU %d: its driver does not tell where it is; no NIC is preferred",
			   ordinal);
		return 0;
	}
	if (topo_load(&topo, NULL)) {
		engine_log(weft, WEFT_LOG_INFO, "GPU %d: %s; no NIC is preferred", ordinal,
			   weft_error_detail());
		return 0;
	}
	gpu = topo_find(topo, address, "");
	if (gpu)
		near = nearest(weft, topo, gpu);
	else
		engine_log(weft, WEFT_LOG_INFO,
			   "GPU %d: %s does not stand in this machine's topology; no NIC is "
			   "preferred",
			   ordinal, address);
	topo_free(topo);
	return near;
}

void gpu_locate(struct weft_region *region)
{
	struct weft *weft = region->weft;
	struct gpu_place *place;

	if (engine_run(weft, take_place, region))
		return;
	place = mem_zalloc(sizeof(*place));
	if (!place)
		return;
	list_init(&place->link);
	place->ordinal = region->gpu->ordinal;
	place->near = look(weft, place->ordinal);
	engine_run(weft, keep_place, place);
	engine_run(weft, take_place, region);
}

void gpu_forget_places(struct gpu *gpu)
{
	struct gpu_place *place;

	while (!list_empty(&gpu->places)) {
		place = list_entry(gpu->places.next, struct gpu_place, link);
		list_del(&place->link);
		mem_free(place);
	}
}
