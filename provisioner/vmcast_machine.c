/* SPDX-License-Identifier: GPL-2.0-or-later */
/* vmcast_machine: `vmcast machine ...` */
#include "vmcast_cli.h"

#include "json.h"
#include "log.h"

#include "cleanup.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static int check_mac(char out[static MAC_CHARS], const char *text, struct err *err)
{
	char quoted[100];

	if (mac_parse(out, text) < 0)
		return err_set(err, -EINVAL, "'%s' is no MAC address (such as 52:54:00:12:34:56)",
			       log_quote(quoted, sizeof(quoted), text));
	return 0;
}

/* Call the service for one machine: "/v1/machines/MAC" and `suffix`. */
static int machine_call(struct cli *cli, const char *method, const char *mac, const char *suffix, json_t *body,
			json_t **out, struct err *err)
{
	char path[64];

	snprintf(path, sizeof(path), "/v1/machines/%s%s", mac, suffix);
	return api_call(cli, method, path, body, out, err);
}

static int machine_list(struct cli *cli, char **args, struct err *err)
{
	static const char *const headings[] = { "MAC", "ADDRESS", "KIND", "KEY", "ASSIGNMENT", "ITEM", "SEEN" };
	CLEANUP(json_free) json_t *json = NULL;
	char text[PRINT_TEXT];
	size_t nr;
	json_t *row;
	int rc = api_call(cli, "GET", "/v1/machines", NULL, &json, err);

	(void)args;
	if (rc < 0 || cli->json)
		return rc < 0 ? rc : print_json(json, err);
	struct table *t = table_new(headings, sizeof(headings) / sizeof(headings[0]));

	json_array_foreach(json_object_get(json, "machines"), nr, row)
	{
		table_add(t, row_text(row, "mac"));
		table_add(t, row_text(row, "address"));
		snprintf(text, sizeof(text), "%.24s %.24s", row_text(row, "architecture"), row_text(row, "firmware"));
		table_add(t, text);
		table_add(t, row_text(row, "alert")[0] ? "ALERT" : row_text(row, "key_kept"));
		table_add(t, row_text(row, "assignment"));
		table_add(t, row_text(row, "item_title"));
		table_add(t, print_time(text, row_number(row, "last_seen_at")));
	}
	table_print(t, cli);
	return 0;
}

/* ", model 'X'", or nothing for a disk that does not say. */
static void add_detail(char *line, size_t room, const json_t *disk, const char *key, const char *label)
{
	const char *text = row_text(disk, key);
	size_t len = strlen(line);

	if (text[0])
		snprintf(line + len, room - len, "%s%s", label, text);
}

static void print_disks(const json_t *disks)
{
	char text[PRINT_TEXT], line[1024];
	size_t nr;
	json_t *disk;

	json_array_foreach(disks, nr, disk)
	{
		snprintf(line, sizeof(line), "%s, %s", row_text(disk, "name"),
			 print_bytes(text, row_number(disk, "bytes")));
		add_detail(line, sizeof(line), disk, "bus", ", ");
		add_detail(line, sizeof(line), disk, "model", ", model ");
		add_detail(line, sizeof(line), disk, "serial", ", serial ");
		add_detail(line, sizeof(line), disk, "wwn", ", wwn ");
		add_detail(line, sizeof(line), disk, "refused", "; cannot be written: ");
		print_fact("disk", line);
	}
}

static void print_alert(const json_t *row)
{
	char text[PRINT_TEXT], line[256];

	if (!row_text(row, "alert")[0])
		return;
	snprintf(line, sizeof(line), "%s: %.160s", print_time(text, row_number(row, "alert_at")),
		 row_text(row, "alert"));
	print_fact("ALERT", line);
}

static void print_machine(const json_t *row)
{
	const json_t *inventory = json_object_get(row, "inventory");
	char text[PRINT_TEXT];

	print_fact("mac", row_text(row, "mac"));
	print_fact("address", row_text(row, "address"));
	print_fact("architecture", row_text(row, "architecture"));
	print_fact("firmware", row_text(row, "firmware"));
	print_fact("assignment", row_text(row, "assignment"));
	print_fact("item", row_text(row, "item"));
	print_fact("title", row_text(row, "item_title"));
	print_fact("target", row_text(row, "target"));
	print_fact("landing", row_text(row, "landing"));
	print_fact("node", row_flag(row, "node") ? "boots to run guests (vmcast guest list)" : "");
	print_fact("grows", row_flag(row, "grow") ? "its last partition" : "");
	print_fact("seed", row_text(row, "seed"));
	print_fact("host name", row_text(row, "hostname"));
	print_fact("error", row_text(row, "error"));
	print_alert(row);
	print_fact("key", row_text(row, "key_kept"));
	print_fact("installed", print_time(text, row_number(row, "installed_at")));
	print_fact("first seen", print_time(text, row_number(row, "first_seen_at")));
	print_fact("last seen", print_time(text, row_number(row, "last_seen_at")));
	print_fact("memory", print_bytes(text, row_number(inventory, "memory_bytes")));
	print_disks(json_object_get(inventory, "disks"));
	if (row_number(inventory, "disks_left_out")) {
		snprintf(text, sizeof(text), "and %" PRIu64 " more", row_number(inventory, "disks_left_out"));
		print_fact("disks", text);
	}
}

static int show(struct cli *cli, const json_t *row, struct err *err)
{
	if (cli->json)
		return print_json(row, err);
	print_machine(row);
	return 0;
}

