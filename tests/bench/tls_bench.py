#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# Copyright The posture authors
"""Client CPU and connections per TLS endpoint, side by side with nmap and sslscan on one local nginx farm.

    tests/bench/tls_bench.py [--endpoints N] [--runs N] [--build build/release]

CPU is user + system of the client's processes (rusage of children); loopback, so that part of the server's TCP work is in
it, for every tool alike. All endpoints of a row are measured by one process (sslscan: one each), whose start (libraries,
tables, profile) is in the row; the row "each further endpoint" leaves it out: (CPU of N endpoints - CPU of one) / (N - 1).
"Depth basic" is versions, suites, groups, order and chains: what the other tools do, and more; the first row has signature
algorithms, sessions, renegotiation, ALPN and the rest besides. Connections are counted by a proxy of ours, for one endpoint. The last rows are what as many bare exchanges as we make cost
here (tls_limit: blocking, one fixed hello, no parsing, no handshake, the same options of the socket).
"""

import argparse
import os
import pathlib
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

SOURCE = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(SOURCE / "tests" / "support"))

import crypto_worker  # noqa: E402
import tls_servers as servers  # noqa: E402


def ours(ports, build, depth="full"):
    program = build / "plugins" / "posture_crypto" / "posture-crypto"
    uris = [f"tls://127.0.0.1:{port}" for port in ports]
    reports = crypto_worker.probe(uris, program=program, StartRate=10000, MaxRunning=10, TrustStore="none", Depth=depth)
    for report in reports:
        (endpoint,) = report["facts"]["tls"]["endpoints"]
        left = [name for name in endpoint.get("incomplete", [])
                if depth == "full" or name.split(".")[0] in ("versions", "suites", "groups", "chains", "dhe_bits")]
        assert endpoint["versions"] == ["TLSv1.2", "TLSv1.3"] and not left, endpoint
    return reports


def ours_basic(ports, build):
    return ours(ports, build, "basic")


def nmap(ports, _):
    subprocess.run(["nmap", "-Pn", "-n", "-p", ",".join(map(str, ports)), "--script", "+ssl-enum-ciphers,+ssl-cert",
                    "127.0.0.1"], check=True, capture_output=True)


def sslscan(ports, _):
    for port in ports:
        subprocess.run(["sslscan", "--no-colour", f"127.0.0.1:{port}"], check=True, capture_output=True)


def cpu_of(tool, ports, build):
    """(user s, system s, elapsed s)"""
    def usage():
        children = resource.getrusage(resource.RUSAGE_CHILDREN)
        return children.ru_utime, children.ru_stime
    before, started = usage(), time.monotonic()
    tool(ports, build)
    after = usage()
    return after[0] - before[0], after[1] - before[1], time.monotonic() - started


def row_print(name, count, ms, user, system, rate, connections):
    """ms: of each run, sorted; user and system: the median run's, in ms."""
    spread = f"{ms[0]:.2f}/{statistics.median(ms):.2f}/{ms[-1]:.2f}"
    print(f"{name:<44} {count:>4} {spread:>20} {user:>6.2f} {system:>6.2f} {rate:>12} {connections:>12}")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--endpoints", type=int, default=50)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--build", type=pathlib.Path, default=SOURCE / "build" / "release")
    args = parser.parse_args()
    folder = tempfile.mkdtemp(prefix="tls-bench-")
    try:
        certs = servers.Certificates(folder)
        kinds = [certs.make("rsa2048"), certs.make("rsa2048"), certs.make("ec-P-256")]
        listeners = [("127.0.0.1", port, kinds[i % 3], "TLSv1.2 TLSv1.3", None, "")
                     for i, port in enumerate(servers.free_ports(args.endpoints))]
        print(f"nginx's default suites and groups, TLS 1.2 and 1.3; two thirds RSA-2048, one third P-256; "
              f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} CPUs; min/median/max of {args.runs} runs")
        print(f"{'tool':<44} {'N':>4} {'CPU ms/endpoint':>20} {'user':>6} {'system':>6} {'endpoints/s':>12} {'connections':>12}")
        with servers.Nginx(folder, kinds[0], servers=listeners):
            ports = [entry[1] for entry in listeners]
            rows = [("posture-crypto: every fact", ours, ports),
                    ("posture-crypto, Depth basic", ours_basic, ports), ("nmap ssl-enum-ciphers,ssl-cert", nmap, ports),
                    ("sslscan", sslscan, ports[:10])]
            our_connections = {}
            for name, tool, some in rows:
                if tool not in (ours, ours_basic) and not shutil.which(name.split()[0]):
                    print(f"{name:<44} not installed")
                    continue
                with servers.proxy_to(ports[0]) as counter:
                    tool([counter.port], args.build)
                    connections = counter.accepted
                runs = sorted((cpu_of(tool, some, args.build) for _ in range(args.runs)), key=lambda run: run[0] + run[1])
                user, system, _ = (1000 * part / len(some) for part in runs[len(runs) // 2])
                rate = statistics.median(len(some) / t for _, _, t in runs)
                row_print(name, len(some), [1000 * (u + s) / len(some) for u, s, _ in runs], user, system, f"{rate:.1f}", connections)
                if tool not in (ours, ours_basic):
                    continue
                our_connections[tool] = connections
                ones = [cpu_of(tool, some[:1], args.build) for _ in range(args.runs)]
                one_user, one_system = (statistics.median(run[i] for run in ones) for i in (0, 1))
                further = [1000 * (u + s - one_user - one_system) / (len(some) - 1) for u, s, _ in runs]
                middle = runs[len(runs) // 2]
                row_print("  each further endpoint", len(some) - 1, further, 1000 * (middle[0] - one_user) / (len(some) - 1),
                          1000 * (middle[1] - one_system) / (len(some) - 1), "-", connections)
            limit = args.build / "tests" / "bench" / "tls_limit"
            us = sorted(float(subprocess.run([limit, str(ports[0]), "2000"], check=True, capture_output=True,
                                             text=True).stdout) for _ in range(args.runs))
            for connections in our_connections.values():
                name = f"limit: {connections} bare exchanges of {statistics.median(us):.0f} us"
                row_print(name, "-", [u * connections / 1000 for u in us], 0, statistics.median(us) * connections / 1000, "-",
                          connections)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
