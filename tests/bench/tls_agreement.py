#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# Copyright The posture authors
"""Compares what posture-crypto finds with sslscan, nmap, testssl.sh and sslyze on local TLS servers of different make.

    tests/bench/tls_agreement.py [--tools sslscan,nmap,testssl,sslyze] [--build build/release] [--save FILE.md] [SERVER…]

Compared: versions, suites by version, groups, which certificates of which chains, and of each certificate subject, issuer,
SANs, serial, dates, key, signature algorithm (recognised by the SHA-256 fingerprint). Every difference must be explained by
a rule of agreement/rules.py; exit status 1 when one is not. SERVER: words of labels. As root it all happens in a network
namespace with nothing but loopback, so that no tool can look anything up. testssl.sh needs most of the time.
"""

import pathlib
import sys

SOURCE = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(SOURCE / "tests" / "support"))

from agreement import compare, farm, posture, rules, run, tls_tools  # noqa: E402


def summary(ours):
    suites = ", ".join(f"{v} {len(ours['suites'].get(v, ()))}" for v in sorted(ours["versions"]))
    return f"{suites}, {len(ours['groups'])} groups, {[len(c) for c in ours['chains']]} certificates"


if __name__ == "__main__":
    sys.exit(run.main(__doc__, run.Kind(
        tools=tls_tools.TOOLS, silent=tls_tools.SILENT, fields=compare.FIELDS, farm=farm.tls, ours=posture.run, rules=rules.TLS,
        summary=summary, compare=lambda tool, ours, theirs: compare.compare(ours, theirs, tls_tools.VIEWS[tool]))))
