#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# Copyright The posture authors
"""Compares what posture-crypto finds with sslscan, nmap, testssl.sh and sslyze on differently configured local servers.

    tests/bench/tls_agreement.py [--tools sslscan,nmap,testssl,sslyze] [--build build/release] [--save FILE.md] [SERVER…]

Compared: versions, suites by version, groups, which certificates of which chains, and of each certificate subject, issuer,
SANs, serial, dates, key, signature algorithm (recognised by the SHA-256 fingerprint). Every difference must be explained by
a rule of agreement/rules.py; exit status 1 when one is not. SERVER: words of labels. As root it all happens in a network
namespace with nothing but loopback, so that no tool can look anything up. testssl.sh needs most of the time.
"""

import argparse
import concurrent.futures
import os
import pathlib
import shutil
import sys
import tempfile
import types

SOURCE = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(SOURCE / "tests" / "support"))

import tls_servers as servers  # noqa: E402
from agreement import compare, farm, posture, rules, table, tls_tools, venv  # noqa: E402


def offline():
    """Runs this script again where only loopback is."""
    if os.environ.get("AGREEMENT_OFFLINE") or os.geteuid() != 0:
        return
    os.environ["AGREEMENT_OFFLINE"] = "1"
    os.execvp("unshare", ["unshare", "--net", "sh", "-c", 'ip link set lo up && exec "$@"', "sh", sys.executable, *sys.argv])


def measure(label, server, tools, build):
    """[(label, tool, cells)]; the tools run side by side, each is asked once."""
    ours = posture.run(server, build)
    print(f"{label}: " + ", ".join(f"{v} {len(ours['suites'].get(v, ()))}" for v in sorted(ours["versions"])) +
          f", {len(ours['groups'])} groups, {[len(c) for c in ours['chains']]} certificates", flush=True)
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        answers = list(pool.map(lambda tool: tls_tools.TOOLS[tool](server), tools))
    results = []
    for tool, theirs in zip(tools, answers):
        cells = compare.compare(ours, theirs, tls_tools.VIEWS[tool])
        case = types.SimpleNamespace(label=label, ours=ours, theirs=theirs, server=server)
        for d in [d for cell in cells.values() for d in cell.differences]:
            d.rule = rules.explain(tool, d, case)
            if not d.rule:
                print(f"  ! {tool} {d.sign} {d.field} {d.text}", flush=True)
        results.append((label, tool, cells))
    return results


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--tools", default=",".join(tls_tools.TOOLS))
    parser.add_argument("--build", type=pathlib.Path, default=SOURCE / "build" / "release")
    parser.add_argument("--save", type=pathlib.Path)
    parser.add_argument("servers", nargs="*")
    args = parser.parse_args()
    if "sslyze" in args.tools:
        venv.prepare()
    offline()
    folder = tempfile.mkdtemp(prefix="tls-agreement-")
    os.chmod(folder, 0o755)
    results = []
    try:
        for label, start in farm.twelve(folder, servers.Certificates(folder)):
            if args.servers and not any(word in label for word in args.servers):
                continue
            with start() as server:
                results += measure(label, server, args.tools.split(","), args.build)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    text = table.markdown(results, tls_tools.SILENT)
    (args.save.write_text if args.save else print)(text)
    differences = [d for _, _, cells in results for cell in cells.values() for d in cell.differences]
    unexplained = sum(d.rule is None for d in differences)
    agreed = sum(cell.agreed or 0 for _, _, cells in results for cell in cells.values())
    print(f"{agreed} items agree, {len(differences)} differ, {unexplained} of these without an explanation")
    return 1 if unexplained else 0


if __name__ == "__main__":
    sys.exit(main())
