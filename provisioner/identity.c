/* SPDX-License-Identifier: GPL-2.0-or-later */
/* identity: see identity.h */
#include "identity.h"

#include "boot_ticket.h"
#include "cleanup.h"
#include "json.h"
#include "log.h"
#include "mac.h"
#include "receipt_verify.h"
#include "signed_request.h"
#include "tuf_key.h"

#include <errno.h>
#include <string.h>
#include <time.h>

#define LANDINGS_MAX 8    /* more than there are */
#define KEY_TEXT_MAX 2048 /* of one with 256 bits, in PEM */

static bool has_mac(const struct store_macs *macs, const char *mac)
{
	for (size_t i = 0; i < macs->count; i++)
		if (strcmp(macs->macs[i], mac) == 0)
			return true;
	return false;
}

int identity_read_macs(struct store_macs *out, const json_t *json, struct err *err)
{
	const json_t *macs = json_object_get(json, "macs");
	size_t nr;
	const json_t *entry;

	if (!macs || json_is_null(macs))
		return 0;
	if (!json_is_array(macs) || json_array_size(macs) > STORE_MACS_MAX)
		return err_set(err, -EINVAL, "field \"macs\": a list of at most %d addresses is needed",
			       STORE_MACS_MAX);
	json_array_foreach(macs, nr, entry)
	{
		char mac[STORE_MAC_CHARS];

		if (!json_is_string(entry) || mac_parse(mac, json_string_value(entry)) < 0)
			return err_set(err, -EINVAL, "field \"macs\": entry %zu is no MAC address", nr);
		if (!has_mac(out, mac))
			memcpy(out->macs[out->count++], mac, sizeof(mac));
	}
	return 0;
}

/* The signature of the header field, of the key with this id. */
static int find_signature(const char **out, const struct request *rq, const char *key_id, struct err *err)
{
	const char *field = MHD_lookup_connection_value(rq->conn, MHD_HEADER_KIND, SIGNED_REQUEST_FIELD);
	size_t len = strlen(key_id);

	if (!field)
		return err_set(err, -EACCES,
			       "field \"machine_key\": the request is not signed (" SIGNED_REQUEST_FIELD
			       ": KEYID:SIGNATURE)");
	if (strncmp(field, key_id, len) != 0 || field[len] != ':')
		return err_set(err, -EACCES, "the request is signed by another key than %.8s", key_id);
	*out = field + len + 1;
	return 0;
}

static int check_signature(const struct request *rq, const char *path, const json_t *key, const char *key_id,
			   struct err *err)
{
	CLEANUP(free_str) char *text = signed_request_text("POST", path, rq->body, rq->body_bytes);
	const char *signature = NULL;

	if (!text)
		return err_set(err, -ENOMEM, "out of memory");
	if (find_signature(&signature, rq, key_id, err) < 0)
		return err->code;
	if (tuf_key_verify(key, signature, text, strlen(text), err) < 0)
		return err_set(err, -EACCES, "the request's signature is not that of key %.8s", key_id);
	return 0;
}

static int read_kept(struct store_claim *claim, const json_t *json, struct err *err)
{
	int rc = json_need_string(&claim->kept, json, "key_kept", 16, err);

	if (rc)
		return rc;
	claim->is_durable = strcmp(claim->kept, "tpm") == 0 || strcmp(claim->kept, "nvram") == 0;
	if (!claim->is_durable && strcmp(claim->kept, "memory") != 0)
		return err_set(err, -EINVAL, "field \"key_kept\": '%.16s' is not known; tpm, nvram and memory are",
			       claim->kept);
	return 0;
}

/* The same for the same JSON. Not its canonical form, in which a PEM's line ends stand as they are and nothing parses it again. */
static char *one_text(const json_t *json)
{
	return json_dumps(json, JSON_COMPACT | JSON_SORT_KEYS);
}

