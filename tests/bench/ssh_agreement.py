#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# Copyright The posture authors
"""Compares what posture-crypto finds of SSH servers with ssh-audit and nmap on local OpenSSH and Dropbear.

    tests/bench/ssh_agreement.py [--tools ssh-audit,nmap] [--build build/release] [--save FILE.md] [SERVER…]

Compared: every list of algorithms with its order, host keys with type and bits (recognised by their SHA-256), the smallest
group of the group exchange, exposure to Terrapin. Differences, exit status and network as in tls_agreement.py.
"""

import pathlib
import sys

SOURCE = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(SOURCE / "tests" / "support"))

from agreement import farm, rules, run, ssh_tools  # noqa: E402



def main():
    return run.main(__doc__, run.Kind(tools=ssh_tools.TOOLS, silent=ssh_tools.SILENT, fields=ssh_tools.FIELDS, farm=farm.ssh,
                                      ours=ssh_tools.posture, rules=rules.SSH, summary=lambda ours: f"{len(ours['kex'])} kex, {len(ours['keys'])} keys",
                                      compare=lambda tool, ours, theirs: ssh_tools.compare_found(ours, theirs)))


if __name__ == "__main__":
    sys.exit(main())
