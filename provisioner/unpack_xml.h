/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * unpack_xml: a machine's description in XML -> a tree, and looking things up in it. What is hostile about XML ends here:
 * no DTD, no entities, no network, and bounds on depth and on the number of elements, attributes and names.
 * UTF-16 is known by its byte order mark; texts in the tree are UTF-8.
 *
 * Names are compared without their namespace prefix: each kind of description has one root element and namespace of its
 * own, and publishers of old ones left namespaces out.
 */
#ifndef VMCAST_UNPACK_XML_H
#define VMCAST_UNPACK_XML_H

#include "err.h"

#include <libxml/tree.h>
#include <stddef.h>
#include <stdint.h>

/* XenServer's ova.xml is the longest: some 100 KiB per disk and network. */
#define UNPACK_XML_BYTES_MAX (4u << 20)

/* `what` names the file in errors. Caller frees with unpack_xml_free. -EBADMSG not well-formed; -ENOTSUP has a DTD; -EFBIG. */
int unpack_xml_parse(xmlDoc **out, const char *what, const char *text, size_t len, struct err *err);
void unpack_xml_free(xmlDoc **doc);

/* The name of a document's outermost element if it begins with one, without parsing the rest; "" otherwise. */
void unpack_xml_root(char *out, size_t room, const char *text, size_t len);

/* The root if it is called so, else NULL. */
xmlNode *unpack_xml_top(xmlDoc *doc, const char *name);

/* The first child element of that name (NULL: any), and the next one after it; NULL where there is none, or no parent. */
xmlNode *unpack_xml_child(const xmlNode *parent, const char *name);
xmlNode *unpack_xml_next(const xmlNode *node, const char *name);

/* The next descendant of `top` in document order after `at` (NULL: the first); NULL name: any. */
xmlNode *unpack_xml_find(xmlNode *top, xmlNode *at, const char *name);

/* The text in an element, or of an attribute, without the white space around it; NULL where there is none, where it is
 * empty, longer than VM_TEXT_MAX (see unpack_xml_check), or no memory. Caller frees. */
char *unpack_xml_text(const xmlNode *node);
char *unpack_xml_attr(const xmlNode *node, const char *name);
char *unpack_xml_child_text(const xmlNode *parent, const char *name);

/*
 * For the end of a document's reader: what it returns in place of `rc`, whose reason is in `*err`. -EFBIG that names the
 * element or attribute if a text that was asked for was too long, since what follows from its lack is no reason; else `rc`.
 */
int unpack_xml_check(const xmlDoc *doc, int rc, const char *what, struct err *err);

/* The line that it begins in, from 1; 0: NULL. */
uint64_t unpack_xml_line(const xmlNode *node);

/* A whole number in decimal, nothing around it. 0, or -EBADMSG that names `what` and the text. NULL text: `*out` stays. */
int unpack_xml_u64(uint64_t *out, const char *what, const char *text, uint64_t max, struct err *err);

#endif
