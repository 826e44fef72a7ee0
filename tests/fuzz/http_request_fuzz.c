/* SPDX-License-Identifier: Apache-2.0 */
/* What comes to the port of the metrics (watch/request.h). Input: the bytes. */
#include "watch/request.h"

#include <string.h>

#include "fuzz.h"

/* A good request stays the same one when more comes behind it, and was none before its end. */
static void check_good(const char *data, size_t size, const struct request *request)
{
	struct request again;
	size_t len = size;

	FUZZ_CHECK(request->path[0] == '/');
	FUZZ_CHECK(memchr(request->path, 0, sizeof(request->path)));
	FUZZ_CHECK(!strpbrk(request->path, " ?\r\n"));
	while (request_parse(data, len - 1, &again) == 200)
		len--;
	FUZZ_CHECK(len >= strlen("GET / HTTP/1.0\r\n\r\n"));
	FUZZ_CHECK(request_parse(data, len - 1, &again) == 0);
	FUZZ_CHECK(request_parse(data, len, &again) == 200);
	FUZZ_CHECK(!strcmp(again.path, request->path));
	FUZZ_CHECK(again.head_only == request->head_only);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct request request;
	char *copy;
	int status;

	if (size > REQUEST_MAX)
		size = REQUEST_MAX;
	copy = calloc(1, size + !size); /* of just this size, so that reading beyond it is seen */
	FUZZ_CHECK(copy);
	if (size)
		memcpy(copy, data, size);
	status = request_parse(copy, size, &request);
	FUZZ_CHECK(!status || status == 200 || (status >= 400 && status <= 505));
	FUZZ_CHECK(status || size < REQUEST_MAX);
	if (status == 200)
		check_good(copy, size, &request);
	free(copy);
	return 0;
}
