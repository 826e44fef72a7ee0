/* SPDX-License-Identifier: Apache-2.0 */
#include <cjson/cJSON.h>

#include "doctor/planted.h"

static const struct doctor_check rows[] = {
	PLANT("A1", DOCTOR_FATAL, "", plant_ok),      PLANT("A2", DOCTOR_FATAL, "A1", plant_fail),
	PLANT("A3", DOCTOR_WARNING, "", plant_warn),  PLANT("B1", DOCTOR_FATAL, "A2", plant_ok),
	PLANT("B2", DOCTOR_FATAL, "", plant_unknown),
};
static const struct doctor_table table = PLANTED_TABLE(rows);

static struct planted *planted;

static int setup(void **state)
{
	(void)state;
	planted = plant(&table, NULL, DOCTOR_CHECK_NS);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	unplant(planted);
	return 0;
}

/* What a writer writes; free() it. */
static char *written(void (*put)(FILE *out))
{
	static char *text;
	static size_t len;
	FILE *out = open_memstream(&text, &len);

	assert_non_null(out);
	put(out);
	assert_int_equal(fclose(out), 0);
	return text;
}

static void put_plain(FILE *out)
{
	report_text(&planted->report, out, false);
}

static void put_coloured(FILE *out)
{
	report_text(&planted->report, out, true);
}

static void put_json(FILE *out)
{
	report_json(&planted->report, out);
}

static void put_markdown(FILE *out)
{
	report_markdown(&planted->report, out);
}

static void put_list(FILE *out)
{
	list_text(&(const struct doctor_table){ doctor_checks, doctor_checks_count }, out);
}

static void assert_fits(const char *text)
{
	for (size_t len; *text; text += len + (text[len] == '\n')) {
		len = strcspn(text, "\n");
		if (len > DOCTOR_COLUMNS)
			fail_msg("%zu columns: %.*s", len, (int)len, text);
	}
}

static void text_names_the_cause_first_and_fits_80_columns(void **state)
{
	char *text = written(put_plain), *list = written(put_list);
	const char *cause = strstr(text, "FAIL A2 the driver | `efa` is not loaded\n"),
		   *fix = strstr(text, "  fix:  sudo fix A2\n"),
		   *group = strstr(text, "\nA  instance and hardware\n");

	(void)state;
	assert_fits(text);
	assert_fits(list);
	assert_true(cause && fix && group && cause < fix && fix < group);
	assert_non_null(strstr(text, "1 fatal, 1 warning, 1 unknown, 1 skipped, 1 ok\n"));
	assert_non_null(strstr(text, "  seen: /sys/module/efa: not there\n"));
	assert_non_null(strstr(text, "  skip B1   because A2 failed\n"));
	assert_null(strchr(text, '\033'));
	free(text);
	free(list);
	text = written(put_coloured);
	assert_non_null(strstr(text, "\033[1;31mFAIL"));
	assert_null(strstr(text, "\033[31m and")); /* of the finding, not ours */
	free(text);
}

/* Blanks and continued lines apart, what is pasted is the command. */
static void a_broken_command_is_still_one(void **state)
{
	const char *fix = planted->results[2].finding.fix, *at = fix;
	char *text = written(put_plain), *found;

	(void)state;
	found = strstr(text, "fix: sudo sysctl");
	assert_non_null(found);
	for (found += 5; *at; found++) {
		if (!strncmp(found, "\\\n", 2)) {
			found++;
			while (found[1] == ' ')
				found++;
		} else {
			assert_int_equal(*found, *at);
			at++;
			while (at[-1] == ' ' && found[1] == ' ')
				found++;
		}
	}
	assert_int_equal(*found, '\n');
	assert_non_null(strstr(text, "'vm.nr_hugepages = 1024'"));
	free(text);
}

static const char *string_of(const cJSON *object, const char *key)
{
	const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, key);

	return cJSON_IsString(item) ? item->valuestring : "";
}

static void json_holds_all_of_it(void **state)
{
	char *text = written(put_json);
	cJSON *root = cJSON_Parse(text);
	const cJSON *checks = cJSON_GetObjectItem(root, "checks"), *one;

	(void)state;
	assert_non_null(root);
	assert_string_equal(string_of(root, "schema"), DOCTOR_SCHEMA);
	assert_string_equal(string_of(root, "verdict"), "fatal");
	assert_int_equal(cJSON_GetArraySize(checks), 5);
	one = cJSON_GetArrayItem(cJSON_GetObjectItem(root, "root_causes"), 0);
	assert_string_equal(one->valuestring, "A2");
	one = cJSON_GetArrayItem(checks, 1);
	assert_string_equal(string_of(one, "id"), "A2");
	assert_string_equal(string_of(one, "status"), "fail");
	assert_string_equal(string_of(one, "fix"), "sudo fix A2");
	assert_int_equal(cJSON_GetArraySize(cJSON_GetObjectItem(one, "evidence")), 2);
	assert_true(cJSON_IsNull(cJSON_GetObjectItem(cJSON_GetArrayItem(checks, 0), "fix")));
	cJSON_Delete(root);
	free(text);
}

static void markdown_keeps_its_table_whole(void **state)
{
	char *text = written(put_markdown);

	(void)state;
	assert_non_null(strstr(text,
			       "\n## Root causes\n\n### A2: fail: the driver \\| \\`efa\\` is "
			       "not loaded\n"));
	assert_non_null(strstr(text, "| A2 | fail | name of A2 | the driver \\| \\`efa\\` is not "
				     "loaded |\n"));
	assert_non_null(strstr(text, "\n```\nsudo fix A2\n```\n"));
	assert_non_null(strstr(text, "\n## Further findings\n\n### A3: warn: "));
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(text_names_the_cause_first_and_fits_80_columns),
		cmocka_unit_test(a_broken_command_is_still_one),
		cmocka_unit_test(json_holds_all_of_it),
		cmocka_unit_test(markdown_keeps_its_table_whole),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
