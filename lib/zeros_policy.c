/* SPDX-License-Identifier: GPL-2.0-or-later */
/* zeros_policy: see zeros_policy.h */
#include "zeros_policy.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>

const char *const zeros_policy_names[] = { "zero", "discard", "keep", NULL };

int zeros_policy_parse(enum zeros_policy *out, const char *name)
{
	for (size_t i = 0; zeros_policy_names[i]; i++)
		if (strcmp(zeros_policy_names[i], name) == 0) {
			*out = (enum zeros_policy)i;
			return 0;
		}
	return -EINVAL;
}
