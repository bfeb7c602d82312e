/* SPDX-License-Identifier: GPL-2.0-or-later */
/* progress: see progress.h */
#include "progress.h"

#include "backoff.h"
#include "units.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdlib.h>
#include <unistd.h>

#define RATE_MS       1000u /* how often the rate is taken and a terminal's line rewritten */
#define PLAIN_LINE_MS 3000u /* how often a line is written elsewhere */

struct progress {
	/* For `state` and what was skipped, which other threads read and add to; the rest is the writer's alone. */
	pthread_mutex_t lock;
	struct progress_state state;
	uint64_t phase_ms[PHASE_FAILED + 1]; /* up to the last change of the phase */
	uint64_t since_ms;                   /* when that was */
	FILE *to;
	bool on_terminal;
	bool since_boot;
	uint64_t begin_ms;      /* when there was something to fetch */
	uint64_t rate_ms;       /* when the rate was last taken */
	uint64_t rate_bytes;    /* and bytes_done at that time */
	uint64_t line_ms;       /* when the figures were last shown */
	bool waited;            /* progress_wait has shown something */
	bool began;             /* something was fetched */
	uint64_t skipped_bytes; /* of bytes_done: were on the disk already */
};

struct progress *progress_new(FILE *to, bool since_boot)
{
	struct progress *p = calloc(1, sizeof(*p));

	if (!p)
		return NULL;
	pthread_mutex_init(&p->lock, NULL);
	p->to = to;
	p->on_terminal = to && isatty(fileno(to));
	p->since_boot = since_boot;
	p->begin_ms = p->rate_ms = p->line_ms = p->since_ms = clock_ms();
	return p;
}

void progress_free(struct progress **p)
{
	if (!*p)
		return;
	pthread_mutex_destroy(&(*p)->lock);
	free(*p);
	*p = NULL;
}

/* The last few seconds no longer mean anything once all is fetched: the mean of all of it does. */
static void take_mean_rate(struct progress *p)
{
	uint64_t took_ms = clock_ms() - p->begin_ms;

	p->state.bytes_per_s = (p->state.bytes_done - p->skipped_bytes) * 1000 / (took_ms ? took_ms : 1);
}

void progress_set_phase(struct progress *p, enum phase phase)
{
	if (!p)
		return;
	pthread_mutex_lock(&p->lock);
	uint64_t now_ms = clock_ms();
	p->phase_ms[p->state.phase] += now_ms - p->since_ms;
	p->since_ms = now_ms;
	p->state.phase = phase;
	if (phase == PHASE_COMMIT)
		take_mean_rate(p);
	pthread_mutex_unlock(&p->lock);
}

void progress_set_disk(struct progress *p, const char *name)
{
	if (!p)
		return;
	pthread_mutex_lock(&p->lock);
	snprintf(p->state.disk, sizeof(p->state.disk), "%s", name);
	pthread_mutex_unlock(&p->lock);
}

void progress_set_total(struct progress *p, uint64_t bytes_total)
{
	if (!p)
		return;
	pthread_mutex_lock(&p->lock);
	p->state.bytes_total = bytes_total;
	p->begin_ms = p->rate_ms = clock_ms();
	pthread_mutex_unlock(&p->lock);
}

static void show_figures(const struct progress *p, const struct progress_state *s)
{
	char done[UNITS_TEXT], total[UNITS_TEXT], rate[UNITS_TEXT], left[UNITS_TEXT] = "?";
	unsigned percent = s->bytes_total ? (unsigned)((double)s->bytes_done * 100 / (double)s->bytes_total) : 0;

	if (s->bytes_per_s)
		units_seconds(left, (s->bytes_total - s->bytes_done) / s->bytes_per_s);
	/* The cursor waits at the beginning, so that any other line starts there, and erases what was left of this one.
	 */
	fprintf(p->to, "%s%s: %u %%, %s of %s, %s/s, %s left%s",
		p->on_terminal ? "\r\033[K" : "vmcast: ", phase_name(s->phase), percent,
		units_bytes(done, s->bytes_done), units_bytes(total, s->bytes_total), units_bytes(rate, s->bytes_per_s),
		left, p->on_terminal ? "\r" : "\n");
	fflush(p->to);
}

