#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Copyright The posture authors
#
# Formats every C file in place with the pinned tool (Debian 12: clang-format 14).
set -euo pipefail
cd "$(dirname "$0")/../.."
git ls-files -co --exclude-standard '*.c' '*.h' | xargs -r clang-format-14 -i
