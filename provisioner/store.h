/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * store: what the service knows, in one SQLite database (WAL; PRAGMA user_version is the schema version). Every
 * function is one transaction; any thread may call any function (one connection, one lock). A database that is damaged
 * or newer than this program is refused at open with what to do about it, never overwritten.
 */
#ifndef VMCAST_STORE_H
#define VMCAST_STORE_H

#include "content.h"
#include "err.h"
#include "feed.h"
#include "feed_options.h"

#include <stdbool.h>
#include <stdint.h>

#define STORE_ID_CHARS     17 /* 16 hex digits and NUL: feeds, items, jobs */
#define STORE_MAC_CHARS    18 /* "52:54:00:12:34:56" and NUL, lower case */
#define STORE_TICKET_CHARS 33
#define STORE_MACS_MAX     64 /* network cards of one machine */
/* Anybody on the network may make jobs and machines: neither may fill the disk. */
#define STORE_JOBS_MAX      4096
#define STORE_MACHINES_MAX  65536 /* the one not seen for longest is forgotten, never one assigned or installed */
#define STORE_INVENTORY_MAX 8192  /* bytes, of each machine */
#define STORE_RECEIPTS_MAX  50000 /* those received first are forgotten */
#define STORE_SECRET_BYTES  32
#define STORE_HASH_CHARS    65    /* 64 hex digits and NUL */
#define STORE_CHAIN_CHARS   69    /* a MAC, or "key:" and a key id */
#define STORE_NODE_GUESTS   32    /* of one node */
#define STORE_GUESTS_MAX    65536 /* of all; those heard of least lately are forgotten */
#define STORE_KEEP          2     /* versions of an item, where its feed's options say nothing */

enum item_state { ITEM_ANNOUNCED, ITEM_INGESTING, ITEM_READY, ITEM_FAILED, ITEM_REFUSED };
enum assignment_state { ASSIGNMENT_NONE, ASSIGNMENT_ASSIGNED, ASSIGNMENT_INSTALLED };

/* Rows. Strings are owned by the row, NULL where unknown; the ..._list_free or ..._free function frees them all. Times:
 * s since 1970, 0 never. */
struct store_feed {
	char id[STORE_ID_CHARS];
	char *url;
	char *title;
	char *etag;
	char *last_modified;
	char *error;       /* of the last try, NULL if it went well */
	bool configured;   /* named in the configuration file: cannot be removed through the API */
	unsigned failures; /* tries in a row that did not go well */
	char *options;     /* canonical text of feed_options.h; "" for none, never NULL */
	char *moved_url;   /* where its server says it is for good (301, 308), NULL: where it was */
	char *notes;       /* of the last good document: JSON of feed_notes_json */
	int64_t gone_at;   /* since when its server says that it is gone for good (410), 0: it is not */
	uint32_t ttl_s;    /* as struct feed has it */
	uint32_t skip_hours;
	uint8_t skip_days;
	int64_t tried_at;
	int64_t fetched_at; /* last time a good document was in hand (new or not modified) */
	uint64_t item_count;
	uint64_t refused_count; /* items that prove less than the feed's policy asks for */
};

/* What an item asks of its machine, and how it is to be started. As in struct feed_item. */
struct store_needs {
	char *arch;
	char *firmware;
	uint64_t disk_bytes_min;
	uint64_t memory_bytes_min;
	char *landing;
	char *cmdline; /* of a kernel that brings none itself */
};

struct store_item {
	char id[STORE_ID_CHARS]; /* from feed URL and uuid: stable between refreshes */
	char feed_id[STORE_ID_CHARS];
	char *feed_title;
	struct feed_item announced; /* what the feed says of it; every URL is absolute */
	/* What was announced with the bytes that serve, whatever is announced by now; where nothing serves, what is
	 * announced. Machines are judged by this. */
	struct store_needs needs;
	enum feed_ingest feed_ingest; /* policy of its feed */
	enum item_state state;
	bool present;     /* still in the feed's last good document */
	enum proof proof; /* of what serves, or of what is announced where nothing serves */
	/* What serves. It survives a failed ingest of something newer; all of it is store_item_content's. */
	uint64_t version; /* 0: nothing */
	uint64_t newest;  /* version that was ingested last: another one after a rollback */
	enum item_kind kind;
	char *form;
	unsigned disk_count;
	char image_id[STORE_IMAGE_CHARS]; /* of the disk that boots, empty if there is none */
	uint64_t disk_bytes;              /* of that image */
	uint64_t image_bytes;
	uint64_t index_bytes;
	uint32_t sector_bytes;
	char *phase;         /* ingest: "download", "convert", NULL when none runs */
	uint64_t done_bytes; /* of the phase */
	uint64_t total_bytes;
	char *error;       /* why the last ingest failed */
	unsigned failures; /* ingests in a row that failed */
	int64_t retry_at;  /* when a failed ingest is tried again, 0: not by itself */
	int64_t updated_at;
};

