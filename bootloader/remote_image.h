/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * remote_image: IMAGE.zst on web servers as a source of chunks.
 *
 * A few connections, each in a thread of its own, take spans of chunks and fetch their frames, many with one GET; neither
 * zeros nor what is on the disk already are fetched where they are many. Whatever breaks a connection, what it has not
 * handed over is some connection's next span. The same file may lie on several servers: they share the work; one
 * that fails gets less of it, one that sent wrong bytes is the last to be asked again. A server that knows no ranges sends
 * all of the file to one connection.
 */
#ifndef VMCAST_REMOTE_IMAGE_H
#define VMCAST_REMOTE_IMAGE_H

#include "chunk.h"
#include "service.h"

struct remote_image;

/* `index`, `image` and `service` are borrowed until remote_image_close. */
int remote_image_open(struct remote_image **out, struct index *index, const struct plan_image *image,
		      const struct service *service, struct err *err);
void remote_image_close(struct remote_image **r);

/* Bytes of all frames: what there is to fetch. */
uint64_t remote_image_bytes(const struct remote_image *r);

struct chunk_source remote_image_source(struct remote_image *r);

#endif
