/* SPDX-License-Identifier: GPL-2.0-or-later */
/* machine: see machine.h */
#include "machine.h"

#include "cleanup.h"
#include "sysfs.h"

#include <dirent.h>
#include <stdio.h>
#include <string.h>
#include <sys/sysinfo.h>
#include <sys/utsname.h>
#include <unistd.h>

#define ARPHRD_ETHER_TEXT "1" /* /sys/class/net/X/type; if_arp.h */

static const char *arch(void)
{
	static struct utsname uts;

	if (uname(&uts) != 0)
		return "";
	return uts.machine;
}

static void add_mac(struct machine *m, const char *mac)
{
	for (size_t i = 0; i < m->mac_count; i++)
		if (strcmp(m->macs[i], mac) == 0)
			return;
	if (m->mac_count < MACHINE_MACS_MAX && strlen(mac) == MAC_TEXT - 1)
		strcpy(m->macs[m->mac_count++], mac);
}

static void add_nics(struct machine *m)
{
	CLEANUP(sysfs_close_dir) DIR *nics = opendir("/sys/class/net");
	const struct dirent *nic;
	char type[8], mac[32];

	while (nics && (nic = readdir(nics))) {
		if (sysfs_text(type, sizeof(type), "/sys/class/net/%s/type", nic->d_name) != 0 ||
		    strcmp(type, ARPHRD_ETHER_TEXT) != 0)
			continue;
		if (sysfs_text(mac, sizeof(mac), "/sys/class/net/%s/address", nic->d_name) == 0)
			add_mac(m, mac);
	}
}

void machine_read(struct machine *out, const char *boot_mac)
{
	struct machine m = { .arch = arch(), .firmware = access("/sys/firmware/efi", F_OK) == 0 ? "uefi" : "bios" };
	struct sysinfo info;

	if (sysinfo(&info) == 0)
		m.memory_bytes = (uint64_t)info.totalram * info.mem_unit;
	add_mac(&m, boot_mac);
	add_nics(&m);
	*out = m;
}
