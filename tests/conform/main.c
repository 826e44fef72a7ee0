/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The runner: conform --provider NAME [--filter REGEX] [--rails N] [--lives N] [--list] [--here].
 * --rails: of every engine that a case does not ask for another number.
 * --lives: how many lives of a peer the cases take that look for what these leave.
 * WEFT_PEER_ENV="NAME=VALUE ...", where it is set, is for the environment of peer processes: they
 * are on another host then, where hosts are something that the environment decides.
 * CONFORM_SLOWER=N, where it is set: on a machine that is so many times slower than usual, which
 * cases may take as long.
 * Output is TAP. Exit status: 0 all passed, 1 a case failed, 77 the provider is absent, 2 usage.
 */
#include <getopt.h>
#include <malloc.h>
#include <poll.h>
#include <regex.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "child.h"
#include "conform.h"
#include "fork.h"
#include "verdict.h"

static const struct conform_row rows[] = {
	{ .name = "loop", .required = true, .script = true, .rdma = WEFT_RDMA_MEMORY },
	{ .name = "shm",
	  .processes = true,
	  .watches_peers = true,
	  .keeps_segments = true,
	  .keeps_addresses = true,
	  .rdma = WEFT_RDMA_MEMORY,
	  .host_way = true },
	{ .name = "tcp",
	  .bind_addr = "127.0.0.1",
	  .processes = true,
	  .needs_target = true,
	  .rdma = WEFT_RDMA_SOFTWARE,
	  .nic = true,
	  .shares_device = true },
	{ .name = "efa",
	  .processes = true,
	  .keeps_addresses = true,
	  .close_waits = true,
	  .late_quiet = true,
	  .counter = "tx_bytes",
	  .counter_unit = 1,
	  .pools_kib = 49152,
	  .nic = true },
	{ .name = "efa-direct",
	  .processes = true,
	  .close_waits = true,
	  .late_quiet = true,
	  .counter = "tx_bytes",
	  .counter_unit = 1,
	  .rdma = WEFT_RDMA_DEVICE,
	  .pools_kib = 49152,
	  .nic = true },
	/* The counter is soft-RoCE's, of packets. */
	{ .name = "verbs",
	  .processes = true,
	  .nic = true,
	  .rdma = WEFT_RDMA_DEVICE,
	  .refusal_unseen = true,
	  .counter = "sent_pkts",
	  .counter_unit = 4096 },
};

static const struct conform_case *const tables[] = {
	cases_open,  cases_data,    cases_apart,  cases_batch,      cases_message, cases_arrival,
	cases_guard, cases_revoke,  cases_key,    cases_descriptor, cases_end,     cases_frozen,
	cases_gone,  cases_restart, cases_choice, cases_rdma,       cases_fetch,   cases_errors,
	cases_stats, cases_path,    cases_broken, cases_thread,     cases_alloc,   cases_region,
	cases_split, cases_fork,    cases_idle,   cases_unheard,
};

static const char *const mode_names[] = { "thread", "manual" };

#ifdef __SANITIZE_ADDRESS__
/* libfabric 1.17 forgets a connection request that comes while tcp's endpoint closes. What weft
 * itself would forget of libfabric's objects shows in the counts of open files and of memory. */
const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void)
{
	return "leak:libfabric.so";
}
#endif

struct runner {
	const struct conform_row *row;
	regex_t filter;
	bool filtered;
	uint32_t rails, lives;
	bool list;
	bool here; /* no process per case: for a debugger */
	struct verdict *verdict;
	bool hung; /* the case that ended last */
	int number, passed, failed, skipped;
};

static const struct conform_row *row_find(const char *name)
{
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (!strcmp(rows[i].name, name))
			return &rows[i];
	return NULL;
}

