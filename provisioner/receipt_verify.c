/* SPDX-License-Identifier: GPL-2.0-or-later */
/* receipt_verify: see receipt_verify.h */
#include "receipt_verify.h"

#include "canonical_json.h"
#include "cleanup.h"
#include "json.h"
#include "tuf_key.h"

#include <errno.h>
#include <string.h>

static int need_string(const char **out, const json_t *from, const char *name, struct err *err)
{
	*out = json_string_value(json_object_get(from, name));
	return *out ? 0 : err_set(err, -EBADMSG, "field \"%s\": a string is needed", name);
}

static int check_form(const json_t *fields, struct err *err)
{
	const char *type;

	if (!json_is_object(fields))
		return err_set(err, -EBADMSG, "field \"signed\": an object is needed");
	if (need_string(&type, fields, "_type", err) < 0)
		return err->code;
	if (strcmp(type, "receipt") != 0)
		return err_set(err, -EBADMSG, "field \"_type\": '%.32s' is no receipt", type);
	if (json_integer_value(json_object_get(fields, "version")) != 1)
		return err_set(err, -EBADMSG, "field \"version\": only 1 is known");
	return 0;
}

int receipt_verify(const json_t *receipt, struct err *err)
{
	const json_t *fields = json_object_get(receipt, "signed"), *key = json_object_get(fields, "key");
	const json_t *signature = json_array_get(json_object_get(receipt, "signatures"), 0);
	CLEANUP(free_str) char *text = NULL;
	const char *key_id, *sig;
	char id[DIGEST_HEX];
	size_t len;

	if (!json_is_object(key))
		return err_set(err, -EBADMSG, "field \"key\": an object is needed");
	if (check_form(fields, err) < 0 || need_string(&key_id, signature, "keyid", err) < 0 ||
	    need_string(&sig, signature, "sig", err) < 0 || tuf_key_id(id, key, err) < 0)
		return err->code;
	if (strcmp(id, key_id) != 0)
		return err_set(err, -EBADMSG, "field \"keyid\": %.64s is not the id of field \"key\"", key_id);
	int rc = canonical_json(&text, &len, fields, err);
	if (!rc)
		rc = tuf_key_verify(key, sig, text, len, err);
	return rc ? err_wrap(err, "field \"signatures\"") : 0;
}

int receipt_hash(char out[static DIGEST_HEX], const json_t *receipt, struct err *err)
{
	CLEANUP(free_str) char *text = NULL;
	uint8_t digest[DIGEST_BYTES];
	size_t len;
	int rc = canonical_json(&text, &len, receipt, err);

	if (rc)
		return rc;
	digest_of(digest, text, len);
	digest_hex(out, digest);
	return 0;
}
