/* SPDX-License-Identifier: GPL-2.0-or-later */
/* routes_token: handlers of the operators' API (routes_operator.c) for the tokens of operators on the network. */
#ifndef VMCAST_ROUTES_TOKEN_H
#define VMCAST_ROUTES_TOKEN_H

#include "request.h"

int routes_token_list(struct request *rq, struct err *err);
int routes_token_create(struct request *rq, struct err *err);
int routes_token_revoke(struct request *rq, struct err *err);

#endif