/* A request without a key is nobody's. */
static int read_key(struct identity *out, const struct request *rq, const char *path, const json_t *json,
		    struct err *err)
{
	const json_t *key = json_object_get(json, "machine_key");
	int rc;

	if (!key || json_is_null(key))
		return 0;
	if (!json_is_object(key))
		return err_set(err, -EINVAL, "field \"machine_key\": an object is needed");
	if ((rc = read_kept(&out->claim, json, err)) < 0)
		return rc;
	if (!(out->key_text = one_text(key)))
		return err_set(err, -ENOMEM, "out of memory");
	if (strlen(out->key_text) > KEY_TEXT_MAX)
		return err_set(err, -EINVAL, "field \"machine_key\": more than %d bytes", KEY_TEXT_MAX);
	if (tuf_key_id(out->key_id, key, err) < 0)
		return err_set(err, -EINVAL, "field \"machine_key\": no public key");
	out->claim.key = out->key_text;
	out->claim.key_id = out->key_id;
	return check_signature(rq, path, key, out->key_id, err);
}

/* What a ticket may be made for: an item, or one of several things that a node has. */
struct purposes {
	const char *const *ids;
	size_t count;
};

/* Of the machine's address `mac`; `claim->expires_at` is not positive where it was made for none of these. */
static void check_purposes(struct store_claim *claim, const struct request *rq, const char *mac,
			   const struct purposes *purposes, struct err *err)
{
	claim->mac = mac;
	claim->expires_at = 0;
	for (size_t i = 0; i < purposes->count && claim->expires_at <= 0; i++)
		claim->expires_at =
			boot_ticket_check(claim->ticket, rq->server->ticket_secret, mac, purposes->ids[i], err);
}

/* The ticket names its machine: that one of the addresses which it was made for. */
static int read_ticket(struct store_claim *claim, const struct request *rq, const json_t *json,
		       const struct purposes *purposes, const struct store_macs *macs, struct err *err)
{
	int rc = json_want_string(&claim->ticket, json, "ticket", STORE_TICKET_CHARS - 1, err);

	if (rc)
		return rc;
	if (!claim->ticket)
		return err_set(err, -EACCES,
			       "field \"ticket\": machine %s has none for this boot; its boot script has it, as "
			       "vmcast.ticket= of "
			       "the kernel's command line",
			       macs->macs[0]);
	for (size_t i = 0; i < macs->count; i++) {
		check_purposes(claim, rq, macs->macs[i], purposes, err);
		if (claim->expires_at > 0)
			return 0;
	}
	return err->code;
}

/* What the site wants to know of a machine. */
static int check_machine(struct store_claim *claim, const struct request *rq, const json_t *json,
			 const struct purposes *purposes, const struct store_macs *macs, struct err *err)
{
	enum identity_policy policy = rq->server->config->identity;

	claim->mac = macs->macs[0];
	if (policy == IDENTITY_NONE)
		return 0;
	/* A signed command line is the same for all machines and boots: who starts from that is known by his key alone. */
	bool is_signed_boot = !json_object_get(json, "item") && !json_object_get(json, "ticket");
	if (is_signed_boot && claim->is_durable)
		return 0;
	int rc = read_ticket(claim, rq, json, purposes, macs, err);
	if (rc)
		return rc;
	if (policy == IDENTITY_KEY && !claim->is_durable)
		return err_set(
			err, -EACCES,
			"field \"key_kept\": machine %s has no key that outlives a boot, and this site wants one "
			"(identity = key): it needs a TPM, or UEFI with room for a variable",
			claim->mac);
	return 0;
}

static int read_claim(struct identity *out, const struct request *rq, const char *path, const json_t *json,
		      const struct purposes *purposes, const struct store_macs *macs, struct err *err)
{
	struct store_claim *claim = &out->claim;
	int rc;

	request_address(out->address, rq);
	claim->address = out->address;
	if ((rc = read_key(out, rq, path, json, err)) == 0 && macs->count)
		rc = check_machine(claim, rq, json, purposes, macs, err);
	return rc;
}

