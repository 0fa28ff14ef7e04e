/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * jceks_stream.c - the one shape of Java object stream that a secret key has in a JCEKS file.
 *
 * Nothing says how long the stream is, so it has to be understood to get past it. It is matched,
 * not interpreted: no object is made of what a file asks for, which is how Java was attacked
 * through this format.
 */
#include "providers/keystores/jks_store.h"

struct stream {
	const uint8_t *p, *end;
	const char *problem; /* NULL: fine so far */
};

enum { TC_NULL = 0x70, TC_REFERENCE, TC_CLASSDESC, TC_OBJECT, TC_STRING, TC_ARRAY };

#define MATCH(s, text) match((s), text, sizeof(text) - 1)

/* The first problem is the one told; nothing is read after it. */
static bool fail(struct stream *s, const char *problem)
{
	if (s->problem == NULL) {
		s->problem = problem;
	}
	return false;
}

static bool has(struct stream *s, size_t n)
{
	return s->problem == NULL &&
	       (n <= (size_t)(s->end - s->p) || fail(s, "the secret key ends too early"));
}

static void match(struct stream *s, const void *text, size_t n)
{
	if (!has(s, n)) {
		return;
	}
	if (memcmp(s->p, text, n) != 0) {
		(void)fail(s, "not a secret key as SunJCE writes it");
		return;
	}
	s->p += n;
}

static size_t number(struct stream *s, size_t octets)
{
	size_t v = 0;

	if (!has(s, octets)) {
		return 0;
	}
	for (size_t i = 0; i < octets; i++) {
		v = v << 8 | *s->p++;
	}
	return v;
}

static struct bytes sized(struct stream *s, size_t octets)
{
	size_t n = number(s, octets);
	struct bytes v = { 0 };

	if (!has(s, n)) {
		return v;
	}
	v = bytes_of(s->p, n);
	s->p += n;
	return v;
}

/* Text in place, a reference to text before, or null: what it says does not matter. */
static struct bytes any_string(struct stream *s)
{
	struct bytes v = { 0 };
	size_t tag = number(s, 1);

	switch (tag) {
	case TC_STRING:
		return sized(s, 2);
	case TC_REFERENCE:
		(void)number(s, 4);
		return v;
	case TC_NULL:
		return v;
	default:
		(void)fail(s, "not a secret key as SunJCE writes it");
		return v;
	}
}

/* The type of a field: spelled out, or a reference to where it was. */
static void type_is(struct stream *s, struct bytes type)
{
	struct bytes v = any_string(s);

	if (v.p != NULL && !bytes_equal(v, type)) {
		(void)fail(s, "a secret key with fields of other types");
	}
}

/* byte[]; the class is described the first time and referred to the second. */
static struct bytes array(struct stream *s)
{
	MATCH(s, "\x75");
	if (s->problem == NULL && s->p < s->end && *s->p == TC_REFERENCE) {
		(void)number(s, 5);
	} else {
		MATCH(s, "\x72\0\2[B\xac\xf3\x17\xf8\x06\x08\x54\xe0\x02\0\0\x78\x70");
	}
	return sized(s, 4);
}

static const struct bytes octets_type = { .p = (const uint8_t *)"[B", .n = 2 };
static const struct bytes string_type = { .p = (const uint8_t *)"Ljava/lang/String;", .n = 18 };

#define SEALED_HEAD                                                                                \
	"\xac\xed\0\5\x73\x72\0\x33"                                                               \
	"com.sun.crypto.provider.SealedObjectForKeyProtector\xcd\x57\xca\x59\xe7\x30\xbb\x53"      \
	"\x02\0\0\x78\x72\0\x19javax.crypto.SealedObject\x3e\x36\x3d\xa6\xc3\xb7\x54\x70\x02\0\4"
#define FIELD_PARAMS                                                                               \
	"[\0\x0d"                                                                                  \
	"encodedParams"
#define FIELD_CONTENT                                                                              \
	"[\0\x10"                                                                                  \
	"encryptedContent"
#define FIELD_PARAMALG "L\0\x09paramsAlg"
#define FIELD_SEALALG  "L\0\x07sealAlg"
#define PBE_NAME       "PBEWithMD5AndTripleDES"

const char *jceks_sealed_parse(struct bytes in, struct jceks_sealed *ret)
{
	struct stream s = { .p = in.p, .end = in.p + in.n };
	struct jceks_sealed out;

	MATCH(&s, SEALED_HEAD);
	MATCH(&s, FIELD_PARAMS);
	type_is(&s, octets_type);
	MATCH(&s, FIELD_CONTENT);
	type_is(&s, octets_type);
	MATCH(&s, FIELD_PARAMALG);
	type_is(&s, string_type);
	MATCH(&s, FIELD_SEALALG);
	type_is(&s, string_type);
	MATCH(&s, "\x78\x70");
	out.params = array(&s);
	out.content = array(&s);
	(void)any_string(&s);
	(void)any_string(&s);
	out.used = (size_t)(s.p - in.p);
	if (s.problem == NULL) {
		*ret = out;
	}
	return s.problem;
}