/* Whether it will not be ingested by itself. */
static inline bool store_item_is_stuck(const struct store_item *item)
{
	return item->state == ITEM_FAILED || item->state == ITEM_REFUSED;
}

struct store_machine {
	char mac[STORE_MAC_CHARS];
	char *arch;
	char *firmware;
	char *address;
	char *inventory;              /* JSON of the last plan request; NULL in a list */
	char item_id[STORE_ID_CHARS]; /* assigned, empty if none */
	char *item_title;
	char *target; /* rule of the assignment, NULL: none */
	enum assignment_state assignment;
	char *error;          /* why its last job failed, NULL if it did not */
	int64_t installed_at; /* last time that a job of this machine, by whichever of its addresses, ended well,
				 assigned or not: its menu then defaults to the disk */
	int64_t first_seen_at;
	int64_t last_seen_at;
	char *key;               /* JSON of the public key that it proves itself with; NULL: none is known */
	char *key_kept;          /* "tpm", "nvram" */
	char *landing;           /* of the assignment: "disk", "kexec" or "guest", NULL: the item's */
	char *seed;              /* of the assignment: name of the templates for the first boot, NULL: none */
	char *hostname;          /* of the assignment, NULL: not said */
	bool grow;               /* of the assignment: the last partition of each disk, to its end */
	uint64_t assignment_key; /* another number for each assignment */
	bool is_node;            /* what was written to it last is a guest, and it boots to run it */
	char *alert;             /* who else wanted to be this machine, NULL: nobody since it was looked at */
	int64_t alert_at;
};

struct store_job {
	char id[STORE_ID_CHARS];
	char mac[STORE_MAC_CHARS]; /* empty: a host run */
	char item_id[STORE_ID_CHARS];
	char image_id[STORE_IMAGE_CHARS]; /* of the disk that boots */
	char *phase;
	char *disk;
	char *message;
	uint64_t done_bytes;
	uint64_t total_bytes;
	uint64_t bytes_per_s;
	int exit; /* of a failed job */
	int64_t started_at;
	int64_t updated_at;
	/* Of a report only: */
	uint64_t seq;                        /* its number, 0: it has none */
	const uint8_t *digest;               /* SHA-256 of the whole report; NULL: unknown */
	const struct store_receipt *receipt; /* NULL: none */
};

/* What an item was at one time. The content's disks, files and machine are store_item_content's. */
struct store_version {
	uint64_t number; /* from 1; its name */
	bool serves;
	int64_t made_at;
	/* what the feed said of it then */
	char *title;
	char *url;
	int64_t published;
	enum item_kind kind;
	char *form;
	unsigned disk_count;
	uint64_t disk_bytes;   /* of all its disks */
	uint64_t stored_bytes; /* below images/, some perhaps shared with other versions */
	enum proof proof;
};

struct store_version_list {
	struct store_version *rows;
	size_t count;
};
struct store_feed_list {
	struct store_feed *rows;
	size_t count;
};
struct store_item_list {
	struct store_item *rows;
	size_t count;
};
struct store_machine_list {
	struct store_machine *rows;
	size_t count;
};
struct store_job_list {
	struct store_job *rows;
	size_t count;
};

struct store;

/* Open or create `<state_dir>/vmcast.db` and the folders beside it (images, spool, feeds). Items left "ingesting" by a
 * killed service become announced again. */
int store_open(struct store **out, const char *state_dir, struct err *err);
void store_close(struct store **s);
const char *store_dir(const struct store *s);

