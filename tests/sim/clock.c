/* SPDX-License-Identifier: Apache-2.0 */
/* In place of base/clock.c, the kernel's random numbers and its scheduler. */
#include <sched.h>
#include <sys/random.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/random.h"
#include "sim.h"

static struct sim *served;

void sim_serve(struct sim *sim)
{
	served = sim;
}

uint64_t sim_random(struct sim *sim)
{
	return random_next(&sim->random);
}

uint64_t sim_draw(struct sim *sim, uint64_t below)
{
	return sim_random(sim) % below;
}

bool sim_chance(struct sim *sim, uint32_t percent)
{
	return sim_draw(sim, 100) < percent;
}

/* Looking takes time, so that loops which wait for it end. */
uint64_t clock_ns(void)
{
	return served->now_ns += 100;
}

/* Others run meanwhile. */
int sched_yield(void)
{
	if (served) /* libraries begin before main() */
		served->now_ns += NSEC_PER_USEC;
	return 0;
}

ssize_t getrandom(void *buf, size_t len, unsigned int flags)
{
	uint8_t *at = buf;
	size_t i;

	if (!served)
		return syscall(SYS_getrandom, buf, len, flags);
	for (i = 0; i < len; i++)
		at[i] = (uint8_t)sim_random(served);
	return (ssize_t)len;
}
