/* SPDX-License-Identifier: GPL-2.0-or-later */
/* landing: see landing.h */
#include "landing.h"

#include "backoff.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>
#include <sys/reboot.h>
#include <unistd.h>

#define LAST_WORDS_MS 1000u

static int reboot_now(const atomic_bool *stop, struct err *err)
{
	sync();
	/* Serial lines are slow: let the last words out. */
	if (clock_sleep_ms(LAST_WORDS_MS, stop, err) != 0)
		return err_wrap(err, "the disk is good, but the machine is not rebooted");
	reboot(RB_AUTOBOOT);
	return err_set(err, -errno, "reboot: %s", strerror(errno));
}

const struct landing landing_reboot = { "reboot", NULL, reboot_now };
const struct landing landing_guest = { "guest", NULL, NULL };

int landing_find(const struct landing **out, const char *name, struct err *err)
{
	static const struct landing *const landings[] = { &landing_reboot, &landing_kexec, &landing_guest };

	for (size_t i = 0; i < sizeof(landings) / sizeof(landings[0]); i++) {
		if (strcmp(landings[i]->name, name) == 0) {
			*out = landings[i];
			return 0;
		}
	}
	return err_set(err, -ENOTSUP, "landing '%s' is not one that this client knows", name);
}
