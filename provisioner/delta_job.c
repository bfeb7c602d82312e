/* SPDX-License-Identifier: GPL-2.0-or-later */
/* delta_job: see delta_job.h */
#include "delta_job.h"

#include "cleanup.h"
#include "delta_maker.h"
#include "folder.h"
#include "log.h"
#include "sweep.h"
#include "units.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>

/* A delta that is longer than this share of the image saves too little for the reading that it costs the machine. */
#define WORTH_NUMERATOR   2u
#define WORTH_DENOMINATOR 3u

#define RETRY_S 3600

struct delta_job {
	const struct config *config;
	struct store *store;
	atomic_bool stop;
	pthread_t thread;
	bool has_thread;
	pthread_mutex_t lock; /* of what follows */
	pthread_cond_t wake;
	bool is_asked;

	time_t not_before; /* s, on the monotonic clock: one has failed, and would again */
};

/* The names of one delta. */
struct paths {
	char old_folder[PATH_MAX], new_folder[PATH_MAX];
	char part[PATH_MAX], file[PATH_MAX];
};

size_t delta_files(struct delta_file *out, size_t max, const struct store *store, const char *id)
{
	size_t count = 0, id_len = strlen(id);
	char path[PATH_MAX];
	struct dirent *entry;

	snprintf(path, sizeof(path), "%s/deltas", store_dir(store));
	CLEANUP(close_dir) DIR *dir = opendir(path);
	while (dir && count < max && (entry = readdir(dir))) {
		struct delta_file *file = &out[count];
		struct stat st;

		if (strlen(entry->d_name) != DELTA_NAME_CHARS - 1 || strncmp(entry->d_name, id, id_len) != 0 ||
		    fstatat(dirfd(dir), entry->d_name, &st, 0) || !st.st_size)
			continue;
		snprintf(file->name, sizeof(file->name), "%.*s", DELTA_NAME_CHARS - 1, entry->d_name);
		snprintf(file->from, sizeof(file->from), "%s", file->name + STORE_IMAGE_CHARS);
		file->bytes = (uint64_t)st.st_size;
		count++;
	}
	return count;
}

static int name_paths(struct paths *p, const struct delta_job *job, const struct store_pair *pair, struct err *err)
{
	const char *dir = store_dir(job->store);

	if (snprintf(p->part, sizeof(p->part), "%s/deltas/%s-%s.part", dir, pair->new_id, pair->old_id) >=
	    (int)sizeof(p->part))
		return err_set(err, -ENAMETOOLONG, "'%s': path is too long", dir);
	snprintf(p->file, sizeof(p->file), "%.*s", (int)(strlen(p->part) - strlen(".part")), p->part);
	snprintf(p->old_folder, sizeof(p->old_folder), "%s/images/%s", dir, pair->old_id);
	snprintf(p->new_folder, sizeof(p->new_folder), "%s/images/%s", dir, pair->new_id);
	return 0;
}

/* How long the delta may be. */
static int find_room(uint64_t *bytes_max, const struct delta_job *job, const struct store_pair *pair, struct err *err)
{
	uint64_t used, most = job->config->store_bytes_max;

	*bytes_max = pair->new_bytes / WORTH_DENOMINATOR * WORTH_NUMERATOR;
	if (!most)
		return 0;
	int rc = sweep_used_bytes(job->store, &used, err);
	if (!rc && used + *bytes_max > most)
		rc = err_set(err, -EDQUOT, "the store is full");
	return rc;
}

/* One that would not be worth having leaves its name, so that nobody tries again. */
static int make_empty(const char *path, struct err *err)
{
	CLEANUP(close_file) FILE *file = fopen(path, "we");

	return file ? 0 : err_set(err, -errno, "create '%s': %s", path, strerror(errno));
}