/* Another number than before where anything was changed since, but for what nodes tell every two seconds, and only then. */
uint64_t store_changes(struct store *s);

/* Feeds. Adding one that is there already gives its id. Removing takes its items along (their images stay until no item
 * names them). */
int store_feed_add(struct store *s, const char *url, bool configured, char id[static STORE_ID_CHARS], struct err *err);
/* By hand and with options (NULL: none), as store_feed_set, at once: nobody sees the feed without them. */
int store_feed_add_with(struct store *s, const char *url, const char *changes, char id[static STORE_ID_CHARS],
			struct err *err);
int store_feed_remove(struct store *s, const char *id, struct err *err);
/* Change its options as `changes` says (feed_options.h). -EPERM: the configuration sets them. -EINVAL: what is wrong. */
int store_feed_set(struct store *s, const char *id, const char *changes, struct err *err);
/* At start: exactly `lines` ("URL OPTIONS") are configured. Those that were and no longer are, are removed. */
int store_feed_configure(struct store *s, char *const *lines, size_t count, struct err *err);
int store_feed_list(struct store *s, struct store_feed_list *out, struct err *err);
int store_feed_get(struct store *s, const char *id, struct store_feed *out, struct err *err);
/*
 * After a refresh: a new document, not modified (feed NULL), or a failure (why not NULL; nothing else changes). Items
 * are matched by uuid; one whose enclosure changed is announced again while its image goes on serving. Those gone are
 * kept with present = false: without an image until now, with one for a week, assigned ones for good. URLs must be
 * absolute.
 */
int store_feed_update(struct store *s, const char *id, const struct feed *feed, const char *etag,
		      const char *last_modified, const char *why, struct err *err);
/* Its server says that it is elsewhere for good; NULL: that it is where it was. */
int store_feed_moved(struct store *s, const char *id, const char *moved_url, struct err *err);
/* Its server says that it is gone for good; its items stay as they are. */
int store_feed_gone(struct store *s, const char *id, const char *why, struct err *err);

/* Items. `feed_id` NULL: of all feeds. Newest first. */
int store_item_list(struct store *s, const char *feed_id, struct store_item_list *out, struct err *err);
/*
 * For menus: items of which something serves and that are still announced, in no order, with what a menu shows of them:
 * ids, titles, date, architecture, firmware, landing, proof, version, kind, disk_bytes, disk_count. Costs what they are, however many others
 * feeds announce.
 */
int store_item_list_ready(struct store *s, struct store_item_list *out, struct err *err);
/*
 * For menus, too: announced items that nothing serves yet and that are ingested when a machine wants them, the newest
 * `max` of them. `by_default`: feeds without a policy of their own do so.
 */
int store_item_list_awaited(struct store *s, bool by_default, size_t max, struct store_item_list *out, struct err *err);
int store_item_get(struct store *s, const char *id, struct store_item *out, struct err *err);
/* The oldest item waiting to be ingested becomes ITEM_INGESTING: 1 and `*out`, or 0. Those an operator asked for go
 * first; `only_asked`: no others. */
int store_item_claim(struct store *s, bool only_asked, struct store_item *out, struct err *err);
int store_item_ask(struct store *s, const char *id, struct err *err); /* the operator wants it (again) */
/* A machine wants it: an item that nothing serves yet and that waits goes first. Whatever else it is, it stays. */
int store_item_demand(struct store *s, const char *id, struct err *err);
/* All of a version, or (0) of the one that serves. -ENOENT: there is none such. Caller frees with store_content_free. */
int store_item_content(struct store *s, const char *id, uint64_t version, struct store_content *out, struct err *err);
/* Newest first. */
int store_item_versions(struct store *s, const char *id, struct store_version_list *out, struct err *err);
/*
 * Let this version serve until the feed announces other bytes, or another is chosen. A failure is forgotten, and what
 * would be made again of the bytes of a newest version that is lost is not made. -ENOENT: it is not kept.
 */
int store_item_rollback(struct store *s, const char *id, uint64_t version, struct err *err);
/* -ESTALE: nobody wants it any more: it is gone, left its feed, was rolled back or announced with another enclosure. */
int store_item_progress(struct store *s, const char *id, const char *phase, uint64_t done, uint64_t total,
			struct err *err);
