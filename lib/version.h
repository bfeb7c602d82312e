/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef VMCAST_VERSION_H
#define VMCAST_VERSION_H

#include <stdint.h>

#define VMCAST_VERSION "0.1.0"

/*
 * 2026-11-23 00:00:00 UTC, in seconds since 1970: no clock that says less is right. A constant of the source, moved on with
 * each release, so that the same source gives the same bytes on any day.
 */
#define VMCAST_MADE_S INT64_C(1795392000)

#endif
