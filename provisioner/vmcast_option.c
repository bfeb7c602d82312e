/* SPDX-License-Identifier: GPL-2.0-or-later */
/* vmcast_option: values of options that several commands take. */
#include "vmcast_cli.h"

#include <errno.h>
#include <stdlib.h>

int option_number(unsigned *out, const char *value, const char *option, unsigned max, struct err *err)
{
	char *rest;
	unsigned long number = strtoul(value, &rest, 10);

	if (*rest || number < 1 || number > max)
		return err_set(err, -EINVAL, "--%s '%s': write a number from 1 to %u", option, value, max);
	*out = (unsigned)number;
	return 0;
}
