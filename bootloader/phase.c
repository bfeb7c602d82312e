/* SPDX-License-Identifier: GPL-2.0-or-later */
/* phase: see phase.h */
#include "phase.h"

const char *phase_name(enum phase phase)
{
	static const char *const names[] = {
		[PHASE_PLAN] = "plan",     [PHASE_INDEX] = "index", [PHASE_TARGET] = "target", [PHASE_WRITE] = "write",
		[PHASE_COMMIT] = "commit", [PHASE_DONE] = "done",   [PHASE_FAILED] = "failed",
	};

	return names[phase];
}
