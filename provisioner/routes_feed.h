/* SPDX-License-Identifier: GPL-2.0-or-later */
/* routes_feed: handlers of the operators' API (routes_operator.c) for feeds. */
#ifndef VMCAST_ROUTES_FEED_H
#define VMCAST_ROUTES_FEED_H

#include "request.h"

int routes_feed_list(struct request *rq, struct err *err);
int routes_feed_get(struct request *rq, struct err *err);
int routes_feed_add(struct request *rq, struct err *err);
int routes_feed_set(struct request *rq, struct err *err);
int routes_feed_refresh(struct request *rq, struct err *err);
int routes_feed_remove(struct request *rq, struct err *err);

#endif
