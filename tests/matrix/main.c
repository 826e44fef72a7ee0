/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The runner: fault-matrix [--all] [--filter TEXT] [--jobs N] [--list]. Without --all it takes the
 * cells that rows.def names for each full test run; with it each operation of each row in each
 * size. A cell is called FAULT/OPERATION/SIZE. --jobs: cells at a time (2). Output is TAP, with the
 * matrix as a table at its end. Exit status: 0 all passed, 1 one failed, 77 no efa provider, 2
 * usage.
 */
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "matrix.h"
#include "verdict.h"

#define CELLS    512u
#define JOBS_MAX 8u

struct runner {
	const char *filter;
	bool all, list;
	uint32_t jobs, count;
	int number, failed;
	struct cell cells[CELLS];
	bool good[CELLS];
};

/* A cell that runs: the process that watches over the cell's own, and what they print. */
struct job {
	pid_t pid;
	uint32_t cell;
	int fd;
	uint64_t start_ns;
};

static void cell_name(const struct cell *cell, char *name, size_t size)
{
	snprintf(name, size, "%s/%s/%s", cell->row->name, op_names[cell->op],
		 size_names[cell->size]);
}

static void verdict(struct runner *r, bool good, const char *name, uint64_t since_ns)
{
	r->number++;
	r->failed += !good;
	printf("%s %d - %s # %llu ms\n", good ? "ok" : "not ok", r->number, name,
	       (unsigned long long)((clock_ns() - since_ns) / NSEC_PER_MSEC));
}

/* --- running -----------------------------------------------------------------------------------
 */

static bool job_start(struct job *job, struct cell *cell, void (*fn)(const struct cell *))
{
	job->start_ns = clock_ns();
	job->fd = memfd_create("matrix", MFD_CLOEXEC);
	fflush(NULL);
	job->pid = job->fd < 0 ? -1 : fork();
	if (job->pid)
		return job->pid > 0;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	dup2(job->fd, STDOUT_FILENO);
	apart_run(cell, fn);
	fflush(NULL);
	_exit(0);
}

/* Prints what it has printed. */
static void job_end(struct job *job)
{
	char text[4096];
	ssize_t n;

	lseek(job->fd, 0, SEEK_SET);
	while ((n = read(job->fd, text, sizeof(text))) > 0)
		fwrite(text, 1, (size_t)n, stdout);
	close(job->fd);
	job->pid = 0;
}

static void cell_ended(struct runner *r, struct job *job)
{
	const struct cell *cell = &r->cells[job->cell];
	bool *good = &r->good[job->cell];
	char name[64];

	job_end(job);
	*good = judge_outcome(cell, cell->out);
	cell_name(cell, name, sizeof(name));
	verdict(r, *good, name, job->start_ns);
}

static struct job *job_of(struct job *jobs, uint32_t count, pid_t pid)
{
	for (uint32_t i = 0; i < count; i++)
		if (jobs[i].pid == pid)
			return &jobs[i];
	return NULL;
}

static bool run_cells(struct runner *r)
{
	struct job jobs[JOBS_MAX] = { 0 }, *job;
	uint32_t next = 0, busy = 0;

	while (next < r->count || busy) {
		if (next < r->count && busy < r->jobs) {
			job = job_of(jobs, r->jobs, 0);
			job->cell = next++;
			if (!job_start(job, &r->cells[job->cell], cell_run))
				return false;
			busy++;
			continue;
		}
		job = job_of(jobs, r->jobs, waitpid(-1, NULL, 0));
		if (!job)
			continue;
		cell_ended(r, job);
		busy--;
	}
	return true;
}

/* Prints why not. */
static bool efa_is_there(struct runner *r)
{
	struct cell first = r->cells[0];
	struct job job;

	if (!job_start(&job, &first, apart_probe))
		return false;
	waitpid(job.pid, NULL, 0);
	if (WIFEXITED(first.out->status) && WEXITSTATUS(first.out->status) == VERDICT_SKIP)
		printf("1..0 # SKIP\n");
	job_end(&job);
	return WIFEXITED(first.out->status) && WEXITSTATUS(first.out->status) != VERDICT_SKIP;
}

/* --- which cells -------------------------------------------------------------------------------
 */