static int warn_refused(int rc, const char *what, const struct identity *who, const struct err *err)
{
	if (rc == -EACCES)
		log_warn("%s %s at %s refused: %s", what, who->claim.mac ? who->claim.mac : "a host", who->address,
			 err->text);
	return rc;
}

/* What a ticket for this item may be made for: the item with each landing, in their order, and alone. */
struct item_purposes {
	char texts[LANDINGS_MAX][BOOT_TICKET_PURPOSE];
	const char *ids[LANDINGS_MAX + 1];
	size_t count;
};

static void list_purposes(struct item_purposes *out, const char *item_id)
{
	const char *landing;

	for (out->count = 0; (landing = landing_name_nth(out->count)); out->count++) {
		out->ids[out->count] = out->texts[out->count];
		boot_ticket_purpose(out->texts[out->count], item_id, landing);
	}
	out->ids[out->count++] = item_id;
}

const char *identity_landing(const struct request *rq, const json_t *json, const char *item_id,
			     const struct store_macs *macs)
{
	const char *ticket = json_string_value(json_object_get(json, "ticket"));
	struct item_purposes purposes;
	struct err ignored;

	list_purposes(&purposes, item_id);
	for (size_t i = 0; ticket && i < macs->count; i++)
		for (size_t nr = 0; landing_name_nth(nr); nr++)
			if (boot_ticket_check(ticket, rq->server->ticket_secret, macs->macs[i], purposes.ids[nr],
					      &ignored) > 0)
				return landing_name_nth(nr);
	return NULL;
}

int identity_admit(struct identity *out, const struct request *rq, const json_t *json, const char *item_id,
		   const struct store_macs *macs, struct err *err)
{
	struct item_purposes purposes;

	list_purposes(&purposes, item_id);
	int rc = read_claim(out, rq, "/v1/plan", json, &(struct purposes){ purposes.ids, purposes.count }, macs, err);

	if (rc == 0)
		rc = store_claim_take(rq->server->store, &out->claim, macs, err);
	return warn_refused(rc, "plan for", out, err);
}

int identity_admit_node(struct identity *out, const struct request *rq, const json_t *json,
			const struct store_guest_list *guests, const struct store_macs *macs, struct err *err)
{
	const char *ids[STORE_NODE_GUESTS + 1] = { BOOT_TICKET_GUESTS };
	uint64_t seq;
	int rc;

	for (size_t i = 0; i < guests->count; i++)
		ids[i + 1] = guests->rows[i].item_id;
	if ((rc = json_need_u64(&seq, json, "seq", INT64_MAX, err)) < 0)
		return rc;
	rc = read_claim(out, rq, "/v1/guests", json, &(struct purposes){ ids, guests->count + 1 }, macs, err);
	if (rc == 0)
		rc = store_guest_claim(rq->server->store, &out->claim, macs, seq, err);
	return warn_refused(rc, "guests of", out, err);
}

void identity_done(struct identity *identity)
{
	free(identity->key_text);
	*identity = (struct identity){ 0 };
}

static int need_same(const json_t *from, const char *name, const char *wanted, struct err *err)
{
	const json_t *value = json_object_get(from, name);
	const char *said = json_string_value(value);

	if (wanted[0] ? said && strcmp(said, wanted) == 0 : json_is_null(value))
		return 0;
	return err_set(err, -EINVAL, "receipt: field \"%s\": '%.64s', the job's is '%s'", name, said ? said : "",
		       wanted);
}

