/* SPDX-License-Identifier: GPL-2.0-or-later */
/* job: see job.h */
#include "job.h"

#include "boot_seed.h"
#include "cleanup.h"
#include "device_fd.h"
#include "efi_boot.h"
#include "guest_install.h"
#include "image_head.h"
#include "json.h"
#include "log.h"
#include "receipt.h"
#include "remote_image.h"
#include "remote_index.h"
#include "report.h"
#include "settle.h"
#include "table_fit.h"
#include "target.h"
#include "trust.h"
#include "units.h"
#include "write.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define FAILED_PATIENCE_S 10u
#define ZEROS_TEXT        160
#define LANDING_TEXT      1024

/* One disk of the item on its way. */
struct job_disk {
	const struct plan_disk *plan;
	struct remote_index *index;
	struct remote_image *image;
	struct remote_delta *delta; /* NULL: none is offered */
	struct disk target;
	struct device *device;
	struct write_fit fit; /* on a machine */
	struct write_stats stats;
};

struct job {
	const struct job_options *options;
	struct disk_list list; /* the machine's disks, as the service was told; empty on a host */
	struct boot_plan plan;
	const struct landing *landing;
	struct reporter *reporter;
	struct job_disk *disks; /* as many as the plan has */
	size_t count;
	enum zeros_policy zeros;
	uint64_t left_bytes;   /* as in struct job_result */
	int64_t started_at;    /* seconds since 1970 */
	struct boot_seed seed; /* empty: the machine gets none */
	uint8_t *seed_volume;
	uint8_t *head;              /* of the boot disk's image, for the seed's partition; NULL: there is no seed */
	struct guest_install guest; /* of landing "guest" */
	char landing_text[LANDING_TEXT]; /* why it lands otherwise than it was told to; empty: it does not */
};

static void job_done(struct job *job)
{
	for (size_t i = 0; i < job->count; i++) {
		device_close(&job->disks[i].device);
		remote_image_close(&job->disks[i].image);
		remote_delta_close(&job->disks[i].delta);
		remote_index_close(&job->disks[i].index);
	}
	free(job->disks);
	free(job->head);
	if (job->seed_volume)
		explicit_bzero(job->seed_volume, SEED_VOLUME_BYTES);
	free(job->seed_volume);
	boot_seed_done(&job->seed);
	boot_plan_free(&job->plan);
	disk_list_free(&job->list);
}

static uint64_t sum_disk_bytes(const struct boot_plan *plan)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < plan->disk_count; i++)
		sum += plan->disks[i].image.disk_bytes;
	return sum;
}

static bool is_guest(const struct job *job)
{
	return job->landing == &landing_guest;
}

static void mark_plan(const struct job *job)
{
	char title[256], size[UNITS_TEXT], fetch[UNITS_TEXT], count[32] = "disk";
	uint64_t image_bytes = 0;

	for (size_t i = 0; i < job->count; i++)
		image_bytes += job->disks[i].plan->image.image_bytes;
	if (job->count > 1)
		snprintf(count, sizeof(count), "%zu disks", job->count);
	progress_mark(job->options->progress, "plan", "\"%s\", %s of %s, %s to fetch",
		      log_quote(title, sizeof(title), job->plan.title), count,
		      units_bytes(size, sum_disk_bytes(&job->plan)), units_bytes(fetch, image_bytes));
}

static int get_plan(struct job *job, struct err *err)
{
	const struct job_options *o = job->options;
	bool is_host = o->disk_path_count > 0;
	int rc = is_host ? 0 : disk_list_read(&job->list, "", err);

	if (rc)
		return rc;
	const struct plan_question question = {
		.item = o->item,
		.ticket = o->ticket,
		.key = o->service->key,
		.machine = o->machine,
		.disks = is_host ? NULL : &job->list,
	};
	CLEANUP(free_str) char *request = boot_plan_request(&question);
	if (!request)
		return err_set(err, -EINVAL, "the plan's request cannot be written: is the item's name UTF-8?");
	rc = service_get_plan(&job->plan, o->service, request, o->progress, err);
	/* From here on there is a job in the service, which must not be left without an end. */
	if (!rc)
		rc = reporter_start(&job->reporter, o->service, &job->plan, o->progress, err);
	if (!rc && o->machine)
		rc = landing_find(&job->landing, o->landing ? o->landing : job->plan.landing, err);
	if (rc)
		return rc;
	job->disks = calloc(job->plan.disk_count, sizeof(*job->disks));
	if (!job->disks)
		return err_set(err, -ENOMEM, "out of memory");
	job->count = job->plan.disk_count;
	job->zeros = o->zeros ? *o->zeros : job->plan.zeros;
	for (size_t i = 0; i < job->count; i++)
		job->disks[i].plan = &job->plan.disks[i];
	mark_plan(job);
	return 0;
}

