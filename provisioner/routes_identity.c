/* SPDX-License-Identifier: GPL-2.0-or-later */
/* routes_identity: see routes_identity.h */
#include "routes_identity.h"

#include "cleanup.h"
#include "json.h"
#include "log.h"
#include "mac.h"

#include <errno.h>

int routes_identity_forget_key(struct request *rq, struct err *err)
{
	int rc = store_machine_forget_key(rq->server->store, rq->param, err);

	if (rc < 0)
		return rc;
	log_info("machine %s: its key is forgotten", rq->param);
	return reply_empty(rq, MHD_HTTP_NO_CONTENT, err);
}

static json_t *receipt_json(const struct store_receipt *receipt)
{
	return json_pack("{s:s, s:o, s:s, s:s, s:s, s:I}", "hash", receipt->hash, "previous",
			 json_text(receipt->previous[0] ? receipt->previous : NULL), "chain", receipt->chain, "job",
			 receipt->job_id, "item", receipt->item_id, "received_at", (json_int_t)receipt->received_at);
}

int routes_identity_receipts(struct request *rq, struct err *err)
{
	CLEANUP(store_receipt_list_free) struct store_receipt_list receipts = { 0 };
	const char *mac = request_query(rq, "machine");
	char parsed[MAC_CHARS];

	if (mac && mac_parse(parsed, mac) < 0)
		return err_set(err, -EINVAL, "argument \"machine\": '%.40s' is no MAC address", mac);
	int rc = store_receipt_list(rq->server->store, mac ? parsed : NULL, &receipts, err);
	if (rc < 0)
		return rc;
	json_t *rows = json_array();

	for (size_t i = 0; i < receipts.count; i++)
		json_array_append_new(rows, receipt_json(&receipts.rows[i]));
	return reply_json(rq, MHD_HTTP_OK, json_pack("{s:o}", "receipts", rows), err);
}

int routes_identity_receipt(struct request *rq, struct err *err)
{
	CLEANUP(store_receipt_free) struct store_receipt receipt = { 0 };
	int rc = store_receipt_get(rq->server->store, rq->param, &receipt, err);

	if (rc < 0)
		return rc;
	json_t *json = receipt_json(&receipt);

	json_object_set_new(json, "receipt", json_loads(receipt.document, 0, NULL));
	return reply_json(rq, MHD_HTTP_OK, json, err);
}
