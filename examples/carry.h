/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the examples share: errors, and descriptors carried in files, a batch from start to end. On
 * two hosts such a file is copied, or stands in a folder that both have; copy.c goes without. BIND
 * in the environment is the address or interface that IP transports use, where the first is not
 * right.
 */
#ifndef EXAMPLES_CARRY_H
#define EXAMPLES_CARRY_H

#include <stdio.h>
#include <time.h>
#include <weft/weft.h>

#define SECOND 1000000000ull

static inline int fail(const char *what, int rc)
{
	fprintf(stderr, "%s: %s: %s (%s)\n", what, weft_strerror(rc), weft_error_detail(),
		weft_remedy(rc));
	return weft_exit_status(rc);
}

static inline unsigned long long now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (unsigned long long)ts.tv_sec * SECOND + (unsigned long long)ts.tv_nsec;
}

/* Under its final name only when it is whole, so that a reader never sees a part. */
static inline int descriptor_save(const char *path, const struct weft_region *region)
{
	char descriptor[WEFT_DESCRIPTOR_MAX], temp[4096];
	size_t len = sizeof(descriptor);
	int rc = weft_export(region, descriptor, &len);
	FILE *file;

	if (rc)
		return fail("export", rc);
	snprintf(temp, sizeof(temp), "%s.new", path);
	file = fopen(temp, "wb");
	if (!file || fwrite(descriptor, 1, len, file) != len || fclose(file) ||
	    rename(temp, path)) {
		perror(path);
		return 1;
	}
	return 0;
}

/* Waits for the file, ten seconds at most, and imports what it names. */
static inline int descriptor_load(struct weft *weft, const char *path, struct weft_remote **ret)
{
	const struct timespec pause = { .tv_nsec = 10000000 };
	char descriptor[WEFT_DESCRIPTOR_MAX];
	FILE *file = NULL;
	size_t len;
	int tries, rc;

	for (tries = 0; !file && tries < 1000; tries++) {
		file = fopen(path, "rb");
		if (!file)
			nanosleep(&pause, NULL);
	}
	if (!file) {
		perror(path);
		return 1;
	}
	len = fread(descriptor, 1, sizeof(descriptor), file);
	fclose(file);
	rc = weft_import(weft, descriptor, len, ret);
	return rc ? fail(path, rc) : 0;
}

/* Submits a batch and waits for its end: 0 when all of it is done. */
static inline int batch_run(struct weft_batch *batch, unsigned long long timeout_ns)
{
	int rc = weft_submit(batch, timeout_ns);

	if (!rc)
		rc = weft_batch_wait(batch, WEFT_FOREVER);
	return rc ? rc : weft_batch_error(batch);
}

#endif /* EXAMPLES_CARRY_H */
