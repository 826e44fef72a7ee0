/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "sim.h"
#include "transport/loop.h"

#define STEPS_MAX   1500u
#define DRAIN_STEPS 200000u
#define TWICE_EVERY 50u /* every so many seeds one is run twice, and must go the same way */
/* Of so many seeds' operations this share is done; faults and cancels end the others. Where fewer
 * are, something hangs until its deadline. */
#define MANY_SEEDS   40u
#define DONE_PERCENT 65u

/* Ten times as slow. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED 1
#elif defined(__has_feature)
#define SANITIZED (__has_feature(address_sanitizer) || __has_feature(thread_sanitizer))
#else
#define SANITIZED 0
#endif

static struct host *some_host(struct sim *sim)
{
	struct host *host = &sim->hosts[sim_draw(sim, SIM_HOSTS)];

	return host->weft && host->frozen_until_ns <= sim->now_ns ? host : NULL;
}

static void pass_time(struct sim *sim)
{
	uint64_t most = sim_chance(sim, 95)   ? 5 * NSEC_PER_USEC
			: sim_chance(sim, 90) ? 300 * NSEC_PER_USEC
					      : 20 * NSEC_PER_MSEC;

	sim->now_ns += sim_draw(sim, most);
}

static void freeze(struct host *host)
{
	host->frozen_until_ns = host->sim->now_ns + sim_draw(host->sim, 10 * NSEC_PER_MSEC);
	sim_note(host->sim, "h%u: is frozen", host->index);
}

static void restart(struct host *host)
{
	if (sim_chance(host->sim, 50))
		host_silence(host);
	host_close(host);
	host_plan(host);
	host_open(host);
}

static void act(struct sim *sim, struct host *host)
{
	uint64_t what = sim_draw(sim, 1000);

	if (what < 250)
		batch_submit(host);
	else if (what < 280)
		batch_cancel(host);
	else if (what < 380)
		host_say(host,
			 (host->index + 1 + (uint32_t)sim_draw(sim, SIM_HOSTS - 1)) % SIM_HOSTS);
	else if (what < 400 || (what < 500 && host->taking_back))
		host_take_back(host, sim->cuts && sim_chance(sim, 10));
	else if (what < 404)
		restart(host);
	else if (what < 412)
		freeze(host);
	else if (what < 450)
		host_close_old(host);
	else
		host_progress(host);
	if (host->weft)
		batch_look(host);
}

static void run_steps(struct sim *sim)
{
	uint32_t steps = STEPS_MAX / 4 + (uint32_t)sim_draw(sim, STEPS_MAX);
	struct host *host;

	for (sim->step = 0; sim->step < steps; sim->step++) {
		pass_time(sim);
		host = some_host(sim);
		if (host)
			act(sim, host);
	}
}

/* Nothing new begins: all that has begun must end. What a script hangs on purpose stays. */
static bool is_drained(const struct sim *sim)
{
	for (uint32_t i = 0; i < SIM_HOSTS; i++) {
		const struct host *host = &sim->hosts[i];

		if (host->taking_back || (!host->hangs && !batch_all_free(host)))
			return false;
		for (uint32_t j = 0; j < SIM_BATCHES; j++)
			if (host->batches[j].state == BATCH_ACTIVE)
				return false;
	}
	return true;
}

static bool is_missing(const struct talk *talk)
{
	return !talk->broken && talk->received < talk->sent;
}

static bool messages_came(const struct sim *sim)
{
	for (uint32_t i = 0; i < SIM_HOSTS; i++)
		for (uint32_t j = 0; j < SIM_HOSTS; j++)
			if (is_missing(&sim->talks[i][j]))
				return false;
	return true;
}

static void say_to_mute(struct sim *sim)
{
	for (uint32_t i = 0; i < SIM_HOSTS; i++)
		for (uint32_t j = 0; j < SIM_HOSTS; j++)
			if (is_missing(&sim->talks[i][j]) && host_is_mute(&sim->hosts[j]))
				host_say(&sim->hosts[i], j);
}

static bool immediates_came(const struct sim *sim)
{
	for (uint32_t i = 0; i < SIM_HOSTS; i++)
		if (weft_arrival_count(sim->hosts[i].arrival) < sim->hosts[i].imm_done)
			return false;
	return true;
}

static bool has_all_ended(const struct sim *sim)
{
	return is_drained(sim) && messages_came(sim) && immediates_came(sim);
}

static void drain(struct sim *sim)
{
	uint32_t left = DRAIN_STEPS;

	/* Who hangs for ever does not answer. */
	for (uint32_t i = 0; i < SIM_HOSTS; i++)
		sim->cuts |= sim->hosts[i].hangs;
	while (left-- && !has_all_ended(sim)) {
		sim->step++;
		sim->now_ns += sim_draw(sim, 200 * NSEC_PER_USEC);
		for (uint32_t i = 0; i < SIM_HOSTS; i++) {
			host_progress(&sim->hosts[i]);
			if (sim->hosts[i].taking_back)
				host_take_back(&sim->hosts[i], sim->cuts && sim_chance(sim, 1));
			batch_look(&sim->hosts[i]);
		}
		if (sim_chance(sim, 1))
			say_to_mute(sim);
	}
	if (!has_all_ended(sim))
		sim_dump(sim);
	sim_check(sim, is_drained(sim));
	sim_check(sim, immediates_came(sim));
	sim_check(sim, messages_came(sim));
}

