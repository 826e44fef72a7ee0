/* SPDX-License-Identifier: Apache-2.0 */
/* The JSON Schema of a report, from the same rows as its writer and reader. */
#include <string.h>

#include "perf/report_fields.h"

#define DEFS_MAX 32

/* Objects of which the definition is still to be written, each once. */
struct defs {
	const struct perf_object *object[DEFS_MAX];
	uint32_t n;
};

static void want(struct defs *defs, const struct perf_object *object)
{
	for (uint32_t i = 0; i < defs->n; i++)
		if (defs->object[i] == object)
			return;
	if (defs->n < DEFS_MAX)
		defs->object[defs->n++] = object;
}

static void put_ref(struct json *json, const char *key, const char *name)
{
	char text[64];

	snprintf(text, sizeof(text), "#/$defs/%s", name);
	if (key)
		json_object(json, key);
	json_string(json, "$ref", text);
	if (key)
		json_object_end(json);
}

static void put_types(struct json *json, const char *one, const char *other)
{
	json_array(json, "type");
	json_string(json, NULL, one);
	json_string(json, NULL, other);
	json_array_end(json);
}

static void put_words(struct json *json, const struct perf_field *field)
{
	json_array(json, "enum");
	for (uint32_t i = 0; i < field->max; i++)
		json_string(json, NULL, field->word(i));
	json_array_end(json);
}

static void put_list(struct json *json, struct defs *defs, const struct perf_field *field)
{
	if (field->kind == FIELD_NUMBERS)
		put_types(json, "array", "null");
	else
		json_string(json, "type", "array");
	json_u64(json, "maxItems", field->max);
	if (field->of)
		want(defs, field->of);
	put_ref(json, "items", field->of ? field->of->name : "u64");
}

static void put_hist(struct json *json)
{
	json_array(json, "oneOf");
	json_object(json, NULL);
	put_ref(json, NULL, "histogram");
	json_object_end(json);
	json_object(json, NULL);
	json_string(json, "type", "null");
	json_object_end(json);
	json_array_end(json);
}

static void put_field(struct json *json, struct defs *defs, const struct perf_field *field)
{
	json_object(json, field->name);
	json_string(json, "description", field->what);
	switch (field->kind) {
	case FIELD_U64:
		put_ref(json, NULL, "u64");
		break;
	case FIELD_U32:
		json_string(json, "type", "integer");
		json_u64(json, "minimum", 0);
		json_u64(json, "maximum", UINT32_MAX);
		break;
	case FIELD_CODE:
		json_string(json, "type", "integer");
		json_u64(json, "maximum", 0);
		break;
	case FIELD_DOUBLE:
		put_types(json, "number", "null");
		break;
	case FIELD_BOOL:
		json_string(json, "type", "boolean");
		break;
	case FIELD_TEXT:
	case FIELD_STRING:
		json_string(json, "type", "string");
		break;
	case FIELD_WORD:
		put_words(json, field);
		break;
	case FIELD_OBJECT:
		want(defs, field->of);
		put_ref(json, NULL, field->of->name);
		break;
	case FIELD_LIST:
	case FIELD_INSIDE:
	case FIELD_NUMBERS:
		put_list(json, defs, field);
		break;
	case FIELD_HIST:
		put_hist(json);
		break;
	}
	json_object_end(json);
}

/* A member that no row has. */
static void put_member(struct json *json, const char *name, const char *type, const char *what)
{
	json_object(json, name);
	json_string(json, "type", type);
	json_string(json, "description", what);
	json_object_end(json);
}

static void put_report_members(struct json *json)
{
	json_object(json, "schema");
	json_string(json, "const", PERF_SCHEMA_NAME);
	json_object_end(json);
	json_object(json, "version");
	json_u64(json, "const", PERF_SCHEMA_VERSION);
	json_object_end(json);
	put_member(json, "weft", "string", "version of the program that wrote it");
	put_member(json, "pairs", "array", "derived: back ends against each other");
}

static void put_object(struct json *json, struct defs *defs, const struct perf_object *object)
{
	json_string(json, "description", object->what);
	json_string(json, "type", "object");
	json_object(json, "properties");
	if (object == &perf_report_object)
		put_report_members(json);
	if (object == &perf_result_object)
		put_member(json, "derived", "object", "what follows from the rest");
	for (uint32_t i = 0; i < object->fields; i++)
		put_field(json, defs, &object->field[i]);
	json_object_end(json);
	json_array(json, "required");
	if (object == &perf_report_object) {
		json_string(json, NULL, "schema");
		json_string(json, NULL, "version");
	}
	for (uint32_t i = 0; i < object->fields; i++)
		json_string(json, NULL, object->field[i].name);
	json_array_end(json);
}

static void put_u64_def(struct json *json)
{
	json_object(json, "u64");
	json_string(
		json, "description",
		"a whole number; above 2^53, where readers round, as decimal digits in a string");
	put_types(json, "integer", "string");
	json_u64(json, "minimum", 0);
	json_string(json, "pattern", "^[0-9]{1,20}$");
	json_object_end(json);
}

static void put_hist_def(struct json *json)
{
	static const char *const names[] = { "count", "min_ns", "max_ns", "lows_ns", "counts" };

	json_object(json, "histogram");
	json_string(json, "description",
		    "buckets at most 1/1024 of their value wide; those that hold something alone");
	json_string(json, "type", "object");
	json_object(json, "properties");
	for (int i = 0; i < 3; i++)
		put_ref(json, names[i], "u64");
	json_object(json, "sum_ns");
	json_string(json, "type", "string");
	json_string(json, "pattern", "^[0-9]{1,39}$");
	json_object_end(json);
	for (int i = 3; i < 5; i++) {
		json_object(json, names[i]);
		json_string(json, "type", "array");
		put_ref(json, "items", "u64");
		json_object_end(json);
	}
	json_object_end(json);
	json_array(json, "required");
	for (int i = 0; i < 5; i++)
		json_string(json, NULL, names[i]);
	json_string(json, NULL, "sum_ns");
	json_array_end(json);
	json_object_end(json);
}

int perf_schema_write(FILE *file)
{
	struct defs defs = { 0 };
	struct json json;

	json_begin_file(&json, file);
	json_object(&json, NULL);
	json_string(&json, "$schema", "https://json-schema.org/draft/2020-12/schema");
	json_string(&json, "title", "weft perf --json");
	put_object(&json, &defs, &perf_report_object);
	json_object(&json, "$defs");
	for (uint32_t i = 0; i < defs.n; i++) {
		json_object(&json, defs.object[i]->name);
		put_object(&json, &defs, defs.object[i]);
		json_object_end(&json);
	}
	put_u64_def(&json);
	put_hist_def(&json);
	json_object_end(&json);
	json_object_end(&json);
	return json_end(&json);
}
