/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Any bytes as a service's answer to a node, and as a guest's record on the node's disk. */
#include "guest_report.h"

#include <assert.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct guest_answer answer = { 0 };
	struct guest_record record;
	struct err err;

	if (guest_answer_parse(&answer, (const char *)data, size, &err) == 0) {
		assert(answer.count <= GUESTS_MAX && answer.again_s >= 1 && answer.again_s <= 60);
		for (size_t i = 0; i < answer.count; i++)
			assert(!answer.orders[i].typed || answer.orders[i].typed_len <= GUEST_ORDER_TYPED);
		guest_answer_done(&answer);
	}
	if (guest_record_parse(&record, "ab", (const char *)data, size, &err) == 0)
		assert(record.spec.disk_count >= 1 && record.spec.disk_count <= GUEST_DISKS_MAX);
	return 0;
}
