/* SPDX-License-Identifier: GPL-2.0-or-later */
/* vmcast_receipt: `vmcast receipt ...` */
#include "vmcast_cli.h"

#include "cleanup.h"
#include "json.h"
#include "receipt_verify.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The rows of one machine, or of all. `mac` NULL: all. */
static int get_rows(struct cli *cli, json_t **out, const char *mac, struct err *err)
{
	char path[64] = "/v1/receipts", parsed[MAC_CHARS];

	if (mac && mac_parse(parsed, mac) < 0)
		return err_set(err, -EINVAL, "'%.40s' is no MAC address (such as 52:54:00:12:34:56)", mac);
	if (mac)
		snprintf(path, sizeof(path), "/v1/receipts?machine=%s", parsed);
	return api_call(cli, "GET", path, NULL, out, err);
}

static int receipt_list(struct cli *cli, char **args, struct err *err)
{
	static const char *const headings[] = { "RECEIPT", "MACHINE", "ITEM", "JOB", "RECEIVED" };
	CLEANUP(json_free) json_t *json = NULL;
	char text[PRINT_TEXT];
	size_t nr;
	json_t *row;
	int rc = get_rows(cli, &json, args[0], err);

	if (rc < 0 || cli->json)
		return rc < 0 ? rc : print_json(json, err);
	struct table *t = table_new(headings, sizeof(headings) / sizeof(headings[0]));

	json_array_foreach(json_object_get(json, "receipts"), nr, row)
	{
		snprintf(text, sizeof(text), "%.16s", row_text(row, "hash"));
		table_add(t, text);
		snprintf(text, sizeof(text), "%.20s", row_text(row, "chain"));
		table_add(t, text);
		table_add(t, row_text(row, "item"));
		table_add(t, row_text(row, "job"));
		table_add(t, print_time(text, row_number(row, "received_at")));
	}
	table_print(t, cli);
	return 0;
}

static int get_one(struct cli *cli, json_t **out, const char *hash, struct err *err)
{
	char path[128];

	snprintf(path, sizeof(path), "/v1/receipts/%.64s", hash);
	return api_call(cli, "GET", path, NULL, out, err);
}

/* `*out`: the whole hash of the one receipt that begins so. */
static int find_hash(struct cli *cli, char out[static DIGEST_HEX], const char *start, struct err *err)
{
	CLEANUP(json_free) json_t *json = NULL;
	size_t nr, found = 0;
	json_t *row;
	int rc = get_rows(cli, &json, NULL, err);

	if (rc < 0)
		return rc;
	json_array_foreach(json_object_get(json, "receipts"), nr, row)
	{
		if (strncmp(row_text(row, "hash"), start, strlen(start)) != 0)
			continue;
		found++;
		snprintf(out, DIGEST_HEX, "%s", row_text(row, "hash"));
	}
	if (found == 1)
		return 0;
	return err_set(err, found ? -EINVAL : -ENOENT, "%s receipt begins with '%.64s': see `vmcast receipt list`",
		       found ? "more than one" : "no", start);
}

static int receipt_show(struct cli *cli, char **args, struct err *err)
{
	CLEANUP(json_free) json_t *json = NULL;
	char hash[DIGEST_HEX];
	int rc;

	if ((rc = find_hash(cli, hash, args[0], err)) < 0 || (rc = get_one(cli, &json, hash, err)) < 0)
		return rc;
	return print_json(json_object_get(json, "receipt"), err);
}

static int receipt_export(struct cli *cli, char **args, struct err *err)
{
	CLEANUP(json_free) json_t *json = NULL;
	size_t nr;
	json_t *row;
	int rc = get_rows(cli, &json, args[0], err);

	if (rc < 0)
		return rc;
	json_array_foreach(json_object_get(json, "receipts"), nr, row)
	{
		CLEANUP(json_free) json_t *one = NULL;

		if ((rc = get_one(cli, &one, row_text(row, "hash"), err)) < 0)
			return rc;
		CLEANUP(free_str)
		char *line = json_dumps(json_object_get(one, "receipt"), JSON_COMPACT | JSON_SORT_KEYS);
		if (!line)
			return err_set(err, -ENOMEM, "out of memory");
		puts(line);
	}
	if (fflush(stdout) || ferror(stdout))
		return err_set(err, -EIO, "standard output: %s", strerror(errno));
	return 0;
}

