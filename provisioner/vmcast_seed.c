/* SPDX-License-Identifier: GPL-2.0-or-later */
/* vmcast_seed: `vmcast seed ...` */
#include "vmcast_cli.h"

#include "cleanup.h"
#include "json.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static int get_seeds(struct cli *cli, json_t **out, struct err *err)
{
	return api_call(cli, "GET", "/v1/seeds", NULL, out, err);
}

/* Their names, with commas between. */
static void add_names(char *out, size_t room, const json_t *list, const char *key)
{
	size_t len = 0, nr;
	json_t *row;

	out[0] = '\0';
	json_array_foreach(list, nr, row)
	{
		const char *name = key ? row_text(row, key) : json_string_value(row);

		if (len < room)
			len += (size_t)snprintf(out + len, room - len, "%s%s", nr ? ", " : "", name);
	}
}

static int seed_list(struct cli *cli, char **args, struct err *err)
{
	static const char *const headings[] = { "NAME", "FILES", "MACHINES", "STATE" };
	CLEANUP(json_free) json_t *json = NULL;
	char files[80], machines[24];
	size_t nr;
	json_t *row;
	int rc = get_seeds(cli, &json, err);

	(void)args;
	if (rc < 0 || cli->json)
		return rc < 0 ? rc : print_json(json, err);
	struct table *t = table_new(headings, sizeof(headings) / sizeof(headings[0]));

	json_array_foreach(json_object_get(json, "seeds"), nr, row)
	{
		add_names(files, sizeof(files), json_object_get(row, "files"), "name");
		snprintf(machines, sizeof(machines), "%zu", json_array_size(json_object_get(row, "machines")));
		table_add(t, row_text(row, "name"));
		table_add(t, files);
		table_add(t, machines);
		table_add(t, row_text(row, "error")[0] ? row_text(row, "error") : "good");
	}
	table_print(t, cli);
	return 0;
}

static void print_seed(const json_t *row)
{
	char line[512], text[PRINT_TEXT], names[256];
	size_t nr;
	json_t *file;

	print_fact("name", row_text(row, "name"));
	print_fact("error", row_text(row, "error"));
	json_array_foreach(json_object_get(row, "files"), nr, file)
	{
		add_names(names, sizeof(names), json_object_get(file, "fields"), NULL);
		print_bytes(text, row_number(file, "bytes"));
		snprintf(line, sizeof(line), "%s, %s%s%s", row_text(file, "name"), text[0] ? text : "empty",
			 names[0] ? ", fields " : "", names);
		print_fact("file", line);
	}
	json_array_foreach(json_object_get(row, "machines"), nr, file) print_fact("machine", json_string_value(file));
}

static int seed_show(struct cli *cli, char **args, struct err *err)
{
	CLEANUP(json_free) json_t *row = NULL;
	CLEANUP(free_str) char *path = NULL;

	if (asprintf(&path, "/v1/seeds/%s", args[0]) < 0) {
		path = NULL;
		return err_set(err, -ENOMEM, "out of memory");
	}
	int rc = api_call(cli, "GET", path, NULL, &row, err);
	if (rc < 0 || cli->json)
		return rc < 0 ? rc : print_json(row, err);
	print_seed(row);
	return 0;
}

/* Every fault is printed; the first is not the only one. */
static int seed_check(struct cli *cli, char **args, struct err *err)
{
	CLEANUP(json_free) json_t *json = NULL;
	size_t nr, faults = 0, looked_at = 0;
	json_t *row;
	int rc = get_seeds(cli, &json, err);

	if (rc < 0)
		return rc;
	json_array_foreach(json_object_get(json, "seeds"), nr, row)
	{
		const char *error = row_text(row, "error");

		if (args[0] && strcmp(args[0], row_text(row, "name")) != 0)
			continue;
		looked_at++;
		faults += error[0] != '\0';
		print_fact(row_text(row, "name"), error[0] ? error : "good");
	}
	if (args[0] && !looked_at)
		return err_set(err, -ENOENT, "there is no seed '%s' in '%s'", args[0], row_text(json, "dir"));
	return faults ? err_set(err, CLI_FOUND_FAULTS, "%zu of %zu seeds cannot be given to a machine", faults,
				looked_at)
		      : 0;
}

const struct command commands_seed[] = {
	{ "seed", "list", "", 0, 0, 0, seed_list, "templates for first boots, and what is wrong with them",
	  "A seed is a folder in the service's seeds_dir (vmcastd.conf(5)) with user-data, and perhaps meta-data and\n"
	  "network-config, as cloud-init's NoCloud wants them. {{FIELD}} in them stands for a field of the "
	  "machine.\n" },
	{ "seed", "show", "NAME", 1, 1, 0, seed_show, "one seed: its files, their fields, and whom it is assigned to",
	  "What is in its files is not shown: it may be secret.\n" },
	{ "seed", "check", "[NAME]", 0, 1, 0, seed_check, "whether a seed, or every one, can be given to a machine",
	  "Says which file, line and field is wrong, or who may read what he should not. Exit status 5 if anything "
	  "is.\n" },
	{ NULL, NULL, NULL, 0, 0, 0, NULL, NULL, NULL },
};
