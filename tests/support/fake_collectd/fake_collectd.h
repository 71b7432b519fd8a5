/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */
#ifndef POSTURE_TESTS_FAKE_COLLECTD_H
#define POSTURE_TESTS_FAKE_COLLECTD_H

#include "collectd.h"

#include "liboconfig/oconfig.h"

#include <stdbool.h>
#include <stddef.h>

/*
 * The part of collectd that the host object calls, for unit tests: records what is
 * dispatched and logged, as one line each, and can make calls fail. Thread-safe. value
 * HOST/PLUGIN[-INSTANCE]/TYPE-TYPE_INSTANCE NUMBER interval=S key=text ... log SEVERITY
 * TEXT notification SEVERITY PLUGIN/TYPE_INSTANCE TEXT
 */
void fake_collectd_reset(void);

/* The next call of that function fails: "complex_config", "init", "read", "shutdown",
 * "thread", "dispatch". NULL: none. */
void fake_collectd_fail(const char *function);
/* plugin_get_ds knows no type at all, as with a TypesDB of the user's own. */
void fake_collectd_hide_types(bool is_hidden);

/* Runs the registered callback; -1 when there is none. */
int fake_collectd_config(const char *text);
int fake_collectd_init(void);
int fake_collectd_read(void);
int fake_collectd_shutdown(void);

/* True as soon as a recorded line holds the text; waits at most timeout_ms. */
bool fake_collectd_wait(const char *text, int timeout_ms);
/* How many recorded lines hold it. */
size_t fake_collectd_count(const char *text);
/* Prints all lines, for a test that fails. */
void fake_collectd_dump(void);

/* config.c: a <Plugin> block from text in collectd.conf's syntax: options, blocks, quoted
 * strings, numbers, true and false. Freed by fake_oconfig_free. */
oconfig_item_t *fake_oconfig_parse(const char *text);
void fake_oconfig_free(oconfig_item_t *item);

#endif
