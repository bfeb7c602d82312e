/* SPDX-License-Identifier: GPL-2.0-or-later */
/* sandbox_launcher: sandboxes for another process, the side that starts them: see sandbox_message.h */
#ifndef VMCAST_SANDBOX_LAUNCHER_H
#define VMCAST_SANDBOX_LAUNCHER_H

#include "err.h"

/*
 * Start the one sandbox that is asked for on this connection and follow it to its end, or to the end of the connection,
 * which ends it. That a sandbox cannot be started is an answer, not an error. -EPROTO: what is asked is no request.
 */
int sandbox_launcher_serve(int socket, struct err *err);

#endif
