/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef VMCAST_VERSION_H
#define VMCAST_VERSION_H

#define VMCAST_VERSION "0.1.0"

#endif
