/* SPDX-License-Identifier: Apache-2.0 */
/*
 * soak [--minutes N] [--seconds N] [--seed N] --serve PATH --kv PATH: the programs weft-serve and
 * soak-kv. 20 seconds unless told otherwise. Output is TAP, with the seed. Exit status: 0 all held,
 * 1 something did not, 77 no efa provider, 2 usage.
 */
#include <arpa/inet.h>
#include <dirent.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cache.h"
#include "soak.h"
#include "verdict.h"

/*
 * What a run may grow by after its warm-up: libfabric's pools, which are as large as the most that
 * was ever under way, and what its efa keeps of each peer that was met (addresses are never removed
 * where it emulates: docs/design.md).
 */
#define GROWTH_KIB          16384
#define GROWTH_PER_PEER_KIB 512
/* libfabric's efa (1.17) sets up 1,024 buffers of 9 KiB when the first message comes that finds no
 * receive posted, once for each endpoint: in a short run perhaps not in the warm-up. */
#define LATE_POOL_KIB   10240 /* rxr_env.c: unexp_pool_chunk_size */
#define LATE_POOL_RUN_S 240
#define REPORT_NS       (30 * NSEC_PER_SEC)

static const struct conform_row row_efa = { .name = "efa", .processes = true, .nic = true };

struct options {
	uint64_t seconds, seed;
	char *serve, *kv;
};

static long resident_kib(void)
{
	FILE *file = fopen("/proc/self/statm", "re");
	long pages = 0;

	check(file && fscanf(file, "%*d %ld", &pages) == 1);
	fclose(file);
	return pages * (sysconf(_SC_PAGESIZE) / 1024);
}

static void report(const struct soak *s, uint64_t since_ns)
{
	conform_note("%4.0f s: %llu done, %llu not, %llu MiB, messages %llu of %llu, %llu faults, "
		     "%llu restarts, %llu revoked, %ld MiB, %d files",
		     (double)(clock_ns() - since_ns) / 1e9, (unsigned long long)s->done,
		     (unsigned long long)s->failed, (unsigned long long)(s->bytes >> 20),
		     (unsigned long long)s->came, (unsigned long long)s->sent,
		     (unsigned long long)s->faults, (unsigned long long)s->restarts,
		     (unsigned long long)s->revokes, resident_kib() / 1024, conform_descriptors());
}

static void turn(struct soak *s, const struct cache *cache)
{
	if (soak_draw(s, 4) == 0)
		traffic_start(s);
	if (soak_draw(s, 16) == 0)
		message_send(s, &s->peers[soak_draw(s, SOAK_PEERS)]);
	traffic_poll(s);
	message_poll(s);
	trouble_poll(s);
	life_poll(s);
	cache_check(cache);
	net_turn(&s->net);
}

static bool at_rest(struct soak *s)
{
	struct weft_stats stats;

	traffic_poll(s);
	message_poll(s);
	if (!traffic_idle(s))
		return false;
	stats = net_stats(s->weft);
	return !stats.in_flight && !stats.quarantined && !stats.submitted &&
	       stats.peers == SOAK_PEERS;
}

/* Nothing is under way: what is there now can be compared with another time. */
static void rest(struct soak *s)
{
	trouble_end(s);
	for (uint32_t i = 0; i < SOAK_PEERS; i++)
		check(s->peers[i].remote);
	until_in(&s->net, at_rest(s), 4 * CONFORM_LIMIT_NS);
	check_int(net_stats(s->weft).regions, 1);
}

struct level {
	long kib;
	int files;
	uint64_t lives;
};

static struct level level_now(struct soak *s)
{
	struct level level = { .lives = s->restarts + s->revokes };

	rest(s);
	level.kib = resident_kib();
	level.files = conform_descriptors();
	return level;
}

/* K4 */
static void compare(const struct level *warm, const struct level *end, bool is_short)
{
	long room = GROWTH_KIB + GROWTH_PER_PEER_KIB * (long)(end->lives - warm->lives);

	if (is_short)
		room += SOAK_RAILS * LATE_POOL_KIB;
	conform_note("after warm-up %ld KiB, %d files; at the end %ld KiB, %d files; %llu peers "
		     "were met between",
		     warm->kib, warm->files, end->kib, end->files,
		     (unsigned long long)(end->lives - warm->lives));
	if (end->kib > warm->kib + room)
		conform_fail(__FILE__, __LINE__, "memory has grown by %ld KiB, at most %ld",
			     end->kib - warm->kib, room);
	if (end->files > warm->files)
		conform_note_descriptors();
	check(end->files <= warm->files);
}

static void go_on_until(struct soak *s, const struct cache *cache, uint64_t until_ns,
			uint64_t *report_ns, uint64_t start_ns)
{
	while (clock_ns() < until_ns) {
		turn(s, cache);
		if (clock_ns() >= *report_ns) {
			report(s, start_ns);
			*report_ns += REPORT_NS;
		}
	}
}

