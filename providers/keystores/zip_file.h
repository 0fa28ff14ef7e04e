/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * zip_file.h - the ZIP container (PKWARE's APPNOTE), as much of it as a handful of small files
 * needs: one disk, no ZIP64, stored or deflated, all members at the top level.
 */
#pragma once

#include <stdbool.h>

#include "providers/keystore.h"
#include "reconciler/base/arena.h"

#define ZIP_MEMBERS_MAX  64u
#define ZIP_UNPACKED_MAX ((size_t)1 << 20) /* of one member */

struct zip_member {
	const char *name;
	uint16_t flags, method, time, date;
	uint32_t crc;
	size_t unpacked; /* as the directory says */
	struct bytes packed;
};

struct zip_file {
	struct zip_member *members; /* in the order of the directory */
	size_t n;
};

bool zip_looks_like(struct bytes file);
/* What its first member is called, also where the rest is damaged. */
bool zip_first_name(struct bytes file, char *ret, size_t size);
/* Names are copied to the arena, contents borrowed from `in`. ERR_INVALID: damaged, encrypted, a
 * name that leads elsewhere or is there twice. */
enum err_code zip_parse(struct bytes in, struct arena *arena, struct zip_file *ret,
                        struct err *err);
/* Its contents, appended; length and checksum are those of the directory, or ERR_INVALID. */
enum err_code zip_unpack(const struct zip_member *m, struct buf *out, struct err *err);
/* A member that holds `data` as it is (borrowed), dated 1980. */
struct zip_member zip_stored(const char *name, struct bytes data);
/* Local headers, contents and directory. */
enum err_code zip_compose(const struct zip_member *members, size_t n, struct buf *out,
                          struct err *err);
/* May a member, or a file on any system, be called this? */
bool zip_name_is_plain(const char *name, size_t n);
