/* SPDX-License-Identifier: GPL-2.0-or-later */
/* routes_identity: what operators may ask about machines' keys and receipts. */
#ifndef VMCAST_ROUTES_IDENTITY_H
#define VMCAST_ROUTES_IDENTITY_H

#include "request.h"

int routes_identity_forget_key(struct request *rq, struct err *err);
int routes_identity_receipts(struct request *rq, struct err *err);
int routes_identity_receipt(struct request *rq, struct err *err);

#endif
