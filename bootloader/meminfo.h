/* SPDX-License-Identifier: GPL-2.0-or-later */
/* meminfo: how much memory could be had now without swapping (MemAvailable, proc(5)). */
#ifndef VMCAST_MEMINFO_H
#define VMCAST_MEMINFO_H

#include <stdint.h>

/* 0: it cannot be known. */
uint64_t meminfo_available_bytes(void);

#endif
