/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Any bytes as TUF metadata of each type: refused, or all that a client does with it can be done. */
#include "tuf_delegation.h"
#include "tuf_metadata.h"

#include <assert.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void use(const struct tuf_metadata *md)
{
	const json_t *delegations = json_object_get(md->fields, "delegations"), *role;
	struct tuf_fileinfo info;
	struct err err;
	size_t nr;

	assert(md->version >= 1);
	tuf_metadata_check_expiry(md, "fuzz", 0, &err);
	if (md->type == TUF_ROOT)
		tuf_metadata_verify_by_root(md, md, &err);
	if (md->type != TUF_TARGETS) {
		tuf_metadata_meta(&info, md, "targets");
		return;
	}
	tuf_metadata_target(&info, md, "a/b");
	json_array_foreach(json_object_get(delegations, "roles"), nr, role)
	{
		tuf_delegation_covers(role, "a/b");
		assert(tuf_metadata_verify(md, json_object_get(delegations, "keys"), role, "fuzz", &err) <= 0);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	for (int type = 0; type < TUF_TYPES; type++) {
		struct tuf_metadata *md = NULL;
		struct err err;

		if (tuf_metadata_parse(&md, (enum tuf_type)type, (const char *)data, len, &err) == 0)
			use(md);
		tuf_metadata_free(&md);
	}
	return 0;
}
