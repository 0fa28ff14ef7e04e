/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * zip_file.c - what libzip and libarchive would bring is mostly what must be refused here.
 *
 * zlib inflates and checks; it is in the process anyhow. Written members are stored, not deflated:
 * the same bytes whatever the version of zlib, so that an upgrade of it is no difference.
 */
#include "providers/keystores/zip_file.h"

#include <zlib.h>

#include "reconciler/base/str.h"

#define END_N        22u
#define DIRECTORY_N  46u
#define LOCAL_N      30u
#define COMMENT_MAX  65535u
#define NAME_MAX_N   255u
#define SIZE_UNKNOWN 0xffffffffu /* it is in a ZIP64 field */
#define ENCRYPTED    0x2041u     /* bits 0, 6 and 13 */
#define DESCRIPTOR   0x0008u
#define UTF8_NAMES   0x0800u
#define STORED       0u
#define DEFLATED     8u
#define FIRST_DAY    0x0021u /* 1980-01-01 */
#define MADE_BY_UNIX 0x0314u /* version 2.0 */
#define MODE_0600    0x81800000u

static const char local_magic[] = "PK\3\4";
static const char directory_magic[] = "PK\1\2";
static const char end_magic[] = "PK\5\6";

static uint16_t u16(const uint8_t *p)
{
	return (uint16_t)(p[0] | p[1] << 8);
}

static uint32_t u32(const uint8_t *p)
{
	return (uint32_t)u16(p) | (uint32_t)u16(p + 2) << 16;
}

static bool is(const uint8_t *p, const char *magic)
{
	return memcmp(p, magic, 4) == 0;
}

static enum err_code damaged(const char *what, struct err *err)
{
	return err_set(err, ERR_INVALID, "ZIP file: %s", what);
}

bool zip_looks_like(struct bytes file)
{
	return file.n >= END_N && (is(file.p, local_magic) || is(file.p, end_magic));
}

bool zip_first_name(struct bytes file, char *ret, size_t size)
{
	size_t n = file.n < LOCAL_N ? 0 : (size_t)file.p[26] | (size_t)file.p[27] << 8;

	if (n == 0 || n >= size || n > file.n - LOCAL_N || !is(file.p, local_magic) ||
	    !zip_name_is_plain((const char *)file.p + LOCAL_N, n)) {
		return false;
	}
	memcpy(ret, file.p + LOCAL_N, n);
	ret[n] = '\0';
	return true;
}

bool zip_name_is_plain(const char *name, size_t n)
{
	if (n == 0 || n > NAME_MAX_N || !str_is_utf8(name, n) || name[0] == '.') {
		return false;
	}
	for (size_t i = 0; i < n; i++) {
		unsigned char c = (unsigned char)name[i];

		if (c < 0x20 || c == 0x7f || strchr("/\\:*?\"<>|", c) != NULL) {
			return false;
		}
	}
	return true;
}

/* The end record, behind which there is its comment and nothing else. */
static const uint8_t *find_end(struct bytes in)
{
	size_t most = in.n < END_N + COMMENT_MAX ? in.n : END_N + COMMENT_MAX;

	for (size_t back = END_N; back <= most; back++) {
		const uint8_t *p = in.p + in.n - back;

		if (is(p, end_magic) && u16(p + 20) == back - END_N) {
			return p;
		}
	}
	return NULL;
}

static bool is_twice(const struct zip_file *zip, const char *name)
{
	for (size_t i = 0; i < zip->n; i++) {
		if (str_casecmp_ascii(zip->members[i].name, name) == 0) {
			return true;
		}
	}
	return false;
}

static enum err_code take_name(const struct zip_file *zip, struct arena *arena, struct bytes raw,
                               struct zip_member *m, struct err *err)
{
	const char *text = (const char *)raw.p;

	if (!zip_name_is_plain(text, raw.n)) {
		struct buf shown;

		buf_init(&shown, 128);
		str_escape_terminal(&shown, text, raw.n < 60 ? raw.n : 60);
		enum err_code rc = err_set(err, ERR_INVALID,
		                           "ZIP file: a member called '%s'; plain names at the top "
		                           "level are accepted",
		                           buf_str(&shown));
		buf_release(&shown);
		return rc;
	}
	m->name = arena_strn(arena, text, raw.n);
	if (m->name == NULL) {
		return err_nomem(err);
	}
	return is_twice(zip, m->name)
	               ? err_set(err, ERR_INVALID, "ZIP file: two members called '%s'", m->name)
	               : ERR_OK;
}

