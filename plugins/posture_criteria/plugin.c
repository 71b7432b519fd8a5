/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */
#include "common/host/host.h"
#include "posture_criteria/options.h"

POSTURE_HOST_PLUGIN({.options = &posture_criteria_options, .worker = "posture-criteria"})