static int make(struct delta_job *job, const struct store_pair *pair, const struct paths *p, struct err *err)
{
	struct delta_options options = {
		.old_folder = p->old_folder,
		.old_id = pair->old_id,
		.new_folder = p->new_folder,
		.new_id = pair->new_id,
		.path = p->part,
		.watch.stop = &job->stop,
	};
	struct delta_made made = { 0 };
	char size[UNITS_TEXT], whole[UNITS_TEXT];
	int rc = find_room(&options.bytes_max, job, pair, err);

	if (rc)
		return rc;
	log_info("delta: making that from image %.16s... to %.16s...", pair->old_id, pair->new_id);
	rc = delta_make(&made, &options, err);
	if (rc == -EFBIG || rc == -ENOTSUP) {
		log_info("delta: from %.16s... to %.16s...: none: %s", pair->old_id, pair->new_id, err->text);
		rc = make_empty(p->part, err);
	} else if (!rc) {
		log_info("delta: from %.16s... to %.16s...: %s instead of %s", pair->old_id, pair->new_id,
			 units_bytes(size, made.bytes), units_bytes(whole, pair->new_bytes));
	}
	if (!rc && rename(p->part, p->file))
		rc = err_set(err, -errno, "move '%s': %s", p->part, strerror(errno));
	return rc;
}

static time_t now_s(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec;
}

/* One that fails is left for another time. */
static void make_pair(struct delta_job *job, const struct store_pair *pair)
{
	struct paths p = { 0 };
	struct err err, ignored;
	int rc = name_paths(&p, job, pair, &err);

	if (!rc && access(p.file, F_OK) == 0)
		return;
	if (!rc)
		rc = make(job, pair, &p, &err);
	if (!rc)
		return;
	folder_remove(p.part, &ignored);
	if (rc == -ECANCELED)
		return;
	log_warn("delta: %s, retrying in %d s", err.text, RETRY_S);
	job->not_before = now_s() + RETRY_S;
}

static void make_all(struct delta_job *job)
{
	CLEANUP(store_pair_list_free) struct store_pair_list pairs = { 0 };
	struct err err;

	if (store_pairs(job->store, job->config->deltas, &pairs, &err) < 0) {
		log_warn("delta: %s, retrying later", err.text);
		return;
	}
	for (size_t i = 0; i < pairs.count && !atomic_load(&job->stop) && now_s() >= job->not_before; i++)
		make_pair(job, &pairs.rows[i]);
}

static void *run(void *ctx)
{
	struct delta_job *job = ctx;

	/* Of this thread alone: what serves machines goes first. */
	setpriority(PRIO_PROCESS, (id_t)syscall(SYS_gettid), 19);
	pthread_mutex_lock(&job->lock);
	while (!atomic_load(&job->stop)) {
		if (!job->is_asked) {
			pthread_cond_wait(&job->wake, &job->lock);
			continue;
		}
		job->is_asked = false;
		pthread_mutex_unlock(&job->lock);
		make_all(job);
		pthread_mutex_lock(&job->lock);
	}
	pthread_mutex_unlock(&job->lock);
	return NULL;
}

int delta_job_new(struct delta_job **out, const struct config *config, struct store *store, struct err *err)
{
	struct delta_job *job = calloc(1, sizeof(*job));

	if (!job)
		return err_set(err, -ENOMEM, "out of memory");
	job->config = config;
	job->store = store;
	job->is_asked = true;
	pthread_mutex_init(&job->lock, NULL);
	pthread_cond_init(&job->wake, NULL);
	int code = pthread_create(&job->thread, NULL, run, job);
	job->has_thread = !code;
	if (code) {
		delta_job_free(&job);
		return err_set(err, -code, "start a thread: %s", strerror(code));
	}
	*out = job;
	return 0;
}

void delta_job_free(struct delta_job **jobp)
{
	struct delta_job *job = *jobp;

	if (!job)
		return;
	pthread_mutex_lock(&job->lock);
	atomic_store(&job->stop, true);
	pthread_cond_signal(&job->wake);
	pthread_mutex_unlock(&job->lock);
	if (job->has_thread)
		pthread_join(job->thread, NULL);
	pthread_cond_destroy(&job->wake);
	pthread_mutex_destroy(&job->lock);
	free(job);
	*jobp = NULL;
}

void delta_job_wake(struct delta_job *job)
{
	if (!job)
		return;
	pthread_mutex_lock(&job->lock);
	job->is_asked = true;
	pthread_cond_signal(&job->wake);
	pthread_mutex_unlock(&job->lock);
}
