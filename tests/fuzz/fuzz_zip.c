/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * fuzz_zip.c - ZIP archives: read, edited, written, read.
 */
#include "tests/fuzz/edit.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	fuzz_edit(&keystore_zip, bytes_of(data, size));
	return 0;
}
