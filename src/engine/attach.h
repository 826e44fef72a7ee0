/* SPDX-License-Identifier: Apache-2.0 */
/* What upper layers keep with an engine: weft_close() ends it too. */
#ifndef WEFT_ENGINE_ATTACH_H
#define WEFT_ENGINE_ATTACH_H

#include "engine/engine.h"

struct attached {
	struct weft *weft;
	struct list link; /* in weft->attached, a list of the owner's */
	/* Called by weft_close() before anything else, in its thread; frees the object. Calls
	 * engine_detach() on nothing. */
	void (*close)(struct attached *attached);
};

void engine_attach(struct weft *weft, struct attached *attached,
		   void (*close)(struct attached *attached));
void engine_detach(struct attached *attached);
/* weft_close(): no other thread uses the engine. */
void engine_close_attached(struct weft *weft);

#endif /* WEFT_ENGINE_ATTACH_H */
