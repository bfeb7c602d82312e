/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What is to be done is handed out once, in order, and again when it failed. */
#include "tap.h"
#include "todo.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

static atomic_bool stop;

static struct todo *new_todo(uint64_t count, uint64_t decided)
{
	struct todo *t = todo_new(1000, &stop);

	atomic_store(&stop, false);
	todo_begin(t, count);
	todo_decided(t, decided);
	return t;
}

static bool is_span(const struct todo_span *span, uint64_t first, uint64_t end)
{
	return span->first == first && span->end == end;
}

static void test_order(void)
{
	struct todo *t = new_todo(100, 100);
	struct todo_span span;
	struct err err;

	ok(todo_take(t, &span, 64, &err) == 1 && is_span(&span, 0, 64), "chunks are handed out in disk order");
	todo_done(t, 64, 70);
	ok(todo_is_done(t, 69) && !todo_is_done(t, 70), "those that are there already are known");
	ok(todo_take(t, &span, 64, &err) == 1 && is_span(&span, 70, 100), "and left out");
	span.first = 90;
	todo_give_back(t, &span);
	ok(todo_take(t, &span, 64, &err) == 1 && is_span(&span, 90, 100), "what is given back is handed out again");
	todo_done(t, 0, 64);
	todo_done(t, 70, 100);
	ok(todo_left(t) == 0 && todo_take(t, &span, 64, &err) == 0, "until everything is done");
	todo_begin(t, 2);
	ok(todo_found(t, 1) && !todo_found(t, 1) && todo_left(t) == 1, "what is found twice counts once");
	ok(todo_found(t, 0) && todo_left(t) == 0, "what was found needs not be brought");
	is_int(todo_wait(t, &err), 0, "which is what is waited for");
	todo_begin(t, 10);
	ok(todo_left(t) == 10 && !todo_is_done(t, 3), "another image begins with nothing done");
	todo_free(&t);
	ok(t == NULL, "and that is all");
	todo_free(&t);
}

/* Decides chunks a few at a time, as a scan does. */
static void *decide(void *ctx)
{
	for (uint64_t nr = 1; nr <= 100; nr++) {
		usleep(200);
		todo_decided(ctx, nr);
	}
	return NULL;
}

static void test_decided(void)
{
	struct todo *t = new_todo(100, 0);
	struct todo_span span;
	struct err err;
	pthread_t thread;
	uint64_t next = 0, spans = 0;

	pthread_create(&thread, NULL, decide, t);
	while (next < 100 && todo_take(t, &span, 32, &err) > 0) {
		ok(span.first == next && (span.end - span.first >= 8 || span.end == 100),
		   "what is not decided is waited for, until it is worth a request");
		next = span.end;
		spans++;
	}
	pthread_join(thread, NULL);
	ok(next == 100 && spans >= 4, "and nothing is left out");
	todo_begin(t, 100);
	pthread_create(&thread, NULL, decide, t);
	ok(todo_take(t, &span, UINT64_MAX, &err) == 1 && is_span(&span, 0, 100), "who takes all waits for all");
	pthread_join(thread, NULL);
	todo_free(&t);
}

static void test_wrong(void)
{
	struct todo *t = new_todo(10, 10);
	struct todo_span span;
	struct err err;

	todo_take(t, &span, 64, &err);
	for (unsigned tries = 1; tries < TODO_TRIES_MAX; tries++) {
		struct todo_span wrong = { .first = 4, .end = 5, .tries = tries, .from = 7 };

		err_set(&wrong.wrong, -EBADMSG, "bad");
		todo_wrong(t, &wrong);
		ok(todo_take(t, &span, 64, &err) == 1 && is_span(&span, 4, 5) && span.tries == tries && span.from == 7,
		   "a wrong chunk is handed out again, with what is known of it");
	}
	span.tries = TODO_TRIES_MAX;
	err_set(&span.wrong, -EBADMSG, "bad");
	todo_wrong(t, &span);
	is_int(todo_take(t, &span, 64, &err), -EBADMSG, "too often wrong: all has failed");
	ok(strcmp(err.text, "tried 3 times: image: chunk 4: bad") == 0, "and it says why: %s", err.text);
	struct err other;
	err_set(&other, -EIO, "another");
	todo_fail(t, &other);
	is_int(todo_failed(t, &err), -EBADMSG, "the first reason counts");
	is_int(todo_wait(t, &err), -EBADMSG, "for who waits, too");
	todo_free(&t);
}

static void test_many_given_back(void)
{
	struct todo *t = new_todo(1000, 1000);
	struct todo_span span;
	struct err err;
	uint64_t sum = 0;

	todo_take(t, &span, 1000, &err);
	for (uint64_t nr = 0; nr < 1000; nr += 2)
		todo_give_back(t, &(struct todo_span){ .first = nr, .end = nr + 1 });
	todo_give_back(t, &(struct todo_span){ .first = 999, .end = 1000 });
	while (todo_left(t) > 499 && todo_take(t, &span, 1, &err) > 0) {
		sum += span.end - span.first;
		todo_done(t, span.first, span.end);
	}
	is_int(sum, 501, "any number of spans is kept");
	todo_free(&t);
}

static void *stop_soon(void *ctx)
{
	(void)ctx;
	usleep(1000);
	atomic_store(&stop, true);
	return NULL;
}

static void test_stop(void)
{
	struct todo *t = new_todo(10, 0);
	struct todo_span span;
	struct err err;
	pthread_t thread;

	pthread_create(&thread, NULL, stop_soon, NULL);
	is_int(todo_take(t, &span, 4, &err), -ECANCELED, "a wait ends when it is stopped");
	pthread_join(thread, NULL);
	is_int(todo_failed(t, &err), -ECANCELED, "and all has failed");
	todo_free(&t);
}

int main(void)
{
	test_order();
	test_decided();
	test_wrong();
	test_many_given_back();
	test_stop();
	return done_testing();
}
