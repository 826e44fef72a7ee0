/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Runs a fuzz target without libFuzzer: on every file of the directories given, on every prefix of
 * a file and on the file with every single bit flipped. Each input lies alone in memory of exactly
 * its size, so that the address sanitizer sees one byte too far.
 *
 * Usage: NAME_replay DIRECTORY...
 */
#include <dirent.h>
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "fuzz.h"

#define REPLAY_FILE_MAX   (1 << 20)
#define REPLAY_CHANGE_MAX 2048 /* bytes of a file of which prefixes and flips are tried */

struct replay {
	unsigned long files, inputs;
};

static void run(struct replay *replay, const uint8_t *bytes, size_t size)
{
	uint8_t *input = malloc(size ? size : 1);

	FUZZ_CHECK(input);
	memcpy(input, bytes, size);
	LLVMFuzzerTestOneInput(input, size);
	free(input);
	replay->inputs++;
}

static void run_changed(struct replay *replay, uint8_t *bytes, size_t size)
{
	size_t at;

	for (at = 0; at < size; at++)
		run(replay, bytes, at);
	for (at = 0; at < 8 * size; at++) {
		bytes[at / 8] ^= 1u << at % 8;
		run(replay, bytes, size);
		bytes[at / 8] ^= 1u << at % 8;
	}
}

static int replay_file(struct replay *replay, const char *path)
{
	static uint8_t bytes[REPLAY_FILE_MAX + 1];
	FILE *file = fopen(path, "rb");
	size_t size;

	if (!file) {
		fprintf(stderr, "%s: %s\n", path, strerror(errno));
		return 1;
	}
	size = fread(bytes, 1, sizeof(bytes), file);
	if (ferror(file) || size > REPLAY_FILE_MAX) {
		fprintf(stderr, "%s: cannot be read, or longer than %d bytes\n", path,
			REPLAY_FILE_MAX);
		fclose(file);
		return 1;
	}
	fclose(file);
	run(replay, bytes, size);
	if (size <= REPLAY_CHANGE_MAX)
		run_changed(replay, bytes, size);
	replay->files++;
	return 0;
}

static int is_visible(const struct dirent *entry)
{
	return entry->d_name[0] != '.';
}

static int replay_directory(struct replay *replay, const char *directory)
{
	struct dirent **entries;
	char path[4096];
	int rc = 0, n, i;

	n = scandir(directory, &entries, is_visible, alphasort);
	if (n < 0) {
		fprintf(stderr, "%s: %s\n", directory, strerror(errno));
		return 1;
	}
	for (i = 0; i < n; i++) {
		snprintf(path, sizeof(path), "%s/%s", directory, entries[i]->d_name);
		rc |= replay_file(replay, path);
		free(entries[i]);
	}
	free(entries);
	return rc;
}

int main(int argc, char **argv)
{
	struct replay replay = { 0 };
	int rc = 0, i;

	for (i = 1; i < argc; i++)
		rc |= replay_directory(&replay, argv[i]);
	printf("%lu files, %lu inputs\n", replay.files, replay.inputs);
	if (!replay.files) {
		fprintf(stderr, "there is nothing to replay: name a directory with a corpus\n");
		return 1;
	}
	return rc;
}