/* That it is about this job, and by its key. */
static int check_receipt(const json_t *fields, const struct request *rq, const struct store_job_identity *job,
			 const json_t *key, struct err *err)
{
	const json_t *item = json_object_get(fields, "item");
	int rc;

	if (!tuf_key_same(json_object_get(fields, "key"), key))
		return err_set(err, -EINVAL, "receipt: field \"key\": not the key that the plan was handed to");
	if ((rc = need_same(fields, "job", rq->param, err)) < 0 ||
	    (rc = need_same(fields, "machine", job->mac, err)) < 0 ||
	    (rc = need_same(fields, "key_kept", job->key_kept, err)) < 0 ||
	    (rc = need_same(item, "id", job->item_id, err)) < 0)
		return rc;
	if ((uint64_t)json_integer_value(json_object_get(item, "version")) != job->version)
		return err_set(err, -EINVAL, "receipt: field \"version\" of the item: not the job's");
	return 0;
}

static int read_receipt(struct identity_report *out, const struct request *rq, const json_t *json,
			const struct store_job_identity *job, const json_t *key, struct err *err)
{
	const json_t *receipt = json_object_get(json, "receipt"), *fields = json_object_get(receipt, "signed");
	struct store_receipt *row = &out->receipt;
	const char *previous = json_string_value(json_object_get(fields, "previous"));
	int rc;

	if (!receipt)
		return err_set(err, -EINVAL, "field \"receipt\": a machine with a key that is done gives one");
	if (receipt_verify(receipt, err) < 0) {
		err_wrap(err, "receipt");
		return err->code = -EINVAL;
	}
	if ((rc = check_receipt(fields, rq, job, key, err)) < 0 || (rc = receipt_hash(row->hash, receipt, err)) < 0)
		return rc;
	row->document = one_text(receipt);
	if (!row->document)
		return err_set(err, -ENOMEM, "out of memory");
	if (strlen(row->document) > RECEIPT_BYTES_MAX)
		return err_set(err, -EINVAL, "receipt: more than %u bytes", RECEIPT_BYTES_MAX);
	snprintf(row->previous, sizeof(row->previous), "%s", previous ? previous : "");
	memcpy(row->chain, job->chain, sizeof(row->chain));
	memcpy(row->item_id, job->item_id, sizeof(row->item_id));
	snprintf(row->job_id, sizeof(row->job_id), "%.16s", rq->param);
	row->received_at = (int64_t)time(NULL);
	out->has_receipt = true;
	return 0;
}

int identity_check_job(struct store_job_identity *job, const struct request *rq, const char *path, const char *id,
		       struct err *err)
{
	CLEANUP(json_free) json_t *key = NULL;
	char key_id[STORE_HASH_CHARS];
	int rc = store_job_identity(rq->server->store, id, job, err);

	if (rc < 0 || !job->key)
		return rc;
	key = json_loads(job->key, 0, NULL);
	rc = tuf_key_id(key_id, key, err);
	return rc < 0 ? rc : check_signature(rq, path, key, key_id, err);
}

int identity_check_report(struct identity_report *out, const struct request *rq, const json_t *json, const char *phase,
			  struct err *err)
{
	CLEANUP(store_job_identity_free) struct store_job_identity job = { 0 };
	CLEANUP(json_free) json_t *key = NULL;
	char path[REQUEST_PARAM_MAX + 16];
	int rc;

	snprintf(path, sizeof(path), "/v1/jobs/%s", rq->param);
	rc = identity_check_job(&job, rq, path, rq->param, err);
	if (rc < 0 || !job.key)
		return rc;
	digest_of(out->digest, rq->body, rq->body_bytes);
	key = json_loads(job.key, 0, NULL);
	if ((rc = json_need_u64(&out->seq, json, "seq", INT64_MAX, err)) < 0)
		return rc;
	if (!out->seq)
		return err_set(err, -EINVAL, "field \"seq\": reports are numbered from 1");
	return strcmp(phase, "done") == 0 ? read_receipt(out, rq, json, &job, key, err) : 0;
}

void identity_report_done(struct identity_report *report)
{
	store_receipt_free(&report->receipt);
}
