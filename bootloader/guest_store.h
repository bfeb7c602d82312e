/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * guest_store: the file system on the node's own disk that its guests live in. A GPT with one partition named "vmcast-guests", in it
 * ext4, in it a folder for each guest, by its item's id:
 *
 *   disk-0.raw ..  vars.fd (UEFI's variables)  seed.img (if there is one)  guest.json (the record; written last)
 *
 * and beside them the hypervisor packs, named by architecture and digest. A partition gets its name when the file system in it is whole, so one that has
 * the name and cannot be mounted is never made anew: there were guests in it.
 */
#ifndef VMCAST_GUEST_STORE_H
#define VMCAST_GUEST_STORE_H

#include "digest.h"
#include "disk.h"
#include "guest_spec.h"

#define GUEST_STORE_DIR "/run/guests"

/* On one node. */
#define GUESTS_MAX 32

#define GUEST_ID   65 /* with its end; hex digits */
#define GUEST_PATH 256

/* What guest.json says. */
struct guest_record {
	char id[GUEST_ID];
	char title[256]; /* the item's, for people; not cleaned */
	uint64_t version;
	struct guest_spec spec;
	bool has_seed;
	bool is_stopped; /* an operator wants it so */
};

/*
 * The partition ("vda1") and its disk ("vda"). -ENOENT: no disk has one; -ENOTUNIQ: several have. Looks at what the kernel knows of
 * GPTs (PARTNAME in sysfs' uevent).
 */
int guest_store_find(char partition[static 32], char disk[static 32], struct err *err);

/* Blank `disk`, which nobody uses, and make a store there. The hypervisor pack is mounted. */
int guest_store_make(const struct disk *disk, struct err *err);

/* At GUEST_STORE_DIR; where it is mounted already, nothing is done. */
int guest_store_mount(const char *partition, struct err *err);

/* GUEST_STORE_DIR/ID, or a file in it; GUEST_STORE_DIR/pack-ARCH-DIGEST.squashfs. */
void guest_store_path(char out[static GUEST_PATH], const char *id, const char *file);
void guest_store_pack_path(char out[static GUEST_PATH], const char *arch, const char digest[static DIGEST_HEX]);

/* The digest of the pack for guests of `arch` that is there. -ENOENT: there is none. */
int guest_store_find_pack(char digest[static DIGEST_HEX], const char *arch, struct err *err);

/* All others for `arch` go. Best effort: they only take room. */
void guest_store_drop_packs(const char *arch, const char but[static DIGEST_HEX]);

/* A record's text. -EPROTO names the field; -ENOTSUP: of another version. `id` is not looked at. */
int guest_record_parse(struct guest_record *out, const char *id, const char *text, size_t len, struct err *err);

/* All records, in the order of their ids. One that cannot be read is said on standard error and left out: a guest that does not
 * start must not keep the others from it. */
int guest_store_load(struct guest_record records[static GUESTS_MAX], size_t *count, struct err *err);

/* The record is the new one or the one before, also after a power cut. */
int guest_store_save(const struct guest_record *record, struct err *err);

/* It is no guest until it is saved again; its files stay. */
int guest_store_forget(const char *id, struct err *err);

/* Bytes that more guests' disks may have: what is free, less what the present ones' disks may still come to take. */
int guest_store_free(uint64_t *out, const char *but_id, struct err *err);

#endif
