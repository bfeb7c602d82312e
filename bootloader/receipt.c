/* SPDX-License-Identifier: GPL-2.0-or-later */
/* receipt: see receipt.h */
#include "receipt.h"

#include "canonical_json.h"
#include "cleanup.h"
#include "json.h"
#include "version.h"

#include <errno.h>

static json_t *text_or_null(const char *text)
{
	return json_text(text[0] ? text : NULL);
}

/* "sha256:HEX" */
static json_t *digest_text(const uint8_t digest[static DIGEST_BYTES])
{
	char hex[DIGEST_HEX];

	digest_hex(hex, digest);
	return json_sprintf("sha256:%s", hex);
}

static json_t *disk_to_receipt(const struct receipt_disk *disk)
{
	const struct disk_identity *id = &disk->target->id;
	const struct write_stats *stats = disk->stats;

	return json_pack("{s:o, s:o, s:o, s:o, s:I, s:s, s:o, s:I, s:I, s:I, s:I, s:o}", "name", json_text(id->name),
			 "serial", json_text(id->serial), "wwn", json_text(id->wwn), "model", json_text(id->model),
			 "bytes", (json_int_t)id->bytes, "image", disk->plan->image.id, "index_digest",
			 digest_text(disk->plan->image.index_digest), "fetched_bytes", (json_int_t)stats->fetched_bytes,
			 "written_bytes", (json_int_t)stats->written_bytes, "found_bytes",
			 (json_int_t)stats->found_bytes, "read_back_bytes", (json_int_t)stats->read_back_bytes,
			 "read_back_digest", digest_text(stats->read_back_digest));
}

static json_t *durations(struct progress *progress)
{
	static const enum phase phases[] = { PHASE_PLAN, PHASE_INDEX, PHASE_TARGET, PHASE_WRITE, PHASE_COMMIT };
	json_t *all = json_object();

	for (size_t i = 0; i < sizeof(phases) / sizeof(phases[0]); i++)
		json_object_set_new(all, phase_name(phases[i]),
				    json_integer((json_int_t)progress_phase_ms(progress, phases[i])));
	return all;
}

static json_t *fields_of(const struct receipt_of *what, const struct machine_key *key)
{
	const struct boot_plan *plan = what->plan;
	json_t *disks = json_array();

	for (size_t i = 0; i < what->disk_count; i++)
		json_array_append_new(disks, disk_to_receipt(&what->disks[i]));
	return json_pack("{s:s, s:i, s:o, s:O, s:s, s:s, s:{s:o, s:o, s:o, s:I}, s:s, s:o, s:I, s:I, s:o, s:o}",
			 "_type", "receipt", "version", 1, "machine", text_or_null(plan->machine), "key",
			 machine_key_public(key), "key_kept", machine_key_kept(key), "client",
			 "vmcast-boot " VMCAST_VERSION, "item", "id", json_text(plan->item), "uuid",
			 text_or_null(plan->item_uuid), "title", json_text(plan->title), "version",
			 (json_int_t)plan->item_version, "job", plan->job, "disks", disks, "started_at",
			 (json_int_t)what->started_at, "ended_at", (json_int_t)what->ended_at, "durations_ms",
			 durations(what->progress), "previous", text_or_null(plan->previous_receipt));
}

int receipt_sign(json_t **out, const struct receipt_of *what, struct machine_key *key, struct err *err)
{
	CLEANUP(json_free) json_t *fields = fields_of(what, key);
	CLEANUP(free_str) char *signature = NULL;
	CLEANUP(free_str) char *text = NULL;
	size_t len;

	if (!fields)
		return err_set(err, -ENOMEM, "receipt: out of memory");
	int rc = canonical_json(&text, &len, fields, err);
	if (!rc)
		rc = machine_key_sign(&signature, key, text, len, err);
	if (rc)
		return err_wrap(err, "receipt");
	*out = json_pack("{s:O, s:[{s:s, s:s}]}", "signed", fields, "signatures", "keyid", machine_key_id(key), "sig",
			 signature);
	return *out ? 0 : err_set(err, -ENOMEM, "receipt: out of memory");
}
