/* SPDX-License-Identifier: GPL-2.0-or-later */
/* tuf_target: see tuf_target.h */
#include "tuf_target.h"

#include "cleanup.h"
#include "http.h"
#include "tuf_store.h"

#include <errno.h>
#include <limits.h>
#include <string.h>

#define PATH_CHARS_MAX 4096

static int check_file(const struct tuf_fileinfo *info, const char *path, struct err *err)
{
	CLEANUP(close_file) FILE *file = fopen(path, "re");
	struct tuf_check check;
	uint8_t bytes[65536];
	size_t len;

	if (!file)
		return err_set(err, -errno, "open '%s': %s", path, strerror(errno));
	tuf_check_init(&check, info);
	while ((len = fread(bytes, 1, sizeof(bytes), file)) > 0)
		if (tuf_check_add(&check, bytes, len, err) < 0)
			return err->code;
	if (ferror(file))
		return err_set(err, -EIO, "read '%s': %s", path, strerror(errno));
	return tuf_check_final(&check, err);
}

static void hash_text(char out[static 2 * SHA512_DIGEST_SIZE + 1], const struct tuf_fileinfo *info)
{
	const uint8_t *hash = info->has_sha256 ? info->sha256 : info->sha512;
	size_t len = info->has_sha256 ? sizeof(info->sha256) : sizeof(info->sha512);

	for (size_t i = 0; i < len; i++)
		sprintf(out + 2 * i, "%02x", hash[i]);
}

/* URL/FOLDER/NAME or URL/FOLDER/HASH.NAME */
static int make_url(char **out, const struct tuf_target *target, struct err *err)
{
	char quoted[PATH_CHARS_MAX], hash[2 * SHA512_DIGEST_SIZE + 2] = "";
	int rc = tuf_quote(quoted, sizeof(quoted), target->path, true, err);

	if (rc)
		return rc;
	const char *slash = strrchr(quoted, '/');
	const char *name = slash ? slash + 1 : quoted;
	size_t len = strlen(target->url);
	if (target->has_hashed_name) {
		hash_text(hash, target->info);
		strcat(hash, ".");
	}
	if (asprintf(out, "%s%s%.*s%s%s", target->url, len && target->url[len - 1] == '/' ? "" : "/",
		     (int)(name - quoted), quoted, hash, name) < 0)
		return err_set(err, -ENOMEM, "out of memory");
	return 0;
}

struct download {
	FILE *file;
	const char *path;
	struct tuf_check check;
};

static int on_body(void *ctx, const uint8_t *data, size_t len, struct err *err)
{
	struct download *d = ctx;

	if (tuf_check_add(&d->check, data, len, err) < 0)
		return err->code;
	if (fwrite(data, 1, len, d->file) != len)
		return err_set(err, -errno, "write '%s': %s", d->path, strerror(errno));
	return 0;
}

static int fetch(struct http *http, const struct tuf_target *target, const char *part, struct err *err)
{
	CLEANUP(free_str) char *url = NULL;
	struct http_response rs = { 0 };
	struct download d = { .path = part };
	int rc = make_url(&url, target, err);

	if (rc)
		return rc;
	CLEANUP(close_file) FILE *file = fopen(part, "we");
	if (!file)
		return err_set(err, -errno, "create '%s': %s", part, strerror(errno));
	d.file = file;
	tuf_check_init(&d.check, target->info);
	const struct http_request rq = {
		.url = url, .body_bytes_max = target->info->length, .on_body = on_body, .ctx = &d
	};
	if ((rc = http_perform(http, &rq, &rs, err)) < 0 || (rc = http_check_status(&rs, url, err)) < 0 ||
	    (rc = tuf_check_final(&d.check, err)) < 0)
		return rc;
	if (fflush(file) || fsync(fileno(file)) || fclose(TAKE(file)))
		return err_set(err, -errno, "write '%s': %s", part, strerror(errno));
	return 0;
}

int tuf_target_fetch(struct http *http, const struct tuf_target *target, const char *file, struct err *err)
{
	char part[PATH_MAX];

	if (check_file(target->info, file, err) == 0)
		return 0;
	if (snprintf(part, sizeof(part), "%s.part", file) >= (int)sizeof(part))
		return err_set(err, -ENAMETOOLONG, "'%s': path is too long", file);
	int rc = fetch(http, target, part, err);
	if (!rc && rename(part, file))
		rc = err_set(err, -errno, "move '%s': %s", part, strerror(errno));
	if (rc) {
		unlink(part);
		return err_wrap(err, "target '%.128s'", target->path);
	}
	return 0;
}
