/* SPDX-License-Identifier: GPL-2.0-or-later */
/* exit_code: see exit_code.h */
#include "exit_code.h"

#include "http.h"

#include <errno.h>

enum exit_code exit_code_of(enum phase phase, int code)
{
	if (code == 0)
		return EXIT_DONE;
	if (code == -ENOMEM || code == -ECANCELED || code == -ENOKEY)
		return EXIT_OTHER;
	/* Devices report every failure as -EIO (device.h), so that a disk's time-out is not taken for the network's. */
	if (code == -EIO)
		return EXIT_DISK;
	if (phase == PHASE_TARGET)
		return EXIT_TARGET;
	if (code == -EBADMSG || code == -EACCES)
		return EXIT_NOT_TRUSTED;
	return http_is_transient(code) ? EXIT_NETWORK : EXIT_SERVER;
}
