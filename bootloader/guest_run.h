/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * guest_run: one guest of the node: its QEMU process, what that says over QMP (QEMU's docs/interop/qmp-spec), its serial console,
 * and what becomes of it. guest_node.c runs all of them and calls what is here when something is to be read, or time is over.
 */
#ifndef VMCAST_GUEST_RUN_H
#define VMCAST_GUEST_RUN_H

#include "backoff.h"
#include "guest_store.h"

#include <sys/types.h>

enum guest_state { GUEST_DEFINED, GUEST_RUNNING, GUEST_STOPPED, GUEST_FAILED };

/* "defined" ...: the service's spelling. */
const char *guest_state_name(enum guest_state state);

/* What the guest's console said and the service does not have yet; what is older is lost. */
#define GUEST_CONSOLE_BYTES (64u << 10)

/* As an error's. */
#define GUEST_TEXT      768
#define GUEST_COMPLAINT 512
#define GUEST_LINE      512

struct guest {
	struct guest_record record;
	unsigned slot; /* of the node; also of its user */
	enum guest_state state;
	char text[GUEST_TEXT]; /* why it is in that state; empty: nothing to say */
	bool is_wanted;        /* to run */
	bool is_kvm;

	pid_t pid;     /* 0: no process */
	int qmp_fd;    /* -1 without a process, as are the others */
	int serial_fd; /* the guest's console */
	int stderr_fd; /* what QEMU complains of */
	bool is_told;  /* it has been asked to power off */
	bool has_paniced;
	bool kvm_failed;   /* under this guest: it runs without from then on */
	uint64_t kill_ms;  /* when it is ended for good; 0: not */
	uint64_t start_ms; /* when it is started again; 0: not */
	uint64_t began_ms; /* when it was started last */
	struct backoff backoff;

	char qmp[4096]; /* a message that is not all there */
	size_t qmp_len;
	char line[GUEST_LINE]; /* of the console, for the node's own */
	size_t line_len;
	uint64_t line_ms;                /* when a line that has no end is shown all the same: it may be a prompt */
	char escape;                     /* in a control sequence of a terminal: what it began with; 0: not */
	char complaint[GUEST_COMPLAINT]; /* QEMU's last line */
	char *console;                   /* GUEST_CONSOLE_BYTES */
	size_t console_len;
	uint64_t console_end; /* of all that it ever said */
};

/* What all guests of the node have in common. Borrowed. */
struct guest_host {
	const char *card; /* that its guests' cards are on; empty: they have none */
	const char *mac;  /* of the node */
	bool has_kvm;     /* and it works */
};

/* A guest that does not run yet. Caller frees with guest_done. */
int guest_init(struct guest *guest, const struct guest_record *record, unsigned slot, struct err *err);
void guest_done(struct guest *guest);

/* Start it; what fails is its state, too. */
int guest_start(struct guest *guest, const struct guest_host *host, struct err *err);

/* Ask it to power off, as by its power button; after a grace it is ended. */
void guest_stop(struct guest *guest, uint64_t now_ms);

/* Something can be read from the descriptor. */
void guest_on_qmp(struct guest *guest);
void guest_on_serial(struct guest *guest);
void guest_on_stderr(struct guest *guest);

/* Its process has ended with this status of waitpid(2): its state, and whether and when it is started again. */
void guest_on_exit(struct guest *guest, int status, uint64_t now_ms);

/* What is due by now is done. Returns when to call again, in milliseconds from now; -1: nothing is due. */
int64_t guest_on_time(struct guest *guest, const struct guest_host *host, uint64_t now_ms);

/* Keys for its console. */
void guest_type(struct guest *guest, const char *text, size_t len);

#endif
