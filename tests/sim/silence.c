/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/engine.h"
#include "transport/loop.h"

void engine_silence(struct weft *weft);

void engine_silence(struct weft *weft)
{
	uint32_t i;

	for (i = 0; i < weft->rail_count; i++) {
		struct port *port = weft->rails[i].port;

		if (!port) /* it broke */
			continue;
		port->script.down_after = 1;
		port->script.down_us = 0;
	}
}
