/* SPDX-License-Identifier: Apache-2.0 */
/* Telling peers that were given up and may not know it: see farewell.c. */
#ifndef WEFT_ENGINE_FAREWELL_H
#define WEFT_ENGINE_FAREWELL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct rail;
struct weft;
struct weft_peer;
struct wire_head;

/* In struct weft_peer. */
struct farewell {
	uint64_t until_ns; /* 0: it knows that it was given up */
	uint64_t said_ns;  /* last */
	uint64_t again_ns; /* 0: not by itself */
	uint64_t pause_ns;
	uint32_t path;
};

/* It has failed, and may not know that. */
void farewell_owe(struct weft_peer *peer);
/* It has failed, and lives: it is told without having asked. */
void farewell_say(struct weft_peer *peer);
/* It knows, or is no more. */
void farewell_settled(struct weft_peer *peer);
/* A message for nobody: true if its sender is one that was given up, and is told so. May release
 * that peer. */
bool farewell_answer(struct weft *weft, const struct rail *rail, const struct wire_head *head);
/* Whether an engine of this id was given up and may not know it. */
bool farewell_owed(const struct weft *weft, const uint8_t *id);
/* The engine of this id knows all that were given up. May release them. */
void farewell_over(struct weft *weft, const uint8_t *id);
/* A HELLO says that its sender and our peer of this token let go of each other. True: ours had been
 * given up instead, and its sender is told so by the caller. May release that peer. */
bool farewell_denies(struct weft *weft, uint64_t token);
/* FORGOTTEN has come. */
int farewell_got(struct weft *weft, const void *payload, size_t len);
/* The EVENT_SENT of a farewell. */
void farewell_sent(struct weft *weft, uint32_t slot, uint32_t path, int error);
void farewell_expire(struct weft *weft, uint64_t now_ns);

#endif /* WEFT_ENGINE_FAREWELL_H */
