/* SPDX-License-Identifier: GPL-2.0-or-later */
/* publish_package: see publish_package.h */
#include "publish_package.h"

#include <errno.h>

int publish_package_xvm2(const struct publish_package_options *options, struct err *err)
{
	(void)options;
	return err_set(err, -ENOTSUP, "xvm2");
}

int publish_package_ova(const struct publish_package_options *options, struct err *err)
{
	(void)options;
	return err_set(err, -ENOTSUP, "ova");
}
