#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# Copyright The posture authors
"""Client CPU and connections per TLS endpoint, side by side with nmap and sslscan on one local nginx farm.

    tests/bench/tls_bench.py [--endpoints N] [--runs N] [--build build/release]

CPU is user + system of the client's processes (rusage of children); loopback, so that part of the server's TCP work is in
it, for every tool alike. Connections are counted by a proxy of ours, for one endpoint. The last row is what as many bare
exchanges as we make cost here (tls_limit: blocking, one fixed hello, no parsing, no handshake).
"""

import argparse
import os
import pathlib
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


def ours(ports, build):
    program = build / "plugins" / "posture_crypto" / "posture-crypto"
    uris = [f"tls://127.0.0.1:{port}" for port in ports]
    reports = crypto_worker.probe(uris, program=program, StartRate=10000, MaxRunning=10, TrustStore="none")
    for report in reports:
        (endpoint,) = report["facts"]["tls"]["endpoints"]
        assert endpoint["versions"] == ["TLSv1.2", "TLSv1.3"] and "incomplete" not in endpoint, endpoint
    return reports


def nmap(ports, _):
    subprocess.run(["nmap", "-Pn", "-n", "-p", ",".join(map(str, ports)), "--script", "+ssl-enum-ciphers,+ssl-cert",
                    "127.0.0.1"], check=True, capture_output=True)


def sslscan(ports, _):
    for port in ports:
        subprocess.run(["sslscan", "--no-colour", f"127.0.0.1:{port}"], check=True, capture_output=True)


def cpu_of(tool, ports, build):
    before, started = crypto_worker.children_cpu_s(), time.monotonic()
    tool(ports, build)
    return crypto_worker.children_cpu_s() - before, time.monotonic() - started


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
        print(f"{'tool':<44} {'N':>4} {'CPU ms/endpoint':>20} {'endpoints/s':>12} {'connections':>12}")
        with servers.Nginx(folder, kinds[0], servers=listeners):
            ports = [entry[1] for entry in listeners]
            rows = [("posture-crypto --once", ours, ports), ("nmap ssl-enum-ciphers,ssl-cert", nmap, ports),
                    ("sslscan", sslscan, ports[:10])]
            for name, tool, some in rows:
                if tool is not ours and not shutil.which(name.split()[0]):
                    print(f"{name:<44} not installed")
                    continue
                with servers.proxy_to(ports[0]) as counter:
                    tool([counter.port], args.build)
                    connections = counter.accepted
                runs = [cpu_of(tool, some, args.build) for _ in range(args.runs)]
                cpu = sorted(1000 * c / len(some) for c, _ in runs)
                rate = statistics.median(len(some) / t for _, t in runs)
                if tool is ours:
                    our_connections = connections
                spread = f"{cpu[0]:.2f}/{statistics.median(cpu):.2f}/{cpu[-1]:.2f}"
                print(f"{name:<44} {len(some):>4} {spread:>20} {rate:>12.1f} {connections:>12}")
            limit = args.build / "tests" / "bench" / "tls_limit"
            us = sorted(float(subprocess.run([limit, str(ports[0]), "2000"], check=True, capture_output=True,
                                             text=True).stdout) for _ in range(args.runs))
            ms = [u * our_connections / 1000 for u in us]
            name = f"limit: {our_connections} bare exchanges of {statistics.median(us):.0f} us"
            print(f"{name:<44} {'-':>4} {f'{ms[0]:.2f}/{statistics.median(ms):.2f}/{ms[-1]:.2f}':>20} {'-':>12} "
                  f"{our_connections:>12}")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
