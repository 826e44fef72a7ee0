/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/attach.h"

static int attach(struct weft *weft, void *arg)
{
	struct attached *attached = arg;

	list_add_tail(&weft->attached, &attached->link);
	return 0;
}

void engine_attach(struct weft *weft, struct attached *attached,
		   void (*close)(struct attached *attached))
{
	attached->weft = weft;
	attached->close = close;
	engine_run(weft, attach, attached);
}

static int detach(struct weft *weft, void *arg)
{
	struct attached *attached = arg;

	(void)weft;
	list_del(&attached->link);
	return 0;
}

void engine_detach(struct attached *attached)
{
	engine_run(attached->weft, detach, attached);
}

static int pop_attached(struct weft *weft, void *arg)
{
	struct list *link = list_pop(&weft->attached);

	*(struct attached **)arg = link ? list_entry(link, struct attached, link) : NULL;
	return 0;
}

void engine_close_attached(struct weft *weft)
{
	struct attached *attached;

	for (;;) {
		engine_run(weft, pop_attached, &attached);
		if (!attached)
			return;
		attached->close(attached);
	}
}
