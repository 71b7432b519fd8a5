# SPDX-License-Identifier: MIT
# Copyright The posture authors
"""The main program of tls_agreement.py and ssh_agreement.py."""

import argparse
import concurrent.futures
import dataclasses
import os
import pathlib
import shutil
import sys
import tempfile
import types
import typing

from . import rules, table, venv

SOURCE = pathlib.Path(__file__).resolve().parents[3]


@dataclasses.dataclass
class Kind:
    """What the two programs differ in. farm: folder → [(label, start)]; ours: (server, build) → found; compare: (tool, ours,
    theirs) → {field: Cell}."""

    tools: dict
    silent: dict
    fields: tuple
    farm: typing.Callable
    ours: typing.Callable
    rules: list
    summary: typing.Callable
    compare: typing.Callable


def offline():
    """Runs this program again where only loopback is, so that no tool can look anything up."""
    if os.environ.get("AGREEMENT_OFFLINE") or os.geteuid() != 0:
        return
    os.environ["AGREEMENT_OFFLINE"] = "1"
    os.execvp("unshare", ["unshare", "--net", "sh", "-c", 'ip link set lo up && exec "$@"', "sh", sys.executable, *sys.argv])


def measure(kind, label, server, tools, build):
    """[(label, tool, cells)]; two tools at a time, each is asked once."""
    ours = kind.ours(server, build)
    print(f"{label}: {kind.summary(ours)}", flush=True)
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        answers = list(pool.map(lambda tool: kind.tools[tool](server), tools))
    results = []
    for tool, theirs in zip(tools, answers):
        cells = kind.compare(tool, ours, theirs)
        case = types.SimpleNamespace(label=label, ours=ours, theirs=theirs, server=server)
        for d in [d for cell in cells.values() for d in cell.differences]:
            d.rule = rules.explain(kind.rules, tool, d, case)
            if not d.rule:
                print(f"  ! {tool} {d.sign} {d.field} {d.text}", flush=True)
        results.append((label, tool, cells))
    return results


def main(description, kind):
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tools", default=",".join(kind.tools))
    parser.add_argument("--build", type=pathlib.Path, default=SOURCE / "build" / "release")
    parser.add_argument("--save", type=pathlib.Path)
    parser.add_argument("servers", nargs="*")
    args = parser.parse_args()
    venv.prepare()
    offline()
    folder = tempfile.mkdtemp(prefix="agreement-")
    os.chmod(folder, 0o755)
    results = []
    try:
        for label, start in kind.farm(folder):
            if args.servers and not any(word in label for word in args.servers):
                continue
            with start() as server:
                results += measure(kind, label, server, args.tools.split(","), args.build.resolve())
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    text = table.markdown(results, kind.silent, kind.fields)
    (args.save.write_text if args.save else print)(text)
    differences = [d for _, _, cells in results for cell in cells.values() for d in cell.differences]
    unexplained = sum(d.rule is None for d in differences)
    agreed = sum(cell.agreed or 0 for _, _, cells in results for cell in cells.values())
    servers = len({label for label, _, _ in results})
    print(f"{servers} servers: {agreed} items agree, {len(differences)} differ, {unexplained} of these without an explanation")
    if not args.servers and args.tools == ",".join(kind.tools):
        for r in kind.rules:
            if not r.used:
                print(f"never needed: {r.tool} {r.field} {r.sign} {r.why}")
    return 1 if unexplained else 0