/*
 * What was made of the item is there: as a new version, which serves from now on, unless it is the same as the version
 * made last, which is then only confirmed (a rollback stays). As many versions are kept as the feed's options say, and
 * in any case the one that serves. -ESTALE: the item is gone, rolled back, or the feed announced another enclosure
 * meanwhile (then it waits for its next ingest), and this is not taken.
 */
int store_item_ready(struct store *s, const char *id, const struct store_content *content, struct err *err);
int store_item_failed(struct store *s, const char *id, const char *why, struct err *err);
/* It proves less than its feed's policy asks for: until its announcement or its feed's options change, or the service is
 * started again. */
int store_item_refused(struct store *s, const char *id, const char *why, struct err *err);
/* A failure that may pass: in `delay_s` seconds the item can be claimed again. Until then it is failed. */
int store_item_retry(struct store *s, const char *id, unsigned delay_s, struct err *err);
/* An ingest that was interrupted: the item is announced again. */
int store_item_requeue(struct store *s, const char *id, struct err *err);
/* The same for all that say they are being ingested while none is. */
int store_item_recover(struct store *s, struct err *err);
/* Whether any version of an item names what is below images/ by this id, or a job that is neither ended nor silent for
 * a day. */
int store_image_wanted(struct store *s, const char *image_id, bool *wanted, struct err *err);
/*
 * What is below images/ by this id was found damaged or missing: versions that have it are none any more. Where one
 * served, the newest before it does, never a newer one that was withdrawn: if there is no other, the item is failed until
 * one is chosen. An item that it served as its newest version is ingested anew. `*asked`: how many are.
 */
int store_image_lost(struct store *s, const char *image_id, size_t *asked, struct err *err);

/* What is below images/, each id once. */
struct store_blob {
	char id[STORE_IMAGE_CHARS];
	uint64_t bytes;       /* of image.zst, or of file */
	uint64_t index_bytes; /* 0: a file */
};
struct store_blob_list {
	struct store_blob *rows;
	size_t count;
};
int store_blob_list(struct store *s, struct store_blob_list *out, struct err *err);
void store_blob_list_free(struct store_blob_list *list);

/* What an item serves and another version of it, disk by disk. */
struct store_pair {
	char new_id[STORE_IMAGE_CHARS], old_id[STORE_IMAGE_CHARS]; /* images, not the same */
	uint64_t new_bytes;                                        /* of the former's image.zst */
};
struct store_pair_list {
	struct store_pair *rows;
	size_t count;
};
/* Of each item with so many versions, the nearest first, that are not the one that serves. Each pair once. */
int store_pairs(struct store *s, uint64_t versions, struct store_pair_list *out, struct err *err);
void store_pair_list_free(struct store_pair_list *list);

/* How much would be free below images/ without the versions that do not serve. What running jobs read stays. */
int store_spare_bytes(struct store *s, uint64_t *out, struct err *err);
/* Forget the oldest version of all that do not serve and have something that store_spare_bytes counts: 1, or 0 if there
 * is none. */
int store_drop_oldest_version(struct store *s, struct err *err);
/* A version that was, or would be, forgotten. */
struct store_trimmed {
	char item_id[STORE_ID_CHARS];
	uint64_t number;
	uint64_t bytes; /* below images/, some perhaps shared with others */
};
struct store_trimmed_list {
	struct store_trimmed *rows;
	size_t count;
};

/*
 * Forget versions beyond as many as their feeds' options say, but none that serves; `dry_run`: only find out. `wanted`:
 * what is then wanted below images/, by a version or a job that is neither ended nor silent for a day; in order of the
 * ids. Sizes are 0 of what only jobs want.
 */
int store_trim(struct store *s, bool dry_run, struct store_trimmed_list *trimmed, struct store_blob_list *wanted,
	       struct err *err);
void store_trimmed_list_free(struct store_trimmed_list *list);

/*
 * Held from putting something below images/ until a version names it, and from asking whether it is wanted until it is
 * removed. No function of the store takes it.
 */
void store_images_lock(struct store *s);
void store_images_unlock(struct store *s);

/* Machines. `seen` creates the row when a machine first asks for its script (-ENOSPC: there are STORE_MACHINES_MAX that
 * may not be forgotten); NULL leaves a field as it is. */
