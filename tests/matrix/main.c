/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The runner: fault-matrix [--all] [--filter TEXT] [--list]. Without --all each fault has each
 * operation at most once; with it each operation in each size. A cell is called
 * FAULT/OPERATION/SIZE. Output is TAP, with the matrix as a table at its end. Exit status: 0 all
 * passed, 1 one failed, 77 no efa provider, 2 usage.
 */
#include <arpa/inet.h>
#include <dirent.h>
#include <getopt.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "matrix.h"
#include "verdict.h"

#define WORLD_NAME "weft-matrix."

static const struct row rows[] = {
#define MATRIX_ROW(name, kind, fault, act, expect, then, timeout, deadline)         \
	{                                                                           \
		name,        EMU_FAULT_##kind, fault,   ACT_##act, EXPECT_##expect, \
		THEN_##then, timeout,          deadline                             \
	},
#include "rows.def"
#undef MATRIX_ROW
};
#define ROWS (sizeof(rows) / sizeof(rows[0]))

static const char *const fault_names[EMU_FAULT_KINDS] = {
	[EMU_FAULT_NONE] = "none",
#define EMU_FAULT_KIND(id, name, keys, help) [EMU_FAULT_##id] = name,
#define EMU_FAULT_KEY(id, name, unit, help)
#include "emu/fault.def"
#undef EMU_FAULT_KIND
#undef EMU_FAULT_KEY
};
static const char *const op_names[OPS] = { "write", "read", "notify" };
static const char *const size_names[SIZES] = { "small", "large", "striped" };

struct runner {
	struct verdict *verdict;
	struct outcome *out;
	const char *filter;
	char *table;
	size_t table_len;
	FILE *lines;
	bool all, list;
	int number, failed;
	uint64_t hits[ROWS];
};

/* --- one cell ----------------------------------------------------------------------------------
 */

static void probe(const struct cell *cell)
{
	struct weft_opts opts = { .size = sizeof(opts), .provider = "efa" };
	struct weft *weft;
	int rc;

	host_here(cell, 1);
	rc = weft_open(&weft, &opts);
	if (rc == -WEFT_ENOPROVIDER || rc == -WEFT_ENODEVICE)
		conform_skip("%s: %s", weft_strerror(rc), weft_error_detail());
	if (!rc)
		weft_close(weft);
}

/* The wait status; one that hangs is killed. */
static int await(pid_t pid)
{
	struct pollfd ended = { .fd = (int)syscall(SYS_pidfd_open, pid, 0), .events = POLLIN };
	int status = 0;

	if (ended.fd >= 0 && poll(&ended, 1, 2 * CONFORM_WATCHDOG_S * 1000) <= 0) {
		printf("#   hang: no end within %d s\n", (int)(2 * CONFORM_WATCHDOG_S));
		kill(pid, SIGKILL);
	}
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	if (ended.fd >= 0)
		close(ended.fd);
	return status;
}

/* What libfabric's efa leaves of killed processes: its shm endpoints, by GID. */
static void sweep_gid(const struct emu_world *world, uint32_t host, uint32_t nic)
{
	char text[INET6_ADDRSTRLEN + 1];
	uint8_t gid[EMU_GID_BYTES];
	struct dirent *entry;
	DIR *dir = opendir("/dev/shm");

	emu_gid_make(world->shared, host, nic, gid);
	inet_ntop(AF_INET6, gid, text, INET6_ADDRSTRLEN);
	strcat(text, "_");
	while (dir && (entry = readdir(dir)))
		if (!strncmp(entry->d_name, text, strlen(text)))
			unlinkat(dirfd(dir), entry->d_name, 0);
	if (dir)
		closedir(dir);
}

static void sweep_gids(const struct cell *cell)
{
	for (uint32_t host = 0; host < cell->hosts; host++)
		for (uint32_t nic = 0; nic < cell->world->shared->host[host].nics; nic++)
			sweep_gid(cell->world, host, nic);
}

static int run_apart(struct runner *r, const struct cell *cell, void (*fn)(const struct cell *))
{
	int status;
	pid_t pid;

	memset(r->verdict, 0, sizeof(*r->verdict));
	fflush(NULL);
	pid = fork();
	if (pid < 0)
		return VERDICT_FAIL << 8;
	if (!pid) {
		setpgid(0, 0);
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		verdict_begin(r->verdict);
		fn(cell);
		exit(VERDICT_PASS);
	}
	status = await(pid);
	kill(-pid, SIGKILL);
	verdict_sweep(r->verdict, pid);
	return status;
}

