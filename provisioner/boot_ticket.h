/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * boot_ticket: what a boot script gives the machine that it was made for, so that its plan can be told from that of somebody
 * who only knows its address. It is made of the service's secret, so that nobody can fill a disk by asking for many; the
 * store notes it when a machine presents it (store_claim_take).
 *
 * 32 hex digits: when it expires (s since 1970, 32 bits), a random number (32), and of HMAC-SHA-256 (RFC 2104) over
 * both, the machine's address and the item's id the first 64 bits.
 */
#ifndef VMCAST_BOOT_TICKET_H
#define VMCAST_BOOT_TICKET_H

#include "err.h"
#include "landing_name.h"
#include "store.h"

#include <stdint.h>

#define BOOT_TICKET_LIFE_S 3600

/* In place of an item's id: of a node that boots to start the guests it has. */
#define BOOT_TICKET_GUESTS "guests"

/* The same of an item that is to land otherwise than it says: its id, a space and the landing (landing_name.h). */
#define BOOT_TICKET_PURPOSE (STORE_ID_CHARS + LANDING_NAME + 1)
void boot_ticket_purpose(char out[static BOOT_TICKET_PURPOSE], const char *item_id, const char *landing);

/* `now`: seconds since 1970. */
void boot_ticket_make(char out[static STORE_TICKET_CHARS], const uint8_t secret[static STORE_SECRET_BYTES],
		      const char *mac, const char *item_id, int64_t now);

/* Seconds since 1970 when it expires, or expired; -EACCES: it is none of ours for this machine and item. */
int64_t boot_ticket_check(const char *ticket, const uint8_t secret[static STORE_SECRET_BYTES], const char *mac,
			  const char *item_id, struct err *err);

#endif