static bool selected(const struct runner *r, const struct cell *cell)
{
	const char letters[] = { "wrni"[cell->op], "slf"[cell->size], 0 };
	char name[64];

	cell_name(cell, name, sizeof(name));
	return (r->all || strstr(cell->row->full, letters)) &&
	       (!r->filter || strstr(name, r->filter));
}

/* Small ones have healthy peers beside the target, where the fault is not one of the engine's own.
 */
static uint32_t hosts_of(const struct runner *r, size_t row, int op, int size)
{
	if (size != SIZE_SMALL || rows[row].then == THEN_LOST)
		return 2;
	return r->all ? 3 + (uint32_t)(row + (size_t)op) % (HOSTS - 2) : 3;
}

static void choose(struct runner *r, struct outcome *outcomes)
{
	for (size_t row = 0; row < row_count; row++)
		for (int op = 0; op < OPS; op++)
			for (int size = 0; size < SIZES; size++) {
				struct cell cell = { .row = &rows[row],
						     .op = (enum op)op,
						     .size = (enum size)size,
						     .hosts = hosts_of(r, row, op, size),
						     .out = &outcomes[r->count] };

				if (selected(r, &cell) && r->count < CELLS)
					r->cells[r->count++] = cell;
			}
}

static void list(const struct runner *r)
{
	char name[64];

	for (uint32_t i = 0; i < r->count; i++) {
		cell_name(&r->cells[i], name, sizeof(name));
		printf("%s\n", name);
	}
}

/* --- all of it ---------------------------------------------------------------------------------
 */

/* A fault that strikes nothing in any cell shows nothing. */
static bool all_struck(const struct runner *r)
{
	bool good = true;

	for (size_t row = 0; row < row_count; row++) {
		uint64_t struck = 0;

		for (uint32_t i = 0; i < r->count; i++)
			if (r->cells[i].row == &rows[row])
				struck += r->cells[i].out->struck;
		if (struck || (!rows[row].kind && rows[row].act == ACT_FAULT))
			continue;
		printf("#   row %s has struck nothing: %s\n", rows[row].name, rows[row].fault);
		good = false;
	}
	return good;
}

static void table(const struct runner *r)
{
	judge_head(stdout);
	for (uint32_t i = 0; i < r->count; i++)
		judge_line(stdout, &r->cells[i], r->cells[i].out, r->good[i]);
}

static int run(struct runner *r)
{
	uint64_t start_ns = clock_ns();

	if (!r->count || !efa_is_there(r))
		return r->count ? VERDICT_SKIP : 2;
	memset(r->cells[0].out, 0, sizeof(*r->cells[0].out));
	printf("1..%u\n", r->count + (r->filter ? 1 : 2));
	verdict(r, judge_kinds(), "every fault has a row", clock_ns());
	if (!run_cells(r))
		return 1;
	if (!r->filter)
		verdict(r, all_struck(r), "every fault has struck", clock_ns());
	table(r);
	printf("# %u cells in %.0f s\n", r->count, (double)(clock_ns() - start_ns) / 1e9);
	return r->failed ? 1 : 0;
}

static bool read_options(struct runner *r, int argc, char **argv)
{
	static const struct option options[] = {
		{ "all", no_argument, NULL, 'a' },
		{ "filter", required_argument, NULL, 'f' },
		{ "jobs", required_argument, NULL, 'j' },
		{ "list", no_argument, NULL, 'l' },
		{ 0 },
	};
	int option;

	r->jobs = 2;
	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		r->all |= option == 'a';
		r->list |= option == 'l';
		if (option == 'f')
			r->filter = optarg;
		if (option == 'j')
			r->jobs = (uint32_t)strtoul(optarg, NULL, 10);
		if (option == '?')
			return false;
	}
	return optind == argc && r->jobs >= 1 && r->jobs <= JOBS_MAX;
}

int main(int argc, char **argv)
{
	static struct runner r;
	struct outcome *outcomes;

	if (argc > 1 && !strcmp(argv[1], CHILD_FLAG))
		return child_main(argc, argv);
	setvbuf(stdout, NULL, _IOLBF, 0);
	outcomes = mmap(NULL, CELLS * sizeof(*outcomes), PROT_READ | PROT_WRITE,
			MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (!read_options(&r, argc, argv) || outcomes == MAP_FAILED)
		return 2;
	choose(&r, outcomes);
	if (r.list) {
		list(&r);
		return 0;
	}
	return run(&r);
}
