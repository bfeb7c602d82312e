/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * guest_report: what a node tells the service of its guests, and what it is told (POST /v1/guests, docs/reference/api.md). The
 * service is as hostile here as everywhere: all that it can do is to start and stop guests that are there, and to type.
 */
#ifndef VMCAST_GUEST_REPORT_H
#define VMCAST_GUEST_REPORT_H

#include "guest_run.h"
#include "machine.h"
#include "machine_key.h"

/* Who reports. All is borrowed. */
struct guest_reporter {
	const struct machine *machine;
	const char *ticket;            /* of this boot; NULL or empty: none */
	const struct machine_key *key; /* NULL: none */
	uint64_t
		seq; /* of the last report; of the first a number above all of this machine's boots before, such as the time */
};

/*
 * The next report's text; caller frees. `ends`: of each guest how much of its console is in it, for guest_report_sent. NULL: out
 * of memory.
 */
char *guest_report_text(struct guest_reporter *reporter, const struct guest *guests, size_t count, uint64_t *ends);

/* It has arrived: that much of the consoles need not be kept. */
void guest_report_sent(struct guest *guests, size_t count, const uint64_t *ends);

#define GUEST_ORDER_TYPED 4096

/* What the service wants of one guest. */
struct guest_order {
	char id[GUEST_ID];
	bool has_wanted, is_wanted; /* to run */
	char *typed;                /* for its console; NULL: nothing */
	size_t typed_len;
};

struct guest_answer {
	struct guest_order orders[GUESTS_MAX];
	size_t count;
	unsigned again_s; /* 1 to 60 */
};

/* -EPROTO: a field is missing or impossible. Caller frees with guest_answer_done. */
int guest_answer_parse(struct guest_answer *out, const char *text, size_t len, struct err *err);
void guest_answer_done(struct guest_answer *answer);

#endif
