/* SPDX-License-Identifier: GPL-2.0-or-later */
/* boot_seed: see boot_seed.h */
#include "boot_seed.h"

#include "cleanup.h"
#include "json.h"
#include "log.h"
#include "sealed.h"
#include "service_url.h"

#include <errno.h>
#include <nettle/base16.h>
#include <stdlib.h>
#include <string.h>

#define SEED_VERSION 1
/* Three files, each byte of which takes six in JSON at most. */
#define ANSWER_MAX (4u << 20)

struct answer {
	uint8_t *bytes; /* ANSWER_MAX */
	size_t len;
};

static void free_answer(struct answer *answer)
{
	free(answer->bytes);
}

/* There is room for body_bytes_max bytes. */
static int take(void *ctx, const uint8_t *data, size_t len, struct err *err)
{
	struct answer *answer = ctx;

	(void)err;
	memcpy(answer->bytes + answer->len, data, len);
	answer->len += len;
	return 0;
}

/* A retry begins anew. */
static int begin(void *ctx, const struct http_response *rs, struct err *err)
{
	struct answer *answer = ctx;

	(void)rs, (void)err;
	answer->len = 0;
	return 0;
}

static char *request_text(const struct boot_plan *plan, const struct sealed_key *key)
{
	char hex[2 * SEALED_PUBLIC_BYTES + 1] = "";
	CLEANUP(json_free) json_t *rq = NULL;

	base16_encode_update(hex, SEALED_PUBLIC_BYTES, key->public_key);
	rq = json_pack("{s:i, s:s, s:s}", "version", SEED_VERSION, "job", plan->job, "public_key", hex);
	return json_dumps(rq, JSON_COMPACT);
}

static int ask(struct answer *answer, const struct service *service, const struct boot_plan *plan, const char *request,
	       struct err *err)
{
	CLEANUP(http_close) struct http *http = NULL;
	CLEANUP(free_str) char *url = NULL;
	struct http_response rs = { 0 };
	struct retry retry;
	int rc = service_connect(&http, service, err);

	if (!rc)
		rc = service_url(&url, service->server, "/v1/seed", err);
	if (rc)
		return rc;
	const struct http_request rq = {
		.url = url,
		.json = request,
		.bearer = plan->ticket,
		.body_bytes_max = ANSWER_MAX,
		.on_head = begin,
		.on_body = take,
		.ctx = answer,
	};
	retry_init(&retry, service->retry_s, service->stop);
	for (;;) {
		rc = service_post(http, service, &rq, &rs, err);
		if (!rc)
			rc = service_check_status(&rs, url, err);
		if (!rc || (rc = retry_wait(&retry, rs.retry_after_s, err)) < 0)
			return rc;
	}
}

static int add_file(struct boot_seed *seed, const char *name, const json_t *data, struct err *err)
{
	if (seed->count == SEED_VOLUME_FILES_MAX || !json_is_string(data) || strlen(name) > SEED_VOLUME_NAME_MAX)
		return err_set(err, -EPROTO, "field \"files\": no text, or too many");
	seed->files[seed->count++] =
		(struct seed_file){ .name = name, .data = json_string_value(data), .bytes = json_string_length(data) };
	return 0;
}

/* Only these: their names become those of a volume's files. */
static int add_files(struct boot_seed *seed, const json_t *files, struct err *err)
{
	static const char *const known[] = { "meta-data", "user-data", "network-config" };
	size_t found = 0;
	int rc = 0;

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]) && !rc; i++) {
		const json_t *data = json_object_get(files, known[i]);

		found += data != NULL;
		rc = data ? add_file(seed, known[i], data, err) : 0;
	}
	if (!rc && (!found || found != json_object_size(files)))
		rc = err_set(err, -EPROTO,
			     "field \"files\": meta-data, user-data and network-config are needed, and "
			     "no others");
	return rc;
}

int boot_seed_parse(struct boot_seed *out, const char *text, size_t len, struct err *err)
{
	struct boot_seed seed = { 0 };
	uint64_t version;
	int rc = json_parse_object(&seed.document, text, len, err);

	if (!rc)
		rc = json_need_u64(&version, seed.document, "version", UINT32_MAX, err);
	if (!rc && version != SEED_VERSION)
		rc = err_set(err, -EPROTO, "version %llu, this client knows %d", (unsigned long long)version,
			     SEED_VERSION);
	if (!rc)
		rc = add_files(&seed, json_object_get(seed.document, "files"), err);
	if (rc) {
		boot_seed_done(&seed);
		return rc;
	}
	*out = seed;
	return 0;
}

static int open_answer(struct boot_seed *out, const struct answer *answer, const struct sealed_key *key,
		       const struct boot_plan *plan, struct err *err)
{
	uint8_t digest[DIGEST_BYTES];
	char hex[DIGEST_HEX];
	size_t len;
	char *text = NULL;
	int rc = sealed_open(&text, &len, key, answer->bytes, answer->len, err);

	if (rc)
		return rc;
	digest_of(digest, text, len);
	digest_hex(hex, digest);
	if (strcmp(hex, plan->seed.digest) != 0)
		rc = err_set(err, -EACCES, "it is not what the plan says: was its template changed just now?");
	else
		rc = boot_seed_parse(out, text, len, err);
	explicit_bzero(text, len);
	free(text);
	return rc;
}

static int get(struct boot_seed *out, const struct service *service, const struct boot_plan *plan, struct err *err)
{
	CLEANUP(sealed_key_done) struct sealed_key key = { 0 };
	CLEANUP(free_answer) struct answer answer = { .bytes = malloc(ANSWER_MAX) };
	CLEANUP(free_str) char *request = NULL;
	int rc = sealed_key_new(&key, err);

	if (rc)
		return rc;
	if (!answer.bytes || !(request = request_text(plan, &key)))
		return err_set(err, -ENOMEM, "out of memory");
	rc = ask(&answer, service, plan, request, err);
	return rc ? rc : open_answer(out, &answer, &key, plan, err);
}

int boot_seed_get(struct boot_seed *out, const struct service *service, const struct boot_plan *plan, struct err *err)
{
	int rc = service->key ? get(out, service, plan, err)
			      : err_set(err, -EPROTO, "this program has no key to get one with");

	return rc ? err_wrap(err, "seed '%s'", plan->seed.name) : 0;
}

void boot_seed_done(struct boot_seed *seed)
{
	for (size_t i = 0; i < seed->count; i++)
		/* The document's own copy, which nobody reads again. */
		explicit_bzero((char *)(uintptr_t)seed->files[i].data, seed->files[i].bytes);
	json_decref(seed->document);
	*seed = (struct boot_seed){ 0 };
}
