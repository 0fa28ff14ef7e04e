/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * kstext.h - the spellings of text inside keystores: UTF-16BE and Java's modified UTF-8.
 *
 * Out buffers are appended to and keep their sticky failure; nothing here raises errors.
 */
#pragma once

#include <stdbool.h>

#include "reconciler/base/buf.h"
#include "reconciler/base/bytes.h"

/* UTF-8 to UTF-16BE, surrogate pairs above U+FFFF, no mark, no terminator. false: not UTF-8. */
bool utf16be_from_utf8(struct bytes utf8, struct buf *out);
/* Back. What UTF-8 or C strings cannot hold (lone surrogates, U+0000, an odd last byte) becomes
 * U+FFFD; false tells that this happened. */
bool utf8_from_utf16be(struct bytes utf16, struct buf *out);
/* DataInput.readUTF's encoding to UTF-16BE. false: malformed. */
bool utf16be_from_mutf8(struct bytes mutf8, struct buf *out);
void mutf8_from_utf16be(struct bytes utf16, struct buf *out);