static bool case_applies(const struct runner *r, const struct conform_case *which, uint32_t mode)
{
	uint32_t needs = which->needs;
	char name[96];

	if ((needs & NEEDS_PROCESSES) && !r->row->processes)
		return false;
	if ((needs & NEEDS_SCRIPT) && !r->row->script)
		return false;
	if ((needs & NEEDS_NIC) && !r->row->nic)
		return false;
	if ((needs & NEEDS_HOST_WAY) && !r->row->host_way)
		return false;
	if ((needs & ONLY_THREAD) && mode != WEFT_PROGRESS_THREAD)
		return false;
	if ((needs & ONLY_MANUAL) && mode != WEFT_PROGRESS_MANUAL)
		return false;
	snprintf(name, sizeof(name), "%s/%s", which->name, mode_names[mode]);
	return !r->filtered || regexec(&r->filter, name, 0, NULL, 0) == 0;
}

/*
 * The wait status of a case's process. One that hangs is killed from here: in the process itself a
 * signal's handler need not get its turn while the hang is in a library that ThreadSanitizer does
 * not know.
 */
static int await(struct runner *r, pid_t pid)
{
	struct pollfd ended = { .fd = (int)syscall(SYS_pidfd_open, pid, 0), .events = POLLIN };
	uint64_t until_ns = clock_deadline(clock_ns(), CONFORM_WATCHDOG_S * NSEC_PER_SEC);
	int status = 0;

	while (ended.fd >= 0 && poll(&ended, 1, 500) <= 0) {
		if (clock_ns() < until_ns)
			continue;
		r->hung = true;
		kill(pid, SIGKILL);
	}
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	if (ended.fd >= 0)
		close(ended.fd);
	return status;
}

/* Runs fn in a process of its own and returns its wait status; what it started is ended too. */
static int run_apart(struct runner *r, const struct conform *c, void (*fn)(const struct conform *c))
{
	pid_t runner = getpid();
	int status = 0;
	pid_t pid;

	r->hung = false;

	memset(r->verdict, 0, sizeof(*r->verdict));
	fflush(NULL);
	pid = fork();
	if (pid < 0)
		return VERDICT_FAIL << 8;
	if (!pid) {
		setpgid(0, 0);
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (getppid() != runner)
			_exit(VERDICT_FAIL);
		verdict_begin(r->verdict);
		fn(c);
		exit(VERDICT_PASS);
	}
	status = await(r, pid);
	kill(-pid, SIGKILL);
	verdict_sweep(r->verdict, pid);
	return status;
}

static void report(struct runner *r, const char *name, int status, uint64_t duration_ns)
{
	int code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
	unsigned long long ms = duration_ns / NSEC_PER_MSEC;
	char where[96];

	r->number++;
	if (code == VERDICT_PASS) {
		r->passed++;
		printf("ok %d - %s # %llu ms\n", r->number, name, ms);
		return;
	}
	if (code == VERDICT_SKIP) {
		r->skipped++;
		printf("ok %d - %s # SKIP %s\n", r->number, name, r->verdict->text);
		return;
	}
	r->failed++;
	verdict_where(r->verdict, where, sizeof(where));
	if (r->hung)
		printf("#   hang: no end within %d s, last check entered %s\n",
		       (int)CONFORM_WATCHDOG_S, where);
	else if (code < 0)
		printf("#   killed by signal %d (%s)\n", WTERMSIG(status),
		       strsignal(WTERMSIG(status)));
	else if (code != VERDICT_FAIL)
		printf("#   exit status %d\n", code);
	printf("not ok %d - %s # %llu ms\n", r->number, name, ms);
}

static void run_case(struct runner *r, const struct conform_case *which, uint32_t mode)
{
	struct conform c = {
		.row = r->row, .progress = mode, .rails = r->rails, .lives = r->lives
	};
	uint64_t start_ns = clock_ns();
	char name[96];
	int status = 0;

	snprintf(name, sizeof(name), "%s/%s", which->name, mode_names[mode]);
	if (r->list) {
		printf("%s\n", name);
		return;
	}
	if (r->here)
		which->fn(&c);
	else
		status = run_apart(r, &c, which->fn);
	report(r, name, status, clock_ns() - start_ns);
}

