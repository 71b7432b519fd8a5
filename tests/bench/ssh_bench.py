#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# Copyright The posture authors
"""Client CPU per SSH host, side by side with ssh-audit and nmap, on local OpenSSH servers with three host keys each.

    tests/bench/ssh_bench.py [--hosts N] [--runs N] [--build build/release]

CPU is user + system of the client's processes (rusage of children), start of the process included; the row "a host more"
is the slope between one host and all, which a long list costs. The lists and host keys that each tool prints are compared
with ours first. The last row is what as many bare TCP exchanges as we make cost here (ssh_limit).
"""

import argparse
import json
import os
import pathlib
import re
import shutil
import statistics
import subprocess
import sys
import tempfile

SOURCE = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(SOURCE / "tests" / "support"))

import crypto_worker  # noqa: E402
import ssh_servers as servers  # noqa: E402


def ours(ports, build):
    program = build / "plugins" / "posture_crypto" / "posture-crypto"
    reports = crypto_worker.probe([f"ssh://127.0.0.1:{port}" for port in ports], program=program, StartRate=10000, MaxRunning=4,
                                  ConnectionsPerHost=16, ConnectionsPerNetwork=16)
    endpoints = [report["facts"]["ssh"]["endpoints"][0] for report in reports]
    assert all(len(e.get("host_keys", [])) == 3 and "incomplete" not in e for e in endpoints), endpoints
    return endpoints


def ssh_audit(ports, _):
    return [json.loads(subprocess.run(["ssh-audit", "-j", "-p", str(port), "127.0.0.1"], capture_output=True, text=True).stdout)
            for port in ports]


def nmap(ports, _):
    return subprocess.run(["nmap", "-Pn", "-n", "-p", ",".join(map(str, ports)), "--script", "+ssh2-enum-algos,+ssh-hostkey",
                           "--script-args", "ssh_hostkey=all", "127.0.0.1"], check=True, capture_output=True, text=True).stdout


def cpu_ms(tool, ports, build):
    before = crypto_worker.children_cpu_s()
    tool(ports, build)
    return 1000 * (crypto_worker.children_cpu_s() - before)


def agree(port, build):
    """The same lists and keys as ssh-audit and nmap say."""
    (mine,), (audit,), text = ours([port], build), ssh_audit([port], build), nmap([port], build)
    name = lambda entry: entry["algorithm"] if isinstance(entry, dict) else entry  # noqa: E731
    lists = {"kex": "kex", "enc": "ciphers", "mac": "macs", "key": "host_key_algorithms"}
    for theirs, own in lists.items():
        value = mine[own]["client_to_server"] if isinstance(mine[own], dict) else mine[own]
        if theirs in audit:
            assert [name(e) for e in audit[theirs]] == value, (theirs, audit[theirs], value)
        assert all(item in text for item in value), own
    prints = {key["sha256"] for key in mine["host_keys"]}
    theirs = set(re.findall(r"SHA256:([A-Za-z0-9+/]{43})", json.dumps(audit))) | {
        f["hash"] for f in audit.get("fingerprints", []) if f.get("hash_alg") == "SHA256" or f.get("type") == "ssh-rsa"}
    return len(mine["kex"]), len(prints), len({p.removeprefix("SHA256:").rstrip("=") for p in theirs} & prints)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--hosts", type=int, default=10)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--build", type=pathlib.Path, default=SOURCE / "build" / "release")
    args = parser.parse_args()
    folder = tempfile.mkdtemp(prefix="ssh-bench-")
    started = []
    try:
        keys = servers.Keys(folder)
        files = [keys.make(kind) for kind in ("rsa-3072", "ecdsa-256", "ed25519")]
        for _ in range(args.hosts):
            started.append(servers.OpenSsh(folder, files, "MaxStartups 100").__enter__())
        ports = [server.port for server in started]
        (endpoint,) = ours(ports[:1], args.build)
        connections = endpoint["connections"]
        print(f"{args.hosts} OpenSSH servers, RSA-3072, P-256, Ed25519; load {os.getloadavg()[0]:.1f} on {os.cpu_count()} CPUs; "
              f"min/median/max of {args.runs} runs; {connections} connections of ours to a host")
        print("methods, host keys, of these as ssh-audit has them:", *agree(ports[0], args.build))
        print(f"{'tool':<44} {'CPU ms/host':>22} {'a host more, ms':>22}")
        for name, tool in (("posture-crypto --once", ours), ("ssh-audit", ssh_audit), ("nmap ssh2-enum-algos,ssh-hostkey", nmap)):
            if tool is not ours and not shutil.which(name.split()[0]):
                print(f"{name:<44} not installed")
                continue
            one = [cpu_ms(tool, ports[:1], args.build) for _ in range(args.runs)]
            every = [cpu_ms(tool, ports, args.build) for _ in range(args.runs)]
            row = sorted(ms / len(ports) for ms in every)
            slope = sorted((b - a) / (len(ports) - 1) for a, b in zip(one, every))
            print(f"{name:<44} " + " ".join(f"{f'{v[0]:.2f}/{statistics.median(v):.2f}/{v[-1]:.2f}':>22}" for v in (row, slope)))
        limit = args.build / "tests" / "bench" / "ssh_limit"
        us = sorted(float(subprocess.run([limit, str(ports[0]), "100"], check=True, capture_output=True, text=True).stdout)
                    for _ in range(args.runs))
        ms = [u * connections / 1000 for u in us]
        print(f"{f'limit: {connections} bare exchanges of {statistics.median(us):.0f} us':<44} "
              f"{f'{ms[0]:.2f}/{statistics.median(ms):.2f}/{ms[-1]:.2f}':>22}")
    finally:
        for server in started:
            server.__exit__(None, None, None)
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
