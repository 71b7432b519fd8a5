# SPDX-License-Identifier: MIT
# Copyright The posture authors
"""What posture-crypto says about web servers beside TLS: the redirect from plain HTTP, and HSTS. Real nginx, and hostile ones."""

import json
import os
import pathlib
import sys
import time

import jsonschema
import pytest

SOURCE = pathlib.Path(os.environ.get("POSTURE_SOURCE_DIR", pathlib.Path(__file__).parents[2]))
sys.path.insert(0, str(SOURCE / "tests" / "support"))

import crypto_worker  # noqa: E402
import tls_servers as servers  # noqa: E402

NAME = "www.example.go.jp"
SLOW = 5 if os.environ.get("POSTURE_SANITIZE") else 1


@pytest.fixture(scope="session")
def certs(tmp_path_factory):
    return servers.Certificates(tmp_path_factory.mktemp("certs"))


@pytest.fixture(scope="session")
def nginx(certs, tmp_path_factory):
    hsts = 'add_header Strict-Transport-Security "max-age=31536000; includeSubDomains" always;'
    with servers.Nginx(tmp_path_factory.mktemp("web"), certs.make("rsa2048"), extra=hsts) as server:
        yield server


def measure(server, plain_port, profile="bod-18-01", **options):
    """Facts of HTTP and the two results of a web endpoint."""
    own = {"Web": "yes", "HttpPort": plain_port, "ServerName": NAME}
    report, = crypto_worker.probe([(server.uri, own)], Profile=profile, **options)
    facts = report["facts"]["tls"]
    schema = json.loads((SOURCE / "schemas" / "facts" / "tls.schema.json").read_text())
    jsonschema.Draft202012Validator(schema).validate(facts)
    results = {r["check"]: r for r in report["results"]}
    return facts["endpoints"][0]["http"], results["tls.https_redirect"], results["tls.hsts"]


def plain(answer):
    """A server that reads a request and answers with the bytes."""
    def handle(peer, _):
        head = b""
        while b"\r\n\r\n" not in head:
            piece = peer.recv(4096)
            if not piece:
                return
            head += piece
        server.heads.append(head)
        peer.sendall(answer)
    server = servers.Scripted(handle)
    server.heads = []
    return server


def test_a_good_web_server(nginx):
    answer = f"HTTP/1.1 301 Moved Permanently\r\nLocation: https://{NAME}/\r\nContent-Length: 0\r\n\r\n".encode()
    with plain(answer) as port80:
        http, redirect, hsts = measure(nginx, port80.port)
        assert [head.split(b"\r\n")[:2] for head in port80.heads] == [
            [b"GET / HTTP/1.1", f"Host: {NAME}:{port80.port}".encode()]]
    assert http["name"] == NAME
    assert http["https"] == {"status": 200, "hsts": {"max_age": 31536000, "include_subdomains": True, "preload": False}}
    assert http["plain"] == {"port": port80.port, "status": 301,
                             "location": {"scheme": "https", "host": NAME, "port": 443}}
    assert (redirect["result"], redirect["code"]) == ("pass", "tls.https_redirect.leads")
    assert (hsts["result"], hsts["code"], hsts["value"]) == ("pass", "tls.hsts.sent", 31536000)


def test_plain_nginx_serves_content(nginx, certs, tmp_path):
    port = servers.free_port()
    with servers.Nginx(tmp_path, certs.make("rsa2048"),
                       servers=[("127.0.0.1", servers.free_port(), certs.make("rsa2048"), "TLSv1.2", None,
                                 f"listen 127.0.0.1:{port};")]) as server:
        http, redirect, hsts = measure(server, port)
    assert http["plain"] == {"port": port, "status": 200} and http["https"] == {"status": 200}
    assert (redirect["result"], redirect["code"]) == ("fail", "tls.https_redirect.served")
    assert (hsts["result"], hsts["code"]) == ("fail", "tls.hsts.absent")


def test_no_plain_http_at_all(nginx):
    http, redirect, _ = measure(nginx, servers.free_port())
    assert http["plain"]["error"]["code"] == "refused"
    assert (redirect["result"], redirect["code"]) == ("pass", "tls.https_redirect.closed")


def test_a_server_of_tls_1_0_alone_is_asked_too(certs, tmp_path):
    with servers.Nginx(tmp_path, certs.make("rsa1024"), protocols="TLSv1", ciphers="ALL:@SECLEVEL=0") as server:
        http, _, hsts = measure(server, servers.free_port())
    assert http["https"] == {"status": 200} and hsts["code"] == "tls.hsts.absent"


@pytest.mark.parametrize("label, handle, code", [
    ("silent", lambda peer, n: time.sleep(4 * SLOW), "timeout"),
    ("closes", lambda peer, n: None, "closed"),
    ("mail", lambda peer, n: (peer.recv(999), peer.sendall(b"220 mail.example ESMTP\r\n")), "not_http"),
    ("endless head", lambda peer, n: (peer.recv(999), peer.sendall(b"HTTP/1.1 200 OK\r\n" + b"X-A: b\r\n" * 9000), time.sleep(1)), "too_large"),
])
def test_hostile_plain_server(nginx, label, handle, code):
    def guarded(peer, number):
        peer.settimeout(5 * SLOW)
        handle(peer, number)
    started = time.monotonic()
    with servers.Scripted(guarded) as port80:
        http, redirect, _ = measure(nginx, port80.port, TimeoutMs=1000 * SLOW, DeadlineMs=4000 * SLOW)
    assert time.monotonic() - started < 7 * SLOW
    assert http["plain"]["error"]["code"] == code
    assert (redirect["result"], redirect["code"]) == ("unknown", "tls.web.unmeasured")


def test_what_is_no_web_server_is_not_asked(nginx):
    report, = crypto_worker.probe([nginx.uri], Profile="bod-18-01")  # not a web port, and nobody says that it is one
    assert "http" not in report["facts"]["tls"]["endpoints"][0]
    assert {r["check"]: r["result"] for r in report["results"]}["tls.hsts"] == "na"


def test_requests_count_as_connections(certs, tmp_path):
    """Six web servers at one address: never more than ConnectionsPerHost at its plain HTTP, and all are asked."""
    import threading
    lock, now, most = threading.Lock(), [0], [0]

    def slow(peer, _):
        with lock:
            now[0] += 1
            most[0] = max(most[0], now[0])
        peer.settimeout(5)
        peer.recv(4096)
        time.sleep(0.05)
        with lock:
            now[0] -= 1  # before the answer, which lets the next one in
        peer.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")

    listen = [("127.0.0.1", port, certs.make("rsa2048"), "TLSv1.2", None, "") for port in servers.free_ports(6)]
    with servers.Nginx(tmp_path, None, servers=listen), servers.Scripted(slow) as port80:
        own = {"Web": "yes", "HttpPort": port80.port, "ServerName": NAME}
        reports = crypto_worker.probe([(f"tls://127.0.0.1:{port}", own) for _, port, *_ in listen],
                                      Profile="bod-18-01", StartRate=1000, ConnectionsPerHost=2)
        https = [report["facts"]["tls"]["endpoints"][0]["http"] for report in reports]
        assert [answer["plain"]["status"] for answer in https] == [200] * 6 and port80.accepted == 6
        assert most[0] <= 2, most
