/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The control channel of weft perf: bytes from the network to lines (perf/wire.h), messages
 * (perf/session_talk.h) and their reports. Input: u8 longest line in units of 8 bytes; then what
 * the other side sends. Each line is returned whole and once; no message keeps more than the
 * longest line; whatever is in it is read or refused.
 */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <weft/error.h>

#include "fuzz.h"
#include "perf/reach.h"
#include "perf/report.h"
#include "perf/report_read.h"
#include "perf/session.h"
#include "perf/session_talk.h"

#define SENT_MAX 4096 /* what a socket takes without a reader */

/* What came of a try to reach: whatever is taken has its bounds. */
static void read_reach(const cJSON *message)
{
	static struct perf_reach reach;

	if (perf_reach_read(cJSON_GetObjectItemCaseSensitive(message, "found"), &reach))
		return;
	FUZZ_CHECK(reach.passes <= PERF_REACH_PASSES);
	for (uint32_t i = 0; i < reach.passes; i++)
		FUZZ_CHECK(reach.pass[i].pairs <= PERF_REACH_NICS);
	FUZZ_CHECK(perf_reach_way(&reach, 0, true) <= PERF_REACH_UNSENT);
}

static void read_members(const cJSON *message)
{
	static const char *const names[] = { "type", "id", "index", "data", "why", "code" };
	uint8_t bytes[64];
	uint64_t number;
	const char *text;
	int len;

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		number = 0;
		if (perf_wire_number(message, names[i], 1000, &number))
			FUZZ_CHECK(number <= 1000);
		text = perf_wire_text(message, names[i]);
		len = text ? perf_wire_from_hex(text, bytes, sizeof(bytes)) : 0;
		FUZZ_CHECK(len == -WEFT_EMESSAGE || (len >= 0 && len <= (int)sizeof(bytes)));
		if (text && len >= 0)
			FUZZ_CHECK(strlen(text) == 2 * (size_t)len);
	}
	FUZZ_CHECK(perf_wire_text(message, "type"));
	read_reach(message);
	perf_talk_same(message, "fuzz");
}

static void read_line(const char *line, size_t len)
{
	struct perf_report report;
	cJSON *message = NULL;
	int rc = perf_wire_parse(line, len, &message);

	FUZZ_CHECK(rc == 0 || rc == -WEFT_EMESSAGE);
	FUZZ_CHECK(!rc == !!message);
	if (!rc)
		read_members(message);
	cJSON_Delete(message);
	if (!perf_read_json_text(&report, "fuzz", line, len))
		perf_report_free(&report);
}

/* Lines as they come out against lines as they went in. */
static void read_all(struct perf_wire *wire, const uint8_t *sent, size_t size)
{
	size_t at = 0, len;
	char *line;
	int rc;

	while (!(rc = perf_wire_next(wire, &line, &len))) {
		FUZZ_CHECK(len <= wire->most && len < size - at);
		FUZZ_CHECK(!memcmp(line, sent + at, len) && sent[at + len] == '\n');
		FUZZ_CHECK(!line[len] && strlen(line) == len);
		read_line(line, len);
		at += len + 1;
	}
	FUZZ_CHECK(rc == -WEFT_EPEERGONE || rc == -WEFT_EMESSAGE);
	FUZZ_CHECK(wire->room <= wire->most + 2 || wire->room <= 4096);
	if (rc == -WEFT_EPEERGONE)
		FUZZ_CHECK(!memchr(sent + at, '\n', size - at));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct perf_wire wire;
	int fds[2];

	if (!size || size > SENT_MAX)
		return 0;
	FUZZ_CHECK(!socketpair(AF_UNIX, SOCK_STREAM, 0, fds));
	perf_wire_init(&wire, fds[0], data[0] * (size_t)8);
	FUZZ_CHECK(write(fds[1], data + 1, size - 1) == (ssize_t)size - 1);
	close(fds[1]);
	read_all(&wire, data + 1, size - 1);
	perf_wire_close(&wire);
	return 0;
}