int store_machine_seen(struct store *s, const char *mac, const char *arch, const char *firmware, const char *address,
		       struct err *err);
int store_machine_list(struct store *s, struct store_machine_list *out, struct err *err);
int store_machine_get(struct store *s, const char *mac, struct store_machine *out, struct err *err);
/* Strings are borrowed, NULL: not said. */
struct store_assignment {
	const char *item_id;
	const char *target;
	const char *landing;
	bool grow; /* the last partition of each disk, to its end */
	const char *seed;
	const char *hostname;
};
int store_machine_assign(struct store *s, const char *mac, const struct store_assignment *assignment, struct err *err);
int store_machine_release(struct store *s, const char *mac, struct err *err);
/* The next durable key of the machine is taken for its own; its alert is gone. */
int store_machine_forget_key(struct store *s, const char *mac, struct err *err);

/* The addresses of one machine, each once; the first names it where one is shown. None: a host run. */
struct store_macs {
	char macs[STORE_MACS_MAX][STORE_MAC_CHARS];
	size_t count;
};

/* The service's own secret of this name, made at first. */
int store_secret(struct store *s, const char *name, uint8_t out[static STORE_SECRET_BYTES], struct err *err);

/* Who wants a plan. Strings are borrowed. */
struct store_claim {
	const char *mac;     /* the machine's; NULL: a host */
	const char *key;     /* JSON of a public key that signed the request; NULL: none */
	const char *key_id;  /* hex */
	const char *kept;    /* "tpm", "nvram", "memory"; NULL: not said */
	bool is_durable;     /* the key outlives the boot */
	const char *ticket;  /* of the boot, that fits machine and item; NULL: none */
	int64_t expires_at;  /* the ticket */
	const char *address; /* for the alert */
};

/*
 * May this be the machine? -EACCES: one of `macs` is known by another key, of which the machine's row keeps an alert; or the ticket
 * was presented by another key, has expired before anybody did, or its job is done. From now on the ticket is this key's.
 */
int store_claim_take(struct store *s, const struct store_claim *claim, const struct store_macs *macs, struct err *err);

/* Which chain its receipts belong to. */
void store_claim_chain(char out[static STORE_CHAIN_CHARS], const struct store_claim *claim);

/* What a job's reports must be signed with and its receipt say. */
struct store_job_identity {
	char *key;      /* JSON, NULL: reports are not signed */
	char *key_kept; /* NULL: not said */
	char chain[STORE_CHAIN_CHARS];
	char mac[STORE_MAC_CHARS]; /* empty: a host */
	char item_id[STORE_ID_CHARS];
	uint64_t version;
};
int store_job_identity(struct store *s, const char *id, struct store_job_identity *out, struct err *err);
void store_job_identity_free(struct store_job_identity *row);

/* Receipts (receipt_verify.h). Of each chain in the order in which they came. */
struct store_receipt {
	char hash[STORE_HASH_CHARS];
	char previous[STORE_HASH_CHARS]; /* empty: it is the first */
	char chain[STORE_CHAIN_CHARS];
	char job_id[STORE_ID_CHARS];
	char item_id[STORE_ID_CHARS];
	int64_t received_at;
	char *document; /* JSON; NULL in a list */
};
struct store_receipt_list {
	struct store_receipt *rows;
	size_t count;
};
/* `chain` NULL: of all. */
int store_receipt_list(struct store *s, const char *chain, struct store_receipt_list *out, struct err *err);
int store_receipt_get(struct store *s, const char *hash, struct store_receipt *out, struct err *err);
/* Hash of the last one of the chain; empty: there is none. */
int store_receipt_last(struct store *s, const char *chain, char out[static STORE_HASH_CHARS], struct err *err);
void store_receipt_free(struct store_receipt *row);
void store_receipt_list_free(struct store_receipt_list *list);

/*
 * Jobs: one write of one item by one machine. The ticket is given out once and only its digest is kept. A durable key of `claim`
 * becomes the machine's, if it has none. -ESTALE: the item serves another version by now. -ENOSPC: there is no room to remember the machine, which must not be written then.
 * The STORE_JOBS_MAX jobs that were heard of last are kept.
 */
