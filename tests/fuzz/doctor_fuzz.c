/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The checks of weft doctor (doctor/doctor.h), over a machine made of the input: lines as in
 * tests/doctor/trees, "/path = text", "/path -> target", "/path/", "env NAME=VALUE",
 * "probe KEY=VALUE", and "/path |" for a FIFO, which never answers. Whatever the files hold, each
 * check comes back, says something, and stays below what its row's severity allows.
 */
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "doctor/table.h"
#include "fuzz.h"

enum {
	LINE_MAX_LEN = 1024,
	PATH_MAX_LEN = 400,
	LINES_MAX = 1000,
	ENV_MAX = 64,
	PROBE_MAX = 16384
};

struct machine {
	int root;
	char *env[ENV_MAX + 1];
	size_t env_n;
	char probe[PROBE_MAX];
	size_t probe_len;
	/* Links are made last: nothing is written through one, so nothing out of the tree. */
	char *links[LINES_MAX];
	size_t links_n;
};

/* Opens the directory of a path, made where it is not there; *name is its last part. The
 * descriptor, or -1: it is no path, or a file stands in its way. */
static int open_parent(int root, char *path, char **name)
{
	int fd = dup(root), next;
	char *part = path + strspn(path, "/"), *end;

	for (; (end = strchr(part, '/')); part = end + strspn(end, "/")) {
		*end++ = '\0';
		if (!strcmp(part, "..")) {
			close(fd);
			return -1;
		}
		mkdirat(fd, part, 0755);
		next = openat(fd, part, O_PATH | O_DIRECTORY | O_NOFOLLOW);
		close(fd);
		if (next < 0)
			return -1;
		fd = next;
	}
	*name = part;
	if (*part && strcmp(part, "..") && strcmp(part, "."))
		return fd;
	close(fd);
	return -1;
}

/* "\n", "\t" and "\0" are what they are elsewhere. Returns the length. */
static size_t unescape(char *text)
{
	static const char from[] = "nt0\\", to[] = "\n\t\0\\";
	const char *known;
	size_t len = 0;

	for (const char *at = text; *at; at++) {
		known = at[0] == '\\' && at[1] ? strchr(from, at[1]) : NULL;
		text[len++] = known ? to[known - from] : *at;
		at += known != NULL;
	}
	return len;
}

static void put_file(int root, char *path, char *text)
{
	char *name;
	int dir = open_parent(root, path, &name), fd;
	size_t len = unescape(text);

	if (dir < 0)
		return;
	fd = openat(dir, name, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_NONBLOCK, 0644);
	if (fd >= 0) {
		FUZZ_CHECK(write(fd, text, len) == (ssize_t)len || errno == ENXIO);
		close(fd);
	}
	close(dir);
}

static void put_node(int root, char *path, bool fifo)
{
	char *name;
	int dir = open_parent(root, path, &name);

	if (dir < 0)
		return;
	if (fifo)
		mkfifoat(dir, name, 0644);
	else
		mkdirat(dir, name, 0755);
	close(dir);
}

static void put_link(int root, char *line)
{
	char *target = strstr(line, " -> "), *name;
	int dir;

	*target = '\0';
	target += strlen(" -> ");
	dir = open_parent(root, line, &name);
	if (dir < 0)
		return;
	FUZZ_CHECK(!symlinkat(target, dir, name) || errno);
	close(dir);
}