static void run(struct soak *s, const struct options *options)
{
	struct cell cell = { .world = s->world };
	uint64_t start_ns, report_ns, all_ns = options->seconds * NSEC_PER_SEC;
	struct level warm, end;
	struct cache cache;

	s->conform = (struct conform){ .row = &row_efa,
				       .progress = WEFT_PROGRESS_THREAD,
				       .rails = SOAK_RAILS };
	s->net.conform = &s->conform;
	host_here(&cell, SOAK_HERE);
	cache_open(&cache, s, options->serve, options->kv);
	life_open(s);
	start_ns = clock_ns();
	report_ns = start_ns + REPORT_NS;
	go_on_until(s, &cache, start_ns + all_ns / 4, &report_ns, start_ns);
	warm = level_now(s);
	go_on_until(s, &cache, start_ns + all_ns, &report_ns, start_ns);
	end = level_now(s);
	report(s, start_ns);
	compare(&warm, &end, options->seconds < LATE_POOL_RUN_S);
	check(s->done && s->came && s->faults);
	cache_close(&cache, &s->net);
	life_close(s);
	net_end(&s->net);
	for (uint32_t i = 0; i < SOAK_PEERS; i++) {
		child_close(&s->peers[i].child, &s->net);
		child_end(&s->peers[i].child);
	}
}

/* --- around it -------------------------------------------------------------------------------- */

/* Files of libfabric's efa in /dev/shm carry the GID of their device: how many there are; they go.
 */
static int sweep_gids(const struct emu_world *world)
{
	char text[INET6_ADDRSTRLEN + 1];
	uint8_t gid[EMU_GID_BYTES];
	struct dirent *entry;
	int count = 0;
	DIR *dir;

	for (uint32_t host = 0; host < SOAK_HOSTS; host++)
		for (uint32_t nic = 0; nic < world->shared->host[host].nics; nic++) {
			emu_gid_make(world->shared, host, nic, gid);
			inet_ntop(AF_INET6, gid, text, INET6_ADDRSTRLEN);
			strcat(text, "_");
			dir = opendir("/dev/shm");
			while (dir && (entry = readdir(dir)))
				if (!strncmp(entry->d_name, text, strlen(text))) {
					unlinkat(dirfd(dir), entry->d_name, 0);
					count++;
				}
			if (dir)
				closedir(dir);
		}
	return count;
}

static int run_apart(struct soak *s, const struct options *options, struct verdict *verdict)
{
	int status = VERDICT_FAIL << 8;
	pid_t pid;

	fflush(NULL);
	pid = fork();
	if (pid == 0) {
		setpgid(0, 0);
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		verdict_begin(verdict);
		run(s, options);
		verdict->pids[0] = (int)(s->restarts * SOAK_RAILS); /* K5 */
		exit(VERDICT_PASS);
	}
	while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	kill(-pid, SIGKILL);
	return status;
}

static int soak(const struct options *options)
{
	static const struct row quiet = { .name = "soak", .timeout_ms = 10000 };
	struct cell cell = { .row = &quiet, .size = SIZE_STRIPED, .hosts = SOAK_HOSTS };
	struct verdict *verdict = verdict_open();
	struct emu_world world = { 0 };
	struct soak s = { .seed = options->seed, .random = options->seed, .world = &world };
	char dir[64], why[256] = "", where[96];
	int status = VERDICT_FAIL << 8, left = 0;
	bool good;

	printf("# soak: %llu s, --seed %llu\n1..1\n", (unsigned long long)options->seconds,
	       (unsigned long long)options->seed);
	snprintf(dir, sizeof(dir), "/dev/shm/weft-soak.%d", (int)getpid());
	cell.world = &world;
	if (!verdict || !host_world(&cell, dir, why, sizeof(why))) {
		printf("#   world: %s\nnot ok 1 - soak\n", why);
		return 1;
	}
	status = run_apart(&s, options, verdict);
	good = WIFEXITED(status) && WEXITSTATUS(status) == VERDICT_PASS;
	left = sweep_gids(&world);
	if (!good) {
		verdict_where(verdict, where, sizeof(where));
		printf("#   status 0x%x, last check entered %s\n", (unsigned int)status, where);
	} else if (left > verdict->pids[0]) {
		printf("#   %d files are left in /dev/shm, by at most %d killed endpoints\n", left,
		       verdict->pids[0]);
		good = false;
	}
	emu_world_close(&world);
	if (emu_world_remove(dir, why, sizeof(why))) {
		printf("#   %s\n", why);
		good = false;
	}
	printf("%s 1 - soak\n", good ? "ok" : "not ok");
	return good ? 0 : 1;
}

int main(int argc, char **argv)
{
	static const struct option longs[] = {
		{ "minutes", required_argument, NULL, 'm' },
		{ "seconds", required_argument, NULL, 's' },
		{ "seed", required_argument, NULL, 'e' },
		{ "serve", required_argument, NULL, 'p' },
		{ "kv", required_argument, NULL, 'k' },
		{ 0 },
	};
	struct options options = { .seconds = 20 };
	int option;

	if (argc > 1 && !strcmp(argv[1], CHILD_FLAG))
		return child_main(argc, argv);
	setvbuf(stdout, NULL, _IOLBF, 0);
	if (getrandom(&options.seed, 4, 0) != 4)
		return 1;
	while ((option = getopt_long(argc, argv, "", longs, NULL)) != -1) {
		if (option == 'm')
			options.seconds = 60 * strtoull(optarg, NULL, 10);
		else if (option == 's')
			options.seconds = strtoull(optarg, NULL, 10);
		else if (option == 'e')
			options.seed = strtoull(optarg, NULL, 10);
		else if (option == 'p')
			options.serve = optarg;
		else if (option == 'k')
			options.kv = optarg;
		else
			return 2;
	}
	if (!options.serve || !options.kv || !options.seconds || optind != argc)
		return 2;
	return soak(&options);
}