/* In a world of its own. */
static int run_in_world(struct runner *r, struct cell *cell, void (*fn)(const struct cell *))
{
	static unsigned int worlds;
	char dir[64], why[256] = "";
	int status = VERDICT_FAIL << 8;

	memset(r->out, 0, sizeof(*r->out));
	cell->out = r->out;
	cell->world = calloc(1, sizeof(*cell->world));
	if (!cell->world)
		return status;
	snprintf(dir, sizeof(dir), "/dev/shm/" WORLD_NAME "%d.%u", (int)getpid(), worlds++);
	if (host_world(cell, dir, why, sizeof(why)))
		status = run_apart(r, cell, fn);
	else
		printf("#   world: %s\n", why);
	if (cell->world->shared) {
		sweep_gids(cell);
		emu_world_close(cell->world);
		if (emu_world_remove(dir, why, sizeof(why))) {
			printf("#   %s\n", why);
			status = VERDICT_FAIL << 8;
		}
	}
	free(cell->world);
	return status;
}

/* --- what came out -----------------------------------------------------------------------------
 */

static void table_line(struct runner *r, const struct cell *cell, bool ended)
{
	const struct outcome *out = r->out;
	char failed[128] = "";
	size_t at = 0;

	for (int i = 0; i < CODES && out->failed[i].error && at < sizeof(failed); i++)
		at += (size_t)snprintf(failed + at, sizeof(failed) - at, "%s%u %s", at ? ", " : "",
				       out->failed[i].count, weft_error_name(out->failed[i].error));
	fprintf(r->lines,
		"# %-14s| %-6s | %-7s | %2u/%-2u | %-28s | %6.2f of %5.2f s | %5llu | %5llu | "
		"%5llu "
		"| %s\n",
		cell->row->name, op_names[cell->op], size_names[cell->size], out->done, out->count,
		failed, (double)out->slowest_ns / 1e9,
		cell->row->deadline_ms * CONFORM_SLOWER / 1e3, (unsigned long long)out->hits,
		(unsigned long long)out->wrong_bytes, (unsigned long long)out->leaks,
		ended ? out->after : "FAILED");
}

/* What a cell must show beyond what ends its process. */
static bool as_expected(const struct cell *cell, const struct outcome *out)
{
	bool good = !out->wrong_bytes && !out->leaks && out->count;

	if (out->wrong_bytes)
		printf("#   %llu bytes are wrong\n", (unsigned long long)out->wrong_bytes);
	if (out->leaks)
		printf("#   %llu things are left\n", (unsigned long long)out->leaks);
	if (cell->row->expect == EXPECT_DONE && out->done != out->count) {
		printf("#   %u of %u are done, with a fault that is hidden\n", out->done,
		       out->count);
		good = false;
	}
	if (cell->row->expect == EXPECT_FAILED && out->done) {
		printf("#   %u of %u are done where nothing can pass\n", out->done, out->count);
		good = false;
	}
	return good;
}

static void verdict(struct runner *r, bool good, const char *name, uint64_t since_ns)
{
	r->number++;
	r->failed += !good;
	printf("%s %d - %s # %llu ms\n", good ? "ok" : "not ok", r->number, name,
	       (unsigned long long)((clock_ns() - since_ns) / NSEC_PER_MSEC));
}

static void run_cell(struct runner *r, struct cell *cell, const char *name)
{
	uint64_t start_ns = clock_ns();
	int status = run_in_world(r, cell, cell_run);
	bool ended = WIFEXITED(status) && WEXITSTATUS(status) == VERDICT_PASS;
	char where[96];

	if (!ended) {
		verdict_where(r->verdict, where, sizeof(where));
		printf("#   status 0x%x, last check entered %s\n", (unsigned int)status, where);
	}
	table_line(r, cell, ended);
	r->hits[cell->row - rows] += r->out->hits;
	verdict(r, ended && as_expected(cell, r->out), name, start_ns);
}

/* --- which cells -------------------------------------------------------------------------------
 */

/* The fault is over when the first operation begins. */
static bool acts_before(enum act act)
{
	return act == ACT_STARTING || act == ACT_OPENING || act == ACT_MEETING;
}

/* In the selection each fault that is there meanwhile meets each operation once, in sizes that turn
 * from row to row. Four rails cost most, so only every third row has them. */
