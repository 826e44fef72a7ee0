/* SPDX-License-Identifier: Apache-2.0 */
/* Random faults of the soak's world. */
#include <stdio.h>

#include "soak.h"

#define QUIET_MS 1500u /* between two faults, at most */
#define FAULT_MS 3000u /* a fault stands no longer */

/* %u: a peer's host. Not those which libfabric's efa does not survive (tests/matrix/rows.def). */
static const char *const faults[] = {
	"delay:delay=1ms,jitter=3ms",
	"reorder:depth=32",
	"duplicate:p=30%%",
	"loss:p=3%%",
	"limit:rate=50MB/s",
	"slow-receiver:dst=h%u,delay=1ms,jitter=1ms",
	"rnr:dst=h%u,count=40",
	"link-down:src=h1n0,dst=h%un0,for=300ms",
	"link-down:src=h1,dst=h%u,for=800ms",
	"flap:host=%u,nic=0,period=400ms,down=150ms",
	"nic-down:host=%u,nic=1",
	"link-down:src=h1,dst=h%u",
	"link-down:src=h5,dst=h0,for=1s",
	"nic-down:host=1,nic=2,for=500ms",
};

void trouble_end(struct soak *s)
{
	emu_fault_clear(s->world->shared, 0);
	s->faulty = false;
}

static void begin(struct soak *s)
{
	uint32_t which = soak_draw(s, sizeof(faults) / sizeof(faults[0]));
	uint32_t host = 2 + soak_draw(s, SOAK_PEERS);
	struct emu_fault fault;
	char text[128], why[256];

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
	snprintf(text, sizeof(text), faults[which], host, host);
#pragma GCC diagnostic pop
	if (emu_fault_parse(text, &fault, why, sizeof(why)))
		conform_fail(__FILE__, __LINE__, "%s: %s", text, why);
	check(emu_fault_add(s->world->shared, &fault) > 0);
	s->faulty = true;
	s->faults++;
}

void trouble_poll(struct soak *s)
{
	uint64_t now = clock_ns();

	if (now < s->next_fault_ns)
		return;
	if (s->faulty) {
		trouble_end(s);
		s->next_fault_ns = now + soak_draw(s, QUIET_MS) * NSEC_PER_MSEC;
		return;
	}
	begin(s);
	if (soak_draw(s, 3) == 0)
		begin(s);
	s->next_fault_ns = now + soak_draw(s, FAULT_MS) * NSEC_PER_MSEC;
}
