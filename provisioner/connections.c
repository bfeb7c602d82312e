/* SPDX-License-Identifier: GPL-2.0-or-later */
/* connections: see connections.h */
#include "connections.h"

#include "backoff.h"
#include "log.h"

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

struct connection {
	struct connection *next, *prev;
	int fd;
	uint64_t deadline_ms; /* 0: answering */
};

struct connections {
	pthread_mutex_t lock;
	pthread_cond_t changed; /* an answer is out, or `stop` */
	pthread_t sweeper;
	struct connection head; /* of a ring */
	unsigned answering;
	bool stop;
};

/* Until `ms` from now on the condition's clock, which is the one of clock_gettime(CLOCK_MONOTONIC). */
static void wait_ms(struct connections *c, unsigned ms)
{
	struct timespec until;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_nsec += (long)(ms % 1000) * 1000000;
	until.tv_sec += ms / 1000 + until.tv_nsec / 1000000000;
	until.tv_nsec %= 1000000000;
	pthread_cond_timedwait(&c->changed, &c->lock, &until);
}

/* Shut down only: the server sees the end of the stream and closes the descriptor, which is its own. */
static void *sweep(void *arg)
{
	struct connections *c = arg;

	pthread_mutex_lock(&c->lock);
	while (!c->stop) {
		uint64_t now = clock_ms();
		unsigned ended = 0;

		for (struct connection *conn = c->head.next; conn != &c->head; conn = conn->next) {
			if (!conn->deadline_ms || conn->deadline_ms > now)
				continue;
			shutdown(conn->fd, SHUT_RDWR);
			conn->deadline_ms = UINT64_MAX;
			ended++;
		}
		if (ended)
			log_debug("http", "http: closed %u connections without a complete request", ended);
		wait_ms(c, 500);
	}
	pthread_mutex_unlock(&c->lock);
	return NULL;
}

int connections_start(struct connections **out, struct err *err)
{
	struct connections *c = calloc(1, sizeof(*c));
	pthread_condattr_t attr;

	if (!c)
		return err_set(err, -ENOMEM, "out of memory");
	c->head.next = c->head.prev = &c->head;
	pthread_mutex_init(&c->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&c->changed, &attr);
	pthread_condattr_destroy(&attr);
	int rc = pthread_create(&c->sweeper, NULL, sweep, c);

	if (rc) {
		free(c);
		return err_set(err, -rc, "start a thread: %s", strerror(rc));
	}
	*out = c;
	return 0;
}

void connections_stop(struct connections **c)
{
	if (!*c)
		return;
	pthread_mutex_lock(&(*c)->lock);
	(*c)->stop = true;
	pthread_cond_broadcast(&(*c)->changed);
	pthread_mutex_unlock(&(*c)->lock);
	pthread_join((*c)->sweeper, NULL);
	pthread_cond_destroy(&(*c)->changed);
	pthread_mutex_destroy(&(*c)->lock);
	free(*c);
	*c = NULL;
}

struct connection *connection_opened(struct connections *c, int fd, uint64_t patience_s)
{
	struct connection *conn = calloc(1, sizeof(*conn));

	if (!conn)
		return NULL;
	conn->fd = fd;
	conn->deadline_ms = clock_ms() + patience_s * 1000;
	pthread_mutex_lock(&c->lock);
	conn->next = &c->head;
	conn->prev = c->head.prev;
	conn->prev->next = conn;
	c->head.prev = conn;
	pthread_mutex_unlock(&c->lock);
	return conn;
}

void connection_closed(struct connections *c, struct connection *conn)
{
	pthread_mutex_lock(&c->lock);
	conn->prev->next = conn->next;
	conn->next->prev = conn->prev;
	if (!conn->deadline_ms) {
		c->answering--;
		pthread_cond_broadcast(&c->changed);
	}
	pthread_mutex_unlock(&c->lock);
	free(conn);
}

void connection_answering(struct connections *c, struct connection *conn)
{
	pthread_mutex_lock(&c->lock);
	if (conn->deadline_ms) {
		conn->deadline_ms = 0;
		c->answering++;
	}
	pthread_mutex_unlock(&c->lock);
}

void connection_waiting(struct connections *c, struct connection *conn, uint64_t patience_s)
{
	pthread_mutex_lock(&c->lock);
	if (!conn->deadline_ms) {
		c->answering--;
		pthread_cond_broadcast(&c->changed);
	}
	conn->deadline_ms = clock_ms() + patience_s * 1000;
	pthread_mutex_unlock(&c->lock);
}

unsigned connections_drain(struct connections *c, unsigned grace_s)
{
	uint64_t until = clock_ms() + grace_s * 1000;

	pthread_mutex_lock(&c->lock);
	while (c->answering) {
		uint64_t now = clock_ms();

		if (now >= until)
			break;
		wait_ms(c, (unsigned)(until - now));
	}
	unsigned left = c->answering;

	pthread_mutex_unlock(&c->lock);
	return left;
}