static void for_each_case(struct runner *r,
			  void (*fn)(struct runner *, const struct conform_case *, uint32_t))
{
	for (size_t t = 0; t < sizeof(tables) / sizeof(tables[0]); t++)
		for (const struct conform_case *which = tables[t]; which->name; which++)
			for (int mode = WEFT_PROGRESS_MANUAL; mode >= 0; mode--)
				if (case_applies(r, which, (uint32_t)mode))
					fn(r, which, (uint32_t)mode);
}

static void count_case(struct runner *r, const struct conform_case *which, uint32_t mode)
{
	(void)which;
	(void)mode;
	r->number++;
}

/* Skips when the provider is not there; any other error is left to the cases. */
static void probe(const struct conform *c)
{
	struct weft_opts opts = {
		.size = sizeof(opts),
		.provider = c->row->name,
		.bind_addr = c->row->bind_addr,
	};
	struct weft *weft;
	int rc = weft_open(&weft, &opts);

	if (rc == -WEFT_ENOPROVIDER || rc == -WEFT_ENODEVICE)
		conform_skip("%s: %s", weft_strerror(rc), weft_error_detail());
	if (!rc)
		weft_close(weft);
}

static bool provider_absent(struct runner *r)
{
	struct conform c = { .row = r->row };
	int status = run_apart(r, &c, probe);

	return !r->row->required && WIFEXITED(status) && WEXITSTATUS(status) == VERDICT_SKIP;
}

static int run_all(struct runner *r)
{
	if (r->list) {
		for_each_case(r, run_case);
		return 0;
	}
	if (provider_absent(r)) {
		printf("1..0 # SKIP %s\n", r->verdict->text);
		return VERDICT_SKIP;
	}
	for_each_case(r, count_case);
	printf("1..%d\n", r->number);
	r->number = 0;
	for_each_case(r, run_case);
	printf("# conform %s: %d passed, %d failed, %d skipped\n", r->row->name, r->passed,
	       r->failed, r->skipped);
	return r->failed || !r->number ? 1 : 0;
}

static int usage(void)
{
	fprintf(stderr, "usage: conform --provider loop|shm|tcp|efa|efa-direct|verbs "
			"[--filter REGEX] [--rails N] "
			"[--lives N] [--list] [--here]\n");
	return 2;
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "provider", required_argument, NULL, 'p' },
		{ "filter", required_argument, NULL, 'f' },
		{ "rails", required_argument, NULL, 'r' },
		{ "lives", required_argument, NULL, 'n' },
		{ "list", no_argument, NULL, 'l' },
		{ "here", no_argument, NULL, 'h' },
		{ 0 },
	};
	struct runner r = { .verdict = verdict_open(), .rails = 1, .lives = 24 };
	int option, status;

	/* One heap for all threads: those of engines that have gone keep what was freed in them,
	 * and cases that look for leaks would take it for one. */
	mallopt(M_ARENA_MAX, 1);
	/* And large blocks go back to the system, whatever was freed before. */
	mallopt(M_MMAP_THRESHOLD, 128 * 1024);
	if (getenv("CONFORM_SLOWER"))
		conform_slower *= strtoull(getenv("CONFORM_SLOWER"), NULL, 10);
	if (argc > 1 && !strcmp(argv[1], CHILD_FLAG))
		return child_main(argc, argv);
	if (argc > 1 && !strcmp(argv[1], DESCRIPTORS_FLAG))
		return descriptors_main();
	setvbuf(stdout, NULL, _IOLBF, 0);
	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (option == 'p')
			r.row = row_find(optarg);
		else if (option == 'f' && !regcomp(&r.filter, optarg, REG_EXTENDED | REG_NOSUB))
			r.filtered = true;
		else if (option == 'r')
			r.rails = (uint32_t)strtoul(optarg, NULL, 10);
		else if (option == 'n')
			r.lives = (uint32_t)strtoul(optarg, NULL, 10);
		else if (option == 'l')
			r.list = true;
		else if (option == 'h')
			r.here = true;
		else
			return usage();
	}
	if (!r.row || !r.verdict || !r.rails || r.lives < 8 || !conform_slower || optind != argc)
		return usage();
	status = run_all(&r);
	if (r.filtered)
		regfree(&r.filter);
	return status;
}
