/* SPDX-License-Identifier: GPL-2.0-or-later */
/* service: see service.h */
#include "service.h"

#include "cleanup.h"
#include "json.h"
#include "log.h"
#include "service_url.h"
#include "signed_request.h"
#include "version.h"

#include <errno.h>
#include <string.h>

#define PLAN_BYTES_MAX (64u << 10)

int service_options(struct http_options *out, const struct service *service, struct err *err)
{
	char shown[256];

	http_url_for_log(shown, sizeof(shown), service->server);
	if (service->ca && !service_url_is_https(service->server))
		return err_set(
			err, -EACCES,
			"'%s' is not https, and only a service with a certificate of the CA in '%s' is asked here",
			shown, service->ca);
	*out = (struct http_options){
		.user_agent = "vmcast-boot/" VMCAST_VERSION,
		.stall_s = service->stall_s,
		.stop = service->stop,
		.ca_file = service->ca,
		.schemes = service_url_is_https(service->server) ? "https" : NULL,
	};
	return 0;
}

int service_connect(struct http **out, const struct service *service, struct err *err)
{
	struct http_options options;
	int rc = service_options(&options, service, err);

	return rc ? rc : http_open(out, &options, err);
}

int service_connect_mirrors(struct http **out, const struct service *service, struct err *err)
{
	struct http_options options;
	int rc = service_options(&options, service, err);

	if (rc)
		return rc;
	options.schemes = NULL;
	return http_open(out, &options, err);
}

/* Of a URL that service_url made. */
static const char *path_of(const char *url)
{
	return strchr(strstr(url, "://") + 3, '/');
}

/* `*out`: "KEYID:SIGNATURE"; NULL without a key. */
static int sign(char **out, const struct service *service, const char *path, const char *body, struct err *err)
{
	CLEANUP(free_str) char *signature = NULL;
	CLEANUP(free_str) char *text = NULL;

	if (!service->key)
		return 0;
	text = signed_request_text("POST", path, body, strlen(body));
	if (!text)
		return err_set(err, -ENOMEM, "out of memory");
	int rc = machine_key_sign(&signature, service->key, text, strlen(text), err);
	if (rc)
		return rc;
	if (asprintf(out, "%s:%s", machine_key_id(service->key), signature) < 0) {
		*out = NULL;
		return err_set(err, -ENOMEM, "out of memory");
	}
	return 0;
}

int service_post(struct http *http, const struct service *service, const struct http_request *rq,
		 struct http_response *rs, struct err *err)
{
	CLEANUP(free_str) char *signature = NULL;
	struct http_request signed_rq = *rq;
	int rc = sign(&signature, service, path_of(rq->url), rq->json, err);

	if (rc)
		return rc;
	signed_rq.signature = signature;
	return http_perform(http, &signed_rq, rs, err);
}

/* The service says what is wrong in {"error":"..."}; a proxy in between may say anything. False: it says nothing. */
static bool read_reason(char *out, size_t room, const struct http_response *rs)
{
	CLEANUP(json_free) json_t *body = NULL;
	struct err ignored = { 0 };
	const char *reason;

	if (json_parse_object(&body, rs->error_body, strlen(rs->error_body), &ignored) != 0 ||
	    json_need_string(&reason, body, "error", sizeof(rs->error_body), &ignored) != 0)
		return false;
	log_quote(out, room, reason);
	return true;
}

static void add_reason(struct err *err, const struct http_response *rs, const char *url)
{
	char shown[256], reason[512];

	if (!read_reason(reason, sizeof(reason), rs))
		return;
	http_url_for_log(shown, sizeof(shown), url);
	err_set(err, err->code, "'%s': HTTP status %d: %s", shown, rs->status, reason);
}

int service_check_status(const struct http_response *rs, const char *url, struct err *err)
{
	int rc = http_check_status(rs, url, err);

	if (!rc)
		return 0;
	add_reason(err, rs, url);
	return rc == -EACCES ? (err->code = -EPROTO) : rc;
}