static bool selected(const struct runner *r, size_t row, int op, int size)
{
	int turn = (int)(row + (size_t)op) % SIZES;

	if (turn == SIZE_STRIPED && row / SIZES % SIZES != row % SIZES)
		turn = SIZE_SMALL;
	if (acts_before(rows[row].act) && op != (int)(row % OPS))
		return r->all;
	return r->all || size == turn;
}

/* Small ones have healthy peers beside the target, where the fault is not one of the engine's own.
 */
static uint32_t hosts_of(const struct runner *r, const struct row *row, int size)
{
	if (row->then == THEN_LOST)
		return 2;
	return size != SIZE_SMALL ? 2 : r->all ? HOSTS : 3;
}

static void for_each_cell(struct runner *r,
			  void (*fn)(struct runner *, struct cell *, const char *))
{
	for (size_t row = 0; row < ROWS; row++)
		for (int op = 0; op < OPS; op++)
			for (int size = 0; size < SIZES; size++) {
				struct cell cell = { .row = &rows[row],
						     .op = (enum op)op,
						     .size = (enum size)size,
						     .hosts = hosts_of(r, &rows[row], size) };
				char name[64];

				snprintf(name, sizeof(name), "%s/%s/%s", rows[row].name,
					 op_names[op], size_names[size]);
				if (selected(r, row, op, size) &&
				    (!r->filter || strstr(name, r->filter)))
					fn(r, &cell, name);
			}
}

static void count_cell(struct runner *r, struct cell *cell, const char *name)
{
	(void)cell;
	r->number++;
	if (r->list)
		printf("%s\n", name);
}

/* Every fault that the emulator has is in the matrix. */
static void check_kinds(struct runner *r)
{
	uint64_t start_ns = clock_ns();
	bool good = true;

	for (int kind = 0; kind < EMU_FAULT_KINDS; kind++) {
		size_t row = 0;

		while (row < ROWS && (int)rows[row].kind != kind)
			row++;
		if (row == ROWS)
			printf("#   fault %s has no row in tests/matrix/rows.def\n",
			       fault_names[kind]);
		good &= row < ROWS;
	}
	verdict(r, good, "every fault has a row", start_ns);
}

/* A fault that hits nothing shows nothing. */
static void check_hits(struct runner *r)
{
	uint64_t start_ns = clock_ns();
	bool good = true;

	for (size_t row = 0; row < ROWS; row++) {
		if (!host_fault_counts(rows[row].kind) || r->hits[row])
			continue;
		printf("#   fault %s has hit nothing: %s\n", rows[row].name, rows[row].fault);
		good = false;
	}
	verdict(r, good, "every fault has hit", start_ns);
}

static int run_all(struct runner *r)
{
	struct cell first = { .row = rows, .hosts = 2 };
	int status;

	for_each_cell(r, count_cell);
	if (r->list)
		return 0;
	status = run_in_world(r, &first, probe);
	if (WIFEXITED(status) && WEXITSTATUS(status) == VERDICT_SKIP) {
		printf("1..0 # SKIP %s\n", r->verdict->text);
		return VERDICT_SKIP;
	}
	printf("1..%d\n", r->number + (r->filter ? 1 : 2));
	r->number = 0;
	check_kinds(r);
	for_each_cell(r, run_cell);
	if (!r->filter)
		check_hits(r);
	fclose(r->lines);
	printf("# fault         | op     | size    | done  | failed                       | "
	       "slowest, "
	       "deadline | hits  | wrong | leaks | then\n%s",
	       r->table);
	free(r->table);
	return r->failed ? 1 : 0;
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "all", no_argument, NULL, 'a' },
		{ "filter", required_argument, NULL, 'f' },
		{ "list", no_argument, NULL, 'l' },
		{ 0 },
	};
	struct runner r = { .verdict = verdict_open() };
	int option;

	if (argc > 1 && !strcmp(argv[1], CHILD_FLAG))
		return child_main(argc, argv);
	setvbuf(stdout, NULL, _IOLBF, 0);
	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		r.all |= option == 'a';
		r.list |= option == 'l';
		if (option == 'f')
			r.filter = optarg;
		if (option == '?')
			return 2;
	}
	r.out = mmap(NULL, sizeof(*r.out), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1,
		     0);
	r.lines = open_memstream(&r.table, &r.table_len);
	if (!r.verdict || r.out == MAP_FAILED || !r.lines || optind != argc)
		return 2;
	return run_all(&r);
}
