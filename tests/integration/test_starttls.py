# SPDX-License-Identifier: MIT
# Copyright The posture authors
"""TLS behind STARTTLS: the worker posture-crypto against Postfix, Dovecot, OpenLDAP, PostgreSQL, vsftpd and Prosody, and against servers
that stall, refuse, strip and inject."""

import json
import os
import pathlib
import socket
import ssl
import subprocess
import sys
import threading
import time

import pytest

SOURCE = pathlib.Path(os.environ.get("POSTURE_SOURCE_DIR", pathlib.Path(__file__).parents[2]))
BUILD = pathlib.Path(os.environ.get("POSTURE_BUILD_DIR", SOURCE / "build" / "dev"))
sys.path.insert(0, str(SOURCE / "tests" / "support"))

import crypto_worker  # noqa: E402
import starttls_servers as real  # noqa: E402
import tls_servers as servers  # noqa: E402

SLOW = 5 if os.environ.get("POSTURE_SANITIZE") else 1
NAMES = ("localhost", "mx.example.go.jp", real.Prosody.NAME)


@pytest.fixture(scope="session")
def pair(tmp_path_factory):
    return servers.Certificates(tmp_path_factory.mktemp("certs")).make("rsa2048", names=NAMES)


@pytest.fixture(scope="session")
def schema():
    import jsonschema
    return jsonschema.Draft202012Validator(json.loads((SOURCE / "schemas/facts/tls.schema.json").read_text("utf-8")))


def measure(endpoint, schema, **options):
    """(member of "endpoints", results by check)"""
    options.setdefault("MailPauseMs", 0)
    (report,) = crypto_worker.probe([endpoint], **options)
    facts = report["facts"]["tls"]
    schema.validate(facts)
    return facts["endpoints"][0], {r["check"]: r for r in report["results"]}


def need(name):
    if not real.available(name):
        pytest.skip(f"{name} is not there, or this is not root")


# -- real servers ---------------------------------------------------------------------------------------------------------

REAL = {
    "postfix": (real.Postfix, "postfix", lambda s: s.uri, "smtp"),
    "imap": (real.Dovecot, "dovecot", lambda s: s.imap, "imap"),
    "pop3": (real.Dovecot, "dovecot", lambda s: s.pop3, "pop3"),
    "ldap": (real.OpenLdap, "slapd", lambda s: s.uri, "ldap"),
    "postgresql": (real.PostgreSql, "postgresql", lambda s: s.uri, "postgresql"),
    "ftp": (real.Vsftpd, "vsftpd", lambda s: s.uri, "ftp"),
    "xmpp": (real.Prosody, "prosody", lambda s: s.uri, "xmpp"),
}


@pytest.mark.parametrize("which", REAL)
def test_real_server(which, pair, schema):
    make, package, uri, protocol = REAL[which]
    need(package)
    with make(pair) as server:
        e, results = measure((uri(server), {"ServerName": real.Prosody.NAME}), schema)
    assert e["starttls"]["protocol"] == protocol
    assert e["starttls"]["offered"] is True and e["starttls"]["injection"] is False
    assert {"TLSv1.2", "TLSv1.3"} <= set(e["versions"]) and e["suites"]["TLSv1.2"] and e["groups"]
    assert e["chains"][0]["certificates"][0]["subject"] == "CN=localhost"
    assert "error" not in e and "incomplete" not in e
    assert results["tls.starttls"]["result"] == "pass" and results["tls.cert.name"]["result"] == "pass"


@pytest.mark.parametrize("which", REAL)
def test_real_server_without_tls(which, schema):
    make, package, uri, _ = REAL[which]
    need(package)
    with make() as server:
        e, results = measure((uri(server), {"ServerName": real.Prosody.NAME}), schema)
    assert e["starttls"]["offered"] is False and e["connections"] == 1
    assert e["error"]["code"] == "starttls_not_offered"
    assert results["tls.starttls"]["result"] == "fail" and results["tls.starttls"]["code"] == "tls.starttls.not_offered"
    assert results["tls.suites"]["result"] == "unknown"


