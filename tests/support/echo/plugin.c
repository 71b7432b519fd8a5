/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */

#include "common/host/host.h"

#include "options.h"

POSTURE_HOST_PLUGIN({.options = &posture_echo_table,
                     .worker = "posture-echo",
                     .flags = POSTURE_HOST_MAY_NOTIFY | POSTURE_HOST_BINDS_SPOOL |
                              POSTURE_HOST_HAS_HELPERS})
