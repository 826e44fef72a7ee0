/* SPDX-License-Identifier: Apache-2.0 */
#include "verdict.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "conform.h"

uint64_t conform_slower = CONFORM_SLOWER;

static struct verdict *verdict_out;

static const char *leaf(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

void verdict_where(struct verdict *verdict, char *text, size_t size)
{
	const char *file = atomic_load(&verdict->file);

	snprintf(text, size, "%s:%d", file ? leaf(file) : "no check", atomic_load(&verdict->line));
}

struct verdict *verdict_open(void)
{
	void *p = mmap(NULL, sizeof(struct verdict), PROT_READ | PROT_WRITE,
		       MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	return p == MAP_FAILED ? NULL : p;
}

static void verdict_format(const char *format, va_list args)
{
	if (verdict_out)
		vsnprintf(verdict_out->text, sizeof(verdict_out->text), format, args);
}

/* libfabric's shm names its files PID:... */
bool verdict_is_file_of(const char *name, int pid)
{
	char start[16];
	int len = snprintf(start, sizeof(start), "%d:", pid);

	return !strncmp(name, start, (size_t)len);
}

static int leftovers(int pid, bool removes)
{
	DIR *dir = opendir("/dev/shm");
	struct dirent *entry;
	int count = 0;

	while (dir && (entry = readdir(dir))) {
		if (!verdict_is_file_of(entry->d_name, pid))
			continue;
		count++;
		if (removes)
			unlinkat(dirfd(dir), entry->d_name, 0);
	}
	if (dir)
		closedir(dir);
	return count;
}

void verdict_sweep_own(void)
{
	leftovers((int)getpid(), true);
}

void verdict_begin(struct verdict *verdict)
{
	verdict_out = verdict;
	verdict_sweep_own();
}

void conform_at(const char *file, int line)
{
	if (!verdict_out)
		return;
	atomic_store_explicit(&verdict_out->file, file, memory_order_relaxed);
	atomic_store_explicit(&verdict_out->line, line, memory_order_relaxed);
}

void conform_fail(const char *file, int line, const char *format, ...)
{
	char text[sizeof(verdict_out->text)];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	printf("#   %s:%d: %s\n", leaf(file), line, text);
	fflush(stdout);
	_exit(VERDICT_FAIL);
}

void conform_skip(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	verdict_format(format, args);
	va_end(args);
	fflush(stdout);
	_exit(VERDICT_SKIP);
}

void conform_needs_rails(const struct conform *c, uint32_t rails)
{
	struct weft_opts opts = { .size = sizeof(opts),
				  .provider = c->row->name,
				  .bind_addr = c->row->bind_addr,
				  .rails = rails };
	struct weft *weft;
	int rc;

	if (c->row->shares_device)
		return;
	rc = weft_open(&weft, &opts);
	if (rc == -WEFT_ENODEVICE)
		conform_skip("%s", weft_error_detail());
	if (!rc)
		weft_close(weft);
}

void conform_needs_memory(unsigned long mib)
{
	FILE *file = fopen("/proc/meminfo", "r");
	unsigned long kib = 0;
	char line[128];

	check(file);
	while (fgets(line, sizeof(line), file) && sscanf(line, "MemAvailable: %lu kB", &kib) != 1)
		;
	fclose(file);
	if (kib / 1024 < mib)
		conform_skip("needs %lu MiB of memory, there are %lu", mib, kib / 1024);
}

void conform_note(const char *format, ...)
{
	va_list args;

	printf("#   ");
	va_start(args, format);
	vprintf(format, args);
	va_end(args);
	printf("\n");
	fflush(stdout);
}

/* A count as it is, an error by its name. */
static const char *rc_name(int rc, char text[16])
{
	if (rc < 0)
		return weft_error_name(rc);
	snprintf(text, 16, "%d", rc);
	return text;
}

int conform_rc(const char *file, int line, const char *text, int rc, int want)
{
	char got_text[16], want_text[16];

	if (rc != want)
		conform_fail(file, line, "%s: %s, not %s: %s", text, rc_name(rc, got_text),
			     rc_name(want, want_text), rc < 0 ? weft_error_detail() : "");
	return rc;
}

void conform_int(const char *file, int line, const char *text, int64_t value, int64_t want)
{
	if (value != want)
		conform_fail(file, line, "%s is %lld, not %lld", text, (long long)value,
			     (long long)want);
}

int conform_descriptors(void)
{
	DIR *dir = opendir("/proc/self/fd");
	int count = 0;

	check(dir);
	while (readdir(dir))
		count++;
	closedir(dir);
	return count;
}

void conform_note_descriptors(void)
{
	DIR *dir = opendir("/proc/self/fd");
	struct dirent *entry;
	char text[256];
	ssize_t n;

	while (dir && (entry = readdir(dir))) {
		n = readlinkat(dirfd(dir), entry->d_name, text, sizeof(text));
		if (n > 0)
			conform_note("%s: %.*s", entry->d_name, (int)n, text);
	}
	if (dir)
		closedir(dir);
}

void verdict_started(int pid)
{
	if (verdict_out && verdict_out->pid_count < VERDICT_PIDS_MAX)
		verdict_out->pids[verdict_out->pid_count++] = pid;
}

bool verdict_leftover(int pid)
{
	return leftovers(pid, false) > 0;
}

void verdict_sweep(const struct verdict *verdict, int pid)
{
	leftovers(pid, true);
	for (int i = 0; i < verdict->pid_count; i++)
		leftovers(verdict->pids[i], true);
}
