/* SPDX-License-Identifier: GPL-2.0-or-later */
/* routes_seed: see routes_seed.h */
#include "routes_seed.h"

#include "cleanup.h"
#include "identity.h"
#include "json.h"
#include "log.h"
#include "sealed.h"
#include "seed_machine.h"

#include <errno.h>
#include <nettle/base16.h>
#include <stdlib.h>
#include <string.h>

#define SEED_VERSION 1
#define PATH         "/v1/seed"

static json_t *fields_json(unsigned fields)
{
	json_t *list = json_array();

	for (size_t nr = 0; seed_field_name(nr); nr++)
		if (fields & 1u << nr)
			json_array_append_new(list, json_string(seed_field_name(nr)));
	return list;
}

static json_t *files_json(const struct seed *seed)
{
	json_t *list = json_array();

	for (int nr = 0; nr < SEED_FILES; nr++)
		if (seed->texts[nr])
			json_array_append_new(list, json_pack("{s:s, s:I, s:o}", "name", seed_file_names[nr], "bytes",
							      (json_int_t)strlen(seed->texts[nr]), "fields",
							      fields_json(seed->fields[nr])));
	return list;
}

static json_t *machines_json(const char *name, const struct store_machine_list *machines)
{
	json_t *list = json_array();

	for (size_t i = 0; i < machines->count; i++)
		if (machines->rows[i].seed && strcmp(machines->rows[i].seed, name) == 0)
			json_array_append_new(list, json_string(machines->rows[i].mac));
	return list;
}

/* With what is wrong with it, or null. */
static json_t *seed_json(const char *name, const struct config *config, const struct store_machine_list *machines)
{
	CLEANUP(seed_free) struct seed seed = { 0 };
	struct err err = { 0 };
	int rc = seed_load(&seed, config->seeds_dir, name, &err);

	return json_pack("{s:s, s:o, s:o, s:o}", "name", name, "files", files_json(&seed), "error",
			 json_text(rc ? err.text : NULL), "machines", machines_json(name, machines));
}

int routes_seed_list(struct request *rq, struct err *err)
{
	CLEANUP(store_machine_list_free) struct store_machine_list machines = { 0 };
	CLEANUP(string_list_free) struct string_list names = { 0 };
	const struct config *config = rq->server->config;
	int rc = seed_list(&names, config->seeds_dir, err);

	if (rc < 0 || (rc = store_machine_list(rq->server->store, &machines, err)) < 0)
		return rc;
	json_t *rows = json_array();

	for (size_t i = 0; i < names.count; i++)
		json_array_append_new(rows, seed_json(names.items[i], config, &machines));
	return reply_json(rq, MHD_HTTP_OK, json_pack("{s:s, s:o}", "dir", config->seeds_dir, "seeds", rows), err);
}

int routes_seed_get(struct request *rq, struct err *err)
{
	CLEANUP(store_machine_list_free) struct store_machine_list machines = { 0 };
	CLEANUP(string_list_free) struct string_list names = { 0 };
	const struct config *config = rq->server->config;
	int rc = seed_list(&names, config->seeds_dir, err);

	if (rc < 0 || (rc = store_machine_list(rq->server->store, &machines, err)) < 0)
		return rc;
	for (size_t i = 0; i < names.count; i++)
		if (strcmp(names.items[i], rq->param) == 0)
			return reply_json(rq, MHD_HTTP_OK, seed_json(rq->param, config, &machines), err);
	return err_set(err, -ENOENT, "there is no seed '%s' in '%s'", rq->param, config->seeds_dir);
}

/* What a machine asks with. */
struct question {
	const char *job, *ticket;
	uint8_t public_key[SEALED_PUBLIC_BYTES];
};

