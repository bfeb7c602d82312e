/* SPDX-License-Identifier: GPL-2.0-or-later */
/* guest_net: see guest_net.h */
#include "guest_net.h"

#include "cleanup.h"
#include "guest_jail.h"
#include "sysfs.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#define IP        "/usr/sbin/ip"
#define LINK_NAME 16

int guest_net_card(char out[static 32], const char *mac, struct err *err)
{
	CLEANUP(close_dir) DIR *dir = opendir("/sys/class/net");
	const struct dirent *entry;
	char address[64];

	while (dir && (entry = readdir(dir))) {
		if (strlen(entry->d_name) >= 32 ||
		    sysfs_text(address, sizeof(address), "/sys/class/net/%s/address", entry->d_name) != 0 ||
		    strcasecmp(address, mac) != 0 ||
		    /* Only what is a card has one; a macvtap may have any address. */
		    sysfs_number("/sys/class/net/%s/iflink", entry->d_name) !=
			    sysfs_number("/sys/class/net/%s/ifindex", entry->d_name))
			continue;
		strcpy(out, entry->d_name);
		return 0;
	}
	return err_set(err, -ENODEV, "no network card has the address %s", mac);
}

static void link_name(char out[static LINK_NAME], unsigned slot, size_t nic)
{
	snprintf(out, LINK_NAME, "vg%un%zu", slot, nic);
}

void guest_net_close(unsigned slot, size_t nic)
{
	char name[LINK_NAME];
	const char *const argv[] = { IP, "link", "del", name, NULL };
	struct err ignored;

	link_name(name, slot, nic);
	if (sysfs_number("/sys/class/net/%s/ifindex", name))
		guest_jail_tool(argv, NULL, &ignored);
}

int guest_net_open(const char *card, unsigned slot, size_t nic, const uint8_t mac[static 6], struct err *err)
{
	char name[LINK_NAME], address[18], path[64];
	const char *const add[] = { IP,        "link",  "add",  "link",    card,   "name",   name,
				    "address", address, "type", "macvtap", "mode", "bridge", NULL };
	const char *const up[] = { IP, "link", "set", "dev", name, "up", NULL };

	link_name(name, slot, nic);
	snprintf(address, sizeof(address), "%02x:%02x:%02x:%02x:%02x:%02x", mac[0], mac[1], mac[2], mac[3], mac[4],
		 mac[5]);
	guest_net_close(slot, nic);
	int rc = guest_jail_tool(add, NULL, err);
	if (!rc)
		rc = guest_jail_tool(up, NULL, err);
	if (rc)
		return err_wrap(err, "network card %zu (%s) on %s", nic, address, card);
	snprintf(path, sizeof(path), "/dev/tap%llu",
		 (unsigned long long)sysfs_number("/sys/class/net/%s/ifindex", name));
	int fd = open(path, O_RDWR | O_NONBLOCK | O_CLOEXEC);
	return fd < 0 ? err_set(err, -EIO, "open '%s': %s", path, strerror(errno)) : fd;
}
