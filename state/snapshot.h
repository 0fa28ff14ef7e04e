/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * snapshot.h - an observation and the secret-free memory beside it as JSON Lines, for `plan
 * --observed` elsewhere.
 *
 * First line: {"certwright":"snapshot","formatVersion":"1.1","observedAt":...,"stateId":...}. Then
 * one object a line, each with "row": certificate | store | endpoint | config | identity |
 * storeMemory | slot | anchor | issuer | imported | suspension | caSource | crl. Rows are sorted;
 * the same observation is the same bytes. Certificates stand once, by SHA-256, with their DER in
 * base64. What has another name in the repository by now stands under the one it has in the store,
 * so that who reads it finds the same renames. Reading bounds every line and count and refuses what
 * it does not know.
 */
#pragma once

#include "state/memory.h"

enum err_code snapshot_write(const struct observed *o, const struct memory *m, struct buf *out,
                             struct err *err);
/* ERR_INVALID names the line. Free with observed_release() and memory_release(). */
enum err_code snapshot_read(struct bytes in, struct arena *arena, struct seen_certs *certs,
                            struct observed **ret_o, struct memory **ret_m, struct err *err);
