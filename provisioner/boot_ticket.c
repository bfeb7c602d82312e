/* SPDX-License-Identifier: GPL-2.0-or-later */
/* boot_ticket: see boot_ticket.h */
#include "boot_ticket.h"

#include "bytes.h"

#include <errno.h>
#include <nettle/base16.h>
#include <nettle/hmac.h>
#include <nettle/memops.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#define TICKET_BYTES 16
#define TAG_OFF      8

/* Of the first 8 bytes. */
static void add_tag(uint8_t ticket[static TICKET_BYTES], const uint8_t *secret, const char *mac, const char *item_id)
{
	static const char purpose[] = "vmcast boot ticket 1";
	struct hmac_sha256_ctx ctx;

	hmac_sha256_set_key(&ctx, STORE_SECRET_BYTES, secret);
	hmac_sha256_update(&ctx, sizeof(purpose), (const uint8_t *)purpose);
	hmac_sha256_update(&ctx, TAG_OFF, ticket);
	/* With their ends, so that no two pairs are the same bytes. */
	hmac_sha256_update(&ctx, strlen(mac) + 1, (const uint8_t *)mac);
	hmac_sha256_update(&ctx, strlen(item_id) + 1, (const uint8_t *)item_id);
	hmac_sha256_digest(&ctx, TICKET_BYTES - TAG_OFF, ticket + TAG_OFF);
}

void boot_ticket_purpose(char out[static BOOT_TICKET_PURPOSE], const char *item_id, const char *landing)
{
	snprintf(out, BOOT_TICKET_PURPOSE, "%.16s %.15s", item_id, landing);
}

void boot_ticket_make(char out[static STORE_TICKET_CHARS], const uint8_t secret[static STORE_SECRET_BYTES],
		      const char *mac, const char *item_id, int64_t now)
{
	uint8_t ticket[TICKET_BYTES];

	put_le32(ticket, (uint32_t)(now + BOOT_TICKET_LIFE_S));
	/* Never fails for so few bytes. */
	if (getrandom(ticket + 4, 4, 0) != 4)
		abort();
	add_tag(ticket, secret, mac, item_id);
	base16_encode_update(out, sizeof(ticket), ticket);
	out[STORE_TICKET_CHARS - 1] = '\0';
}

static bool decode(uint8_t out[static TICKET_BYTES], const char *ticket)
{
	struct base16_decode_ctx ctx;
	size_t len = TICKET_BYTES;

	base16_decode_init(&ctx);
	return strlen(ticket) == STORE_TICKET_CHARS - 1 &&
	       base16_decode_update(&ctx, &len, out, STORE_TICKET_CHARS - 1, ticket) && len == TICKET_BYTES;
}

int64_t boot_ticket_check(const char *ticket, const uint8_t secret[static STORE_SECRET_BYTES], const char *mac,
			  const char *item_id, struct err *err)
{
	uint8_t given[TICKET_BYTES], right[TICKET_BYTES];

	if (!decode(given, ticket))
		return err_set(err, -EACCES, "field \"ticket\": not 32 hex digits");
	memcpy(right, given, TAG_OFF);
	add_tag(right, secret, mac, item_id);
	if (!memeql_sec(given, right, sizeof(right)))
		return err_set(err, -EACCES, "field \"ticket\": not made for machine %s and item %s", mac, item_id);
	return le32(given);
}
