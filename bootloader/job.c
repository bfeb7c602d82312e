/* SPDX-License-Identifier: GPL-2.0-or-later */
/* job: see job.h */
#include "job.h"

#include "cleanup.h"
#include "device_fd.h"
#include "log.h"
#include "remote_image.h"
#include "remote_index.h"
#include "report.h"
#include "settle.h"
#include "target.h"
#include "units.h"
#include "write.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define FAILED_PATIENCE_S 10u
struct job {
	const struct job_options *options;
	struct disk_list disks; /* the machine's, as the service was told; empty on a host */
	struct boot_plan plan;
	const struct landing *landing;
	struct reporter *reporter;
	struct remote_index *index;
	struct remote_image *image;
	struct disk target;
	struct device *device;
};

static void job_done(struct job *job)
{
	device_close(&job->device);
	remote_image_close(&job->image);
	remote_index_close(&job->index);
	boot_plan_free(&job->plan);
	disk_list_free(&job->disks);
}

static int get_plan(struct job *job, struct err *err)
{
	const struct job_options *o = job->options;
	char title[256], size[UNITS_TEXT], fetch[UNITS_TEXT];
	int rc = o->disk_path ? 0 : disk_list_read(&job->disks, "", err);

	if (rc)
		return rc;
	CLEANUP(free_str) char *request = boot_plan_request(o->item, o->machine, o->disk_path ? NULL : &job->disks);
	if (!request)
		return err_set(err, -EINVAL, "the plan's request cannot be written: is the item's name UTF-8?");
	rc = service_get_plan(&job->plan, o->service, request, err);
	/* From here on there is a job in the service, which must not be left without an end. */
	if (!rc)
		rc = reporter_start(&job->reporter, o->service, &job->plan, o->progress, err);
	if (!rc && o->machine)
		rc = landing_find(&job->landing, job->plan.landing, err);
	if (rc)
		return rc;
	progress_mark(o->progress, "plan", "\"%s\", disk of %s, %s to fetch",
		      log_quote(title, sizeof(title), job->plan.title), units_bytes(size, job->plan.disk_bytes),
		      units_bytes(fetch, job->plan.image_bytes));
	return 0;
}

/* The chain of signatures will be followed here, before the index is believed; until then its digest in the plan
 * counts. */
static int get_index(struct job *job, struct err *err)
{
	const struct job_options *o = job->options;
	int rc = remote_index_open(&job->index, &job->plan, o->service, err);

	if (!rc)
		rc = remote_image_open(&job->image, remote_index_get(job->index), &job->plan, o->service, err);
	if (!rc)
		progress_set_total(o->progress, remote_image_bytes(job->image));
	return rc;
}

static uint64_t real_now_ms(void *ctx)
{
	(void)ctx;
	return clock_ms();
}

static int real_sleep_ms(void *ctx, uint64_t ms, struct err *err)
{
	const struct job *job = ctx;

	return clock_sleep_ms(ms, job->options->service->stop, err);
}

static const char *rule_of(const struct job *job)
{
	const char *rule = job->options->rule ? job->options->rule : job->plan.target;

	return rule[0] ? rule : NULL;
}

static int choose_target(struct job *job, struct err *err)
{
	const struct index_header *h = index_get_header(remote_index_get(job->index));
	struct target_need need = { .disk_bytes = h->disk_bytes, .sector_bytes = h->sector_bytes };
	struct settle_world world = { .root = "", .now_ms = real_now_ms, .sleep_ms = real_sleep_ms, .ctx = job };
	const struct disk *chosen;
	int rc;

	if (job->options->disk_path) {
		rc = device_fd_identify(&job->target, job->options->disk_path, h->disk_bytes, err);
		return rc ? rc : target_check(&job->target, &need, err);
	}
	need.rule = rule_of(job);
	rc = settle_disks(&job->disks, need.rule != NULL, &world, err);
	if (!rc)
		rc = target_choose(&chosen, &job->disks, &need, err);
	if (!rc)
		job->target = *chosen;
	return rc;
}

