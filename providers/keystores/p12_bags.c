/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * p12_bags.c - SafeContents to bags.
 *
 * What is not understood is kept as it is: a bag of unknown type is an opaque entry, not an error.
 */
#include "providers/keystores/kstext.h"
#include "providers/keystores/p12_store.h"
#include "reconciler/base/str.h"

static enum err_code damaged(struct err *err, const char *what)
{
	return err_set(err, ERR_INVALID, "PKCS#12 store: %s", what);
}

static enum err_code read_name(struct p12 *p12, struct p12_bag *bag, struct der *values,
                               struct err *err)
{
	CLEANUP(buf_release) struct buf text = { 0 };
	struct bytes content;
	int tag;
	bool exact = true;

	if (!der_get_any(values, &tag, &content, /* ret_whole= */ NULL)) {
		return ERR_OK; /* an empty SET is seen in the wild */
	}
	buf_init(&text, KEYSTORE_FILE_LIMIT);
	if (tag == DER_BMP) {
		exact = utf8_from_utf16be(content, &text);
	} else if (tag == DER_UTF8 && content.n != 0 &&
	           str_is_utf8((const char *)content.p, content.n)) {
		buf_add_bytes(&text, content);
	}
	bag->alias = arena_str(&p12->arena, buf_str(&text));
	bag->folded = bag->alias == NULL ? NULL : ks_fold(&p12->arena, bag->alias);
	if (bag->folded == NULL || buf_failed(&text)) {
		return err_nomem(err);
	}
	bag->warnings |= exact ? 0u : (unsigned)KS_WARN_UNREACHABLE_ALIAS;
	return ERR_OK;
}

static enum err_code read_attributes(struct p12 *p12, struct p12_bag *bag, struct bytes set,
                                     struct err *err)
{
	struct der list = der_of(set);
	struct der attr;
	struct der values;
	struct bytes oid;

	while (!der_at_end(&list)) {
		if (!der_enter(&list, DER_SEQUENCE, &attr) || !der_get(&attr, DER_OID, &oid) ||
		    !der_enter(&attr, DER_SET, &values)) {
			return damaged(err, "an attribute is damaged");
		}
		if (der_oid_is(oid, P12_OID_NAME)) {
			enum err_code rc = read_name(p12, bag, &values, err);
			if (rc != ERR_OK) {
				return rc;
			}
		} else if (der_oid_is(oid, P12_OID_KEY_ID)) {
			(void)der_get(&values, DER_OCTET_STRING, &bag->key_id);
		} else if (der_oid_is(oid, P12_OID_TRUSTED)) {
			bag->trusted = true;
		}
	}
	return ERR_OK;
}

static void read_certificate(struct p12_bag *bag, struct der value)
{
	struct der cert_bag;
	struct der wrapped;
	struct bytes oid;
	struct bytes der;

	if (!der_enter(&value, DER_SEQUENCE, &cert_bag) || !der_get(&cert_bag, DER_OID, &oid) ||
	    !der_oid_is(oid, P12_OID_X509) ||
	    !der_enter(&cert_bag, DER_CONTEXT_CONSTRUCTED(0), &wrapped) ||
	    !der_get(&wrapped, DER_OCTET_STRING, &der)) {
		return; /* an SDSI certificate, or rubbish: opaque */
	}
	bag->type = P12_CERT;
	if (!ks_cert_read(der, &bag->cert)) {
		bag->warnings |= KS_WARN_BAD_CERTIFICATE;
	}
}

static void read_secret(struct p12_bag *bag, struct der value)
{
	struct der secret;
	struct der wrapped;

	if (der_enter(&value, DER_SEQUENCE, &secret) &&
	    der_get(&secret, DER_OID, &bag->inner_oid) &&
	    der_enter(&secret, DER_CONTEXT_CONSTRUCTED(0), &wrapped) &&
	    der_get(&wrapped, DER_OCTET_STRING, &bag->payload)) {
		bag->type = P12_SECRET;
	}
}

static void read_value(struct p12_bag *bag, struct bytes oid, struct bytes value)
{
	bag->type = P12_OTHER;
	if (der_oid_is(oid, P12_OID_SHROUDED)) {
		bag->type = P12_SHROUDED;
		bag->payload = value;
	} else if (der_oid_is(oid, P12_OID_KEY)) {
		bag->type = P12_KEY;
		bag->payload = value;
		bag->warnings |= KS_WARN_WEAK;
	} else if (der_oid_is(oid, P12_OID_CERT)) {
		read_certificate(bag, der_of(value));
	} else if (der_oid_is(oid, P12_OID_SECRET)) {
		read_secret(bag, der_of(value));
	}
}

static enum err_code read_bag(struct p12 *p12, struct p12_bag *bag, struct bytes content,
                              struct err *err)
{
	struct der d = der_of(content);
	struct bytes oid;
	struct bytes value;
	struct bytes set;

	if (!der_get(&d, DER_OID, &oid) || !der_get(&d, DER_CONTEXT_CONSTRUCTED(0), &value)) {
		return damaged(err, "a bag is damaged");
	}
	read_value(bag, oid, value);
	if (der_at_end(&d)) {
		return ERR_OK;
	}
	struct der before = d;
	if (!der_get(&d, DER_SET, &set) ||
	    !der_get_any(&before, /* ret_tag= */ NULL, /* ret_content= */ NULL, &bag->attrs)) {
		return damaged(err, "the attributes of a bag are damaged");
	}
	return read_attributes(p12, bag, set, err);
}

static size_t count(struct der list)
{
	size_t n = 0;

	while (n < KS_ENTRIES_MAX &&
	       der_get_any(&list, /* ret_tag= */ NULL, /* ret_content= */ NULL,
	                   /* ret_whole= */ NULL)) {
		n++;
	}
	return n;
}

enum err_code p12_bags_read(struct p12 *p12, struct p12_safe *safe, struct bytes contents,
                            struct err *err)
{
	struct der d = der_of(contents);
	struct der list;

	if (!der_enter(&d, DER_SEQUENCE, &list)) {
		return damaged(err, "the contents of a safe are damaged");
	}
	if (safe->bags == NULL && !p12_bags_reserve(safe, count(list))) {
		return err_nomem(err);
	}
	while (!der_at_end(&list)) {
		struct bytes content;
		struct bytes whole;
		int tag;

		if (!der_get_any(&list, &tag, &content, &whole) || tag != DER_SEQUENCE) {
			return damaged(err, "a bag is damaged");
		}
		if (++p12->n_bags > KS_ENTRIES_MAX) {
			return damaged(err, "more than 100,000 entries");
		}
		struct p12_bag *bag = p12_bag_insert(safe, safe->n);
		if (bag == NULL) {
			return err_nomem(err);
		}
		bag->raw = whole;
		enum err_code rc = read_bag(p12, bag, content, err);
		if (rc != ERR_OK) {
			return rc;
		}
	}
	return ERR_OK;
}
