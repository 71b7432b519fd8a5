/* SPDX-License-Identifier: MIT */
/* Copyright The posture authors */
#include "common/host/host.h"
#include "posture_crypto/options.h"

POSTURE_HOST_PLUGIN({.options = &posture_crypto_options,
                     .worker = "posture-crypto",
                     .flags = POSTURE_HOST_HAS_HELPERS})