/* What is known of the chains so far: machine (or key id) -> {hash, key} of its last receipt. */
static int check_link(json_t *chains, const json_t *receipt, const char *hash, struct err *err)
{
	const json_t *fields = json_object_get(receipt, "signed"), *key = json_object_get(fields, "key");
	const char *machine = json_string_value(json_object_get(fields, "machine"));
	const char *previous = json_string_value(json_object_get(fields, "previous"));
	const char *key_id =
		json_string_value(json_object_get(json_array_get(json_object_get(receipt, "signatures"), 0), "keyid"));
	const char *chain = machine ? machine : key_id;
	json_t *last = json_object_get(chains, chain);

	if (last && strcmp(row_text(last, "hash"), previous ? previous : "") != 0)
		return err_set(
			err, -EBADMSG,
			"field \"previous\": '%.16s', but the receipt of %s before it is '%.16s': one was left out, "
			"altered or moved",
			previous ? previous : "", chain, row_text(last, "hash"));
	if (!last && previous)
		printf("note: the receipts of %s before '%.16s' are not in the file\n", chain, hash);
	if (last && !json_equal(json_object_get(last, "key"), key))
		printf("note: %s has another key from '%.16s' on\n", chain, hash);
	return json_object_set_new(chains, chain, json_pack("{s:s, s:O}", "hash", hash, "key", key))
		       ? err_set(err, -ENOMEM, "out of memory")
		       : 0;
}

static int verify_line(json_t *chains, const char *line, size_t len, struct err *err)
{
	CLEANUP(json_free) json_t *receipt = NULL;
	char hash[DIGEST_HEX];
	int rc;

	if ((rc = json_parse_object(&receipt, line, len, err)) < 0 || (rc = receipt_verify(receipt, err)) < 0 ||
	    (rc = receipt_hash(hash, receipt, err)) < 0)
		return rc;
	return check_link(chains, receipt, hash, err);
}

static int verify_file(FILE *from, const char *path, size_t *count, json_t *chains, struct err *err)
{
	CLEANUP(free_str) char *line = NULL;
	size_t room = 0;
	ssize_t len;
	int rc = 0;

	for (*count = 0; rc >= 0 && (len = getline(&line, &room, from)) > 0; ++*count)
		if ((rc = verify_line(chains, line, (size_t)len, err)) < 0)
			err_wrap(err, "'%s': line %zu", path, *count + 1);
	if (rc >= 0 && ferror(from))
		rc = err_set(err, -EIO, "read '%s': %s", path, strerror(errno));
	return rc;
}

static int receipt_check(struct cli *cli, char **args, struct err *err)
{
	CLEANUP(close_file) FILE *from = fopen(args[0], "re");
	CLEANUP(json_free) json_t *chains = json_object();
	size_t count;

	(void)cli;
	if (!from)
		return err_set(err, -errno, "open '%s': %s", args[0], strerror(errno));
	int rc = verify_file(from, args[0], &count, chains, err);
	if (rc < 0)
		return rc == -EBADMSG || rc == -EACCES || rc == -EPROTO ? (err->code = CLI_FOUND_FAULTS) : rc;
	printf("%zu receipts of %zu machines: all signed, none missing between them\n", count,
	       json_object_size(chains));
	return 0;
}

const struct command commands_receipt[] = {
	{ "receipt", "list", "[MAC]", 0, 1, 0, receipt_list,
	  "what machines have signed for when their disks were written", NULL },
	{ "receipt", "show", "RECEIPT", 1, 1, 0, receipt_show, "one receipt, named by the beginning of its hash",
	  NULL },
	{ "receipt", "export", "[MAC]", 0, 1, 0, receipt_export, "receipts for keeping: one a line, for `verify`",
	  NULL },
	{ "receipt", "verify", "FILE", 1, 1, 0, receipt_check,
	  "check every signature in an exported file, and that no receipt is missing",
	  "Asks no service. Exit status 5: a receipt is not signed as it says, was altered, left out or moved; the "
	  "line is "
	  "named.\n"
	  "Receipts missing at the beginning, and keys that change, are noted: compare them with `vmcast machine "
	  "show`.\n" },
	{ NULL, NULL, NULL, 0, 0, 0, NULL, NULL, NULL },
};
