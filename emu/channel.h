/* SPDX-License-Identifier: Apache-2.0 */
/* Completion channels, as completion queues use them. */
#ifndef EMU_CHANNEL_H
#define EMU_CHANNEL_H

#include "emu/object.h"

/* A queue that tells the channel is made. */
void emu_channel_hold(struct emu_channel *channel);

/* Puts one event of cq into its channel. */
void emu_channel_tell(struct emu_cq *cq);

/* The queue is being destroyed: takes its events that nobody fetched out again, waits until those
 * that were fetched are acknowledged, and lets go of the channel. Nothing tells it any more. */
void emu_channel_forget(struct emu_cq *cq);

#endif
