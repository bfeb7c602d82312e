/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * identity: who asks for a plan, and who reports on it. A MAC address is not an identity: a boot's ticket and a key of the
 * machine's own are. docs/explanation/threat-model.md has what each of them meets.
 */
#ifndef VMCAST_IDENTITY_H
#define VMCAST_IDENTITY_H

#include "request.h"

/* Who wants a plan, in the store's words and with what these are borrowed from. */
struct identity {
	struct store_claim claim;
	char *key_text;
	char key_id[STORE_HASH_CHARS];
	char address[64];
};

/* The machine's addresses, each once: "macs" of the request `json`, none if it is left out. -EINVAL. */
int identity_read_macs(struct store_macs *out, const json_t *json, struct err *err);

/* How the item is to land by the word of whoever stood before the machine's menu, which is in its ticket; NULL: nothing was said. Static. */
const char *identity_landing(const struct request *rq, const json_t *json, const char *item_id,
			     const struct store_macs *macs);

/*
 * Whether a plan request may be answered, which is noted: its ticket is this key's from now on. `json` is its body; `item_id` and
 * `macs` are of it. -EACCES: no, and the error names the field; -EINVAL. Caller ends it with identity_done.
 */
int identity_admit(struct identity *out, const struct request *rq, const json_t *json, const char *item_id,
		   const struct store_macs *macs, struct err *err);
void identity_done(struct identity *identity);

/*
 * The same for a node's report on its guests, at most STORE_NODE_GUESTS, of which any may be what it booted for (store_guest_claim).
 * -EALREADY: it is no node, or this is an old report.
 */
int identity_admit_node(struct identity *out, const struct request *rq, const json_t *json,
			const struct store_guest_list *guests, const struct store_macs *macs, struct err *err);

/*
 * Whether the request to `path` is signed by the key that the plan of job `id` was handed to. 0 and `*job`, which the caller frees
 * with store_job_identity_free; `job->key` is NULL where it was handed to nobody's, and nothing was compared. -EACCES: it is not.
 */
int identity_check_job(struct store_job_identity *job, const struct request *rq, const char *path, const char *id,
		       struct err *err);

/* What a report is to be kept with. */
struct identity_report {
	uint64_t seq;
	uint8_t digest[DIGEST_BYTES];
	struct store_receipt receipt;
	bool has_receipt;
};

/*
 * Whether the report `json` on the job of the request's path is signed by the key that its plan was handed to, if there was one, and
 * its receipt is right. -EACCES: it is not signed; -EINVAL: a field is missing or wrong. Caller ends it with identity_report_done.
 */
int identity_check_report(struct identity_report *out, const struct request *rq, const json_t *json, const char *phase,
			  struct err *err);
void identity_report_done(struct identity_report *report);

#endif