struct answer {
	char text[PLAN_BYTES_MAX];
	size_t len;
};

/* There is room for body_bytes_max bytes. */
static int take_answer(void *ctx, const uint8_t *data, size_t len, struct err *err)
{
	struct answer *answer = ctx;

	(void)err;
	memcpy(answer->text + answer->len, data, len);
	answer->len += len;
	return 0;
}

/* What became of one try. */
struct tried {
	unsigned retry_after_s; /* the service asks for this long a wait */
	bool is_ingested;       /* the image is not ready: this is how far the service is with it */
	char phase[32];
	uint64_t done, total;
};

/* {"error":"...","ingest":{"phase":"download","done":N,"total":N}} */
static void read_ingest(struct tried *out, const struct http_response *rs)
{
	CLEANUP(json_free) json_t *body = NULL;
	struct err ignored = { 0 };
	const char *phase;

	if (rs->status != 503 || json_parse_object(&body, rs->error_body, strlen(rs->error_body), &ignored) != 0)
		return;
	const json_t *ingest = json_object_get(body, "ingest");
	if (json_need_string(&phase, ingest, "phase", sizeof(out->phase) - 1, &ignored) != 0 ||
	    json_need_u64(&out->done, ingest, "done", INT64_MAX, &ignored) != 0 ||
	    json_need_u64(&out->total, ingest, "total", INT64_MAX, &ignored) != 0)
		return;
	log_quote(out->phase, sizeof(out->phase), phase);
	out->is_ingested = true;
}

static int check_plan_status(const struct http_response *rs, const char *url, struct err *err)
{
	char reason[512];

	if (rs->status == 403 && read_reason(reason, sizeof(reason), rs))
		return err_set(err, -EPROTO, "the service refuses this machine: %s", reason);
	return service_check_status(rs, url, err);
}

static int ask(struct boot_plan *out, struct tried *tried, struct http *http, const struct service *service,
	       const char *url, const char *request, struct err *err)
{
	CLEANUP(free_mem) struct answer *answer = calloc(1, sizeof(*answer));
	struct http_request rq = {
		.url = url, .json = request, .body_bytes_max = PLAN_BYTES_MAX, .on_body = take_answer, .ctx = answer
	};
	struct http_response rs = { 0 };

	if (!answer)
		return err_set(err, -ENOMEM, "plan: out of memory");
	int rc = service_post(http, service, &rq, &rs, err);
	if (!rc)
		rc = check_plan_status(&rs, url, err);
	*tried = (struct tried){ .retry_after_s = rs.retry_after_s };
	read_ingest(tried, &rs);
	return rc ? rc : boot_plan_parse(out, answer->text, answer->len, service->server, err);
}

/* At least this often: a service that forgot to say how often must not be asked without a pause. */
#define INGEST_WAIT_S 2u

/* 0: ask again. */
static int wait_after(const struct tried *tried, struct retry *retry, struct progress *progress, struct err *err)
{
	if (!tried->is_ingested)
		return retry_wait(retry, tried->retry_after_s, err);
	progress_wait(progress, tried->phase, tried->done, tried->total);
	retry_reset(retry);
	return clock_sleep_ms((tried->retry_after_s ? tried->retry_after_s : INGEST_WAIT_S) * 1000, retry->stop, err);
}

int service_get_plan(struct boot_plan *out, const struct service *service, const char *request,
		     struct progress *progress, struct err *err)
{
	CLEANUP(http_close) struct http *http = NULL;
	CLEANUP(free_str) char *url = NULL;
	struct retry retry;
	struct tried tried;
	int rc = service_connect(&http, service, err);

	if (!rc)
		rc = service_url(&url, service->server, "/v1/plan", err);
	if (rc)
		return rc;
	retry_init(&retry, service->retry_s, service->stop);
	while ((rc = ask(out, &tried, http, service, url, request, err)) != 0) {
		rc = wait_after(&tried, &retry, progress, err);
		if (rc)
			return rc;
	}
	return 0;
}
