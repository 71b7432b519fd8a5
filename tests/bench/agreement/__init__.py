# SPDX-License-Identifier: MIT
# Copyright The posture authors
"""What tls_agreement.py is made of: servers, tools, comparison, explanations, table."""
