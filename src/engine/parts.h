/* SPDX-License-Identifier: Apache-2.0 */
/* The smaller parts of an engine, by file. Comes with engine.h. */
#ifndef WEFT_ENGINE_PARTS_H
#define WEFT_ENGINE_PARTS_H

#include "engine/engine.h"

/* --- latency.c --- */
/* The peer is about to lose what was measured: the engine keeps it. */
void latency_keep(struct weft_peer *peer);
/* Transfers of a kind that were done with a peer, those before it slept included. */
uint64_t latency_count(struct weft_peer *peer, uint32_t kind);
/* What weft_latency() and its like tell of a histogram. */
struct weft_latency latency_of(const struct smallhist *hist);

/* --- info.c --- */
/* "device" and so on, enum weft_rdma. */
const char *rdma_name(uint32_t by);
void info_peer(const struct weft_peer *peer, struct weft_peer_info *info);
void info_peer_stats(struct weft_peer *peer, struct weft_peer_stats *stats);
void info_path(const struct weft_peer *peer, uint32_t index, struct weft_path_info *info);

/* --- arrival.c --- */
void arrival_event(struct weft *weft, uint32_t imm);

/* --- bell.c --- */
int bell_open(struct weft *weft);
/* Something was posted or sent to a peer with a bell. */
void bell_posted(struct weft_peer *peer, uint64_t now_ns);
/* A poll of a rail with operations in flight was empty. */
void bell_waiting(struct rail *rail);
void bell_heard(struct weft *weft, uint64_t now_ns);

/* --- host.c --- */
/* Equal for processes that can reach each other through /dev/shm. */
uint64_t host_identity(void);
/* Whether this process may copy from and to another's memory (process_vm_readv). */
bool host_may_copy(uint32_t pid);

#endif /* WEFT_ENGINE_PARTS_H */