static int machine_show(struct cli *cli, char **args, struct err *err)
{
	CLEANUP(json_free) json_t *row = NULL;
	char mac[MAC_CHARS];
	int rc;

	if ((rc = check_mac(mac, args[0], err)) < 0 || (rc = machine_call(cli, "GET", mac, "", NULL, &row, err)) < 0)
		return rc;
	return show(cli, row, err);
}

/* One rule for each disk of the item, in their order, as one text (target_rule.h). Caller frees; NULL: none was given. */
static char *join_targets(const struct cli *cli)
{
	char *text = NULL;
	size_t len;
	FILE *to = cli->target_count ? open_memstream(&text, &len) : NULL;

	for (size_t i = 0; to && i < cli->target_count; i++)
		fprintf(to, "%s%s", i ? " ; " : "", cli->targets[i]);
	if (to)
		fclose(to);
	return text;
}

static int machine_assign(struct cli *cli, char **args, struct err *err)
{
	CLEANUP(json_free) json_t *item = NULL;
	CLEANUP(json_free) json_t *row = NULL;
	char mac[MAC_CHARS];
	int rc;

	if ((rc = check_mac(mac, args[0], err)) < 0 || (rc = api_find_item(cli, &item, args[1], err)) < 0)
		return rc;
	CLEANUP(free_str) char *target = join_targets(cli);
	json_t *body =
		json_pack("{s:s, s:s?, s:s?, s:b, s:s?, s:s?}", "item", row_text(item, "id"), "target", target,
			  "landing", cli->landing, "grow", cli->grow, "seed", cli->seed, "hostname", cli->hostname);

	rc = machine_call(cli, "PUT", mac, "/assignment", body, &row, err);
	return rc < 0 ? rc : show(cli, row, err);
}

static int machine_release(struct cli *cli, char **args, struct err *err)
{
	char mac[MAC_CHARS];
	int rc = check_mac(mac, args[0], err);

	return rc < 0 ? rc : machine_call(cli, "DELETE", mac, "/assignment", NULL, NULL, err);
}

static int machine_forget_key(struct cli *cli, char **args, struct err *err)
{
	char mac[MAC_CHARS];
	int rc = check_mac(mac, args[0], err);

	return rc < 0 ? rc : machine_call(cli, "DELETE", mac, "/key", NULL, NULL, err);
}

#define MAC_HELP "MAC may be written with colons, dashes, dots or nothing between its digits.\n"

const struct command commands_machine[] = {
	{ "machine", "list", "", 0, 0, 0, machine_list, "machines that were seen or assigned something", NULL },
	{ "machine", "show", "MAC", 1, 1, 0, machine_show, "everything about one machine, with its disks", MAC_HELP },
	{ "machine", "assign", "MAC ITEM", 2, 2, TAKES_TARGET, machine_assign,
	  "let a machine install an item at its next network boot, once",
	  "The machine then boots unattended, writes the item to its disk, and from then on starts from that disk. Its "
	  "menu\n"
	  "comes back with `vmcast machine release`; assigning again installs again.\n"
	  "\n"
	  "--target RULE says which disk, as conditions that must all hold for exactly one disk:\n"
	  "serial=X wwn=X model=X bus=virtio|nvme|sata|scsi|usb|mmc name=vda bytes=8G, joined by commas. Without a "
	  "rule a\n"
	  "machine with more than one candidate refuses, and says why. An item with several disks needs one --target "
	  "for\n"
	  "each, in the order that `vmcast item show` lists them: the disk that the machine boots from is the first.\n"
	  "\n"
	  "--landing disk|kexec|guest says how the written system is started, whatever its feed says: by a reset; by "
	  "kexec,\n"
	  "which skips the firmware and the disk's boot loader; or as a guest of the machine, which stays as its node. "
	  "A "
	  "guest's\n"
	  "disks are files on one disk of the node, which one --target chooses.\n"
	  "\n"
	  "--grow lets the last partition end where the disk does; its file system is for the written system to grow.\n"
	  "\n"
	  "--seed NAME gives the system what cloud-init is to do at its first boot (vmcast seed list), --hostname NAME "
	  "the\n"
	  "name that its templates call {{hostname}}.\n"
	  "\n" MAC_HELP "\n"
	  "  vmcast machine assign 52:54:00:12:34:56 'Debian 12' --target bus=nvme,bytes=960G\n"
	  "  vmcast machine assign 52:54:00:12:34:56 'Debian 12' --seed web --hostname web-1\n"
	  "  vmcast machine assign 52:54:00:12:34:56 'Debian 12' --landing kexec\n"
	  "  vmcast machine assign 52:54:00:12:34:56 'Mail server' --target serial=S4EVNX0R --target bytes=4T\n" },
	{ "machine", "release", "MAC", 1, 1, 0, machine_release,
	  "take an assignment back: the machine gets the menu again", MAC_HELP },
	{ "machine", "forget-key", "MAC", 1, 1, 0, machine_forget_key,
	  "let a machine be known by another key from now on, and end its alert",
	  "A machine with a TPM or UEFI variables proves itself with a key. Who comes with its address and another key "
	  "is\n"
	  "refused, and the machine has an ALERT. Forget the key when its board or TPM was changed; else find out who "
	  "it was.\n"
	  "\n" MAC_HELP },
	{ NULL, NULL, NULL, 0, 0, 0, NULL, NULL, NULL },
};
