/* SPDX-License-Identifier: Apache-2.0 */
/* Messages that may have been lost with a rail: see doubt.c. */
#ifndef WEFT_ENGINE_DOUBT_H
#define WEFT_ENGINE_DOUBT_H

#include <stdbool.h>
#include <stdint.h>

struct weft_peer;
struct wire_grant;

/* In struct weft_peer. */
struct doubt {
	uint32_t asked;    /* BROKEN that we said, and COUNTED has not answered */
	uint32_t number;   /* all below it are to come */
	uint64_t until_ns; /* by then; 0: nothing is awaited */
};

/* A rail of ours broke, index of its way: says so, and asks what we ought to have. */
void doubt_begin(struct weft_peer *peer, uint32_t index);
/* BROKEN, or COUNTED, has come under this number. */
void doubt_broken(struct weft_peer *peer, const struct wire_grant *grant, uint32_t number);
void doubt_counted(struct weft_peer *peer, uint32_t number);
/* After a message: perhaps the last that was awaited. */
void doubt_continue(struct weft_peer *peer);
/* Fails the peer when it is time. */
void doubt_expire(struct weft_peer *peer, uint64_t now_ns);

#endif /* WEFT_ENGINE_DOUBT_H */
