/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "common/program.h"
#include "kv/kv.h"

static int nibble(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

static int from_hex(struct key *key, const char *text)
{
	size_t len = strlen(text), i;
	int high, low;

	if (len % 2 || len / 2 > sizeof(key->bytes))
		return program_usage(NAME, "--key-hex: an even number of digits, at most %zu",
				     2 * sizeof(key->bytes));
	for (i = 0; i < len / 2; i++) {
		high = nibble(text[2 * i]);
		low = nibble(text[2 * i + 1]);
		if (high < 0 || low < 0)
			return program_usage(NAME, "--key-hex: digit %zu is not hexadecimal",
					     2 * i + (high >= 0) + 1);
		key->bytes[i] = (uint8_t)(high << 4 | low);
	}
	key->len = len / 2;
	return 0;
}

static int from_file(struct key *key, const char *path)
{
	FILE *file = fopen(path, "re");
	int more, rc;

	if (!file)
		return program_fail(NAME, -errno, "--key-file %s", path);
	key->len = fread(key->bytes, 1, sizeof(key->bytes), file);
	more = fgetc(file) != EOF;
	rc = ferror(file) ? -EIO : 0;
	fclose(file);
	if (rc)
		return program_fail(NAME, rc, "--key-file %s", path);
	if (more)
		return program_fail(
			NAME, err_set(-WEFT_EKEYSIZE, "more than %zu bytes", sizeof(key->bytes)),
			"--key-file %s", path);
	return 0;
}

static int from_text(struct key *key, const char *text)
{
	size_t len = strlen(text);

	if (len > sizeof(key->bytes))
		return program_fail(NAME, err_set(-WEFT_EKEYSIZE, "%zu bytes", len), "KEY");
	memcpy(key->bytes, text, len);
	key->len = len;
	return 0;
}

int key_from(struct key *key, const struct kv_values *values, const char **value_ret)
{
	const char *value = values->value;
	int rc;

	if (values->key_file && values->key_hex)
		return program_usage(NAME, "--key-file and --key-hex exclude each other");
	if (values->key_file && values->value)
		return program_usage(NAME, "with --key-file, KEY is left out");
	if (!values->key_file && !values->key)
		return program_usage(NAME, "KEY is missing");
	if (values->key_file) {
		value = values->key;
		rc = from_file(key, values->key_file);
	} else if (values->key_hex) {
		rc = from_hex(key, values->key);
	} else {
		rc = from_text(key, values->key);
	}
	if (!rc && !key->len)
		rc = program_fail(NAME, err_set(-WEFT_EKEYSIZE, "it is empty"), "KEY");
	if (value_ret)
		*value_ret = value;
	return rc;
}

/* Length of the printable character that begins here, 0: none. */
static size_t plain_length(const uint8_t *bytes, size_t left)
{
	size_t len = bytes[0] < 0xc2 ? 1 : bytes[0] < 0xe0 ? 2 : bytes[0] < 0xf0 ? 3 : 4, i;

	if (len == 1)
		return bytes[0] >= 0x20 && bytes[0] < 0x7f && bytes[0] != '\\';
	if (len > left || bytes[0] > 0xf4)
		return 0;
	for (i = 1; i < len; i++)
		if ((bytes[i] & 0xc0) != 0x80)
			return 0;
	/* Overlong forms, surrogates, beyond Unicode, and control characters of Latin-1. */
	if ((bytes[0] == 0xe0 && bytes[1] < 0xa0) || (bytes[0] == 0xed && bytes[1] > 0x9f) ||
	    (bytes[0] == 0xf0 && bytes[1] < 0x90) || (bytes[0] == 0xf4 && bytes[1] > 0x8f) ||
	    (bytes[0] == 0xc2 && bytes[1] < 0xa0))
		return 0;
	return len;
}

void key_print(const void *key, size_t len, char end)
{
	const uint8_t *bytes = key;
	size_t i = 0, n;

	while (i < len) {
		n = plain_length(bytes + i, len - i);
		if (n)
			fwrite(bytes + i, 1, n, stdout);
		else
			printf("\\x%02x", bytes[i]);
		i += n ? n : 1;
	}
	putchar(end);
}

char *key_text(const void *key, size_t len, char buf[KEY_TEXT_MAX])
{
	const uint8_t *bytes = key;
	size_t used = 0, i = 0, n;

	buf[used++] = '\'';
	while (i < len && used < KEY_TEXT_MAX - 9) {
		n = plain_length(bytes + i, len - i);
		if (n)
			memcpy(buf + used, bytes + i, n);
		else
			snprintf(buf + used, KEY_TEXT_MAX - used, "\\x%02x", bytes[i]);
		used += n ? n : 4;
		i += n ? n : 1;
	}
	snprintf(buf + used, KEY_TEXT_MAX - used, "%s'", i < len ? "..." : "");
	return buf;
}
