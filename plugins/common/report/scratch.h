/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */
#ifndef POSTURE_REPORT_SCRATCH_H
#define POSTURE_REPORT_SCRATCH_H

#include <stddef.h>

/*
 * Memory for JSON that lives no longer than one message. A parsed report is some hundred
 * small allocations, and making and freeing them one by one costs as much as the parsing:
 * between begin and end, this thread's jansson takes them from one block that is then
 * begun anew. What does not fit comes from malloc as ever. Works from the first
 * posture_json_parse() of the process on.
 *
 * No JSON value made between the two may be used after the end, and no older one may be
 * changed between them. Not nested.
 */
void posture_scratch_begin(void);
void posture_scratch_end(void);

/* For json.c: jansson's allocator. */
void *posture_scratch_malloc(size_t size);
void posture_scratch_free(void *ptr);

#endif
