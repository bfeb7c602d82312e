/* SPDX-License-Identifier: GPL-2.0-or-later */
/* landing_name: the words of people, and those of plans. */
#include "landing_name.h"
#include "tap.h"

#include <errno.h>

int main(void)
{
	struct err err = { 0 };

	is_str(landing_name_planned("disk"), "reboot", "a disk is landed on by a reset");
	is_str(landing_name_planned("kexec"), "kexec", "kexec is called so everywhere");
	ok(!landing_name_planned("reboot"), "the plans' word for a reset is not one for people");
	is_str(landing_name_planned("guest"), "guest", "and so is a guest");
	ok(!landing_name_planned("guests") && !landing_name_planned(""), "others are not handled");
	is_int(landing_name_check("kexec", &err), 0, "one that is handled is taken");
	is_int(landing_name_check("Kexec", &err), -EINVAL, "one that is not is refused");
	is_str(err.text, "'Kexec' is none of disk, kexec and guest", "with those that are");
	return done_testing();
}
