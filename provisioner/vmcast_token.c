/* SPDX-License-Identifier: GPL-2.0-or-later */
/* vmcast_token: `vmcast token ...` */
#include "vmcast_cli.h"

#include "cleanup.h"
#include "json.h"
#include "log.h"
#include "units.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static int token_create(struct cli *cli, char **args, struct err *err)
{
	CLEANUP(json_free) json_t *json = NULL;
	uint64_t expires_s = 0;

	if (!cli->role)
		return err_set(err, -EINVAL, "token create: --role view, operate or admin is needed");
	if (cli->expires && (units_parse_seconds(&expires_s, cli->expires) < 0 || !expires_s))
		return err_set(err, -EINVAL, "--expires '%s': write a duration such as 12h or 30d", cli->expires);
	json_t *body =
		json_pack("{s:s, s:s, s:I}", "name", args[0], "role", cli->role, "expires_s", (json_int_t)expires_s);

	if (!body)
		return err_set(err, -EINVAL, "token create: NAME and ROLE are text in UTF-8");
	int rc = api_call(cli, "POST", "/v1/tokens", body, &json, err);

	if (rc < 0 || cli->json)
		return rc < 0 ? rc : print_json(json, err);
	/* For a file: what people are told goes elsewhere. */
	puts(row_text(json, "token"));
	if (cli->colour || cli->progress)
		fputs("This is shown once. Keep it in a file of mode 0600, for --token-file.\n", stderr);
	return 0;
}

static int token_list(struct cli *cli, char **args, struct err *err)
{
	static const char *const headings[] = { "NAME", "ROLE", "MADE", "EXPIRES" };
	CLEANUP(json_free) json_t *json = NULL;
	char text[PRINT_TEXT];
	size_t nr;
	json_t *row;
	int rc = api_call(cli, "GET", "/v1/tokens", NULL, &json, err);

	(void)args;
	if (rc < 0 || cli->json)
		return rc < 0 ? rc : print_json(json, err);
	struct table *t = table_new(headings, sizeof(headings) / sizeof(headings[0]));

	json_array_foreach(json_object_get(json, "tokens"), nr, row)
	{
		table_add(t, row_text(row, "name"));
		table_add(t, row_text(row, "role"));
		table_add(t, print_time(text, row_number(row, "created_at")));
		table_add(t, row_flag(row, "expired") ? "EXPIRED" : print_time(text, row_number(row, "expires_at")));
	}
	table_print(t, cli);
	return 0;
}

static int token_revoke(struct cli *cli, char **args, struct err *err)
{
	static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";
	char path[128], quoted[80];

	/* Nothing else is a name, and it becomes part of a path. */
	if (!args[0][0] || args[0][strspn(args[0], plain)] || strlen(args[0]) > 64)
		return err_set(err, -ENOENT, "there is no token '%s'", log_quote(quoted, sizeof(quoted), args[0]));
	snprintf(path, sizeof(path), "/v1/tokens/%s", args[0]);
	return api_call(cli, "DELETE", path, NULL, NULL, err);
}

const struct command commands_token[] = {
	{ "token", "create", "NAME", 1, 1, TAKES_TOKEN, token_create, "let somebody use the API over the network",
	  "Prints a token, once: the service keeps its digest only. ROLE: view looks at everything; operate changes "
	  "what\n"
	  "machines do; admin decides who is trusted, feeds and tokens. Without --expires it holds until it is "
	  "revoked.\n"
	  "\n"
	  "  (umask 077; vmcast token create ci --role operate --expires 30d >ci.token)\n" },
	{ "token", "list", "", 0, 0, 0, token_list, "who may use the API over the network", NULL },
	{ "token", "revoke", "NAME", 1, 1, 0, token_revoke, "take a token back, at once", NULL },
	{ NULL, NULL, NULL, 0, 0, 0, NULL, NULL, NULL },
};