int store_job_new(struct store *s, const struct store_macs *macs, const char *item_id, uint64_t version,
		  const char *inventory, const struct store_claim *claim, char id[static STORE_ID_CHARS],
		  char ticket[static STORE_TICKET_CHARS], struct err *err);
/*
 * A machine (`mac` NULL: which did not say) that reads this version's files by itself from now on, as iPXE does with a kernel
 * or an ISO: a job "started" of which nothing more is heard. It keeps them like any other. -ESTALE as above.
 */
int store_job_started(struct store *s, const char *mac, const char *item_id, uint64_t version, struct err *err);
/*
 * -EACCES if the ticket is not the job's, -EINVAL if the phase is none. Phase "done" makes every address of the job an
 * installed machine, and their assignments of the same item INSTALLED if the job was made for them and not before;
 * "failed" leaves them assigned with the job's message shown. Both end the job: later reports are refused (-EALREADY),
 * but for a repetition of the same phase, whose answer may have been lost: it changes nothing and is 0. Numbers of a job with a key rise
 * (-EALREADY if not; the very same report once more is 0), and its "done" has the receipt that follows the last one (-EINVAL). Returns 1 when
 * the phase is another one than that of the report before (for the log), else 0.
 */
int store_job_report(struct store *s, const char *id, const char *ticket, const struct store_job *report,
		     struct err *err);
/*
 * The machine that this job is run by, if the assignment that it was made for stands. -ENOENT: there is no such job; -EACCES: it
 * is not its ticket; -EALREADY: the job has ended, or the machine was assigned something else since.
 */
int store_job_machine(struct store *s, const char *id, const char *ticket, char mac[static STORE_MAC_CHARS],
		      struct err *err);
int store_job_list(struct store *s, struct store_job_list *out, struct err *err);
/* What it writes is a guest's: its "done" makes its machine a node, as that of another job makes it none. */
int store_job_is_guests(struct store *s, const char *id, struct err *err);

/* Guests, as their nodes tell of them. */
struct store_guest {
	char mac[STORE_MAC_CHARS]; /* the node */
	char item_id[STORE_ID_CHARS];
	char *name;
	uint64_t version; /* of the item */
	char *state;      /* "defined", "running", "stopped", "failed" */
	char *text;       /* why; NULL: nothing to say */
	char *accel;      /* "kvm", "tcg"; NULL: it does not run */
	uint64_t cpus, memory_bytes;
	char *wanted; /* "running", "stopped"; NULL: nobody said since it was written */
	int64_t seen_at;
};
struct store_guest_list {
	struct store_guest *rows;
	size_t count;
};
/*
 * May this be the node, and is its report `seq` a new one? -EACCES: as store_claim_take, but a ticket whose job is done goes on, for
 * as long as no later one was shown; without a ticket it must be the machine's own key. -EALREADY: it is no node, or the report
 * is an old one: numbers rise in each boot, and without a ticket from boot to boot. A claim with neither is not looked at.
 */
int store_guest_claim(struct store *s, const struct store_claim *claim, const struct store_macs *macs, uint64_t seq,
		      struct err *err);
/* All guests of the node, at most STORE_NODE_GUESTS; `mac` and `wanted` of the rows do not matter. Others that it had are gone. */
int store_guest_report(struct store *s, const char *mac, const struct store_guest_list *guests, struct err *err);
/* By node and name. `mac` NULL: of all nodes. */
int store_guest_list(struct store *s, const char *mac, struct store_guest_list *out, struct err *err);
int store_guest_get(struct store *s, const char *mac, const char *item_id, struct store_guest *out, struct err *err);
int store_guest_want(struct store *s, const char *mac, const char *item_id, const char *wanted, struct err *err);

void store_guest_free(struct store_guest *row);
void store_guest_list_free(struct store_guest_list *list);
void store_feed_free(struct store_feed *row);
void store_item_free(struct store_item *row);
void store_version_free(struct store_version *row);
void store_machine_free(struct store_machine *row);
void store_job_free(struct store_job *row);
void store_feed_list_free(struct store_feed_list *list);
void store_item_list_free(struct store_item_list *list);
void store_version_list_free(struct store_version_list *list);
void store_machine_list_free(struct store_machine_list *list);
void store_job_list_free(struct store_job_list *list);

#endif
