/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * store_token: the bearer tokens of operators on the network, part of the store (store.h). A token is 256 random bits; only
 * its SHA-256 is kept, so that whoever reads the database cannot use it. None has to be slow to guess, so no salt is needed.
 */
#ifndef VMCAST_STORE_TOKEN_H
#define VMCAST_STORE_TOKEN_H

#include "err.h"

#include <stddef.h>
#include <stdint.h>

#define STORE_TOKEN_CHARS      72 /* "vmcast_", 64 hex digits and NUL */
#define STORE_TOKEN_NAME_CHARS 32
#define STORE_TOKENS_MAX       256 /* all are compared with each one that is shown */

/* What an operator may do; each includes those before it. In the database as these numbers. */
enum role {
	ROLE_VIEW,    /* look at everything */
	ROLE_OPERATE, /* change what machines do */
	ROLE_ADMIN,   /* decide who is trusted: feeds, tokens */
};

/* "view", "operate", "admin", NULL */
extern const char *const role_names[];

struct store_token {
	char name[STORE_TOKEN_NAME_CHARS];
	enum role role;
	int64_t created_at; /* s since 1970 */
	int64_t expires_at; /* 0: never */
};

struct store_token_list {
	struct store_token *rows;
	size_t count;
};

struct store;

/* Make a token. -EEXIST: the name is taken. -ENOSPC: there are STORE_TOKENS_MAX. */
int store_token_new(struct store *s, const char *name, enum role role, int64_t expires_at,
		    char token[static STORE_TOKEN_CHARS], struct err *err);

/* By their names, expired ones too. */
int store_token_list(struct store *s, struct store_token_list *out, struct err *err);
void store_token_list_free(struct store_token_list *list);

/* From now on it is wrong. -ENOENT: there is none of this name. */
int store_token_revoke(struct store *s, const char *name, struct err *err);

/* Whose token this is. -EACCES: nobody's (any more). -EKEYEXPIRED: `out` says whose it was. Takes as long whichever it is. */
int store_token_find(struct store_token *out, struct store *s, const char *token, struct err *err);

#endif