static int open_target(struct job *job, struct err *err)
{
	struct progress *progress = job->options->progress;
	char size[UNITS_TEXT];
	int rc = choose_target(job, err);

	if (!rc)
		rc = device_fd_open(&job->device, &job->target, err);
	if (rc)
		return rc;
	progress_set_disk(progress, job->target.id.name);
	progress_mark(progress, "target", "%s, %s%s%s%s%s", job->target.path, units_bytes(size, job->target.id.bytes),
		      job->target.id.model[0] ? ", " : "", job->target.id.model,
		      job->target.id.serial[0] ? ", serial " : "", job->target.id.serial);
	return 0;
}

static int write_target(struct job *job, struct err *err)
{
	struct chunk_source source = remote_image_source(job->image);
	struct write_options options = {
		.dev = job->device,
		.index = remote_index_get(job->index),
		.source = &source,
		.progress = job->options->progress,
		.stop = job->options->service->stop,
	};
	int rc = write_image(&options, err);

	if (!rc)
		device_rescan(job->device);
	return rc;
}

/* The steps up to a good disk. `*phase` tells how far it got. */
static int run_steps(enum phase *phase, struct job *job, struct err *err)
{
	static const struct {
		enum phase phase;
		int (*run)(struct job *job, struct err *err);
	} steps[] = {
		{ PHASE_PLAN, get_plan },
		{ PHASE_INDEX, get_index },
		{ PHASE_TARGET, open_target },
		{ PHASE_WRITE, write_target },
	};

	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
		*phase = steps[i].phase;
		progress_set_phase(job->options->progress, *phase);
		int rc = steps[i].run(job, err);
		if (rc)
			return rc;
	}
	return 0;
}

/*
 * Tell the service how it ended. What the caller learns from `err` is still the first failure. An interrupted job is
 * reported, too: the user waits for these seconds at most.
 */
static void report_failure(struct job *job, enum exit_code code, const struct err *failure)
{
	unsigned retry_s = job->options->service->retry_s;
	struct report_end end = {
		.phase = PHASE_FAILED,
		.exit = code,
		.message = failure->text,
		.retry_s = retry_s < FAILED_PATIENCE_S ? retry_s : FAILED_PATIENCE_S,
	};
	struct err err = { 0 };

	if (reporter_finish(&job->reporter, &end, &err) != 0)
		log_warn("the service could not be told of the failure: %s", err.text);
}

/*
 * A machine that boots from the network first would be written again for as long as the service does not know, so it
 * does not give up; a host has somebody to tell.
 */
static int deliver_receipt(struct job *job, struct err *err)
{
	struct report_end end = {
		.phase = PHASE_DONE,
		.exit = EXIT_DONE,
		.message = "",
		.retry_s = job->options->machine ? RETRY_FOREVER : job->options->service->retry_s,
		.stop = job->options->service->stop,
	};
	int rc = reporter_finish(&job->reporter, &end, err);

	if (rc)
		return err_wrap(err, "the disk is written, but the service could not be told");
	progress_mark(job->options->progress, "receipt", "the service knows");
	return 0;
}

int job_run(struct job_result *out, const struct job_options *options, struct err *err)
{
	CLEANUP(job_done) struct job job = { .options = options };
	enum phase phase;
	int rc = run_steps(&phase, &job, err);

	*out = (struct job_result){ .exit = exit_code_of(phase, rc) };
	if (rc) {
		report_failure(&job, out->exit, err);
	} else {
		rc = deliver_receipt(&job, err);
		out->exit = rc ? EXIT_NOT_REPORTED : EXIT_DONE;
	}
	snprintf(out->disk, sizeof(out->disk), "%s", job.target.path);
	snprintf(out->image_id, sizeof(out->image_id), "%s", job.plan.image_id);
	out->disk_bytes = job.plan.disk_bytes;
	out->landing = job.landing;
	return rc;
}
