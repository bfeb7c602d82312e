/* SPDX-License-Identifier: GPL-2.0-or-later */
/* target: see target.h */
#include "target.h"

#include "log.h"
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

/* What the item has and what the machine has, so that its operator can say which goes where. */
static int refuse_without_rules(const struct disk_list *list, const struct target_need *needs, size_t count,
				struct err *err)
{
	char wanted[LIST_TEXT / 2] = "", there[LIST_TEXT / 2] = "", what[WHY_TEXT], size[UNITS_TEXT], label[24],
				name[40];

	for (size_t i = 0; i < count; i++) {
		snprintf(label, sizeof(label), "%zu", i + 1);
		snprintf(what, sizeof(what), "%s%s%s", units_bytes(size, needs[i].disk_bytes),
			 needs[i].name[0] ? ", " : "", log_quote(name, sizeof(name), needs[i].name));
		add_text(wanted, sizeof(wanted), label, what);
	}
	for (size_t i = 0; i < list->count; i++) {
		const struct disk *disk = &list->disks[i];

		snprintf(what, sizeof(what), "%s%s%.40s%s%.60s", units_bytes(size, disk->id.bytes),
			 disk->id.serial[0] ? ", serial=" : "", disk->id.serial, disk->why[0] ? ", " : "", disk->why);
		add_text(there, sizeof(there), disk->id.name, what);
	}
	return err_set(err, -ENOTUNIQ,
		       "the item has %zu disks (%s), and no rules say which of this machine's (%s) get them", count,
		       wanted, there);
}

static int check_distinct(const struct disk *const *chosen, const struct target_need *needs, size_t nr, struct err *err)
{
	for (size_t i = 0; i < nr; i++)
		if (chosen[i] == chosen[nr])
			return err_set(
				err, -ENOTUNIQ,
				"disk %s is named twice: by the rule '%.100s' for disk %zu of the item and by the "
				"rule '%.100s' for disk %zu",
				chosen[nr]->id.name, needs[i].rule, i + 1, needs[nr].rule, nr + 1);
	return 0;
}

int target_choose_all(const struct disk **out, const struct disk_list *list, const struct target_need *needs,
		      size_t count, struct err *err)
{
	for (size_t i = 0; i < count && count > 1; i++)
		if (!needs[i].rule)
			return refuse_without_rules(list, needs, count, err);
	for (size_t i = 0; i < count; i++) {
		int rc = target_choose(&out[i], list, &needs[i], err);

		if (rc && count > 1)
			err_wrap(err, "disk %zu of the item", i + 1);
		if (!rc)
			rc = check_distinct(out, needs, i, err);
		if (rc)
			return rc;
	}
	return 0;
}
