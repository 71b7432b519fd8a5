#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Copyright The posture authors
#
# What every commit passes: the dev build with warnings as errors, and the fast tests.
set -euo pipefail
cd "$(dirname "$0")/../.."
cmake --preset dev >/dev/null
cmake --build build/dev -j "$(nproc)"
ctest --test-dir build/dev -L 'unit|golden|convention|fuzz' --output-on-failure -j "$(nproc)"
