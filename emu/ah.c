/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Address handles. The device numbers destinations: handles for the same GID share a number, and a
 * completion tells the sender's number where there is one. Per NIC a table by number, and a hash
 * table with open addressing from GID to number.
 */
#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "emu/verbs.h"
#include "emu/world.h"

#define FIRST_SIZE 64u
#define NO_NUMBER  UINT32_MAX /* ends the list of free numbers, which is in next_free */

/* --- table of numbers, all under ah_lock --------------------------------------------------- */

static uint32_t home_of(const struct emu_nic *nic, const uint8_t gid[EMU_GID_BYTES])
{
	uint64_t half[2];

	memcpy(half, gid, sizeof(half));
	return (uint32_t)emu_mix(half[0] ^ emu_mix(half[1])) & (nic->ah_hash_size - 1);
}

/* Where gid stands in the hash table, or the empty place where it would. */
static uint32_t place_of(const struct emu_nic *nic, const uint8_t gid[EMU_GID_BYTES])
{
	uint32_t mask = nic->ah_hash_size - 1, place = home_of(nic, gid);

	while (nic->ah_hash[place] &&
	       memcmp(nic->ah_entries[nic->ah_hash[place] - 1].gid, gid, EMU_GID_BYTES) != 0)
		place = (place + 1) & mask;
	return place;
}

/* Entries behind an emptied place move up, so that each can be reached from its home. */
static void empty_place(struct emu_nic *nic, uint32_t place)
{
	uint32_t mask = nic->ah_hash_size - 1, next = place, home;

	for (;;) {
		nic->ah_hash[place] = 0;
		do {
			next = (next + 1) & mask;
			if (!nic->ah_hash[next])
				return;
			home = home_of(nic, nic->ah_entries[nic->ah_hash[next] - 1].gid);
		} while (((next - home) & mask) < ((next - place) & mask));
		nic->ah_hash[place] = nic->ah_hash[next];
		place = next;
	}
}

/* Twice the entries, and a hash table that is at most half full. */
static int grow(struct emu_nic *nic)
{
	uint32_t size = nic->ah_size ? nic->ah_size * 2 : FIRST_SIZE;
	uint32_t *hash = calloc((size_t)size * 2, sizeof(*hash));
	struct emu_ah_entry *entries;

	if (!hash)
		return ENOMEM;
	entries = realloc(nic->ah_entries, size * sizeof(*entries));
	if (!entries) {
		free(hash);
		return ENOMEM;
	}
	for (uint32_t i = nic->ah_size; i < size; i++)
		entries[i] = (struct emu_ah_entry){ .next_free = i + 1 < size ? i + 1 : NO_NUMBER };
	nic->ah_free = nic->ah_size;
	free(nic->ah_hash);
	nic->ah_entries = entries;
	nic->ah_hash = hash;
	nic->ah_hash_size = size * 2;
	for (uint32_t i = 0; i < nic->ah_size; i++)
		hash[place_of(nic, entries[i].gid)] = i + 1;
	nic->ah_size = size;
	return 0;
}

/* Called when all numbers are in use, as grow() expects. */
static int add_number(struct emu_nic *nic, const uint8_t gid[EMU_GID_BYTES], uint32_t *ret)
{
	struct emu_ah_entry *entry;
	int error;

	if (nic->ah_count >= nic->model->max_ah)
		return ENOMEM;
	if (nic->ah_count == nic->ah_size) {
		error = grow(nic);
		if (error)
			return error;
	}
	*ret = nic->ah_free;
	entry = &nic->ah_entries[*ret];
	nic->ah_free = entry->next_free;
	nic->ah_count++;
	memcpy(entry->gid, gid, EMU_GID_BYTES);
	nic->ah_hash[place_of(nic, gid)] = *ret + 1;
	atomic_fetch_add_explicit(&nic->ah_epoch, 1, memory_order_release);
	return 0;
}

static int take_number(struct emu_nic *nic, const uint8_t gid[EMU_GID_BYTES], uint32_t *ret)
{
	uint32_t found;
	int error = 0;

	pthread_mutex_lock(&nic->ah_lock);
	found = nic->ah_size ? nic->ah_hash[place_of(nic, gid)] : 0;
	if (found)
		*ret = found - 1;
	else
		error = add_number(nic, gid, ret);
	if (!error)
		nic->ah_entries[*ret].references++;
	pthread_mutex_unlock(&nic->ah_lock);
	return error;
}

