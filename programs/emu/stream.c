/* SPDX-License-Identifier: Apache-2.0 */
/* Output of several commands on one terminal or pipe: whole lines, each with its host before it. */
#include "emu/launcher.h"

#include <errno.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

void stream_begin(struct stream *stream, int from, int to, uint32_t host)
{
	stream->from = from;
	stream->to = to;
	stream->used = 0;
	snprintf(stream->prefix, sizeof(stream->prefix), "[host %u] ", host);
}

/* One call per line, so that lines of several streams do not mix. What cannot be written is lost:
 * the command's status matters more than its text. */
static void put_line(const struct stream *stream, const char *text, size_t length)
{
	bool whole = length && text[length - 1] == '\n';
	char line[sizeof(stream->prefix) + STREAM_BYTES + 1];
	size_t used = strlen(stream->prefix), done = 0;
	ssize_t n;

	memcpy(line, stream->prefix, used);
	memcpy(line + used, text, length);
	used += length;
	if (!whole)
		line[used++] = '\n';
	while (done < used) {
		n = write(stream->to, line + done, used - done);
		if (n < 0 && errno != EINTR)
			return;
		done += n > 0 ? (size_t)n : 0;
	}
}

/* Passes on the whole lines, and a line that fills all room as if it ended here. */
static void put_lines(struct stream *stream)
{
	char *start = stream->text, *end;

	while ((end = memchr(start, '\n', stream->used))) {
		size_t length = (size_t)(end - start) + 1;

		put_line(stream, start, length);
		start += length;
		stream->used -= length;
	}
	memmove(stream->text, start, stream->used);
	if (stream->used == sizeof(stream->text)) {
		put_line(stream, stream->text, stream->used);
		stream->used = 0;
	}
}

bool stream_pump(struct stream *stream)
{
	ssize_t n;

	if (stream->from < 0)
		return false;
	n = read(stream->from, stream->text + stream->used, sizeof(stream->text) - stream->used);
	if (n < 0)
		return errno == EAGAIN || errno == EINTR;
	if (n == 0) {
		stream_end(stream);
		return false;
	}
	stream->used += (size_t)n;
	put_lines(stream);
	return true;
}

void stream_end(struct stream *stream)
{
	if (stream->from < 0)
		return;
	if (stream->used)
		put_line(stream, stream->text, stream->used);
	stream->used = 0;
	close(stream->from);
	stream->from = -1;
}