static void take_line(struct machine *machine, char *line)
{
	size_t path = strcspn(line, " "), len = strlen(line);

	if (!strncmp(line, "env ", 4) && strchr(line, '=')) {
		if (machine->env_n < ENV_MAX)
			machine->env[machine->env_n++] = strdup(line + 4);
	} else if (!strncmp(line, "probe ", 6)) {
		if (machine->probe_len + len < PROBE_MAX)
			machine->probe_len += (size_t)sprintf(machine->probe + machine->probe_len,
							      "%s\n", line + 6);
	} else if (*line != '/' || path > PATH_MAX_LEN) {
		return;
	} else if (!strncmp(line + path, " -> ", 4)) {
		machine->links[machine->links_n++] = strdup(line);
	} else if (!strncmp(line + path, " =", 2)) {
		line[path] = '\0';
		put_file(machine->root, line, line + path + (line[path + 2] ? 3 : 2));
	} else if (line[path - 1] == '/' || !strcmp(line + path, " |")) {
		line[line[path - 1] == '/' ? path - 1 : path] = '\0';
		put_node(machine->root, line, line[path - 1] != '\0');
	}
}

static void build(struct machine *machine, const char *data, size_t size)
{
	char line[LINE_MAX_LEN];
	size_t at = 0, len, lines = 0;
	const char *end;

	for (; at < size && lines < LINES_MAX; at += len + 1, lines++) {
		end = memchr(data + at, '\n', size - at);
		len = end ? (size_t)(end - data) - at : size - at;
		if (len >= sizeof(line) || memchr(data + at, '\0', len))
			continue;
		memcpy(line, data + at, len);
		line[len] = '\0';
		take_line(machine, line);
	}
	for (size_t i = 0; i < machine->links_n; i++) {
		put_link(machine->root, machine->links[i]);
		free(machine->links[i]);
	}
}

static void run_check(const struct doctor *doctor, const struct doctor_check *check)
{
	static const enum doctor_verdict most[] = {
		[DOCTOR_INFO] = DOCTOR_UNKNOWN,
		[DOCTOR_WARNING] = DOCTOR_WARN,
		[DOCTOR_FATAL] = DOCTOR_FAIL,
	};
	static struct finding finding;

	memset(&finding, 0, sizeof(finding));
	finding.verdict = DOCTOR_VERDICTS;
	check->run(doctor, &finding);
	if (finding.verdict > most[check->severity])
		fprintf(stderr, "%s says %d: %s\n", check->id, (int)finding.verdict, finding.text);
	FUZZ_CHECK(finding.verdict <= most[check->severity]);
	FUZZ_CHECK(*finding.text);
	FUZZ_CHECK(memchr(finding.text, '\0', sizeof(finding.text)));
	FUZZ_CHECK(memchr(finding.fix, '\0', sizeof(finding.fix)));
	FUZZ_CHECK(memchr(finding.evidence, '\0', sizeof(finding.evidence)));
}

static int remove_one(const char *path, const struct stat *stat, int kind, struct FTW *ftw)
{
	(void)stat;
	(void)kind;
	(void)ftw;
	return remove(path);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct machine machine;
	/* Thousands of trees: in memory where that can be. */
	char root[64] = "/dev/shm/weft-doctor-fuzz-XXXXXX";
	struct doctor doctor = { .probe = machine.probe, .probe_why = "", .sysroot_given = true };

	memset(&machine, 0, sizeof(machine));
	if (!mkdtemp(root)) {
		strcpy(root, "/tmp/weft-doctor-fuzz-XXXXXX");
		FUZZ_CHECK(mkdtemp(root));
	}
	machine.root = open(root, O_PATH | O_DIRECTORY);
	FUZZ_CHECK(machine.root >= 0);
	build(&machine, (const char *)data, size);
	doctor.environ = machine.env;
	if (!machine.probe_len)
		doctor.probe_why = "not asked";
	FUZZ_CHECK(!sysroot_open(&doctor.root, root, NULL));
	for (size_t i = 0; i < doctor_checks_count; i++)
		run_check(&doctor, &doctor_checks[i]);
	sysroot_close(&doctor.root);
	close(machine.root);
	FUZZ_CHECK(!nftw(root, remove_one, 16, FTW_DEPTH | FTW_PHYS));
	for (size_t i = 0; i < machine.env_n; i++)
		free(machine.env[i]);
	return 0;
}
