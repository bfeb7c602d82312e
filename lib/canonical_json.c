/* SPDX-License-Identifier: GPL-2.0-or-later */
/* canonical_json: see canonical_json.h */
#include "canonical_json.h"

#include "cleanup.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int put_value(FILE *to, const json_t *value, struct err *err);

static void put_string(FILE *to, const char *text, size_t len)
{
	putc('"', to);
	for (size_t i = 0; i < len; i++) {
		if (text[i] == '"' || text[i] == '\\')
			putc('\\', to);
		putc(text[i], to);
	}
	putc('"', to);
}

static int put_array(FILE *to, const json_t *array, struct err *err)
{
	size_t nr;
	json_t *value;
	int rc = 0;

	putc('[', to);
	json_array_foreach(array, nr, value)
	{
		if (nr)
			putc(',', to);
		if ((rc = put_value(to, value, err)) < 0)
			return rc;
	}
	putc(']', to);
	return 0;
}

static int by_name(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static int put_object(FILE *to, const json_t *object, struct err *err)
{
	size_t count = 0, names_max = json_object_size(object);
	const char *name;
	json_t *value;

	CLEANUP(free_mem) const char **names = calloc(names_max + 1, sizeof(*names));
	if (!names)
		return err_set(err, -ENOMEM, "out of memory");
	json_object_foreach((json_t *)object, name, value) names[count++] = name;
	qsort(names, count, sizeof(*names), by_name);
	putc('{', to);
	for (size_t i = 0; i < count; i++) {
		if (i)
			putc(',', to);
		put_string(to, names[i], strlen(names[i]));
		putc(':', to);
		int rc = put_value(to, json_object_get(object, names[i]), err);
		if (rc < 0)
			return rc;
	}
	putc('}', to);
	return 0;
}

static int put_value(FILE *to, const json_t *value, struct err *err)
{
	switch (json_typeof(value)) {
	case JSON_OBJECT:
		return put_object(to, value, err);
	case JSON_ARRAY:
		return put_array(to, value, err);
	case JSON_STRING:
		put_string(to, json_string_value(value), json_string_length(value));
		return 0;
	case JSON_INTEGER:
		fprintf(to, "%" JSON_INTEGER_FORMAT, json_integer_value(value));
		return 0;
	case JSON_REAL:
		return err_set(err, -EBADMSG, "%g is no whole number, others cannot be signed", json_real_value(value));
	case JSON_TRUE:
		fputs("true", to);
		return 0;
	case JSON_FALSE:
		fputs("false", to);
		return 0;
	case JSON_NULL:
		break;
	}
	fputs("null", to);
	return 0;
}

int canonical_json(char **out, size_t *len, const json_t *value, struct err *err)
{
	CLEANUP(free_str) char *text = NULL;
	size_t bytes = 0;

	FILE *to = open_memstream(&text, &bytes);
	if (!to)
		return err_set(err, -ENOMEM, "out of memory");
	int rc = put_value(to, value, err);
	if (fclose(to) && !rc)
		rc = err_set(err, -ENOMEM, "out of memory");
	if (rc)
		return rc;
	*len = bytes;
	*out = TAKE(text);
	return 0;
}