/* The local header repeats the directory; programs differ in which of the two they believe. */
static enum err_code take_contents(struct bytes in, size_t offset, size_t packed, struct bytes name,
                                   struct zip_member *m, struct err *err)
{
	if (offset > in.n || in.n - offset < LOCAL_N || !is(in.p + offset, local_magic)) {
		return damaged("a member without its header", err);
	}
	const uint8_t *p = in.p + offset;
	size_t name_n = u16(p + 26);
	size_t head = LOCAL_N + name_n + u16(p + 28);
	if (in.n - offset < head || in.n - offset - head < packed ||
	    !bytes_equal(bytes_of(p + LOCAL_N, name_n), name) || u16(p + 8) != m->method) {
		return damaged("a member's header and the directory disagree", err);
	}
	m->packed = bytes_of(p + head, packed);
	return ERR_OK;
}

static enum err_code check_method(const struct zip_member *m, size_t packed, struct err *err)
{
	if ((m->flags & ENCRYPTED) != 0) {
		return err_set(err, ERR_INVALID, "ZIP file: '%s' is encrypted", m->name);
	}
	if (m->method != STORED && m->method != DEFLATED) {
		return err_set(
			err, ERR_INVALID,
			"ZIP file: '%s' is packed by method %u; stored and deflated are read",
			m->name, m->method);
	}
	if (packed == SIZE_UNKNOWN || m->unpacked == SIZE_UNKNOWN) {
		return damaged("ZIP64 is not read", err);
	}
	return m->method == STORED && packed != m->unpacked
	               ? damaged("a stored member of two lengths", err)
	               : ERR_OK;
}

/* One entry of the directory; *at moves behind it. */
static enum err_code read_member(struct bytes in, size_t *at, size_t end, struct arena *arena,
                                 struct zip_file *zip, struct err *err)
{
	const uint8_t *p = in.p + *at;

	if (end - *at < DIRECTORY_N || !is(p, directory_magic)) {
		return damaged("the directory is damaged", err);
	}
	struct bytes name = bytes_of(p + DIRECTORY_N, u16(p + 28));
	size_t whole = DIRECTORY_N + name.n + u16(p + 30) + u16(p + 32);
	if (end - *at < whole) {
		return damaged("the directory is cut short", err);
	}
	struct zip_member m = { .flags = u16(p + 8),
		                .method = u16(p + 10),
		                .time = u16(p + 12),
		                .date = u16(p + 14),
		                .crc = u32(p + 16),
		                .unpacked = u32(p + 24) };
	enum err_code rc = take_name(zip, arena, name, &m, err);
	if (rc == ERR_OK) {
		rc = check_method(&m, u32(p + 20), err);
	}
	if (rc == ERR_OK) {
		rc = take_contents(in, u32(p + 42), u32(p + 20), name, &m, err);
	}
	if (rc == ERR_OK) {
		zip->members[zip->n++] = m;
		*at += whole;
	}
	return rc;
}

enum err_code zip_parse(struct bytes in, struct arena *arena, struct zip_file *ret, struct err *err)
{
	struct zip_file zip = { .n = 0 };
	const uint8_t *end = in.n < END_N ? NULL : find_end(in);

	/* A program in front that unpacks it would be lost with the first edit. */
	if (in.n >= END_N && !zip_looks_like(in)) {
		return damaged("it does not begin with a member", err);
	}
	if (end == NULL) {
		return damaged("there is no directory at its end", err);
	}
	size_t n = u16(end + 10);
	size_t at = u32(end + 16);
	size_t size = u32(end + 12);
	size_t end_at = (size_t)(end - in.p);
	if (u16(end + 4) != 0 || u16(end + 6) != 0 || u16(end + 8) != n || at > end_at ||
	    size != end_at - at) {
		return damaged("its directory is not where the end says", err);
	}
	if (n > ZIP_MEMBERS_MAX) {
		return damaged("more than 64 members", err);
	}
	zip.members = ARENA_ARRAY(arena, struct zip_member, n + 1);
	if (zip.members == NULL) {
		return err_nomem(err);
	}
	for (size_t i = 0; i < n; i++) {
		enum err_code rc = read_member(in, &at, end_at, arena, &zip, err);
		if (rc != ERR_OK) {
			return rc;
		}
	}
	*ret = zip;
	return at == end_at ? ERR_OK : damaged("the directory has more entries than it says", err);
}