/* Half the old rate and half the new one: steady enough to read, quick enough to show a stall. */
static void take_rate(struct progress *p, uint64_t now_ms)
{
	uint64_t latest = (p->state.bytes_done - p->rate_bytes) * 1000 / (now_ms - p->rate_ms);

	p->state.bytes_per_s = p->state.bytes_per_s ? (p->state.bytes_per_s + latest) / 2 : latest;
	p->rate_ms = now_ms;
	p->rate_bytes = p->state.bytes_done;
}

void progress_mark(struct progress *p, const char *step, const char *fmt, ...)
{
	va_list ap;

	if (!p || !p->to)
		return;
	flockfile(p->to);
	fprintf(p->to, "%svmcast: %s", p->on_terminal ? "\r\033[K" : "", step);
	if (p->since_boot)
		fprintf(p->to, " at %.3f s", (double)clock_ms() / 1000);
	if (fmt[0]) {
		fputs(": ", p->to);
		va_start(ap, fmt);
		vfprintf(p->to, fmt, ap);
		va_end(ap);
	}
	fputc('\n', p->to);
	fflush(p->to);
	funlockfile(p->to);
}

void progress_add(struct progress *p, uint64_t bytes)
{
	if (!p)
		return;
	uint64_t now_ms = clock_ms();
	bool due = now_ms >= p->rate_ms + RATE_MS;

	if (!p->began)
		progress_mark(p, "first byte", "%s", p->state.disk);
	p->began = true;
	pthread_mutex_lock(&p->lock);
	p->state.bytes_done += bytes;
	if (due)
		take_rate(p, now_ms);
	struct progress_state now = p->state;
	pthread_mutex_unlock(&p->lock);
	if (due && p->to && (p->on_terminal || now_ms >= p->line_ms + PLAIN_LINE_MS)) {
		show_figures(p, &now);
		p->line_ms = now_ms;
	}
}

void progress_skip(struct progress *p, uint64_t bytes)
{
	if (!p)
		return;
	pthread_mutex_lock(&p->lock);
	p->state.bytes_done += bytes;
	p->rate_bytes += bytes;
	p->skipped_bytes += bytes;
	pthread_mutex_unlock(&p->lock);
}

void progress_wait(struct progress *p, const char *phase, uint64_t done, uint64_t total)
{
	uint64_t now_ms = clock_ms();
	char text[UNITS_TEXT];

	if (!p || !p->to || (p->waited && !p->on_terminal && now_ms < p->line_ms + PLAIN_LINE_MS))
		return;
	p->waited = true;
	p->line_ms = now_ms;
	fprintf(p->to, "%sthe service is making the image ready: %s", p->on_terminal ? "\r\033[K" : "vmcast: ", phase);
	if (total)
		fprintf(p->to, ", %u %% of %s", (unsigned)((double)done * 100 / (double)total),
			units_bytes(text, total));
	else if (done)
		fprintf(p->to, ", %s", units_bytes(text, done));
	fputs(p->on_terminal ? "\r" : "\n", p->to);
	fflush(p->to);
}

uint64_t progress_phase_ms(struct progress *p, enum phase phase)
{
	if (!p)
		return 0;
	pthread_mutex_lock(&p->lock);
	uint64_t ms = p->phase_ms[phase] + (phase == p->state.phase ? clock_ms() - p->since_ms : 0);
	pthread_mutex_unlock(&p->lock);
	return ms;
}

void progress_get(struct progress *p, struct progress_state *out)
{
	if (!p) {
		*out = (struct progress_state){ 0 };
		return;
	}
	pthread_mutex_lock(&p->lock);
	*out = p->state;
	pthread_mutex_unlock(&p->lock);
}