static int read_public_key(struct question *q, const json_t *json, struct err *err)
{
	struct base16_decode_ctx ctx;
	size_t len = sizeof(q->public_key);
	const char *hex;
	int rc = json_need_string(&hex, json, "public_key", 2 * SEALED_PUBLIC_BYTES, err);

	if (rc)
		return rc;
	base16_decode_init(&ctx);
	if (strlen(hex) != 2 * SEALED_PUBLIC_BYTES ||
	    !base16_decode_update(&ctx, &len, q->public_key, strlen(hex), hex) || !base16_decode_final(&ctx))
		return err_set(err, -EINVAL, "field \"public_key\": %u hex digits are needed", 2 * SEALED_PUBLIC_BYTES);
	return 0;
}

static int read_question(struct question *q, const struct request *rq, const json_t *json, struct err *err)
{
	uint64_t version;
	int rc;

	q->ticket = request_bearer(rq);
	if (!q->ticket)
		return err_set(err, -EACCES, "a seed is asked for with its job's ticket (Authorization: Bearer)");
	if ((rc = json_need_u64(&version, json, "version", 1000, err)) < 0 ||
	    (rc = json_need_string(&q->job, json, "job", STORE_ID_CHARS - 1, err)) < 0 ||
	    (rc = read_public_key(q, json, err)) < 0)
		return rc;
	return version == SEED_VERSION
		       ? 0
		       : err_set(err, -EINVAL, "field \"version\": only %d is spoken here", SEED_VERSION);
}

/* That it is the machine which the plan was handed to. Where nothing is asked of machines, a key of one boot is anybody's. */
static int check_identity(const struct request *rq, const struct question *q, struct err *err)
{
	CLEANUP(store_job_identity_free) struct store_job_identity job = { 0 };
	int rc = identity_check_job(&job, rq, PATH, q->job, err);

	if (rc < 0)
		return rc;
	if (!job.key)
		return err_set(err, -EACCES, "job '%s' is of a machine without a key, which gets no seed", q->job);
	if (rq->server->config->identity == IDENTITY_NONE && job.key_kept && strcmp(job.key_kept, "memory") == 0)
		return err_set(
			err, -EACCES,
			"machine %s has no key that outlives a boot, and this site asks for no tickets (identity = "
			"none): anybody could be it, and gets no seed",
			job.mac);
	return 0;
}

static int make_seed(struct seed_document *out, const struct request *rq, const struct question *q, struct err *err)
{
	CLEANUP(store_machine_free) struct store_machine machine = { 0 };
	CLEANUP(store_item_free) struct store_item item = { 0 };
	struct store *store = rq->server->store;
	char mac[STORE_MAC_CHARS];
	int rc;

	if ((rc = store_job_machine(store, q->job, q->ticket, mac, err)) < 0 || (rc = check_identity(rq, q, err)) < 0 ||
	    (rc = store_machine_get(store, mac, &machine, err)) < 0)
		return rc;
	if (!machine.seed)
		return err_set(err, -EALREADY, "machine %s is assigned no seed", mac);
	if ((rc = store_item_get(store, machine.item_id, &item, err)) < 0)
		return rc;
	rc = seed_machine_make(out, rq->server->config, store, &machine, &item, err);
	if (!rc)
		log_info("machine %s: gets seed '%s', sealed, for job %s", mac, machine.seed, q->job);
	return rc == -ENOENT || rc == -EINVAL ? (err->code = -EALREADY) : rc;
}

int routes_seed_give(struct request *rq, struct err *err)
{
	CLEANUP(seed_document_done) struct seed_document document = { 0 };
	CLEANUP(json_free) json_t *json = NULL;
	struct question q = { 0 };
	uint8_t *box;
	int rc;

	if ((rc = request_json(&json, rq, err)) < 0 || (rc = read_question(&q, rq, json, err)) < 0 ||
	    (rc = make_seed(&document, rq, &q, err)) < 0 ||
	    (rc = sealed_seal(&box, q.public_key, document.text, document.len, err)) < 0)
		return rc;
	struct MHD_Response *response =
		MHD_create_response_from_buffer(document.len + SEALED_MORE_BYTES, box, MHD_RESPMEM_MUST_FREE);

	if (!response)
		free(box);
	return reply_response(rq, MHD_HTTP_OK, response, "application/octet-stream", "no-store", err);
}