static bool inflate_all(const struct zip_member *m, void *to)
{
	z_stream z = { .next_in = (Bytef *)(uintptr_t)m->packed.p,
		       .avail_in = (uInt)m->packed.n,
		       .next_out = to,
		       .avail_out = (uInt)m->unpacked };

	if (inflateInit2(&z, -MAX_WBITS) != Z_OK) {
		return false;
	}
	int rc = inflate(&z, Z_FINISH);
	bool whole = rc == Z_STREAM_END && z.avail_out == 0 && z.avail_in == 0;
	(void)inflateEnd(&z);
	return whole;
}

enum err_code zip_unpack(const struct zip_member *m, struct buf *out, struct err *err)
{
	if (m->unpacked > ZIP_UNPACKED_MAX) {
		return err_set(err, ERR_INVALID, "ZIP file: '%s' holds more than 1 MiB", m->name);
	}
	uint8_t *room = buf_room(out, m->unpacked + 1);
	if (room == NULL) {
		return err_nomem(err);
	}
	bool whole = true;
	if (m->method == DEFLATED) {
		whole = inflate_all(m, room);
	} else if (m->unpacked != 0) {
		memcpy(room, m->packed.p, m->unpacked);
	}
	if (!whole || crc32(crc32(0, NULL, 0), room, (uInt)m->unpacked) != m->crc) {
		return err_set(err, ERR_INVALID, "ZIP file: '%s' is damaged", m->name);
	}
	buf_grew(out, m->unpacked);
	return ERR_OK;
}

struct zip_member zip_stored(const char *name, struct bytes data)
{
	return (struct zip_member){ .name = name,
		                    .date = FIRST_DAY,
		                    .crc = (uint32_t)crc32(crc32(0, NULL, 0), data.p, (uInt)data.n),
		                    .unpacked = data.n,
		                    .packed = data };
}

static void add_u16(struct buf *out, unsigned v)
{
	buf_add_byte(out, (uint8_t)v);
	buf_add_byte(out, (uint8_t)(v >> 8));
}

static void add_u32(struct buf *out, size_t v)
{
	add_u16(out, (unsigned)(v & 0xffff));
	add_u16(out, (unsigned)(v >> 16 & 0xffff));
}

/* What local header and directory have in common: from "version needed" to the lengths. */
static void add_facts(const struct zip_member *m, struct buf *out)
{
	unsigned flags = m->flags & ~DESCRIPTOR;

	for (const char *c = m->name; *c != '\0'; c++) {
		flags |= (unsigned char)*c >= 0x80 ? UTF8_NAMES : 0u;
	}
	add_u16(out, m->method == STORED ? 10 : 20);
	add_u16(out, flags);
	add_u16(out, m->method);
	add_u16(out, m->time);
	add_u16(out, m->date);
	add_u32(out, m->crc);
	add_u32(out, m->packed.n);
	add_u32(out, m->unpacked);
	add_u16(out, (unsigned)strlen(m->name));
	add_u16(out, 0);
}

static void add_directory_entry(const struct zip_member *m, size_t offset, struct buf *out)
{
	buf_add(out, directory_magic, 4);
	add_u16(out, MADE_BY_UNIX);
	add_facts(m, out);
	add_u16(out, 0); /* comment */
	add_u16(out, 0); /* disk */
	add_u16(out, 0);
	add_u32(out, MODE_0600);
	add_u32(out, offset);
	buf_add_str(out, m->name);
}

enum err_code zip_compose(const struct zip_member *members, size_t n, struct buf *out,
                          struct err *err)
{
	size_t offsets[ZIP_MEMBERS_MAX];

	if (n > ZIP_MEMBERS_MAX) {
		return damaged("more than 64 members", err);
	}
	for (size_t i = 0; i < n; i++) {
		offsets[i] = out->len;
		buf_add(out, local_magic, 4);
		add_facts(&members[i], out);
		buf_add_str(out, members[i].name);
		buf_add_bytes(out, members[i].packed);
	}
	size_t directory = out->len;
	for (size_t i = 0; i < n; i++) {
		add_directory_entry(&members[i], offsets[i], out);
	}
	size_t end = out->len;
	buf_add(out, end_magic, 4);
	add_u32(out, 0); /* disks */
	add_u16(out, (unsigned)n);
	add_u16(out, (unsigned)n);
	add_u32(out, end - directory);
	add_u32(out, directory);
	add_u16(out, 0);
	return buf_check(out, "the ZIP file", err);
}
