/* SPDX-License-Identifier: GPL-2.0-or-later */
/* feed_json: see feed_json.h */
#include "feed_json.h"

#include "cleanup.h"
#include "json.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static json_t *digest_json(const uint8_t *digest)
{
	char hex[DIGEST_HEX];

	digest_hex(hex, digest);
	return json_string(hex);
}

static json_t *enclosure_json(const struct feed_enclosure *e)
{
	return json_pack("{s:s, s:s*, s:I, s:o*}", "url", e->url, "type", e->type, "length", (json_int_t)e->length,
			 "digest", e->has_digest ? digest_json(e->digest) : NULL);
}

static json_t *disk_json(const struct feed_disk *d)
{
	return json_pack("{s:s, s:s, s:o, s:I, s:I, s:I, s:s*, s:s*}", "index", d->index_url, "image", d->image_url,
			 "id", digest_json(d->id), "index_bytes", (json_int_t)d->index_bytes, "image_bytes",
			 (json_int_t)d->image_bytes, "disk_bytes", (json_int_t)d->disk_bytes, "name", d->name, "bus",
			 d->bus);
}

/* Takes the row. */
static int append(json_t *rows, json_t *row, struct err *err)
{
	return json_array_append_new(rows, row) ? err_set(err, -ENOMEM, "out of memory") : 0;
}

int feed_item_pack(char **out, const struct feed_item *item, struct err *err)
{
	CLEANUP(json_free) json_t *json = NULL;
	json_t *mirrors = json_array(), *disks = json_array(), *categories = json_array();
	int rc = 0;

	*out = NULL;
	for (size_t i = 0; !rc && i < item->mirror_count; i++)
		rc = append(mirrors, enclosure_json(&item->mirrors[i]), err);
	for (size_t i = 0; !rc && i < item->disk_count; i++)
		rc = append(disks, disk_json(&item->disks[i]), err);
	for (size_t i = 0; !rc && i < item->category_count; i++)
		rc = append(categories, json_string(item->categories[i]), err);
	json = json_pack("{s:o, s:o, s:o}", "mirrors", mirrors, "disks", disks, "categories", categories);
	if (rc || !(item->mirror_count || item->disk_count || item->category_count))
		return rc;
	*out = json ? json_dumps(json, JSON_COMPACT) : NULL;
	return *out ? 0 : err_set(err, -ENOMEM, "out of memory");
}

static int unpack_text(char **out, const json_t *row, const char *key, struct err *err)
{
	const char *text = NULL;
	int rc = json_want_string(&text, row, key, SIZE_MAX, err);

	if (rc || !text)
		return rc;
	*out = strdup(text);
	return *out ? 0 : err_set(err, -ENOMEM, "out of memory");
}

static int unpack_digest(uint8_t out[static DIGEST_BYTES], bool *has, const json_t *row, const char *key,
			 struct err *err)
{
	const char *text = NULL;
	int rc = json_want_string(&text, row, key, SIZE_MAX, err);

	*has = false;
	if (rc || !text)
		return rc;
	*has = digest_parse(out, text) == 0;
	return *has ? 0 : err_set(err, -EBADMSG, "field \"%s\" is no digest", key);
}

static int unpack_enclosure(struct feed_enclosure *e, const json_t *row, struct err *err)
{
	int rc = unpack_text(&e->url, row, "url", err);

	if (!rc && !e->url)
		return err_set(err, -EBADMSG, "a mirror has no URL");
	if (!rc)
		rc = unpack_text(&e->type, row, "type", err);
	if (!rc)
		rc = json_want_u64(&e->length, row, "length", INT64_MAX, err);
	return rc ? rc : unpack_digest(e->digest, &e->has_digest, row, "digest", err);
}

static int unpack_disk(struct feed_disk *d, const json_t *row, struct err *err)
{
	bool has_id = false;
	int rc = unpack_text(&d->index_url, row, "index", err);

	if (!rc)
		rc = unpack_text(&d->image_url, row, "image", err);
	if (!rc)
		rc = unpack_digest(d->id, &has_id, row, "id", err);
	if (!rc && !(d->index_url && d->image_url && has_id))
		return err_set(err, -EBADMSG, "a disk lacks its index, image or id");
	if (!rc)
		rc = json_want_u64(&d->index_bytes, row, "index_bytes", INT64_MAX, err);
	if (!rc)
		rc = json_want_u64(&d->image_bytes, row, "image_bytes", INT64_MAX, err);
	if (!rc)
		rc = json_want_u64(&d->disk_bytes, row, "disk_bytes", INT64_MAX, err);
	if (!rc)
		rc = unpack_text(&d->name, row, "name", err);
	return rc ? rc : unpack_text(&d->bus, row, "bus", err);
}

static int unpack(struct feed_item *item, const json_t *json, struct err *err)
{
	const json_t *mirrors = json_object_get(json, "mirrors"), *disks = json_object_get(json, "disks"),
		     *categories = json_object_get(json, "categories");
	int rc = 0;

	item->mirrors = calloc(json_array_size(mirrors) + 1, sizeof(*item->mirrors));
	item->disks = calloc(json_array_size(disks) + 1, sizeof(*item->disks));
	item->categories = calloc(json_array_size(categories) + 1, sizeof(*item->categories));
	if (!item->mirrors || !item->disks || !item->categories)
		return err_set(err, -ENOMEM, "out of memory");
	while (!rc && item->mirror_count < json_array_size(mirrors)) {
		size_t nr = item->mirror_count++;

		rc = unpack_enclosure(&item->mirrors[nr], json_array_get(mirrors, nr), err);
	}
	while (!rc && item->disk_count < json_array_size(disks)) {
		size_t nr = item->disk_count++;

		rc = unpack_disk(&item->disks[nr], json_array_get(disks, nr), err);
	}
	while (!rc && item->category_count < json_array_size(categories)) {
		const char *text = json_string_value(json_array_get(categories, item->category_count));

		if (!text)
			return err_set(err, -EBADMSG, "a category is no text");
		item->categories[item->category_count] = strdup(text);
		if (!item->categories[item->category_count])
			return err_set(err, -ENOMEM, "out of memory");
		item->category_count++;
	}
	return rc;
}

int feed_item_unpack(struct feed_item *item, const char *text, struct err *err)
{
	CLEANUP(feed_item_free) struct feed_item lists = { 0 };
	CLEANUP(json_free) json_t *json = NULL;

	if (!text)
		return 0;
	int rc = json_parse_object(&json, text, strlen(text), err);
	if (!rc)
		rc = unpack(&lists, json, err);
	if (rc)
		return rc;
	item->mirrors = TAKE(lists.mirrors);
	item->mirror_count = lists.mirror_count;
	item->disks = TAKE(lists.disks);
	item->disk_count = lists.disk_count;
	item->categories = TAKE(lists.categories);
	item->category_count = lists.category_count;
	lists.mirror_count = lists.disk_count = lists.category_count = 0;
	return 0;
}

json_t *feed_notes_json(const struct feed_note *notes, size_t count)
{
	json_t *rows = json_array();

	for (size_t i = 0; rows && i < count; i++)
		json_array_append_new(rows, json_pack("{s:i, s:b, s:o}", "line", (int)notes[i].line, "refused",
						      notes[i].refused, "text", json_text(notes[i].text)));
	return rows;
}