def test_xmpp_between_servers(pair, schema):
    """IANA's port for them is 5269; the protocol goes by it, so that the test needs just that port."""
    need("prosody")
    with socket.socket() as s:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            s.bind(("127.0.0.1", 5269))
        except OSError:
            pytest.skip("port 5269 is in use")
    with real.Prosody(pair, server_port=5269) as server:
        e, _ = measure((server.server_uri, {"ServerName": real.Prosody.NAME}), schema, HeloName="noc1.example.go.jp")
    assert e["starttls"] == {"protocol": "xmpp-server", "offered": True, "injection": False}
    assert e["versions"] == ["TLSv1.2", "TLSv1.3"]


def test_postfix_is_left_properly(schema):
    need("postfix")
    with real.Postfix() as server:
        measure(server.uri, schema, HeloName="noc1.example.go.jp")
        end = time.monotonic() + 5
        while "quit=1" not in server.said() and time.monotonic() < end:
            time.sleep(0.05)
        assert "ehlo=1 quit=1 commands=2" in server.said()


def test_postfix_that_limits(pair, schema):
    """anvil(8) counts us out in the middle: what is known stays, the rest is unknown, and we do not go on knocking."""
    need("postfix")
    with real.Postfix(pair, smtpd_client_connection_rate_limit="12", smtpd_client_event_limit_exceptions="",
                      mynetworks="192.0.2.0/24") as server:
        e, results = measure(server.uri, schema)
        assert server.said().count("too many connections") <= 1 or "421" in server.said()
    assert e["error"]["code"] == "rate_limited" and e["error"]["detail"].startswith("421 ")
    assert e["starttls"]["offered"] is True and e["connections"] <= 13
    assert results["tls.starttls"]["result"] == "pass" and results["tls.suites"]["result"] != "pass"
    assert e["incomplete"]


def test_program_shows_it(pair, tmp_path):
    need("slapd")
    with real.OpenLdap(pair) as server:
        out = subprocess.run([BUILD / "plugins" / "posture" / "posture", "probe", server.uri, "--lang", "en"], capture_output=True,
                             text=True, timeout=60 * SLOW, check=False)
    assert out.returncode == 0, out.stderr
    assert "STARTTLS" in out.stdout and "ldap: offered" in out.stdout


# -- hostile and odd servers ----------------------------------------------------------------------------------------------

class Clear(servers.Scripted):
    """A Scripted whose handle speaks an SMTP-like script: (what to wait for, what to say), and then does more."""

    def __init__(self, script, then=None, scheme="smtp"):
        self.heard, self.open, self.most_open, self.ends = [], 0, 0, []
        lock = threading.Lock()

        def handle(peer, number):
            with lock:
                self.open += 1
                self.most_open = max(self.most_open, self.open)
            peer.settimeout(20 * SLOW)
            try:
                for wanted, say in script:
                    if wanted is not None:
                        line = self.line(peer)
                        if wanted not in line:
                            return
                    peer.sendall(say)
                if then:
                    then(peer, number)
                else:
                    self.rest(peer)
            finally:
                with lock:
                    self.open -= 1

        super().__init__(handle)
        self.uri = f"{scheme}://127.0.0.1:{self.port}"

    def line(self, peer):
        data = b""
        while not data.endswith(b"\n"):
            byte = peer.recv(1)
            if not byte:
                break
            data += byte
        self.heard.append(data)
        return data

    def rest(self, peer):
        try:
            while data := peer.recv(4096):
                self.heard.append(data)
            self.ends.append("closed")
        except ConnectionResetError:
            self.ends.append("reset")


OFFER = [(None, b"220 mx\r\n"), (b"EHLO", b"250-mx\r\n250 STARTTLS\r\n")]
GO = OFFER + [(b"STARTTLS", b"220 go\r\n")]