static const char *item_of(const struct job *job)
{
	return job->options->item ? job->options->item : job->plan.item;
}

/* Before anything that the plan says is believed. */
static int check_trust(struct job *job, struct err *err)
{
	const struct job_options *o = job->options;
	const struct trust_question question = {
		.root = o->root,
		.service = o->service,
		.plan = &job->plan,
		.item = item_of(job),
		.is_assigned_only = !o->item,
		.is_machine = o->machine != NULL,
		.rules = o->rules,
		.zeros = job->zeros,
		.landing = o->landing,
	};

	if (o->root)
		return trust_check(&question, o->progress, err);
	progress_mark(o->progress, "trust", "nothing is signed: what the service says is done, whoever answers for it");
	return 0;
}

static int get_seed(struct job *job, struct err *err)
{
	const struct job_options *o = job->options;

	if (!job->plan.seed.name[0])
		return 0;
	if (!o->machine)
		return err_set(err, -EPROTO, "the plan has a seed, which is for machines only, and this is a host");
	int rc = boot_seed_get(&job->seed, o->service, &job->plan, err);
	if (!rc)
		progress_mark(o->progress, "seed", "'%s', for the first boot: %zu files", job->plan.seed.name,
			      job->seed.count);
	return rc;
}

/* The boot disk's partition table, which the seed has to find a place in. */
static int get_head(struct job *job, struct err *err)
{
	struct job_disk *disk = &job->disks[0];

	if (!job->seed.count || is_guest(job))
		return 0;
	if (!(job->head = malloc(TABLE_FIT_HEAD)))
		return err_set(err, -ENOMEM, "out of memory");
	const struct chunk_source source = remote_image_source(disk->image);
	return image_head_read(job->head, TABLE_FIT_HEAD, remote_index_get(disk->index), &source,
			       job->options->service->stop, err);
}

