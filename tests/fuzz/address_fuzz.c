/* SPDX-License-Identifier: Apache-2.0 */
/* Addresses as users and clients give them (base/address.h). Input: the text. */
#include "base/address.h"

#include <errno.h>
#include <string.h>

#include "base/err.h"
#include "fuzz.h"
#include <weft/weft.h>

static void check_line(const char *text)
{
	size_t i;

	for (i = 0; text[i]; i++)
		FUZZ_CHECK((unsigned char)text[i] >= ' ' && text[i] != 0x7f);
	FUZZ_CHECK(i > 0);
}

/* What was understood, written out and read again, is the same. */
static void check_again(const struct address *address)
{
	char text[ADDRESS_HOST_MAX + 32];
	struct address again;

	FUZZ_CHECK(memchr(address->host, 0, sizeof(address->host)));
	FUZZ_CHECK(address->host[0]);
	check_line(address->host);
	snprintf(text, sizeof(text), address->v6 ? "http://[%s]:%u/" : "%s:%u", address->host,
		 address->port);
	FUZZ_CHECK(address_parse(&again, text) == 0);
	FUZZ_CHECK(!strcmp(again.host, address->host));
	FUZZ_CHECK(again.port == address->port && again.v6 == address->v6);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = malloc(size + 1);
	struct address address;
	int rc;

	FUZZ_CHECK(text);
	if (size)
		memcpy(text, data, size);
	text[size] = '\0';
	err_clear();
	rc = address_parse(&address, text);
	FUZZ_CHECK(rc == 0 || rc == -EINVAL);
	if (rc)
		check_line(weft_error_detail());
	else
		check_again(&address);
	free(text);
	return 0;
}