def tls_after(pair):
    """The rest of a connection: one TLS handshake."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*pair)

    def serve(peer, _):
        try:
            context.wrap_socket(peer, server_side=True).close()
        except (OSError, ssl.SSLError):
            pass

    return serve


def test_few_connections_with_pauses(pair, schema):
    with Clear(GO, tls_after(pair)) as server:
        begin = time.monotonic()
        e, _ = measure(server.uri, schema, MailPauseMs=20, HeloName="noc1.example.go.jp", ConnectionsPerHost=16)
        spent = time.monotonic() - begin
    assert e["versions"] == ["TLSv1.2", "TLSv1.3"] and "error" not in e
    assert server.most_open == 1 and spent >= 0.02 * (server.accepted - 1)
    assert b"EHLO noc1.example.go.jp\r\n" in server.heard


def test_connections_end_at_the_budget(pair, schema):
    with Clear(GO, tls_after(pair)) as server:
        e, results = measure(server.uri, schema, MailConnections=7)
    assert server.accepted == 7 == e["connections"]
    assert e["error"]["code"] == "budget" and e["incomplete"] and e["versions"]
    assert results["tls.starttls"]["result"] == "pass" and results["tls.suites"]["result"] in ("unknown", "fail")


@pytest.mark.parametrize("script,code,check", [
    ([(None, b"421 4.7.0 mx too many connections from you\r\n")], "rate_limited", "unknown"),
    ([(None, b"450 4.7.1 Greylisted for 300 seconds\r\n")], "greylisted", "unknown"),
    ([(None, b"220 mx\r\n"), (b"EHLO", b"451 4.3.2 later\r\n")], "unavailable", "unknown"),
    (OFFER + [(b"STARTTLS", b"454 4.7.0 TLS not available\r\n")], "unavailable", "unknown"),
    ([(None, b"554 go away\r\n")], "starttls_refused", "unknown"),
    ([(None, b"SSH-2.0-x\r\n")], "wrong_protocol", "unknown"),
    ([(None, b"220 mx\r\n"), (b"EHLO", b"250-mx\r\n250-XXXXXXXA\r\n250 OK\r\n")], "starttls_not_offered", "fail"),
    ([(None, b"220 mx\r\n"), (b"EHLO", b"250-mx\r\n250 SIZE\r\n")], "starttls_not_offered", "fail"),
    ([(None, b"220 mx\r\n"), (b"EHLO", b"502 what\r\n"), (b"HELO", b"250 mx\r\n")], "starttls_not_offered", "fail"),
    (OFFER + [(b"STARTTLS", b"220 go\r\n250 injected\r\n")], "starttls_injection", "fail"),
], ids=["421", "greylisted", "451", "454", "554", "ssh", "masked", "stripped", "helo", "injection"])
def test_refusals(script, code, check, schema):
    with Clear(script) as server:
        e, results = measure(server.uri, schema)
        assert server.accepted == 1, "a server that says no is asked once"
        end = time.monotonic() + 5
        while not server.ends and time.monotonic() < end:
            time.sleep(0.01)
        assert server.ends == ["closed"], "and left without a reset"
    assert e["error"]["code"] == code and e["reachable"] is True
    assert results["tls.starttls"]["result"] == check
    assert {r["result"] for c, r in results.items() if c != "tls.starttls"} <= {"unknown", "na"}
    if code in ("greylisted", "rate_limited", "unavailable", "starttls_not_offered"):
        assert server.heard[-1] == b"QUIT\r\n"


def test_greylisted_in_the_middle(pair, schema):
    """Two visits are served, the third is not: no fourth."""
    count = [0]
    serve = tls_after(pair)

    def handle(peer, number):
        count[0] += 1
        if number >= 2:
            peer.sendall(b"450 4.7.1 greylisted\r\n")
            peer.recv(100)
            return
        for wanted, say in GO:
            if wanted:
                peer.recv(1024)
            peer.sendall(say)
        serve(peer, number)

    with servers.Scripted(handle) as server:
        e, results = measure(f"smtp://127.0.0.1:{server.port}", schema)
    assert count[0] == 3 and e["error"]["code"] == "greylisted" and e["starttls"]["offered"] is True
    assert e["versions"] and e["incomplete"]
    assert results["tls.starttls"]["result"] == "pass"


def test_tarpit_greeting_is_waited_for(pair, schema):
    """Longer than TimeoutMs, which is for TLS; less than MailTimeoutMs."""
    serve = tls_after(pair)

    def handle(peer, number):
        if number == 0:
            time.sleep(1.5)
        for wanted, say in GO:
            if wanted:
                peer.recv(1024)
            peer.sendall(say)
        serve(peer, number)

    with servers.Scripted(handle) as server:
        e, _ = measure(f"smtp://127.0.0.1:{server.port}", schema, TimeoutMs=1000 * SLOW, MailTimeoutMs=5000 * SLOW)
    assert e["versions"] == ["TLSv1.2", "TLSv1.3"] and "error" not in e


@pytest.mark.parametrize("drip", [b"", b"2", b"220-slow\r\n"], ids=["silent", "byte by byte", "line by line"])
def test_endless_tarpit_ends(drip, schema):
    def handle(peer, _):
        while True:
            if drip:
                peer.sendall(drip)
            time.sleep(0.1)

    with servers.Scripted(handle) as server:
        begin = time.monotonic()
        e, results = measure(f"smtp://127.0.0.1:{server.port}", schema, MailTimeoutMs=1000)
        spent = time.monotonic() - begin
    assert e["error"]["code"] in ("timeout", "wrong_protocol") and e["connections"] == 1 and spent < 4 * SLOW
    assert results["tls.starttls"]["result"] == "unknown"


def test_endless_reply_is_cut(schema):
    def handle(peer, _):
        peer.sendall(b"220 mx\r\n")
        peer.recv(1024)
        while True:
            peer.sendall(b"250-FILLER and more of it\r\n" * 100)

    with servers.Scripted(handle) as server:
        e, results = measure(f"smtp://127.0.0.1:{server.port}", schema)
    assert e["error"]["code"] == "too_large" and e["connections"] == 1
    assert results["tls.starttls"]["result"] == "unknown"


def test_closed_before_tls_at_every_word(schema):
    for stop in range(len(GO)):
        with Clear(GO[:stop], then=lambda peer, _: None) as server:
            e, results = measure(server.uri, schema)
            assert server.accepted == 1
        assert e["error"]["code"] in ("closed", "reset"), stop
        assert results["tls.starttls"]["result"] == "unknown"


def test_go_ahead_and_then_no_tls(schema):
    """It offers, and begins, and then speaks no TLS: unknown which versions, but nothing was injected before the ClientHello."""

    def then(peer, _):
        peer.recv(4096)
        peer.sendall(b"454 sorry\r\n")

    with Clear(GO, then) as server:
        e, results = measure(server.uri, schema)
    assert e["starttls"]["injection"] is False and e["error"]["code"] == "not_tls"
    assert results["tls.version"]["result"] == "unknown"


@pytest.mark.parametrize("scheme,say", [
    ("imap", b"* BYE too many connections\r\n"), ("pop3", b"-ERR [SYS/TEMP] later\r\n"), ("ftp", b"421 too many users\r\n"),
    ("ldap", bytes.fromhex("3024020100781f0a0133040004008a16") + b"1.3.6.1.4.1.1466.20036"),
    ("postgresql", b"E\0\0\0\x15C53300\0Mtoo many\0\0"),
    ("xmpp", b"<stream:stream><stream:error><resource-constraint/></stream:error></stream:stream>"),
])
def test_others_that_have_enough(scheme, say, schema):
    with Clear([(None, say)], scheme=scheme) as server:
        e, results = measure(server.uri, schema)
        assert server.accepted == 1
    assert e["error"]["code"] in ("rate_limited", "unavailable")
    assert results["tls.starttls"]["result"] == "unknown"


def test_imap_preauth(schema):
    with Clear([(None, b"* PREAUTH welcome back\r\n")], scheme="imap") as server:
        e, results = measure(server.uri, schema)
    assert e["starttls"]["preauth"] is True
    assert results["tls.starttls"]["code"] == "tls.starttls.preauth" and results["tls.starttls"]["result"] == "fail"


def test_refused_connection_keeps_its_protocol(schema):
    port = servers.free_port()
    e, results = measure(f"smtp://127.0.0.1:{port}", schema)
    assert e["error"]["code"] == "refused" and e["starttls"] == {"protocol": "smtp"}
    assert results["tls.starttls"] | {"args": None} == {"check": "tls.starttls", "result": "unknown", "code": "endpoint.refused",
                                                         "args": None}


def test_helo_name_is_checked():
    with pytest.raises(ValueError, match="HeloName"):
        crypto_worker.probe(["smtp://127.0.0.1:25"], HeloName="a b\r\nMAIL FROM:<>")
