#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# Copyright The posture authors
"""Many endpoints far away: N TLS servers behind a wire of 50 ms round trip, every fact of each, on one core.

    tests/bench/bulk_bench.py [--endpoints 1000] [--rtt-ms 50] [--build build/release] [--peer]

Two network namespaces joined by tests/support/delay_tun; a real nginx answers at every address of the documentation prefixes
(192.0.2.0/24, 198.51.100.0/24, 203.0.113.0/24, 2001:db8::/32). Prints elapsed time, the prober's CPU time and its greatest memory.
--peer: nmap's ssl-cert, one handshake each, over the same wire. Needs root."""

import argparse
import json
import os
import pathlib
import re
import resource
import subprocess
import sys
import tempfile
import time

SOURCE = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(SOURCE / "tests" / "support"))

import tls_servers  # noqa: E402

NETS = ("192.0.2", "198.51.100", "203.0.113")


def addresses(count):
    """Spread as an agency's are: a quarter over IPv6, a /48 each, the rest in three /24."""
    found = []
    for i in range(count):
        if i % 4 == 3:
            found.append(f"[2001:db8:{i:x}::1]")
        else:
            found.append(f"{NETS[i % 4]}.{i // 4 % 250 + 1}")
    return list(dict.fromkeys(found))


class Namespace:
    """A process that holds a network namespace of its own."""

    def __init__(self):
        self.process = subprocess.Popen(["unshare", "--net", "sh", "-c", "echo ready; cat"], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE)
        self.process.stdout.readline()
        self.pid = self.process.pid

    def command(self, *args):
        return ["nsenter", f"--net=/proc/{self.pid}/ns/net", *map(str, args)]

    def run(self, *args):
        subprocess.run(self.command(*args), check=True)

    def stop(self):
        self.process.stdin.close()
        self.process.wait()


def wire(client, server, build, delay_ms):
    tun = subprocess.Popen([build / "tests/support/delay_tun", str(delay_ms), str(client.pid), str(server.pid)],
                           stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    if tun.stdout.readline().strip() != "ready":
        raise SystemExit(tun.stderr.read())
    for namespace, v6 in ((client, "2001:db8:ffff::1"), (server, "2001:db8:ffff::2")):
        namespace.run("ip", "link", "set", "lo", "up")
        namespace.run("ip", "-6", "addr", "add", f"{v6}/64", "dev", "wire", "nodad")
    client.run("ip", "addr", "add", "10.99.0.1/24", "dev", "wire")
    server.run("ip", "addr", "add", "10.99.0.2/24", "dev", "wire")
    for net in NETS:
        client.run("ip", "route", "add", f"{net}.0/24", "via", "10.99.0.2")
        server.run("ip", "route", "add", "local", f"{net}.0/24", "dev", "lo")
    client.run("ip", "-6", "route", "add", "2001:db8::/36", "via", "2001:db8:ffff::2")
    server.run("ip", "-6", "route", "add", "local", "2001:db8::/36", "dev", "lo")
    return tun


def nginx(server, folder):
    certs = tls_servers.Certificates(folder)
    crt, key = certs.make("ec-prime256v1")
    conf = folder / "nginx.conf"
    conf.write_text(f"""daemon off; worker_processes 1; pid {folder}/pid; error_log {folder}/error.log crit; user root;
events {{ worker_connections 8192; }}
http {{ access_log off; client_body_temp_path {folder}/b; proxy_temp_path {folder}/p; fastcgi_temp_path {folder}/f;
uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
server {{ listen 0.0.0.0:443 ssl backlog=8192; listen [::]:443 ssl backlog=8192 ipv6only=on; ssl_certificate {crt};
ssl_certificate_key {key}; ssl_protocols TLSv1.2 TLSv1.3; add_header Strict-Transport-Security "max-age=31536000"; return 200; }} }}
""")
    process = subprocess.Popen(server.command("/usr/sbin/nginx", "-p", folder, "-e", f"{folder}/error.log", "-c", conf))
    time.sleep(1)
    if process.poll() is not None:
        raise SystemExit("nginx did not start")
    return process


def measured(command, **options):
    """(seconds, CPU seconds of it and its children, output)"""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    started = time.monotonic()
    done = subprocess.run(command, capture_output=True, text=True, **options)
    elapsed = time.monotonic() - started
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return elapsed, cpu, done


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--endpoints", type=int, default=1000)
    parser.add_argument("--rtt-ms", type=float, default=50)
    parser.add_argument("--rate", default="100")
    parser.add_argument("--build", type=pathlib.Path, default=SOURCE / "build" / "release")
    parser.add_argument("--peer", action="store_true")
    args = parser.parse_args()
    build = args.build.resolve()
    client, server = Namespace(), Namespace()
    processes = []
    try:
        with tempfile.TemporaryDirectory(prefix="posture-bulk-") as temporary:
            folder = pathlib.Path(temporary)
            folder.chmod(0o755)
            processes.append(wire(client, server, build, args.rtt_ms / 2))
            processes.append(nginx(server, folder))
            listing = folder / "list"
            hosts = addresses(args.endpoints)
            listing.write_text("".join(f"tls://{host}:443\n" for host in hosts))
            program = [build / "plugins/posture/posture", "probe", "-f", listing, "-o", "json", "--rate", args.rate,
                       "--trust-store", "none"]
            elapsed, cpu, done = measured(client.command("taskset", "-c", "0", "/usr/bin/time", "-f", "rss %M kB", *program))
            reports = [json.loads(line) for line in done.stdout.splitlines()]
            whole = sum("incomplete" not in e and len(e.get("versions", [])) == 2 for r in reports
                        for e in r["facts"]["tls"]["endpoints"])
            connections = sum(e.get("connections", 0) for r in reports for e in r["facts"]["tls"]["endpoints"])
            rss = re.findall(r"rss (\d+) kB", done.stderr)
            print(f"posture: {len(hosts)} endpoints, {args.rtt_ms:g} ms round trip: {elapsed:.1f} s, whole facts of {whole}, "
                  f"{connections / max(len(reports), 1):.1f} connections each, CPU {cpu:.2f} s ({1000 * cpu / len(hosts):.2f} ms each), "
                  f"greatest memory {int(rss[-1]) / 1024 if rss else 0:.0f} MiB (program or worker, the larger)")
            if args.peer:
                bare = folder / "bare"
                for family, option in (([h for h in hosts if ":" not in h], []), ([h[1:-1] for h in hosts if ":" in h], ["-6"])):
                    bare.write_text("\n".join(family) + "\n")
                    elapsed, cpu, done = measured(client.command(
                        "taskset", "-c", "0", "nmap", *option, "-n", "-Pn", "-T5", "-p", "443", "--script", "ssl-cert", "-iL", bare))
                    found = done.stdout.count("ssl-cert:")
                    print(f"nmap ssl-cert (one handshake each){' IPv6' if option else ''}: {len(family)} endpoints: {elapsed:.1f} s, "
                          f"certificates of {found}, CPU {cpu:.2f} s ({1000 * cpu / len(family):.2f} ms each)")
    finally:
        for process in reversed(processes):
            if process.stdin:
                process.stdin.close()
            else:
                process.terminate()
            process.wait()
        client.stop()
        server.stop()


if __name__ == "__main__":
    if os.getuid() != 0:
        raise SystemExit("needs root: it makes network namespaces")
    main()
