/* SPDX-License-Identifier: Apache-2.0 */
#include "frozen.h"

static void frozen_open_loop(struct frozen *f, size_t len, bool thaws, const struct weft_opts *opts)
{
	struct weft_opts slow = opts ? *opts : net_opts(f->net.conform);

	slow.devices = thaws ? "delay_us=250000" : "hang_every=1";
	f->a = net_open(&f->net, &slow);
	f->b = net_open(&f->net, NULL);
	area_open(&f->mem_b, len);
	f->far = &f->mem_b;
	f->remote = net_import(&f->net, f->a,
			       net_register(f->b, &f->mem_b, WEFT_REMOTE_READ | WEFT_REMOTE_WRITE));
}

static void frozen_open_child(struct frozen *f, size_t len, const struct weft_opts *opts)
{
	struct move move;

	child_spawn(&f->child, f->net.conform, len);
	f->a = net_open(&f->net, opts);
	child_open(&f->child, &f->net, WEFT_REMOTE_READ | WEFT_REMOTE_WRITE);
	f->far = &f->child.area;
	f->remote = net_import_bytes(&f->net, f->a, f->child.descriptor, f->child.descriptor_len);
	f->region = net_register(f->a, &f->mem, WEFT_LOCAL);
	move = (struct move){ false, f->region, 0, f->remote, 0, 64, 0, 0 };
	check_ok(net_move(&f->net, f->a, &move, CONFORM_LIMIT_NS));
	child_stop(&f->child);
}

void frozen_open(struct frozen *f, const struct conform *c, size_t len, bool thaws,
		 const struct weft_opts *opts)
{
	*f = (struct frozen){ .net.conform = c };
	area_open(&f->mem, len);
	if (c->row->script) {
		frozen_open_loop(f, len, thaws, opts);
		f->region = net_register(f->a, &f->mem, WEFT_LOCAL);
	} else {
		frozen_open_child(f, len, opts);
	}
}

void frozen_thaw(struct frozen *f)
{
	if (f->child.pid)
		child_resume(&f->child);
}

void frozen_close(struct frozen *f)
{
	check_guards(&f->mem);
	check_guards(f->far);
	if (f->child.pid)
		child_resume(&f->child);
	net_drop(&f->net);
	if (f->child.pid)
		child_end(&f->child);
	area_close(&f->mem_b);
	area_close(&f->mem);
}

void frozen_fill(struct frozen *f, struct weft_batch *batch, bool read, uint32_t count,
		 uint64_t each)
{
	f->each = each;
	for (uint64_t i = 0; i < count; i++) {
		struct move move = { .read = read,
				     .region = f->region,
				     .offset = i * each % f->mem.len,
				     .remote = f->remote,
				     .remote_offset = i * each % f->mem.len,
				     .len = each };

		check(net_add(batch, &move) >= 0);
	}
}