static void give_number(struct emu_nic *nic, uint32_t number)
{
	struct emu_ah_entry *entry;

	pthread_mutex_lock(&nic->ah_lock);
	entry = &nic->ah_entries[number];
	if (--entry->references == 0) {
		empty_place(nic, place_of(nic, entry->gid));
		entry->next_free = nic->ah_free;
		nic->ah_free = number;
		nic->ah_count--;
		atomic_fetch_add_explicit(&nic->ah_epoch, 1, memory_order_release);
	}
	pthread_mutex_unlock(&nic->ah_lock);
}

uint16_t emu_ah_find(struct emu_nic *nic, const uint8_t gid[EMU_GID_BYTES])
{
	uint32_t found = 0;

	pthread_mutex_lock(&nic->ah_lock);
	if (nic->ah_size)
		found = nic->ah_hash[place_of(nic, gid)];
	pthread_mutex_unlock(&nic->ah_lock);
	return found ? (uint16_t)(found - 1) : EMU_AH_UNKNOWN;
}

/* --- verbs --------------------------------------------------------------------------------- */

static int check_attr(struct emu_nic *nic, const struct ibv_ah_attr *attr)
{
	struct emu_place place;

	if (attr->port_num != 1 || !attr->is_global || attr->grh.sgid_index != 0)
		return EINVAL;
	return emu_gid_place(nic->world, attr->grh.dgid.raw, &place) ? 0 : EINVAL;
}

struct ibv_ah *ibv_create_ah(struct ibv_pd *ibv_pd, struct ibv_ah_attr *attr)
{
	struct emu_pd *pd = emu_pd_of(ibv_pd);
	int error = emu_begin(pd->nic, EMU_CALL_AH);
	struct emu_ah *ah;
	uint32_t number;

	error = error ?: check_attr(pd->nic, attr);
	if (error)
		return emu_failed(pd->nic, EMU_CALL_AH, error);
	ah = calloc(1, sizeof(*ah));
	error = ah ? take_number(pd->nic, attr->grh.dgid.raw, &number) : ENOMEM;
	if (error) {
		free(ah);
		return emu_failed(pd->nic, EMU_CALL_AH, error);
	}
	ah->ah.context = ibv_pd->context;
	ah->ah.pd = ibv_pd;
	ah->ah.handle = number;
	ah->number = (uint16_t)number;
	memcpy(ah->gid, attr->grh.dgid.raw, EMU_GID_BYTES);
	atomic_fetch_add_explicit(&pd->objects, 1, memory_order_relaxed);
	emu_done(pd->nic, EMU_CALL_AH, 0);
	return &ah->ah;
}

int ibv_destroy_ah(struct ibv_ah *ibv_ah)
{
	struct emu_ah *ah = (struct emu_ah *)(void *)ibv_ah;
	struct emu_pd *pd = emu_pd_of(ibv_ah->pd);
	struct emu_nic *nic = pd->nic;

	give_number(nic, ah->number);
	free(ah);
	atomic_fetch_sub_explicit(&pd->objects, 1, memory_order_release);
	return emu_command(nic, 0);
}

/* The way back to who sent a datagram, out of the header in front of its data. */
int ibv_init_ah_from_wc(struct ibv_context *context, uint8_t port_num, struct ibv_wc *wc,
			struct ibv_grh *grh, struct ibv_ah_attr *attr)
{
	uint32_t class_and_label;

	memset(attr, 0, sizeof(*attr));
	attr->dlid = wc->slid;
	attr->sl = wc->sl;
	attr->src_path_bits = wc->dlid_path_bits;
	attr->port_num = port_num;
	if (!(wc->wc_flags & IBV_WC_GRH))
		return 0;
	if (memcmp(grh->dgid.raw, emu_nic_of(context)->shared->gid, EMU_GID_BYTES) != 0) {
		errno = EINVAL;
		return -1;
	}
	class_and_label = be32toh(grh->version_tclass_flow);
	attr->is_global = 1;
	attr->grh.dgid = grh->sgid;
	attr->grh.flow_label = class_and_label & 0xfffff;
	attr->grh.traffic_class = (uint8_t)(class_and_label >> 20);
	attr->grh.hop_limit = grh->hop_limit;
	return 0;
}

struct ibv_ah *ibv_create_ah_from_wc(struct ibv_pd *pd, struct ibv_wc *wc, struct ibv_grh *grh,
				     uint8_t port_num)
{
	struct ibv_ah_attr attr;

	if (ibv_init_ah_from_wc(pd->context, port_num, wc, grh, &attr))
		return NULL;
	return ibv_create_ah(pd, &attr);
}