static void add_array(bool first, struct bytes v, struct buf *out)
{
	static const uint8_t described[] = "\x75\x72\0\2[B\xac\xf3\x17\xf8\x06\x08\x54\xe0"
					   "\x02\0\0\x78\x70";
	static const uint8_t referred[] = "\x75\x71\0\x7e\0\5";

	if (first) {
		buf_add(out, described, sizeof(described) - 1);
	} else {
		buf_add(out, referred, sizeof(referred) - 1);
	}
	buf_add_u32be(out, (uint32_t)v.n);
	buf_add_bytes(out, v);
}

static void add_string(struct bytes text, struct buf *out)
{
	buf_add_byte(out, TC_STRING);
	buf_add_u16be(out, (uint16_t)text.n);
	buf_add_bytes(out, text);
}

void jceks_sealed_write(struct bytes params, struct bytes content, struct buf *out)
{
	static const uint8_t head[] =
		SEALED_HEAD FIELD_PARAMS "\x74\0\2[B" FIELD_CONTENT "\x71\0\x7e\0\2" FIELD_PARAMALG
					 "\x74\0\x12Ljava/lang/String;" //
		FIELD_SEALALG "\x71\0\x7e\0\3\x78\x70";

	buf_add(out, head, sizeof(head) - 1);
	add_array(/* first= */ true, params, out);
	add_array(/* first= */ false, content, out);
	add_string(bytes_of_str(PBE_NAME), out);
	add_string(bytes_of_str(PBE_NAME), out);
}

#define SPEC_HEAD                                                                                  \
	"\xac\xed\0\5\x73\x72\0\x1fjavax.crypto.spec.SecretKeySpec"                                \
	"\x5b\x47\x0b\x66\xe2\x30\x61\x4d\x02\0\2"
#define KEYREP_HEAD                                                                                \
	"\xac\xed\0\5\x73\x72\0\x14java.security.KeyRep"                                           \
	"\xbd\xf9\x4f\xb3\x88\x9a\xa5\x43\x02\0\4"
#define FIELD_ALGORITHM                                                                            \
	"L\0\x09"                                                                                  \
	"algorithm"

static bool parse_spec(struct bytes in, struct bytes *ret_algorithm, struct bytes *ret_key)
{
	struct stream s = { .p = in.p, .end = in.p + in.n };

	MATCH(&s, SPEC_HEAD);
	MATCH(&s, FIELD_ALGORITHM);
	type_is(&s, string_type);
	MATCH(&s, "[\0\3key");
	type_is(&s, octets_type);
	MATCH(&s, "\x78\x70");
	*ret_algorithm = any_string(&s);
	*ret_key = array(&s);
	return s.problem == NULL;
}

/* What DES keys and those of SecretKeyFactory turn into on the way to a stream. */
static bool parse_keyrep(struct bytes in, struct bytes *ret_algorithm, struct bytes *ret_key)
{
	struct stream s = { .p = in.p, .end = in.p + in.n };

	MATCH(&s, KEYREP_HEAD);
	MATCH(&s, FIELD_ALGORITHM);
	type_is(&s, string_type);
	MATCH(&s, "[\0\7encoded");
	type_is(&s, octets_type);
	MATCH(&s, "L\0\6format");
	type_is(&s, string_type);
	MATCH(&s, "L\0\4type");
	(void)any_string(&s);
	MATCH(&s, "\x78\x70");
	*ret_algorithm = any_string(&s);
	*ret_key = array(&s);
	MATCH(&s, "\x74\0\3RAW");
	return s.problem == NULL;
}

bool jceks_inner_parse(struct bytes in, struct bytes *ret_algorithm, struct bytes *ret_key)
{
	struct bytes algorithm;
	struct bytes key;

	if ((!parse_spec(in, &algorithm, &key) && !parse_keyrep(in, &algorithm, &key)) ||
	    algorithm.n == 0) {
		return false;
	}
	*ret_algorithm = algorithm;
	*ret_key = key;
	return true;
}

void jceks_inner_write(struct bytes algorithm, struct bytes key, struct buf *out)
{
	static const uint8_t head[] =
		SPEC_HEAD FIELD_ALGORITHM "\x74\0\x12Ljava/lang/String;[\0\3key\x74\0\2[B\x78\x70";

	buf_add(out, head, sizeof(head) - 1);
	add_string(algorithm, out);
	add_array(/* first= */ true, key, out);
}
