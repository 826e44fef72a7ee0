/* SPDX-License-Identifier: Apache-2.0 */
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <zlib.h>

#include "doctor/bundle.h"
#include "doctor/open.h"
#include "doctor/planted.h"
#include "doctor/secrets.h"
#include "host/fake_tree.h"

#define BYTES_MAX (1 << 20)

static void plant_chatty(const struct doctor *doctor, struct finding *f)
{
	finding_evidence(f, "/etc/efa.conf: 1");
	finding_evidence(f, "/sys/driver: efa");
	finding_evidence(f, "/proc/self/environ: read");
	finding_evidence(f, "/var/run/secrets/token: read");
	finding_evidence(f, "/etc/../../outside: read");
	finding_say(f, DOCTOR_WARN, "the key is %s", doctor_getenv(doctor, "MY_API_KEY"));
}

static const struct doctor_check rows[] = { PLANT("A1", DOCTOR_WARNING, "", plant_chatty) };
static const struct doctor_table table = PLANTED_TABLE(rows);

static void names_of_secrets_are_known(void **state)
{
	static const char *const secret[] = { "MY_API_KEY", "token", "DbPassword",
					      "AWS_REGION", "aws_x", "GOOGLE_CREDENTIALS",
					      "A_SECRET_B" };
	static const char *const plain[] = { "PATH", "FI_EFA_IFACE", "LAWS_X", "HOME", "TOKE", "" };

	(void)state;
	for (size_t i = 0; i < sizeof(secret) / sizeof(secret[0]); i++)
		assert_true(secret_name(secret[i], strlen(secret[i])));
	for (size_t i = 0; i < sizeof(plain) / sizeof(plain[0]); i++)
		assert_false(secret_name(plain[i], strlen(plain[i])));
	assert_true(secret_file("/proc/self/environ"));
	assert_true(secret_file("/proc/12/cmdline"));
	assert_true(secret_file("/root/.ssh/id_key"));
	assert_false(secret_file("/sys/class/infiniband/efa_0/node_guid"));
	assert_false(secret_file("/proc/cmdline"));
}

static void values_of_secrets_are_replaced(void **state)
{
	char *variables[] = { (char *)"A_TOKEN=abc", (char *)"EMPTY_KEY=", (char *)"LINES=one\ntwo",
			      (char *)"PROXY=http://me:pw@host:80/a@b,http://plain/x@y", NULL };
	char *text = secret_environ(variables);

	(void)state;
	assert_string_equal(text, "A_TOKEN=(removed)\nEMPTY_KEY=\nLINES=one two\n"
				  "PROXY=http://(removed)@host:80/a@b,http://plain/x@y\n");
	mem_free(text);
}

/* The archive as it is below the compression; *ret_len bytes and a NUL. */
static char *unpacked(const char *path, size_t *ret_len)
{
	char *bytes = mem_zalloc(BYTES_MAX);
	gzFile gz = gzopen(path, "rb");
	int len;

	assert_true(bytes && gz);
	len = gzread(gz, bytes, BYTES_MAX - 1);
	assert_in_range(len, 1024, BYTES_MAX - 2);
	assert_int_equal(len % 512, 0);
	gzclose(gz);
	*ret_len = (size_t)len;
	return bytes;
}

/* The header of a member, which begins a block with its name; NULL: there is none. */
static const char *member(const char *bytes, size_t len, const char *name)
{
	for (size_t at = 0; at + 512 <= len; at += 512)
		if (!strcmp(bytes + at, name) && !memcmp(bytes + at + 257, "ustar", 6))
			return bytes + at;
	return NULL;
}

static void a_bundle_holds_evidence_and_no_secrets(void **state)
{
	struct doctor_source source = { .sysroot = tree };
	struct doctor_result results[1];
	struct doctor_report report;
	struct doctor doctor;
	char path[600], *bytes;
	const char *link;
	struct stat st;
	size_t len;

	(void)state;
	tree_file("environ", "MY_API_KEY=verysecretvalue\nAWS_SESSION_TOKEN=alsosecret\nA=b\n");
	tree_file("probe", "libfabric=1.17.0\nend=ok\n");
	tree_file("etc/efa.conf", "it says verysecretvalue\n");
	tree_file("proc/self/environ", "X=notthis");
	tree_file("var/run/secrets/token", "notthat");
	tree_link("sys/driver", "../bus/pci/drivers/efa");
	assert_int_equal(doctor_open(&doctor, &source), 0);
	assert_string_equal(doctor_getenv(&doctor, "A"), "b");
	doctor_run(&doctor, &table, NULL, DOCTOR_CHECK_NS, results);
	report_begin(&report, &doctor, &table, results);
	snprintf(path, sizeof(path), "%s/bundle.tar.gz", tree);
	assert_int_equal(bundle_write(&report, path, BUNDLE_MS), 0);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	bytes = unpacked(path, &len);
	assert_null(memmem(bytes, len, "verysecret", 10));
	assert_null(memmem(bytes, len, "alsosecret", 10));
	assert_null(memmem(bytes, len, "notth", 5));
	assert_non_null(memmem(bytes, len, "the key is ***************", 26));
	assert_non_null(memmem(bytes, len, "it says ***************", 23));
	assert_non_null(member(bytes, len, "weft-doctor/report.json"));
	assert_non_null(member(bytes, len, "weft-doctor/tree/probe"));
	assert_non_null(member(bytes, len, "weft-doctor/tree/etc/efa.conf"));
	link = member(bytes, len, "weft-doctor/tree/sys/driver");
	assert_non_null(link);
	assert_int_equal(link[156], '2');
	assert_string_equal(link + 157, "../bus/pci/drivers/efa");
	mem_free(bytes);
	doctor_close(&doctor);
}

static void a_bundle_holds_the_reports_when_files_hang(void **state)
{
	struct planted *planted = plant(&table, (const bool[]){ false }, DOCTOR_CHECK_NS);
	char path[600], *bytes;
	size_t len;

	(void)state;
	snprintf(path, sizeof(path), "%s/bundle.tar.gz", tree);
	assert_int_equal(bundle_write(&planted->report, path, 0), 0);
	bytes = unpacked(path, &len);
	assert_non_null(member(bytes, len, "weft-doctor/report.json"));
	assert_non_null(member(bytes, len, "weft-doctor/tree/README"));
	assert_null(member(bytes, len, "weft-doctor/tree/proc/version"));
	mem_free(bytes);
	unplant(planted);
}

static void a_bundle_that_cannot_be_written_says_so(void **state)
{
	struct planted *planted = plant(&table, (const bool[]){ false }, DOCTOR_CHECK_NS);

	(void)state;
	assert_int_equal(bundle_write(&planted->report, "/dev/full", BUNDLE_MS), -ENOSPC);
	assert_int_equal(access("/dev/full", F_OK), 0);
	assert_int_equal(bundle_write(&planted->report, tree, BUNDLE_MS), -EISDIR);
	tree_link("link", "/tmp/weft-doctor-must-not-be-made");
	assert_int_equal(bundle_write(&planted->report, tree_path("link"), BUNDLE_MS), -ELOOP);
	unplant(planted);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_of_secrets_are_known),
		cmocka_unit_test(values_of_secrets_are_replaced),
		cmocka_unit_test_setup_teardown(a_bundle_holds_evidence_and_no_secrets, tree_open,
						tree_close),
		cmocka_unit_test_setup_teardown(a_bundle_holds_the_reports_when_files_hang,
						tree_open, tree_close),
		cmocka_unit_test_setup_teardown(a_bundle_that_cannot_be_written_says_so, tree_open,
						tree_close),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
