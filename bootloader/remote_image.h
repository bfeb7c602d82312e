/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * remote_image: IMAGE.zst on a web server as a source of chunks.
 *
 * One GET streams the frames of a page of the index, but for zeros where they are many. Whatever breaks it, the next GET
 * begins at the first chunk that is not in its place: nothing that was verified in order is fetched again. A body that
 * ends early is an error even where HTTP would call it complete, since it is measured by the index.
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
