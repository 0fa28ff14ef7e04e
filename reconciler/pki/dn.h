/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * dn.h - distinguished names: DER to RFC 4514 text, and back with the order kept.
 *
 * Reading is lenient (a damaged or foreign name becomes text, never an error); writing keeps the
 * string types and upper bounds of RFC 5280 appendix A.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "reconciler/base/buf.h"
#include "reconciler/base/bytes.h"
#include "reconciler/base/err.h"
#include "reconciler/pki/der.h"
#include "reconciler/pki/spec.h"

struct dn_attr {
	size_t rdn;       /* index of its RDN in encoding order */
	struct bytes oid; /* contents octets */
	int tag;          /* of the value */
	struct bytes value, whole;
};
struct dn_iter {
	struct der rdns, avas;
	size_t rdn; /* RDNs entered so far */
	struct dn_attr attr;
};
/* Walk a Name in encoding order; `dn` includes the outer header. Stops at the first damage. */
struct dn_iter dn_iter_of(struct bytes dn);
bool dn_next(struct dn_iter *it);

/* RFC 4514 text, appended. Octets that are no text appear as \XX, so it is always UTF-8. */
void dn_text(struct bytes dn, struct buf *out);
/* One value as UTF-8; NUL, control and undecodable octets as \XX. */
void dn_value_text(const struct dn_attr *attr, struct buf *out);
bool dn_empty(struct bytes dn);
/* Same attributes with the same text in the same order, whatever their string types. */
bool dn_same(struct bytes a, struct bytes b);

/* The Name of a subject; prepended to the writer. ERR_INVALID names the attribute. */
enum err_code dn_put(struct der_writer *w, const struct subject *s, struct err *err);
/* As dn_put, from RFC 4514 text alone. */
enum err_code dn_put_text(struct der_writer *w, const char *text, struct err *err);
bool subject_is_empty(const struct subject *s);

/* Decide the value's string type by attribute and prepend the AttributeTypeAndValue. */
enum err_code dn_put_attr(struct der_writer *w, const char *oid, struct bytes value,
                          struct err *err);
/* Dotted OID of "CN", "o", "2.5.4.3" ...; NULL: unknown. Borrowed or `s` itself. */
const char *dn_attr_oid(const char *s);
/* The OID's short name, or NULL. */
const char *dn_attr_name(struct bytes oid);
