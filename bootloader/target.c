/* SPDX-License-Identifier: GPL-2.0-or-later */
/* target: see target.h */
#include "target.h"

#include "units.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

/* Together, and with the words around them, they fit an error's text. */
#define LIST_TEXT 512
#define RULE_TEXT 128
#define WHY_TEXT  160

/* Whether the image fits `disk`: room and sector size. */
static int check_fit(const struct disk *disk, const struct target_need *need, struct err *err)
{
	if (disk->id.bytes < need->disk_bytes)
		return err_set(err, -ENOSPC, "too small: %" PRIu64 " bytes, the image needs %" PRIu64, disk->id.bytes,
			       need->disk_bytes);
	/* A GPT counts in sectors: under the other size nothing would find the second sector, which holds its header.
	 */
	if (need->sector_bytes && disk->id.sector_bytes && disk->id.sector_bytes != need->sector_bytes)
		return err_set(err, -ENOTSUP, "sectors of %" PRIu32 " bytes, the image is partitioned for %" PRIu32,
			       disk->id.sector_bytes, need->sector_bytes);
	return 0;
}

int target_check(const struct disk *disk, const struct target_need *need, struct err *err)
{
	int rc = disk->use == DISK_REFUSED ? err_set(err, -EBUSY, "%s", disk->why) : check_fit(disk, need, err);

	return rc ? err_wrap(err, "disk %s", disk->path) : 0;
}

/*
 * Whether `disk` could be the one that is meant; if not, `why` says why. Whether the image fits is not asked: an image too
 * large for the system disk must not make the data disk beside it the only one left.
 */
static bool is_candidate(const struct disk *disk, const char *rule, char *why, size_t room)
{
	if (rule && !target_rule_matches(rule, &disk->id, why, room))
		return false;
	/* A rule can name a removable medium, as a user can by its path. */
	if (disk->use == DISK_REFUSED || (disk->use == DISK_UNUSUAL && !rule)) {
		snprintf(why, room, "%s", disk->why);
		return false;
	}
	return true;
}

/* What fills `text` has most likely been cut: say so. */
static void mark_cut(char *text, size_t room)
{
	if (strlen(text) == room - 1)
		strcpy(text + room - sizeof("..."), "...");
}

/* Entries from the first that does not fit whole are "...": a list that was cut must not look complete. */
static void add_text(char *list, size_t room, const char *name, const char *why)
{
	static const char more[] = "; ...";
	size_t len = strlen(list);
	int need = snprintf(NULL, 0, "%s%s%s%s", len ? "; " : "", name, why[0] ? ": " : "", why);

	if (len >= strlen(more) && strcmp(list + len - strlen(more), more) == 0)
		return;
	if (len + (size_t)need + sizeof(more) <= room)
		snprintf(list + len, room - len, "%s%s%s%s", len ? "; " : "", name, why[0] ? ": " : "", why);
	else
		strcpy(list + len, more);
}

int target_choose(const struct disk **out, const struct disk_list *list, const struct target_need *need,
		  struct err *err)
{
	char candidates[LIST_TEXT] = "", others[LIST_TEXT] = "", rule[RULE_TEXT] = "";
	const struct disk *chosen = NULL;
	size_t count = 0;

	snprintf(rule, sizeof(rule), "%s", need->rule ? need->rule : "");
	mark_cut(rule, sizeof(rule));
	for (size_t i = 0; i < list->count; i++) {
		const struct disk *disk = &list->disks[i];
		char why[WHY_TEXT];

		if (is_candidate(disk, need->rule, why, sizeof(why))) {
			add_text(candidates, sizeof(candidates), disk->id.name, "");
			chosen = disk;
			count++;
		} else {
			mark_cut(why, sizeof(why));
			add_text(others, sizeof(others), disk->id.name, why);
		}
	}
	if (count > 1)
		return err_set(err, -ENOTUNIQ, "%zu disks %s%s%s: %s", count,
			       need->rule ? "match the rule '" : "could be meant and no rule says which", rule,
			       need->rule ? "'" : "", candidates);
	if (count == 0)
		return err_set(err, -ENODEV, "no disk can be taken%s%s%s: %s", need->rule ? " by the rule '" : "", rule,
			       need->rule ? "'" : "", others[0] ? others : "this machine has none");
	int rc = target_check(chosen, need, err);
	if (rc)
		return rc;
	*out = chosen;
	return 0;
}
