/* SPDX-License-Identifier: GPL-2.0-or-later */
/* meminfo: see meminfo.h */
#include "meminfo.h"

#include "cleanup.h"

uint64_t meminfo_available_bytes(void)
{
	CLEANUP(close_file) FILE *file = fopen("/proc/meminfo", "re");
	unsigned long long kib = 0;
	char line[128];

	while (file && fgets(line, sizeof(line), file))
		if (sscanf(line, "MemAvailable: %llu kB", &kib) == 1)
			break;
	return kib << 10;
}
