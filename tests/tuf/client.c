/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * client: our TUF client as a program, with the command line that the public suite tuf-conformance gives its clients
 * (CLIENT-CLI.md there). Exit 0: done; 1: refused or failed, and why on standard error; 2: usage.
 */
#include "cleanup.h"
#include "http.h"
#include "text_file.h"
#include "tuf.h"
#include "tuf_store.h"

#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

struct arguments {
	const char *target_name, *target_dir;
	struct tuf_options tuf;
	const char *trusted_root;
};

static const char usage[] = "usage: client --metadata-dir DIR init ROOT\n"
			    "       client --metadata-dir DIR --metadata-url URL refresh\n"
			    "       client --metadata-dir DIR --metadata-url URL --target-name PATH\n"
			    "              --target-base-url URL --target-dir DIR download\n";

static int init(const struct arguments *args, struct err *err)
{
	CLEANUP(free_str) char *text = NULL;
	size_t len;
	int rc = text_file_read(&text, &len, args->trusted_root, TUF_ROOT_BYTES_MAX, err);

	return rc ? rc : tuf_store_save(args->tuf.dir, "root", text, len, err);
}

static int refreshed(struct tuf **out, const struct arguments *args, struct err *err)
{
	int rc = tuf_open(out, &args->tuf, err);

	return rc ? rc : tuf_refresh(*out, err);
}

static int refresh(const struct arguments *args, struct err *err)
{
	CLEANUP(tuf_close) struct tuf *t = NULL;

	return refreshed(&t, args, err);
}

static int download(const struct arguments *args, struct err *err)
{
	CLEANUP(tuf_close) struct tuf *t = NULL;
	char quoted[NAME_MAX], file[PATH_MAX];
	struct tuf_fileinfo info;
	int rc = refreshed(&t, args, err);

	if (rc || (rc = tuf_find(&info, t, args->target_name, err)) < 0 ||
	    (rc = tuf_quote(quoted, sizeof(quoted), args->target_name, false, err)) < 0)
		return rc;
	if (snprintf(file, sizeof(file), "%s/%s", args->target_dir, quoted) >= (int)sizeof(file))
		return err_set(err, -ENAMETOOLONG, "'%s': path is too long", args->target_dir);
	return tuf_download(t, args->target_name, &info, file, err);
}

/* The name of the command, or NULL. */
static const char *parse(struct arguments *args, int argc, char **argv)
{
	enum { METADATA_DIR = 1, METADATA_URL, TARGET_NAME, TARGET_URL, TARGET_DIR };
	static const struct option options[] = {
		{ "metadata-dir", required_argument, NULL, METADATA_DIR },
		{ "metadata-url", required_argument, NULL, METADATA_URL },
		{ "target-name", required_argument, NULL, TARGET_NAME },
		{ "target-base-url", required_argument, NULL, TARGET_URL },
		{ "target-dir", required_argument, NULL, TARGET_DIR },
		{ 0 },
	};
	const char **values[] = { [METADATA_DIR] = &args->tuf.dir,
				  [METADATA_URL] = &args->tuf.metadata_url,
				  [TARGET_NAME] = &args->target_name,
				  [TARGET_URL] = &args->tuf.targets_url,
				  [TARGET_DIR] = &args->target_dir };
	int which;

	while ((which = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (which == '?')
			return NULL;
		*values[which] = optarg;
	}
	args->trusted_root = argv[optind] ? argv[optind + 1] : NULL;
	return args->tuf.dir ? argv[optind] : NULL;
}

static int run(struct arguments *args, const char *command, struct err *err)
{
	if (strcmp(command, "init") == 0 && args->trusted_root)
		return init(args, err);
	if (strcmp(command, "refresh") == 0 && args->tuf.metadata_url)
		return refresh(args, err);
	if (strcmp(command, "download") == 0 && args->tuf.metadata_url && args->target_name && args->tuf.targets_url &&
	    args->target_dir)
		return download(args, err);
	return -EINVAL;
}

int main(int argc, char **argv)
{
	CLEANUP(http_close) struct http *http = NULL;
	struct arguments args = { .tuf.now = time(NULL) };
	const struct http_options options = {
		.stall_s = 10, .slow_bytes_per_s = 1000, .slow_s = 4, .redirects_max = 5
	};
	struct err err = { 0 };
	const char *command = parse(&args, argc, argv);
	int rc = command ? http_open(&http, &options, &err) : -EINVAL;

	args.tuf.http = http;
	if (!rc)
		rc = run(&args, command, &err);
	if (rc)
		fputs(err.text[0] ? err.text : usage, stderr);
	if (rc && err.text[0])
		putc('\n', stderr);
	return rc ? (err.text[0] ? 1 : 2) : 0;
}
