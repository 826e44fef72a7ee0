/* SPDX-License-Identifier: Apache-2.0 */
/* Text that fits a terminal of 80 columns. */
#include <ctype.h>
#include <string.h>

#include "doctor/report.h"

/* Characters, not bytes, of a word or a line. */
static int columns(const char *text, size_t len)
{
	int n = 0;

	for (size_t i = 0; i < len; i++)
		n += ((unsigned char)text[i] & 0xc0) != 0x80;
	return n;
}

static bool is_command(const char *text)
{
	static const char *const words[] = {
		"apt",     "apt-get", "aws",       "cat",   "chmod",  "dmesg",   "dnf",  "docker",
		"echo",    "export",  "find",      "for",   "grep",   "helm",    "if",   "ip",
		"kubectl", "ls",      "lspci",     "lsmod", "mount",  "prlimit", "sed",  "srun",
		"sudo",    "sysctl",  "systemctl", "tar",   "ulimit", "unset",   "weft", "yum",
	};
	size_t len = strcspn(text, " \n");

	if (memchr(text, '=', len))
		return true;
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (strlen(words[i]) == len && !strncmp(words[i], text, len))
			return true;
	return false;
}

/* The word at text with the blanks that are part of it, when quotes hold it together. */
static size_t word_len(const char *text, bool quoted)
{
	char quote = 0;
	size_t i;

	for (i = 0; text[i] && text[i] != '\n'; i++) {
		if (quoted && (text[i] == '\'' || text[i] == '"'))
			quote = !quote ? text[i] : quote == text[i] ? 0 : quote;
		if (text[i] == ' ' && !quote)
			break;
	}
	return i;
}

static void wrap(FILE *out, int now, int hang, const char *text, bool command)
{
	int room = DOCTOR_COLUMNS - (command ? 2 : 0), width;
	bool first = true;
	size_t len;

	while (*text) {
		if (*text == '\n') {
			fprintf(out, "\n%*s", hang, "");
			now = hang;
			first = true;
			text++;
			continue;
		}
		if (*text == ' ' && !command) {
			text++;
			continue;
		}
		len = word_len(text + (command && *text == ' '), command) +
		      (command && *text == ' ');
		width = columns(text, len) + (!first && !command);
		if (!first && now + width > room) {
			fprintf(out, "%s\n%*s", command ? " \\" : "", hang, "");
			now = hang;
			first = true;
			width = columns(text, len);
		}
		fprintf(out, "%s%.*s", first || command ? "" : " ", (int)len, text);
		now += width;
		first = false;
		text += len;
	}
	fputc('\n', out);
}

void report_wrap(FILE *out, int now, int hang, const char *text)
{
	wrap(out, now, hang, text, false);
}

void report_wrap_command(FILE *out, int now, int hang, const char *text)
{
	wrap(out, now, hang, text, is_command(text));
}
