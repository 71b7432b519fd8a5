# SPDX-License-Identifier: MIT
# Copyright The posture authors
"""The worker posture-crypto against peers that mean it badly: real flights cut and changed, oversized certificates, servers
that contradict themselves. Every probe ends by its deadline, within 4 MiB, and what it could not measure it does not claim."""

import contextlib
import json
import os
import pathlib
import random
import socket
import ssl
import subprocess
import sys
import threading
import time

import pytest

SOURCE = pathlib.Path(os.environ.get("POSTURE_SOURCE_DIR", pathlib.Path(__file__).parents[2]))
sys.path.insert(0, str(SOURCE / "tests" / "support"))

import crypto_worker  # noqa: E402
import tls_servers as servers  # noqa: E402

SLOW = 5 if os.environ.get("POSTURE_SANITIZE") else 1
MIB = 1024


@pytest.fixture(scope="session")
def certs(tmp_path_factory):
    return servers.Certificates(tmp_path_factory.mktemp("certs"))


@pytest.fixture(scope="session")
def schema():
    import jsonschema
    return jsonschema.Draft202012Validator(json.loads((SOURCE / "schemas" / "facts" / "tls.schema.json").read_text()))


def flight_of(port, version):
    """What the server sends upon a ClientHello, up to the end of its first flight."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.minimum_version = context.maximum_version = version
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    with contextlib.suppress(ssl.SSLWantReadError):
        context.wrap_bio(incoming, outgoing).do_handshake()
    with socket.create_connection(("127.0.0.1", port)) as s:
        s.sendall(outgoing.read())
        s.settimeout(0.5)
        data = b""
        with contextlib.suppress(TimeoutError):
            while piece := s.recv(65536):
                data += piece
    assert data[0] == 22
    return data


@pytest.fixture(scope="session")
def flights(certs):
    """Whole first flights of real servers: RSA and ECDSA with TLS 1.2, TLS 1.3 up to where it is encrypted."""
    found = []
    for key, option, version in (("rsa2048", "-tls1_2", ssl.TLSVersion.TLSv1_2), ("ec-P-256", "-tls1_2", ssl.TLSVersion.TLSv1_2),
                                 ("ec-P-256", "-tls1_3", ssl.TLSVersion.TLSv1_3)):
        with servers.OpenSsl(certs.make(key), option) as server:
            found.append(flight_of(server.port, version))
    return found


def are_unknown(report):
    """All but how the conversation begins, which the subject says."""
    return {r["result"] for r in report["results"] if r["check"] != "tls.starttls"} == {"unknown"}


class Many:
    """One listener per answer, all served by one thread pool of Scripted servers."""

    def __init__(self, answers, linger_s=0.0):
        self.servers = []
        for answer in answers:
            def handle(peer, _, answer=answer):
                peer.settimeout(5)
                peer.recv(65536)
                peer.sendall(answer)
                time.sleep(linger_s)
            self.servers.append(servers.Scripted(handle))

    def __enter__(self):
        return [server.uri for server in self.servers]

    def __exit__(self, *_):
        for server in self.servers:
            server.__exit__()


def probe_all(uris, schema, deadline_ms=6000, **options):
    """Reports of a round in which every target ended by its deadline."""
    started = time.monotonic()
    reports = crypto_worker.probe(uris, TimeoutMs=500, DeadlineMs=deadline_ms, StartRate=10000, MaxRunning=len(uris), **options)
    assert time.monotonic() - started < deadline_ms / 1000 + 6 * SLOW
    found = {report["subject"]: report for report in reports}
    assert set(found) == set(uris) and len(reports) == len(uris)
    for report in reports:
        schema.validate(report["facts"]["tls"])
    return [found[uri] for uri in uris]


def test_flights_cut_at_every_boundary(flights, schema):
    """A server that closes early: the facts hold what was said before, and a chain only when it was whole."""
    flight = flights[0]
    edges, at = {0, len(flight)}, 0
    while at < len(flight):  # records; the first messages of each
        length = int.from_bytes(flight[at + 3:at + 5], "big")
        edges |= {at, at + 1, at + 4, at + 5, at + 6, at + 9, at + 11, at + 5 + length - 1}
        at += 5 + length
    cuts = sorted(edges | set(range(0, len(flight), 41)))
    with Many([flight[:cut] for cut in cuts]) as uris:
        reports = probe_all(uris, schema)
    hello = 5 + int.from_bytes(flight[3:5], "big")
    chains = 0
    for cut, report in zip(cuts, reports):
        (e,) = report["facts"]["tls"]["endpoints"]
        if cut < hello:
            assert e["versions"] == [] and e["error"]["code"] in ("closed", "reset", "protocol"), (cut, e)
            assert are_unknown(report), cut
        else:
            assert e["versions"] == ["TLSv1.2"], (cut, e)
            assert e["chains"] or "chains" in e["incomplete"], (cut, e)
        chains += len(e["chains"])
    assert chains > 0


@pytest.mark.parametrize("index", range(3))
def test_changed_flights(flights, schema, index):
    """A hundred random changes of a real flight: nothing crashes, hangs or is claimed without being well-formed."""
    rng = random.Random(index)
    answers = []
    for _ in range(100):
        flight = bytearray(flights[index])
        for _ in range(rng.randint(1, 4)):
            at = rng.randrange(min(len(flight), 400) if rng.random() < 0.7 else len(flight))
            kind = rng.randrange(4)
            if kind == 0:
                flight[at] ^= 1 << rng.randrange(8)
            elif kind == 1:
                flight[at] = rng.choice((0, 1, 0x7f, 0x80, 0xff))
            elif kind == 2:
                del flight[at:at + rng.randint(1, 20)]
            else:
                flight[at:at] = rng.randbytes(rng.randint(1, 20))
        answers.append(bytes(flight))
    with Many(answers) as uris:
        probe_all(uris, schema)


def sans_certificate(folder, count):
    """(certificate, key) with so many DNS names."""
    stem = pathlib.Path(folder) / f"sans-{count}"
    stem.with_suffix(".cnf").write_text(
        "[req]\ndistinguished_name=dn\nx509_extensions=v3\nprompt=no\n[dn]\nCN=many\n[v3]\nsubjectAltName=@names\n[names]\n" +
        "".join(f"DNS.{i}=host-{i:06d}.example\n" for i in range(count)))
    paths = str(stem.with_suffix(".crt")), str(stem.with_suffix(".key"))
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout",
                    paths[1], "-out", paths[0], "-days", "10", "-config", stem.with_suffix(".cnf")], check=True, capture_output=True)
    return paths


@pytest.mark.parametrize("option, version", [("-tls1_2", "TLSv1.2"), ("-tls1_3", "TLSv1.3")])
def test_large_certificate(schema, tmp_path, option, version):
    """About 130 KiB, more than any browser needs: still read; its names are cut, and it says so."""
    with servers.OpenSsl(sans_certificate(tmp_path, 6000), option) as server:
        (report,) = probe_all([server.uri], schema)
    (e,) = report["facts"]["tls"]["endpoints"]
    assert e["versions"] == [version]
    leaf = e["chains"][0]["certificates"][0]
    assert len(leaf["sans"]["dns"]) == 1000 and leaf["sans"]["truncated"]


def peak_kib(uris, **options):
    """Peak memory of a worker that measures these."""
    worker = crypto_worker.Worker(uris, StartRate=1000, MaxRunning=100, **options)
    high = 0
    threading.Thread(target=worker.process.stdout.read, daemon=True).start()  # a full pipe would stop it
    while worker.process.poll() is None:
        try:
            status = pathlib.Path(f"/proc/{worker.process.pid}/status").read_text()
        except OSError:
            break
        high = max([high] + [int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM")])
        time.sleep(0.005)
    worker.stop()
    return high


def chain_of_16_mib(version):
    """Answers a hello with a ServerHello and a Certificate message of 16 MiB less one byte."""
    def handle(peer, _):
        peer.settimeout(5)
        peer.recv(65536)
        peer.sendall(bytes.fromhex("160303002a02000026") + version + bytes(32) + bytes.fromhex("00c02f00"))
        peer.sendall(bytes.fromhex("16030340000bffffff") + bytes.fromhex("fffffc") + bytes.fromhex("00fff0") + bytes(16384 - 10))
        record = bytes.fromhex("1603034000") + bytes(16384)
        for _ in range(1023):
            peer.sendall(record)
    return handle


@pytest.mark.skipif(SLOW > 1, reason="a sanitizer's memory is not ours")
def test_oversized_chains_stay_within_4_mib(certs, schema, tmp_path):
    with contextlib.ExitStack() as stack:
        plain = stack.enter_context(servers.Nginx(tmp_path, certs.make("rsa2048")))
        scripted = stack.enter_context(servers.Scripted(chain_of_16_mib(b"\x03\x03")))
        many = sans_certificate(tmp_path, 100000)
        old = stack.enter_context(servers.OpenSsl(many, "-tls1_2"))
        new = stack.enter_context(servers.OpenSsl(many, "-tls1_3"))
        idle = peak_kib([plain.uri], TimeoutMs=1000, DeadlineMs=8000)
        for server in (scripted, old, new):
            grown = peak_kib([server.uri], TimeoutMs=1000, DeadlineMs=8000) - idle
            assert grown < 4 * MIB, (server, grown)
        reports = probe_all([scripted.uri, old.uri, new.uri], schema, deadline_ms=8000)
    for report, version in zip(reports, ("TLSv1.2", "TLSv1.2", "TLSv1.3")):
        (e,) = report["facts"]["tls"]["endpoints"]
        assert e["versions"] == [version] and e["chains"] == [] and "chains" in e["incomplete"], e
        assert {r["result"] for r in report["results"] if r["check"] == "tls.cert.validity"} == {"unknown"}


def test_dripping_is_slowness(schema):
    """A byte now and then, be it of TLS or not."""
    def drip(data):
        def handle(peer, _):
            peer.settimeout(5)
            peer.recv(65536)
            for byte in data:
                peer.sendall(bytes([byte]))
                time.sleep(0.2)
        return handle
    with servers.Scripted(drip(bytes.fromhex("160303004a02"))) as tls, servers.Scripted(drip(b"AAAAAAAA")) as other, \
            servers.Scripted(drip(bytes(8))) as zeros:
        for report in probe_all([tls.uri, other.uri, zeros.uri], schema):
            (e,) = report["facts"]["tls"]["endpoints"]
            assert e["error"]["code"] in ("timeout", "deadline"), e
            assert are_unknown(report)


REFUSALS = {"alert": bytes.fromhex("15030300020228"), "close": "close"}


@pytest.mark.parametrize("own_order", [False, True])
@pytest.mark.parametrize("refusal", REFUSALS)
def test_a_moment_of_refusals_hides_nothing(certs, schema, tmp_path, refusal, own_order):
    """A rate limit that closes for a few connections and opens again: each suite and version is found, or said to be open."""
    extra = "ssl_prefer_server_ciphers on;" if own_order else ""
    suites = "ECDHE-RSA-AES128-GCM-SHA256:ECDHE-RSA-AES256-GCM-SHA384:AES128-SHA:AES256-SHA:@SECLEVEL=0"
    with servers.Nginx(tmp_path, certs.make("rsa2048"), protocols="TLSv1 TLSv1.2 TLSv1.3", ciphers=suites, extra=extra) as server:
        def facts(first, count):
            seen = iter(range(10 ** 6))
            with servers.proxy_to(server.port, lambda _: REFUSALS[refusal] if first <= next(seen) < first + count
                                  else None) as proxy:
                (report,) = probe_all([proxy.uri], schema)
            return report["facts"]["tls"]["endpoints"][0]
        whole = facts(10 ** 6, 0)
        assert whole["versions"] == ["TLSv1.0", "TLSv1.2", "TLSv1.3"] and "incomplete" not in whole
        for first in range(0, whole["connections"], 2):
            e = facts(first, 1 + first // 2 % 3)
            unsaid = set(whole["versions"]) - set(e["versions"])
            assert not unsaid or "versions" in e["incomplete"], (first, e)
            for version in e["versions"]:
                missing = set(whole["suites"][version]) - set(e["suites"][version])
                assert not missing or f"suites.{version}" in e["incomplete"], (first, version, missing)


def test_backends_that_differ_are_said_to(certs, schema, tmp_path):
    """Every third connection meets a server of another configuration: the lists are not to be relied on."""
    with servers.Nginx(tmp_path, certs.make("rsa2048"), protocols="TLSv1.2", ciphers="ECDHE+AESGCM:ECDHE+AES") as first, \
            servers.Nginx(tmp_path, certs.make("rsa2048"), protocols="TLSv1.2", ciphers="AES128-SHA") as second:
        seen = iter(range(10 ** 6))

        def handle(peer, number):
            peer.settimeout(5)
            with socket.create_connection(("127.0.0.1", (second if next(seen) % 3 == 2 else first).port)) as upstream:
                upstream.settimeout(5)
                upstream.sendall(peer.recv(65536))
                peer.sendall(upstream.recv(65536))
                time.sleep(0.05)
        with servers.Scripted(handle) as balancer:
            (report,) = probe_all([balancer.uri], schema)
    (e,) = report["facts"]["tls"]["endpoints"]
    assert e["versions"] == ["TLSv1.2"] and "suites.TLSv1.2" in e["incomplete"]