static int get_index(struct job *job, struct err *err)
{
	const struct job_options *o = job->options;
	uint64_t total = 0;

	for (size_t i = 0; i < job->count; i++) {
		struct job_disk *disk = &job->disks[i];
		int rc = remote_index_open(&disk->index, &disk->plan->image, o->service, err);

		if (!rc)
			rc = remote_image_open(&disk->image, remote_index_get(disk->index), &disk->plan->image,
					       o->service, err);
		if (!rc)
			rc = remote_delta_open(&disk->delta, index_get_header(remote_index_get(disk->index)),
					       &disk->plan->image, o->service, o->progress, err);
		if (rc)
			return job->count > 1 ? err_wrap(err, "disk %zu of the item", i + 1) : rc;
		total += remote_image_bytes(disk->image);
	}
	progress_set_total(o->progress, total);
	return get_head(job, err);
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

static void set_need(struct target_need *need, const struct job_disk *disk)
{
	const struct index_header *h = index_get_header(remote_index_get(disk->index));

	*need = (struct target_need){
		.name = disk->plan->name,
		.disk_bytes = h->disk_bytes,
		.sector_bytes = h->sector_bytes,
		.rule = disk->plan->target[0] ? disk->plan->target : NULL,
	};
}

static bool is_same_target(const struct disk *a, const struct disk *b)
{
	return a->dev[0] ? strcmp(a->dev, b->dev) == 0 : strcmp(a->path, b->path) == 0;
}

/* The user's own choice. */
static int take_paths(struct job *job, const struct target_need *needs, struct err *err)
{
	const struct job_options *o = job->options;

	if (o->disk_path_count != job->count)
		return err_set(err, -EINVAL,
			       "the item has %zu disk%s, and %zu --disk were given: one for each is needed", job->count,
			       job->count == 1 ? "" : "s", o->disk_path_count);
	for (size_t i = 0; i < job->count; i++) {
		struct disk *target = &job->disks[i].target;
		int rc = device_fd_identify(target, o->disk_paths[i], needs[i].disk_bytes, err);

		if (!rc)
			rc = target_check(target, &needs[i], err);
		for (size_t j = 0; j < i && !rc; j++)
			if (is_same_target(&job->disks[j].target, target))
				rc = err_set(err, -EINVAL, "disk %s is named twice: the item's %zu disks go to as many",
					     target->path, job->count);
		if (rc)
			return rc;
	}
	return 0;
}

/* Rules of the kernel command line take the place of the plan's. `text` is cut in place. */
static int replace_rules(struct target_need *needs, size_t count, char *text, struct err *err)
{
	const char *rules[PLAN_DISKS_MAX];
	size_t given = target_rule_split(rules, PLAN_DISKS_MAX, text);

	if (given != count)
		return err_set(err, -EINVAL, "vmcast.disk has %zu rule%s, the item has %zu disk%s", given,
			       given == 1 ? "" : "s", count, count == 1 ? "" : "s");
	for (size_t i = 0; i < count; i++)
		needs[i].rule = rules[i];
	return 0;
}

/* An error about rules ends in the command that gives them. */
static int say_how(const struct job *job, struct err *err)
{
	const struct job_options *o = job->options;
	char said[sizeof(err->text)];

	if (err->code != -ENOTUNIQ || job->count < 2 || !o->machine || !o->machine->mac_count)
		return err->code;
	snprintf(said, sizeof(said), "%s", err->text);
	return err_set(err, err->code, "%s; give one rule for each: vmcast machine assign %s %s%s%s", said,
		       o->machine->macs[0], item_of(job), " --target RULE --target RULE", job->count > 2 ? " ..." : "");
}

static int choose_by_rules(struct job *job, struct target_need *needs, struct err *err)
{
	CLEANUP(free_str) char *text = job->options->rules ? strdup(job->options->rules) : NULL;
	struct settle_world world = { .root = "", .now_ms = real_now_ms, .sleep_ms = real_sleep_ms, .ctx = job };
	const struct disk *chosen[PLAN_DISKS_MAX];
	int rc = text ? replace_rules(needs, job->count, text, err) : 0;

	if (!rc)
		rc = settle_disks(&job->list, needs[0].rule != NULL, &world, err);
	if (!rc)
		rc = target_choose_all(chosen, &job->list, needs, job->count, err);
	if (rc)
		return say_how(job, err);
	for (size_t i = 0; i < job->count; i++)
		job->disks[i].target = *chosen[i];
	return 0;
}

/* The targets are files on the node's own disk. */
static int choose_guest_files(struct job *job, const struct target_need *needs, struct err *err)
{
	struct settle_world world = { .root = "", .now_ms = real_now_ms, .sleep_ms = real_sleep_ms, .ctx = job };
	const struct guest_install_question question = {
		.plan = &job->plan,
		.rule = job->options->rules ? job->options->rules : needs[0].rule,
		.list = &job->list,
		.service = job->options->service,
		.progress = job->options->progress,
	};
	int rc = settle_disks(&job->list, question.rule != NULL, &world, err);

	if (!rc)
		rc = guest_install_prepare(&job->guest, &question, err);
	for (size_t i = 0; i < job->count && !rc; i++)
		rc = device_fd_identify(&job->disks[i].target, job->guest.disk_paths[i], needs[i].disk_bytes, err);
	return rc;
}

static int choose_targets(struct job *job, struct target_need *needs, struct err *err)
{
	if (job->options->disk_path_count)
		return take_paths(job, needs, err);
	return is_guest(job) ? choose_guest_files(job, needs, err) : choose_by_rules(job, needs, err);
}

static void mark_target(const struct job *job, const struct disk *target)
{
	char size[UNITS_TEXT];

	progress_mark(job->options->progress, "target", "%s, %s%s%s%s%s", target->path,
		      units_bytes(size, target->id.bytes), target->id.model[0] ? ", " : "", target->id.model,
		      target->id.serial[0] ? ", serial " : "", target->id.serial);
}

static uint32_t sector_bytes_of(const struct job_disk *disk)
{
	uint32_t is_image = index_get_header(remote_index_get(disk->index))->sector_bytes;

	return is_image ? is_image : disk->target.id.sector_bytes ? disk->target.id.sector_bytes : 512;
}

/* A host's disk and a guest's get the image's bytes and nothing else; of a machine's, tables for sectors of other sizes are not
 * known. */
static bool has_fit(const struct job *job, const struct job_disk *disk)
{
	return job->options->machine && !is_guest(job) &&
	       (disk->fit.sector_bytes == 512 || disk->fit.sector_bytes == 4096);
}

/* Whether the table of the boot disk will have a place for the seed: found out on a copy, before anything is written. */
static int prepare_seed(struct job *job, struct err *err)
{
	struct job_disk *disk = &job->disks[0];
	const struct table_fit_disk room = {
		.image_bytes = index_get_header(remote_index_get(disk->index))->disk_bytes,
		.disk_bytes = disk->device->bytes,
		.sector_bytes = sector_bytes_of(disk),
		.seed_bytes = SEED_VOLUME_BYTES,
		.grow = job->plan.grow,
	};

	if (!job->seed.count)
		return 0;
	/* A disk of its own. */
	if (is_guest(job))
		return seed_volume_make(&job->seed_volume, job->seed.files, job->seed.count, 512, err);
	if (!has_fit(job, disk))
		return err_set(err, -ENOTSUP, "disk %s: no seed is made for sectors of %u bytes", disk->target.path,
			       room.sector_bytes);
	CLEANUP(free_mem) struct table_fit_change *change = malloc(sizeof(*change));
	if (!change)
		return err_set(err, -ENOMEM, "out of memory");
	int rc = table_fit(change, job->head, &room, err);
	if (rc)
		return err_wrap(err, "disk %s", disk->target.path);
	rc = seed_volume_make(&job->seed_volume, job->seed.files, job->seed.count, room.sector_bytes, err);
	if (!rc)
		disk->fit.seed = job->seed_volume;
	return rc;
}

static void prepare_fits(struct job *job)
{
	for (size_t i = 0; i < job->count; i++)
		job->disks[i].fit =
			(struct write_fit){ .sector_bytes = sector_bytes_of(&job->disks[i]), .grow = job->plan.grow };
}

/* All are chosen, checked and taken for ourselves before anything is written to any. */
static int open_targets(struct job *job, struct err *err)
{
	struct target_need needs[PLAN_DISKS_MAX];
	char names[PROGRESS_DISK] = "";
	size_t len = 0;

	for (size_t i = 0; i < job->count; i++)
		set_need(&needs[i], &job->disks[i]);
	int rc = choose_targets(job, needs, err);
	for (size_t i = 0; i < job->count && !rc; i++)
		rc = device_fd_open(&job->disks[i].device, &job->disks[i].target, err);
	if (rc)
		return rc;
	for (size_t i = 0; i < job->count; i++) {
		if (len < sizeof(names))
			len += (size_t)snprintf(names + len, sizeof(names) - len, "%s%s", i ? ", " : "",
						job->disks[i].target.id.name);
		mark_target(job, &job->disks[i].target);
	}
	progress_set_disk(job->options->progress, names);
	prepare_fits(job);
	return prepare_seed(job, err);
}

/* What is not on the disks although the item has it, for people; empty: nothing. */
static const char *zeros_text(char *out, size_t room, const struct job *job)
{
	char left[UNITS_TEXT];

	out[0] = '\0';
	if (job->zeros != ZEROS_ZERO)
		snprintf(out, room, "policy %s: %" PRIu64 " bytes (%s) that are zeros in the image were %s",
			 zeros_policy_names[job->zeros], job->left_bytes, units_bytes(left, job->left_bytes),
			 job->zeros == ZEROS_KEEP ? "left as they were on the disk" : "only discarded");
	return out;
}

static int write_targets(struct job *job, struct err *err)
{
	struct write_disk disks[PLAN_DISKS_MAX];
	struct write_options options = {
		.disks = disks,
		.count = job->count,
		.progress = job->options->progress,
		.stop = job->options->service->stop,
		.zeros = job->zeros,
		.left_bytes = &job->left_bytes,
	};
	char text[ZEROS_TEXT];

	for (size_t i = 0; i < job->count; i++)
		disks[i] = (struct write_disk){
			.dev = job->disks[i].device,
			.index = remote_index_get(job->disks[i].index),
			.source = remote_image_source(job->disks[i].image),
			.delta = job->disks[i].delta,
			.stats = &job->disks[i].stats,
			.fit = has_fit(job, &job->disks[i]) ? &job->disks[i].fit : NULL,
		};
	int rc = write_images(&options, err);
	if (!rc && zeros_text(text, sizeof(text), job)[0])
		progress_mark(job->options->progress, "zeros", "%s", text);
	for (size_t i = 0; i < job->count && !rc; i++)
		device_rescan(job->disks[i].device);
	return rc;
}

/* From here on it is a guest of this node. */
static int commit_guest(struct job *job, struct err *err)
{
	if (!is_guest(job))
		return 0;
	for (size_t i = 0; i < job->count; i++)
		device_close(&job->disks[i].device);
	return guest_install_commit(&job->guest, job->seed_volume, err);
}

/*
 * What cannot land as it was told to lands by a reset, which is as good: the disk is. The disks are let go before, since
 * nobody mounts partitions of a disk that is held.
 */
static void prepare_landing(struct job *job)
{
	const char *names[PLAN_DISKS_MAX];
	char what[LANDING_TEXT];
	struct err err = { 0 };

	if (job->options->is_trial || !job->landing || !job->landing->prepare)
		return;
	for (size_t i = 0; i < job->count; i++) {
		device_close(&job->disks[i].device);
		names[i] = job->disks[i].target.id.name;
	}
	if (job->landing->prepare(what, sizeof(what), names, job->count, &err) == 0) {
		progress_mark(job->options->progress, job->landing->name, "%s", what);
		return;
	}
	snprintf(job->landing_text, sizeof(job->landing_text), "lands by a reset, not by %s: %s", job->landing->name,
		 err.text);
	progress_mark(job->options->progress, job->landing->name, "%s", job->landing_text);
	job->landing = &landing_reboot;
}

/* UEFI 2.10, table 5.7: C12A7328-F81F-11D2-BA4B-00A0C93EC93B, in GPT's order of bytes. */
static const uint8_t efi_system[16] = { 0x28, 0x73, 0x2a, 0xc1, 0x1f, 0xf8, 0xd2, 0x11,
					0xba, 0x4b, 0x00, 0xa0, 0xc9, 0x3e, 0xc9, 0x3b };

static int find_loader(struct efi_boot_partition *out, const struct job_disk *disk, struct err *err)
{
	CLEANUP(free_mem) uint8_t *head = device_buffer(TABLE_FIT_HEAD);
	uint32_t sector_bytes = disk->target.id.sector_bytes;
	struct table_partition esp;

	if (!head || disk->device->bytes < TABLE_FIT_HEAD || (sector_bytes != 512 && sector_bytes != 4096))
		return err_set(err, -ENOENT, "the disk has no GPT");
	int rc = device_read(disk->device, head, TABLE_FIT_HEAD, 0, err);
	if (!rc)
		rc = table_find_partition(&esp, head, sector_bytes, efi_system, err);
	if (!rc) {
		*out = (struct efi_boot_partition){ .number = esp.number, .first = esp.first, .sectors = esp.sectors };
		memcpy(out->id, esp.id, sizeof(out->id));
	}
	return rc;
}

/* UEFI starts the disk next. Where that cannot be, it starts what it would have started: the network first, then the disk. */
static void prepare_firmware(const struct job *job)
{
	struct efi_boot_partition loader;
	char what[LANDING_TEXT];
	struct err err = { 0 };
	const char *folder = job->options->efivars;

	if (job->options->is_trial || job->landing != &landing_reboot || !folder || access(folder, F_OK) != 0)
		return;
	if (find_loader(&loader, &job->disks[0], &err) == 0 &&
	    efi_boot_next(what, sizeof(what), folder, &loader, &err) == 0)
		progress_mark(job->options->progress, "firmware", "%s", what);
	else
		progress_mark(job->options->progress, "firmware", "boots in its own order: %s", err.text);
}

/* The steps up to good disks. `*phase` tells how far it got. */
static int run_steps(enum phase *phase, struct job *job, struct err *err)
{
	static const struct {
		enum phase phase;
		int (*run)(struct job *job, struct err *err);
	} steps[] = {
		{ PHASE_PLAN, get_plan },      { PHASE_PLAN, check_trust },    { PHASE_PLAN, get_seed },
		{ PHASE_INDEX, get_index },    { PHASE_TARGET, open_targets }, { PHASE_WRITE, write_targets },
		{ PHASE_WRITE, commit_guest },
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

/* NULL where nobody wants one: without a key, and of a service that knew none yet. */
static int make_receipt(json_t **out, const struct job *job, struct err *err)
{
	const struct service *service = job->options->service;
	struct receipt_disk disks[PLAN_DISKS_MAX];

	*out = NULL;
	if (!service->key || !job->plan.wants_receipt)
		return 0;
	for (size_t i = 0; i < job->count; i++)
		disks[i] = (struct receipt_disk){ .target = &job->disks[i].target,
						  .plan = job->disks[i].plan,
						  .stats = &job->disks[i].stats };
	const struct receipt_of what = {
		.plan = &job->plan,
		.disks = disks,
		.disk_count = job->count,
		.started_at = job->started_at,
		.ended_at = (int64_t)time(NULL),
		.progress = job->options->progress,
	};
	return receipt_sign(out, &what, service->key, err);
}

/*
 * A machine that boots from the network first would be written again for as long as the service does not know, so it
 * does not give up; a host has somebody to tell.
 */
static int deliver_receipt(struct job *job, struct err *err)
{
	CLEANUP(json_free) json_t *receipt = NULL;
	char zeros[ZEROS_TEXT], text[ZEROS_TEXT + LANDING_TEXT + 2];
	int rc = make_receipt(&receipt, job, err);
	struct report_end end = {
		.receipt = receipt,
		.phase = PHASE_DONE,
		.exit = EXIT_DONE,
		.message = text,
		.retry_s = job->options->machine ? RETRY_FOREVER : job->options->service->retry_s,
		.stop = job->options->service->stop,
	};

	zeros_text(zeros, sizeof(zeros), job);
	snprintf(text, sizeof(text), "%s%s%s", zeros, zeros[0] && job->landing_text[0] ? "; " : "", job->landing_text);

	if (!rc)
		rc = reporter_finish(&job->reporter, &end, err);
	if (rc)
		return err_wrap(err, "the disk is written, but the service could not be told");
	progress_mark(job->options->progress, "receipt", "the service knows");
	return 0;
}

int job_run(struct job_result *out, const struct job_options *options, struct err *err)
{
	CLEANUP(job_done) struct job job = { .options = options, .started_at = (int64_t)time(NULL) };
	enum phase phase;
	int rc = run_steps(&phase, &job, err);

	*out = (struct job_result){ .exit = exit_code_of(phase, rc) };
	if (rc) {
		report_failure(&job, out->exit, err);
	} else {
		prepare_firmware(&job);
		prepare_landing(&job);
		rc = deliver_receipt(&job, err);
		out->exit = rc ? EXIT_NOT_REPORTED : EXIT_DONE;
	}
	if (job.count) {
		snprintf(out->disk, sizeof(out->disk), "%s", job.disks[0].target.path);
		snprintf(out->image_id, sizeof(out->image_id), "%s", job.disks[0].plan->image.id);
	}
	out->disk_bytes = sum_disk_bytes(&job.plan);
	out->zeros = job.zeros;
	out->left_bytes = job.left_bytes;
	out->landing = job.landing;
	return rc;
}
