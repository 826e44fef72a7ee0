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
		"apt",      "apt-get", "aws",        "cat",    "chmod",   "curl",
		"dmesg",    "dnf",     "docker",     "echo",   "env",     "export",
		"fi_info",  "find",    "for",        "grep",   "head",    "helm",
		"if",       "ip",      "kubectl",    "ls",     "lsmod",   "lspci",
		"modprobe", "mount",   "nvidia-smi", "printf", "prlimit", "rm",
		"sed",      "sleep",   "srun",       "sudo",   "sysctl",  "systemctl",
		"tar",      "ulimit",  "uname",      "unset",  "weft",    "weft-doctor-probe",
		"yum",
	};
	size_t len = strcspn(text, " \n");

	if (memchr(text, '=', len))
		return true;
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (strlen(words[i]) == len && !strncmp(words[i], text, len))
			return true;
	return false;
}

/* A quote that begins a part of a word: no apostrophe, and there is one that ends it. */
static bool opens(const char *text, size_t i)
{
	return (text[i] == '\'' || text[i] == '"') && !(i && isalnum((unsigned char)text[i - 1])) &&
	       strchr(text + i + 1, text[i]);
}

/* The word at text, with the blanks in front of it and those that quotes hold. */
static size_t word_len(const char *text, bool quoted)
{
	size_t i = strspn(text, " ");
	char quote = 0;

	for (; text[i] && text[i] != '\n'; i++) {
		if (quote && text[i] == quote)
			quote = 0;
		else if (!quote && quoted && opens(text, i))
			quote = text[i];
		if (text[i] == ' ' && !quote)
			break;
	}
	return i;
}

/* Where a shell's comment begins, with the blanks in front of it; the end when there is none. */
static size_t comment_at(const char *text)
{
	size_t at = 0, len, blanks;

	while (text[at]) {
		len = word_len(text + at, true);
		blanks = strspn(text + at, " ");
		if (text[at + blanks] == '#' && (blanks || !at))
			break;
		at += len + (text[at + len] == '\n');
	}
	return at;
}

/* One line of a text, of len bytes; mark: what ends a broken line, begin: what begins the next. */
static int put_line(FILE *out, int now, int hang, const char *text, size_t len, const char *mark,
		    const char *begin)
{
	int room = DOCTOR_COLUMNS - (int)strlen(mark), width;
	size_t at = 0, word, blanks;
	bool first = true;

	while (at < len) {
		word = word_len(text + at, *mark != 0);
		if (word > len - at)
			word = len - at;
		blanks = strspn(text + at, " ");
		if (blanks >= word)
			break;
		if (!*mark || first) {
			at += blanks;
			word -= blanks;
		}
		width = columns(text + at, word) + (!first && !*mark);
		if (!first && now + width > (at + word < len ? room : DOCTOR_COLUMNS)) {
			fprintf(out, "%s\n%*s%s", mark, hang, "", begin);
			now = hang + (int)strlen(begin);
			blanks = strspn(text + at, " ");
			at += blanks;
			word -= blanks;
			width = columns(text + at, word);
			first = true;
		}
		fprintf(out, "%s%.*s", first || *mark ? "" : " ", (int)word, text + at);
		now += width;
		first = false;
		at += word;
	}
	return now;
}

/* The lines of a text, of len bytes. The column where it ends. */
static int put_lines(FILE *out, int now, int hang, const char *text, size_t len, const char *mark)
{
	size_t line;

	for (;;) {
		line = strcspn(text, "\n");
		now = put_line(out, now, hang, text, line < len ? line : len, mark, "");
		if (line >= len)
			return now;
		fprintf(out, "\n%*s", hang, "");
		now = hang;
		text += line + 1;
		len -= line + 1;
	}
}

void report_wrap(FILE *out, int now, int hang, const char *text)
{
	put_lines(out, now, hang, text, strlen(text), "");
	fputc('\n', out);
}

void report_wrap_command(FILE *out, int now, int hang, const char *text)
{
	size_t len, rest = *text == '#' ? strcspn(text, "\n") : 0;

	/* A comment, or a line of it in front of the command. */
	if (rest) {
		put_line(out, now, hang, text, rest, "", "# ");
		fprintf(out, "\n%*s", text[rest] ? hang : 0, "");
		if (!text[rest])
			return;
		now = hang;
		text += rest + 1;
	}
	len = is_command(text) ? comment_at(text) : 0;
	rest = strlen(text + len);
	if (!len) {
		report_wrap(out, now, hang, text);
		return;
	}
	now = put_lines(out, now, hang, text, len, " \\");
	text += len + strspn(text + len, " ");
	if (rest && now + 1 + columns(text, strlen(text)) > DOCTOR_COLUMNS) {
		fprintf(out, "\n%*s", hang, "");
		now = hang;
	} else if (rest) {
		fputc(' ', out);
		now++;
	}
	put_line(out, now, hang, text, strlen(text), "", "# ");
	fputc('\n', out);
}