static void check_counts(struct sim *sim, struct host *host)
{
	struct weft_stats stats = { .size = sizeof(stats) };
	uint64_t count = weft_arrival_count(host->arrival);

	if (count > host->imm_done + host->imm_other)
		sim_fail(sim,
			 "h%u: %" PRIu64 " arrivals of %" PRIu64 " done and %" PRIu64
			 " other writes",
			 host->index, count, host->imm_done, host->imm_other);
	sim_check(sim, weft_stats(host->weft, &stats) == 0);
	sim_check(sim, stats.submitted == 0);
	sim_check(sim, host->hangs || (stats.in_flight == 0 && stats.quarantined == 0));
	sim_check(sim, stats.regions == 2);
}

static void check_nothing_left(struct sim *sim)
{
	for (uint32_t i = 0; i < LOOP_PORTS_MAX; i++)
		sim_check(sim, !loop_world.ports[i]);
	for (uint32_t i = 0; i < loop_world.pin_count; i++)
		sim_check(sim, !loop_world.pins[i].base);
}

/* Everything of a run starts anew, the transport's world too, so that it depends on the seed alone.
 */
static void world_reset(void)
{
	free(loop_world.pins);
	loop_world.pins = NULL;
	loop_world.pin_count = loop_world.pin_room = loop_world.pin_free = 0;
	loop_world.next_id = 0;
	loop_world.nonce = 0;
}

static uint64_t run_seed(uint64_t seed, bool verbose, uint64_t *done, uint64_t *ended)
{
	struct sim *sim = calloc(1, sizeof(*sim));
	uint64_t trace;

	if (!sim)
		abort();
	sim->seed = sim->random = seed;
	sim->now_ns = NSEC_PER_SEC;
	sim->verbose = verbose;
	sim->cuts = sim_chance(sim, 25);
	sim_serve(sim);
	world_reset();
	for (uint32_t i = 0; i < SIM_HOSTS; i++) {
		struct host *host = &sim->hosts[i];

		host->sim = sim;
		host->index = i;
		area_open(&host->own);
		area_open(&host->given);
		host_plan(host);
		host_open(host);
	}
	run_steps(sim);
	drain(sim);
	for (uint32_t i = 0; i < SIM_HOSTS; i++)
		check_counts(sim, &sim->hosts[i]);
	for (uint32_t i = 0; i < SIM_HOSTS; i++)
		host_close(&sim->hosts[i]);
	check_nothing_left(sim);
	for (uint32_t i = 0; i < SIM_HOSTS; i++) {
		for (uint32_t j = 0; j < SIM_SLOTS; j++) {
			slot_check(sim, &sim->hosts[i].own.slots[j]);
			slot_check(sim, &sim->hosts[i].given.slots[j]);
		}
		area_close(&sim->hosts[i].own);
		area_close(&sim->hosts[i].given);
	}
	trace = sim->trace;
	*done += sim->done;
	*ended += sim->ended;
	sim_serve(NULL);
	free(sim);
	return trace;
}

static uint64_t seeds_of_tier(void)
{
	const char *tier = getenv("WEFT_TEST_TIER");

	if (tier && !strcmp(tier, "nightly"))
		return 20000;
	return tier && !strcmp(tier, "full") && !SANITIZED ? 500 : 50;
}

static int usage(void)
{
	fputs("Usage: sim [--first N] [--seeds N] | --seed N\n", stderr);
	return 2;
}

static bool number_of(const char *text, uint64_t *ret)
{
	char *end;

	errno = 0;
	*ret = strtoull(text, &end, 10);
	return *text >= '0' && *text <= '9' && !*end && !errno;
}

int main(int argc, char **argv)
{
	uint64_t first = 1, seeds = seeds_of_tier(), done = 0, ended = 0, trace;
	bool verbose = false, enough;

	for (int i = 1; i < argc; i += 2) {
		if (i + 1 == argc)
			return usage();
		verbose = !strcmp(argv[i], "--seed");
		if (verbose && number_of(argv[i + 1], &first))
			seeds = 1;
		else if (verbose || !number_of(argv[i + 1], !strcmp(argv[i], "--first")   ? &first
							    : !strcmp(argv[i], "--seeds") ? &seeds
											  : &done))
			return usage();
	}
	printf("1..1\n");
	for (uint64_t seed = first; seed < first + seeds; seed++) {
		trace = run_seed(seed, verbose, &done, &ended);
		if (seed % TWICE_EVERY == 0 && run_seed(seed, verbose, &done, &ended) != trace) {
			printf("# seed %" PRIu64 " went another way the second time\n"
			       "not ok 1 - seeds\n",
			       seed);
			return 1;
		}
	}
	enough = seeds < MANY_SEEDS || done * 100 >= ended * DONE_PERCENT;
	printf("# %" PRIu64 " seeds from %" PRIu64 " on: %" PRIu64 " operations, %" PRIu64
	       " of them done%s\n%sok 1 - seeds\n",
	       seeds, first, ended, done, enough ? "" : ": too few", enough ? "" : "not ");
	return !enough;
}
